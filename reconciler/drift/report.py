"""What a look for drift found, as frozen values: what differs live, who changed it, and what was not seen."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.model.versions import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from reconciler.diagnostics import SourcePosition
    from reconciler.drift.edits import Edit
    from reconciler.model.reads import Read
    from reconciler.model.versions import DeclaredValue
    from reconciler.planning.plan import FieldChange, PlannedRollout


class Basis(StrEnum):
    """What an attribution rests on."""

    VERSION = "version"
    """The oldest version since which the field has had its live value."""
    OLDEST_VERSION = "oldest-version"
    """The same, but older versions are not shown: it was that one or an earlier one."""
    LAST_EDIT = "last-edit"
    """Versions do not show the field, or do not have its live value: the last editor of the flag is named."""
    UNKNOWN = "unknown"
    """Nothing was shown."""


class Cause(StrEnum):
    """Why a field differs."""

    LIVE_EDIT = "live-edit"
    """The live flag had the declared value since it was declared, and lost it."""
    NOT_APPLIED = "not-applied"
    """The live flag never had it since: git is ahead."""
    UNKNOWN = "unknown"
    """git does not tell since when it declares the value, or the server what the flag was then."""


class Notification(StrEnum):
    """How a look compares with the one before it."""

    NEW = "new"
    CHANGED = "changed"
    RECOVERED = "recovered"
    SAME = "same"
    NONE = "none"


class Attribution(Struct, frozen=True, kw_only=True):
    """Who made a difference, when (as the server writes it) and in which version; None where that is not known."""

    by: str | None = None
    at: str | None = None
    version: int | None = None
    basis: Basis = Basis.UNKNOWN

    @property
    def order(self) -> tuple[datetime, int]:
        """A key by which the later attribution is the greater one."""
        return parse_time(self.at) or datetime.min.replace(tzinfo=UTC), self.version or 0


class AttributedChange(Struct, frozen=True, kw_only=True):
    """A field that differs (`before` is live, `after` is declared, as in a plan), why, and who made it so.

    `declared` is the commit since which git declares its value so; None where that is not known.
    """

    change: FieldChange
    attribution: Attribution = Attribution()
    cause: Cause = Cause.UNKNOWN
    declared: DeclaredValue | None = None


class FlagDrift(Struct, frozen=True, kw_only=True):
    """A declared flag that differs, in at least one field.

    `frozen_until` is there while the freeze lasts, `known_until` while the drift is known; `known_reason` says why.
    `is_archived_unasked`: archived live, and the declaration does not say `archived`, so that no plan brings it back.
    """

    key: str
    flag_id: str
    changes: tuple[AttributedChange, ...]
    source: SourcePosition | None = None
    frozen_until: date | datetime | None = None
    known_until: date | datetime | None = None
    known_reason: str | None = None
    is_archived_unasked: bool = False

    @property
    def latest(self) -> Attribution:
        """The attribution of the live edit that was made last."""
        return max((item.attribution for item in self.changes), key=lambda item: item.order)

    @property
    def cause(self) -> Cause:
        """Live edit where any of the changes is one; not applied where all are that."""
        causes = {item.cause for item in self.changes}
        return next(cause for cause in (Cause.LIVE_EDIT, Cause.UNKNOWN, Cause.NOT_APPLIED) if cause in causes)


class FieldOfFlag(Struct, frozen=True, kw_only=True, order=True):
    """A field of a flag: `path` is a JSON Pointer as in a change, "" the flag as a whole."""

    key: str
    path: str = ""


class StoredOtherwise(Struct, frozen=True, kw_only=True, order=True):
    """A field that the server keeps in another form than the declared one: `how`, in a few words. It is no drift."""

    key: str
    path: str
    how: str


class Sweep(Struct, frozen=True, kw_only=True):
    """Reads that a budget holds back, taken in turn: of `total`, `done` in this run; `last` is where it ended."""

    total: int
    done: int
    last: Read | None = None

    @property
    def runs(self) -> int | None:
        """How many runs like this one look at everything once; None: none ever does."""
        if not self.total:
            return 1
        return -(-self.total // self.done) if self.done else None


class DriftReport(Struct, frozen=True, kw_only=True):
    """Everything that one look found, flags and fields sorted.

    `checked` are the declared flags that were compared; `unchecked` those fields of theirs that the budget left out.
    `remembered` are differences that an earlier run found and this one did not look at again: they count as drift.
    `known` are declared flags of which drift is known until later: it is shown, and counts as none.
    `duplicates` are declared keys that several live flags carry, with the ids. `unmanaged` flags are no drift.
    `since` is the time before which edits were not looked for, `looked_at` that of the look. `gaps` say why it is
    not known of some values since when git declares them. `stored` are no drift: no call would change them.
    `edits` are those outside git since `edits_since`, which are no drift by themselves either; None: not looked for.
    `rollouts` are those of the flags that were compared that are still to reach their ends: they are no drift.
    `last_look` is the time of the run before this one that a state file remembers, and `newest` what the next one is
    to remember: the newest version of each flag that was edited since, by its id.
    """

    project_id: str
    region: str
    environment: str | None
    flags: tuple[FlagDrift, ...] = ()
    missing: tuple[str, ...] = ()
    unmanaged: tuple[str, ...] = ()
    duplicates: Mapping[str, tuple[str, ...]] = {}
    known: frozenset[str] = frozenset()
    checked: frozenset[str] = frozenset()
    unchecked: tuple[FieldOfFlag, ...] = ()
    remembered: tuple[FieldOfFlag, ...] = ()
    since: datetime | None = None
    looked_at: datetime | None = None
    gaps: tuple[str, ...] = ()
    sweep: Sweep | None = None
    stored: tuple[StoredOtherwise, ...] = ()
    rollouts: tuple[PlannedRollout, ...] = ()
    edits: tuple[Edit, ...] | None = None
    edits_since: datetime | None = None
    last_look: datetime | None = None
    newest: Mapping[str, int] = {}
    notice: Notification | None = None
    requests: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def is_drifted(self) -> bool:
        """Whether a declared flag differs, is missing, or is there twice, and that is not known until later."""
        return bool(self.drifted)

    @property
    def drifted(self) -> frozenset[str]:
        """The flags that differ, are missing or are there twice, without those of which it is known."""
        keys = {flag.key for flag in self.flags} | {place.key for place in self.remembered}
        return frozenset(keys.union(self.missing, self.duplicates)) - self.known
