"""Corners of deciding claims for all users: neighbours of limits, small areas, missing ids, what is not declared."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_position
from msgspec.structs import replace
from official_engine import OfficialFlag
from random_claims import alone

from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share, Status
from reconciler.evaluation.deciding import Decider
from reconciler.evaluation.hashing import coordinates, hash_of
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from reconciler.evaluation.assertions import Verdict

ANY_MOVE = Outcome("*", "*")
FLAG = FlagSpec(
    key="f",
    enabled=True,
    archived=False,
    bucketing_key="user_id",
    bucketing_salt="salt",
    bucketing_unit="User",
    rollout_percentage=100,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(Variant(key="a"), Variant(key="b")),
    target_segments=(),
)


def decide(flag: FlagSpec, before: FlagSpec | None = None, **claim: Any) -> Verdict:
    """What becomes of a claim about a flag."""
    decider = Decider(alone(flag), None if before is None else alone(before))
    return decider.decide(Assertion(name="x", flag="f", source=a_position(), **claim))


def asked(prop: str, op: str, *values: str) -> Condition:
    """A condition."""
    return Condition(prop=prop, op=op, values=values)


def a_segment(*conditions: Condition, percentage: int = 100, **fields: Any) -> TargetSegment:
    """A segment whose users get a."""
    weights = Weights.of({"a": 1})
    return TargetSegment(
        name="first", conditions=conditions, percentage=percentage, rollout_weights=weights, **fields
    )


@pytest.mark.parametrize(
    ("first", "second", "is_possible"),
    [
        (asked("gp:n", "greater", "5"), asked("gp:n", "less", "6"), True),
        (asked("gp:n", "greater", "5"), asked("gp:n", "less", "5.0000001"), True),
        (asked("gp:n", "greater", "5"), asked("gp:n", "less", "5"), False),
        (asked("gp:n", "greater or equal", "5"), asked("gp:n", "is not", "5"), True),
        (asked("gp:n", "greater or equal", "05"), asked("gp:n", "less or equal", "5"), True),
        (asked("gp:n", "greater", "9"), asked("gp:n", "less", "10"), True),
        (asked("version", "greater", "1.0.0"), asked("version", "less", "1.0.1"), True),
        (asked("version", "greater", "1.9.9"), asked("version", "less", "1.9.10-0"), True),
        (asked("version", "greater", "1.0.0"), asked("version", "less", "1.0.1-"), True),
        (asked("version", "greater", "1.0.0-a"), asked("version", "less", "1.0.0"), True),
        (asked("version", "less", "0.0.0-"), asked("version", "greater", "0"), True),
        (asked("version", "greater", "1.0.0-a"), asked("version", "less", "1.0.0-a-"), True),
        (asked("version", "greater", "1.0.0"), asked("version", "less", "1.0.0"), False),
        (asked("gp:p", "contains", "ab"), asked("gp:p", "does not contain", "B"), False),
        (asked("gp:p", "glob match", "a/*"), asked("gp:p", "contains", "b/c"), False),
        (asked("gp:p", "glob match", "a/**"), asked("gp:p", "contains", "b/c"), True),
        (asked("gp:t", "set contains", "x"), asked("gp:t", "set contains", "y"), True),
        (asked("gp:t", "set is", "x"), asked("gp:t", "set contains", "y"), False),
        (asked("gp:t", "is", "x"), asked("gp:t", "is", "y"), False),
        (asked("gp:t", "is", "x"), asked("gp:t", "is", "(none)"), False),
        (asked("gp:t", "is", "true"), asked("gp:t", "is", "TRUE"), True),
        (asked("gp:t", "set is not", "x"), asked("gp:t", "is", ""), True),
        (asked("gp:t", "set contains", "x"), asked("gp:t", "glob match", ""), True),
        (asked("gp:t", "set contains", "x"), asked("gp:t", "less or equal", ""), True),
        (asked("gp:t", "is", ""), asked("gp:t", "is not", "x"), False),
    ],
)
def test_conditions_that_can_be_true_together(first: Condition, second: Condition, is_possible: bool) -> None:
    """A segment of both is entered by a user whom the official engine finds in it, or by none at all."""
    flag = replace(FLAG, target_segments=(a_segment(first, second),), rollout_percentage=0)

    verdict = decide(flag, never=(Outcome("a"),))

    assert verdict.status is (Status.REFUTED if is_possible else Status.PROVED)
    if verdict.person is not None:
        assert OfficialFlag(flag).assign(verdict.person.user) == ("a", "first")


@pytest.mark.parametrize(("op", "claimed"), [("is", True), ("is not", False)])
@pytest.mark.parametrize("word", ["true", "False"])
def test_spellings_of_true_and_false_are_hashed_apart(word: str, op: str, claimed: bool) -> None:
    """`is` takes both in any case, and users with different spellings may get different variants."""
    spellings = {word.lower(), word.upper(), word.title(), word[0].upper() + word[1:].lower()}
    found = set()
    for number in range(20):
        flag = replace(FLAG, bucketing_key="gp:x", bucketing_salt=f"s{number}", rollout_percentage=70)
        if claimed:
            verdict = decide(flag, conditions=(asked("gp:x", op, word),), never=(Outcome("off"),))
        else:
            others = a_segment(asked("gp:x", op, word))
            verdict = decide(replace(flag, target_segments=(others,)), never=(Outcome("off"),))
        official = OfficialFlag(flag)
        variants = {official.assign({"user_properties": {"x": text}})[0] for text in spellings}
        found.add(verdict.status)
        assert verdict.status is Status.REFUTED or "off" not in variants
    assert Status.REFUTED in found


@pytest.mark.parametrize("key", ["user_id", "device_id", "gp:team"])
def test_users_without_what_is_hashed_get_no_variant(key: str) -> None:
    """Where all others get one; a claim can leave them out, and everyone has an amplitude_id."""
    flag = replace(FLAG, bucketing_key=key)

    verdict = decide(flag, never=(Outcome("off"),))

    assert verdict.status is Status.REFUTED
    assert verdict.person is not None
    assert OfficialFlag(flag).assign(verdict.person.user)[0] == "off"
    there = (asked(key, "is not", "(none)"),)
    assert decide(flag, conditions=there, never=(Outcome("off"),)).status is Status.PROVED
    by_amplitude = replace(flag, bucketing_key="amplitude_id")
    assert decide(by_amplitude, never=(Outcome("off"),)).status is Status.PROVED


def test_users_without_what_is_hashed_lose_a_variant_that_all_had() -> None:
    """One variant at 100 % is given to everyone; as soon as users are bucketed, those without an id have none."""
    everyone = replace(FLAG, rollout_weights=Weights.of({"a": 1}))

    verdict = decide(FLAG, everyone, never=(Outcome("off", "a"),))

    assert verdict.status is Status.REFUTED
    assert verdict.person is not None
    assert "user_id" not in verdict.person.user
    there = (asked("user_id", "is not", "(none)"),)
    assert decide(FLAG, everyone, conditions=there, never=(Outcome("off", "a"),)).status is Status.PROVED


def test_groups_are_hashed_by_their_name() -> None:
    """Whatever the bucketing key is: another one moves no group."""
    grouped = replace(FLAG, bucketing_unit="org id")

    assert decide(replace(grouped, bucketing_key="device_id"), grouped, never=(ANY_MOVE,)).status is Status.PROVED
    verdict = decide(replace(grouped, bucketing_salt="other"), grouped, never=(ANY_MOVE,))
    assert verdict.person is not None
    assert list(verdict.person.user["groups"]) == ["org id"]


def test_one_user_of_a_million_is_found() -> None:
    """However small the area is, a user is made up whose hash falls into it; in two areas at once it is left open."""
    rare = replace(FLAG, rollout_weights=Weights.of({"a": 1, "b": 20_000_000}))

    verdict = decide(rare, never=(Outcome("a"),))

    assert verdict.person is not None
    assert OfficialFlag(rare).assign(verdict.person.user)[0] == "a"
    other = replace(rare, bucketing_salt="other", rollout_weights=Weights.of({"a": 20_000_000, "b": 1}))
    assert decide(other, rare, never=(Outcome("b", "a"),)).status is Status.UNDECIDED


@pytest.mark.parametrize(("key", "prop"), [("user_id", "user_id"), ("gp:plan", "gp:plan")])
def test_a_named_value_has_one_hash(key: str, prop: str) -> None:
    """Whether a segment of one value of what is hashed gives a variant is known, and not a matter of shares."""
    values = [f"value-{number}" for number in range(40)]
    is_given = {value: coordinates(hash_of("salt", value))[0] < 50 for value in values}
    assert len(set(is_given.values())) == 2
    for value, is_allocated in is_given.items():
        segment = a_segment(asked(prop, "is", value), percentage=50, bucketing_key=key)
        flag = replace(FLAG, target_segments=(segment,), rollout_percentage=0)
        verdict = decide(flag, never=(Outcome("a"),))
        assert verdict.status is (Status.REFUTED if is_allocated else Status.PROVED)


def test_what_is_not_declared_stays_as_it_is() -> None:
    """Beside the state before; what neither declares is equal on both sides, and an error where it decides."""
    keyed = replace(
        FLAG, target_segments=(a_segment(asked("country", "is", "US"), percentage=50, bucketing_key="gp:x"),)
    )
    silent = replace(FLAG, target_segments=(a_segment(asked("country", "is", "US"), percentage=50),))
    bare = FlagSpec(key="f", rollout_percentage=100)
    unknown = replace(FLAG, enabled=UNSET)

    assert decide(silent, keyed, never=(ANY_MOVE,)).status is Status.PROVED
    assert decide(bare, FLAG, never=(ANY_MOVE,)).status is Status.PROVED
    assert decide(unknown, unknown, never=(ANY_MOVE,)).status is Status.PROVED
    lower = decide(replace(unknown, rollout_percentage=50), unknown, never=(ANY_MOVE,))
    assert (lower.status, lower.reason and lower.reason.split(" is ")[0]) == (Status.UNDECLARED, "enabled")


def test_an_unknown_salt_names_no_id() -> None:
    """The same holds for every salt: the claim is refuted, by a user of whom only the id is open."""
    flag = replace(FLAG, bucketing_salt=UNSET)

    verdict = decide(flag, conditions=(asked("country", "is", "US"),), never=(Outcome("a"),))
    one = decide(flag, user={"user_id": "x"}, expected="a")

    assert verdict.status is Status.REFUTED
    assert verdict.person is not None
    assert verdict.person.user == {"country": "US"}
    assert (one.status, one.reason and one.reason.split(" is ")[0]) == (Status.UNDECLARED, "bucketingSalt")


@pytest.mark.parametrize("op", ["<=", ">=", "=="])
@pytest.mark.parametrize(("percentage", "of_each"), [(100, "1/2"), (25, "1/8"), (1, "1/200"), (99, "99/200")])
def test_shares_that_no_number_of_hashes_meets_exactly(op: str, percentage: int, of_each: str) -> None:
    """A share that is round in percent is met by both variants, whichever way their last hash falls."""
    flag = replace(FLAG, rollout_percentage=percentage)
    shares = tuple(Share(Outcome(key), (Bound(op, Fraction(of_each)),), "") for key in "ab")
    off = tuple(Share(Outcome(key), (Bound(op, Fraction(of_each) + Fraction(1, 1000)),), "") for key in "ab")

    assert decide(flag, shares=shares).status is Status.PROVED
    assert decide(flag, shares=off).status is (Status.PROVED if op == "<=" else Status.REFUTED)
