"""The cases of a flag, what each rests on that is not declared, and a state filled from the one before."""

from __future__ import annotations

from typing import Any

import pytest
from evaluations import DECLARED
from msgspec.structs import replace
from random_claims import alone

from reconciler.evaluation.cases import Case, buckets_of, cases_of, filled_from, is_open
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights

US = Condition(prop="country", op="is", values=("US",))
HALVES = Weights.of({"a": 1, "b": 1})
SEGMENT = TargetSegment(name="first", conditions=(US,), percentage=100, rollout_weights=HALVES)
FLAG = replace(DECLARED, target_segments=(SEGMENT,))
FIRST, REST = "/targetSegments/0", "/rolloutPercentage"
SALT, KEY = ("bucketingSalt",), ("bucketingKey",)


def told(flag: FlagSpec | None, *, is_open: bool = False, compares: bool = False) -> list[Case]:
    """The cases of a flag."""
    return list(cases_of(flag, is_open=is_open, compares=compares))


def lacking(flag: FlagSpec, **options: bool) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """By case what is not declared, of the rule and of its hash."""
    return [(case.path, case.lacks, case.hash_lacks) for case in told(flag, **options)]


@pytest.mark.parametrize(
    ("fields", "options", "first", "rest"),
    [
        ({}, {}, ((), ()), ((), ())),
        ({}, {"is_open": True}, (("enabled",), ()), (("enabled",), ())),
        ({"bucketing_salt": UNSET}, {}, ((), SALT), ((), SALT)),
        ({"bucketing_key": UNSET}, {}, ((), KEY), ((), KEY)),
        ({"bucketing_key": UNSET, "bucketing_salt": UNSET}, {}, ((), SALT + KEY), ((), SALT + KEY)),
        ({"bucketing_key": UNSET, "bucketing_unit": "org id"}, {}, ((), ()), ((), ())),
        (
            {"bucketing_key": UNSET, "target_segments": (replace(SEGMENT, bucketing_key="gp:x"),)},
            {},
            ((), ()),
            ((), KEY),
        ),
        ({"variants": UNSET}, {}, (("variants",), ()), (("variants",), ())),
        (
            {"variants": UNSET, "target_segments": (replace(SEGMENT, rollout_weights=Weights.of({"a": 1})),)},
            {},
            ((), ()),
            (("variants",), ()),
        ),
        ({"rollout_percentage": UNSET}, {}, ((), ()), (("rolloutPercentage",), ())),
        ({"rollout_weights": UNSET}, {}, ((), ()), (("rolloutWeights",), ())),
        ({"rollout_weights": UNSET, "rollout_percentage": 0}, {}, ((), ()), ((), ())),
        ({"rollout_weights": UNSET, "rollout_percentage": 0}, {"compares": True}, ((), ()), ((), ())),
        ({"rollout_weights": UNSET, "rollout_percentage": UNSET}, {}, ((), ()), (("rolloutPercentage",), ())),
        (
            {"rollout_weights": UNSET, "rollout_percentage": UNSET},
            {"compares": True},
            ((), ()),
            (("rolloutPercentage", "rolloutWeights"), ()),
        ),
        ({"rollout_weights": UNSET, "variants": (Variant(key="a"),)}, {}, ((), ()), ((), ())),
    ],
)
def test_what_a_case_rests_on_that_is_not_declared(
    fields: dict[str, Any], options: dict[str, bool], first: tuple[Any, Any], rest: tuple[Any, Any]
) -> None:
    """Of a segment, and of all other users: only what decides there."""
    assert lacking(replace(FLAG, **fields), **options) == [(FIRST, *first), (REST, *rest)]


def test_segments_that_are_not_declared_may_take_any_user() -> None:
    assert lacking(replace(FLAG, target_segments=UNSET)) == [(REST, ("targetSegments",), ())]


@pytest.mark.parametrize(
    ("flag", "name", "path", "lacks"),
    [
        (None, "an absent flag", "", ()),
        (replace(FLAG, enabled=False), "a disabled flag", "/enabled", ()),
        (replace(FLAG, enabled=UNSET), "a disabled flag", "/enabled", ("enabled",)),
        (replace(FLAG, archived=True), "an archived flag", "/archived", ()),
        (replace(FLAG, enabled=UNSET, archived=True), "an archived flag", "/archived", ()),
    ],
)
def test_a_flag_that_gives_no_variant_is_one_case(
    flag: FlagSpec | None, name: str, path: str, lacks: tuple[str, ...]
) -> None:
    (case,) = told(flag)
    assert (case.rule.segment, case.path, case.lacks, case.rule.constant) == (name, path, lacks, "off")


def test_cases_in_their_order() -> None:
    """Lists of users and cohorts, variant after variant, then segments, then the rest."""
    listed = replace(
        FLAG,
        evaluation_mode="local",
        variants=(Variant(key="a", users=("u",)), Variant(key="b", users=("v", "w"), cohorts=("c",))),
    )
    *lists, first, rest = told(listed)
    a, b = "the inclusions of a", "the inclusions of b"
    assert [(case.path, case.rule.segment, case.rule.constant, case.is_list_of_users) for case in lists] == [
        ("/variants/0/inclusions/users", a, "a", True),
        ("/variants/0/inclusions/users", a, "a", True),
        ("/variants/1/inclusions/users", b, "b", True),
        ("/variants/1/inclusions/users", b, "b", True),
        ("/variants/1/inclusions/cohorts", b, "b", False),
    ]
    asked = [(item.type, item.prop, item.op, item.values) for case in lists for item in case.rule.conditions]
    assert asked[:4] == [
        ("property", name, "is", values) for values in (("u",), ("v", "w")) for name in ("user_id", "device_id")
    ]
    assert (asked[4][0], asked[4][2:]) == ("cohort", ("is", ("c",)))
    assert [(case.path, case.is_local, case.is_list_of_users) for case in (first, rest)] == [
        (FIRST, True, False),
        (REST, True, False),
    ]
    assert not any(case.is_local for case in told(replace(listed, evaluation_mode="remote")))


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, ["user_id", "user_id"]),
        ({"bucketing_key": UNSET}, ["", ""]),
        ({"bucketing_key": UNSET, "target_segments": (replace(SEGMENT, bucketing_key="gp:x"),)}, ["gp:x", ""]),
        ({"bucketing_key": UNSET, "target_segments": (replace(SEGMENT, percentage=0),)}, [None, ""]),
        ({"bucketing_key": UNSET, "bucketing_unit": "org id"}, ["amplitude_id", "amplitude_id"]),
    ],
)
def test_a_key_that_is_not_declared_is_equal_to_none_that_is(fields: dict[str, Any], keys: list[str | None]) -> None:
    rules = [case.rule.bucketing for case in told(replace(FLAG, **fields))]
    assert [rule and rule.key for rule in rules] == keys


@pytest.mark.parametrize(
    ("key", "unit", "is_local", "can_lack"),
    [
        ("user_id", "User", False, True),
        ("amplitude_id", "User", False, False),
        ("amplitude_id", "User", True, True),
        ("amplitude_id", "org id", False, True),
    ],
)
def test_who_can_be_without_what_is_hashed(key: str, unit: str, is_local: bool, can_lack: bool) -> None:
    """All but an amplitude_id, which everyone has whom Amplitude evaluates."""
    mode = "local" if is_local else "remote"
    flag = replace(FLAG, bucketing_key=key, bucketing_unit=unit, evaluation_mode=mode)
    assert [case.can_lack_hashed for case in told(flag)] == [can_lack, can_lack]


@pytest.mark.parametrize(
    ("fields", "is_open_"),
    [
        ({}, False),
        ({"enabled": UNSET}, True),
        ({"enabled": UNSET, "archived": True}, False),
        ({"enabled": False}, False),
    ],
)
def test_flags_that_may_be_on(fields: dict[str, Any], is_open_: bool) -> None:
    assert is_open(alone(replace(FLAG, **fields))) is is_open_
    assert is_open(FlagWithParents(flag=None)) is False


def test_what_decides_about_buckets_beside_percentages() -> None:
    assert buckets_of(None) == ()
    assert buckets_of(FLAG) == ("salt", "user_id", "User", HALVES, ("a", "b"))


LISTED = (Variant(key="a", users=("u",), cohorts=("c",)), Variant(key="b", users=("v",), cohorts=()))
RENAMED = (Variant(key="x", renamed_from="a"), Variant(key="b"))
ONES = Weights.of({"x": 1, "b": 1})


@pytest.mark.parametrize(
    ("before", "after", "filled"),
    [
        ({}, {"rollout_percentage": UNSET, "bucketing_salt": UNSET}, {}),
        ({}, {"rollout_percentage": 5, "target_segments": UNSET}, {"rollout_percentage": 5}),
        ({}, {"target_segments": ()}, {"target_segments": ()}),
        ({"variants": LISTED}, {"variants": UNSET}, {"variants": LISTED}),
        ({"variants": LISTED}, {}, {"variants": LISTED}),
        ({"variants": UNSET}, {"variants": UNSET}, {"variants": UNSET}),
        ({"variants": UNSET}, {}, {}),
        ({"target_segments": UNSET}, {"target_segments": UNSET}, {"target_segments": UNSET}),
        (
            {"variants": LISTED},
            {"variants": (Variant(key="a", users=()), Variant(key="b", cohorts=("d",)), Variant(key="c"))},
            {
                "variants": (
                    Variant(key="a", users=(), cohorts=("c",)),
                    Variant(key="b", users=("v",), cohorts=("d",)),
                    Variant(key="c"),
                )
            },
        ),
        (
            {"variants": LISTED},
            {"variants": RENAMED, "rollout_weights": UNSET, "target_segments": UNSET},
            {
                "variants": (Variant(key="x", renamed_from="a", users=("u",), cohorts=("c",)), LISTED[1]),
                "rollout_weights": ONES,
                "target_segments": (replace(SEGMENT, rollout_weights=ONES),),
            },
        ),
        (
            {},
            {"variants": RENAMED},
            {"variants": RENAMED, "rollout_weights": HALVES, "target_segments": (SEGMENT,)},
        ),
        (  # one that has both names is not renamed any more
            {"variants": (*FLAG.variants, Variant(key="x"))},
            {"variants": RENAMED, "rollout_weights": UNSET},
            {"variants": RENAMED, "rollout_weights": HALVES},
        ),
        (
            {"variants": (*FLAG.variants, Variant(key="x"))},
            {"variants": (Variant(key="z", renamed_from="gone"),), "rollout_weights": UNSET},
            {"variants": (Variant(key="z", renamed_from="gone"),), "rollout_weights": HALVES},
        ),
        ({"rollout_weights": UNSET}, {"rollout_weights": UNSET}, {"rollout_weights": UNSET}),
        (
            {"target_segments": (replace(SEGMENT, bucketing_key="gp:x"),)},
            {"target_segments": (SEGMENT, replace(SEGMENT, name="second"), replace(SEGMENT, bucketing_key="gp:y"))},
            {
                "target_segments": (
                    replace(SEGMENT, bucketing_key="gp:x"),
                    replace(SEGMENT, name="second"),
                    replace(SEGMENT, bucketing_key="gp:y"),
                )
            },
        ),
    ],
)
def test_a_state_filled_from_the_one_before(
    before: dict[str, Any], after: dict[str, Any], filled: dict[str, Any]
) -> None:
    """Fields that it does not declare, weights by new names, lists of users and keys of segments."""
    found = filled_from(alone(replace(FLAG, **after)), alone(replace(FLAG, **before)))
    assert found == alone(replace(FLAG, **filled))


def test_a_state_that_is_absent_fills_nothing() -> None:
    nothing, some = FlagWithParents(flag=None), alone(replace(FLAG, variants=UNSET))
    assert (filled_from(some, nothing), filled_from(nothing, some)) == (some, nothing)
