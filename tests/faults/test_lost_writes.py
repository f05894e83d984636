"""Writes that are lost on their way: how often each is sent again, and how long a lost create is looked for."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest
from builders import a_config
from emulators import a_live_flag, an_emulator, flag_of, variant_of
from faults.drills import WiredWorld, attempt
from faults.wire import Wire, answered, arriving
from msgspec.structs import replace
from virtual_time import run_in_virtual_time
from worlds import FAST, UNGUARDED, desired_of

from reconciler.apply import ApplyOptions, ApplyReport
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    from faults.wire import Fault, Passage

    from reconciler.model.config import Requests

GROWN = FlagSpec(key="a", rollout_percentage=50)
NEW = FlagSpec(key="new", name="New", variants=(Variant(key="on"),))


def a_world(*specs: FlagSpec, requests: Requests = FAST) -> WiredWorld:
    """A project with one flag at 10 %, and a declaration of these."""
    emulator = an_emulator(a_live_flag("a", rolloutPercentage=10))
    return WiredWorld(
        emulator=emulator,
        desired=desired_of(*specs),
        config=a_config(requests=requests),
        options=UNGUARDED,
        apply_options=ApplyOptions(),
        wire=Wire(emulator),
    )


async def is_lost(_: Passage) -> httpx.Response:
    """The connection goes away, and nothing of the request arrives."""
    raise httpx.ReadError("connection reset by peer")


def arrives_after(seconds: float) -> Fault:
    """The connection goes away, and the request arrives so many seconds later."""

    async def fault(passage: Passage) -> httpx.Response:
        asyncio.get_running_loop().call_later(seconds, passage.deliver)
        raise httpx.ReadError("connection reset by peer")

    return fault


def applied(world: WiredWorld, lost: int, fault: Fault = is_lost) -> ApplyReport:
    """The report of an apply whose first writes meet a fault."""
    world.wire.plan = lambda passage: fault if passage.is_write and len(world.wire.writes) <= lost else None
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    return report


@pytest.mark.parametrize(("lost", "sent", "status"), [(1, 2, "applied"), (2, 3, "applied"), (3, 3, "failed")])
def test_a_lost_edit_is_sent_three_times_at_most(lost: int, sent: int, status: str) -> None:
    """Each time after the flag was read and seen not to have it; then it has failed, and it is known that it has."""
    world = a_world(GROWN)
    (outcome,) = applied(world, lost).outcomes
    assert (outcome.status, len(world.wire.writes)) == (status, sent)
    assert outcome.operations[0].attempts == sent
    assert flag_of(world.emulator, "a")["rolloutPercentage"] == (50 if status == "applied" else 10)
    numbers = [passage.number for passage in world.wire.writes]
    assert all(later - earlier > 1 for earlier, later in pairwise(numbers))


@pytest.mark.parametrize(("lost", "sent", "status"), [(1, 2, "applied"), (2, 2, "failed")])
def test_a_lost_create_is_sent_twice_at_most(lost: int, sent: int, status: str) -> None:
    """Each may still arrive and make a flag of its own."""
    world = a_world(NEW)
    (outcome,) = applied(world, lost).outcomes
    assert (outcome.status, len([item for item in world.wire.writes if item.raw.path == "/api/1/flags"])) == (
        status, sent,
    )  # fmt: skip


@pytest.mark.parametrize("seconds", [0.2, 1, 3, 5, 6.4, 9])
def test_a_create_that_arrives_late_is_not_sent_again(seconds: float) -> None:
    """Up to nine seconds after its answer was lost it is found, and one flag is there."""
    world = a_world(NEW)
    (outcome,) = applied(world, 1, arrives_after(seconds)).outcomes
    assert outcome.status == "applied"
    assert [item.raw.path for item in world.wire.writes].count("/api/1/flags") == 1
    assert [flag["key"] for flag in world.emulator.store.flags.values()].count("new") == 1


@pytest.mark.parametrize("seconds", [0.2, 1, 3])
def test_an_edit_that_arrives_late_is_not_sent_again(seconds: float) -> None:
    """Up to three seconds after its answer was lost it is seen to be in place."""
    world = a_world(GROWN)
    (outcome,) = applied(world, 1, arrives_after(seconds)).outcomes
    assert (outcome.status, len(world.wire.writes)) == ("applied", 1)


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_call_that_was_rejected_leaves_nothing_to_look_at(status: int) -> None:
    """It surely has no effect: it is sent once, and nothing is read after it."""
    world = a_world(GROWN)

    async def rejected(_: Passage) -> httpx.Response:
        return arriving(status, b"no")

    (outcome,) = applied(world, 1, rejected).outcomes
    assert (outcome.status, outcome.operations[0].attempts) == ("failed", 1)
    assert world.wire.passages[-1].is_write


@pytest.mark.parametrize(("status", "looks"), [(400, 4), (401, 1), (403, 1), (429, 4)])
def test_a_flag_is_looked_at_again_unless_every_read_would_fail(status: int, looks: int) -> None:
    """After a lost edit: one look, of up to four requests, where the key or a limit refuses it; else four looks."""
    world = a_world(GROWN)

    async def refused(_: Passage) -> httpx.Response:
        return arriving(status, b"no")

    def plan(passage: Passage) -> Fault | None:
        if passage.is_write:
            return is_lost
        return refused if world.wire.writes else None

    world.wire.plan = plan
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert report.outcomes[0].status == "unknown"
    after = [passage for passage in world.wire.passages if passage.number > world.wire.writes[0].number]
    assert len(after) == looks


@pytest.mark.parametrize("hidden", ["", "variants", "tags", "description"])
@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_call_to_a_new_flag_that_is_lost_is_sent_again(place: int, lost: int, hidden: str) -> None:
    """What "Get details" hides of a flag that was just made is no edit by another client."""
    variants = (Variant(key="on", users=("ada",), cohorts=("c1",)), Variant(key="control"))
    world = a_world(FlagSpec(key="new", enabled=True, variants=variants, tags=("t",)))

    def plan(passage: Passage) -> Fault | None:
        if passage.is_write and place <= len(world.wire.writes) < place + lost:
            return is_lost
        return without(hidden) if is_detail(passage) else None

    world.wire.plan = plan
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert (report.exit_code, report.verified, len(world.wire.writes)) == (0, True, 4 + lost)
    assert variant_of(world.emulator, "new", "on")["users"] == ["ada"]


@pytest.mark.parametrize("together", [2, 16])
def test_ids_of_new_flags_are_read_side_by_side(together: int) -> None:
    """One read for each create that has calls after it, as many under way as may be: none waits for another."""
    count = 48
    specs = [FlagSpec(key=f"new-{number}", variants=(Variant(key="on"),), tags=("t",)) for number in range(count)]
    world = a_world(*specs, requests=replace(FAST, concurrency=together))
    waiting: list[asyncio.Future[None]] = []

    async def held(passage: Passage) -> httpx.Response:
        waiting.append(asyncio.get_running_loop().create_future())
        if len(waiting) == together:
            for other in waiting:
                other.set_result(None)
        mine = waiting[-1]
        if len(waiting) == together:
            waiting.clear()
        await mine
        return answered(passage.deliver())

    world.wire.plan = lambda passage: held if is_detail(passage) else None
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert report.exit_code == 0
    assert len([passage for passage in world.wire.passages if is_detail(passage)]) == count


def without(name: str) -> Fault:
    """The answer, with nothing in it of this name."""

    async def fault(passage: Passage) -> httpx.Response:
        body = json.loads(passage.deliver().body)
        body.pop(name, None)
        return arriving(200, json.dumps(body).encode())

    return fault


def is_detail(passage: Passage) -> bool:
    """Whether it reads one flag by its id."""
    head, _, last = passage.raw.path.rpartition("/")
    return not passage.is_write and head.endswith("/flags") and last.isdigit()
