"""Where a declaration is not met, the report names the field and what the server made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import PROJECT, a_live_flag, flag_of
from worlds import OTHER_USER, World, a_world, after_writes, an_emulator

from reconciler.emulator import ApiResponse, Behaviour
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.reports.registry import APPLY, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply.report import FlagOutcome
    from reconciler.emulator import RawRequest

SEGMENT = TargetSegment(
    name="S",
    conditions=(Condition(prop="email", op="is", values=("ada@example.com",)),),
    percentage=100,
    rollout_weights=Weights.of({"treatment": 1}),
)


def outcome_of(world: World, meanwhile: Callable[[], None] | None = None) -> FlagOutcome:
    """The outcome of the only flag."""
    report = world.apply(meanwhile).report
    assert report is not None
    (outcome,) = report.outcomes
    return outcome


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"rollout_percentage": 50}, "rolloutPercentage (declared 50, live 100)"),
        ({"bucketing_salt": "s2", "rollout_percentage": 7}, 'bucketingSalt (declared "s2", live "'),
        ({"rollout_weights": Weights.of({"control": 1, "treatment": 3})}, "rolloutWeights (declared {"),
        ({"variants": (Variant(key="control"),)}, "variants/treatment (declared none, live {"),
        ({"target_segments": (SEGMENT,)}, "targetSegments"),
    ],
)
def test_a_write_that_has_no_effect_is_told_with_both_values(declared: dict[str, Any], told: str) -> None:
    """A server that says it is done and waits for an approval; values that may name users are left out."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(approvals="pending"))
    outcome = outcome_of(a_world(emulator, FlagSpec(key="f", **declared)))
    assert outcome.status.value == "unknown"
    assert told in str(outcome.error)
    assert "ada@" not in str(outcome.error)
    assert "may wait for an approval" in str(outcome.operations[0].error)


@pytest.mark.parametrize("behaviour", [{"approvals": "403"}, {"disable_without_deployment": "refuse"}])
def test_a_refused_edit_names_the_fields_that_it_carried(behaviour: dict[str, Any]) -> None:
    """Beside the server's own words."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(**behaviour))
    world = a_world(emulator, FlagSpec(key="f", name="New", enabled=False, rollout_percentage=50))
    outcome = outcome_of(world)
    assert outcome.status.value == "failed"
    assert "The server said" in str(outcome.error)
    assert "The call carried name, enabled, rolloutPercentage." in str(outcome.error)


@pytest.mark.parametrize("kind", ["an experiment", "another thing"])
def test_a_key_that_something_else_has_is_told_of(kind: str) -> None:
    """Where it shows in no list, the server alone knows: the report says what else may have a flag's key."""
    emulator = an_emulator()
    world = a_world(emulator, FlagSpec(key="new", variants=(Variant(key="on"),)))

    def take() -> None:
        emulator.store.seed_experiment({"projectId": PROJECT, "key": "new", "archived": kind == "another thing"})

    outcome = outcome_of(world, take)
    assert outcome.status.value == "failed"
    assert "A key is unique over flags, experiments, mutual exclusion groups and holdouts." in str(outcome.error)


@pytest.mark.parametrize(
    ("answered", "whose"), [("other", 'that of "other"'), ("404404", "no flag's of this project")]
)
def test_a_create_that_is_answered_with_another_id(answered: str, whose: str) -> None:
    """Nothing is sent to a flag that is not the one that was made: its id is looked at first."""
    emulator = an_emulator(a_live_flag("other"))
    other = flag_of(emulator, "other")["id"]
    flag_id = other if answered == "other" else answered
    variants = (Variant(key="on", users=("ada@example.com",)),)
    world = a_world(emulator, FlagSpec(key="new", enabled=True, variants=variants))
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        found = real(request)
        if (request.method, request.path) == ("POST", "/api/1/flags"):
            return ApiResponse(status=200, body=json.dumps(json.loads(found.body) | {"id": flag_id}).encode())
        return found

    emulator.api.answer = answer  # type: ignore[method-assign]
    outcome = outcome_of(world)
    assert outcome.error == (
        f"The create was answered with the id {flag_id}, which is {whose}: nothing more was sent. Look in Amplitude"
        " what became of it; the next plan reads what is there."
    )
    assert [item.status.value for item in outcome.operations] == ["unknown", "skipped", "skipped"]
    assert (outcome.status.value, outcome.flag_id) == ("unknown", None)
    assert len(emulator.writes) == 1


@pytest.mark.parametrize("writes", [1, 2])
def test_an_archive_by_hand_midway_is_told_where_edits_of_archived_flags_are_refused(writes: int) -> None:
    """Calls that were made count as made, and what users see is read, not assumed."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(archived_edits="refused"))
    variants = (Variant(key="control", payload={"a": 1}), Variant(key="treatment", payload={"a": 2}))
    world = a_world(emulator, FlagSpec(key="f", name="n", variants=variants))
    flag_id = flag_of(emulator, "f")["id"]

    def archive() -> None:
        emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"archive": True})

    report = world.apply(lambda: after_writes(world, writes, archive)).report
    assert report is not None
    (outcome,) = report.outcomes
    assert outcome.status.value == "failed"
    assert str(outcome.error).endswith("The flag was archived by hand meanwhile.")
    assert render(APPLY, "text", report).count("was rejected (400)") == 1
    statuses = [item.status.value for item in outcome.operations]
    assert statuses == ["applied"] * writes + ["failed"] + ["skipped"] * (2 - writes)
    assert "the flag is archived" in outcome.users_see
