"""Corners of deciding claims for all users: neighbours of limits, small areas, missing ids, what is not declared."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_position
from evaluations import DECLARED as FLAG
from msgspec.structs import replace
from official_engine import OfficialFlag, official_condition
from random_claims import alone

from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share, Status
from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.deciding import Decider
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.evaluation.hashing import coordinates, hash_of
from reconciler.model.flag import UNSET, Condition, Dependencies, FlagSpec, LiveFlag, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from reconciler.evaluation.assertions import Verdict

ANY_MOVE = Outcome("*", "*")


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
        (asked("gp:t", "contains", "[1]"), asked("gp:t", "is not", "x[1]"), True),
        (asked("gp:t", "contains", "[]"), asked("gp:t", "does not contain", "x"), True),
        (asked("gp:t", "glob match", "[*]"), asked("gp:t", "is not", "[x]"), True),
        (asked("gp:t", "glob match", '["a"]*'), asked("gp:t", "contains", "a"), True),
        (asked("gp:t", "contains", "\N{GREEK SMALL LETTER SIGMA}"), asked("gp:t", "contains", "a"), True),
        (asked("gp:t", "set contains", "x", "x"), asked("gp:t", "set is", "x"), True),
        (asked("gp:t", "set contains", "x", "x"), asked("gp:t", "set contains", "x"), True),
        (asked("gp:t", "set does not contain", "x", "x"), asked("gp:t", "set is", "x"), True),
        (asked("gp:t", "set contains", "true", "True", "TRUE"), asked("gp:t", "set is", "true"), True),
        (asked("gp:t", "set contains", "x", "y"), asked("gp:t", "set is", "x"), False),
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
    by_device = replace(FLAG, bucketing_key="device_id")
    nothing = decide(by_device, FLAG, never=(Outcome("off", "off"),))
    assert nothing.person is not None
    assert nothing.person.user == {}
    there = (asked("user_id", "is not", "(none)"),)
    assert decide(FLAG, everyone, conditions=there, never=(Outcome("off", "a"),)).status is Status.PROVED


def test_groups_are_hashed_by_their_name() -> None:
    """For any bucketing key: another one moves no group."""
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
    verdict = decide(other, rare, never=(Outcome("b", "a"),))
    assert verdict.status is Status.UNDECIDED
    assert verdict.reason == 'Users of "All Other Users" may get a -> b, but no such user was found.'


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


def test_weights_go_along_with_a_variant_that_is_renamed() -> None:
    """Those that are no longer declared too, of the flag and of its segments: users keep what they had."""
    before = replace(FLAG, target_segments=(a_segment(US),))
    renamed = (Variant(key="x", renamed_from="a"), Variant(key="b"))
    after = replace(FLAG, variants=renamed, rollout_weights=UNSET, target_segments=UNSET)

    verdict = decide(after, before, always=(Outcome("x", "a"), Outcome("b", "b"), Outcome("off", "off")))

    assert verdict.status is Status.PROVED
    kept = replace(after, variants=(Variant(key="a"), Variant(key="b", renamed_from="gone")))
    assert decide(kept, before, never=(ANY_MOVE,)).status is Status.PROVED


US = asked("country", "is", "US")
THERE = (asked("user_id", "is not", "(none)"),)
SALTLESS = replace(FLAG, bucketing_salt=UNSET)
KEYLESS = replace(FLAG, bucketing_key=UNSET)
DE = asked("country", "is", "DE")
MEMBER = Condition(prop="userdata_cohort", op="is", values=("c",), type="cohort")


@pytest.mark.parametrize(
    ("flag", "claimed", "never", "outcome"),
    [
        (SALTLESS, (), "a", {}),
        (SALTLESS, (), "off", {}),
        (SALTLESS, (asked("user_id", "is not", "(none)"),), "off", "proved"),
        (SALTLESS, (asked("user_id", "is", "(none)"),), "a", "proved"),
        (SALTLESS, (asked("user_id", "is", "(none)"),), "off", {}),
        (SALTLESS, (asked("user_id", "is", "x"),), "a", "bucketingSalt"),
        (SALTLESS, (asked("user_id", "is", "x"),), "off", "proved"),
        (SALTLESS, (asked("user_id", "contains", "x"), DE), "a", {"country": "DE"}),
        (replace(SALTLESS, bucketing_key="country"), (DE,), "a", "bucketingSalt"),
        (replace(SALTLESS, bucketing_unit="org id"), (DE,), "off", {"user_id": "user-1", "country": "DE"}),
        (
            replace(SALTLESS, bucketing_key=UNSET, bucketing_unit="org id"),
            (asked("user_id", "is", "x"),),
            "a",
            {"user_id": "x"},
        ),
        (KEYLESS, (), "off", "bucketingKey"),
        (replace(KEYLESS, rollout_percentage=50), (DE,), "off", {"user_id": "user-1", "country": "DE"}),
        (KEYLESS, (asked("device_id", "is", "x"),), "a", "bucketingKey"),
        (KEYLESS, (asked("device_id", "is", "(none)"),), "a", "bucketingKey"),
        (replace(KEYLESS, bucketing_salt=UNSET), (asked("user_id", "is", "x"),), "a", "bucketingSalt, bucketingKey"),
        (
            replace(KEYLESS, bucketing_salt=UNSET),
            (asked("device_id", "is", "(none)"),),
            "a",
            "bucketingSalt, bucketingKey",
        ),
        (
            replace(
                SALTLESS,
                target_segments=(
                    a_segment(asked("user_id", "is not", "x"), asked("gp:plan", "is", "pro"), percentage=0),
                ),
            ),
            (),
            "a",
            {},
        ),
    ],
)
def test_what_rests_on_the_hash_that_is_not_declared(
    flag: FlagSpec, claimed: tuple[Condition, ...], never: str, outcome: dict[str, str] | str
) -> None:
    """Users whose hash is open refute a claim, if there are such; who have one value or none wait for the fields."""
    verdict = decide(flag, conditions=claimed, never=(Outcome(never),))

    assert verdict.reached >= {REST, "a", "b", never}
    if isinstance(outcome, dict):
        assert verdict.person is not None
        assert (verdict.status, verdict.person.user) == (Status.REFUTED, outcome)
    elif outcome == "proved":
        assert verdict.status is Status.PROVED
    else:
        verb = "are" if "," in outcome else "is"
        assert (verdict.status, verdict.reason) == (Status.UNDECLARED, f"{outcome} {verb} {LACKS}")


def test_who_is_not_confirmed_refutes_nothing() -> None:
    """Where no salt is declared too: what is not hashed needs none."""
    flag = replace(SALTLESS, target_segments=(a_segment(MEMBER, percentage=0),))
    verdict = decide(flag, conditions=(*THERE, asked("cohort_ids", "is", "x")), never=(Outcome("off"),))
    reason = 'Users of "first" may get off, but no such user was found.'
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


def test_all_answers_about_what_is_hashed_are_tried() -> None:
    """A user who is named gets b, and others get a who do not meet the other condition."""
    segment = a_segment(asked("user_id", "is not", "x"), asked("gp:plan", "is", "pro"), percentage=0)
    salts = (f"s{number}" for number in range(99))
    salt = next(salt for salt in salts if coordinates(hash_of(salt, "x"))[1] > 21_474_837)
    flag = replace(FLAG, bucketing_salt=salt, target_segments=(segment,))
    verdict = decide(flag, conditions=THERE, never=(Outcome("a"),))
    assert verdict.status is Status.REFUTED
    assert verdict.person is not None
    assert verdict.person.user["user_id"] != "x"


def test_a_hash_that_is_not_declared_beside_what_is_not_hashed() -> None:
    """Whoever comes to be hashed may get any variant, with any salt."""
    verdict = decide(
        SALTLESS, replace(SALTLESS, rollout_percentage=0), conditions=THERE, never=(Outcome("a", "off"),)
    )
    assert (verdict.status, causes_of(verdict)) == (Status.REFUTED, [(OTHERS, REST, "off"), (OTHERS, REST, "a")])


@pytest.mark.parametrize("flag", [FLAG, SALTLESS])
def test_who_cannot_be_told_apart_in_so_many_tries_may_be_there(flag: FlagSpec) -> None:
    """Whether fourteen properties are all x, or all not, settles nothing; that one is both x and not is then open."""
    many = [[asked(f"gp:p{number}", op, "x") for number in range(14)] for op in ("is", "is not")]
    last = [[asked("gp:z", op, "x")] for op in ("is", "is not")]
    segments = tuple(a_segment(*conditions, percentage=0) for conditions in (*many, *last))

    verdict = decide(replace(flag, target_segments=segments), conditions=THERE, always=(Outcome("off"),))

    reason = 'Users of "All Other Users" may get a, but no such user was found.'
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)
    few = replace(flag, target_segments=(*segments[2:],))
    assert decide(few, conditions=THERE, always=(Outcome("off"),)).status is Status.PROVED


def test_answers_of_which_no_value_is_known_are_open() -> None:
    """What patterns and comparisons allow each for itself counts as possible."""
    segment = a_segment(asked("gp:n", "less", "5"), asked("gp:n", "glob match", "a"))
    verdict = decide(replace(FLAG, target_segments=(segment,), rollout_percentage=0), never=(Outcome("a"),))
    reason = 'Users of "first" may get a, but no such user was found.'
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)
    more = replace(
        FLAG, target_segments=(segment, replace(segment, name="second", conditions=(US, *segment.conditions)))
    )
    again = decide(replace(more, rollout_percentage=0), never=(Outcome("a"),))
    assert again.reason == reason, "the first is told"


def test_who_lacks_one_of_two_keys_has_no_name() -> None:
    """With a salt that is not declared, users with one id and not the other are not looked for."""
    before = replace(SALTLESS, bucketing_key="device_id")
    verdict = decide(SALTLESS, before, never=(Outcome("off", "a"),))
    reason = 'Users of "All Other Users" may get a -> off, but no such user was found.'
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


@pytest.mark.parametrize(
    ("flag", "condition"),
    [
        (
            replace(FLAG, target_segments=(a_segment(asked("gp:plan", "is", "y")),)),
            asked("user_properties", "is", "x"),
        ),
        (replace(FLAG, bucketing_key="gp:plan"), asked("user_properties", "is not", "x")),
        (replace(FLAG, bucketing_unit="org id"), asked("groups", "is", "x")),
        (replace(FLAG, target_segments=(a_segment(MEMBER),), rollout_percentage=0), asked("cohort_ids", "is", "x")),
    ],
)
def test_what_is_asked_of_a_field_that_holds_others_is_open(flag: FlagSpec, condition: Condition) -> None:
    """Properties, groups, cohorts: a field that holds them is not a text besides."""
    verdict = decide(flag, conditions=(condition,), never=(Outcome("a"), Outcome("b")))
    name = flag.target_segments[0].name if flag.target_segments else OTHERS
    outcome = f'Users of "{name}" may get a, but no such user was found.'
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, outcome)


def test_who_is_listed_in_one_state_is_no_share() -> None:
    """Each of them moves for a reason of their own; of all others none moves."""
    before = replace(FLAG, variants=(Variant(key="a", users=("u",)), Variant(key="b")))
    claim = {"shares": (Share(Outcome("a", "b"), (Bound("<=", Fraction(1, 10)),), ""),)}
    assert decide(FLAG, before, **claim).status is Status.PROVED
    assert decide(before, FLAG, **claim).status is Status.PROVED


@pytest.mark.parametrize(("before", "field"), [(SALTLESS, "bucketingSalt"), (KEYLESS, "bucketingKey"), (FLAG, None)])
def test_what_is_declared_for_the_first_time(before: FlagSpec, field: str | None) -> None:
    """May be what it was: a change that only declares it is not known to move a user, or to move none."""
    moves = decide(FLAG, before, never=(ANY_MOVE,))
    shares = decide(FLAG, before, shares=(Share(Outcome("a", "b"), (Bound("<=", Fraction(1, 10)),), ""),))

    assert moves.status is (Status.UNDECLARED if field else Status.PROVED)
    assert moves.reason == (field and f"{field} is {LACKS_BEFORE}")
    assert shares.status is (Status.UNDECIDED if field else Status.PROVED)
    assert decide(FLAG, before, never=(Outcome("c", "a"),), conditions=THERE).status is Status.UNDECIDED


SEGMENTED = replace(FLAG, target_segments=(a_segment(US),))
UNSEGMENTED = replace(FLAG, target_segments=UNSET)
NO_PERCENTAGE = replace(FLAG, rollout_percentage=UNSET)


@pytest.mark.parametrize(
    ("before", "after", "claim", "field"),
    [
        (UNSEGMENTED, FLAG, {"never": (ANY_MOVE,)}, "targetSegments"),
        (UNSEGMENTED, UNSEGMENTED, {"never": (ANY_MOVE,)}, None),
        (UNSEGMENTED, replace(UNSEGMENTED, rollout_percentage=50), {"never": (ANY_MOVE,)}, "targetSegments"),
        (replace(FLAG, enabled=UNSET, rollout_percentage=0),
         replace(FLAG, enabled=UNSET, rollout_percentage=0, rollout_weights=Weights.of({"a": 2, "b": 1})),
         {"never": (ANY_MOVE,)}, None),
        (NO_PERCENTAGE, NO_PERCENTAGE, {"never": (Outcome("off", "off"),)}, "rolloutPercentage"),
        (replace(FLAG, enabled=UNSET, rollout_percentage=0),
         replace(FLAG, enabled=UNSET, rollout_percentage=0, variants=(*(FLAG.variants or ()), Variant(key="c"))),
         {"never": (Outcome("c", "c"),)}, "enabled"),
        (UNSEGMENTED, UNSEGMENTED,
         {"never": (Outcome("off"),), "conditions": THERE}, "targetSegments"),
        (UNSEGMENTED, replace(UNSEGMENTED, bucketing_salt="t"),
         {"never": (Outcome("off", "a"),), "conditions": THERE}, "targetSegments"),
        (NO_PERCENTAGE, NO_PERCENTAGE, {"never": (ANY_MOVE,)}, None),
        (NO_PERCENTAGE, NO_PERCENTAGE,
         {"never": (Outcome("a", "a"),)}, "rolloutPercentage"),
        *((NO_PERCENTAGE, NO_PERCENTAGE,
           {"shares": (Share(Outcome(*moves), (Bound("<=", Fraction(1)),), ""),)}, field)
          for moves, field in ((("a", "a"), "rolloutPercentage"), (("a", "b"), None), (("a",), "rolloutPercentage"),
                                (("d",), "rolloutPercentage"))),
        (NO_PERCENTAGE, replace(NO_PERCENTAGE, bucketing_salt="t"),
         {"never": (ANY_MOVE,)}, "rolloutPercentage"),
        (replace(NO_PERCENTAGE, rollout_weights=UNSET), NO_PERCENTAGE,
         {"never": (ANY_MOVE,)}, "rolloutPercentage, rolloutWeights"),
        (replace(FLAG, enabled=UNSET), replace(FLAG, enabled=False), {"never": (Outcome("off", "a"),)}, "enabled"),
        (replace(FLAG, enabled=UNSET), replace(FLAG, enabled=UNSET, bucketing_salt="t", rollout_percentage=0),
         {"never": (Outcome("off", "c"),)}, "enabled"),
        (replace(KEYLESS, bucketing_salt="s"), replace(FLAG, bucketing_salt="s", bucketing_key="amplitude_id"),
         {"never": (ANY_MOVE,)}, "bucketingKey"),
        (replace(SEGMENTED, bucketing_key=UNSET), replace(SEGMENTED, bucketing_key=UNSET),
         {"never": (ANY_MOVE,)}, None),
    ],
)  # fmt: skip
def test_what_one_state_does_not_declare(
    before: FlagSpec, after: FlagSpec, claim: dict[str, Any], field: str | None
) -> None:
    """It may have been anything: segments, weights, a key. What neither declares is the same in both."""
    verdict = decide(after, before, **claim)

    assert verdict.status is (Status.UNDECLARED if field else Status.PROVED)
    verb = "are" if field and "," in field else "is"
    assert verdict.reason == (field and f"{field} {verb} {LACKS_BEFORE}")


def test_locally_no_user_has_an_amplitude_id() -> None:
    """At least an application may not give one: a share of everyone leaves out those without it."""
    local = replace(FLAG, bucketing_key="amplitude_id", evaluation_mode="local")
    single = replace(local, rollout_weights=Weights.of({"a": 1}))

    verdict = decide(local, never=(Outcome("off"),))

    assert verdict.person is not None
    assert OfficialFlag(local).assign(verdict.person.user)[0] == "off"
    assert decide(replace(local, evaluation_mode="remote"), never=(Outcome("off"),)).status is Status.PROVED
    assert decide(single, never=(Outcome("off"),)).status is Status.PROVED
    assert decide(local, single, never=(Outcome("off", "a"),)).status is Status.REFUTED
    for flag, status in ((local, Status.REFUTED), (replace(local, evaluation_mode="remote"), Status.PROVED)):
        stays = decide(flag, replace(flag, enabled=False), never=(Outcome("off", "off"),))
        assert stays.status is status
    one = decide(local, user={"user_id": "x"}, expected="off")
    assert one.status is Status.PROVED


@pytest.mark.parametrize("op", ["<=", ">=", "=="])
@pytest.mark.parametrize(("percentage", "of_each"), [(100, "1/2"), (25, "1/8"), (1, "1/200"), (99, "99/200")])
def test_shares_that_no_number_of_hashes_meets_exactly(op: str, percentage: int, of_each: str) -> None:
    """A share that is round in percent is met by both variants, whichever way their last hash falls."""
    flag = replace(FLAG, rollout_percentage=percentage)
    shares = tuple(Share(Outcome(key), (Bound(op, Fraction(of_each)),), "") for key in "ab")
    off = tuple(Share(Outcome(key), (Bound(op, Fraction(of_each) + Fraction(1, 1000)),), "") for key in "ab")

    assert decide(flag, shares=shares).status is Status.PROVED
    assert decide(flag, shares=off).status is (Status.PROVED if op == "<=" else Status.REFUTED)


REST, OTHERS, LISTS = "/rolloutPercentage", "All Other Users", "the inclusions of "
LISTED = replace(
    FLAG,
    variants=(Variant(key="a", users=("u",), cohorts=("c",)), Variant(key="b")),
    target_segments=(a_segment(US),),
)
UNSAID = "Flag files do not say what a flag depends on"
LACKS_BEFORE = "not declared in the state before, and it depends on that: compare with --against live."
LACKS = "not declared, and it depends on that: declare it, or fill it with --against live."


def behind_parent(flag: FlagSpec | None = FLAG, *, live: bool = True, depends: bool = True) -> FlagWithParents:
    """The flag, of files or live, whose users must get a of the flag p."""
    if flag is None:
        return FlagWithParents(flag=None)
    needs = Dependencies(flags=(("2", ("a",)),), operator="all") if depends else None
    found = LiveFlag(id="1" if live else "", project_id="1", spec=flag, parent_dependencies=needs)
    parent = LiveFlag(id="2", project_id="1", spec=replace(FLAG, key="p", rollout_percentage=50))
    return FlagWithParents(flag=found, parents=(parent,) if depends else ())


def of_patterns(count: int) -> tuple[FlagSpec, str]:
    """A flag that tells so many values of what it hashes apart, by patterns, and the last one, which alone gets a."""
    values = [f"v{number:02}" for number in range(count)]
    matched = a_segment(asked("gp:x", "glob match", *values), percentage=3)
    later = tuple(a_segment(asked("gp:x", "glob match", value), percentage=0) for value in values)
    gets = (
        (salt, [coordinates(hash_of(salt, value))[0] < 3 for value in values])
        for salt in (f"s{number}" for number in range(10_000))
    )
    salt = next(salt for salt, given in gets if sum(given) == given[-1] == 1)
    flag = replace(
        FLAG,
        bucketing_key="gp:x",
        bucketing_salt=salt,
        target_segments=(matched, *later),
        rollout_percentage=0,
    )
    return flag, values[-1]


def causes_of(verdict: Verdict) -> list[tuple[str, str, str]]:
    """The segment, path and variant of each cause."""
    return [(cause.segment, cause.path, cause.variant) for cause in verdict.causes]


@pytest.mark.parametrize(
    ("side", "given", "reason"),
    [
        (behind_parent(), {"p": "c"}, "The flag p has no variant c."),
        (behind_parent(), dict.fromkeys("tsrqpo", "a"), "The flag does not depend on o, q, r, s, t."),
        (behind_parent(depends=False), {"q": "a", "p": "a"}, "The flag does not depend on p, q."),
        *(
            (side, {"q": "", "p": ""}, f"{UNSAID} (p, q): it takes --against live.")
            for side in (behind_parent(None), behind_parent(live=False, depends=False))
        ),
        (behind_parent(), {"p": "off"}, None),
        (behind_parent(live=False), {"p": "off"}, None),
    ],
)  # fmt: skip
def test_given_variants(side: FlagWithParents, given: dict[str, str], reason: str | None) -> None:
    """What cannot be given is said in order of the names; what can be decides: off of the parent is off here."""
    claim = Assertion(name="x", flag="f", source=a_position(), always=(Outcome("off"),), given=tuple(given.items()))

    verdict = Decider(side).decide(claim)

    assert (verdict.status, verdict.reason) == (Status.UNDECIDED if reason else Status.PROVED, reason)
    assert verdict.reached == (frozenset() if reason else {"dependencies", "off"})
    if reason is None:  # that the flag did not depend on it before does not matter
        moved = replace(claim, always=tuple(Outcome("off", key) for key in ("a", "b", "off")))
        assert Decider(side, behind_parent(depends=False)).decide(moved).status is Status.PROVED


@pytest.mark.parametrize(
    ("operator", "given", "is_met"),
    [
        ("all", {"p": "a", "q": "a"}, True),
        ("all", {"p": "a", "q": "b"}, False),
        ("all", {"q": "b"}, False),
        ("all", {"p": "a"}, None),
        ("ANY", {"p": "b", "q": "a"}, True),
        ("any", {"q": "a"}, True),
        ("any", {"p": "b"}, None),
        ("any", {"p": "b", "q": "b"}, False),
    ],
)
def test_given_variants_of_two_flags(operator: str, given: dict[str, str], is_met: bool | None) -> None:
    """All users are let through, or none, where what is given settles it."""
    needs = Dependencies(flags=(("2", ("a",)), ("3", ("a",))), operator=operator)
    one = behind_parent()
    assert one.flag is not None
    more = replace(one.parents[0], id="3", spec=replace(FLAG, key="q", rollout_percentage=50))
    flag = replace(one.flag, parent_dependencies=needs)
    decider = Decider(FlagWithParents(flag=flag, parents=(*one.parents, more)))
    claim = Assertion(name="x", flag="f", source=a_position(), conditions=THERE, given=tuple(given.items()))

    through, held = (
        decider.decide(replace(claim, **{kind: (Outcome("off"),)})).status for kind in ("never", "always")
    )

    assert (through is Status.PROVED, held is Status.PROVED) == (is_met is True, is_met is False)


@pytest.mark.parametrize("allowed", [(), ("a",)])
def test_a_dependency_on_any_variant_lets_everyone_through(allowed: tuple[str, ...]) -> None:
    """One that names none is met whatever the other flag gives."""
    one = behind_parent()
    assert one.flag is not None
    flag = replace(one.flag, parent_dependencies=Dependencies(flags=(("2", allowed),), operator="all"))
    claim = Assertion(name="x", flag="f", source=a_position(), conditions=THERE, never=(Outcome("off"),))
    verdict = Decider(replace(one, flag=flag)).decide(claim)
    assert verdict.status is (Status.REFUTED if allowed else Status.PROVED)


def test_users_behind_parents() -> None:
    """One user is held back by name; of all users one who gets through is found, and none where none can be."""

    def decided(flag: FlagSpec = FLAG, **claim: Any) -> Verdict:
        return Decider(behind_parent(flag)).decide(Assertion(name="x", flag="f", source=a_position(), **claim))

    held = decided(user={"user_id": "u"}, expected="a", given=(("p", "off"),))
    assert (held.status, causes_of(held)) == (Status.REFUTED, [("its dependencies", "dependencies", "off")])
    assert held.reached == {"dependencies", "a", "off"}
    for number in range(8):
        again = decided(user={"user_id": f"u{number}"}, expected="off", given=(("p", "off"),))
        assert again.status is Status.PROVED
    through = decided(never=(Outcome("a"),))
    assert (through.status, causes_of(through)) == (Status.REFUTED, [(OTHERS, REST, "a")])
    stopped = decided(replace(FLAG, bucketing_salt="s1", rollout_percentage=50), never=(Outcome("off"),))
    assert stopped.person is not None
    assert stopped.person.user["user_id"] == "user-2"  # user-1 is let through, and is off by the rollout
    assert (stopped.status, causes_of(stopped)) == (Status.REFUTED, [("its dependencies", "dependencies", "off")])
    strict = replace(behind_parent().parents[0], spec=replace(FLAG, key="p", rollout_percentage=0))
    given = Assertion(name="x", flag="f", source=a_position(), never=(Outcome("a"),), given=(("p", "a"),))
    assert Decider(replace(behind_parent(), parents=(strict,))).decide(given).status is Status.REFUTED
    nothing = replace(behind_parent().flag, parent_dependencies=Dependencies(flags=(), operator="any"))
    free = Assertion(name="x", flag="f", source=a_position(), conditions=THERE, never=(Outcome("off"),))
    assert Decider(FlagWithParents(flag=nothing)).decide(free).status is Status.PROVED
    of_its_name = decided(conditions=(asked("dependencies", "is", "x"),), never=(Outcome("off"),))
    assert causes_of(of_its_name) == [("its dependencies", "dependencies", "off")]
    rare = replace(FLAG, rollout_weights=Weights.of({"a": 1, "b": 20_000_000}))
    left = decided(rare, never=(Outcome("a"),))
    reason = "The flags that this one depends on decide: name what users have with `given`."
    assert (left.status, left.reason, left.person) == (Status.UNDECIDED, reason, None)


@pytest.mark.parametrize(("count", "is_found"), [(20, True), (21, False)])
def test_users_behind_parents_are_tried_in_twenty_ways(count: int, is_found: bool) -> None:
    """Of so many values that patterns spell out, the last alone gets the variant."""
    flag, last = of_patterns(count)
    verdict = Decider(behind_parent(flag)).decide(
        Assertion(name="x", flag="f", source=a_position(), never=(Outcome("a"),))
    )
    assert verdict.status is (Status.REFUTED if is_found else Status.UNDECIDED)
    if verdict.person is not None:
        assert verdict.person.user["user_properties"] == {"x": last}


def test_shares_of_users_whom_the_same_hash_lets_through() -> None:
    """They are other shares than of all users: half of all may be all who come through."""
    rest = replace(FLAG, rollout_percentage=50, rollout_weights=Weights.of({"a": 1}))
    half = (Share(Outcome("a"), (Bound("<=", Fraction(1, 2)),), "<= 50%"),)
    for salt, given, status in (("salt", (), Status.UNDECIDED), ("s", (), Status.PROVED),
                                ("salt", (("p", "a"),), Status.PROVED)):  # fmt: skip
        parent = replace(behind_parent().parents[0], spec=replace(rest, key="p", bucketing_salt=salt))
        claim = Assertion(name="x", flag="f", source=a_position(), shares=half, given=given)
        verdict = Decider(replace(behind_parent(rest), parents=(parent,))).decide(claim)
        reason = "Flags that this one depends on have its salt: of their users, other shares have a variant."
        assert (verdict.status, verdict.reason) == (status, None if status is Status.PROVED else reason)
    few = (Share(Outcome("a"), (Bound("<=", Fraction(1, 10)),), "<= 10%"),)
    on = replace(behind_parent().parents[0], spec=replace(rest, key="p"))
    broken = Assertion(name="x", flag="f", source=a_position(), shares=few)
    assert Decider(replace(behind_parent(rest), parents=(on,))).decide(broken).status is Status.UNDECIDED
    hashed = replace(rest, target_segments=(a_segment(US, percentage=50),), rollout_percentage=0)
    others = replace(broken, conditions=(DE,))
    assert Decider(replace(behind_parent(hashed), parents=(on,))).decide(others).status is Status.PROVED
    everyone = Assertion(name="x", flag="f", source=a_position(), shares=half, conditions=(US,))
    on = replace(behind_parent().parents[0], spec=replace(rest, key="p"))
    assert (
        Decider(replace(behind_parent(replace(rest, rollout_percentage=0)), parents=(on,))).decide(everyone).status
        is Status.PROVED
    )


@pytest.mark.parametrize("flags", [(), (("2", ()),), (("2", ("a",)),)])
def test_an_operator_that_is_not_known_lets_no_user_through(flags: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """As it is evaluated and delivered: all users are off, for their dependencies."""
    needs = Dependencies(flags=flags, operator="none")
    side = replace(behind_parent(), flag=replace(behind_parent().flag, parent_dependencies=needs))

    def decided(**claim: Any) -> Verdict:
        return Decider(side).decide(Assertion(name="x", flag="f", source=a_position(), **claim))

    assert decided(always=(Outcome("off"),)).status is Status.PROVED
    verdict = decided(never=(Outcome("off"),))
    assert causes_of(verdict) == [("its dependencies", "dependencies", "off")]


@pytest.mark.parametrize(
    ("flag", "user", "expected", "causes"),
    [
        (FLAG, {"user_id": "x"}, "b", None),
        (FLAG, {"user_id": "x"}, "a", (OTHERS, REST, "b")),
        (FLAG, {}, "b", (OTHERS, REST, "off")),
        (LISTED, {"user_id": "x", "country": "US"}, "b", ("first", "/targetSegments/0", "a")),
        (LISTED, {"user_id": "u", "country": "US"}, "b", (f"{LISTS}a", "/variants/0/inclusions/users", "a")),
        (LISTED, {"cohort_ids": ["c"]}, "b", (f"{LISTS}a", "/variants/0/inclusions/cohorts", "a")),
        (replace(FLAG, bucketing_key="amplitude_id"), {"user_id": "x"}, "a",
         "The flag is bucketed by amplitude_id: give the user one."),
        (replace(FLAG, bucketing_key="amplitude_id"), {"amplitude_id": "1"}, "off", (OTHERS, REST, "a")),
        (replace(FLAG, bucketing_salt=UNSET), {"user_id": "x"}, "a", f"bucketingSalt is {LACKS}"),
        (replace(FLAG, bucketing_salt=UNSET, bucketing_key=UNSET), {}, "a",
         f"bucketingSalt, bucketingKey are {LACKS}"),
        (replace(FLAG, rollout_percentage=UNSET, rollout_weights=UNSET), {}, "a", f"rolloutPercentage is {LACKS}"),
    ],
)  # fmt: skip
def test_one_user(
    flag: FlagSpec, user: dict[str, Any], expected: str, causes: tuple[str, str, str] | str | None
) -> None:
    """What gave another variant than expected, and else what it takes to know."""
    verdict = decide(flag, user=user, expected=expected)

    if isinstance(causes, str):
        status = Status.UNDECIDED if "amplitude_id" in causes else Status.UNDECLARED
        assert (verdict.status, verdict.reason, verdict.reached) == (status, causes, {REST})
    elif causes is None:
        assert (verdict.status, causes_of(verdict), verdict.reached) == (Status.PROVED, [], {REST, expected})
    else:
        assert (verdict.status, causes_of(verdict)) == (Status.REFUTED, [causes])
        assert verdict.person is not None
        assert (verdict.person.user, verdict.reached) == (user, {causes[1], causes[2], expected})


def test_one_user_of_two_states() -> None:
    """A claim of one user is about the state after, which is filled from the one before."""
    dark = replace(FLAG, rollout_percentage=0, target_segments=(a_segment(US),))
    user = {"user_id": "x"}
    verdict = decide(replace(FLAG, bucketing_salt=UNSET), dark, user=user, expected="b")
    assert (verdict.status, verdict.reached) == (Status.PROVED, {REST, "b"})
    back = decide(dark, FLAG, user=user | {"country": "US"}, expected="b")
    assert (back.status, causes_of(back)) == (Status.REFUTED, [("first", "/targetSegments/0", "a")])
    assert back.reached == {"/targetSegments/0", "a", "b"}


def test_what_users_of_two_states_reach() -> None:
    """The rules of the state after, and what they get there."""
    before = replace(FLAG, target_segments=(a_segment(US),))
    verdict = decide(replace(FLAG, rollout_weights=Weights.of({"b": 1})), before, never=(Outcome("off"),))
    assert (verdict.status, verdict.reached) == (Status.PROVED, {REST, "b", "off"})


@pytest.mark.parametrize(("conditions", "is_about_none"), [((US, DE), True), ((US,), False), ((), False)])
def test_a_claim_about_no_user(conditions: tuple[Condition, ...], is_about_none: bool) -> None:
    """It is proved, and that nobody is meant is told."""
    verdict = decide(replace(FLAG, rollout_percentage=0), conditions=conditions, never=(Outcome("a"),))
    assert (verdict.status, verdict.is_about_no_user) == (Status.PROVED, is_about_none)
    reached = {"a"} if is_about_none else {REST, "a", "off"}
    assert verdict.reached == reached
    unsaid = decide(replace(FLAG, rollout_percentage=UNSET), conditions=conditions, never=(Outcome("a"),))
    assert unsaid.reached == reached - {"off"}


def test_a_flag_that_may_be_on_waits_for_that_alone() -> None:
    """By itself it is no use to name what else is not declared."""
    flag = replace(FLAG, enabled=UNSET, target_segments=UNSET)
    verdict = decide(flag, never=(Outcome("a"),))
    assert (verdict.status, verdict.reason) == (Status.UNDECLARED, f"enabled is {LACKS}")
    assert list(Decider(alone(flag)).rules()) == [("/enabled", "a disabled flag")]


def test_variants_that_no_state_has() -> None:
    """A claim that would hold of any flag is not decided: each is named once, in the order of the claim."""
    stray = (Outcome("d"), Outcome("*", "c"), Outcome("off", "d"))
    shares = (Share(Outcome("e"), (Bound("<=", Fraction(1)),), ""),)

    verdict = decide(FLAG, conditions=THERE, never=stray, shares=shares)

    assert verdict.status is Status.UNDECIDED
    assert verdict.reason == "The flag has no variant d, c, e, before or after."
    unsaid = replace(FLAG, variants=UNSET, rollout_percentage=0)
    assert decide(unsaid, never=stray).status is Status.PROVED
    assert decide(replace(FLAG, rollout_percentage=0), unsaid, never=(Outcome("d"),)).status is Status.PROVED
    absent = Assertion(name="x", flag="f", source=a_position(), never=(Outcome("d"),))
    assert Decider(FlagWithParents(flag=None)).decide(absent).status is Status.PROVED
    assert decide(replace(FLAG, variants=FLAG.variants[:1]), FLAG, never=(Outcome("b"),)).status is Status.PROVED
    assert decide(FLAG, never=(*stray, Outcome("off"))).status is Status.REFUTED


@pytest.mark.parametrize(
    ("always", "causes"),
    [
        ((Outcome("a", "a"),), ["a", "off"]),
        ((Outcome("*", "a"),), ["a", "a"]),
        ((Outcome("a", "a"), Outcome("off", "a")), None),
        ((Outcome("a"), Outcome("b")), ["a", "off"]),
        ((Outcome("a"), Outcome("b"), Outcome("off")), None),
        ((Outcome("a", "c"),), None),
    ],
)
def test_what_always_means(always: tuple[Outcome, ...], causes: list[str] | None) -> None:
    """Any of the moves from the same variant will do, and any of the variants; who starts elsewhere is not meant."""
    flag = replace(FLAG, variants=(*FLAG.variants, Variant(key="c")))

    verdict = decide(replace(flag, rollout_percentage=50), flag, conditions=THERE, always=always)

    assert verdict.status is (Status.REFUTED if causes else Status.PROVED)
    assert causes_of(verdict) == [(OTHERS, REST, variant) for variant in causes or ()]
    assert verdict.reached >= {REST, "a", "b", "off"}


def test_what_breaks_a_share() -> None:
    """The share as it is beside what was claimed, and who has it; between two hashes it is only expected."""
    quarter = Share(Outcome("a"), (Bound("<=", Fraction(1, 4)),), "<= 25%")
    none_of_it = Share(Outcome("off", "*"), (Bound("==", Fraction(0)),), "0%")
    some_of_it = Share(Outcome("a", "b"), (Bound(">=", Fraction(1, 4)),), ">= 25%")

    plain = decide(FLAG, shares=(quarter,))
    lost = decide(replace(FLAG, rollout_percentage=50), FLAG, shares=(none_of_it,))
    absent = decide(replace(FLAG, rollout_percentage=50), FLAG, shares=(some_of_it,))
    expected = decide(replace(FLAG, bucketing_salt="t"), FLAG, shares=(some_of_it,))

    assert (plain.share, causes_of(plain)) == ((quarter, Fraction(536870925, 2**30)), [(OTHERS, REST, "a")])
    assert lost.share == (none_of_it, Fraction(2**30 - 1, 2**31))
    assert [cause.variant for cause in lost.causes] == ["a", "off"]
    assert (absent.status, absent.share) == (Status.REFUTED, (some_of_it, Fraction(0)))
    assert [cause.variant for cause in absent.causes] == ["a", "a"]
    for claimed, bounds, variant in (
        (">= 60%", [Bound(">=", Fraction(3, 5))], "b"),
        ("> 60%", [Bound(">", Fraction(3, 5))], "b"),
        ("60%", [Bound("==", Fraction(3, 5))], "b"),
        ("40%", [Bound("==", Fraction(2, 5))], "a"),
        (">= 10%, < 40%", [Bound(">=", Fraction(1, 10)), Bound("<", Fraction(2, 5))], "a"),
    ):
        breach = decide(FLAG, shares=(Share(Outcome("a"), tuple(bounds), claimed),))
        assert [cause.variant for cause in breach.causes] == [variant], claimed
    assert expected.status is Status.UNDECIDED
    assert expected.reason == "Users are re-bucketed: what share goes from one variant to another is only expected."
    assert decide(LISTED, conditions=(asked("user_id", "is", "u"),), shares=(quarter,)).status is Status.PROVED


@pytest.mark.parametrize(
    ("bounds", "has_it"),
    [
        ((("<=", 30),), True),
        ((("<", 50),), True),
        (((">=", 60),), False),
        (((">", 50),), False),
        ((("==", 40),), True),
        ((("==", 60),), False),
        (((">=", 10), ("<=", 20)), True),
        (((">=", 60), ("<=", 70)), False),
    ],
)
@pytest.mark.parametrize("outcome", [Outcome("a"), Outcome("off", "a")])
def test_who_breaks_a_share(bounds: tuple[tuple[str, int], ...], has_it: bool, outcome: Outcome) -> None:
    """Of too high a share one of those who have it; of too low a one a user who does not."""
    share = Share(outcome, tuple(Bound(op, Fraction(limit, 100)) for op, limit in bounds), "")
    before = replace(FLAG, rollout_weights=Weights.of({"a": 1}))
    after = replace(before, rollout_percentage=50)

    verdict = decide(after, None if outcome.before is None else before, conditions=THERE, shares=(share,))

    assert verdict.status is Status.REFUTED
    assert outcome.meets(tuple(cause.variant for cause in verdict.causes)) is has_it


def test_shares_of_few_values() -> None:
    """Users with one value of what is hashed have one variant, and users without it none; of several it is open."""
    by_country = replace(FLAG, bucketing_key="country")
    half = Share(Outcome("a"), (Bound("<=", Fraction(3, 4)), Bound(">=", Fraction(1, 4))), "25%..75%")
    any_share = Share(Outcome("a"), (Bound("<=", Fraction(1)),), "<= 100%")
    official = OfficialFlag(by_country)
    found = {}
    for country in "ABCDEFGH":
        verdict = decide(by_country, conditions=(asked("country", "is", country),), shares=(half,))
        found[country] = official.assign({"country": country})[0]
        assert (verdict.status, verdict.share) == (Status.REFUTED, (half, Fraction(found[country] == "a")))
        also = (asked("gp:plan", "is", "pro"), asked("country", "is", country))
        assert decide(by_country, conditions=also, shares=(half,)).share == verdict.share
        came = replace(half, outcome=Outcome("a", "off"))
        dark = replace(by_country, rollout_percentage=0)
        verdict = decide(by_country, dark, conditions=(asked("country", "is", country),), shares=(came,))
        assert (verdict.status, verdict.share) == (Status.REFUTED, (came, Fraction(found[country] == "a")))
    assert set(found.values()) == {"a", "b"}

    by_group = replace(FLAG, bucketing_unit="org id")
    assert decide(by_group, conditions=(asked("user_id", "is", "u"),), shares=(half,)).status is Status.PROVED
    not_named = a_segment(asked("user_id", "is not", "x"), asked("gp:plan", "is", "pro"))
    assert FLAG.rollout_weights
    halves = replace(FLAG, target_segments=(replace(not_named, rollout_weights=FLAG.rollout_weights),))
    assert decide(halves, shares=(half,)).status is Status.PROVED
    several = decide(by_country, conditions=(asked("country", "is", *found),), shares=(half,))
    assert several.status is Status.UNDECIDED
    assert several.reason == "Users with the same country have the same variant: how many have which is not known."
    assert (
        decide(by_country, conditions=(asked("country", "is", *found),), shares=(any_share,)).status is Status.PROVED
    )
    alike = [country for country, variant in found.items() if variant == "a"]
    assert decide(by_country, conditions=(asked("country", "is", *alike),), shares=(half,)).share == (half, 1)
    others = decide(by_country, conditions=(asked("country", "is not", *found),), shares=(half,))
    assert others.status is Status.PROVED
    missing = decide(FLAG, conditions=(asked("user_id", "is", "(none)"),), shares=(half,))
    assert (missing.status, missing.share, causes_of(missing)) == (
        Status.REFUTED, (half, Fraction(0)), [(OTHERS, REST, "off")],
    )  # fmt: skip
    assert missing.person is not None
    assert missing.person.user == {}


def test_a_share_after_a_change_is_that_of_the_state_after() -> None:
    """Whatever users had before."""
    share = Share(Outcome("a"), (Bound("<=", Fraction(3, 5)),), "<= 60%")
    assert decide(replace(FLAG, bucketing_salt="t"), FLAG, shares=(share,)).status is Status.PROVED


def test_a_share_waits_for_what_is_not_declared() -> None:
    """One that no user has as well: of one state nothing is taken to be the same."""
    assert decide(NO_PERCENTAGE, never=(Outcome("d"),)).status is Status.UNDECLARED


@pytest.mark.parametrize("count", [25, 26])
def test_no_value_of_many_is_passed_over(count: int) -> None:
    """In each of twenty ways to be in the segment users may have one of so many values, of which the last gets b."""
    values = [f"v{number:02}" for number in range(count)]
    others = a_segment(*(asked("gp:y", "is not", f"w{number}") for number in range(20)))
    listed = replace(a_segment(asked("gp:x", "is", *values)), rollout_weights=Weights.of({"a": 9, "b": 1}))
    later = (a_segment(asked("gp:x", "is", value), percentage=0) for value in values)
    flag = replace(FLAG, bucketing_key="gp:x", target_segments=(others, listed, *later))
    given = (
        (salt, [coordinates(hash_of(salt, value))[1] * 10 >= 9 * 42_949_673 for value in values])
        for salt in (f"s{number}" for number in range(10_000))
    )
    salt = next(salt for salt, gets in given if sum(gets) == gets[-1] == 1)
    all_of_them = Share(Outcome("a"), (Bound(">=", Fraction(1)),), ">= 100%")
    claim = {"conditions": (asked("gp:x", "is", *values),), "shares": (all_of_them,)}
    verdict = decide(replace(flag, bucketing_salt=salt), **claim)
    reason = "Users with the same gp:x have the same variant: how many have which is not known."
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


def test_values_that_take_too_many_tries_are_open() -> None:
    """What share of users has a variant is not told from the values that were tried."""
    many = [[asked(f"gp:p{number}", op, "x") for number in range(14)] for op in ("is", "is not")]
    segments = tuple(a_segment(*conditions, percentage=0) for conditions in many)
    named = asked("gp:k", "is", "u", "v")
    flag = replace(FLAG, bucketing_key="gp:k", target_segments=segments)
    half = Share(Outcome("a"), (Bound("<=", Fraction(3, 4)),), "<= 75%")
    verdict = decide(flag, conditions=(named,), shares=(half,))
    reason = "There are too many ways for users to have one gp:k or another."
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


def test_shares_without_a_declared_salt() -> None:
    """Which variant a named user has depends on the salt; a user without what is hashed has none with any salt."""
    bounds = (Bound("<=", Fraction(3, 4)), Bound(">=", Fraction(1, 4)))
    half = Share(Outcome("a"), bounds, "25%..75%")
    reason = "bucketingSalt is not declared, and it depends on that: declare it, or fill it with --against live."
    for values in (("u",), ("(none)", "u")):
        verdict = decide(SALTLESS, conditions=(asked("user_id", "is", *values),), shares=(half,))
        assert (verdict.status, verdict.reason, verdict.share) == (Status.UNDECLARED, reason, None)

    missing = decide(SALTLESS, conditions=(asked("user_id", "is", "(none)"),), shares=(half,))

    assert (missing.status, missing.share, missing.without) == (
        Status.REFUTED, (half, Fraction(0)), ("user_id",),
    )  # fmt: skip
    assert causes_of(missing) == [(OTHERS, REST, "off")]


@pytest.mark.parametrize("value", [0, 0.0, -0.0, False, [], {}])
def test_values_that_count_as_missing_are_hashed(value: object) -> None:
    """By the official engine: conditions take them for no value, and buckets for a text. Of ids there is none."""
    missing = asked("gp:x", "is", "(none)")
    wrong = set()
    for number in range(100):
        flag = replace(FLAG, bucketing_key="gp:x", bucketing_salt=f"s{number}", rollout_percentage=10)
        verdict = decide(flag, conditions=(missing,), never=(Outcome("a"),))
        if verdict.person is not None:
            assert OfficialFlag(flag).assign(verdict.person.user)[0] == "a"
        elif OfficialFlag(flag).assign({"user_properties": {"x": value}})[0] == "a":
            wrong.add(number)
    assert not wrong
    by_id = replace(FLAG, bucketing_key="device_id")
    assert decide(by_id, conditions=(asked("device_id", "is", "(none)"),), always=(Outcome("off"),)).person is None


def test_a_value_that_is_listed_twice_counts_twice() -> None:
    """A list of one element does not contain it twice, as the official engine has it."""
    flag = replace(FLAG, target_segments=(a_segment(asked("gp:t", "set contains", "x", "x")),), rollout_percentage=0)
    staff = (asked("gp:t", "set is", "x"),)

    verdict = decide(flag, conditions=staff, always=(Outcome("a"),))

    assert verdict.status is Status.REFUTED
    assert verdict.person is not None
    assert OfficialFlag(flag).assign(verdict.person.user)[0] == "off"


def test_users_in_no_cohort() -> None:
    """`(none)` stands for them, as it does for a missing property: no cohort has it as its id."""
    flag = replace(FLAG, target_segments=(a_segment(MEMBER),), rollout_percentage=0)
    none, some = (replace(MEMBER, op=op, values=("(none)",)) for op in ("is", "is not"))

    assert decide(flag, conditions=(none,), never=(Outcome("a"),)).status is Status.PROVED
    assert decide(flag, conditions=(some,), never=(Outcome("a"),)).status is Status.REFUTED
    nobody = decide(flag, conditions=(none,), never=(Outcome("off"),))
    assert nobody.person is not None
    assert nobody.person.user == {"user_id": "user-1"}
    others = decide(flag, conditions=(some,), never=(Outcome("off"),))
    assert others.person is not None
    assert others.person.user["cohort_ids"] not in ([], ["(none)"])
    for condition in (none, some):
        for user in ({}, {"cohort_ids": []}, {"cohort_ids": ["c"]}):
            assert matches_condition(condition, user) is official_condition(condition, user)


def test_no_id_is_the_word_for_a_missing_one() -> None:
    """A claim about users without an id is about no user who has one; other properties may have any text."""
    without = (asked("user_id", "is", "(none)"),)

    assert decide(FLAG, conditions=without, always=(Outcome("off"),)).status is Status.PROVED
    word = asked("gp:plan", "contains", "none")
    flag = replace(FLAG, target_segments=(a_segment(asked("gp:plan", "is", "(none)"), word),))
    assert decide(replace(flag, rollout_percentage=0), never=(Outcome("a"),)).status is Status.REFUTED


def test_rules_and_what_gives_no_variant() -> None:
    """Rules go by their place and name, without lists of users; a flag that gives none is named for its reason."""
    assert list(Decider(alone(LISTED)).rules()) == [("/targetSegments/0", "first"), (REST, OTHERS)]
    assert list(Decider(alone(FLAG), alone(LISTED)).rules()) == [(REST, OTHERS)]
    for side, cause in (
        (alone(replace(FLAG, archived=True)), ("an archived flag", "/archived", "off")),
        (alone(replace(FLAG, enabled=False)), ("a disabled flag", "/enabled", "off")),
        (behind_parent(None), ("an absent flag", "", "off")),
    ):
        claim = Assertion(name="x", flag="f", source=a_position(), always=(Outcome("a"),))
        assert causes_of(Decider(side).decide(claim)) == [cause]
        assert list(Decider(side).rules()) == [(cause[1], cause[0])]
    by_list = decide(LISTED, never=(Outcome("a"),))
    assert causes_of(by_list) == [(f"{LISTS}a", "/variants/0/inclusions/cohorts", "a")]
    by_device = decide(LISTED, conditions=(asked("device_id", "is", "u"),), never=(Outcome("a"),))
    assert causes_of(by_device) == [(f"{LISTS}a", "/variants/0/inclusions/users", "a")]
    gone = replace(FLAG, rollout_percentage=0)
    users = replace(FLAG, variants=(Variant(key="a", users=("u",)), Variant(key="b")))
    lost = decide(gone, users, conditions=THERE, never=(Outcome("off", "*"),))
    assert [cause.segment for cause in lost.causes] == [OTHERS, OTHERS], "a listed user comes after others"
    unlisted = replace(gone, variants=(Variant(key="a", users=()), Variant(key="b", users=())))
    lost = decide(unlisted, users, conditions=THERE, never=(Outcome("off", "*"),))
    assert [cause.segment for cause in lost.causes] == [OTHERS, OTHERS], "who is listed in one state too"
    no_cohort = replace(LISTED, variants=(Variant(key="a", users=("u",)), Variant(key="b")))
    assert causes_of(decide(no_cohort, never=(Outcome("a"),))) == [("first", "/targetSegments/0", "a")]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_flag_that_only_one_state_has(*, is_new: bool) -> None:
    """In the other all users are off."""
    nothing, some = FlagWithParents(flag=None), alone(FLAG)
    decider = Decider(some, nothing) if is_new else Decider(nothing, some)

    def status(*never: Outcome) -> Status:
        return decider.decide(
            Assertion(name="x", flag="f", source=a_position(), conditions=THERE, never=never)
        ).status

    came, went = Outcome("a", "off"), Outcome("off", "a")
    assert [status(came), status(went)] == [
        Status.REFUTED if is_new else Status.PROVED,
        Status.PROVED if is_new else Status.REFUTED,
    ]


def test_values_that_certainly_do_not_hash_as_wanted_are_no_reason_to_give_up() -> None:
    """Of thirty that conditions name, the last alone gets the variant."""
    values = [f"v{number}" for number in range(30)]
    listed = a_segment(asked("gp:x", "is", *values), percentage=3)
    later = tuple(replace(a_segment(asked("gp:x", "is", value)), name=value) for value in values)
    flag = replace(FLAG, bucketing_key="gp:x", target_segments=(listed, *later), rollout_percentage=0)
    for number in range(10_000):
        salted = replace(flag, bucketing_salt=f"s{number}")
        gets = [coordinates(hash_of(f"s{number}", value))[0] < 3 for value in values]
        if sum(gets) == gets[-1] == 1:
            break
    verdict = decide(salted, conditions=(asked("gp:x", "is not", "(none)"),), never=(Outcome("a"),))
    assert verdict.status is Status.REFUTED
    assert verdict.causes[0].path == "/targetSegments/0"
    assert verdict.person is not None
    assert verdict.person.user["user_properties"] == {"x": "v29"}


@pytest.mark.parametrize(("count", "is_found"), [(21, True), (22, False)])
def test_failures_without_a_reason_end_the_search(count: int, is_found: bool) -> None:
    """Of so many values that patterns spell out, the last alone gets the variant: twenty failures are borne."""
    flag, last = of_patterns(count)
    verdict = decide(flag, never=(Outcome("a"),))
    assert verdict.status is (Status.REFUTED if is_found else Status.UNDECIDED)
    assert verdict.reason == (None if is_found else 'Users of "first" may get a, but no such user was found.')
    if verdict.person is not None:
        assert verdict.person.user["user_properties"] == {"x": last}


def apart(prop: str, count: int) -> tuple[TargetSegment, ...]:
    """Segments that tell so many values of a property apart, and give nothing."""
    return tuple(a_segment(asked(prop, "is", f"v{number}"), percentage=0) for number in range(count))


@pytest.mark.parametrize(("skipped", "status"), [((), Status.UNDECIDED), (("v0",), Status.PROVED)])
def test_ways_to_be_in_a_case_are_tried_up_to_a_limit(skipped: tuple[str, ...], status: Status) -> None:
    """25 values of what is hashed, and 20 of another property: 500 ways, or 499, of which none hashes as wanted."""
    others = [asked("gp:y", "is not", f"w{number}") for number in range(20)]
    one = tuple(a_segment(asked("gp:x", "is", value), asked("gp:y", "is", "w0"), percentage=0) for value in skipped)
    listed = a_segment(asked("gp:x", "is", *(f"v{number}" for number in range(25))), percentage=3)
    segments = (*one, a_segment(*others, percentage=0), listed, *apart("gp:x", 25))
    flag = replace(FLAG, bucketing_key="gp:x", target_segments=segments, rollout_percentage=0)
    salts = (f"s{number}" for number in range(1000))
    salt = next(
        salt for salt in salts if all(coordinates(hash_of(salt, f"v{number}"))[0] >= 3 for number in range(25))
    )
    assert decide(replace(flag, bucketing_salt=salt), never=(Outcome("a"),)).status is status
