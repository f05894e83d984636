"""The order of the calls that move exposure, found in the lattice of subsets of calls already made.

What a flag is between two calls depends on which calls were made, not on their order. The transient of an order
is the largest over the states it passes through, so the least one is a bottleneck shortest path through at most
2^n states instead of n! orders: exact up to EXACT_LIMIT calls. Beyond, the rules of thumb that weights rise
before they fall and the largest rise comes first, or that the next state is the least bad one: each improved by
swapping pairs, and the better taken.
"""

from __future__ import annotations

from fractions import Fraction
from heapq import heappop, heappush
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from reconciler.evaluation.populations import segment_combinations
from reconciler.evaluation.rules import (
    ALL_OTHER_USERS,
    SegmentRule,
    flag_rules,
    has_no_weight,
    segments_of,
    variant_keys,
    variants_of,
)
from reconciler.evaluation.shares import transient_share
from reconciler.model.flag import Unset
from reconciler.planning.operations import (
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    ImpossibleCallError,
    Phase,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reconciler.model.flag import FlagSpec, Weights
    from reconciler.planning.operations import Operation
    from reconciler.strict_json import Json


EXACT_LIMIT = 12
"""Up to this many calls the search is exact: 4,096 states."""

_SWAP_ROUNDS = 3
_SWAP_LIMIT = 18
"""With more calls, improving by swaps takes too long."""


class Route(Struct, frozen=True, kw_only=True):
    """An order of calls, as indices, with the worst state it passes through."""

    order: tuple[int, ...]
    cost: Cost


class OrderSearch:
    """Finds orders of `operations`, of which each pair (first, then) in `precedence` is to be kept."""

    def __init__(
        self,
        before: FlagSpec | None,
        after: FlagSpec,
        operations: tuple[Operation, ...],
        precedence: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._operations = operations
        self._after = after
        self._all = (1 << len(operations)) - 1
        self._transients = Transients(before, after)
        self._required = [0] * len(operations)
        for first, then in precedence:
            self._required[then] |= 1 << first
        self._by_preference = sorted(range(len(operations)), key=lambda index: (operations[index].phase, index))
        self._states: dict[int, FlagSpec | None] = {0: before}
        self._costs: dict[int, Cost] = {self._all: FREE}
        self._steps: dict[int, tuple[int, ...]] = {}

    def find_route(self) -> Route | None:
        """The order with the least cost, ties by phase and then by position; None when no order keeps the rules."""
        if len(self._operations) > EXACT_LIMIT:
            starts = map(self._starting_route, (self._by_rule_of_thumb, self._by_next_cost))
            routes = [self._improved(start) for start in starts if start is not None]
            return min(routes, key=lambda route: route.cost, default=None)
        least = self._least_bottleneck()
        if least is None:
            return None
        order: list[int] = []
        made, dead_ends = 0, set[int]()
        while made != self._all:
            step = next(
                step for step in self._within(made, least) if self._leads_on(made | 1 << step, least, dead_ends)
            )
            order.append(step)
            made |= 1 << step
        return Route(order=tuple(order), cost=least)

    def states_along(self, order: Iterable[int]) -> list[FlagSpec | None]:
        """The flag before the first call of a route that was found, and after each."""
        made, states = 0, [self._states[0]]
        for index in order:
            made |= 1 << index
            states.append(self._states[made])
        return states

    def _least_bottleneck(self) -> Cost | None:
        queue: list[tuple[Cost, int]] = [(FREE, 0)]
        reached: set[int] = set()
        while queue:
            cost, made = heappop(queue)
            if made == self._all:
                return cost
            steps = () if made in reached else self._steps_from(made)
            reached.add(made)
            for step in steps:
                after = made | 1 << step
                if after not in reached:
                    heappush(queue, (max(cost, self._cost(after)), after))
        return None

    def _within(self, made: int, limit: Cost) -> Iterable[int]:
        return (step for step in self._steps_from(made) if self._cost(made | 1 << step) <= limit)

    def _leads_on(self, made: int, limit: Cost, dead_ends: set[int]) -> bool:
        if made == self._all:
            return True
        if made in dead_ends:
            return False
        if any(self._leads_on(made | 1 << step, limit, dead_ends) for step in self._within(made, limit)):
            return True
        dead_ends.add(made)
        return False

    def _cost(self, made: int) -> Cost:
        if made not in self._costs:
            self._costs[made] = self._transients.cost_of(self._states[made])
        return self._costs[made]

    def _steps_from(self, made: int) -> tuple[int, ...]:
        """The calls that can come next, in order of preference; the states they lead to are known afterwards."""
        if made not in self._steps:
            self._steps[made] = tuple(
                index
                for index in self._by_preference
                if not made >> index & 1 and not self._required[index] & ~made and self._reach(made, index)
            )
        return self._steps[made]

    def _reach(self, made: int, index: int) -> bool:
        state, operation = self._states[made], self._operations[index]
        if not _keeps_the_rules(state, operation, self._after):
            return False
        after = made | 1 << index
        try:
            if after not in self._states:
                self._states[after] = operation.effect(state)
        except ImpossibleCallError:
            return False
        return True

    def _starting_route(self, preference: Callable[[int, int], tuple[object, ...]]) -> Route | None:
        """The order that takes, at every state, the call that comes first by `preference(state, call)`."""
        order: list[int] = []
        made, worst = 0, FREE
        while made != self._all:
            steps = self._steps_from(made)
            if not steps:
                return None
            step = min(steps, key=lambda index: preference(made, index))
            order.append(step)
            made |= 1 << step
            worst = max(worst, self._cost(made))
        return Route(order=tuple(order), cost=worst)

    def _by_rule_of_thumb(self, made: int, index: int) -> tuple[object, ...]:
        return _rule_of_thumb(self._states[made], self._operations[index])

    def _by_next_cost(self, made: int, index: int) -> tuple[object, ...]:
        return (self._cost(made | 1 << index), *self._by_rule_of_thumb(made, index))

    def _improved(self, start: Route) -> Route:
        best, count = start, len(start.order)
        if count > _SWAP_LIMIT:
            return best
        for _ in range(_SWAP_ROUNDS):
            for left, right in combinations(range(count), 2):
                order = list(best.order)
                order[left], order[right] = order[right], order[left]
                cost = self._route_cost(order)
                if cost is not None and cost < best.cost:
                    best = Route(order=tuple(order), cost=cost)
        return best

    def _route_cost(self, order: Iterable[int]) -> Cost | None:
        made, worst = 0, FREE
        for index in order:
            if index not in self._steps_from(made):
                return None
            made |= 1 << index
            worst = max(worst, self._cost(made))
        return worst


def _keeps_the_rules(state: FlagSpec | None, operation: Operation, after: FlagSpec) -> bool:
    """Whether everything the call names exists, and nothing that is still named goes.

    A name that is dangling in `after` too is no obstacle: no order could do better.
    """
    if state is None:
        return operation.CREATES_FLAG
    keys = _keys(state)
    match operation:
        case EditFlag(body={"targetSegments": segments}):
            named = {key for segment in segments for key in segment["rolloutWeights"]}
            return named & _keys(after) <= keys
        case DeleteVariant(variant_key=key):
            still_named = key in _named(state) and key not in _named(after)
            return not still_named and keys != {key}
        case _:
            return True


def _named(spec: FlagSpec) -> set[str]:
    return {key for segment in segments_of(spec) for key in segment.rollout_weights}


def _keys(spec: FlagSpec) -> set[str]:
    return {variant.key for variant in variants_of(spec)}


def _rule_of_thumb(state: FlagSpec | None, operation: Operation) -> tuple[int, Fraction]:
    """A shrinking rollout first, then new variants, rising weights, falling weights, a growing rollout, removals."""
    match operation:
        case EditFlag(body=body) if state is not None:
            old = 0 if isinstance(state.rollout_percentage, Unset) else state.rollout_percentage
            grows = body.get("rolloutPercentage", old) >= old
            return (3 if grows and operation.phase >= Phase.SEGMENTS else 0, Fraction(0))
        case CreateVariant():
            return (1, Fraction(0))
        case EditVariant(variant_key=key, body=body) if state is not None:
            return (2, -_rise(state.rollout_weights, key, body))
        case _:
            return (4, Fraction(0))


def _rise(weights: Weights | Unset, key: str, body: dict[str, Json]) -> Fraction:
    old = 0 if isinstance(weights, Unset) else weights.get(key)
    return Fraction(body.get("rolloutWeight", old)) - Fraction(old)


class Cost(NamedTuple):
    """What is wrong with a state between two calls; less is better, the first difference decides."""

    splits_evenly: bool
    """The rest has no weight at all, which the engine reads as an even split: avoided in every order."""
    transient: Fraction
    """The largest share of users of any segment whose variant is neither the old nor the new one."""


FREE = Cost(splits_evenly=False, transient=Fraction(0))


class Transients:
    """Measures states between one flag's `before` (None: it does not exist) and `after`."""

    def __init__(self, before: FlagSpec | None, after: FlagSpec) -> None:
        self._before = flag_rules(before)
        self._after = flag_rules(after)
        self._tolerates_even_split = any(splits_evenly(spec) for spec in (before, after))

    def cost_of(self, state: FlagSpec | None) -> Cost:
        """What users would see in this state, at worst."""
        return Cost(
            splits_evenly=not self._tolerates_even_split and splits_evenly(state),
            transient=self.share_in(flag_rules(state)),
        )

    def share_in(self, between: tuple[SegmentRule, ...]) -> Fraction:
        """The largest share, over all segments a user can match before, between and after, with a third variant."""
        matches = segment_combinations(self._before, between, self._after)
        return max(transient_share(self._before[i], between[j], self._after[k]) for i, j, k in matches)

    def can_stray_before_listed(self, state: FlagSpec | None, variant_key: str) -> bool:
        """Whether someone whom this variant lists in the end, and none now, can get one of neither side meanwhile."""
        listed = (SegmentRule(ALL_OTHER_USERS, constant=variant_key),)
        between = flag_rules(state)
        matches = segment_combinations(self._before, between, listed)
        return any(transient_share(self._before[i], between[j], listed[k]) for i, j, k in matches)


def splits_evenly(spec: FlagSpec | None) -> bool:
    """Whether the weights of the rest are shown and all 0."""
    if spec is None or isinstance(spec.rollout_weights, Unset):
        return False
    return has_no_weight(variant_keys(spec), spec.rollout_weights)
