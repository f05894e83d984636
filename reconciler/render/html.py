"""A plan or a report as one self-contained page: no network, no script, everything escaped by jinja2."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from reconciler.render.document import advice
from reconciler.render.sanitize import defuse

if TYPE_CHECKING:
    from reconciler.render.document import PlanDocument
    from reconciler.render.exposure_view import Share
    from reconciler.render.outcome_document import OutcomeDocument

_BAR_UNITS = 1000


def render_plan_html(document: PlanDocument) -> str:
    """The plan as an HTML page."""
    return _render("plan.html.j2", document)


def render_outcome_html(document: OutcomeDocument) -> str:
    """The report as an HTML page."""
    return _render("outcome.html.j2", document)


def _render(template: str, document: PlanDocument | OutcomeDocument) -> str:
    return defuse(_environment().get_template(template).render(document=document)) + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reconciler.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["advice"] = advice
    environment.filters["rectangles"] = rectangles
    return environment


def rectangles(shares: tuple[Share, ...]) -> list[tuple[Share, float, float]]:
    """Each share with the start and width of its piece of a bar that is 1,000 units long."""
    pieces: list[tuple[Share, float, float]] = []
    start = 0.0
    for share in shares:
        width = float(share.part * _BAR_UNITS)
        pieces.append((share, round(start, 2), round(width, 2)))
        start += width
    return pieces
