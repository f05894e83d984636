"""One user's variant and the reason for it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.evaluate import GATE_AND_INCLUSION, Assignment, Evaluator, Parents, Reason, evaluate
from reconciler.evaluation.rules import ALWAYS_TRUE
from reconciler.model import Condition, Dependencies, FlagSpec, TargetSegment, Variant, Weights

US = TargetSegment(
    name="US",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=0,
    rollout_weights=Weights.of({"a": 1}),
)
STAFF = TargetSegment(
    name="Staff",
    conditions=(Condition(prop="userdata_cohort", op="is", values=("c9",), type="cohort"),),
    percentage=100,
    rollout_weights=Weights.of({"b": 1}),
)
FLAG = FlagSpec(
    key="f",
    enabled=True,
    bucketing_salt="mHdQDzeE",
    bucketing_key="user_id",
    rollout_percentage=100,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(
        Variant(key="a", users=("ann", "both")),
        Variant(key="b", users=("both", "dev-1", "TRUE"), cohorts=("c1",)),
    ),
    target_segments=(US,),
)


def test_rest_with_its_place() -> None:
    """A user whom nothing else matches gets the rest's variant, with the published coordinates of their id."""
    assert evaluate(FLAG, {"user_id": "user1@example.com"}) == Assignment(
        variant="a", reason=Reason.REST, segment="All Other Users", allocation=73, distribution=3496638
    )


@pytest.mark.parametrize("change", [{"enabled": False}, {"archived": True}])
def test_disabled(change: dict[str, bool]) -> None:
    """Off is off for listed users too."""
    assert evaluate(replace(FLAG, **change), {"user_id": "ann"}) == Assignment(variant="off", reason=Reason.DISABLED)


@pytest.mark.parametrize(
    ("user", "variant"),
    [
        ({"user_id": "ann"}, "a"),
        ({"user_id": "both"}, "a"),
        ({"user_id": "x", "device_id": "dev-1"}, "b"),
        ({"user_id": "x", "cohort_ids": ["c0", "c1"]}, "b"),
        ({"user_id": "true"}, "b"),
        ({"user_id": "ann", "device_id": "dev-1", "country": "US"}, "a"),
    ],
)
def test_inclusions(user: dict[str, Any], variant: str) -> None:
    """Listed by user id, device id or cohort, before segments; the first variant in order wins."""
    assert evaluate(FLAG, user) == Assignment(variant=variant, reason=Reason.INCLUSION)


def test_ids_are_compared_letter_by_letter() -> None:
    """Another case is another user."""
    assert evaluate(FLAG, {"user_id": "ANN"}).reason is Reason.REST


def test_no_fall_through() -> None:
    """A user whom a segment matches but does not allocate gets off, whatever the rest would give."""
    assert evaluate(FLAG, {"user_id": "x", "country": "US"}) == Assignment(
        variant="off", reason=Reason.SEGMENT, segment="US"
    )


@pytest.mark.parametrize("user", [{}, {"user_id": ""}, {"user_id": None, "device_id": "d"}])
def test_without_a_bucketing_value(user: dict[str, Any]) -> None:
    """Who has nothing to hash gets off, unless the rule gives everyone the same."""
    whole = replace(FLAG, rollout_weights=Weights.of({"b": 1}))

    assert evaluate(FLAG, user) == Assignment(variant="off", reason=Reason.REST, segment="All Other Users")
    assert evaluate(whole, user).variant == "b"


def test_group_bucketing() -> None:
    """Under another unit the first group name is hashed: one group, one variant, whoever the user is."""
    spec = replace(FLAG, bucketing_unit="org id")
    found = {
        evaluate(spec, {"user_id": f"u{n}", "groups": {"org id": ["acme", "other"]}}).distribution for n in range(9)
    }

    assert len(found) == 1
    assert evaluate(spec, {"user_id": "u", "groups": {"org id": []}}).variant == "off"
    assert evaluate(spec, {"user_id": "u"}).variant == "off"


@pytest.mark.parametrize(
    ("operator", "variants", "passes"),
    [
        ("all", {"1": "on", "2": "off"}, True),
        ("all", {"1": "on", "2": "x"}, False),
        ("all", {"1": "on"}, False),
        ("ANY", {"1": "no", "2": "off"}, True),
        ("any", {"1": "no", "2": "no"}, False),
        ("none", {"1": "on", "2": "off"}, False),
    ],
)
def test_dependencies(operator: str, variants: dict[str, str], *, passes: bool) -> None:
    """All, or any, parents must give an allowed variant, off among them; an unknown operator lets nobody in."""
    parents = Parents(
        dependencies=Dependencies(flags=(("1", ("on",)), ("2", ("off",))), operator=operator), variants=variants
    )

    assert (evaluate(FLAG, {"user_id": "x"}, parents=parents).reason is Reason.REST) == passes


def test_a_parent_that_allows_no_variant_by_name() -> None:
    """An empty list of allowed variants is always satisfied."""
    parents = Parents(dependencies=Dependencies(flags=(("1", ()),), operator="all"), variants={})

    assert evaluate(FLAG, {"user_id": "x"}, parents=parents).reason is Reason.REST


def test_dependency_against_inclusion() -> None:
    """A listed user whom a parent stops gets off, and the doubt is said."""
    parents = Parents(dependencies=Dependencies(flags=(("1", ("on",)),), operator="all"), variants={"1": "off"})

    found = evaluate(FLAG, {"user_id": "ann"}, parents=parents)

    assert found == Assignment(variant="off", reason=Reason.DEPENDENCY, notes=(GATE_AND_INCLUSION,))


def test_cohort_conditions() -> None:
    """A cohort condition goes by the user's cohort_ids; where these are not given, that is said."""
    spec = replace(FLAG, target_segments=(STAFF,))

    assert evaluate(spec, {"user_id": "x", "cohort_ids": ["c9"]}).segment == "Staff"
    assert evaluate(spec, {"user_id": "x", "cohort_ids": []}).notes == ()
    found = evaluate(spec, {"user_id": "x"})
    assert found.reason is Reason.REST
    assert "cohort_ids are not given" in found.notes[0]


def test_conditions_of_an_unknown_type() -> None:
    """A condition of a type that is not known is not met, and that is said."""
    odd = replace(US, conditions=(Condition(prop="x", op="is", values=("1",), type="weather"),))

    found = evaluate(replace(FLAG, target_segments=(odd,)), {"user_id": "x", "x": "1"})

    assert found.reason is Reason.REST
    assert found.notes == ("Conditions of type weather are taken as not met.",)


def test_an_evaluator_serves_many_users() -> None:
    """Prepared once, it gives each user what evaluating afresh gives."""
    evaluator = Evaluator(FLAG)

    assert [evaluator.assign({"user_id": f"u{n}"}) for n in range(50)] == [
        evaluate(FLAG, {"user_id": f"u{n}"}) for n in range(50)
    ]


@pytest.mark.parametrize("user", [{}, {"user_id": "u"}, {"user_properties": {"x": 1}}, {"user_properties": "odd"}])
def test_the_always_true_condition(user: dict[str, Any]) -> None:
    """The reserved condition is true of everyone."""
    assert matches_condition(ALWAYS_TRUE, user)


def test_a_hostile_version_is_read_in_no_time() -> None:
    """A long text that is almost a version does not stall the comparison."""
    condition = Condition(prop="version", op="less", values=("1.0.0",))

    assert not matches_condition(condition, {"version": "1.0.0-" + "a" * 50_000 + "!"})
