"""Which percentages a place of a flag had since when, by its versions; and since when git declares an attempt."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.model.flag import Unset
from reconciler.model.versions import parse_time
from reconciler.rollouts.position import Level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.model.flag import LiveFlag, Version
    from reconciler.model.rollout import PlacedRollout
    from reconciler.model.versions import Timeline
    from reconciler.strict_json import Json

CREATION: Final = timedelta(minutes=10)
"""How long the calls that make a flag may take: a server may create it on, at 100 %, and it falls to 0 then."""


class Known(Struct, frozen=True, kw_only=True):
    """The levels of a place, the oldest first; `gap` says in words why they do not tell enough."""

    levels: tuple[Level, ...] = ()
    gap: str = ""


def levels_of(placed: PlacedRollout, live: LiveFlag, versions: Sequence[Version], declared_at: datetime) -> Known:
    """The levels that versions, newest first, show of a place. They have to reach back to the declaration."""
    found: list[Level] = []
    for version in reversed(versions):
        spec, at = version.flag.spec, parse_time(version.created_at)
        percentage = placed.percentage_in(spec)
        if at is None or percentage is None or isinstance(spec.enabled, Unset):
            return Known(gap=f"version {version.version} of the flag does not show what it was")
        found.append(Level(percentage=percentage, at=at, enabled=spec.enabled, by=version.created_by))
    if not found:
        return Known(gap="the versions of the flag are not shown")
    if (found[-1].percentage, found[-1].enabled) != (placed.percentage_in(live.spec), live.spec.enabled):
        return Known(gap="the newest version is not what is live")
    is_whole = versions[-1].version <= 1
    if not is_whole and found[0].at > declared_at:
        return Known(gap="versions since the declaration are not shown")
    return Known(levels=tuple(_after_creation(found) if is_whole else found))


def _after_creation(levels: list[Level]) -> list[Level]:
    """The levels without those that a new flag had while it was being made."""
    for index, (earlier, later) in enumerate(pairwise(levels)):
        if later.share > earlier.share or later.at - levels[0].at > CREATION:
            break
        if later.share == 0 < earlier.share and later.by == levels[0].by:
            return levels[index + 1 :]
    return levels


def attempt_since(timeline: Timeline | None, attempt: int) -> datetime | None:
    """Since when a rollout is declared with this attempt or a higher one; None where git does not tell.

    The timeline is that of the whole rollout, so that other edits of it begin nothing again, nor does a revert
    to an earlier attempt. It has to be committed as it is.
    """
    since: datetime | None = None
    for declared in timeline.values if timeline else ():
        if _attempt_in(declared.value) < attempt:
            break
        if declared.at is None:
            return None
        since = declared.at
    return since


def _attempt_in(rollout: Json) -> float:
    """The attempt that a past declaration had, which may never have been checked; 0 where there was no rollout."""
    if not isinstance(rollout, dict):
        return 0
    attempt = rollout.get("attempt")
    return attempt if isinstance(attempt, int | float) else 1
