"""A flag as rules: constants, cuts, defaults, and who can meet which."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.evaluation.conditions import glob_pattern
from reconciler.evaluation.populations import _combine, _property_of, segment_combinations
from reconciler.evaluation.rules import (
    ALL_OTHER_USERS,
    ALWAYS_TRUE,
    Bucketing,
    SegmentRule,
    atom_of,
    cuts_of,
    flag_rules,
    has_no_weight,
)
from reconciler.evaluation.shares import (
    _count_cells,
    joint_shares,
    transient_share,
    unavoidable_share,
    variant_shares,
)
from reconciler.evaluation.values import answers_of
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights

HALF = 21_474_837
US = Condition(prop="country", op="is", values=("US",))
PRO = Condition(prop="gp:plan", op="is", values=("pro",))


def a_flag(percentage: int = 100, /, *, segments: tuple[TargetSegment, ...] = (), **weights: float) -> FlagSpec:
    """A flag that is on, with these weights."""
    return FlagSpec(
        key="f",
        enabled=True,
        bucketing_salt="salt",
        bucketing_key="user_id",
        rollout_percentage=percentage,
        rollout_weights=Weights.of(weights),
        variants=tuple(Variant(key=key) for key in weights),
        target_segments=segments,
    )


def a_segment(*conditions: Condition, percentage: int = 100, **weights: int) -> TargetSegment:
    """A segment named after its conditions."""
    name = " & ".join(condition.prop for condition in conditions)
    return TargetSegment(
        name=name, conditions=conditions, percentage=percentage, rollout_weights=Weights.of(weights or {"a": 1})
    )


@pytest.mark.parametrize("off", [{"enabled": False}, {"archived": True}, {"enabled": False, "archived": True}])
def test_off(off: dict[str, bool]) -> None:
    """A flag that is disabled or archived gives everybody off, its segments included."""
    spec = replace(a_flag(a=1, segments=(a_segment(US),)), **off)

    assert flag_rules(spec) == (SegmentRule(ALL_OTHER_USERS),)


def test_order() -> None:
    """Segments come in their order, the rest last, each with the flag's salt and its own or the flag's key."""
    own_key = replace(a_segment(PRO, percentage=10), bucketing_key="device_id")

    rules = flag_rules(a_flag(50, a=1, b=1, segments=(a_segment(US, percentage=10), own_key)))

    assert [rule.segment for rule in rules] == ["country", "gp:plan", ALL_OTHER_USERS]
    keys = [rule.bucketing.key for rule in rules if rule.bucketing]
    assert keys == ["user_id", "device_id", "user_id"]
    assert {rule.bucketing.salt for rule in rules if rule.bucketing} == {"salt"}


@pytest.mark.parametrize(("percentage", "constant"), [(0, "off"), (100, "a"), (0.9, "off")])
def test_constants(percentage: float, constant: str) -> None:
    """At 0 % everyone is off and at 100 % of one variant everyone gets it, hashed or not."""
    rule = flag_rules(replace(a_flag(a=1, b=0), rollout_percentage=percentage))[-1]

    assert (rule.bucketing, rule.constant) == (None, constant)


def test_fractions_of_a_percent_are_cut_off() -> None:
    """A percentage counts whole: 99.9 is 99, and so is bucketed."""
    rule = flag_rules(replace(a_flag(a=1), rollout_percentage=99.9))[-1]

    assert rule.percentage == 99


@pytest.mark.parametrize(
    ("weights", "cuts"),
    [
        ({"a": 1, "b": 1}, (("a", HALF), ("b", 42_949_673))),
        ({"b": 50, "a": 50}, (("a", HALF), ("b", 42_949_673))),
        ({"a": 0, "b": 0}, (("a", HALF), ("b", 42_949_673))),
        ({}, (("a", HALF), ("b", 42_949_673))),
        ({"a": 1, "b": 99}, (("a", 429_497), ("b", 42_949_673))),
        ({"a": 99, "b": 1}, (("a", 42_520_177), ("b", 42_949_673))),
        ({"a": 0, "b": 3, "stranger": 7}, (("b", 42_949_673),)),
        ({"a": 0.5, "b": 0.5}, (("a", HALF), ("b", 42_949_673))),
    ],
)
def test_cuts(weights: dict[str, float], cuts: tuple[tuple[str, int], ...]) -> None:
    """Only ratios count, in variant order; 0 is no interval, all 0 an even split, unknown keys nothing."""
    assert cuts_of(("a", "b"), Weights.of(weights)) == cuts


def test_defaults() -> None:
    """What is not shown counts as what a new flag has: off; else at 0 %, per user by amplitude_id."""
    bare = FlagSpec(key="f")
    shown = FlagSpec(key="f", enabled=True, rollout_percentage=10, rollout_weights=Weights.of({"a": 1, "b": 1}))

    assert flag_rules(bare) == (SegmentRule(ALL_OTHER_USERS),)
    assert flag_rules(replace(bare, enabled=True))[-1].constant == "off"
    rule = flag_rules(shown)[-1]
    assert rule.bucketing == Bucketing("", "amplitude_id", "User")
    assert [variant for variant, _ in rule.cuts] == ["a", "b"]


def test_always_true_condition_is_no_condition() -> None:
    """The reserved condition filters no user, so that its segment is known to match everyone."""
    rules = flag_rules(a_flag(a=1, segments=(a_segment(ALWAYS_TRUE, US),)))

    assert rules[0].conditions == {US}


def test_shares_of_a_rule() -> None:
    """Shares come in variant order with off last, add up to 1 and leave out what is nothing."""
    shares = variant_shares(flag_rules(a_flag(25, z=1, a=3, m=0))[-1])

    assert list(shares) == ["z", "a", "off"]
    assert sum(shares.values()) == 1
    assert float(shares["z"]) == pytest.approx(0.0625, abs=1e-7)


def test_independent_rules_multiply() -> None:
    """Under another salt the joint share is the product, and is called an expectation."""
    old = flag_rules(a_flag(a=1, b=1))[-1]
    new = flag_rules(replace(a_flag(a=1, b=1), bucketing_salt="other"))[-1]

    joint = joint_shares(old, new)

    shares = variant_shares(old)
    assert joint.as_dict() == {(x, y): shares[x] * shares[y] for x in "ab" for y in "ab"}
    assert not joint.is_exact


def test_constant_side_is_exact() -> None:
    """A rule that gives everyone the same is exact beside any other."""
    old = flag_rules(a_flag(a=1, b=1))[-1]
    new = flag_rules(replace(a_flag(a=1), bucketing_salt="other"))[-1]

    assert joint_shares(old, new).is_exact


def test_three_rules_of_two_hashes() -> None:
    """Between two states of one hash, a third of another is independent of both together."""
    old, new = (flag_rules(a_flag(percentage, a=1, b=1))[-1] for percentage in (10, 50))
    between = flag_rules(replace(a_flag(c=1, d=1), bucketing_salt="other"))[-1]

    joint = joint_shares(old, between, new).as_dict()

    pair = joint_shares(old, new).as_dict()
    shares = variant_shares(between)
    assert joint == {(x, s, y): share * shares[s] for (x, y), share in pair.items() for s in "cd"}
    assert transient_share(old, between, new) == 1


def test_stray_share_of_a_half_made_change() -> None:
    """1:1 to 90:10 by way of 90:1: the share that the way gives a although both ends give b."""
    old, between, new = (flag_rules(a_flag(a=a, b=b))[-1] for a, b in ((1, 1), (90, 1), (90, 10)))

    assert float(transient_share(old, between, new)) == pytest.approx(0.0890, abs=5e-5)
    assert transient_share(old, old, new) == transient_share(old, new, new) == 0


def test_what_all_get_on_the_way_is_no_stray() -> None:
    """Between 10 and 50 %, at 30 %, each user has what they had or will have: exactly none strays."""
    old, between, new = (flag_rules(a_flag(percentage, a=1, b=2))[-1] for percentage in (10, 30, 50))

    assert transient_share(old, between, new) == 0


def test_conditions_that_say_the_same_are_one() -> None:
    """Values in any order, each once; the reserved condition is as it stands in flags that are live."""
    letters = tuple("hgfedcbaab")

    assert atom_of(replace(US, values=letters)).values == tuple("abcdefgh")
    assert atom_of(replace(US, values=letters)) == atom_of(replace(US, values=tuple("abcdefgh")))
    reserved = Condition(prop="gp:reconciler-never-set", op="is not", values=("reconciler",))
    assert reserved == ALWAYS_TRUE


def test_unavoidable() -> None:
    """What must switch is what the shares alone demand; a shuffle beyond it is excess."""
    old, new = flag_rules(a_flag(a=1, b=1))[-1], flag_rules(a_flag(a=1, b=1, c=1))[-1]

    least = unavoidable_share(variant_shares(old), variant_shares(new))

    assert float(least) == pytest.approx(1 / 3, abs=1e-7)
    assert float(joint_shares(old, new).switched) == pytest.approx(1 / 2, abs=1e-7)
    assert unavoidable_share({"a": Fraction(1)}, {"b": Fraction(1)}) == 1


def test_feasible_first_matches() -> None:
    """A pair is possible unless an earlier segment's conditions are all among those of the pair."""
    before = flag_rules(a_flag(a=1, segments=(a_segment(US),)))
    after = flag_rules(a_flag(a=1, segments=(a_segment(PRO), a_segment(US, PRO), a_segment(US))))

    assert segment_combinations(before, after) == ((0, 0), (0, 2), (1, 0), (1, 3))


def test_a_segment_for_everyone_hides_what_follows() -> None:
    """Behind a segment without conditions no user is matched."""
    rules = flag_rules(a_flag(a=1, segments=(a_segment(US), a_segment(ALWAYS_TRUE), a_segment(PRO))))

    assert segment_combinations(rules) == ((0,), (1,))


def test_equal_states_match_alike() -> None:
    """Three states of equal conditions let each user match the same segment in all of them."""
    rules = flag_rules(a_flag(a=1, segments=(a_segment(US), a_segment(PRO))))

    assert segment_combinations(rules, rules, rules) == ((0, 0, 0), (1, 1, 1), (2, 2, 2))


def test_no_user_is_in_two_countries() -> None:
    """Segments that exclude each other hide nothing of each other, in any order."""
    us, ca, both = (Condition(prop="country", op="is", values=values) for values in (("US",), ("CA",), ("CA", "US")))
    first, second, wide = (a_segment(item) for item in (us, ca, both))
    before, swapped = (flag_rules(a_flag(a=1, segments=order)) for order in ((first, second), (second, first)))
    narrow, widened = (flag_rules(a_flag(a=1, segments=(segment,))) for segment in (first, wide))

    assert segment_combinations(before, swapped) == ((0, 1), (1, 0), (2, 2))
    assert segment_combinations(narrow, widened) == ((0, 0), (1, 0), (1, 1))
    assert segment_combinations(widened, narrow) == ((0, 0), (0, 1), (1, 1))


@pytest.mark.parametrize(
    ("variants", "weights", "none"),
    [
        ((), {}, False),
        (("a", "b"), {}, True),
        (("a", "b"), {"a": 0, "b": 0}, True),
        (("a", "b"), {"a": 0, "b": 0.1}, False),
        (("a",), {"b": 1}, True),
    ],
)
def test_variants_without_a_weight(variants: tuple[str, ...], weights: dict[str, float], none: bool) -> None:
    """The engine splits evenly over all of them, where there are any."""
    assert has_no_weight(variants, Weights.of(weights)) is none


@pytest.mark.parametrize(
    ("kept", "size"),
    [
        (answers_of, 4096),
        (_property_of, 4096),
        (_combine, 1024),
        (transient_share, 65_536),
        (_count_cells, 4096),
        (glob_pattern, 1024),
    ],
)
def test_answers_are_kept_in_bounds(kept: Any, size: int) -> None:
    """What takes long is worked out once, and memory does not grow for ever."""
    assert kept.cache_parameters()["maxsize"] == size
