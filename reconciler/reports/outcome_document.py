"""An apply report as lines: what was done flag by flag, decided once for text, Markdown and HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.reports.document import call_line
from reconciler.reports.sanitize import visible
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.apply import ApplyReport, FlagOutcome, OperationOutcome

SYMBOLS = {"applied": "✓", "failed": "✗", "unknown": "?", "skipped": "·"}


class OutcomeLine(Struct, frozen=True, kw_only=True):
    """One call that was not applied, or that no plan showed."""

    order: int
    kind: str
    status: str
    detail: str


class OutcomeSection(Struct, frozen=True, kw_only=True):
    """One flag's outcome; `calls` holds those that were not applied or not planned."""

    symbol: str
    key: str
    status: str
    detail: str
    error: str | None
    calls: tuple[OutcomeLine, ...]


class OutcomeDocument(Struct, frozen=True, kw_only=True):
    """A whole report; `last_line` has one shape. `verified` is None where nothing was read back."""

    sections: tuple[OutcomeSection, ...]
    last_line: str
    verified: bool | None = None


def outcome_document(report: ApplyReport) -> OutcomeDocument:
    """The document of a report. Holds no user ids: errors are shown as they were written."""
    counts = [outcome.status.value for outcome in report.outcomes]
    words = ", ".join(f"{counts.count(status)} {status}" for status in SYMBOLS)
    verified = {True: "; verified", False: "; NOT verified", None: "; not verified by a read-back"}
    return OutcomeDocument(
        sections=tuple(_section(outcome) for outcome in report.outcomes),
        last_line=f"Apply: {words}; {report.unchanged} unchanged{verified[report.verified]}",
        verified=report.verified,
    )


def _section(outcome: FlagOutcome) -> OutcomeSection:
    done = sum(operation.status == "applied" for operation in outcome.operations)
    total = len(outcome.operations)
    return OutcomeSection(
        symbol=SYMBOLS[outcome.status],
        key=visible(outcome.key),
        status=outcome.status,
        detail=counted(total, "call") if done == total else f"{done} of {counted(total, 'call')} made",
        error=None if outcome.error is None else visible(outcome.error),
        calls=tuple(
            _line(operation, outcome)
            for operation in outcome.operations
            if operation.status != "applied" or operation.is_added
        ),
    )


def _line(operation: OperationOutcome, flag: FlagOutcome) -> OutcomeLine:
    """One call; an error that was said of the whole flag is not said again."""
    parts = [f"HTTP {operation.http_status}"] if operation.http_status else []
    parts += [counted(operation.attempts, "attempt")] if operation.attempts else []
    parts += [visible(operation.error)] if operation.error and operation.error != flag.error else []
    if operation.is_added:
        call = call_line(operation.order, operation.operation, flag.flag_id, show_users=False)
        request = (call.method, call.path, call.body, call.note and f"({call.note})")
        parts.append("not in the plan: " + " ".join(part for part in request if part))
    return OutcomeLine(
        order=operation.order, kind=operation.operation.kind, status=operation.status, detail=", ".join(parts)
    )
