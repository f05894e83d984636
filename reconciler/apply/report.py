"""The outcome of an apply: one for each operation and each flag."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import GuardRefusedError, InterruptedRunError, PartlyAppliedError, ReconcilerError

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import Action


class Status(StrEnum):
    """How it ended. `unknown`: it may have taken effect; the next run reads what is true. `held`: by a guard."""

    APPLIED = "applied"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    HELD = "held"


class OperationOutcome(Struct, frozen=True, kw_only=True):
    """One operation: `order` counts from 1 within the flag, `attempts` how often it was sent or tried to (0: never).

    `is_added`: no plan showed it; it was needed because the server did less, or more, than it was asked.
    """

    order: int
    operation: Operation
    status: Status
    attempts: int
    http_status: int | None = None
    error: str | None = None
    is_added: bool = False


class StoredField(Struct, frozen=True, kw_only=True):
    """A field, as a JSON Pointer, and the form in which the server keeps it, in a few words."""

    path: str
    how: str


class FlagOutcome(Struct, frozen=True, kw_only=True):
    """One flag of the plan. `verified` is None where it was not read back.

    `duplicates` are the ids of all live flags that carry the key of a new one, where there are several. `stored` are
    the fields that the server keeps in another form than the declared one: no call changes that. `editors` made
    versions during the run, this key's user among them; empty where all versions may be this run's own.
    `users_see` says what users see now where not all was applied.
    """

    key: str
    action: Action
    status: Status
    operations: tuple[OperationOutcome, ...]
    flag_id: str | None
    error: str | None
    verified: bool | None = None
    duplicates: tuple[str, ...] = ()
    stored: tuple[StoredField, ...] = ()
    editors: tuple[str, ...] = ()
    users_see: str = ""

    @property
    def changed_something(self) -> bool:
        """Whether at least one operation took effect, or may have."""
        return any(item.status in {Status.APPLIED, Status.UNKNOWN} for item in self.operations)


_NOT_IN_PLACE = "Every call was made, but what is live differs from the plan; the report says where."


class ApplyReport(Struct, frozen=True, kw_only=True):
    """Every flag of the plan, sorted by key.

    `verified` is True when everything that was applied was read back and found in place, None when nothing was
    read back. `stopped_by` is the failure that ended the run early; `signal_number` the signal that did.
    """

    outcomes: tuple[FlagOutcome, ...]
    unchanged: int
    verified: bool | None = None
    requests: int = 0
    stopped_by: ReconcilerError | None = None
    signal_number: int | None = None

    @property
    def summary(self) -> dict[str, int]:
        """Flags by status, and those that needed nothing; `held` only where some are."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        known = [status for status in Status if status is not Status.HELD or counts[status]]
        return {status.value: counts[status] for status in known} | {"unchanged": self.unchanged}

    @property
    def changed_something(self) -> bool:
        """Whether at least one operation of a flag took effect, or may have."""
        return any(outcome.changed_something for outcome in self.outcomes)

    @property
    def ok(self) -> bool:
        """Whether the whole plan is in place."""
        return all(outcome.status is Status.APPLIED for outcome in self.outcomes) and self.verified is not False

    @property
    def exit_code(self) -> int:
        """0 all applied · 130/143 a signal · 7 where at least one call took effect, or may have.

        Where none did: 4 when the key was refused, 5 when every flag is held, else 1. A key that several flags carry
        by now is 1 as well: each of them was made as it should be, and their sum is wrong.
        """
        if self.signal_number is not None:
            return 128 + self.signal_number
        if self.ok and self.stopped_by is None:
            return 0
        if any(outcome.duplicates for outcome in self.outcomes):
            return ReconcilerError.exit_code
        if self.changed_something:
            return PartlyAppliedError.exit_code
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        if all(outcome.status is Status.HELD for outcome in self.outcomes):
            return GuardRefusedError.exit_code
        return ReconcilerError.exit_code

    @property
    def failure(self) -> ReconcilerError | None:
        """The error that the run ends with, which has its exit code; None where that is 0."""
        code = self.exit_code
        if code == 0:
            return None
        if self.signal_number is not None:
            return InterruptedRunError(f"Interrupted, and nothing more is sent. {self._said()}", self.signal_number)
        if code == PartlyAppliedError.exit_code:
            why = f" {self.stopped_by}" if self.stopped_by else ""
            return PartlyAppliedError(f"{self._said()} Plan again to go on.{why}")
        if self.stopped_by is not None:
            return self.stopped_by
        if code == GuardRefusedError.exit_code:
            return GuardRefusedError(self._said(), ())
        return ReconcilerError(self._said())

    def _said(self) -> str:
        """The outcome in a sentence: all, some or none of the plan, as far as that is known."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        calls = Counter(item.status for outcome in self.outcomes for item in outcome.operations)
        words = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
        if counts[Status.APPLIED] == len(self.outcomes):
            return "Everything was applied." if self.verified is not False else _NOT_IN_PLACE
        if not calls[Status.APPLIED] + calls[Status.UNKNOWN]:
            return f"Nothing was applied: {words}; the report says why."
        if not calls[Status.APPLIED] or counts[Status.APPLIED] + counts[Status.UNKNOWN] == len(self.outcomes):
            how_much = "all" if calls[Status.APPLIED] else "any"
            return f"Whether {how_much} of the plan was applied is not known: {words}; the report says of what."
        return f"The plan was applied in part: {words}; the report says which calls were made."
