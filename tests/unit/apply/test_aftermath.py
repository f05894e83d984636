"""What a report says that users see, where an apply did not come to its end."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_flag_plan
from emulators import a_live_flag
from looks import a_declaration, edit
from msgspec.structs import replace
from worlds import World, a_world, an_emulator

from reconciler.apply.aftermath import what_users_see
from reconciler.apply.report import Status
from reconciler.apply.steps import steps_of
from reconciler.emulator import Behaviour
from reconciler.emulator.requests import text_response
from reconciler.model.flag import UNSET, FlagSpec, Variant, Weights
from reconciler.planning.operations import CreateFlag, DeleteVariant, EditFlag
from reconciler.reports.registry import APPLY, render

KEY = "new-checkout"


def failing_at(world: World, number: int, status: int = 400) -> Any:
    """The report of an apply of which the write of that number, and every later one, is refused."""
    planned, real, writes = world.look(), world.emulator.api.answer, 0

    def answer(request: Any) -> Any:
        nonlocal writes
        writes += request.method != "GET"
        return real(request) if writes < number or request.method == "GET" else text_response(status, "no")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    return world.carry_out(planned).report


def test_where_nothing_was_made_users_see_what_they_saw() -> None:
    world = a_world(an_emulator(a_live_flag(KEY, rolloutPercentage=10)), FlagSpec(key=KEY, rollout_percentage=50))
    report = failing_at(world, 1)
    (outcome,) = report.outcomes
    assert outcome.users_see == "Users see what they saw before this run: on, rollout 10%."
    for form in ("text", "markdown"):
        assert "what they saw before this run" in render(APPLY, form, report)
    assert "usersSee" in render(APPLY, "json", report)


def test_where_a_part_was_made_it_says_who_is_where() -> None:
    """The state between two calls, with the shares of users that moved and that are still to move."""
    live = a_live_flag(KEY, rolloutWeights={"control": 1, "treatment": 1})
    spec = a_declaration(rollout_percentage=50, rollout_weights=Weights.of({"control": 1, "treatment": 0}))
    report = failing_at(a_world(an_emulator(live), spec), 2)
    (outcome,) = report.outcomes
    assert outcome.status == "failed"
    assert outcome.users_see == (
        "After 1 of 2 calls the flag is on, rollout 50%: 50% of users get another variant than before this run, and"
        " 25% not yet the planned one."
    )


@pytest.mark.parametrize(
    ("variants", "told"),
    [
        (
            (Variant(key="control", users=()), Variant(key="treatment", users=("eve",), cohorts=())),
            (
                "0% of users and 1 listed user get another variant than before this run, and 0% and 2 listed users"
                " and 1 listed cohort not yet the planned one."
            ),
        ),
        (
            (Variant(key="control", payload={"a": 1}), Variant(key="treatment", payload={"a": 1}, users=("eve",))),
            "0% of users get another variant than before this run, and 0% and 1 listed user not yet the planned one.",
        ),
    ],
)
def test_listed_users_who_were_moved_are_counted(variants: tuple[Variant, ...], told: str) -> None:
    """Beside the shares; lists that no call is about are as the plan read them."""
    live = [{"key": "control", "users": ["ada", "bob"]}, {"key": "treatment", "cohorts": ["c1"]}]
    emulator = an_emulator(a_live_flag(KEY, variants=live, rolloutPercentage=0))
    report = failing_at(a_world(emulator, FlagSpec(key=KEY, variants=variants)), 2)
    (outcome,) = report.outcomes
    assert outcome.status == "failed"
    assert outcome.users_see.endswith(told), outcome.users_see


def test_a_flag_that_was_not_created_is_not_seen() -> None:
    world = a_world(
        an_emulator(), a_declaration("fresh", variants=(Variant(key="control"), Variant(key="treatment")))
    )
    (outcome,) = failing_at(world, 1).outcomes
    assert outcome.users_see == "Users see nothing of it yet: the flag was not created."


@pytest.mark.parametrize("number", [9])
def test_what_was_applied_needs_no_word(number: int) -> None:
    world = a_world(an_emulator(a_live_flag(KEY)), FlagSpec(key=KEY, rollout_percentage=50))
    (outcome,) = failing_at(world, number).outcomes
    assert outcome.users_see == ""


def test_an_edit_meanwhile_is_left_to_the_error() -> None:
    """What users see is then not what the calls of this run made."""
    world = a_world(an_emulator(a_live_flag(KEY)), FlagSpec(key=KEY, rollout_percentage=50))
    run = world.apply(meanwhile=lambda: edit(world.emulator, "bob@example.com", KEY, rolloutPercentage=3) and None)
    assert run.report is not None
    assert run.report.outcomes[0].users_see == ""


def then_by_hand(world: World, fields: dict[str, Any], *, status: int | None = None) -> Any:
    """The report of an apply after whose first write a colleague edits the flag; its answer may be of a status."""
    planned, real, writes = world.look(), world.emulator.api.answer, 0

    def answer(request: Any) -> Any:
        nonlocal writes
        found = (
            real(request) if request.method == "GET" or not (writes == 0 and status) else text_response(status, "?")
        )
        if request.method != "GET" and not writes:
            writes += 1
            edit(world.emulator, "bob@example.com", KEY, **fields)
        return found

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    return world.carry_out(planned).report


@pytest.mark.parametrize(
    ("fields", "state"), [({"enabled": False}, "off, rollout 50%"), ({"rolloutPercentage": 0}, "on, rollout 0%")]
)
def test_an_emergency_switch_after_the_last_call_is_what_users_see(fields: dict[str, Any], state: str) -> None:
    """What was read at the end is said, not what the calls would have made."""
    world = a_world(an_emulator(a_live_flag(KEY, rolloutPercentage=10)), FlagSpec(key=KEY, rollout_percentage=50))
    if "enabled" in fields:
        spec = FlagSpec(key=KEY, enabled=True, rollout_percentage=50)
        world = a_world(an_emulator(a_live_flag(KEY, rolloutPercentage=10)), spec)
    (outcome,) = then_by_hand(world, fields).outcomes
    assert outcome.status == "unknown"
    assert f"the flag is {state}:" in outcome.users_see


def test_a_lost_call_and_an_emergency_switch() -> None:
    """The call was not made, and the flag is not what it was before the run."""
    world = a_world(an_emulator(a_live_flag(KEY, rolloutPercentage=10)), FlagSpec(key=KEY, rollout_percentage=50))
    (outcome,) = then_by_hand(world, {"rolloutPercentage": 0}, status=503).outcomes
    assert outcome.status == "unknown"
    assert "rollout 10%" not in outcome.users_see
    assert "rollout 0%" in outcome.users_see


def test_a_call_whose_outcome_is_not_known_may_have_taken_effect() -> None:
    """Nothing can be read after it: what users see rests on the calls that were made, and the doubt is named."""
    live = a_live_flag(KEY, rolloutWeights={"control": 1, "treatment": 1})
    spec = a_declaration(rollout_percentage=50, rollout_weights=Weights.of({"control": 1, "treatment": 0}))
    world = a_world(an_emulator(live), spec)
    planned, real, writes = world.look(), world.emulator.api.answer, 0

    def answer(request: Any) -> Any:
        nonlocal writes
        writes += request.method != "GET"
        return real(request) if writes < 2 else text_response(500, "?")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    (outcome,) = world.carry_out(planned).report.outcomes  # type: ignore[union-attr] # an apply has a report
    assert outcome.status == "unknown"
    assert outcome.users_see == (
        "After 1 of 2 calls the flag is on, rollout 50%: 50% of users get another variant than before this run, and"
        " 25% not yet the planned one. Call 2 may have taken effect beside that."
    )


def test_a_new_flag_that_starts_on_is_not_called_off() -> None:
    """It was read after its create: where the next call is refused, users see what the server made."""
    emulator = an_emulator(behaviour=Behaviour(new_flag="on"))
    variants = (Variant(key="control"), Variant(key="treatment"))
    spec = FlagSpec(key=KEY, enabled=False, rollout_percentage=0, variants=variants, tags=("a",))
    (outcome,) = failing_at(a_world(emulator, spec), 2).outcomes
    assert "the flag is on, rollout 100%" in outcome.users_see


A = FlagSpec(
    key=KEY, enabled=True, archived=False, rollout_percentage=0, rollout_weights=Weights.of({"a": 1}),
    variants=(Variant(key="a", users=()),), target_segments=(),
)  # fmt: skip
GROWN, NAMED = EditFlag(flag_key=KEY, body={"rolloutPercentage": 50}), EditFlag(flag_key=KEY, body={"name": "n"})
LOST = DeleteVariant(flag_key=KEY, variant_key="gone")
MADE = CreateFlag(flag_key=KEY, body={"key": KEY, "variants": [{"key": "a"}]})
NOTHING = "Users see what they saw before this run: on, rollout 0%."
ON_HALF = (
    "After {} of 2 calls the flag is on, rollout 50%: 50% of users get another variant than before this run, and"
)
HALF_LEFT = (
    "After 1 of 2 calls the flag is {}, rollout 0%: 0% of users get another variant than before this run, and 50% not"
    " yet the planned one."
)
DOUBT = " Call {} may have taken effect beside that."


@pytest.mark.parametrize(
    ("steps", "status", "states", "said"),
    [
        ((GROWN, Status.FAILED), Status.FAILED, {}, NOTHING),
        ((GROWN, Status.FAILED), Status.SKIPPED, {}, ""),
        ((GROWN, Status.APPLIED), Status.APPLIED, {}, ""),
        ((GROWN, Status.FAILED), Status.FAILED, {"after": None}, ""),
        ((GROWN, Status.UNKNOWN), Status.UNKNOWN, {}, NOTHING + DOUBT.format(1)),
        (
            (GROWN, Status.APPLIED, NAMED, Status.UNKNOWN),
            Status.UNKNOWN, {}, ON_HALF.format(1) + " 0% not yet the planned one." + DOUBT.format(2),
        ),
        (
            (NAMED, Status.FAILED, GROWN, Status.SKIPPED),
            Status.FAILED, {"seen": replace(A, rollout_percentage=50)},
            ON_HALF.format(0) + " 0% not yet the planned one.",
        ),
        (
            (NAMED, Status.FAILED, GROWN, Status.SKIPPED),
            Status.FAILED, {"seen": replace(A, rollout_percentage=50, variants=UNSET)},
            ON_HALF.format(0) + " 0% not yet the planned one.",
        ),
        ((LOST, Status.APPLIED, GROWN, Status.FAILED), Status.FAILED, {}, ""),
        (
            (MADE, Status.FAILED), Status.FAILED, {"before": None, "start": None},
            "Users see nothing of it yet: the flag was not created.",
        ),
        (
            (MADE, Status.UNKNOWN), Status.UNKNOWN, {"before": None, "start": None},
            "Users see nothing of it yet: the flag was not created." + DOUBT.format(1),
        ),
        (
            (MADE, Status.UNKNOWN, GROWN, Status.SKIPPED), Status.UNKNOWN, {"before": None, "start": None, "seen": A},
            HALF_LEFT.format("on").replace("1 of", "0 of") + DOUBT.format(1),
        ),
        (
            (MADE, Status.APPLIED, GROWN, Status.FAILED), Status.FAILED, {"before": None, "start": None},
            HALF_LEFT.format("off"),
        ),
        (
            (MADE, Status.APPLIED, GROWN, Status.FAILED), Status.FAILED, {"before": None, "start": A},
            HALF_LEFT.format("on"),
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_each_state(steps: Any, status: Status, states: dict[str, Any], said: str) -> None:
    """By what was made, what may have been, and what was read; nothing where that cannot be told."""
    made = steps_of(steps[::2])
    for step, ended in zip(made, steps[1::2], strict=True):
        step.end(ended)
    fields = {"before": A, "after": replace(A, rollout_percentage=50), "start": A, "seen": None} | states
    plan = a_flag_plan(KEY, before=fields["before"], after=fields["after"])
    assert what_users_see(plan, made, status, start=fields["start"], seen=fields["seen"]) == said
