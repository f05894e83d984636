"""The printed transient: the least there is, and what Amplitude's own engine shows between the calls."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute_force import least_transient, path_of, stray
from random_changes import a_flag, a_random_pair, a_random_weight_change, weight_calls
from random_flags import without_order

from reconciler.planning.operations import (
    DeleteVariant,
    EditFlag,
    EditVariant,
    ImpossibleCallError,
    apply_in_any_order,
    apply_operations,
)
from reconciler.planning.order_search import FREE, Cost, Transients
from reconciler.planning.ordering import order_operations

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation

SIGMAS = 6
TABLE: list[tuple[tuple[int, ...], tuple[int, ...], str, float, str, float]] = [
    ((1, 1), (50, 50), "ab", 48.04, "ba", 48.04),
    ((1, 1), (100, 100), "ab", 49.01, "ba", 49.01),
    ((1, 1), (2, 2), "ab", 16.67, "ba", 16.67),
    ((1, 1), (90, 10), "ab", 8.90, "ba", 40.91),
    ((50, 50), (90, 10), "ab", 0, "ba", 0),
    ((90, 10), (10, 90), "ab", 0, "ba", 0),
    ((1, 1, 1), (33, 33, 34), "cab", 63.22, "bca", 78.01),
    ((34, 33, 33), (20, 40, 40), "cba", 0, "cab", 3.01),
    ((10, 20, 70), (70, 20, 10), "ac", 12.5, "ca", 40),
    ((50, 50, 0), (34, 33, 33), "cba", 0, "bca", 10.24),
    ((80, 10, 10), (10, 80, 10), "ba", 4.12, "ab", 23.33),
    ((1, 1, 1, 1), (25, 25, 25, 25), "adbc", 71.43, "cdba", 93.19),
]
"""Known changes with the share of users who stray anywhere on the way, in the best order for that and the worst."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_known_changes(row: tuple[tuple[int, ...], tuple[int, ...], str, float, str, float]) -> None:
    """Both orders of every known change have the published detours, and the plan's transient is within the best."""
    old, new = (dict(zip("abcd", weights, strict=False)) for weights in row[:2])
    for order, percent in (row[2:4], row[4:6]):
        detour = stray(tuple((weights, 100) for weights in path_of(old, new, str(order))))
        assert float(detour * 100) == pytest.approx(percent, abs=0.006)
    calls = weight_calls(old, new)

    found = order_operations(a_flag(old), apply_in_any_order(a_flag(old), calls), calls)

    assert found.transient == least_transient(old, new)
    assert float(found.transient * 100) <= row[3] + 0.005


def _least_of_all_orders(seed: int) -> None:
    change = a_random_weight_change(seed)
    if change is None:
        return
    old, new, live, calls = change

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    order = [item.variant_key for item in found.operations if isinstance(item, EditVariant)]
    path = list(path_of(old, new, order))
    percentage = live.rollout_percentage
    assert isinstance(percentage, int)
    least = least_transient(old, new, percentage)
    assert sorted(order) == sorted(key for key in old if old[key] != new[key])
    ends = [(weights, percentage) for weights in (old, new)]
    shares = [stray((ends[0], (state, percentage), ends[1])) for state in path[1:-1]]
    assert found.transient == least == max(shares, default=Fraction(0))


def test_least_of_all_orders() -> None:
    """200 weight changes of up to 6 variants: the transient is the least over all orders, no state all zero."""
    for seed in range(200):
        _least_of_all_orders(seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(10))
def test_least_of_all_orders_long(block: int) -> None:
    """2,000 weight changes of up to 6 variants: the transient is the least over all orders, no state all zero."""
    for seed in range(10_000 + block * 200, 10_200 + block * 200):
        _least_of_all_orders(seed)


def _cost_of(before: FlagSpec, after: FlagSpec, calls: tuple[Operation, ...]) -> Cost | None:
    """The worst state of one order, None where a call breaks a rule."""
    transients, state, worst = Transients(before, after), before, FREE
    final = {variant.key for variant in after.variants or ()}
    final_names = _named(after)
    for position, call in enumerate(calls):
        keys = {variant.key for variant in state.variants or ()}
        if isinstance(call, DeleteVariant) and (len(keys) == 1 or call.variant_key in _named(state) - final_names):
            return None
        try:
            state = call.effect(state)
        except ImpossibleCallError:
            return None
        if isinstance(call, EditFlag) and "targetSegments" in call.body:
            named = _named(state) & final
            if not named <= keys:
                return None
        if position < len(calls) - 1:
            worst = max(worst, transients.cost_of(state))
    return worst


def _named(spec: FlagSpec) -> set[str]:
    return {key for segment in spec.target_segments or () for key in segment.rollout_weights}


@pytest.mark.parametrize("block", range(4))
def test_no_order_is_better(block: int) -> None:
    """400 changes of everything at once: no order of the same calls that keeps the rules has a better worst state."""
    for seed in range(block * 100, block * 100 + 100):
        live, after, calls = a_random_pair(Random(seed))
        found = order_operations(live, after, calls)
        moving = [call for call in found.operations if call.moves_exposure]
        if len(moving) > 5:
            continue
        printed = _cost_of(live, after, tuple(moving))
        assert printed is not None
        assert printed.transient == found.transient
        orders = [_cost_of(live, after, order) for order in permutations(moving) if _keeps_sequence(order, moving)]
        assert printed == min(cost for cost in orders if cost is not None)
        assert without_order(apply_operations(live, found.operations)) == without_order(after)


def _keeps_sequence(order: tuple[Operation, ...], moving: list[Operation]) -> bool:
    """Whether new variants come in their order and the parts of a split PATCH too: other orders end elsewhere."""
    for kind in ("CreateVariant", "EditFlag"):
        if [item for item in order if type(item).__name__ == kind] != [
            item for item in moving if type(item).__name__ == kind
        ]:
            return False
    return True
