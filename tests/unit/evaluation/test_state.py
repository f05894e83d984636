"""One user's verdict: what decided, how the user stands, where in the bucket, and what cannot be known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from reconciler.evaluation.hashing import hash_of
from reconciler.evaluation.result import Gate, Ground, Standing, intervals_of
from reconciler.evaluation.state import COHORTS_LISTED, NO_AMPLITUDE_ID, FlagState, Member
from reconciler.model import UNSET, Condition, Dependencies, FlagSpec, TargetSegment, Variant, Weights

US = TargetSegment(
    name="US",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=50,
    rollout_weights=Weights.of({"b": 1}),
)
FLAG = FlagSpec(
    key="f",
    enabled=True,
    bucketing_salt="mHdQDzeE",
    bucketing_key="user_id",
    rollout_percentage=80,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(Variant(key="a", users=("ann",)), Variant(key="b")),
    target_segments=(US,),
)
KNOWN = "user1@example.com"
"""Allocation 73 and distribution 3496638 under FLAG's salt: a published vector."""


def state(spec: FlagSpec | None = FLAG, *parents: Member, dependencies: Dependencies | None = None) -> FlagState:
    """A flag of id 1 and its parents, prepared."""
    return FlagState([*parents, Member(flag_id="1", key="f", spec=spec, dependencies=dependencies)])


def parent(flag_id: str = "9", variant: str = "on", **fields: Any) -> Member:
    """A flag that gives everyone one variant."""
    spec = FlagSpec(
        key=f"p{flag_id}", enabled=True, bucketing_salt="s", rollout_percentage=100,
        rollout_weights=Weights.of({variant: 1}), variants=(Variant(key=variant),),
    )  # fmt: skip
    return Member(flag_id=flag_id, key=f"p{flag_id}", spec=structs.replace(spec, **fields))


def needs(operator: str = "ALL", **allowed: tuple[str, ...]) -> Dependencies:
    """Dependencies on flags by their ids, given as `id9=("on",)`."""
    return Dependencies(flags=tuple((name[2:], keys) for name, keys in allowed.items()), operator=operator)


@pytest.mark.parametrize(
    ("spec", "ground"),
    [
        (None, Ground.ABSENT),
        (structs.replace(FLAG, enabled=False), Ground.DISABLED),
        (structs.replace(FLAG, enabled=UNSET), Ground.DISABLED),
        (structs.replace(FLAG, archived=True), Ground.ARCHIVED),
        (structs.replace(FLAG, archived=True, enabled=False), Ground.ARCHIVED),
    ],
)
def test_flags_that_give_nothing(spec: FlagSpec | None, ground: Ground) -> None:
    """Off, listed or not, with the reason."""
    verdict = state(spec).judge({"user_id": "ann"})
    assert (verdict.variant, verdict.ground, verdict.standing) == ("off", ground, None)


def test_listed_users() -> None:
    """An inclusion is the reason, and nothing is hashed."""
    verdict = state().judge({"user_id": "ann", "country": "US"})
    assert (verdict.variant, verdict.ground, verdict.bucket) == ("a", Ground.INCLUSION, None)


def test_the_place_in_the_bucket() -> None:
    """Allocation, distribution, the hash they come from, and the ranges that cover everything once."""
    verdict = state().judge({"user_id": KNOWN})
    assert (verdict.variant, verdict.ground, verdict.segment) == ("a", Ground.REST, "All Other Users")
    assert verdict.standing is Standing.ALLOCATED
    assert verdict.bucket is not None
    assert (verdict.bucket.allocation, verdict.bucket.distribution) == (73, 3496638)
    assert verdict.bucket.hashed == hash_of("mHdQDzeE", KNOWN)
    assert verdict.bucket.value == KNOWN
    assert verdict.rule is not None
    ranges = [(item.variant, item.start, item.end) for item in intervals_of(verdict.rule)]
    assert ranges == [("a", 0, 21474837), ("b", 21474837, 42949673)]


def test_a_segment_that_does_not_allocate() -> None:
    """The first that matches decides: allocation 73 is not below 50, and the rest is not asked."""
    verdict = state().judge({"user_id": KNOWN, "country": "US"})
    assert (verdict.variant, verdict.ground, verdict.segment) == ("off", Ground.SEGMENT, "US")
    assert verdict.standing is Standing.NOT_ALLOCATED


@pytest.mark.parametrize(
    ("fields", "standing", "variant"),
    [
        ({"rollout_percentage": 0}, Standing.NOBODY, "off"),
        ({"variants": (), "rollout_weights": Weights()}, Standing.NOBODY, "off"),
        ({"rollout_percentage": 100, "rollout_weights": Weights.of({"b": 5})}, Standing.EVERYONE, "b"),
        ({"bucketing_key": "device_id"}, Standing.NO_VALUE, "off"),
        ({"bucketing_unit": "org"}, Standing.NO_VALUE, "off"),
        ({"bucketing_salt": UNSET}, Standing.UNKNOWN_SALT, None),
        ({"bucketing_salt": ""}, Standing.NOT_ALLOCATED, "off"),
    ],
)
def test_standings(fields: dict[str, Any], standing: Standing, variant: str | None) -> None:
    """How the rest treats a user: without hashing, without a value, without a known salt."""
    verdict = state(structs.replace(FLAG, **fields)).judge({"user_id": KNOWN})
    assert (verdict.standing, verdict.variant) == (standing, variant)
    assert (verdict.bucket is None) is (standing is not Standing.NOT_ALLOCATED)


def test_an_unknown_salt_hides_nothing_that_needs_none() -> None:
    """Listed users, and rules that give everyone the same, are known without the salt."""
    spec = structs.replace(FLAG, bucketing_salt=UNSET, rollout_percentage=0)
    assert state(spec).judge({"user_id": "ann"}).variant == "a"
    assert state(spec).judge({"user_id": KNOWN}).variant == "off"


def test_amplitude_ids_are_asked_for() -> None:
    """Only Amplitude knows them: a user without one is off here, and told how to be evaluated."""
    spec = structs.replace(FLAG, bucketing_key="amplitude_id")
    verdict = state(spec).judge({"user_id": KNOWN})
    assert (verdict.variant, verdict.standing, verdict.notes) == ("off", Standing.NO_VALUE, (NO_AMPLITUDE_ID,))
    assert state(spec).judge({"amplitude_id": 7}).notes == ()


def test_cohorts_are_noted_unless_given() -> None:
    """Who is in a listed cohort is not known; who says so is evaluated."""
    spec = structs.replace(FLAG, variants=(Variant(key="a", users=("ann",)), Variant(key="b", cohorts=("c1",))))
    assert state(spec).judge({"user_id": KNOWN}).notes == (COHORTS_LISTED,)
    assert state(spec).judge({"user_id": KNOWN, "cohort_ids": []}).notes == ()
    member = state(spec).judge({"user_id": KNOWN, "cohort_ids": ["c1"]})
    assert (member.variant, member.ground) == ("b", Ground.INCLUSION)


@pytest.mark.parametrize(
    ("dependencies", "passes"),
    [
        (needs(id9=("on",)), True),
        (needs(id9=("other",)), False),
        (needs(id9=("off", "other")), False),
        (needs(id9=("on",), id8=("off",)), True),
        (needs(id9=("on",), id8=("on",)), False),
        (needs("ANY", id9=("other",), id8=("off",)), True),
        (needs(id9=()), True),
    ],
)
def test_dependencies(dependencies: Dependencies, passes: bool) -> None:
    """Parents are evaluated first; off is a variant that may be allowed."""
    members = parent("9"), parent("8", enabled=False)
    verdict = state(FLAG, *members, dependencies=dependencies).judge({"user_id": KNOWN})
    assert (verdict.variant, verdict.ground) == (("a", Ground.REST) if passes else ("off", Ground.DEPENDENCY))
    assert verdict.gates[0] == Gate(flag_id="9", key="p9", allowed=dependencies.flags[0][1], variant="on")


def test_dependencies_reach_through_generations() -> None:
    """A parent that its own parent stops gives off, and stops the flag."""
    middle = replace(parent("8"), dependencies=needs(id9=("never",)))
    verdict = state(FLAG, parent("9"), middle, dependencies=needs(id8=("on",))).judge({"user_id": KNOWN})
    assert (verdict.ground, verdict.gates[0].variant) == (Ground.DEPENDENCY, "off")


@pytest.mark.parametrize("members", [(), (parent("9", bucketing_salt=UNSET, rollout_percentage=50),)])
def test_what_is_not_known_of_a_parent_lets_through(members: tuple[Member, ...]) -> None:
    """A parent that was not read, or whose variant nobody knows, counts as one that lets everybody through, noted."""
    dependencies = needs(id9=("on",))
    verdict = state(FLAG, *members, dependencies=dependencies).judge({"user_id": KNOWN, "amplitude_id": 1})
    assert (verdict.variant, verdict.gates[0].variant) == ("a", None)
    name = 'flag "p9"' if members else "the flag with id 9"
    assert verdict.notes == (f"Depends on {name}, which is not evaluated: taken as one that lets everybody through.",)


def test_a_known_parent_stops_beside_an_unknown_one() -> None:
    """All have to let a user through: one that does not is enough."""
    dependencies = needs(id9=("never",), id7=("on",))
    assert state(FLAG, parent("9"), dependencies=dependencies).judge({}).ground is Ground.DEPENDENCY


def test_what_is_not_known_of_a_parent_is_said() -> None:
    """A parent's own doubts are passed on with its name."""
    doubtful = parent("9", variants=(Variant(key="on", cohorts=("c",)),))
    verdict = state(FLAG, doubtful, dependencies=needs(id9=("on",))).judge({"user_id": KNOWN})
    assert verdict.notes == (f'Flag "p9", which it depends on: {COHORTS_LISTED}',)
