"""An apply report flag by flag: one view, drawn as text and as Markdown, and the JSON document of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.reports.plan_view import call_line
from reconciler.reports.sanitize import code_span, defuse, markdown_text, visible
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply import ApplyReport, FlagOutcome, OperationOutcome
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

SYMBOLS = {"applied": "✓", "failed": "✗", "unknown": "?", "skipped": "·", "held": "!"}
_STYLES = {"applied": "green", "failed": "red", "unknown": "yellow", "skipped": "dim", "held": "red"}


class CallOutcomeLine(Struct, frozen=True, kw_only=True):
    """One call that was not applied, or that no plan showed."""

    order: int
    kind: str
    status: str
    detail: str


class ApplySection(Struct, frozen=True, kw_only=True):
    """One flag's outcome; `calls` holds those that were not applied or not planned."""

    symbol: str
    key: str
    status: str
    detail: str
    error: str | None
    notes: tuple[str, ...]
    calls: tuple[CallOutcomeLine, ...]


class ApplyView(Struct, frozen=True, kw_only=True):
    """A whole report; `last_line` has one shape. `verified` is None where nothing was read back."""

    sections: tuple[ApplySection, ...]
    last_line: str
    verified: bool | None = None


def apply_view(report: ApplyReport) -> ApplyView:
    """The view of a report. Holds no user ids: errors are shown as they were written."""
    words = ", ".join(f"{count} {status}" for status, count in report.summary.items() if status in SYMBOLS)
    verified = {True: "; verified", False: "; NOT verified", None: "; not verified by a read-back"}
    return ApplyView(
        sections=tuple(_section(outcome) for outcome in report.outcomes),
        last_line=f"Apply: {words}; {report.unchanged} unchanged{verified[report.verified]}",
        verified=report.verified,
    )


def _section(outcome: FlagOutcome) -> ApplySection:
    done = sum(operation.status == "applied" for operation in outcome.operations)
    total = len(outcome.operations)
    return ApplySection(
        symbol=SYMBOLS[outcome.status],
        key=visible(outcome.key),
        status=outcome.status,
        detail=counted(total, "call") if done == total else f"{done} of {counted(total, 'call')} made",
        error=None if outcome.error is None else visible(outcome.error),
        notes=tuple(map(visible, _notes(outcome))),
        calls=tuple(
            _line(operation, outcome)
            for operation in outcome.operations
            if (operation.status != "applied" or operation.is_added) and outcome.status not in {"held", "skipped"}
        ),
    )


def _notes(outcome: FlagOutcome) -> Iterator[str]:
    if outcome.users_see:
        yield outcome.users_see
    for item in outcome.stored:
        yield f"{item.path} is stored otherwise: {item.how}."
    if outcome.editors:
        yield (
            f"Others edited the flag between the calls, and may have been overwritten: versions of "
            f"{', '.join(outcome.editors)}. `reconciler history {outcome.key}` shows them."
        )


def _line(operation: OperationOutcome, flag: FlagOutcome) -> CallOutcomeLine:
    """One call; an error that was said of the whole flag is not said again."""
    parts = [f"HTTP {operation.http_status}"] if operation.http_status else []
    parts += [counted(operation.attempts, "attempt")] if operation.attempts else []
    parts += [visible(operation.error)] if operation.error and operation.error != flag.error else []
    if operation.is_added:
        call = call_line(operation.order, operation.operation, flag.flag_id, show_users=False)
        request = (call.method, call.path, call.body, call.note and f"({call.note})")
        parts.append("not in the plan: " + " ".join(part for part in request if part))
    return CallOutcomeLine(
        order=operation.order, kind=operation.operation.kind, status=operation.status, detail=", ".join(parts)
    )


def render_apply_text(report: ApplyReport, options: RenderOptions) -> str:
    """The report as text: a line per flag, the calls that were not made, and `last_line` of the view."""
    view, layout = apply_view(report), TextLayout(options.terminal)
    for section in view.sections:
        style = _STYLES[section.status]
        layout.line(
            (f"{section.symbol} ", f"bold {style}"), (section.key, "bold"), f"  {section.status}, {section.detail}"
        )
        if section.error:
            layout.line((section.error, style), indent=4)
        for note in section.notes:
            layout.line(("note: ", "dim"), (note, "dim"), indent=4)
        for call in section.calls:
            layout.line(
                f"{call.order}. {call.kind}  ", (call.status, _STYLES[call.status]), _tail(call.detail), indent=4
            )
    layout.blank()
    layout.verbatim(view.last_line)
    return layout.render()


def render_apply_markdown(report: ApplyReport, _: RenderOptions) -> str:
    """The report as Markdown, its last line first."""
    return defuse("\n\n".join(_blocks(apply_view(report)))) + "\n"


def _blocks(view: ApplyView) -> Iterator[str]:
    yield f"**{view.last_line}**"
    if view.sections:
        yield "\n".join(line for section in view.sections for line in _flag_lines(section))


def _flag_lines(section: ApplySection) -> Iterator[str]:
    error = f": {markdown_text(section.error)}" if section.error else ""
    yield f"- {section.symbol} {code_span(section.key)} {section.status}, {section.detail}{error}"
    for note in section.notes:
        yield f"    - {markdown_text(note)}"
    for call in section.calls:
        yield f"    - call {call.order}, {call.kind}: {call.status}{markdown_text(_tail(call.detail))}"


def _tail(detail: str) -> str:
    return f": {detail}" if detail else ""


def render_apply_json(report: ApplyReport, options: RenderOptions) -> str:
    """The report as JSON (schemas/report.schema.json). `requests` counts what apply itself sent."""
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "summary": report.summary,
        "verified": report.verified,
        "flags": [_flag_outcome(outcome) for outcome in report.outcomes],
        "requests": report.requests,
    }
    return render_json(document, options.error)


def _flag_outcome(outcome: FlagOutcome) -> dict[str, Json]:
    document: dict[str, Json] = {
        "key": outcome.key,
        "id": outcome.flag_id,
        "action": outcome.action.value,
        "status": outcome.status.value,
        "verified": outcome.verified,
        "error": outcome.error,
        "operations": [_operation_outcome(item, outcome.flag_id) for item in outcome.operations],
    }
    if outcome.duplicates:
        document["duplicates"] = list(outcome.duplicates)
    if outcome.users_see:
        document["usersSee"] = outcome.users_see
    if outcome.editors:
        document["editors"] = list(outcome.editors)
    if outcome.stored:
        document["storedOtherwise"] = [{"path": item.path, "how": item.how} for item in outcome.stored]
    return document


def _operation_outcome(outcome: OperationOutcome, flag_id: str | None) -> dict[str, Json]:
    """One call by its order in the plan; one that no plan showed with its request."""
    document: dict[str, Json] = {
        "order": outcome.order,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        "httpStatus": outcome.http_status,
        "error": outcome.error,
    }
    return document | ({"added": True, **outcome.operation.to_json(flag_id)} if outcome.is_added else {})
