"""Which of the reads that a comparison needs beyond the list a budget allows, chosen before they are made."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.model.reads import Read


class Choice(Struct, frozen=True, kw_only=True):
    """The reads that a budget allows, and those that it does not, sorted.

    `waiting` counts the reads that take turns; `turn` are those of them that are chosen, in the order of turns.
    """

    chosen: frozenset[Read]
    skipped: tuple[Read, ...]
    turn: tuple[Read, ...] = ()
    waiting: int = 0


def allocate_budget(
    needed: Collection[Read], room: int | None, *, first: Collection[str], after: Read | None
) -> Choice:
    """Which of the needed reads are made when there is room for so many (None: for all).

    Half of the room at most goes to the flags in `first`. All others take turns, beginning behind `after`, where the
    last run ended, so that every read has its turn however many are urgent.
    """
    ordered = sorted(needed)
    if room is None or len(ordered) <= room:
        return Choice(chosen=frozenset(ordered), skipped=(), turn=tuple(ordered), waiting=len(ordered))
    urgent = frozenset(_from(after, [read for read in ordered if read.key in first])[: room // 2])
    turn = _from(after, [read for read in ordered if read not in urgent])[: room - len(urgent)]
    chosen = urgent.union(turn)
    skipped = tuple(read for read in ordered if read not in chosen)
    return Choice(chosen=chosen, skipped=skipped, turn=tuple(turn), waiting=len(ordered))


def _from(after: Read | None, ordered: list[Read]) -> list[Read]:
    """The reads beginning with the first behind `after`, round to it."""
    start = 0 if after is None else bisect_right(ordered, after)
    return ordered[start:] + ordered[:start]
