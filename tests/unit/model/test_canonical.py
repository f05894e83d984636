"""The one definition of "equal", rule by rule."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from builders import a_full_flag, a_full_variant, a_live_flag
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.canonical import (
    canonical_segment,
    canonical_set,
    fields_that_moved,
    fingerprint,
    same_json,
    same_weights,
    weight_ratio,
    whole_weights,
)
from reconciler.model.flag import UNSET, Condition, Dependencies, TargetSegment, Variant, Weights

WEIGHTS = st.dictionaries(
    st.sampled_from("abcd"), st.integers(0, 1000) | st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 3))
)


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        (1, 1.0, True),
        ({"a": [1.0]}, {"a": [1]}, True),
        (True, 1, False),
        (False, 0, False),
        (None, {}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
    ],
)
def test_json_by_value(left: Any, right: Any, is_same: bool) -> None:
    """Numbers are equal by value, true is no number, and only the order of lists counts."""
    assert same_json(left, right) is is_same


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        ({"a": 1, "b": 1}, {"b": 50, "a": 50}, True),
        ({"a": 1, "b": 0}, {"a": 7}, True),
        ({"a": 0.5, "b": 1.5}, {"a": 1, "b": 3}, True),
        ({"a": 100 / 3, "b": 200 / 3}, {"a": 1, "b": 2}, True),
        ({"a": 100 / 7, "b": 600 / 7}, {"a": 1, "b": 6}, True),
        ({"a": 0.1 + 0.2, "b": 0.7}, {"a": 3, "b": 7}, False),
        ({"a": 33.333333, "b": 66.666667}, {"a": 1, "b": 2}, False),
        ({"a": 33.333333333333336, "b": 66.66666666666667}, {"a": 3333, "b": 6667}, False),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}, False),
        ({"a": 0}, {}, True),
        ({"a": 0}, {"a": 1}, False),
        ({"a": 10**400, "b": 2 * 10**400}, {"a": 1, "b": 2}, True),
        ({"a": 1 / 9_999, "b": 1}, {"a": 1, "b": 9_999}, True),
        ({"a": 1 / 10_000, "b": 1}, {"a": 1, "b": 10_000}, True),
        ({"a": 1 / 10_001, "b": 1}, {"a": 1, "b": 10_001}, False),
    ],
)
def test_weights_by_ratio(left: dict[str, float], right: dict[str, float], is_same: bool) -> None:
    """Only the ratios count, and a weight of 0 is as good as none."""
    assert same_weights(Weights.of(left), Weights.of(right)) is is_same


@given(WEIGHTS)
def test_a_ratio_is_in_smallest_whole_numbers(weights: dict[str, float]) -> None:
    """The ratios are the shares of the decimals exactly, by key, in whole numbers without a common divisor."""
    ratio = weight_ratio(Weights.of(weights))
    exact = {key: Fraction(str(weight)) for key, weight in weights.items()}
    total, whole = sum(exact.values()), sum(part for _, part in ratio)
    assert [key for key, _ in ratio] == sorted(key for key, weight in weights.items() if weight)
    assert all(Fraction(part, whole) == exact[key] / total for key, part in ratio)
    assert ratio == weight_ratio(Weights(ratio))
    assert not any(all(part % prime == 0 for _, part in ratio) for prime in (2, 3, 5, 7) if ratio)


def test_sets_without_order_and_copies() -> None:
    """Users, cohorts, tags, deployments and the values of a condition are sets."""
    assert canonical_set(("b", "a", "b")) == canonical_set(("a", "b")) == ["a", "b"]


def test_segments_by_what_they_mean() -> None:
    """A segment is equal to one with the same values in another order and the same ratios in other numbers."""

    def segment(values: tuple[str, ...], weights: dict[str, int]) -> TargetSegment:
        condition = Condition(prop="country", op="is", values=values)
        return TargetSegment(name="s", conditions=(condition,), percentage=50.0, rollout_weights=Weights.of(weights))

    same = canonical_segment(segment(("US", "CA"), {"a": 2, "b": 2}))
    assert same == canonical_segment(segment(("CA", "US"), {"b": 1, "a": 1}))
    assert same != canonical_segment(segment(("CA",), {"b": 1, "a": 1}))


ON, OTHER = a_full_variant("on"), a_full_variant("other")


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        (UNSET, (ON,), ()),
        ((ON,), UNSET, ()),
        (UNSET, UNSET, ()),
        ((ON,), (ON,), ()),
        ((ON,), (ON, OTHER), ("variants",)),
        ((ON, OTHER), (ON,), ("variants",)),
        ((ON, OTHER), (OTHER, ON), ("variants",)),
        ((ON,), (OTHER,), ("variants",)),
        ((ON,), (Variant(key="on"),), ()),
        ((Variant(key="on", name="On"),), (Variant(key="on", name="Off"),), ("variants",)),
    ],
)
def test_variants_that_moved_between_two_looks(before: Any, now: Any, moved: tuple[str, ...]) -> None:
    """Which there are and in which order counts; a look that shows none of them, or less of one, tells nothing."""
    looks = [a_live_flag(a_full_flag(variants=variants)) for variants in (before, now)]
    assert fields_that_moved(*looks) == moved


def test_another_flag_of_the_same_key_has_moved() -> None:
    """Nothing else is asked then: its id says it."""
    assert fields_that_moved(a_live_flag(id="1"), a_live_flag(a_full_flag(name="x"), id="2")) == ("id",)
    changed = a_full_flag(tags=("x",), name="x", enabled=UNSET)
    assert fields_that_moved(a_live_flag(), a_live_flag(changed)) == ("name", "tags")


@pytest.mark.parametrize(
    ("weights", "whole"),
    [
        ({}, {}),
        ({"a": 2, "b": 4}, {"a": 2, "b": 4}),
        ({"b": 0.5, "a": 1.25, "c": 0}, {"b": 2, "a": 5, "c": 0}),
        ({"a": 100 / 3, "b": 200 / 3}, {"a": 100, "b": 200}),
    ],
)
def test_weights_in_whole_numbers(weights: dict[str, float], whole: dict[str, int]) -> None:
    """The same ratios in the same order; whole ones stay as they are."""
    assert whole_weights(Weights.of(weights)) == Weights.of(whole)


def test_a_fingerprint_stays_what_it_was() -> None:
    """Plans that were made with an earlier version hold fingerprints, too."""
    everything = a_live_flag(
        a_full_flag(
            variants=(
                Variant(key="on", payload={"b": 1.0, "a": [None]}, users=("z", "a", "z"), cohorts=("d", "c", "d")),
                Variant(key="bare"),
            ),
            rollout_weights=Weights.of({"on": 1, "bare": 0.5}),
            target_segments=(
                TargetSegment(
                    name="s",
                    conditions=(
                        Condition(prop="p", op="is", values=("b", "a"), unlisted=(("x", "1"),)),
                        Condition(prop="a", op="is not", values=(), type="other"),
                    ),
                    percentage=50.0,
                    rollout_weights=Weights.of({"on": 2}),
                    bucketing_key="user_id",
                    unlisted=(("y", '"2"'),),
                ),
            ),
            deployments=("2", "1"),
            tags=("t", "s", "t"),
        ),
        last_modified_at="2030-01-01T00:00:00.000Z",
        parent_dependencies=Dependencies(flags=(("9", ("on",)), ("10", ())), operator="any"),
    )
    assert [fingerprint(flag) for flag in (a_live_flag(), everything)] == [
        "sha256:67fa9d19229679752278212ddfb6c73494c331ddfb58de8cc9642691a6417c5a",
        "sha256:3a5b92e92d594d2ce08edaa63e61698a15ea4142dbbe2ba7d01becd2bb6c7c98",
    ]


@pytest.mark.parametrize("moment", [None, "2030-01-01T00:00:00.000Z"])
def test_a_fingerprint_holds_when_the_flag_was_edited(moment: str | None) -> None:
    """An edit that was taken back, or one of what was not read, leaves another fingerprint."""
    flag = a_live_flag(last_modified_at="2030-01-02T00:00:00.000Z")
    assert fingerprint(flag) == fingerprint(a_live_flag(last_modified_at="2030-01-02T00:00:00.000Z"))
    assert fingerprint(flag) != fingerprint(a_live_flag(last_modified_at=moment))
