"""One user's variant and the reason for it: what decided, where in the bucket, and what is unknown."""

from __future__ import annotations

from typing import Any

import pytest
from evaluations import evaluate, evaluator_of
from msgspec.structs import replace

from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.evaluate import COHORTS_LISTED, DEPENDENCY_OR_INCLUSION, NO_AMPLITUDE_ID, in_order
from reconciler.evaluation.hashing import hash_of
from reconciler.evaluation.result import Allocation, Dependency, Reason, intervals_of
from reconciler.evaluation.rules import ALWAYS_TRUE
from reconciler.model.flag import UNSET, Condition, Dependencies, FlagSpec, LiveFlag, TargetSegment, Variant, Weights

US = TargetSegment(
    name="US",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=50,
    rollout_weights=Weights.of({"b": 1}),
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
    rollout_percentage=80,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(Variant(key="a", users=("ann", "both")), Variant(key="b", users=("both", "dev-1", "TRUE", "False"))),
    target_segments=(US,),
)
COHORT_LISTED = replace(FLAG, variants=(Variant(key="a", users=("ann",)), Variant(key="b", cohorts=("c1",))))
KNOWN = "user1@example.com"
"""Allocation 73 and distribution 3496638 under FLAG's salt: a published vector."""


def parent(flag_id: str = "9", variant: str = "on", *, needs: Dependencies | None = None, **fields: Any) -> LiveFlag:
    """A flag that gives everyone one variant."""
    spec = FlagSpec(
        key=f"p{flag_id}", enabled=True, bucketing_salt="s", rollout_percentage=100,
        rollout_weights=Weights.of({variant: 1}), variants=(Variant(key=variant),),
    )  # fmt: skip
    return LiveFlag(id=flag_id, project_id="7", spec=replace(spec, **fields), parent_dependencies=needs)


def needs(operator: str = "ALL", **allowed: tuple[str, ...]) -> Dependencies:
    """Dependencies on flags by their ids, given as `id9=("on",)`."""
    return Dependencies(flags=tuple((name[2:], keys) for name, keys in allowed.items()), operator=operator)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (None, Reason.ABSENT),
        (replace(FLAG, enabled=False), Reason.DISABLED),
        (replace(FLAG, enabled=UNSET), Reason.DISABLED),
        (replace(FLAG, archived=True), Reason.ARCHIVED),
        (replace(FLAG, archived=True, enabled=False), Reason.ARCHIVED),
    ],
)
def test_flags_that_give_nothing(spec: FlagSpec | None, reason: Reason) -> None:
    """Off, listed or not, with the reason."""
    result = evaluate(spec, {"user_id": "ann"})
    assert (result.variant, result.reason, result.allocation) == ("off", reason, None)


@pytest.mark.parametrize(
    ("user", "variant"),
    [
        ({"user_id": "ann"}, "a"),
        ({"user_id": "both"}, "a"),
        ({"user_id": "x", "device_id": "dev-1"}, "b"),
        ({"user_id": "true"}, "b"),
        ({"user_id": "FALSE"}, "b"),
        ({"user_id": "ann", "cohort_ids": "odd"}, "a"),
        ({"user_id": "x", "device_id": "dev-1", "cohort_ids": "odd"}, "b"),
        ({"user_id": "ann", "device_id": "dev-1", "country": "US"}, "a"),
    ],
)
def test_inclusions(user: dict[str, Any], variant: str) -> None:
    """Listed by user id or device id, before segments and without hashing; the first variant in order wins."""
    result = evaluate(FLAG, user)
    assert (result.variant, result.reason, result.segment, result.bucket) == (variant, Reason.INCLUSION, None, None)


def test_ids_are_compared_letter_by_letter() -> None:
    """Another case is another user."""
    assert evaluate(FLAG, {"user_id": "ANN"}).reason is Reason.REST


def test_the_place_in_the_bucket() -> None:
    """Allocation, distribution, the hash they come from, and the ranges that cover everything once."""
    result = evaluate(FLAG, {"user_id": KNOWN})
    assert (result.variant, result.reason, result.segment) == ("a", Reason.REST, "All Other Users")
    assert result.allocation is Allocation.ALLOCATED
    assert result.bucket is not None
    assert (result.bucket.allocation, result.bucket.distribution) == (73, 3496638)
    assert result.bucket.hashed == hash_of("mHdQDzeE", KNOWN)
    assert result.bucket.value == KNOWN
    assert result.rule is not None
    ranges = [(item.variant, item.start, item.end) for item in intervals_of(result.rule)]
    assert ranges == [("a", 0, 21474837), ("b", 21474837, 42949673)]


def test_no_fall_through() -> None:
    """The first segment that matches decides: allocation 73 is not below 50, and the rest is not tried."""
    result = evaluate(FLAG, {"user_id": KNOWN, "country": "US"})
    assert (result.variant, result.reason, result.segment) == ("off", Reason.SEGMENT, "US")
    assert result.allocation is Allocation.NOT_ALLOCATED


@pytest.mark.parametrize(
    ("fields", "allocation", "variant"),
    [
        ({"rollout_percentage": 0}, Allocation.NOBODY, "off"),
        ({"variants": (), "rollout_weights": Weights()}, Allocation.NOBODY, "off"),
        ({"rollout_percentage": 100, "rollout_weights": Weights.of({"b": 5})}, Allocation.EVERYONE, "b"),
        ({"bucketing_key": "device_id"}, Allocation.NO_VALUE, "off"),
        ({"bucketing_unit": "org"}, Allocation.NO_VALUE, "off"),
        ({"bucketing_salt": UNSET}, Allocation.UNKNOWN_SALT, None),
        ({"bucketing_salt": ""}, Allocation.NOT_ALLOCATED, "off"),
    ],
)
def test_allocations(fields: dict[str, Any], allocation: Allocation, variant: str | None) -> None:
    """How the rest treats a user: without hashing, without a value, without a known salt."""
    result = evaluate(replace(FLAG, **fields), {"user_id": KNOWN})
    assert (result.allocation, result.variant) == (allocation, variant)
    assert (result.bucket is None) is (allocation is not Allocation.NOT_ALLOCATED)


@pytest.mark.parametrize("user", [{}, {"user_id": ""}, {"user_id": None, "device_id": "d"}])
def test_without_a_bucketing_value(user: dict[str, Any]) -> None:
    """A user with nothing to hash gets off, unless the rule gives everyone the same."""
    whole = replace(FLAG, rollout_percentage=100, rollout_weights=Weights.of({"b": 1}))
    result = evaluate(FLAG, user)
    assert (result.variant, result.segment, result.allocation) == ("off", "All Other Users", Allocation.NO_VALUE)
    assert evaluate(whole, user).variant == "b"


def test_group_bucketing() -> None:
    """Under another unit the first group name is hashed: one group, one variant, for all its users."""
    spec = replace(FLAG, bucketing_unit="org id")
    found = {evaluate(spec, {"user_id": f"u{n}", "groups": {"org id": ["acme", "other"]}}).bucket for n in range(9)}
    assert [bucket and bucket.value for bucket in found] == ["acme"]
    assert evaluate(spec, {"user_id": "u", "groups": {"org id": []}}).allocation is Allocation.NO_VALUE
    assert evaluate(spec, {"user_id": "u"}).variant == "off"


def test_an_unknown_salt_hides_nothing_that_needs_none() -> None:
    """Listed users, and rules that give everyone the same, are known without the salt."""
    spec = replace(FLAG, bucketing_salt=UNSET, rollout_percentage=0)
    assert evaluate(spec, {"user_id": "ann"}).variant == "a"
    assert evaluate(spec, {"user_id": KNOWN}).variant == "off"


def test_amplitude_ids_are_asked_for() -> None:
    """Only Amplitude knows them: a user without one is off here, and told how to be evaluated."""
    spec = replace(FLAG, bucketing_key="amplitude_id")
    result = evaluate(spec, {"user_id": KNOWN})
    assert (result.variant, result.allocation, result.notes) == ("off", Allocation.NO_VALUE, (NO_AMPLITUDE_ID,))
    assert evaluate(spec, {"amplitude_id": 7}).notes == ()


def test_listed_cohorts() -> None:
    """Who is in a listed cohort is unknown, and noted, unless cohort_ids are given."""
    assert evaluate(COHORT_LISTED, {"user_id": KNOWN}).notes == (COHORTS_LISTED,)
    assert evaluate(COHORT_LISTED, {"user_id": KNOWN, "cohort_ids": []}).notes == ()
    member = evaluate(COHORT_LISTED, {"user_id": KNOWN, "cohort_ids": ["c0", "c1"]})
    assert (member.variant, member.reason) == ("b", Reason.INCLUSION)


def test_cohort_conditions() -> None:
    """A cohort condition goes by the user's cohort_ids; where these are not given, that is noted."""
    spec = replace(FLAG, target_segments=(STAFF,))
    assert evaluate(spec, {"user_id": "x", "cohort_ids": ["c9"]}).segment == "Staff"
    assert evaluate(spec, {"user_id": "x", "cohort_ids": []}).notes == ()
    result = evaluate(spec, {"user_id": "x"})
    assert result.reason is Reason.REST
    assert "cohort_ids are not given" in result.notes[0]


def test_conditions_of_an_unknown_type() -> None:
    """A condition of an unknown type is not met, and that is noted."""
    odd = replace(US, conditions=(Condition(prop="x", op="is", values=("1",), type="weather"),))
    result = evaluate(replace(FLAG, target_segments=(odd,)), {"user_id": "x", "x": "1"})
    assert result.reason is Reason.REST
    assert result.notes == ("Conditions of type weather are taken as not met.",)


def test_an_evaluator_serves_many_users() -> None:
    """Prepared once, it gives each user what evaluating afresh gives."""
    evaluator = evaluator_of(FLAG)
    users = [{"user_id": f"u{n}"} for n in range(50)]
    assert [evaluator.evaluate(user) for user in users] == [evaluate(FLAG, user) for user in users]


@pytest.mark.parametrize(
    ("dependencies", "passes"),
    [
        (needs(id9=("on",)), True),
        (needs(id9=("other",)), False),
        (needs(id9=("off", "other")), False),
        (needs(id9=("on",), id8=("off",)), True),
        (needs("all", id9=("on",), id8=("on",)), False),
        (needs("ANY", id9=("other",), id8=("off",)), True),
        (needs("any", id9=("other",), id8=("other",)), False),
        (needs("none", id9=("on",), id8=("off",)), False),
        (needs(id9=()), True),
    ],
)
def test_dependencies(dependencies: Dependencies, *, passes: bool) -> None:
    """All, or any, parents must give an allowed variant, off among them; an unknown operator lets no user through."""
    members = parent("9"), parent("8", enabled=False)
    result = evaluator_of(FLAG, *members, dependencies=dependencies).evaluate({"user_id": KNOWN})
    assert (result.variant, result.reason) == (("a", Reason.REST) if passes else ("off", Reason.DEPENDENCY))
    assert result.dependencies[0] == Dependency(flag_id="9", key="p9", allowed=dependencies.flags[0][1], variant="on")


@pytest.mark.parametrize(
    ("own", "ids"),
    [
        (None, []),
        (needs(id9=()), ["9"]),
        (needs(id8=()), ["9", "8"]),
        (needs(id7=()), ["9", "8", "7"]),
        (needs(id8=(), id9=()), ["9", "8"]),
        (needs(id9=(), id8=(), id0=()), ["9", "8"]),
        (needs(id6=()), ["5", "6"]),
        (needs(id1=()), []),
    ],
)
def test_flags_come_after_those_that_they_depend_on(own: Dependencies | None, ids: list[str]) -> None:
    """Each once, also where two depend on it; without those that were not read, the flag itself, and others."""
    known = [
        parent("5", needs=needs(id6=(), id1=())),
        parent("6", needs=needs(id5=())),
        parent("7", needs=needs(id9=(), id8=())),
        parent("8", needs=needs(id9=())),
        parent("9"),
    ]
    flag = parent("1", needs=own)
    assert [item.id for item in in_order(flag, {item.id: item for item in (flag, *known)})] == ids


@pytest.mark.parametrize("given", [{}, {"p9": "never"}, {"p9": "on"}, {"other": "on"}])
def test_given_variants_of_parents(given: dict[str, str]) -> None:
    """They count in place of what the parent would give; those of other flags are not asked for."""
    result = evaluator_of(FLAG, parent("9"), dependencies=needs(id9=("on",))).evaluate({"user_id": KNOWN}, given)
    expected = given.get("p9", "on")
    assert result.dependencies[0].variant == expected
    assert result.reason is (Reason.REST if expected == "on" else Reason.DEPENDENCY)


def test_dependencies_reach_through_levels() -> None:
    """A parent that its own parent stops gives off, and stops the flag."""
    middle = parent("8", needs=needs(id9=("never",)))
    result = evaluator_of(FLAG, parent("9"), middle, dependencies=needs(id8=("on",))).evaluate({"user_id": KNOWN})
    assert (result.reason, result.dependencies[0].variant) == (Reason.DEPENDENCY, "off")


def test_dependency_against_inclusion() -> None:
    """A listed user whom a parent stops gets off, and the doubt is noted."""
    result = evaluator_of(FLAG, parent("9"), dependencies=needs(id9=("never",))).evaluate({"user_id": "ann"})
    assert (result.variant, result.reason) == ("off", Reason.DEPENDENCY)
    assert result.notes == (DEPENDENCY_OR_INCLUSION,)


@pytest.mark.parametrize("members", [(), (parent("9", bucketing_salt=UNSET, rollout_percentage=50),)])
def test_an_unknown_parent_lets_through(members: tuple[LiveFlag, ...]) -> None:
    """A parent that was not read, or whose variant is unknown, counts as met, and is noted."""
    dependencies = needs(id9=("on",))
    result = evaluator_of(FLAG, *members, dependencies=dependencies).evaluate({"user_id": KNOWN, "amplitude_id": 1})
    assert (result.variant, result.dependencies[0].variant) == ("a", None)
    name = 'flag "p9"' if members else "the flag with id 9"
    notes = (f"Depends on {name}, which is not evaluated: taken as one that lets everybody through.",)
    assert result.notes == notes
    listed = evaluator_of(FLAG, *members, dependencies=dependencies).evaluate({"user_id": "ann", "amplitude_id": 1})
    assert (
        evaluator_of(FLAG, *members, dependencies=needs(id9=())).evaluate({"user_id": KNOWN, "amplitude_id": 1}).notes
        == ()
    )
    assert (listed.reason, listed.notes, listed.dependencies) == (Reason.INCLUSION, notes, result.dependencies)


def test_a_circle_is_named_by_its_key() -> None:
    """A parent that depends on the flag itself counts that as met, and names the flag."""
    circle = parent("9", needs=needs(id1=("a",)))
    result = evaluator_of(FLAG, circle, dependencies=needs(id9=("on",))).evaluate({"user_id": KNOWN})
    assert result.variant == "a"
    assert result.notes[0].startswith('Flag "p9", which it depends on: Depends on flag "f", which is not evaluated')


def test_a_known_parent_stops_beside_an_unknown_one() -> None:
    """All have to let a user through: one that does not is enough."""
    dependencies = needs(id9=("never",), id7=("on",))
    assert evaluator_of(FLAG, parent("9"), dependencies=dependencies).evaluate({}).reason is Reason.DEPENDENCY


def test_what_is_unknown_of_a_parent_is_noted() -> None:
    """A parent's own notes are passed on with its key."""
    doubtful = parent("9", variants=(Variant(key="on", cohorts=("c",)),))
    result = evaluator_of(FLAG, doubtful, dependencies=needs(id9=("on",))).evaluate({"user_id": KNOWN})
    assert result.notes == (f'Flag "p9", which it depends on: {COHORTS_LISTED}',)


@pytest.mark.parametrize("user", [{}, {"user_id": "u"}, {"user_properties": {"x": 1}}, {"user_properties": "odd"}])
def test_the_always_true_condition(user: dict[str, Any]) -> None:
    """The reserved condition is true of everyone."""
    assert matches_condition(ALWAYS_TRUE, user)


@pytest.mark.parametrize(
    ("op", "limits", "value", "is_met"),
    [
        ("less", ("b", "z"), "c", True),
        ("less", ("b", "c"), "c", False),
        ("less or equal", ("b", "c"), "c", True),
        ("greater", ("5", "50"), "10", True),
        ("greater", ("x", "9"), "10", True),
        ("greater", ("x", "y"), "10", False),
        ("greater or equal", ("10", "11"), 10, True),
        ("less", ("5",), "many", False),
        ("odd", ("5",), "4", False),
    ],
)
def test_comparisons_with_any_of_several_limits(op: str, limits: tuple[str, ...], value: Any, is_met: bool) -> None:
    """As numbers where the value is one and some limit is; else as texts."""
    assert (
        matches_condition(Condition(prop="gp:n", op=op, values=limits), {"user_properties": {"n": value}}) is is_met
    )


def test_a_hostile_version_is_read_in_no_time() -> None:
    """A long text that is almost a version does not stall the comparison."""
    condition = Condition(prop="version", op="less", values=("1.0.0",))

    assert not matches_condition(condition, {"version": "1.0.0-" + "a" * 50_000 + "!"})
