"""A flag's past: its versions, with what changed in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.planning.compare import compare_flags, with_details

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model.flag import FlagSpec, Version
    from reconciler.model.rollout import PlacedRollout
    from reconciler.planning.plan import FieldChange


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """A version: who made it when, and its differences from the one before it (`before` is the older value).

    No changes: the same in all that versions show; inclusions, for one, they do not. `is_first`: the oldest version
    that is shown, which has nothing to be compared with. `step` says which declared step of a rollout it made.
    """

    version: int
    created_at: str
    created_by: str | None
    changes: tuple[FieldChange, ...] = ()
    is_first: bool = False
    step: str = ""


class FlagHistory(Struct, frozen=True, kw_only=True):
    """The versions of a flag, newest first. `requests` counts what was read."""

    key: str
    flag_id: str
    entries: tuple[HistoryEntry, ...]
    requests: int


def history_entries(versions: Iterable[Version], rollouts: Iterable[PlacedRollout] = ()) -> tuple[HistoryEntry, ...]:
    """The versions of one flag, in any order, as a history: newest first. `rollouts` are those declared of it."""
    ordered, known = sorted(versions, key=lambda version: version.version, reverse=True), tuple(rollouts)
    older: list[Version | None] = [*ordered[1:], None]
    return tuple(_entry(version, before, known) for version, before in zip(ordered, older, strict=False))


def _entry(version: Version, before: Version | None, rollouts: tuple[PlacedRollout, ...]) -> HistoryEntry:
    return HistoryEntry(
        version=version.version,
        created_at=version.created_at,
        created_by=version.created_by,
        changes=() if before is None else _changes(before, version),
        is_first=before is None,
        step="" if before is None else ", ".join(_steps(before.flag.spec, version.flag.spec, rollouts)),
    )


def _steps(before: FlagSpec, after: FlagSpec, rollouts: Iterable[PlacedRollout]) -> Iterator[str]:
    """The steps, as declared now, to which a version raised a percentage."""
    for placed in rollouts:
        old, new, values = placed.percentage_in(before), placed.percentage_in(after), placed.rollout.percentages
        if old is not None and new is not None and old < new and new in values:
            place = "" if placed.segment is None else f" of segment {placed.segment}"
            yield f"step {values.index(int(new)) + 1} of {len(values)}{place}"


def _changes(before: Version, after: Version) -> tuple[FieldChange, ...]:
    old, new = before.flag.spec, after.flag.spec
    return with_details(compare_flags(new, old).changes)
