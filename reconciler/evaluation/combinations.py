"""Which first matches can go together: a user's first matching segment before a change, between calls and after it.

Conditions are taken as independent: any set of them can be true for someone. So a combination of segments can
occur unless some earlier segment of one of the states has no condition beyond theirs, and would have matched
first. What is called possible here may in truth be empty (a user in two countries), never the other way round.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.evaluation.rules import SegmentRule
    from reconciler.model.flag import Condition

Masks = tuple[int, ...]


def segment_combinations(*states: tuple[SegmentRule, ...]) -> tuple[tuple[int, ...], ...]:
    """Every combination, one index into each state's rules, that some user can have as first matches; ascending."""
    bits: dict[Condition, int] = {}
    masks = tuple(
        tuple(sum(1 << bits.setdefault(condition, len(bits)) for condition in rule.conditions) for rule in rules)
        for rules in states
    )
    return _combine(masks)


@lru_cache(maxsize=1024)
def _combine(states: tuple[Masks, ...]) -> tuple[tuple[int, ...], ...]:
    found: list[tuple[int, ...]] = []

    def extend(chosen: tuple[int, ...], union: int) -> None:
        if len(chosen) == len(states):
            found.append(chosen)
            return
        for index in _candidates(states, chosen):
            together = union | states[len(chosen)][index]
            if _nothing_matches_earlier(states, (*chosen, index), together):
                extend((*chosen, index), together)

    extend((), 0)
    return tuple(found)


def _candidates(states: tuple[Masks, ...], chosen: tuple[int, ...]) -> range:
    """All rules of the next state; where an equal state came before, the same users match first in both."""
    state = states[len(chosen)]
    for earlier, index in zip(states, chosen, strict=False):
        if earlier == state:
            return range(index, index + 1)
    return range(len(state))


def _nothing_matches_earlier(states: tuple[Masks, ...], chosen: tuple[int, ...], union: int) -> bool:
    return all(mask & ~union for state, index in zip(states, chosen, strict=False) for mask in state[:index])
