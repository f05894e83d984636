"""The printed transient: the least there is, and what Amplitude's own engine shows between the calls."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from math import sqrt
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute_force import Weighing, least_transient, path_of, stray
from official_engine import FastEngine, OfficialFlag
from random_flags import a_random_change, a_random_flag, a_random_user, random_segments, without_order

from reconciler.model import FlagSpec, Variant, Weights
from reconciler.planning.calls import calls_for_existing_flag
from reconciler.planning.effects import ImpossibleCallError, apply_operation, apply_operations, settle
from reconciler.planning.operations import DeleteVariant, EditFlag, EditVariant
from reconciler.planning.ordering import order_operations
from reconciler.planning.phases import moves_exposure
from reconciler.planning.transients import FREE, Cost, Transients

if TYPE_CHECKING:
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


def a_flag(weights: Weighing, percentage: int = 100) -> FlagSpec:
    """A flag that is on, without segments."""
    return FlagSpec(
        key="flag",
        enabled=True,
        archived=False,
        bucketing_key="user_id",
        bucketing_salt="mHdQDzeE",
        bucketing_unit="User",
        rollout_percentage=percentage,
        rollout_weights=Weights.of(weights),
        variants=tuple(Variant(key=key) for key in weights),
        target_segments=(),
    )


def weight_calls(old: Weighing, new: Weighing) -> tuple[Operation, ...]:
    """One PATCH per weight that differs."""
    return tuple(
        EditVariant(flag_key="flag", variant_key=key, body={"rolloutWeight": new[key]})
        for key in old
        if old[key] != new[key]
    )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_known_changes(row: tuple[tuple[int, ...], tuple[int, ...], str, float, str, float]) -> None:
    """Both orders of every known change have the published detours, and the plan's transient is within the best."""
    old, new = (dict(zip("abcd", weights, strict=False)) for weights in row[:2])
    for order, percent in (row[2:4], row[4:6]):
        detour = stray(tuple((weights, 100) for weights in path_of(old, new, str(order))))
        assert float(detour * 100) == pytest.approx(percent, abs=0.006)
    calls = weight_calls(old, new)

    found = order_operations(a_flag(old), settle(a_flag(old), calls), calls)

    assert found.transient == least_transient(old, new)
    assert float(found.transient * 100) <= row[3] + 0.005


def _least_of_all_orders(seed: int) -> None:
    random = Random(seed)
    keys = "abcdef"[: random.randint(2, 6)]
    choices = (0, 1, 1, 2, 5, 10, 20, 33, 34, 50, 90, 100)
    old, new = ({key: random.choice(choices) for key in keys} for _ in "xy")
    percentage = random.choice((100, 100, 37))
    if not (any(old.values()) and any(new.values())):
        return
    calls = weight_calls(old, new)
    live = a_flag(old, percentage)

    found = order_operations(live, settle(live, calls), calls)

    order = [item.variant_key for item in found.operations if isinstance(item, EditVariant)]
    path = list(path_of(old, new, order))
    least = least_transient(old, new, percentage)
    assert sorted(order) == sorted(key for key in keys if old[key] != new[key])
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


def a_random_pair(random: Random) -> tuple[FlagSpec, FlagSpec, tuple[Operation, ...]]:
    """A live flag, what it becomes, and the calls: weights, segments, variants that come and go, renames."""
    live = _bucketed_by_ids(a_random_flag(random, variants=random.randint(1, 3)))
    desired = a_random_change(random, live)
    variants = list(desired.variants or ())
    if random.random() < 0.4:
        variants.append(Variant(key="new", users=(), cohorts=()))
    if random.random() < 0.4:
        variants.remove(random.choice(variants))
    if random.random() < 0.2 and variants:
        place = random.randrange(len(variants))
        if variants[place].key != "new":
            variants[place] = replace(variants[place], key="renamed", renamed_from=variants[place].key)
    variants = variants or [Variant(key="only", users=(), cohorts=())]
    keys = [variant.key for variant in variants]
    weights = Weights.of({key: random.choice((1, 2, 10, 50)) for key in keys})
    segments = random_segments(random, keys) if random.random() < 0.7 else ()
    desired = replace(
        desired,
        variants=tuple(variants),
        rollout_weights=weights,
        target_segments=segments,
        enabled=random.random() < 0.9,
    )
    desired = _bucketed_by_ids(desired)
    calls = calls_for_existing_flag(desired, live)
    return live, settle(live, calls), calls


def _bucketed_by_ids(flag: FlagSpec) -> FlagSpec:
    """The flag bucketed by what no two users share, so that shares of users are shares of hashes."""
    own = {"gp:plan": "amplitude_id"}
    segments = tuple(
        replace(item, bucketing_key=own.get(str(item.bucketing_key), item.bucketing_key))
        for item in flag.target_segments or ()
    )
    key = own.get(str(flag.bucketing_key), flag.bucketing_key)
    return replace(flag, bucketing_unit="User", bucketing_key=key, target_segments=segments)


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
            state = apply_operation(state, call)
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
        moving = [call for call in found.operations if moves_exposure(call)]
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


def _prefixes_agree(seed: int, users: int) -> None:
    random = Random(seed)
    live, after, calls = a_random_pair(random)
    shield = random.random() < 0.3
    found = order_operations(live, after, calls, shield=shield)
    engine = FastEngine()
    people = [a_random_user(random, number) | {"user_id": f"p{number}"} for number in range(users)]
    flags = [
        live,
        *(apply_operations(live, found.operations[:count]) for count in range(1, len(found.operations))),
        after,
    ]
    official = [_unlisted(flag, engine) for flag in flags]
    first, *between, last = [[flag.assign(user) for user in people] for flag in official]
    for state in between:
        groups: dict[tuple[str, str, str], list[bool]] = {}
        for (x, old), (seen, segment), (y, new) in zip(first, state, last, strict=True):
            groups.setdefault((old, segment, new), []).append(seen not in {x, y})
        for strays in groups.values():
            share = float(found.transient)
            allowed = SIGMAS * sqrt(max(share * (1 - share) * len(strays), 1)) + 1
            assert sum(strays) <= share * len(strays) + allowed


def _unlisted(flag: FlagSpec, engine: FastEngine) -> OfficialFlag:
    """The flag without inclusions, since transients are of those whom no list names."""
    variants = tuple(replace(variant, users=(), cohorts=()) for variant in flag.variants or ())
    return OfficialFlag(replace(flag, variants=variants), engine=engine)


@pytest.mark.parametrize("block", range(2))
def test_every_prefix_agrees_with_the_engine(block: int) -> None:
    """Between any two calls the official engine shows no group of users more third variants than the plan prints."""
    for seed in range(block * 30, block * 30 + 30):
        _prefixes_agree(seed, users=400)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(10))
def test_every_prefix_agrees_with_the_engine_long(block: int) -> None:
    """Between any two calls, in 500 plans, the engine shows no group more third variants than the plan prints."""
    for seed in range(20_000 + block * 50, 20_050 + block * 50):
        _prefixes_agree(seed, users=5000)


def test_the_engine_sees_the_printed_transient() -> None:
    """In the worst state of a plan without segments the engine shows third variants to the printed share of users."""
    for seed in range(12):
        random = Random(seed)
        old, new = ({key: random.choice((1, 2, 5, 50, 90)) for key in "abc"} for _ in "xy")
        calls = weight_calls(old, new)
        live = a_flag(old, 80)
        after = settle(live, calls)
        found = order_operations(live, after, calls)
        flags = [live, *(apply_operations(live, found.operations[:count]) for count in range(1, len(calls))), after]
        official = [OfficialFlag(flag, engine=FastEngine()) for flag in flags]
        seen = [[flag.assign({"user_id": f"u{number}"})[0] for flag in official] for number in range(4000)]
        counts = [sum(row[place] not in {row[0], row[-1]} for row in seen) for place in range(1, len(flags) - 1)]
        share = float(found.transient)
        assert abs(max(counts, default=0) - share * 4000) <= SIGMAS * sqrt(max(share * (1 - share) * 4000, 1)) + 1
