"""Which live segment a declared one is, and whose users are bucketed by another key afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_flag, a_variant
from msgspec.structs import replace

from reconciler.model.flag import SHIELD_NAME, UNSET, Condition, FlagSpec, TargetSegment, Weights
from reconciler.planning.segments import pair_segments, rekeyed_segments, with_bucketing_keys

US, CA, PLAN = (
    Condition(prop="country", op="is", values=("US",)),
    Condition(prop="country", op="is", values=("CA",)),
    Condition(prop="plan", op="is", values=("pro",)),
)


def a_segment(name: str, *conditions: Condition, key: Any = UNSET) -> TargetSegment:
    """A segment of these conditions that is bucketed by this key."""
    weights = Weights.of({"on": 1, "beta": 1})
    return TargetSegment(name=name, conditions=conditions, percentage=100, rollout_weights=weights, bucketing_key=key)


@pytest.mark.parametrize(
    ("declared", "live", "pairs"),
    [
        ([("A", US)], [("A", CA), ("A", US)], [1]),
        ([("A", US), ("A", CA)], [("A", CA), ("A", US)], [1, 0]),
        ([("A", US)], [("B", US), ("A", CA)], [1]),
        ([("A", US), ("C", US)], [("B", US), ("A", CA)], [1, 0]),
        ([("A", US, PLAN)], [("B", PLAN, US)], [0]),
        ([("A", US), ("A", US)], [("A", US), ("A", US)], [0, 1]),
        ([("A", US), ("A", US)], [("A", US)], [0, None]),
        ([("A", US)], [], [None]),
        ([("A", US)], [("B", CA)], [None]),
        ([(SHIELD_NAME, US)], [(SHIELD_NAME, US)], [None]),
        ([], [("A", US)], []),
    ],
)
def test_a_live_segment_is_found(declared: list[Any], live: list[Any], pairs: list[int | None]) -> None:
    """By name and conditions, by its name, by its conditions; what the API does not list of these is nothing."""
    present = [a_segment(*item) for item in live]
    for unlisted in ((), (("note", "x"),)):
        shown = [
            replace(item, conditions=tuple(replace(part, unlisted=unlisted) for part in item.conditions))
            for item in present
        ]
        wanted = tuple(a_segment(*item) for item in declared)
        found = list(pair_segments(wanted, tuple(shown)))
        assert [item for item, _ in found] == list(wanted)
        assert [
            None if item is None else [id(other) for other in shown].index(id(item)) for _, item in found
        ] == pairs


@pytest.mark.parametrize(
    ("said", "live", "flag", "key"),
    [
        ("user_id", "device_id", "org", "user_id"),
        (UNSET, "device_id", UNSET, "device_id"),
        (UNSET, "device_id", "org", "org"),
        (UNSET, None, "org", "org"),
        (UNSET, None, UNSET, UNSET),
        (UNSET, UNSET, "org", UNSET),
    ],
)
def test_the_bucketing_key_of_a_segment(said: Any, live: Any, flag: Any, key: Any) -> None:
    """What is declared, else that of the flag, else that of the live one; where a live one shows none, none."""
    present = () if live is None else (a_segment("A", US, key=live),)
    (found,) = with_bucketing_keys((a_segment("A", US, key=said),), present, flag)
    assert found.bucketing_key == key


def a_side(*segments: TargetSegment, key: str = "user_id") -> FlagSpec:
    """A flag of two variants with these segments."""
    return a_flag(
        variants=(a_variant("on"), a_variant("beta")), target_segments=segments, bucketing_key=key,
        bucketing_salt="s", bucketing_unit="User",
        rollout_percentage=100, rollout_weights=Weights.of({"on": 1, "beta": 1}),
    )  # fmt: skip


DEVICE = "device_id"


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ([a_segment("A", US)], [a_segment("A", US)], []),
        ([a_segment("A", US)], [a_segment("A", US, key="user_id")], []),
        ([a_segment("A", US)], [a_segment("A", US, key=DEVICE)], [("A", "A")]),
        ([a_segment("A", US)], [a_segment("B", US, key=DEVICE)], [("A", "B")]),
        ([a_segment("A", US)], [a_segment("B", CA, key=DEVICE)], []),
        ([a_segment("A", US)], [a_segment("B", PLAN, key=DEVICE)], []),
        ([a_segment("A", US)], [a_segment("B", US, PLAN, key=DEVICE)], [("A", "B")]),
        ([a_segment("A", US)], [a_segment("B", US, PLAN)], []),
        ([a_segment("A")], [a_segment("B", US, key=DEVICE)], [("A", "B")]),
        ([a_segment("A", US)], [a_segment("B", key=DEVICE)], [("A", "B")]),
        ([a_segment("A", US)], [a_segment("A", US), a_segment("B", US, PLAN, key=DEVICE)], []),
        ([a_segment("A", US)], [a_segment("A", US, PLAN), a_segment("B", US, key=DEVICE)], [("A", "B")]),
        ([a_segment(SHIELD_NAME, US)], [a_segment("B", US, key=DEVICE)], []),
        ([replace(a_segment("A", US, PLAN), percentage=0)], [a_segment("B", US, key=DEVICE)], []),
        ([a_segment("A", US, PLAN)], [replace(a_segment("B", US, key=DEVICE), percentage=0)], []),
    ],
)
def test_whose_users_are_bucketed_by_another_key(
    before: list[TargetSegment], after: list[TargetSegment], moved: list[tuple[str, str]]
) -> None:
    """Those of a segment that is another one's now too, where a user can be in both and they ask about one thing."""
    found = rekeyed_segments(a_side(*before), a_side(*after))
    assert [(old.name, new.name) for old, new in found] == moved
