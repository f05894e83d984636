"""Between any two calls of a plan Amplitude's own engine shows what the plan prints, within sampling error.

Both ways, where users can be made for every segment: no group of users strays more than printed, and the worst group
of the worst state strays as much.
"""

from __future__ import annotations

from math import sqrt
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from official_engine import FastEngine, OfficialFlag
from random_changes import a_flag, a_random_pair, a_random_weight_change, weight_calls
from random_flags import a_random_user
from small_pairs import a_small_pair, plan_of

from reconciler.planning.operations import apply_in_any_order, apply_operations
from reconciler.planning.ordering import order_operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation

SIGMAS = 6
PAIRS, CHANGES, PLANS = 5_000, 2_000, 500
BLOCKS = 10

User = dict[str, Any]
Group = tuple[str, str, str]
"""The segments that decide before, between and after: users of whom the same rules are true."""


def states_of(live: FlagSpec, operations: Sequence[Operation]) -> list[FlagSpec]:
    """The flag before the calls and after each of them."""
    return [live, *(apply_operations(live, operations[:count]) for count in range(1, len(operations) + 1))]


def strays(states: Sequence[FlagSpec], users: Sequence[User]) -> Iterator[tuple[int, int]]:
    """For every state between and every group: how many see what is neither old nor new, and how many there are."""
    engine = FastEngine()
    flags = [_unlisted(state, engine) for state in states]
    first, *between, last = [[flag.assign(user) for user in users] for flag in flags]
    for state in between:
        groups: dict[Group, list[bool]] = {}
        for (old, before), (seen, segment), (new, after) in zip(first, state, last, strict=True):
            groups.setdefault((before, segment, after), []).append(seen not in {old, new})
        yield from ((sum(group), len(group)) for group in groups.values())


def _unlisted(flag: FlagSpec, engine: FastEngine) -> OfficialFlag:
    """The flag without inclusions, since transients are of those whom no list names."""
    variants = tuple(replace(variant, users=(), cohorts=()) for variant in flag.variants or ())
    return OfficialFlag(replace(flag, variants=variants), engine=engine)


def is_within(straying: int, users: int, share: float) -> bool:
    """Whether so many of so many are no more than the share, as far as chance goes."""
    return straying <= share * users + _chance(share, users)


def is_as_much(straying: int, users: int, share: float) -> bool:
    """Whether so many of so many are no less than the share, as far as chance goes."""
    return straying >= share * users - _chance(share, users)


def _chance(share: float, users: int) -> float:
    return SIGMAS * sqrt(max(share * (1 - share) * users, 1)) + 1


def agree(states: Sequence[FlagSpec], printed: Fraction, users: Sequence[User]) -> int:
    """Hold the engine to the printed transient, both ways. The number of states between two calls."""
    seen = list(strays(states, users))
    assert all(is_within(*group, float(printed)) for group in seen)
    assert not printed or any(is_as_much(*group, float(printed)) for group in seen)
    return max(0, len(states) - 2)


def half_in_the_us(number: int) -> list[User]:
    """Users of whom every second one passes the conditions of the small pairs' segments."""
    return [{"user_id": f"p{each}", "country": ("US", "FR")[each % 2]} for each in range(number)]


def check_small_pair(seed: int, users: Sequence[User]) -> int:
    pair = a_small_pair(seed)
    plan = plan_of(pair.live, pair.desired)
    if plan is None or len(plan.operations) < 2:
        return 0
    return agree(states_of(pair.live, plan.operations), plan.transient, users)


def check_weight_change(seed: int, users: Sequence[User]) -> int:
    change = a_random_weight_change(seed)
    if change is None or len(change.calls) < 2:
        return 0
    found = order_operations(change.live, apply_in_any_order(change.live, change.calls), change.calls)
    return agree(states_of(change.live, found.operations), found.transient, users)


def check_anything(seed: int, users: int) -> None:
    """A change of everything at once, some of them shielded. Some random conditions match no user: one way only."""
    random = Random(seed)
    live, after, calls = a_random_pair(random)
    found = order_operations(live, after, calls, shield=random.random() < 0.3)
    people = [a_random_user(random, number) | {"user_id": f"p{number}"} for number in range(users)]
    seen = strays([live, *states_of(live, found.operations)[1:-1], after], people)
    assert all(is_within(*group, float(found.transient)) for group in seen)


@pytest.mark.parametrize("block", range(2))
def test_small_pairs_agree_with_the_engine(block: int) -> None:
    """In every state between the calls of a small plan the engine shows the printed share of third variants."""
    users = half_in_the_us(400)
    states = sum(check_small_pair(seed, users) for seed in range(block * 60, block * 60 + 60))
    assert states > 100


def test_weight_changes_agree_with_the_engine() -> None:
    """In every state between the calls of a weight change the engine shows the printed share of third variants."""
    users = half_in_the_us(600)
    states = sum(check_weight_change(seed, users) for seed in range(10_000, 10_060))
    assert states > 60


@pytest.mark.parametrize("block", range(2))
def test_changes_of_everything_agree_with_the_engine(block: int) -> None:
    """Between any two calls the engine shows no group of users more third variants than the plan prints."""
    for seed in range(block * 30, block * 30 + 30):
        check_anything(seed, users=400)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_all_small_pairs_agree_with_the_engine(block: int) -> None:
    """The same in every state of the plans of all 5,000 pairs that are compared with the exhaustive search."""
    users = half_in_the_us(1_500)
    for seed in range(block * PAIRS // BLOCKS, (block + 1) * PAIRS // BLOCKS):
        check_small_pair(seed, users)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_all_weight_changes_agree_with_the_engine(block: int) -> None:
    """The same in every state of the plans of all 2,000 changes that are compared with all orders."""
    users = half_in_the_us(4_000)
    for seed in range(10_000 + block * CHANGES // BLOCKS, 10_000 + (block + 1) * CHANGES // BLOCKS):
        check_weight_change(seed, users)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_many_changes_of_everything_agree_with_the_engine(block: int) -> None:
    """Between any two calls, in 500 plans, the engine shows no group more third variants than the plan prints."""
    for seed in range(20_000 + block * PLANS // BLOCKS, 20_000 + (block + 1) * PLANS // BLOCKS):
        check_anything(seed, users=5_000)


def test_the_engine_sees_the_printed_transient() -> None:
    """In the worst state of a plan without segments the engine shows third variants to the printed share of users."""
    for seed in range(12):
        random = Random(seed)
        old, new = ({key: random.choice((1, 2, 5, 50, 90)) for key in "abc"} for _ in "xy")
        calls = weight_calls(old, new)
        live = a_flag(old, 80)
        found = order_operations(live, apply_in_any_order(live, calls), calls)
        users = [{"user_id": f"u{number}"} for number in range(4_000)]
        agree(states_of(live, found.operations), found.transient, users)


def test_a_false_figure_would_be_seen() -> None:
    """The check itself fails where the printed share is too small or too large by a fifth of the users."""
    live = a_flag({"a": 1, "b": 1}, 100)
    calls = weight_calls({"a": 1, "b": 1}, {"a": 90, "b": 10})
    found = order_operations(live, apply_in_any_order(live, calls), calls)
    for wrong in (-0.08, 0.2):
        with pytest.raises(AssertionError):
            agree(
                states_of(live, found.operations), found.transient + type(found.transient)(wrong), half_in_the_us(900)
            )
