"""Making a plan true: conflicts, failures and their reports, against the emulator."""

from __future__ import annotations

import dataclasses
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_flag_plan, a_plan, an_empty_plan
from emulators import a_live_flag, flag_of
from looks import BOB, edit
from msgspec.structs import replace
from worlds import NO_WAIT, OTHER_USER, PROJECT, World, a_world, after_writes, an_emulator

from reconciler.apply import ApplyOptions, ApplyReport, Status, refused_report
from reconciler.emulator import Behaviour, Limits
from reconciler.emulator.requests import text_response
from reconciler.errors import GuardRefusedError
from reconciler.model.config import Requests
from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.planning.plan import Action, PlanOptions, Refusal
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.emulator import ApiResponse, RawRequest

GROWN = {"rollout_percentage": 60}


def ids_of(world: World) -> dict[str, str]:
    return {flag["key"]: flag["id"] for flag in world.emulator.store.flags.values()}


def a_project(*keys: str, **settings: Any) -> World:
    """Live flags at 50 %, each declared at 60 %."""
    behaviour = settings.pop("behaviour", None)
    flags = [a_live_flag(key, rolloutPercentage=50) for key in keys]
    emulator = an_emulator(*flags, behaviour=behaviour)
    return a_world(emulator, *(FlagSpec(key=key, **GROWN) for key in keys), **settings)


def statuses(report: ApplyReport | None) -> dict[str, str]:
    assert report is not None
    return {outcome.key: outcome.status.value for outcome in report.outcomes}


def test_everything_applied() -> None:
    """Every flag is applied, read back and counted."""
    world = a_project("a", "b")
    run = world.apply(world.emulator.log.clear)
    assert run.report is not None
    assert run.report.requests == len(world.emulator.log)
    assert run.report.summary == {"applied": 2, "failed": 0, "unknown": 0, "skipped": 0, "unchanged": 0}
    assert run.report.verified is True
    assert run.report.exit_code == 0
    assert [item.http_status for outcome in run.report.outcomes for item in outcome.operations] == [200, 200]


def test_without_verifying() -> None:
    """--no-verify reads nothing back, and says so."""
    world = a_project("a", apply_options=ApplyOptions(verify=False))
    run = world.apply()
    assert run.report is not None
    assert run.report.verified is None
    assert world.emulator.log[-1].method == "PATCH"


@pytest.mark.parametrize("new_flag", ["off", "on"])
def test_without_verifying_a_new_flag_is_read_back_all_the_same(*, new_flag: Any) -> None:
    """A server may have switched it on; the report speaks of no read-back then."""
    spec = FlagSpec(key="new", variants=(Variant(key="on"),))
    world = a_world(
        an_emulator(a_live_flag("a"), behaviour=Behaviour(new_flag=new_flag)),
        spec,
        FlagSpec(key="a", rollout_percentage=5),
        apply_options=replace(NO_WAIT, verify=False),
    )
    report = world.apply().report
    assert report is not None
    assert [(item.key, item.status.value, item.verified) for item in report.outcomes] == [
        ("a", "applied", None),
        ("new", "applied", True),
    ]
    assert (report.verified, report.exit_code, flag_of(world.emulator, "new")["enabled"]) == (None, 0, False)


@pytest.mark.parametrize("keys", [("a",), ("a", "b")], ids=["one look-up a flag", "the list for several"])
def test_a_flag_that_changed_meanwhile_is_a_conflict(keys: tuple[str, ...]) -> None:
    """A flag that is edited between plan and first write is skipped and reported; the others go on."""
    world = a_project(*keys)
    flag_id = ids_of(world)["a"]
    edit = {"description": "edited by hand"}
    run = world.apply(lambda: world.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", edit))
    assert statuses(run.report) == {"a": "skipped"} | dict.fromkeys(keys[1:], "applied")
    assert run.report is not None
    assert run.report.exit_code == (7 if len(keys) > 1 else 1)
    assert "changed after the plan" in str(run.report.outcomes[0].error)
    assert flag_of(world.emulator, "a")["rolloutPercentage"] == 50


@pytest.mark.parametrize("others", [0, 4], ids=["one look-up", "the list for several"])
def test_a_key_that_was_taken_meanwhile_is_a_conflict(others: int) -> None:
    """A flag that appears between plan and create is left alone; others are created."""
    keys = ["new", *(f"other-{number}" for number in range(others))]
    world = a_world(an_emulator(), *(FlagSpec(key=key, variants=(Variant(key="on"),)) for key in keys))
    body = {"projectId": PROJECT, "key": "new", "variants": [{"key": "other"}]}
    run = world.apply(lambda: world.emulator.edit_as(OTHER_USER, "POST", "/flags", body))
    assert statuses(run.report) == {"new": "skipped"} | dict.fromkeys(keys[1:], "applied")
    assert [variant["key"] for variant in flag_of(world.emulator, "new")["variants"]] == ["other"]


@pytest.mark.parametrize(("new", "reads"), [(1, 1), (3, 3), (4, 1), (40, 1)])
def test_looks_for_new_keys_with_the_fewest_requests(new: int, reads: int) -> None:
    """A few keys are looked up one by one; for more of them one list, archived flags included, is fewer requests."""
    specs = (FlagSpec(key=f"new-{number}", variants=(Variant(key="on"),)) for number in range(new))
    world = a_world(an_emulator(), *specs, apply_options=ApplyOptions(verify=False))
    run = world.apply(world.emulator.log.clear)
    asked = list(takewhile(lambda entry: entry.method == "GET", world.emulator.log))
    assert statuses(run.report) == {f"new-{number}": "applied" for number in range(new)}
    assert len(asked) == reads
    assert all(entry.query["includeArchived"] == "true" for entry in asked)


HELD = (
    Refusal(guard="exposure", message="60% move.", override="--allow exposure"),
    Refusal(guard="updates", message="Too many.", override=""),
)


def test_nothing_is_sent_of_a_flag_that_is_held() -> None:
    """It says by what, and the others are applied; in the order of their keys."""
    world = a_project("c", "b", "a")
    planned = world.look()
    flags = tuple(replace(flag, held=HELD if flag.key == "b" else ()) for flag in planned.plan.flags)
    held = dataclasses.replace(planned, plan=replace(planned.plan, flags=flags, unchanged=7))
    report = world.carry_out(held).report
    assert report is not None
    assert list(statuses(report).items()) == [("a", "applied"), ("b", "held"), ("c", "applied")]
    assert report.outcomes[1].error == "exposure: 60% move. updates: Too many."
    assert (report.unchanged, report.exit_code, report.verified) == (7, 7, True)
    assert flag_of(world.emulator, "b")["rolloutPercentage"] == 50


def test_a_plan_that_is_refused_as_a_whole() -> None:
    """Nothing is sent: held flags say by what, and all others why they are skipped."""
    plan = a_plan(a_flag_plan("c"), a_flag_plan("b", held=HELD), a_flag_plan("a", flag_id=None))
    refusal = GuardRefusedError("Refused.", ())
    report = refused_report(plan, refusal)
    assert [(item.key, item.status.value, item.error, item.flag_id, item.action) for item in report.outcomes] == [
        ("a", "skipped", "Refused.", None, Action.UPDATE),
        ("b", "held", "exposure: 60% move. updates: Too many.", "123", Action.UPDATE),
        ("c", "skipped", "Refused.", "123", Action.UPDATE),
    ]
    for outcome in report.outcomes:
        assert [(item.order, item.status.value, item.attempts, item.is_added) for item in outcome.operations] == [
            (1, "skipped", 0, False),
            (2, "skipped", 0, False),
        ]
        assert (outcome.users_see, outcome.verified, outcome.duplicates, outcome.editors) == ("", None, (), ())
    assert (report.unchanged, report.requests, report.verified, report.stopped_by) == (40, 0, None, refusal)
    assert (report.exit_code, report.changed_something) == (5, False)
    nothing = refused_report(an_empty_plan(), refusal)
    assert (nothing.outcomes, nothing.exit_code, nothing.failure) == ((), 5, refusal)


def test_a_failure_stops_its_flag_and_no_other() -> None:
    """A refused call skips the rest of its flag; other flags are applied."""
    world = a_project("a", "b")
    broken = FlagSpec(key="a", rollout_percentage=60, deployments=("67", "404"), name="later")
    world.desired = replace(world.desired, flags={**world.desired.flags, "a": replace_spec(world, "a", broken)})
    run = world.apply()
    assert statuses(run.report) == {"a": "failed", "b": "applied"}
    assert run.report is not None
    assert run.report.exit_code == 7
    assert [item.status for item in run.report.outcomes[0].operations] == [Status.APPLIED, Status.FAILED]
    assert [outcome.verified for outcome in run.report.outcomes] == [None, True]


def replace_spec(world: World, key: str, spec: FlagSpec) -> Any:
    return replace(world.desired.flags[key], spec=spec)


def test_a_plan_of_which_nothing_succeeds_is_a_failure() -> None:
    """When the only call is refused, nothing was applied: exit code 1."""
    world = a_world(an_emulator(a_live_flag("a")), FlagSpec(key="a", deployments=("404",)))
    run = world.apply()
    assert statuses(run.report) == {"a": "failed"}
    assert run.report is not None
    assert run.report.exit_code == 1


@pytest.mark.parametrize(("verify", "steps"), [(True, 6), (False, 3)])
def test_every_step_is_counted_once(*, verify: bool, steps: int) -> None:
    """The calls of each flag, and its read-back: also of flags that fail at the first call, or are not touched."""
    progress = Progress()
    world = a_world(
        an_emulator(*map(a_live_flag, "abc")),
        FlagSpec(key="a", deployments=("404",)),
        FlagSpec(key="b", rollout_percentage=50),
        FlagSpec(key="c", rollout_percentage=50),
        apply_options=replace(NO_WAIT, verify=verify),
        progress=progress,
    )
    planned = world.look()
    assert [len(flag.operations) for flag in planned.plan.flags] == [1, 1, 1]
    edit(world.emulator, BOB, "c", name="By hand")
    assert statuses(world.carry_out(planned).report) == {"a": "failed", "b": "applied", "c": "skipped"}
    assert (progress.done, progress.total) == (steps, steps)


@pytest.mark.parametrize(
    ("spec", "pauses"),
    [
        (FlagSpec(key="a", rollout_percentage=5), [0.5, 1.0, 2.0] * 3),
        (FlagSpec(key="new", variants=(Variant(key="on"),)), [0.5, 1.0, 2.0, 3.0, 3.0] * 2),
    ],
)
def test_how_long_an_effect_is_waited_for(spec: FlagSpec, pauses: list[float]) -> None:
    """After each call whose outcome is not known, and longer after a create; then it is sent again."""
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    world = dataclasses.replace(a_world(an_emulator(a_live_flag("a")), spec), sleep=sleep)
    planned, real = world.look(), world.emulator.api.answer
    world.emulator.api.answer = lambda request: (  # type: ignore[method-assign]
        real(request) if request.method == "GET" else text_response(500, "?")
    )
    report = world.carry_out(planned).report
    assert statuses(report) == {spec.key: "failed"}
    assert paused == pauses


def test_how_long_a_new_flag_is_looked_for_by_its_id() -> None:
    """Before the next call goes to it: what became of the create is unknown then."""
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    spec = FlagSpec(key="new", variants=(Variant(key="on"),), tags=("t",))
    world = dataclasses.replace(a_world(an_emulator(), spec), sleep=sleep)
    planned, real = world.look(), world.emulator.api.answer
    world.emulator.api.answer = lambda request: (  # type: ignore[method-assign]
        text_response(404, "?")
        if request.method == "GET" and request.path.startswith("/api/1/flags/")
        else real(request)
    )
    report = world.carry_out(planned).report
    assert statuses(report) == {"new": "unknown"}
    assert report is not None
    assert "which is no flag's of this project: nothing more was sent." in str(report.outcomes[0].error)
    create, edit = report.outcomes[0].operations
    assert (create.status.value, create.http_status, create.error) == ("unknown", 200, report.outcomes[0].error)
    assert (edit.status.value, edit.http_status, edit.error) == ("skipped", None, None)
    assert report.outcomes[0].flag_id is None
    assert paused == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert [entry.method for entry in world.emulator.log if entry.is_write] == ["POST"]


@pytest.mark.parametrize(("late", "sent"), [(0, 1), (1, 2), (3, 4), (4, 4)])
def test_how_long_a_call_waits_for_a_new_flag_to_show(late: int, sent: int) -> None:
    """A server may answer 404 for a flag that it has just made; after four tries it has failed."""
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    spec = FlagSpec(key="new", variants=(Variant(key="on"),), tags=("t",))
    world = dataclasses.replace(a_world(an_emulator(), spec, apply_options=ApplyOptions(verify=False)), sleep=sleep)
    planned, real = world.look(), world.emulator.api.answer
    edits: list[RawRequest] = []

    def answer(request: RawRequest) -> ApiResponse:
        edits.extend([request] if request.method == "PATCH" else [])
        return text_response(404, "?") if request.method == "PATCH" and len(edits) <= late else real(request)

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert statuses(report) == {"new": "applied" if late < 4 else "failed"}
    assert (len(edits), paused) == (sent, [0.25, 0.5, 1.0, 2.0][:late])


def test_as_many_flags_are_under_way_as_requests_may_be() -> None:
    """Where neither is said."""
    assert ApplyOptions().concurrency == Requests().concurrency == 16


@pytest.mark.parametrize(
    ("per_second", "concurrency", "at_once"), [(2, 16, 4), (1, 16, 2), (100_000, 3, 3), (2, 3, 3), (100_000, 50, 12)]
)
def test_no_more_flags_are_under_way_than_have_their_turn_soon(
    per_second: int, concurrency: int, at_once: int
) -> None:
    """Within two seconds, as the limit of requests has it: so many are looked at before the first is written."""
    emulator = an_emulator(*(a_live_flag(f"old-{number}") for number in range(12)), limits=Limits(page=1))
    new = (FlagSpec(key=f"new-{number:02}", variants=(Variant(key="on"),)) for number in range(12))
    world = a_world(
        emulator,
        *new,
        requests=Requests(per_second=per_second, concurrency=100, daily_budget=1000),
        apply_options=ApplyOptions(verify=False, concurrency=concurrency),
    )
    world.apply(emulator.log.clear)
    looks = list(takewhile(lambda entry: not entry.is_write, emulator.log))
    assert len(looks) == at_once


def test_a_refused_key_stops_the_run() -> None:
    """A key that is taken away stops everything at once: exit code 4, nothing sent."""
    world = a_project("a", "b", "c")
    run = world.apply(world.emulator.store.keys.clear)
    assert run.report is not None
    assert run.report.exit_code == 4
    assert set(statuses(run.report).values()) <= {"failed", "skipped"}
    assert not [entry for entry in world.emulator.log if entry.is_write and entry.status == 200]


def test_a_server_that_ignores_a_write_is_found_out() -> None:
    """A 200 that changed nothing is not reported as done."""
    world = a_project("a")
    original = world.emulator.store.commit
    world.emulator.store.commit = lambda flag, user, **_: flag  # type: ignore[method-assign]
    run = world.apply()
    world.emulator.store.commit = original  # type: ignore[method-assign]
    assert statuses(run.report) == {"a": "unknown"}
    assert run.report is not None
    assert run.report.verified is False
    assert run.report.exit_code == 7


def test_a_rename_that_leaves_weights_behind_is_mended() -> None:
    """Where the server does not move a renamed variant's weight, further calls do, and the report shows them."""
    emulator = an_emulator(a_live_flag("a"), behaviour=Behaviour(rename_rewrites=False))
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    world = a_world(
        emulator, FlagSpec(key="a", variants=variants, rollout_weights=Weights.of({"control": 1, "new": 1}))
    )
    run = world.apply()
    assert statuses(run.report) == {"a": "applied"}
    assert run.report is not None
    assert len(run.report.outcomes[0].operations) == 2
    assert flag_of(emulator, "a")["rolloutWeights"]["new"] == 1
    assert world.plan().is_empty


def test_a_rename_keeps_undeclared_weights_and_segments() -> None:
    """What is not declared keeps its meaning under the new key, with any behaviour of the server."""
    segment = {"name": "S", "conditions": [], "percentage": 100, "rolloutWeights": {"treatment": 1}}
    flag = a_live_flag("a", targetSegments=[segment])
    emulator = an_emulator(flag, behaviour=Behaviour(rename_rewrites=False))
    world = a_world(
        emulator, FlagSpec(key="a", variants=(Variant(key="control"), Variant(key="new", renamed_from="treatment")))
    )
    run = world.apply()
    assert run.report is not None
    assert run.report.exit_code == 0
    record = flag_of(emulator, "a")
    assert record["targetSegments"][0]["rolloutWeights"] == {"new": 1}
    assert record["rolloutWeights"]["new"] == 1
    assert world.plan().is_empty


NEGATED = {"type": "property", "prop": "country", "op": "is", "values": ["US"], "negate": True}
COHORT = {"type": "cohort", "prop": "userdata_cohort", "op": "is", "values": ["c1"]}


@pytest.mark.parametrize("condition", [NEGATED, COHORT], ids=["an unlisted field", "a cohort"])
def test_a_rename_is_not_mended_by_losing_conditions(condition: dict[str, Any]) -> None:
    """Segments that the server left naming the old key are not replaced where that loses what no guard has seen."""
    segment = {"name": "S", "conditions": [condition], "percentage": 100, "rolloutWeights": {"treatment": 1}}
    emulator = an_emulator(a_live_flag("a", targetSegments=[segment]), behaviour=Behaviour(rename_rewrites=False))
    before = flag_of(emulator, "a")["targetSegments"]
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    world = a_world(emulator, FlagSpec(key="a", variants=variants), options=PlanOptions())
    report = world.apply().report
    assert report is not None
    assert (report.exit_code, report.verified) == (7, False)
    assert "cannot carry" in str(report.outcomes[0].error)
    assert flag_of(emulator, "a")["targetSegments"] == before
    assert [refusal.guard for refusal in world.plan().every_refusal] == ["cohort-conditions"]


def test_a_surplus_copy_that_moved_is_not_removed() -> None:
    """A removal by index is sent only while that index still is the surplus copy."""
    flag = a_live_flag("a", variants=[{"key": "control", "users": ["x", "y", "x"]}, {"key": "treatment"}])
    emulator = an_emulator(flag)
    world = a_world(
        emulator, FlagSpec(key="a", variants=(Variant(key="control", users=("x", "y")), Variant(key="treatment")))
    )
    flag_id = ids_of(world)["a"]
    path = f"/flags/{flag_id}/variants/control/users/0"
    run = world.apply(lambda: emulator.edit_as(OTHER_USER, "DELETE", path))
    assert [entry for entry in emulator.log if entry.is_write] == []
    assert statuses(run.report) == {"a": "skipped"}


@pytest.mark.parametrize("users", [["x", "y", "x"], ["x", "x", "y", "x"]])
def test_surplus_copies_are_removed_by_their_places(users: list[str]) -> None:
    """From the last one on, until the user is listed once, where the first copy is."""
    emulator = an_emulator(a_live_flag("a", variants=[{"key": "control", "users": users}, {"key": "treatment"}]))
    variants = (Variant(key="control", users=("x", "y")), Variant(key="treatment"))
    run = a_world(emulator, FlagSpec(key="a", variants=variants)).apply()
    assert statuses(run.report) == {"a": "applied"}
    assert flag_of(emulator, "a")["variants"][0]["users"] == ["x", "y"]
    places = [entry.path.rpartition("/")[2] for entry in emulator.log if entry.is_write]
    assert places == [str(place) for place in range(len(users) - 1, 0, -1) if users[place] == "x"]


@pytest.mark.parametrize(
    ("users", "removed", "left"),
    [(["x", "y", "x"], 1, ["x", "x"]), (["x", "y", "x", "z"], 0, ["y", "x", "z"])],
    ids=["the place is gone", "no copy is left"],
)
def test_a_place_that_is_another_now_is_not_removed(users: list[str], removed: int, left: list[str]) -> None:
    """Also where the list changes after the flag's first call: nothing is sent to that place."""
    emulator = an_emulator(a_live_flag("a", variants=[{"key": "control", "users": users}, {"key": "treatment"}]))
    variants = (Variant(key="control", users=tuple(dict.fromkeys(users))), Variant(key="treatment"))
    world = a_world(emulator, FlagSpec(key="a", name="New", variants=variants))
    path = f"/flags/{ids_of(world)['a']}/variants/control/users/{removed}"
    run = world.apply(lambda: after_writes(world, 1, lambda: emulator.edit_as(OTHER_USER, "DELETE", path)))
    assert [entry.method for entry in emulator.log if entry.is_write] == ["PATCH"]
    assert flag_of(emulator, "a")["variants"][0]["users"] == left
    assert run.report is not None
    assert "has changed: copy 2 is another now" in str(run.report.outcomes[0].error)


VARIANT_EDITS = {
    "added": lambda variants: [*variants, {**variants[0], "key": "late"}],
    "removed": lambda variants: variants[:1],
    "reordered": lambda variants: variants[::-1],
    "replaced": lambda variants: [{**variants[0], "key": "other"}, variants[1]],
    "renamed": lambda variants: [variants[0], {**variants[1], "name": "Renamed"}],
}


@pytest.mark.parametrize("keys", [("a",), ("a", "b")], ids=["one look-up a flag", "the list for several"])
@pytest.mark.parametrize("edit", VARIANT_EDITS.values(), ids=VARIANT_EDITS)
def test_variants_that_changed_meanwhile_are_a_conflict(
    keys: tuple[str, ...], edit: Callable[[list[Any]], list[Any]]
) -> None:
    """One more, one less, others, or the same in another order, which decides bucketing: nothing is sent."""
    world = a_project(*keys)
    flag = flag_of(world.emulator, "a")

    def meanwhile() -> None:
        world.emulator.store.flags[flag["id"]] = {**flag, "variants": edit(flag["variants"])}

    run = world.apply(meanwhile)
    assert statuses(run.report) == {"a": "skipped"} | dict.fromkeys(keys[1:], "applied")
    assert run.report is not None
    assert "changed after the plan" in str(run.report.outcomes[0].error)
    assert flag_of(world.emulator, "a")["rolloutPercentage"] == 50


def test_how_long_a_write_is_looked_for_that_does_not_show() -> None:
    """After each of the usual pauses, and then no more."""
    world = a_project("a", apply_options=ApplyOptions(), behaviour=Behaviour(approvals="pending"))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    world.sleep = sleep
    assert statuses(world.apply().report) == {"a": "unknown"}
    assert slept == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]


class Seen(Progress):
    """What was shown at each advance."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, int, int | None]] = []

    def advance(self, count: int = 1) -> None:
        super().advance(count)
        self.shown.append((self.what, self.done, self.total))


@pytest.mark.parametrize(
    ("keys", "lag", "sent", "total", "read"),
    [
        ("a", 0, 2, 3, [(3, 4), (4, 4)]),
        ("abc", 0, 5, 8, [(6, 8), (7, 8), (8, 9), (9, 9)]),
        ("abc", 2, 5, 8, [(6, 8), (7, 8), (8, 9), (9, 10), (10, 10)]),
    ],
)
def test_progress_is_shown_step_by_step(
    keys: str, lag: int, sent: int, total: int, read: list[tuple[int, int]]
) -> None:
    """Of flags one by one: two calls, two of which the first is refused, one that is refused; then read back."""
    progress = Seen()
    variants = (Variant(key="control", users=("ada",)), Variant(key="treatment"))
    declared = {
        "a": FlagSpec(key="a", name="New", variants=variants),
        "b": FlagSpec(key="b", deployments=("404",), enabled=True),
        "c": FlagSpec(key="c", deployments=("404",)),
    }
    world = a_world(
        an_emulator(*(a_live_flag(key, enabled=False) for key in keys), behaviour=Behaviour(read_lag=lag)),
        *(declared[key] for key in keys),
        apply_options=replace(NO_WAIT, concurrency=1),
        progress=progress,
    )
    planned = world.look()
    assert [len(flag.operations) for flag in planned.plan.flags] == [2, 2, 1][: len(keys)]
    world.carry_out(planned)
    assert progress.shown == [
        *(("Applying", done, total) for done in range(1, sent + 1)),
        *(("Reading back", done, of) for done, of in read),
    ]


def test_looks_that_show_nothing_yet_are_told_apart_by_pauses() -> None:
    """A server that shows writes late is looked at again after each of the delays, and not before."""
    world = a_project("a", behaviour=Behaviour(read_lag=2))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    world.sleep = sleep
    world.apply_options = ApplyOptions(read_back_delays=(0.5, 1.0, 2.0, 4.0))
    assert statuses(world.apply().report) == {"a": "applied"}
    assert slept == [0.5, 1.0]
