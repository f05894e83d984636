"""The review record: what a digest is over, and what it says of a later plan."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_full_flag, a_live_flag, a_live_state, a_transition, an_exposure
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.evaluation.exposure import ListedMove
from reconciler.files.schema import check
from reconciler.model.flag import LiveState
from reconciler.planning.operations import EditFlag
from reconciler.planning.plan import Action, FlagPlan, MembersChange, Plan, ValueChange
from reconciler.planning.review import (
    REVIEW,
    ReviewRecord,
    check_record,
    decode_record,
    encode_record,
    hold_unreviewed,
    record_of,
    review_digest,
)

if TYPE_CHECKING:
    from reconciler.strict_json import Json


def plan_of(*flags: FlagPlan, project: str = "7", environment: str | None = None) -> Plan:
    """A plan of flags."""
    return Plan(project_id=project, region="us", environment=environment, flags=flags)


def flag(after: Json = 50, *, action: Action = Action.UPDATE, body: dict[str, Json] | None = None) -> FlagPlan:
    """A flag of which the rollout changes and a user is added."""
    return FlagPlan(
        key="new-checkout",
        flag_id="1",
        action=action,
        changes=(
            ValueChange(path="/rolloutPercentage", before=10, after=after),
            ValueChange(path="/variants/a/payload", before=None, after={"x": 1}),
            MembersChange(path="/variants/a/inclusions/users", added=("ada@example.com",), removed=()),
        ),
        operations=(EditFlag(flag_key="new-checkout", body=body or {"rolloutPercentage": after}),),
        fingerprint="sha256:1",
        transient=Fraction(1, 2),
    )


def held(record: ReviewRecord, planned: FlagPlan) -> list[str]:
    """Why a flag is held."""
    live = LiveState(project_id="7", flags={})
    (seen,) = hold_unreviewed(plan_of(planned), record, live).flags
    assert {refusal.guard for refusal in seen.held} <= {REVIEW}
    return [refusal.message for refusal in seen.held]


def test_the_record_holds_to_its_schema_and_no_user_ids() -> None:
    """It goes through JSON and back, and names short values only."""
    record = record_of(plan_of(flag(), environment="prod"))
    document = json.loads(json.dumps(encode_record(record)))
    assert check(document, "record") == ()
    assert decode_record(document) == record
    assert document["changes"] == {"new-checkout": {"/rolloutPercentage": [10, 50]}}
    assert "ada" not in json.dumps(document)
    assert encode_record(record_of(plan_of()))["flags"] == {}


@pytest.mark.parametrize(
    "other",
    [
        flag(51),
        flag(action=Action.UNARCHIVE),
        flag(body={"rolloutPercentage": 50, "name": "n"}),
        replace(flag(), exposure=an_exposure()),
    ],
)
def test_a_digest_is_over_action_changes_operations_and_users(other: FlagPlan) -> None:
    """Each of them makes another digest; what no reviewer decides on does not."""
    record = record_of(plan_of(flag()))
    assert held(record, other)
    assert not held(record, flag())
    assert review_digest(flag()) == record.flags["new-checkout"]
    listed = ListedMove(kind="users", before="off", after="a", count=2)
    seen = [an_exposure(), replace(an_exposure(), listed=(listed,)), replace(an_exposure(), dependents=("child",))]
    one, two, three = (review_digest(replace(flag(), exposure=exposure)) for exposure in seen)
    assert (one == two, one == three) == (False, True)


def test_a_flag_that_the_record_does_not_name_was_not_reviewed() -> None:
    """Not even one without a danger."""
    (message,) = held(record_of(plan_of()), flag())
    assert message == 'The change of "new-checkout" was not reviewed.'


def test_a_flag_that_had_nothing_to_do_was_not_reviewed_with_something_to_do() -> None:
    """The record knows it, and says what is new."""
    record = record_of(plan_of(), ["new-checkout", "other"])
    (message,) = held(record, flag())
    assert message.endswith("as it was reviewed: rolloutPercentage was reviewed as unchanged and is 10 → 50 now.")
    document = json.loads(json.dumps(encode_record(record)))
    assert document["unchanged"] == ["new-checkout", "other"]
    assert check(document, "record") == ()
    assert decode_record(document) == record
    assert record_of(plan_of(flag()), ["new-checkout"]) == record_of(plan_of(flag()))


def test_of_two_records_the_later_one_counts_for_each_flag() -> None:
    """Also where it says that there is nothing to do."""
    something, nothing = record_of(plan_of(flag())), record_of(plan_of(), ["new-checkout", "other"])
    assert something.then(nothing) == nothing
    later = nothing.then(something)
    assert (later.flags, later.changes, later.unchanged) == (something.flags, something.changes, ("other",))


def test_what_differs_is_said_as_far_as_it_is_short() -> None:
    """Values where they are short, that others differ where not."""
    (message,) = held(record_of(plan_of(flag())), flag(0))
    assert message.endswith("as it was reviewed: rolloutPercentage was reviewed as 10 → 50 and is 10 → 0 now.")
    (message,) = held(record_of(plan_of(flag())), flag(body={"name": "n"}))
    assert message.endswith("as it was reviewed: a list, a payload, the calls or who is affected differ.")


@pytest.mark.parametrize(
    ("before", "after", "is_kept"),
    [
        (None, "x" * 60, True),
        ("x" * 60, None, True),
        ("x" * 61, "", False),
        ("", "x" * 61, False),
        (True, False, True),
        (0.5, 1, True),
        ([], None, False),
        (None, {}, False),
    ],
)
def test_short_values_are_kept(before: Json, after: Json, *, is_kept: bool) -> None:
    """Numbers, booleans, nothing, and texts of up to 60 characters, on both sides."""
    planned = replace(flag(), changes=(ValueChange(path="/name", before=before, after=after),))
    record = record_of(plan_of(planned))
    assert record.changes == ({"new-checkout": {"/name": (before, after)}} if is_kept else {})
    assert ("changes" in encode_record(record)) is is_kept


@pytest.mark.parametrize(
    ("edited", "said"),
    [
        ({}, ""),
        ({"last_modified_at": "2030-01-02T12:00:00Z"}, ""),
        ({"last_modified_by": "bob@example.com"}, "; it was last changed live by bob@example.com"),
        (
            {"last_modified_by": "bob@example.com", "last_modified_at": "2030-01-02T12:00:00Z"},
            "; it was last changed live by bob@example.com at 2030-01-02T12:00:00Z",
        ),
    ],
)
def test_all_that_differs_is_said_and_who_edited_last(edited: dict[str, str], said: str) -> None:
    """Sorted by field, with what was reviewed and is planned no more."""
    changes = (
        ValueChange(path="/name", before="a", after="é"),
        ValueChange(path="/enabled", before=True, after=False),
    )
    record = record_of(plan_of(replace(flag(), changes=(*flag().changes, *changes[:1]))))
    live = a_live_state(a_live_flag(a_full_flag(), **edited))
    (seen,) = hold_unreviewed(
        plan_of(replace(flag(51), changes=(*flag(51).changes, *changes[1:]))), record, live
    ).flags
    (refusal,) = seen.held
    assert refusal.message == (
        'The change of "new-checkout" is not as it was reviewed: enabled was reviewed as unchanged and is true →'
        ' false now; name was reviewed as "a" → "é" and is unchanged now;'
        f" rolloutPercentage was reviewed as 10 → 50 and is 10 → 51 now{said}."
    )
    assert refusal.guard == "review"
    assert refusal.alternatives == (
        "review a new plan of it", "apply it by name with `reconciler apply --target new-checkout`",
    )  # fmt: skip


def test_a_record_is_of_one_project_and_environment() -> None:
    """Another is refused before anything is sent."""
    record = record_of(plan_of(flag(), environment="prod"))
    check_record(record, plan_of(environment="prod"))
    with pytest.raises(StalePlanError, match="for another project: 7, not 8"):
        check_record(record, plan_of(project="8", environment="prod"))
    with pytest.raises(StalePlanError, match="another environment: prod, not none"):
        check_record(record, plan_of())


A_TENTH = Fraction(1, 10)
STAYS, MOVES = ("off", "off", A_TENTH), ("off", "a", A_TENTH)


def seen_by(*matrix: tuple[str, str, Fraction], **fields: Any) -> str:
    """The digest of a flag whose exposure has these cells."""
    return review_digest(replace(flag(), exposure=an_exposure(a_transition(matrix=matrix, **fields))))


def test_who_gets_another_variant_is_a_part_of_what_was_reviewed() -> None:
    """Which clients, of which segments, and how many: not those who keep what they have."""
    shown = seen_by(STAYS, MOVES)
    assert seen_by(MOVES) == seen_by(("a", "a", A_TENTH), MOVES, ("b", "b", A_TENTH)) == shown
    others = [
        seen_by(),
        seen_by(STAYS),
        seen_by(("off", "a", A_TENTH / 2)),
        seen_by(("off", "b", A_TENTH)),
        seen_by(MOVES, before_segment="Beta"),
        seen_by(MOVES, after_segment="Beta"),
        seen_by(MOVES, deployments=("67",)),
        seen_by(MOVES, mode="local"),
    ]
    assert others[0] == others[1] == review_digest(flag())
    assert len({shown, *others}) == 8
