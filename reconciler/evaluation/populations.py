"""Which users there can be, by the first rules that they match: before a change, between calls, after it.

A population is told by conditions that are true and rules of which at least one condition is false. It is possible
where every property has a value that answers so. What is called impossible is so for every user; what is called
possible may be empty only where `values` says that it does not know.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.evaluation.values import answers_of, property_of_condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.evaluation.rules import SegmentRule
    from reconciler.model.flag import Condition

MOST_TRIES: Final = 10_000
"""Choices of answers that one question is worth; a population that takes more counts as possible."""

States = tuple[tuple[frozenset["Condition"], ...], ...]


def segment_combinations(*states: tuple[SegmentRule, ...]) -> tuple[tuple[int, ...], ...]:
    """Every combination, one index into each state's rules, that some user can have as first matches; ascending."""
    return _combine(tuple(tuple(rule.conditions for rule in rules) for rules in states))


@lru_cache(maxsize=1024)
def _combine(states: States) -> tuple[tuple[int, ...], ...]:
    properties = Properties(condition for rules in states for conditions in rules for condition in conditions)
    masks = tuple(tuple(map(properties.mask_of, rules)) for rules in states)
    found: list[tuple[int, ...]] = []

    def extend(chosen: tuple[int, ...], required: int, excluded: tuple[int, ...]) -> None:
        if len(chosen) == len(states):
            found.append(chosen)
            return
        for index in _candidates(masks, chosen):
            rules = masks[len(chosen)]
            together = required | rules[index], (*excluded, *rules[:index])
            if properties.can_be(*together):
                extend((*chosen, index), *together)

    extend((), 0, ())
    return tuple(found)


def _candidates(states: tuple[tuple[int, ...], ...], chosen: tuple[int, ...]) -> range:
    """All rules of the next state; where an equal state came before, the same users match first in both."""
    state = states[len(chosen)]
    for earlier, index in zip(states, chosen, strict=False):
        if earlier == state:
            return range(index, index + 1)
    return range(len(state))


class Properties:
    """The properties that some conditions ask about. A set of the conditions is a mask, one bit for each."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        asked: dict[Any, dict[Condition, None]] = {}
        for condition in conditions:
            asked.setdefault(property_of_condition(condition), {})[condition] = None
        self._bits: dict[Condition, int] = {}
        self._properties: list[_Property] = []
        for found in asked.values():
            self._properties.append(_Property(tuple(found), shift=len(self._bits)))
            self._bits |= {condition: 1 << bit for bit, condition in enumerate(found, len(self._bits))}

    def mask_of(self, conditions: Iterable[Condition]) -> int:
        """The mask of some of the conditions."""
        return sum(self._bits[condition] for condition in conditions)

    def can_be(self, required: int, excluded: Sequence[int]) -> bool:
        """Whether a user can meet all required conditions, and of each excluded mask not all."""
        settled = union = 0
        choices = []
        for item in self._properties:
            least = item.least(required & item.bits)
            if not least:
                return False
            if len(least) == 1:
                settled |= item.bits
                union |= least[0]
            else:
                choices.append((item.bits, least))
        return _excludes(choices, [mask for mask in excluded if not mask & settled & ~union], [MOST_TRIES])


class _Property:
    """The conditions on one property: neighbouring bits of masks, the first at `shift`."""

    def __init__(self, conditions: tuple[Condition, ...], *, shift: int) -> None:
        answers = answers_of(conditions)
        self.bits = (1 << len(conditions)) - 1 << shift
        self._known = [found.mask << shift for found in answers.known]
        self._is_free = answers.is_free
        self._least: dict[int, tuple[int, ...]] = {}

    def least(self, required: int) -> tuple[int, ...]:
        """The answers that hold what is required, without those that hold all of another one: they exclude less."""
        if self._is_free:
            return (required,)
        if required not in self._least:
            masks = {mask for mask in self._known if mask & required == required}
            self._least[required] = tuple(
                mask for mask in masks if not any(other != mask and other & mask == other for other in masks)
            )
        return self._least[required]


def _excludes(choices: list[tuple[int, tuple[int, ...]]], left: list[int], tries: list[int]) -> bool:
    """Whether one answer of each property can be chosen so that no mask that is left is true as a whole."""
    if not left or not choices:
        return not left
    (bits, masks), others = choices[0], choices[1:]
    for mask in masks:
        tries[0] -= 1
        if tries[0] < 0 or _excludes(others, [item for item in left if not item & bits & ~mask], tries):
            return True
    return False
