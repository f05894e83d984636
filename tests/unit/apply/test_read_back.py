"""What the read-back finds beside the calls: whole new flags, keys that were taken twice, archives by hand."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, flag_of, variant_of
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from worlds import OTHER_USER, PROJECT, UNGUARDED, World, a_world, after_writes, an_emulator

from reconciler.apply import ApplyOptions
from reconciler.emulator import ApiResponse, Behaviour
from reconciler.files.schema import load_schema
from reconciler.model.flag import UNSET, FlagSpec, Variant, Weights
from reconciler.reports.registry import APPLY, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply import ApplyReport
    from reconciler.emulator import RawRequest

NEW = FlagSpec(key="new", variants=(Variant(key="a"), Variant(key="b")))


def applied(world: World, meanwhile: Callable[[], None] | None = None) -> ApplyReport:
    """The report of an apply."""
    report = world.apply(meanwhile).report
    assert report is not None
    return report


@pytest.mark.parametrize("new_flag", ["off", "on"])
@pytest.mark.parametrize(
    ("fields", "enabled", "percentage"),
    [
        ({}, False, 0),
        ({"enabled": True}, True, 0),
        ({"rollout_percentage": 50}, False, 50),
        ({"enabled": True, "rollout_percentage": 50}, True, 50),
        ({"enabled": False, "rollout_percentage": 0, "tags": ("x",)}, False, 0),
    ],
)
def test_a_new_flag_is_declared_whole(new_flag: Any, fields: dict[str, Any], enabled: bool, percentage: int) -> None:
    """What its file leaves out is off, 0 % and none, on a server that makes new flags so and on one that does not."""
    world = a_world(an_emulator(behaviour=Behaviour(new_flag=new_flag)), NEW.__class__(**{**as_dict(NEW), **fields}))
    report = applied(world)
    flag = flag_of(world.emulator, "new")
    assert (flag["enabled"], flag["rolloutPercentage"]) == (enabled, percentage)
    assert (report.verified, report.exit_code) == (True, 0)


def as_dict(spec: FlagSpec) -> dict[str, Any]:
    """The fields that a spec declares."""
    return {name: value for name in spec.__struct_fields__ if (value := getattr(spec, name)) is not UNSET}


@pytest.mark.parametrize("new_flag", ["off", "on"])
def test_a_key_that_is_taken_twice_is_reported(new_flag: Any) -> None:
    """A colleague makes a flag of the same key at once, on a server that lets both: exit code 1, both ids said.

    Nothing more is sent of it, also where the server switched on what it made.
    """
    behaviour = Behaviour(taken_key="second-flag", new_flag=new_flag)
    emulator = an_emulator(a_live_flag("other"), behaviour=behaviour)
    world = a_world(emulator, NEW, FlagSpec(key="other", name="changed"))
    body = {"projectId": PROJECT, "key": "new", "variants": [{"key": "a"}, {"key": "b"}]}

    def create() -> None:
        emulator.edit_as(OTHER_USER, "POST", "/flags", body)

    report = applied(world, lambda: after_writes(world, 1, create))
    ids = sorted(flag["id"] for flag in emulator.store.flags.values() if flag["key"] == "new")
    (new, other) = report.outcomes
    assert (new.status.value, new.verified, new.duplicates) == ("failed", False, tuple(ids))
    assert all(flag_id in (new.error or "") for flag_id in ids)
    assert (other.status.value, other.verified, report.exit_code) == ("applied", True, 1)
    assert [call.is_added for call in new.operations] == [False]
    document = json.loads(render(APPLY, "json", report))
    Draft202012Validator(load_schema("report")).validate(document)
    assert [flag.get("duplicates") for flag in document["flags"]] == [ids, None]


def test_two_applies_of_one_new_flag_do_not_both_succeed() -> None:
    """On a server that lets both make it, at least one of them sees two flags."""
    emulator = an_emulator(behaviour=Behaviour(taken_key="second-flag"))
    worlds = [a_world(emulator, NEW) for _ in range(2)]

    async def both() -> list[ApplyReport]:
        planned = [await world.plan_async() for world in worlds]
        runs = await asyncio.gather(*(world.apply_planned(run) for world, run in zip(worlds, planned, strict=True)))
        return [run.report for run in runs if run.report]

    reports = asyncio.run(both())
    made = [flag for flag in emulator.store.flags.values() if flag["key"] == "new"]
    assert len(made) == 2
    assert max(report.exit_code for report in reports) == 1


def test_an_archive_by_hand_in_the_middle_is_said_so() -> None:
    """No call is called missing: all were made, and then the flag was archived."""
    emulator = an_emulator(a_live_flag("f"))
    variants = (Variant(key="control", name="C"), Variant(key="treatment", name="T"))
    world = a_world(emulator, FlagSpec(key="f", name="n", variants=variants))
    flag_id = flag_of(emulator, "f")["id"]

    def archive() -> None:
        emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"archive": True})

    report = applied(world, lambda: after_writes(world, 3, archive))
    (outcome,) = report.outcomes
    assert "archived by hand meanwhile; all calls were made" in (outcome.error or "")
    assert {item.status.value for item in outcome.operations} == {"applied"}
    assert (outcome.status.value, outcome.verified, report.exit_code) == ("unknown", False, 7)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_rename_is_right_in_the_end_wherever_writes_show_late(lag: int) -> None:
    """A server that leaves weights and segments alone: mended, and read back as patiently as before."""
    segment = {
        "name": "S",
        "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
        "percentage": 100,
        "rolloutWeights": {"treatment": 1},
    }
    emulator = an_emulator(
        a_live_flag("f", targetSegments=[segment]), behaviour=Behaviour(rename_rewrites=False, read_lag=lag)
    )
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    world = a_world(
        emulator,
        FlagSpec(key="f", variants=variants, rollout_weights=Weights.of({"control": 1, "new": 1})),
        apply_options=ApplyOptions(),
    )
    report = applied(world)
    assert (report.exit_code, report.verified) == (0, True), render(APPLY, "text", report)
    assert variant_of(emulator, "f", "new")
    (found,) = flag_of(emulator, "f")["targetSegments"]
    assert found["rolloutWeights"] == {"new": 1}


def test_what_is_skipped_after_a_failure_names_the_flag_that_failed() -> None:
    """`--on-error abort`: the others do not carry its error."""
    emulator = an_emulator(*(a_live_flag(key) for key in ("a", "b", "c")))
    specs = (FlagSpec(key=key, deployments=("nowhere",) if key == "a" else ("67",)) for key in ("a", "b", "c"))
    world = a_world(emulator, *specs, apply_options=ApplyOptions(on_error_abort=True, read_back_delays=(0.001,)))
    first, *others = applied(world).outcomes
    assert first.status.value == "failed"
    assert {outcome.error for outcome in others} == {"Skipped after a failed."}
    assert {outcome.status.value for outcome in others} == {"skipped"}


def test_a_failure_that_was_looked_into_says_what_was_found() -> None:
    """Beside "verified" nothing is left open: reads showed that the call had no effect."""
    emulator = an_emulator(a_live_flag("a"), a_live_flag("b"))
    broken = f"/api/1/flags/{flag_of(emulator, 'b')['id']}"
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        failed = ApiResponse(status=500, body=b"")
        return failed if (request.method, request.path) == ("PATCH", broken) else real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    world = a_world(emulator, *(FlagSpec(key=key, rollout_percentage=5) for key in ("a", "b")))
    report = applied(world)
    assert (report.verified, [outcome.status.value for outcome in report.outcomes]) == (True, ["applied", "failed"])
    text = render(APPLY, "text", report)
    assert "may or may not have taken effect" not in text
    assert "failed on the server (500). Reading the flag afterwards shows that it had no effect." in text
    assert render(APPLY, "json", report).count("had no effect") == 2
    assert str(report.outcomes[1].error).endswith("Reading the flag afterwards shows that it had no effect.")


RENAMED = FlagSpec(
    key="f",
    archived=True,
    variants=(Variant(key="control"), Variant(key="new", renamed_from="treatment")),
    rollout_weights=Weights.of({"control": 1, "new": 1}),
)


def test_what_a_rename_leaves_behind_is_mended_where_the_flag_is_archived_as_well() -> None:
    """The archive that the plan ends with does not hide what its other calls did not do."""
    world = a_world(an_emulator(a_live_flag("f"), behaviour=Behaviour(rename_rewrites=False)), RENAMED)
    report = applied(world)
    assert (report.exit_code, report.verified) == (0, True), render(APPLY, "text", report)
    assert flag_of(world.emulator, "f")["archived"] is True
    assert flag_of(world.emulator, "f")["rolloutWeights"]["new"] == 1


def test_an_unarchive_that_had_no_effect_is_no_archive_by_hand() -> None:
    """The flag is archived as it was before: no user is blamed, and the call is not told as made."""
    emulator = an_emulator(a_live_flag("f", archived=True))
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        return ApiResponse(status=200, body=b"OK") if request.method == "PATCH" else real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    declared = FlagSpec(key="f", archived=False, rollout_percentage=10)
    (outcome,) = applied(a_world(emulator, declared, options=replace(UNGUARDED, unarchive=True))).outcomes
    assert (outcome.status.value, outcome.verified) == ("unknown", False)
    assert "by hand" not in str(outcome.error)
    assert "archived" in str(outcome.error)
    assert [item.status.value for item in outcome.operations] == ["unknown"]


@pytest.mark.parametrize("archived_edits", ["accepted", "refused"])
def test_a_call_that_was_ignored_is_told_where_the_flag_is_archived_as_well(archived_edits: Any) -> None:
    """A variant whose edit was answered with success and not made is not verified, with the archive in place."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(archived_edits=archived_edits))
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        is_ignored = request.method == "PATCH" and request.path.endswith("/variants/treatment")
        return ApiResponse(status=200, body=b"OK") if is_ignored else real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    variants = (Variant(key="control"), Variant(key="treatment", name="Renamed"))
    (outcome,) = applied(a_world(emulator, FlagSpec(key="f", archived=True, variants=variants))).outcomes
    assert flag_of(emulator, "f")["archived"] is True
    assert (outcome.status.value, outcome.verified) == ("unknown", False)
    assert "may wait for an approval" in str(outcome.operations[0].error)


@pytest.mark.parametrize(("managed_tag", "tags"), [("ours", UNSET), (None, ("x",))])
def test_tags_that_the_plan_did_not_see_are_not_missed_afterwards(managed_tag: str | None, tags: Any) -> None:
    """A server that leaves out empty tags shows none before the first one, which this run gives to a new flag."""
    emulator = an_emulator(a_live_flag("old"))
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        found = real(request)
        return replace(found, body=found.body.replace(b',"tags":[]', b"")) if request.method == "GET" else found

    emulator.api.answer = answer  # type: ignore[method-assign]
    declared = (FlagSpec(key="old", rollout_percentage=5, tags=tags), replace(NEW, tags=tags))
    once = ApplyOptions(read_back_delays=())
    report = applied(a_world(emulator, *declared, managed_tag=managed_tag, apply_options=once))
    assert [(outcome.status.value, outcome.verified) for outcome in report.outcomes] == [("applied", True)] * 2
    assert (flag_of(emulator, "old")["tags"], flag_of(emulator, "new")["tags"]) == ([], [managed_tag or "x"])


@pytest.mark.parametrize(
    ("status", "ends", "is_ignored", "error"),
    [
        (400, False, False, "None"),
        (400, False, True, "Read back, the flag is not as declared: "),
        (429, True, False, "What was applied could not be read back: "),
        (401, True, False, "What was applied could not be read back: "),
    ],
)
def test_a_read_back_that_fails_ends_the_run_where_every_read_would(
    status: int, error: str, *, ends: bool, is_ignored: bool
) -> None:
    """Else the next look may show what the first could not, and it alone counts."""
    emulator = an_emulator(a_live_flag("f"))
    world = a_world(emulator, FlagSpec(key="f", rollout_percentage=5))
    planned, real = world.look(), emulator.api.answer
    sent: list[str] = []

    def answer(request: RawRequest) -> ApiResponse:
        sent.append(request.method)
        if request.method == "PATCH" and is_ignored:
            return ApiResponse(status=200, body=b"OK")
        if request.method == "GET" and "PATCH" in sent and (ends or sent[-2] == "PATCH"):
            return ApiResponse(status=status, body=b"no")
        return real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    is_shown = not ends and not is_ignored
    assert (report.stopped_by is not None, report.verified) == (ends, is_shown)
    assert outcome.status.value == ("applied" if is_shown else "unknown")
    assert str(outcome.error).startswith(error)


def a_rename(behaviour: Behaviour) -> tuple[World, list[float]]:
    """A renamed variant, whose weight follows only by a call of its own; and the pauses of the run."""
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    spec = FlagSpec(key="f", variants=variants, rollout_weights=Weights.of({"control": 1, "new": 1}))
    world = a_world(an_emulator(a_live_flag("f"), behaviour=behaviour), spec, apply_options=ApplyOptions())
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    world.sleep = sleep
    return world, slept


@pytest.mark.parametrize(
    ("is_ignored", "status", "pauses"),
    [(False, "applied", [0.25]), (True, "unknown", [0.25, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0])],
)
def test_what_is_left_undone_is_sent_once_after_a_second_look(
    *, is_ignored: bool, status: str, pauses: list[float]
) -> None:
    """And is read back as patiently as the calls of the plan."""
    world, slept = a_rename(Behaviour(rename_rewrites=False))
    planned, real = world.look(), world.emulator.api.answer
    sent: list[Any] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "PATCH":
            sent.append(json.loads(request.body))
            if is_ignored and len(sent) > 1:
                return ApiResponse(status=200, body=b"OK")
        return real(request)

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert (report.outcomes[0].status.value, slept) == (status, pauses)
    assert sent == [{"key": "new"}, {"rolloutWeight": 1}]


def test_what_is_left_undone_is_not_sent_to_a_flag_that_others_edit() -> None:
    """The report says both: what is not as declared, and what was edited."""
    world, _ = a_rename(Behaviour(rename_rewrites=False))
    path = f"/flags/{flag_of(world.emulator, 'f')['id']}"

    def edit() -> None:
        world.emulator.edit_as(OTHER_USER, "PATCH", path, {"description": "by hand"})

    (outcome,) = applied(world, lambda: after_writes(world, 1, edit)).outcomes
    assert (outcome.status.value, len(world.emulator.writes)) == ("unknown", 1)
    assert str(outcome.error).startswith("Read back, the flag is not as declared: rolloutWeights (declared ")
    assert "it was edited meanwhile (description), not by this run" in str(outcome.error)


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_flag_that_failed_half_way_and_was_archived_by_hand_says_so(*, is_archived: bool) -> None:
    """Beside why it failed; what was made is not called missing."""
    emulator = an_emulator(a_live_flag("f"), a_live_flag("g"))
    world = a_world(emulator, FlagSpec(key="f", name="n", deployments=("404",)))
    path = f"/flags/{flag_of(emulator, 'f')['id']}"

    def archive() -> None:
        emulator.edit_as(OTHER_USER, "PATCH", path, {"archive": True})

    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        answered = real(request)
        if is_archived and request.path.endswith("/deployments") and request.method == "POST":
            archive()
        return answered

    emulator.api.answer = answer  # type: ignore[method-assign]
    (outcome,) = applied(world).outcomes
    assert outcome.status.value == "failed"
    assert [item.status.value for item in outcome.operations] == ["applied", "failed"]
    assert str(outcome.error).endswith(" The flag was archived by hand meanwhile.") is is_archived


def test_a_look_that_failed_does_not_count_once_another_is_made() -> None:
    """What was read afterwards is told, not that the first read failed."""
    emulator = an_emulator(a_live_flag("f"), behaviour=Behaviour(approvals="pending"))
    world = a_world(emulator, FlagSpec(key="f", rollout_percentage=5))
    planned, real = world.look(), emulator.api.answer
    failed: list[RawRequest] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET" and emulator.writes and not failed:
            failed.append(request)
            return ApiResponse(status=400, body=b"no")
        return real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    (outcome,) = world.carry_out(planned).report.outcomes  # type: ignore[union-attr] # an apply has a report
    assert len(failed) == 1
    assert (outcome.status.value, outcome.verified) == ("unknown", False)
    assert outcome.error == "Read back, the flag is not as declared: rolloutPercentage (declared 5, live 100)."


def test_a_flag_that_failed_half_way_says_what_of_it_is_not_shown() -> None:
    """It has failed all the same, and is not verified: its error is that of the call that was refused."""
    emulator = an_emulator(a_live_flag("f"), a_live_flag("g"))
    world = a_world(emulator, FlagSpec(key="f", name="n", deployments=("404",)), FlagSpec(key="g", name="n"))
    path, real = f"/api/1/flags/{flag_of(emulator, 'f')['id']}", emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        is_ignored = (request.method, request.path) == ("PATCH", path)
        return ApiResponse(status=200, body=b"OK") if is_ignored else real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = applied(world)
    (outcome, other) = report.outcomes
    assert (outcome.status.value, outcome.verified, other.verified, report.verified) == ("failed", None, True, True)
    assert "404" in str(outcome.error)
    assert "Read back" not in str(outcome.error)
    assert [item.status.value for item in outcome.operations] == ["unknown", "failed"]
    assert "may wait for an approval" in str(outcome.operations[0].error)
    assert [item.http_status for item in outcome.operations] == [200, 400]


def test_where_nothing_was_made_nothing_is_verified() -> None:
    """Neither that it is in place nor that it is not."""
    report = applied(a_world(an_emulator(a_live_flag("f")), FlagSpec(key="f", deployments=("404",))))
    assert [outcome.verified for outcome in report.outcomes] == [None]
    assert report.verified is None


def test_a_look_that_lacks_some_of_the_calls_is_an_old_one() -> None:
    """Nothing follows from it, though it shows what another call left undone: that is sent when all calls show."""
    world, slept = a_rename(Behaviour(rename_rewrites=False))
    flag = world.desired.flags["f"]
    world.desired = replace(world.desired, flags={"f": replace(flag, spec=replace(flag.spec, deployments=("67",)))})
    planned, real = world.look(), world.emulator.api.answer
    assert [call.kind for call in planned.plan.flags[0].operations] == ["edit-variant", "add-deployments"]
    looks: list[RawRequest] = []

    def answer(request: RawRequest) -> ApiResponse:
        found = real(request)
        if request.method != "GET" or len(world.emulator.writes) < 2:
            return found
        looks.append(request)
        return replace(found, body=found.body.replace(b'["67"]', b"[]")) if len(looks) < 3 else found

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert (report.exit_code, report.verified, slept) == (0, True, [0.25, 0.5])
    assert [call.is_added for call in report.outcomes[0].operations] == [False, False, True]
