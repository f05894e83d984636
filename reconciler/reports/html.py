"""A plan or a report as one self-contained page: no network, everything escaped by jinja2.

Style and script are files of their own that hold no data. The page's policy names their hashes, so that nothing else
is obeyed, whatever strings it shows; without the script everything is visible all the same.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reconciler.reports.apply import apply_view
from reconciler.reports.drift_page import drift_page
from reconciler.reports.drift_view import drift_view
from reconciler.reports.flow_view import flow
from reconciler.reports.outcome_page import outcome_page
from reconciler.reports.plan_page import plan_page
from reconciler.reports.plan_view import advice, plan_view
from reconciler.reports.sanitize import defuse

if TYPE_CHECKING:
    from reconciler.apply import ApplyReport
    from reconciler.drift import DriftReport
    from reconciler.planning.plan import Plan
    from reconciler.reports.apply import ApplyView
    from reconciler.reports.drift_view import DriftView
    from reconciler.reports.page import Page
    from reconciler.reports.plan_view import PlanView
    from reconciler.reports.registry import RenderOptions


def render_plan_html(plan: Plan, options: RenderOptions) -> str:
    """The plan as an HTML page."""
    document = plan_view(plan, show_users=options.show_users)
    return _render("plan.html.j2", plan_page(document), document)


def render_drift_html(report: DriftReport, _: RenderOptions) -> str:
    """The drift report as an HTML page."""
    document = drift_view(report)
    return _render("drift.html.j2", drift_page(document), document)


def render_apply_html(report: ApplyReport, _: RenderOptions) -> str:
    """The apply report as an HTML page."""
    document = apply_view(report)
    return _render("outcome.html.j2", outcome_page(document), document)


def _render(template: str, page: Page, document: PlanView | DriftView | ApplyView) -> str:
    return defuse(_environment().get_template(template).render(page=page, document=document)) + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reconciler.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["advice"] = advice
    environment.filters["flow"] = flow
    environment.filters["breakable"] = breakable
    for name in ("style", "script"):
        text = _asset(f"page.{'css' if name == 'style' else 'js'}")
        environment.globals[name] = Markup(text)  # noqa: S704 - a file of ours, not data
        environment.globals[f"{name}_hash"] = _policy_hash(text)
    return environment


def breakable(path: str) -> Markup:
    """A path that may be broken after each slash."""
    return Markup("/<wbr>").join(path.split("/"))


def _asset(name: str) -> str:
    """The text of a file beside the templates, with line feeds only: browsers hash what they read after that."""
    text = (resources.files("reconciler.reports") / "templates" / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _policy_hash(text: str) -> str:
    """A hash source of a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
