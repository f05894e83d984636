"""A plan or a report as one self-contained page: no network, no script, everything escaped by jinja2.

The style is a file of its own that holds no data. The page's policy names its hash and forbids everything else, so a
string that was not escaped would still do nothing.
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
from reconciler.reports.drift_view import drift_view
from reconciler.reports.exposure_view import bar_text, legend
from reconciler.reports.plan_view import REFUSED, plan_view
from reconciler.reports.sanitize import defuse
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.apply import ApplyReport
    from reconciler.drift import DriftReport
    from reconciler.planning.plan import Plan
    from reconciler.reports.apply import ApplyView
    from reconciler.reports.drift_view import DriftView
    from reconciler.reports.plan_view import PlanView
    from reconciler.reports.registry import RenderOptions

_BAR_WIDTH = 24


def render_plan_html(plan: Plan, options: RenderOptions) -> str:
    """The plan as an HTML page."""
    view = plan_view(plan, show_users=options.show_users)
    return _render("plan.html.j2", view, *_plan_verdict(view))


def render_drift_html(report: DriftReport, _: RenderOptions) -> str:
    """The drift report as an HTML page."""
    view = drift_view(report)
    return _render("drift.html.j2", view, *_drift_verdict(view))


def render_apply_html(report: ApplyReport, options: RenderOptions) -> str:
    """The apply report as an HTML page."""
    view = apply_view(report, options.effects)
    return _render("apply.html.j2", view, *_apply_verdict(view))


def _plan_verdict(view: PlanView) -> tuple[str, str]:
    if view.refusals:
        return "alarm", REFUSED
    if not view.flags:
        return "calm", "No changes: live matches git."
    held, others = view.count_held, len(view.flags) - view.count_held
    would = f"{counted(others, 'flag')} would change" if others else "Nothing would change"
    return ("alarm", f"{would}, {counted(held, 'flag')} held by safety checks.") if held else ("work", f"{would}.")


def _drift_verdict(view: DriftView) -> tuple[str, str]:
    changed, absent = len(view.sections), len(view.absent)
    parts = [f"{counted(changed, 'flag')} different from git"] if changed else []
    parts += [f"{absent} missing or uncertain"] if absent else []
    if parts:
        return "alarm", f"{', '.join(parts)}."
    return ("work", "No drift in what was checked.") if view.is_partial else ("calm", "No drift.")


def _apply_verdict(view: ApplyView) -> tuple[str, str]:
    total = len(view.sections)
    done = sum(section.status == "applied" for section in view.sections)
    if done < total:
        unknown = sum(section.status == "unknown" for section in view.sections)
        doubt = f" Of {counted(unknown, 'flag')} that is not known." if unknown else ""
        known = f"{done} of {counted(total, 'flag')} applied." if done else "No flag was applied completely."
        return "alarm", known + doubt
    if view.verified is False:
        return "alarm", "The live state does not match the plan, although every call succeeded."
    return "calm", "Everything was applied." if done else "There was nothing to do."


def _render(template: str, view: PlanView | DriftView | ApplyView, severity: str, verdict: str) -> str:
    page = environment().get_template(template).render(view=view, severity=severity, verdict=verdict)
    return defuse(page) + "\n"


@cache
def environment() -> Environment:
    """What templates are rendered with."""
    made = Environment(
        loader=PackageLoader("reconciler.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "bar": lambda shares: bar_text(shares, _BAR_WIDTH),
        "breakable": breakable,
        "legend": legend,
    }
    style = _style()
    made.globals["style"] = Markup(style)  # noqa: S704 - a file of ours, not data
    made.globals["style_hash"] = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return made


def breakable(path: str) -> Markup:
    """A path that may be broken after each slash."""
    return Markup("/<wbr>").join(path.split("/"))


def _style() -> str:
    """The style with line feeds only: browsers hash what they read after that."""
    file = resources.files("reconciler.reports") / "templates" / "page.css"
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")
