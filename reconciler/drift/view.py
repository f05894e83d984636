"""Which declared flags a look compares, and what the list shows of them, before any read beyond it."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct, structs
from msgspec.structs import replace

from reconciler.api.listing import FEW_KEYS, by_key, find_including_archived
from reconciler.api.live import fetch_live_state
from reconciler.api.pages import PAGE_SIZE
from reconciler.errors import BudgetError, UsageError
from reconciler.model.config import has_wildcard, idle_targets, matcher
from reconciler.model.flag import DesiredState, LiveState
from reconciler.model.versions import parse_time

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.api.client import Client
    from reconciler.api.versions import Feed
    from reconciler.model.flag import LiveFlag
    from reconciler.model.reads import Read
    from reconciler.progress import Progress


class DriftOptions(Struct, frozen=True, kw_only=True):
    """What is looked at: `targets` are globs of keys, `budget` the most requests, `since` aware of its time zone."""

    targets: tuple[str, ...] = ()
    since: datetime | None = None
    budget: int | None = None


class View(Struct, frozen=True, kw_only=True):
    """`keys` are the declared flags that are compared, sorted; of these, reads of `urgent` ones come first.

    `unseen` are declared flags of which a budget left unknown whether they exist. `feed` is what was read of the
    feed of versions to find them.
    """

    live: LiveState
    keys: tuple[str, ...]
    unmanaged: tuple[str, ...]
    urgent: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()
    warnings: tuple[str, ...]
    feed: Feed | None = None

    @property
    def existing(self) -> tuple[tuple[str, LiveFlag], ...]:
        """The flags that are compared and live, by key."""
        return tuple((key, self.live.flags[key]) for key in self.keys if key in self.live.flags)

    @property
    def missing(self) -> tuple[str, ...]:
        """The flags that are compared and not live at all."""
        live = self.live.flags.keys() | self.live.duplicates.keys()
        return tuple(key for key in self.keys if key not in live)

    def edited_since(self, since: datetime, known: Collection[str]) -> View:
        """The same, of flags that were edited since then, or are known to differ, or are not to be seen."""
        flags = self.live.flags
        keys = tuple(key for key in self.keys if key in known or _may_be_edited(flags.get(key), since))
        unmanaged = tuple(key for key in self.unmanaged if _may_be_edited(flags.get(key), since))
        return replace(self, keys=keys, unmanaged=unmanaged)


def keys_in_scope(desired: DesiredState, targets: tuple[str, ...]) -> frozenset[str]:
    """The declared flags among the targets."""
    return frozenset(filter(matcher(targets), desired.flags))


async def view_by_list(client: Client, desired: DesiredState, options: DriftOptions, progress: Progress) -> View:
    """Every declared flag in scope, as the list shows it.

    Where a budget is spent before the keys that the list does not show were looked up, these are `unseen`.
    """
    targets, unseen = options.targets, frozenset[str]()
    is_target = matcher(targets)
    keys = keys_in_scope(desired, targets)
    if options.budget is None:
        live = await fetch_live_state(client, desired, targets=targets, hydrates=False, progress=progress)
    else:
        listed = await fetch_live_state(client, DesiredState(flags={}), targets=targets, progress=progress)
        live, unseen = await _with_absent(client, listed, keys, options.budget)
    unmanaged = (
        key
        for key, flag in sorted(live.flags.items())
        if key not in desired.flags and not flag.spec.archived and is_target(key)
    )
    idle = idle_targets(targets, desired.flags.keys() | live.flags.keys() | live.duplicates.keys())
    return View(
        live=live,
        keys=tuple(sorted(keys - unseen)),
        unmanaged=tuple(unmanaged),
        unseen=unseen,
        warnings=(*live.warnings, *idle),
    )


async def view_of_edits(
    client: Client, desired: DesiredState, targets: tuple[str, ...], edited: Collection[str], known: Collection[str]
) -> View:
    """The declared flags that the feed of versions names, and those known to differ; none: no request."""
    known_keys = desired.flags.keys() | set(edited)
    named = {target for target in targets if not has_wildcard(target)}
    if unknown := named - known_keys:
        found = await find_including_archived(client, unknown, most=FEW_KEYS)
        idle_targets(sorted(unknown), known_keys | {flag.key for flag in found})
    idle = idle_targets([*filter(has_wildcard, targets)], known_keys, "neither declared nor edited since then")
    keys = tuple(sorted(keys_in_scope(desired, targets) & {*edited, *known}))
    unmanaged = tuple(sorted(key for key in filter(matcher(targets), edited) if key not in desired.flags))
    live = LiveState(project_id=client.project_id, flags={}, is_complete=False)
    if keys:
        pages = -(-len(desired.flags) // PAGE_SIZE)
        is_list_cheaper = len(keys) > max(pages, FEW_KEYS)
        targets = () if is_list_cheaper else keys
        live = await fetch_live_state(
            client, desired, targets=targets, is_wanted=frozenset(keys).__contains__, hydrates=False
        )
    return View(live=live, keys=keys, unmanaged=unmanaged, warnings=(*live.warnings, *idle))


async def _with_absent(
    client: Client, listed: LiveState, keys: Collection[str], budget: int
) -> tuple[LiveState, frozenset[str]]:
    """The state with the keys that the list did not show looked up, and those for which there was no room."""
    absent = frozenset(keys) - listed.flags.keys() - listed.duplicates.keys() if listed.is_complete else frozenset()
    try:
        hidden = await find_including_archived(client, absent, most=max(listed.pages, FEW_KEYS))
    except BudgetError:
        if client.requests < budget:
            raise
        return listed, absent
    flags, duplicates = by_key(hidden)
    joined = structs.replace(listed, flags={**listed.flags, **flags}, duplicates={**listed.duplicates, **duplicates})
    return joined, frozenset()


def _may_be_edited(flag: LiveFlag | None, since: datetime) -> bool:
    if flag is None or flag.spec.archived:
        return True
    edited = parse_time(flag.last_modified_at)
    return edited is None or edited >= since


class Choice(Struct, frozen=True, kw_only=True):
    """The reads that a budget does not allow, sorted; those that it does are made.

    `waiting` counts the reads that take turns; `turn` are those of them that are chosen, in the order of turns.
    """

    skipped: tuple[Read, ...]
    turn: tuple[Read, ...]
    waiting: int


def allocate_budget(
    needed: Collection[Read], room: int | None, *, first: Collection[str], after: Read | None
) -> Choice:
    """Which of the needed reads are made when there is room for so many (None: for all).

    Half of the room at most goes to the flags in `first`. All others take turns, beginning behind `after`, where the
    last run ended, so that every read has its turn however many are urgent.
    """
    ordered = sorted(needed)
    if room is None or len(ordered) <= room:
        return Choice(skipped=(), turn=tuple(ordered), waiting=len(ordered))
    urgent = frozenset(_from(after, [read for read in ordered if read.key in first])[: room // 2])
    turn = _from(after, [read for read in ordered if read not in urgent])[: room - len(urgent)]
    chosen = urgent.union(turn)
    skipped = tuple(read for read in ordered if read not in chosen)
    return Choice(skipped=skipped, turn=tuple(turn), waiting=len(ordered))


def _from(after: Read | None, ordered: list[Read]) -> list[Read]:
    """The reads in turn: from the first behind `after` to the end, then from the start."""
    start = 0 if after is None else bisect_right(ordered, after)
    return ordered[start:] + ordered[:start]


_SPAN = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """The time that a text means, in UTC: ISO 8601, or a span before `now` (`30m`, `2h`, `1d`).

    A time without a zone is UTC. Raises UsageError.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            return now.astimezone(UTC) - timedelta(**{_UNITS[span["unit"]]: int(span["count"])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text!r} is no time: use ISO 8601, as in 2030-01-02T12:00:00Z, or a span, as in 30m, 2h, 1d."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
