"""Which users there can be, by the first rules that they match: before a change, between calls, after it.

A population is told by conditions that are true and rules of which at least one condition is false. It is possible
where every property has a value that answers so. What is called impossible is so for every user; what is called
possible may be empty only where `values` says that it does not know.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from reconciler.evaluation.values import answers_of, property_of_condition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

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
    for place, index in enumerate(chosen):
        if states[place] == state:
            return range(index, index + 1)
    return range(len(state))


class Properties:
    """The properties that some conditions ask about. A set of the conditions is a mask, one bit for each."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        asked: dict[Any, dict[Condition, None]] = {}
        for condition in conditions:
            asked.setdefault(property_of_condition(condition), {})[condition] = None
        self._bits: dict[Condition, int] = {}
        self._properties: list[tuple[int, _Property]] = []
        for found in asked.values():
            self._properties.append((len(self._bits), _property_of(tuple(found))))
            self._bits |= {condition: 1 << bit for bit, condition in enumerate(found, len(self._bits))}

    def mask_of(self, conditions: Iterable[Condition]) -> int:
        """The mask of some of the conditions."""
        mask = 0
        for condition in conditions:
            mask |= self._bits[condition]
        return mask

    def can_be(self, required: int, excluded: Sequence[int]) -> bool:
        """Whether a user can meet all required conditions, and of each excluded mask not all."""
        settled = union = 0
        choices = []
        for shift, item in self._properties:
            least = item.least(required >> shift & item.bits)
            if not least:
                return False
            if len(least) == 1:
                settled |= item.bits << shift
                union |= least[0] << shift
            else:
                choices.append((item.bits << shift, tuple(mask << shift for mask in least)))
        return _excludes(choices, [mask for mask in excluded if not mask & settled & ~union], _Tries())

    def answers(
        self, required: int, excluded: Sequence[int], whole: Collection[str] = ()
    ) -> Iterator[tuple[Chosen, ...] | None]:
        """Known ways in which a user can meet all required conditions, and of each excluded mask not all.

        Properties that do not matter are left out. Of `whole` properties all answers are tried, of others the least.
        After too many tries the last one is None.
        """
        relevant = required
        for mask in excluded:
            relevant |= mask
        choices = []
        for shift, item in self._properties:
            is_whole = item.name in whole
            if relevant >> shift & item.bits or is_whole:
                known = item.known(required >> shift & item.bits, is_whole=is_whole)
                choices.append((item.bits << shift, [(found.mask << shift, found) for found in known]))
        tries = _Tries()
        yield from _chosen(choices, list(excluded), tries)
        if tries.left < 0:
            yield None

    def is_asked(self, name: str) -> bool:
        """Whether some condition asks about a property."""
        return any(item.name == name for _, item in self._properties)

    def is_exact(self, name: str) -> bool:
        """Whether all answers of a property are known."""
        return all(item.is_exact for _, item in self._properties if item.name == name)


class Chosen(Struct, frozen=True):
    """The answers of one property that a user is to give: values that give them, and the mask of the conditions.

    `is_listed`: the user's value is one that a condition names: there are no others, but spellings of true and false.
    """

    name: Any
    conditions: tuple[Condition, ...]
    mask: int
    values: tuple[Any, ...]

    @property
    def is_listed(self) -> bool:
        """Whether a condition that is met, or is the denial of one, names all values that answer so."""
        return any(
            item.op in {"is", "is not"} and (item.op == "is") == bool(self.mask >> bit & 1)
            for bit, item in enumerate(self.conditions)
        )


class _Property:
    """The conditions on one property, the first of which is the lowest bit of masks."""

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        answers = answers_of(conditions)
        self.name = property_of_condition(conditions[0])
        self.bits = (1 << len(conditions)) - 1
        self.is_exact = not answers.is_free and all(found.values for found in answers.known)
        self._conditions, self._answers = conditions, answers
        self._least: dict[int, tuple[int, ...]] = {}

    def least(self, required: int) -> tuple[int, ...]:
        """The answers that hold what is required, without those that hold all of another one: they exclude less."""
        if self._answers.is_free:
            return (required,)
        if required not in self._least:
            masks = {found.mask for found in self._answers.known}
            self._least[required] = _least({mask for mask in masks if mask & required == required})
        return self._least[required]

    def known(self, required: int, *, is_whole: bool) -> list[Chosen]:
        """The answers with values that hold what is required: all of them, or only the least."""
        found = {item.mask: item for item in self._answers.known if item.values}
        masks = [mask for mask in found if mask & required == required]
        if not is_whole:
            least = set(_least(set(masks)))
            masks = [mask for mask in masks if mask in least]
        return [Chosen(self.name, self._conditions, mask, found[mask].values) for mask in masks]


_property_of = lru_cache(maxsize=4096)(_Property)


def _least(masks: set[int]) -> tuple[int, ...]:
    return tuple(mask for mask in masks if not any(other != mask and other & mask == other for other in masks))


class _Tries(Struct):
    """How many choices one question is still worth; fewer than none once it was worth no more."""

    left: int = MOST_TRIES

    def take(self) -> bool:
        """Whether it is worth one more."""
        self.left -= 1
        return self.left >= 0


def _chosen(
    choices: list[tuple[int, list[tuple[int, Chosen]]]], left: list[int], tries: _Tries
) -> Iterator[tuple[Chosen, ...]]:
    """Every choice of one answer of each property such that no mask that is left is true as a whole."""
    if not choices:
        if not left:
            yield ()
        return
    (bits, known), others = choices[0], choices[1:]
    for mask, found in known:
        if not tries.take():
            return
        for rest in _chosen(others, [item for item in left if not item & bits & ~mask], tries):
            yield (found, *rest)


def _excludes(choices: list[tuple[int, tuple[int, ...]]], left: list[int], tries: _Tries) -> bool:
    """Whether one answer of each property can be chosen so that no mask that is left is true as a whole."""
    if not left or not choices:
        return not left
    (bits, masks), others = choices[0], choices[1:]
    for mask in masks:
        if not tries.take() or _excludes(others, [item for item in left if not item & bits & ~mask], tries):
            return True
    return False
