"""Which reports there are and in which formats: one row for each pair, and the function that renders it.

A renderer takes the report's value and RenderOptions and gives text that ends with a line break. It is imported when
it is used. A new format is a function and a row here; the choices of `--format` follow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from msgspec import Struct

from reconciler.reports.text_layout import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.apply import ApplyReport
    from reconciler.doctor import Check
    from reconciler.drift import DriftReport, FlagHistory
    from reconciler.errors import ReconcilerError
    from reconciler.evaluation.comparison import UserReport, UsersReport
    from reconciler.model.flag import FlagSpec
    from reconciler.planning.plan import Plan
    from reconciler.reports.effects import EffectRow
    from reconciler.reports.findings import FindingsReport
    from reconciler.reports.verdicts import VerdictsReport
    from reconciler.rollouts.report import AdvanceReport

T = TypeVar("T")


class RenderOptions(Struct, frozen=True, kw_only=True):
    """What renderers may need besides the value.

    `terminal` is what text is laid out for; `verbose` has a text plan show calls, notes and costs too;
    `show_users` shows user ids instead of counting them;
    `request` is what the forge calls a proposed change;
    `effects` is the table of the plan that an apply report is about;
    `error` becomes the `error` member of a JSON document.
    """

    terminal: Terminal = Terminal()
    verbose: bool = False
    show_users: bool = False
    request: str = "pull request"
    effects: tuple[EffectRow, ...] = ()
    error: ReconcilerError | None = None


class Report(Struct, Generic[T], frozen=True):
    """A kind of report, by the type of its value."""

    name: str


PLAN: Final[Report[Plan]] = Report("plan")
APPLY: Final[Report[ApplyReport]] = Report("apply")
DRIFT: Final[Report[DriftReport]] = Report("drift")
ADVANCE: Final[Report[AdvanceReport]] = Report("advance")
HISTORY: Final[Report[FlagHistory]] = Report("history")
DOCTOR: Final[Report[Sequence[Check]]] = Report("doctor")
FINDINGS: Final[Report[FindingsReport]] = Report("findings")
VERDICTS: Final[Report[VerdictsReport]] = Report("verdicts")
EVALUATION: Final[Report[UserReport]] = Report("evaluation")
EXPORT: Final[Report[Sequence[FlagSpec]]] = Report("export")
EVALUATION_SUMMARY: Final[Report[UsersReport]] = Report("evaluation-summary")

RENDERERS: Final[dict[tuple[str, str], str]] = {
    ("plan", "text"): "plan_text:render_plan_text",
    ("plan", "json"): "json_report:render_plan_json",
    ("plan", "markdown"): "plan_markdown:render_plan_markdown",
    ("plan", "html"): "html:render_plan_html",
    ("apply", "text"): "apply:render_apply_text",
    ("apply", "json"): "apply:render_apply_json",
    ("apply", "markdown"): "apply:render_apply_markdown",
    ("apply", "html"): "html:render_apply_html",
    ("drift", "text"): "drift_text:render_drift_text",
    ("drift", "json"): "drift_json:render_drift_json",
    ("drift", "markdown"): "drift_text:render_drift_markdown",
    ("drift", "html"): "html:render_drift_html",
    ("advance", "text"): "rollouts:render_advance_text",
    ("advance", "json"): "rollouts:render_advance_json",
    ("history", "text"): "drift_text:render_history_text",
    ("history", "json"): "drift_json:render_history_json",
    ("doctor", "text"): "doctor:render_doctor_text",
    ("doctor", "json"): "doctor:render_doctor_json",
    ("findings", "text"): "findings:render_findings_text",
    ("findings", "json"): "findings:render_findings_json",
    ("findings", "github"): "findings:render_github",
    ("findings", "sarif"): "findings:render_sarif",
    ("verdicts", "text"): "verdicts:render_text",
    ("verdicts", "json"): "verdicts:render_verdicts_json",
    ("verdicts", "junit"): "verdicts:render_junit",
    ("verdicts", "github"): "verdicts:render_github",
    ("export", "sdk"): "export:render_sdk",
    ("export", "openfeature"): "export:render_openfeature",
    ("export", "typescript"): "export_types:render_typescript",
    ("export", "python"): "export_types:render_python",
    ("evaluation", "text"): "evaluation:render_user_text",
    ("evaluation", "json"): "evaluation:render_user_json",
    ("evaluation-summary", "text"): "evaluation:render_summary_text",
    ("evaluation-summary", "json"): "evaluation:render_summary_json",
}
"""`module:function` within this package, by report and format; the first format of a report is its default."""


def formats(report: Report[T]) -> tuple[str, ...]:
    """The formats that a report has, in the order of the table."""
    return tuple(form for name, form in RENDERERS if name == report.name)


def render(report: Report[T], form: str, value: T, options: RenderOptions | None = None) -> str:
    """A value of the report as text of this format. Raises KeyError where the report has no such format."""
    module, _, function = RENDERERS[report.name, form].partition(":")
    renderer: Callable[[T, RenderOptions], str] = getattr(import_module(f"reconciler.reports.{module}"), function)
    return renderer(value, options or RenderOptions())
