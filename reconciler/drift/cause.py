"""Why a field differs: it was edited live, or what git declares was never applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.drift.attribution import reading
from reconciler.drift.report import Cause
from reconciler.model.flag import Unset
from reconciler.model.versions import parse_time
from reconciler.planning.plan import MembersChange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.drift.compare import DifferingFlag
    from reconciler.model.flag import Version
    from reconciler.model.versions import Place, Timeline
    from reconciler.planning.plan import FieldChange


def place_of(key: str, change: FieldChange) -> Place:
    """Where a change is declared, for the question since when. What is not declared by itself: what it is part of."""
    if change.path == "/archived":
        return key, "/key"
    if isinstance(change, MembersChange) or not change.path.startswith("/variants/"):
        return key, change.path
    is_whole = change.after is None or change.before is None or change.path.endswith("/key")
    return key, "/variants" if is_whole else change.path


def cause_of(
    change: FieldChange, comparison: DifferingFlag, versions: Sequence[Version], timeline: Timeline | None
) -> Cause:
    """Whether the live flag had the declared value since it was declared, and lost it. `versions` are newest first.

    Not known where git does not tell since when it declares the value, or versions do not show the field.
    """
    declared = timeline.since if timeline else None
    if declared is None or declared.at is None:
        return Cause.UNKNOWN
    wanted = reading(change.path, {})(comparison.wanted)
    value_in = reading(change.path, comparison.pairs)
    live = value_in(comparison.live.spec)
    in_force, is_complete = _since(declared.at, versions)
    values = [value_in(version.flag.spec) for version in in_force]
    if not isinstance(wanted, Unset) and wanted in values:
        return Cause.LIVE_EDIT
    if is_complete and values[0] == live and not any(isinstance(value, Unset) for value in values):
        return Cause.NOT_APPLIED
    return _by_last_edit(change, comparison, declared.at)


def _since(declared_at: datetime, versions: Sequence[Version]) -> tuple[list[Version], bool]:
    """The versions that were in force at that time or later, and whether these are all: at least one then."""
    found: list[Version] = []
    for version in versions:
        at = parse_time(version.created_at)
        if at is None:
            return found, False
        found.append(version)
        if at <= declared_at:
            return found, True
    return found, bool(found) and found[-1].version <= 1


def _by_last_edit(change: FieldChange, comparison: DifferingFlag, declared_at: datetime) -> Cause:
    """What the time of the flag's last edit tells; edits of inclusions may leave it as it is."""
    edited = parse_time(comparison.live.last_modified_at)
    if edited is None or isinstance(change, MembersChange):
        return Cause.UNKNOWN
    if edited < declared_at:
        return Cause.NOT_APPLIED
    return Cause.LIVE_EDIT if change.path == "/archived" and change.before is True else Cause.UNKNOWN
