"""What a run is kept waiting for makes its look at a flag old: it looks again before the call goes out after all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_config
from emulators import OTHER_USER, a_live_flag, an_emulator, flag_of
from faults.drills import WiredWorld, attempt
from faults.wire import Fault, Passage, Wire, answered, arriving
from virtual_time import run_in_virtual_time
from worlds import FAST, PROJECT, UNGUARDED, desired_of

from reconciler.apply import ApplyOptions, ApplyReport, Status
from reconciler.emulator import Behaviour
from reconciler.model.config import Requests
from reconciler.model.flag import FlagSpec, Variant, Weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.drills import Attempt

    from reconciler.emulator import Emulator

LIVE = a_live_flag("a", rolloutPercentage=10)
GROWN = FlagSpec(key="a", rollout_percentage=50)
BOTH = FlagSpec(
    key="a", rollout_percentage=50, variants=(Variant(key="control", users=("ada",)), Variant(key="treatment"))
)


def a_wired_world(emulator: Emulator, *specs: FlagSpec, requests: Requests = FAST, **options: Any) -> WiredWorld:
    """A declaration of these flags, and an apply whose requests can be held up."""
    return WiredWorld(
        emulator=emulator,
        desired=desired_of(*specs),
        config=a_config(requests=requests),
        options=UNGUARDED,
        apply_options=ApplyOptions(**options),
        wire=Wire(emulator),
    )


def turned_away(seconds: int, meanwhile: Callable[[], None] = lambda: None, status: int = 429) -> Fault:
    """The server is busy for so long; what happens `meanwhile` happens before the call is repeated."""

    async def fault(_: Passage) -> httpx.Response:
        meanwhile()
        return arriving(status, b"slow down", {"retry-after": str(seconds)})

    return fault


def unreachable(meanwhile: Callable[[], None]) -> Fault:
    """The connection is refused; the client tries again with growing waits."""

    async def fault(_: Passage) -> httpx.Response:
        meanwhile()
        await asyncio.sleep(6)
        raise httpx.ConnectTimeout("")

    return fault


def lost(meanwhile: Callable[[], None]) -> Fault:
    """The request gets lost on its way and nothing comes back."""

    async def fault(_: Passage) -> httpx.Response:
        meanwhile()
        await asyncio.sleep(3600)
        raise AssertionError("nothing waits an hour")

    return fault


def at_write(world: WiredWorld, number: int, fault: Fault) -> None:
    """Let it happen to the n-th write."""
    seen: list[Passage] = []

    def plan(passage: Passage) -> Fault | None:
        seen.extend([passage] if passage.is_write else [])
        return fault if passage.is_write and len(seen) == number else None

    world.wire.plan = plan


def editing(emulator: Emulator, key: str = "a", **fields: Any) -> Callable[[], None]:
    """A flag is edited by hand."""
    return lambda: emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_of(emulator, key)['id']}", fields)


def report_of(attempted: Attempt) -> ApplyReport:
    assert attempted.report is not None, attempted.error
    return attempted.report


WAITS: dict[str, Callable[[Callable[[], None]], Fault]] = {
    "429 with Retry-After": lambda meanwhile: turned_away(30, meanwhile),
    "a server that cannot be reached": unreachable,
}
EDITS: dict[str, dict[str, Any]] = {
    "the field of the call": {"rolloutPercentage": 0},
    "another field": {"description": "by hand"},
    "the switch": {"enabled": False},
    "it is archived": {"archive": True},
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("wait", WAITS)
def test_an_edit_during_a_wait_is_a_conflict(wait: str, edit: str) -> None:
    """The flag stays as it was edited; it is reported as one that changed before its first write is."""
    emulator = an_emulator(LIVE, a_live_flag("b", rolloutPercentage=10))
    world = a_wired_world(emulator, GROWN, FlagSpec(key="b", rollout_percentage=50), concurrency=1)
    at_write(world, 1, WAITS[wait](editing(emulator, **EDITS[edit])))
    done = run_in_virtual_time(attempt(world))
    report = report_of(done)
    assert {outcome.key: outcome.status for outcome in report.outcomes} == {"a": "skipped", "b": "applied"}
    assert report.exit_code == 7
    assert "changed after the plan was made" in str(report.outcomes[0].error)
    assert flag_of(emulator, "a")["rolloutPercentage"] == EDITS[edit].get("rolloutPercentage", 10)
    assert [operation.status for operation in report.outcomes[0].operations] == [Status.SKIPPED]


@pytest.mark.parametrize(("seconds", "looks"), [(1, 0), (4, 0), (5, 1), (6, 1), (30, 1)])
def test_a_flag_is_looked_at_again_after_a_long_wait_only(seconds: int, looks: int) -> None:
    """Within five seconds the look holds; beyond, one more comes before the call, which is made where it may be."""
    counts = []
    for wait in (0, seconds):
        world = a_wired_world(an_emulator(LIVE), GROWN)
        if wait:
            at_write(world, 1, turned_away(wait))
        done = run_in_virtual_time(attempt(world))
        assert report_of(done).exit_code == 0
        assert flag_of(world.emulator, "a")["rolloutPercentage"] == 50
        counts.append(len(done.sent))
    assert counts[1] - counts[0] == 1 + looks


def slow_to_answer(seconds: float, meanwhile: Callable[[], None] = lambda: None) -> Fault:
    """The answer says what was true when the request came, and arrives so much later."""

    async def fault(passage: Passage) -> httpx.Response:
        answer = answered(passage.deliver())
        meanwhile()
        await asyncio.sleep(seconds)
        return answer

    return fault


@pytest.mark.parametrize("spec", [GROWN, FlagSpec(key="a", deployments=("67",)), BOTH])
@pytest.mark.parametrize("seconds", [4, 8])
def test_an_edit_while_a_look_is_answered_is_a_conflict(spec: FlagSpec, seconds: float) -> None:
    """What an answer shows is as old as its request, also where this process was suspended until it was read."""
    usual = run_in_virtual_time(attempt(a_wired_world(an_emulator(LIVE), spec)))
    look = next(passage.number for passage in usual.sent if passage.is_write) - 1
    emulator = an_emulator(LIVE)
    world = a_wired_world(emulator, spec)
    fault = slow_to_answer(seconds, editing(emulator, rolloutPercentage=0, description="by hand"))
    world.wire.plan = lambda passage: fault if passage.number == look else None
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).outcomes[0].status is Status.SKIPPED
    assert not [passage for passage in done.sent if passage.is_write]
    assert flag_of(emulator, "a")["rolloutPercentage"] == 0


def test_a_server_that_always_is_slow_can_be_written_to() -> None:
    """Each look is made twice at most."""
    world = a_wired_world(an_emulator(LIVE), GROWN)
    world.wire.plan = lambda passage: None if passage.is_write else slow_to_answer(8)
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).exit_code == 0
    assert len(done.sent) <= 8


def test_each_long_wait_asks_for_a_look_of_its_own() -> None:
    """An edit during the second wait is seen as well as one during the first."""
    emulator = an_emulator(LIVE)
    world = a_wired_world(emulator, GROWN)
    faults = [turned_away(30), turned_away(30, editing(emulator, rolloutPercentage=0))]
    world.wire.plan = lambda passage: faults.pop(0) if passage.is_write and faults else None
    assert report_of(run_in_virtual_time(attempt(world))).exit_code == 1
    assert flag_of(emulator, "a")["rolloutPercentage"] == 0


def test_a_wait_that_another_flag_caused_counts_too() -> None:
    """A 429 holds back every call: flags that were seen before it are looked at again after it."""
    keys = ["a", "b", "c"]
    emulator = an_emulator(*(a_live_flag(key, rolloutPercentage=10) for key in keys))
    specs = (FlagSpec(key=key, rollout_percentage=50) for key in keys)
    world = a_wired_world(emulator, *specs, requests=Requests(per_second=1000, concurrency=1, daily_budget=1000))
    edits = [editing(emulator, key, rolloutPercentage=0) for key in ("b", "c")]
    at_write(world, 1, turned_away(30, lambda: [edit() for edit in edits] and None))
    report = report_of(run_in_virtual_time(attempt(world)))
    assert {outcome.key: outcome.status for outcome in report.outcomes} == {
        "a": "applied", "b": "skipped", "c": "skipped",
    }  # fmt: skip
    assert [flag_of(emulator, key)["rolloutPercentage"] for key in keys] == [50, 0, 0]


def test_a_slow_rate_leaves_no_look_to_grow_old() -> None:
    """One request a second: an edit right before any write is seen unless that write is under way."""
    keys = [f"flag-{number}" for number in range(6)]
    emulator = an_emulator(*(a_live_flag(key, rolloutPercentage=10) for key in keys))
    slow = Requests(per_second=1, concurrency=16, daily_budget=1000)
    specs = (FlagSpec(key=key, rollout_percentage=50) for key in keys)
    world = a_wired_world(emulator, *specs, requests=slow, verify=False)
    ages: dict[str, float] = {}
    worst: list[float] = []

    async def gate(passage: Passage) -> None:
        now = asyncio.get_running_loop().time()
        if not passage.is_write:
            ages.update(dict.fromkeys(keys if "key=" not in passage.raw.query else [_key_of(passage)], now))
        else:
            (key,) = [flag["key"] for flag in emulator.store.flags.values() if passage.raw.path.endswith(flag["id"])]
            worst.append(now - ages[key])

    world.wire.gate = gate
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).exit_code == 0
    assert len(worst) == 6
    assert max(worst) <= 5.5
    assert len(done.sent) <= 1 + 2 * 6


def _key_of(passage: Passage) -> str:
    return httpx.QueryParams(passage.raw.query)["key"]


NOT_SENT = "Nothing was sent, because reading before it failed: GET /api/1/flags"


async def failing(_: Passage) -> httpx.Response:
    """The server has a fault."""
    return arriving(500, b"broken")


def test_a_look_before_a_call_that_fails_leaves_no_doubt() -> None:
    """The call was turned away, and the look that it then needs says nothing: it surely was not sent again."""
    world = a_wired_world(an_emulator(LIVE), GROWN)
    turn_away = turned_away(30)

    def plan(passage: Passage) -> Fault | None:
        if passage.is_write:
            return turn_away
        return failing if world.wire.writes else None

    world.wire.plan = plan
    done = run_in_virtual_time(attempt(world))
    (outcome,) = report_of(done).outcomes
    assert (outcome.status, str(outcome.error).startswith(NOT_SENT)) == ("failed", True)
    assert [(item.status, item.attempts) for item in outcome.operations] == [("failed", 1)]
    assert [passage.is_write for passage in done.sent][-5:] == [True, False, False, False, False]


def test_a_surplus_copy_that_cannot_be_looked_at_is_not_removed() -> None:
    """Its place may be another's."""
    copies = a_live_flag("a", variants=[{"key": "control", "users": ["x", "x"]}, {"key": "treatment"}])
    variants = (Variant(key="control", users=("x",)), Variant(key="treatment"))
    world = a_wired_world(an_emulator(copies), FlagSpec(key="a", variants=variants))
    planned = run_in_virtual_time(world.plan_async())
    reads = len(world.wire.passages)
    looks: list[Passage] = []

    def plan(passage: Passage) -> Fault | None:
        if passage.number > reads and passage.raw.path.endswith("/users"):
            looks.append(passage)
            return failing if len(looks) > 1 else None
        return None

    world.wire.plan = plan
    report = run_in_virtual_time(world.apply_planned(planned)).report
    (outcome,) = report.outcomes
    assert (outcome.status, str(outcome.error).startswith(NOT_SENT)) == ("failed", True)
    assert world.wire.writes == []
    assert flag_of(world.emulator, "a")["variants"][0]["users"] == ["x", "x"]


@pytest.mark.parametrize("edit", ["the field of a call to come", "a field of no call"])
def test_an_edit_between_the_calls_of_a_flag_is_a_conflict(edit: str) -> None:
    """What was made stays reported; nothing more is sent, and the next plan shows what there is."""
    emulator = an_emulator(LIVE)
    world = a_wired_world(emulator, BOTH)
    fields = {"rolloutPercentage": 0} if edit.startswith("the field") else {"description": "by hand"}
    at_write(world, 2, turned_away(30, editing(emulator, **fields)))
    done = run_in_virtual_time(attempt(world))
    outcome = report_of(done).outcomes[0]
    assert report_of(done).exit_code == 7
    assert [item.status for item in outcome.operations] == [Status.APPLIED, Status.SKIPPED]
    assert outcome.status is Status.FAILED
    assert "changed after the plan was made" in str(outcome.error)
    assert sum(passage.commits for passage in done.sent) == 1


WIDE = FlagSpec(
    key="a",
    rollout_percentage=50,
    rollout_weights=Weights.of({"control": 3, "treatment": 1, "third": 1}),
    variants=(
        Variant(key="control", name="C", users=("ada",)),
        Variant(key="new", renamed_from="treatment", payload={"x": 1.0}),
        Variant(key="third", users=("eve",)),
    ),
    deployments=("67",),
    tags=("t",),
)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(rename_rewrites=False),
        Behaviour(read_lag=2),
        Behaviour(posted_variant_place="first"),
        Behaviour(list_shows="all"),
    ],
)
def test_long_waits_alone_are_no_conflict(behaviour: Behaviour) -> None:
    """What the run itself changed is told from what others did: every call waits, and all is made."""
    emulator = an_emulator(LIVE, behaviour=behaviour)
    world = a_wired_world(emulator, WIDE)
    turned: set[tuple[str, str]] = set()

    def plan(passage: Passage) -> Fault | None:
        if not passage.is_write or passage.call in turned:
            return None
        turned.add(passage.call)
        return turned_away(7)

    world.wire.plan = plan
    report = report_of(run_in_virtual_time(attempt(world)))
    assert report.exit_code == 0, report
    assert len(turned) >= 5


def test_a_lost_call_is_not_repeated_over_an_edit() -> None:
    """A call that got lost is looked after; where the flag is neither as before nor as it would be, it is left so."""
    emulator = an_emulator(LIVE)
    world = a_wired_world(emulator, GROWN)
    at_write(world, 1, lost(editing(emulator, rolloutPercentage=0)))
    report = report_of(run_in_virtual_time(attempt(world)))
    assert (report.exit_code, report.outcomes[0].status) == (7, Status.UNKNOWN)
    assert flag_of(emulator, "a")["rolloutPercentage"] == 0


@pytest.mark.parametrize("seconds", [0, 3600])
def test_a_machine_that_slept_looks_again(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """The clock of a process may stand still while a laptop is shut."""
    emulator, asleep = an_emulator(LIVE), [100]
    monkeypatch.setattr("reconciler.apply.steps.seconds_asleep", lambda: asleep[0])
    world = a_wired_world(emulator, GROWN)

    def sleep() -> None:
        asleep[0] += seconds
        if seconds:
            editing(emulator, rolloutPercentage=0)()

    at_write(world, 1, turned_away(1, sleep))
    report = report_of(run_in_virtual_time(attempt(world)))
    assert report.outcomes[0].status is (Status.SKIPPED if seconds else Status.APPLIED)
    assert flag_of(emulator, "a")["rolloutPercentage"] == (0 if seconds else 50)


NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
"""The time of the wire's answers."""


@pytest.mark.parametrize(
    ("spec", "edit"),
    [
        (FlagSpec(key="a", enabled=True), {"enabled": False}),
        (FlagSpec(key="a", enabled=True, rollout_percentage=50), {"enabled": False}),
        (GROWN, {"rolloutPercentage": 10}),
    ],
)
@pytest.mark.parametrize("status", [500, 502, None])
def test_what_others_took_back_is_not_sent_again(spec: FlagSpec, edit: dict[str, Any], status: int | None) -> None:
    """The call took effect and its answer was lost; a colleague turned the flag off before it was looked at again."""
    clock = [NOON]
    emulator = an_emulator({**LIVE, "enabled": False}, now=lambda: clock[0])
    world = a_wired_world(emulator, spec)

    async def fault(passage: Passage) -> httpx.Response:
        passage.deliver()
        clock[0] += timedelta(seconds=10)
        editing(emulator, **edit)()
        if status is None:
            await asyncio.sleep(3600)
        return arriving(status or 500)

    at_write(world, 1, fault)
    done = run_in_virtual_time(attempt(world))
    assert (report_of(done).exit_code, report_of(done).outcomes[0].status) == (7, Status.UNKNOWN)
    assert len([passage for passage in done.sent if passage.is_write]) == 1
    assert {name: flag_of(emulator, "a")[name] for name in edit} == edit


@pytest.mark.parametrize("seconds", [0, 1, 10])
def test_what_had_no_effect_is_sent_again(seconds: int) -> None:
    """Nothing was written since the call; by the clock of another machine of the server, perhaps just before it."""
    clock = [NOON - timedelta(seconds=20)]
    emulator = an_emulator(LIVE, now=lambda: clock[0])
    world = a_wired_world(emulator, BOTH)
    at_write(world, 2, turned_away(0, status=500))
    clock[0] = NOON + timedelta(seconds=seconds if seconds < 10 else -10)
    done = run_in_virtual_time(attempt(world))
    assert report_of(done).exit_code == 0
    assert len([passage for passage in done.sent if passage.is_write]) == 3


@pytest.mark.parametrize("taken", ["400", "second-flag"])
def test_a_key_that_is_taken_during_a_wait_is_a_conflict(taken: Any) -> None:
    """No second flag is made of a key that was taken meanwhile."""
    emulator = an_emulator(behaviour=Behaviour(taken_key=taken))
    world = a_wired_world(emulator, FlagSpec(key="new", variants=(Variant(key="on"),)))
    body = {"projectId": PROJECT, "key": "new", "variants": [{"key": "theirs"}]}
    at_write(world, 1, turned_away(30, lambda: emulator.edit_as(OTHER_USER, "POST", "/flags", body) and None))
    report = report_of(run_in_virtual_time(attempt(world)))
    assert (report.exit_code, report.outcomes[0].status) == (1, Status.SKIPPED)
    assert [variant["key"] for variant in flag_of(emulator, "new")["variants"]] == ["theirs"]


def test_a_read_that_fails_after_a_wait_sends_nothing() -> None:
    """Without a look there is no call; that is a failure, and no doubt about the call."""
    emulator = an_emulator(LIVE)
    world = a_wired_world(emulator, GROWN)
    writes: list[Passage] = []

    def plan(passage: Passage) -> Fault | None:
        if passage.is_write:
            writes.append(passage)
            return turned_away(30)
        return turned_away(1, status=503) if writes else None

    world.wire.plan = plan
    report = report_of(run_in_virtual_time(attempt(world)))
    assert (report.exit_code, report.outcomes[0].status) == (1, Status.FAILED)
    assert "reading before it failed" in str(report.outcomes[0].error)
    assert len(writes) == 1
