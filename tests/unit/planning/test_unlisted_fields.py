"""Fields of live segments and conditions that the reference does not list: kept, and never lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, flag_of
from evaluations import evaluate
from msgspec.structs import replace
from worlds import World, a_world, an_emulator, run_now

from reconciler.importer import represent, roll_back
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Weights
from reconciler.planning.plan import PlanOptions
from reconciler.planning.warnings import with_exposure

if TYPE_CHECKING:
    from reconciler.importer.document import Representation

KEY = "new-checkout"
CONDITION = {"type": "property", "prop": "country", "op": "is", "values": ["US"]}
SEGMENT = {
    "name": "Beta",
    "conditions": [CONDITION],
    "percentage": 100,
    "bucketingKey": "amplitude_id",
    "rolloutWeights": {"treatment": 1},
}
GROUP: dict[str, Any] = {**SEGMENT, "conditions": [{**CONDITION, "groupType": "org"}]}
STICKY: dict[str, Any] = {**SEGMENT, "stickyBucketing": True}


def declared(percentage: int = 100, **fields: Any) -> FlagSpec:
    """The flag with the segment as a file says it."""
    segment = TargetSegment(
        name="Beta",
        conditions=(Condition(prop="country", op="is", values=("US",)),),
        percentage=percentage,
        rollout_weights=Weights.of({"treatment": 1}),
    )
    return FlagSpec(key=KEY, **{"target_segments": (segment,)} | fields)


def a_project(*segments: dict[str, Any], spec: FlagSpec | None = None, **options: Any) -> World:
    """A live flag with these segments, and a declaration of it."""
    emulator = an_emulator(a_live_flag(targetSegments=list(segments)))
    return a_world(emulator, spec or declared(), options=PlanOptions(**options))


def refused_by(world: World) -> list[str]:
    return [refusal.guard for refusal in world.plan().every_refusal]


@pytest.mark.parametrize("segment", [GROUP, STICKY])
def test_nothing_is_sent_for_them_alone(segment: dict[str, Any]) -> None:
    """Segments that are otherwise as declared are left as they are."""
    assert a_project(segment).plan().is_empty


def test_a_plan_that_would_lose_a_condition_s_field_is_refused() -> None:
    """Replacing the segments drops what cannot be sent: the guard of cohorts refuses, and names the field."""
    (refusal,) = a_project(GROUP, spec=declared(percentage=50)).plan().every_refusal
    assert (refusal.guard, refusal.override) == ("cohort-conditions", "--allow cohort-conditions:new-checkout")
    assert "groupType" in refusal.message


def test_a_plan_that_would_lose_a_segment_s_field_says_so() -> None:
    """What a segment itself holds beside the reference does not decide who matches: the plan warns, and names it."""
    plan = a_project(STICKY, spec=declared(percentage=50)).plan()
    assert plan.every_refusal == ()
    assert any("stickyBucketing" in warning for warning in plan.flags[0].warnings)
    untouched = a_project(STICKY, spec=FlagSpec(key=KEY, description="Later")).plan()
    assert not any("stickyBucketing" in warning for warning in untouched.flags[0].warnings)


@pytest.mark.parametrize("name", ["Beta", "Renamed"])
def test_a_renamed_segment_s_field_is_lost_with_the_same_words(name: str) -> None:
    """Who renames a segment keeps it, and is told what it may lose; one that is not declared any more goes whole."""
    (segment,) = declared(percentage=50).target_segments or ()
    plan = a_project(STICKY, spec=declared(target_segments=(replace(segment, name=name),))).plan()
    assert [text for text in plan.flags[0].warnings if 'Segment "Beta" holds' in text and "stickyBucketing" in text]
    other = replace(segment, name="Other", conditions=(Condition(prop="city", op="is", values=("Rome",)),))
    gone = a_project(STICKY, spec=declared(target_segments=(other,))).plan()
    assert not [text for text in gone.flags[0].warnings if "stickyBucketing" in text]


def test_another_segment_of_the_flag_is_guarded_too() -> None:
    """A PATCH replaces all segments, the one with the field although only its neighbour changes."""
    other = {**SEGMENT, "name": "Staff", "percentage": 10}
    staff = TargetSegment(
        name="Staff", conditions=(Condition(prop="country", op="is", values=("US",)),), percentage=20,
        rollout_weights=Weights.of({"treatment": 1}),
    )  # fmt: skip
    spec = declared()
    both = FlagSpec(key=KEY, target_segments=(*(spec.target_segments or ()), staff))
    assert refused_by(a_project(GROUP, other, spec=both)) == ["cohort-conditions"]


def test_the_guard_can_be_overridden() -> None:
    """With the override the segments are replaced, and the field is gone."""
    world = a_project(GROUP, spec=declared(percentage=50), allow=frozenset({"cohort-conditions"}))
    run = world.apply()
    assert not run.plan.every_refusal
    assert run.report is not None
    assert run.report.ok
    assert flag_of(world.emulator, KEY)["targetSegments"][0]["conditions"] == [CONDITION]


@pytest.mark.parametrize(
    "segment",
    [
        {**SEGMENT, "id": 7, "createdAt": "2030-01-01"},
        {**SEGMENT, "level": None, "conditions": [{**CONDITION, "groupType": "", "negated": False}]},
        {**SEGMENT, "level": [], "more": {}},
    ],
)
def test_what_decides_nothing_is_no_obstacle(segment: dict[str, Any]) -> None:
    """Names, times and what is null, false or empty do not say who matches: the segments can be replaced."""
    assert refused_by(a_project(segment, spec=declared(percentage=50))) == []


@pytest.mark.parametrize("value", [0, 0.0])
def test_the_number_0_says_something(value: float) -> None:
    """An index of groups may be 0: of a condition it refuses, of a segment it is warned of."""
    group = {**SEGMENT, "conditions": [{**CONDITION, "groupIndex": value}]}
    (refusal,) = a_project(group, spec=declared(percentage=50)).plan().every_refusal
    assert "groupIndex" in refusal.message
    plan = a_project({**SEGMENT, "groupIndex": value}, spec=declared(percentage=50)).plan()
    assert any("groupIndex" in warning for warning in plan.flags[0].warnings)


@pytest.mark.parametrize("segment", [GROUP, STICKY])
def test_the_shield_does_not_rebuild_them(segment: dict[str, Any]) -> None:
    """A shield sends all segments again: it is refused, and the plain order is planned."""
    weights = FlagSpec(key=KEY, rollout_weights=Weights.of({"control": 90, "treatment": 10}))
    world = a_project(segment, spec=weights, shield=True, allow=frozenset({"transient"}))
    assert refused_by(world) == ["shield"]
    (flag,) = world.plan().flags
    assert [item.kind for item in flag.operations] == ["edit-variant", "edit-variant"]


def test_a_change_of_them_is_seen_before_the_first_call() -> None:
    """Who edits such a field between plan and apply has changed the flag: nothing is sent."""
    world = a_project(GROUP, spec=FlagSpec(key=KEY, description="Later"))

    def meanwhile() -> None:
        flag = flag_of(world.emulator, KEY)
        condition = {**CONDITION, "groupType": "team"}
        world.emulator.store.flags[flag["id"]] = {**flag, "targetSegments": [{**SEGMENT, "conditions": [condition]}]}

    report = world.apply(meanwhile).report
    assert report is not None
    assert report.summary["applied"] == 0
    assert flag_of(world.emulator, KEY)["description"] != "Later"


@pytest.mark.parametrize(("segment", "name"), [(GROUP, "groupType"), (STICKY, "stickyBucketing")])
def test_exposure_says_what_it_cannot_know(segment: dict[str, Any], name: str) -> None:
    """Whom a segment with such a field matches is not known here: figures and evaluations carry a note."""
    plan = with_exposure(a_project(segment, spec=FlagSpec(key=KEY, rollout_percentage=50)).plan())
    (flag,) = plan.flags
    assert flag.exposure is not None
    assert flag.before is not None
    assert any(name in note for note in flag.exposure.notes)
    assert any(name in note for note in evaluate(flag.before, {"user_id": "ada", "country": "US"}).notes)


def test_import_shows_a_condition_s_in_comments() -> None:
    """Segments whose conditions cannot be declared whole are not declared; what they hold stands in comments."""
    found = imported(GROUP)
    assert "targetSegments" not in found.document
    assert found.left_out == ("/targetSegments",)
    assert any("groupType: org" in remark for remark in found.remarks)


def test_import_declares_a_segment_and_shows_what_else_it_holds() -> None:
    """A field of the segment itself does not keep a file from declaring the rest; it stands in a comment."""
    found = imported(STICKY)
    assert [item["name"] for item in found.document["targetSegments"]] == ["Beta"]
    assert found.left_out == ()
    assert any('"stickyBucketing": true' in remark for remark in found.remarks)


def imported(segment: dict[str, Any]) -> Representation:
    world = a_project(segment)
    return represent(run_now(world.plan_async()).live.flags[KEY], world.config, keep=None, keys={}, minimal=False)


def test_a_rollback_does_not_declare_them() -> None:
    """A version's segments that hold such a field cannot be declared as they were: the file's stay."""
    world = a_project(GROUP)
    live = run_now(world.plan_async()).live.flags[KEY]
    document = {"key": KEY, "targetSegments": [], "description": "Later"}
    found = roll_back(document, live.spec, world.config)
    assert found.document["targetSegments"] == []
    assert "targetSegments" in found.not_shown
