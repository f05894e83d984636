"""Writes that are lost on their way: how often each is sent again, and how long a lost create is looked for."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_config
from emulators import OTHER_USER, a_live_flag, an_emulator, flag_of, variant_of
from faults.drills import WiredWorld, attempt
from faults.wire import Wire, answered, arriving
from msgspec.structs import replace
from virtual_time import run_in_virtual_time
from worlds import FAST, PROJECT, UNGUARDED, desired_of

from reconciler.apply import ApplyOptions, ApplyReport
from reconciler.emulator import Behaviour
from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.planning.plan import PlanOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.wire import Fault, Passage

    from reconciler.emulator import Emulator
    from reconciler.model.config import Requests

GROWN = FlagSpec(key="a", rollout_percentage=50)
NEW = FlagSpec(key="new", name="New", variants=(Variant(key="on"),))


def a_world(
    *specs: FlagSpec, requests: Requests = FAST, live: dict[str, Any] | None = None, **settings: Any
) -> WiredWorld:
    """A project with one flag at 10 %, and a declaration of these; `settings` are those of the emulator."""
    emulator = an_emulator(a_live_flag("a", rolloutPercentage=10), *([live] if live else []), **settings)
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


def courses(world: WiredWorld) -> str:
    """The apply's requests, one sign each: reads, and writes between spaces."""
    writes = [passage.number for passage in world.wire.writes]
    signs = (" W " if item.is_write else "r" for item in world.wire.passages if item.number >= writes[0] - 1)
    return "".join(signs).replace("  ", " ")


@pytest.mark.parametrize(
    ("spec", "lost", "requests"),
    [
        (GROWN, 2, "r W rrrr W rrrr W r"),
        (NEW, 1, "r W rrrrrr W r"),
        (NEW, 2, "r W rrrrrr W rrrrrr"),
    ],
)
def test_what_the_looks_showed_is_not_looked_at_again(spec: FlagSpec, lost: int, requests: str) -> None:
    """A call is sent again on the look that showed that it is not in place."""
    world = a_world(spec)
    applied(world, lost)
    assert courses(world) == requests


def made_and_lost(meanwhile: Callable[[], None] = lambda: None) -> Fault:
    """The request arrives, then something happens, and no answer comes."""

    async def fault(passage: Passage) -> httpx.Response:
        passage.deliver()
        meanwhile()
        raise httpx.ReadError("connection reset by peer")

    return fault


MEANWHILE: dict[str, Callable[[Emulator, str], object]] = {
    "archived": lambda emulator, flag_id: edited(emulator, flag_id, archive=True),
    "a declared field": lambda emulator, flag_id: edited(emulator, flag_id, name="Theirs"),
    "gone": lambda emulator, flag_id: emulator.store.remove([flag_id]),
}


def edited(emulator: Emulator, flag_id: str, **fields: Any) -> None:
    """An edit by a colleague."""
    emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", fields)


@pytest.mark.parametrize("why", MEANWHILE)
def test_a_flag_that_is_as_no_call_could_leave_it_is_not_written_to_again(why: str) -> None:
    """What became of the lost edit is not known, and it is not sent over the edit of another."""
    world = a_world(replace(GROWN, name="New checkout"))
    flag_id = flag_of(world.emulator, "a")["id"]
    (outcome,) = applied(world, 1, made_and_lost(lambda: MEANWHILE[why](world.emulator, flag_id) and None)).outcomes
    assert (outcome.status, [item.status for item in outcome.operations]) == ("unknown", ["unknown"])
    assert "Afterwards the flag was not as planned: another client may be editing it." in str(outcome.error)
    assert len(world.wire.writes) == 1


@pytest.mark.parametrize(("seconds", "status", "sent"), [(0, "applied", 2), (2, "applied", 2), (2.001, "unknown", 1)])
def test_an_edit_that_was_taken_back_is_not_made_again(seconds: float, status: str, sent: int) -> None:
    """It was, where the flag was written more than two seconds after it was sent: clocks may differ by that."""
    noon = datetime(2030, 1, 2, 12, tzinfo=UTC)
    world = a_world(GROWN, now=lambda: noon + timedelta(seconds=seconds))
    flag_id = flag_of(world.emulator, "a")["id"]
    back = made_and_lost(lambda: edited(world.emulator, flag_id, rolloutPercentage=10))
    (outcome,) = applied(world, 1, back).outcomes
    assert (outcome.status, len(world.wire.writes)) == (status, sent)


def test_a_lost_edit_of_what_the_server_hides_is_made_again() -> None:
    """Nothing shows that it is in place: just that part is sent, although the flag was written meanwhile."""
    spec = FlagSpec(key="new", enabled=True, variants=(Variant(key="on"),), tags=("t",))
    behaviour = Behaviour(tags="absent")
    world = a_world(spec, now=lambda: datetime(2030, 1, 2, 13, tzinfo=UTC), behaviour=behaviour)
    world.wire.plan = lambda passage: made_and_lost() if passage.body == {"enabled": True, "tags": ["t"]} else None
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert report.outcomes[0].status == "applied"
    assert world.wire.writes[-1].body == {"tags": ["t"]}


def test_a_flag_of_the_same_key_that_lacks_some_of_it_is_not_the_one_that_was_created() -> None:
    """A create makes all of a flag at once: another client made this one, and the create is not sent again."""
    world = a_world(NEW)
    body = {"projectId": PROJECT, "key": "new", "name": "Theirs", "variants": [{"key": "on"}]}

    async def lost(_: Passage) -> httpx.Response:
        world.emulator.edit_as(OTHER_USER, "POST", "/flags", body)
        raise httpx.ReadError("connection reset by peer")

    (outcome,) = applied(world, 1, lost).outcomes
    assert (outcome.status, len(world.wire.writes)) == ("unknown", 1)
    assert flag_of(world.emulator, "new")["name"] == "Theirs"


def test_an_edit_beside_a_lost_call_that_is_in_place_stops_the_next_call() -> None:
    """The first call is made; what comes after it would rest on a flag that others have edited."""
    variants = (Variant(key="control", name="C"), Variant(key="treatment"))
    world = a_world(replace(GROWN, variants=variants))
    flag_id = flag_of(world.emulator, "a")["id"]
    edit = made_and_lost(lambda: edited(world.emulator, flag_id, description="by hand"))
    (outcome,) = applied(world, 1, edit).outcomes
    assert [item.status for item in outcome.operations] == ["applied", "skipped"]
    assert "it was edited meanwhile (description), not by this run" in str(outcome.error)
    assert len(world.wire.writes) == 1


def test_a_call_that_others_have_made_is_not_made_again() -> None:
    """The looks after a lost call show the next one in place: the flag is as planned."""
    variants = (Variant(key="control", name="C"), Variant(key="treatment"))
    world = a_world(replace(GROWN, variants=variants))
    flag_id = flag_of(world.emulator, "a")["id"]
    edit = made_and_lost(lambda: edited(world.emulator, flag_id, rolloutPercentage=50))
    (outcome,) = applied(world, 1, edit).outcomes
    assert (outcome.status, len(world.wire.writes)) == ("applied", 1)
    assert [(item.status, item.error) for item in outcome.operations] == [
        ("applied", None),
        ("skipped", "It was in place already: nothing was sent."),
    ]


def test_what_an_earlier_call_left_undone_is_no_edit_by_others() -> None:
    """A rename that leaves the weight behind, and then a call that is lost."""
    world = a_renaming_world(PLAN, "control", name="Renamed")
    world.wire.plan = lambda passage: made_and_lost() if len(world.wire.writes) == 2 and passage.is_write else None
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert [(item.status, item.is_added) for item in report.outcomes[0].operations] == [
        ("applied", False), ("applied", False), ("applied", True),
    ]  # fmt: skip
    assert (report.exit_code, len(world.wire.writes)) == (0, 3)


def test_a_lost_call_that_switches_a_new_flag_off_is_sent_again() -> None:
    """The file does not say so, but of a new flag what it leaves out is off."""
    world = a_world(replace(NEW, variants=(Variant(key="on"),)), behaviour=Behaviour(new_flag="on"))
    edits: list[Passage] = []

    def plan(passage: Passage) -> Fault | None:
        edits.extend([passage] if passage.raw.method == "PATCH" else [])
        return is_lost if passage.raw.method == "PATCH" and len(edits) == 1 else None

    world.wire.plan = plan
    report = run_in_virtual_time(attempt(world)).report
    assert report is not None
    assert (report.exit_code, report.verified, len(edits)) == (0, True, 2)
    new = flag_of(world.emulator, "new")
    assert (new["enabled"], new["rolloutPercentage"]) == (False, 0)


def a_renaming_world(condition: dict[str, Any], names: str, **fields: Any) -> WiredWorld:
    """A segment that names a variant, which is renamed on a server that leaves the old key behind."""
    segment = {"name": "S", "conditions": [condition], "percentage": 100, "rolloutWeights": {names: 1}}
    world = a_world(
        FlagSpec(
            key="b",
            variants=(Variant(key="control"), Variant(key="new", renamed_from="treatment")),
            rollout_weights=Weights.of({"control": 1, "new": 1}),
            **fields,
        ),
        behaviour=Behaviour(rename_rewrites=False),
        live=a_live_flag("b", targetSegments=[segment]),
    )
    world.options = PlanOptions()
    return world


COHORT = {"type": "cohort", "prop": "userdata_cohort", "op": "is", "values": ["c1"]}
PLAN = {"type": "property", "prop": "plan", "op": "is", "values": ["pro"]}


@pytest.mark.parametrize(
    ("condition", "names", "status", "sent"),
    [(COHORT, "treatment", "unknown", 1), (COHORT, "control", "applied", 2), (PLAN, "treatment", "applied", 3)],
)
def test_a_lost_rename_is_completed_without_losing_conditions(
    condition: dict[str, Any], names: str, status: str, sent: int
) -> None:
    """The weight, and segments that name the old key, follow; not where the API cannot carry what they say."""
    world = a_renaming_world(condition, names)
    before = flag_of(world.emulator, "b")["targetSegments"]
    (outcome,) = applied(world, 1, made_and_lost()).outcomes
    assert (outcome.status, len(world.wire.writes)) == (status, sent)
    after = flag_of(world.emulator, "b")["targetSegments"]
    assert (after == before) is (condition == COHORT)


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
    assert " Reading the flag afterwards failed as well: GET /api/1/flags was " in str(report.outcomes[0].error)
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
