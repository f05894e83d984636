"""An apply report flag by flag: one view, drawn as text and as Markdown, and the JSON document of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import FORBIDDEN, UNAUTHORIZED
from reconciler.reports.danger import KEY_LENGTH
from reconciler.reports.fitting import first_that_fit
from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.reports.plan_markdown import effect_row, effects_table
from reconciler.reports.plan_view import call_line
from reconciler.reports.sanitize import code_span, defuse, markdown_text, visible
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.apply import ApplyReport, FlagOutcome, OperationOutcome
    from reconciler.reports.effects import EffectRow
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

SYMBOLS = {"applied": "✓", "failed": "✗", "unknown": "?", "skipped": "·", "held": "!"}
_REFUSALS = {UNAUTHORIZED, FORBIDDEN}
_ROOM = 24_000
"""Characters of the table of effects: the reviewed plan stands below it in one comment."""

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

    @property
    def has_more(self) -> bool:
        """Whether there is more to say than the status."""
        return bool(self.error or self.notes or self.calls)


class AppliedEffect(Struct, frozen=True, kw_only=True):
    """A row of the plan's table of effects, and what came of its flag.

    `number` is the place of the flag's section, from 1; None and `outcome` "" for a flag that was only released.
    """

    row: EffectRow
    outcome: str
    number: int | None


class ApplyView(Struct, frozen=True, kw_only=True):
    """A whole report; `last_line` has one shape. `verified` is None where nothing was read back.

    `effects` is the plan's table, worst first; empty where the plan is not at hand.
    """

    sections: tuple[ApplySection, ...]
    last_line: str
    verified: bool | None
    effects: tuple[AppliedEffect, ...]


def apply_view(report: ApplyReport, effects: Iterable[EffectRow] = ()) -> ApplyView:
    """The view of a report. Holds no user ids: errors are shown as they were written."""
    words = ", ".join(f"{count} {status}" for status, count in report.summary.items() if status in SYMBOLS)
    verified = {True: "; verified", False: "; NOT verified", None: "; not verified by a read-back"}
    refused: dict[str, str] = {}
    sections = tuple(_section(outcome, refused) for outcome in report.outcomes)
    return ApplyView(
        sections=sections,
        effects=tuple(_applied_effects(sections, effects)),
        last_line=f"Apply: {words}; {report.unchanged} unchanged{verified[report.verified]}",
        verified=report.verified,
    )


def _applied_effects(sections: Iterable[ApplySection], effects: Iterable[EffectRow]) -> Iterator[AppliedEffect]:
    found = {cut(item.key, KEY_LENGTH): (number, item) for number, item in enumerate(sections, start=1)}
    for row in effects:
        number, section = found.get(row.key, (None, None))
        outcome = f"{section.symbol} {section.status}" if section else ""
        yield AppliedEffect(row=row, outcome=outcome, number=number)


def _section(outcome: FlagOutcome, refused: dict[str, str]) -> ApplySection:
    done = sum(operation.status == "applied" for operation in outcome.operations)
    total = len(outcome.operations)
    return ApplySection(
        symbol=SYMBOLS[outcome.status],
        key=visible(outcome.key),
        status=outcome.status,
        detail=counted(total, "call") if done == total else f"{done} of {counted(total, 'call')} made",
        error=None if outcome.error is None else visible(_error(outcome, outcome.error, refused)),
        notes=tuple(map(visible, _notes(outcome))),
        calls=tuple(
            _line(operation, outcome)
            for operation in outcome.operations
            if (operation.status != "applied" or operation.is_added) and outcome.status != "held"
        ),
    )


def _error(outcome: FlagOutcome, error: str, refused: dict[str, str]) -> str:
    """The error of a flag; one that the key met at an earlier flag too is said there, by `refused`."""
    if not _REFUSALS & {operation.http_status for operation in outcome.operations}:
        return error
    first = refused.setdefault(error.replace(outcome.flag_id or "", ""), outcome.key)
    return error if first == outcome.key else f"Refused as {first} was."


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
    if operation.error and not (flag.error and flag.error.startswith(operation.error)):
        parts.append(visible(operation.error))
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


def render_apply_markdown(report: ApplyReport, options: RenderOptions) -> str:
    """The report as Markdown: its last line, the table of effects with what came of each flag, and the rest."""
    return defuse("\n\n".join(_blocks(apply_view(report, options.effects)))) + "\n"


def _blocks(view: ApplyView) -> Iterator[str]:
    yield f"**{view.last_line}**"
    yield from _effects(view.effects)
    told = [section for section in view.sections if not view.effects or section.has_more]
    if told:
        yield "\n".join(line for section in told for line in _flag_lines(section))


def _effects(effects: Iterable[AppliedEffect]) -> Iterator[str]:
    """The rows that fit."""
    rows = [f"{effect_row(effect.row)} {effect.outcome} |" for effect in effects]
    shown = rows[: first_that_fit(rows, _ROOM)]
    yield from effects_table(shown, "outcome")
    if len(shown) < len(rows):
        yield f"**{counted(len(rows) - len(shown), 'more row')} did not fit into the table.**"


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
