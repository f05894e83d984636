"""Whether a flag is still what was planned, asked shortly before its first write and with few requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, flag_of
from msgspec.structs import replace
from virtual_time import VirtualTimeLoop
from worlds import FAST, OTHER_USER, World, a_world, after_writes, an_emulator

from reconciler.apply import ApplyOptions
from reconciler.apply.conflicts import CHANGED_SINCE, GONE_SINCE
from reconciler.emulator.requests import text_response
from reconciler.model.config import Requests
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    from reconciler.emulator import ApiResponse, RawRequest

SLOW = Requests(per_second=10, concurrency=16, daily_budget=100_000)


def a_project(count: int, **settings: Any) -> World:
    """So many live flags at 50 %, each declared at 60 %."""
    keys = [f"flag-{number:03}" for number in range(count)]
    emulator = an_emulator(*(a_live_flag(key, rolloutPercentage=50) for key in keys))
    specs = (FlagSpec(key=key, rollout_percentage=60) for key in keys)
    return a_world(emulator, *specs, **{"apply_options": ApplyOptions(verify=False)} | settings)


def a_new_flag(key: str) -> FlagSpec:
    """A flag that is made by its create alone."""
    return FlagSpec(key=key, variants=(Variant(key="on"),))


def apply_with_an_edit_of_the_last(world: World, number: int, *, pause: float = 0) -> dict[str, str]:
    """What becomes of the flags when the last one is edited after so many writes; and then time passes.

    Nothing of it was sent, and the report says so.
    """
    key = max(world.desired.flags)
    flag_id = flag_of(world.emulator, key)["id"]

    def edit() -> None:
        world.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"description": "edited by hand"})
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.skip(pause)

    report = world.apply(lambda: after_writes(world, number, edit)).report
    assert report is not None
    assert {outcome.error for outcome in report.outcomes} <= {None, CHANGED_SINCE}
    return {outcome.key: outcome.status.value for outcome in report.outcomes}


@pytest.mark.parametrize(("count", "requests"), [(250, FAST), (40, SLOW)], ids=["many flags", "a slow rate"])
def test_a_flag_that_changes_while_others_are_written_is_a_conflict(count: int, requests: Requests) -> None:
    """In a long apply a flag's turn comes late: what was done to it since the first write is seen."""
    world = a_project(count, requests=requests)
    *others, last = sorted(world.desired.flags)
    statuses = apply_with_an_edit_of_the_last(world, 10)
    assert statuses == dict.fromkeys(others, "applied") | {last: "skipped"}
    assert flag_of(world.emulator, last)["rolloutPercentage"] == 50


@pytest.mark.parametrize("count", [1, 2, 250])
def test_a_flag_that_is_gone_is_a_conflict(count: int) -> None:
    """The API deletes no flag, and a project may: nothing is sent to it, and the report says why."""
    world = a_project(count)
    key = max(world.desired.flags)
    flag_id = flag_of(world.emulator, key)["id"]
    report = world.apply(lambda: world.emulator.store.remove([flag_id])).report
    assert report is not None
    (skipped,) = (outcome for outcome in report.outcomes if outcome.status.value != "applied")
    assert (skipped.key, skipped.status.value, skipped.error) == (key, "skipped", GONE_SINCE)
    assert not [entry for entry in world.emulator.writes if flag_id in entry.path]


def test_a_look_that_has_grown_old_is_repeated() -> None:
    """Where the server keeps the run waiting, flags that were seen before are looked at again."""
    world = a_project(3, apply_options=ApplyOptions(verify=False, concurrency=1))
    assert apply_with_an_edit_of_the_last(world, 1, pause=6) == {
        "flag-000": "applied", "flag-001": "applied", "flag-002": "skipped",
    }  # fmt: skip


@pytest.mark.parametrize("is_new", [False, True])
def test_a_server_that_turns_reads_away_is_not_asked_for_each_flag(*, is_new: bool) -> None:
    """The four attempts of the first look are all that is sent."""
    options = ApplyOptions(verify=False, concurrency=1)
    world = a_project(250, apply_options=options)
    if is_new:
        world = a_world(an_emulator(), *map(a_new_flag, world.desired.flags), apply_options=options)
    planned = world.look()
    sent = []

    def answer(request: RawRequest) -> ApiResponse:
        sent.append(request)
        return text_response(429, "slow down")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert (len(sent), report.exit_code) == (4, 1)
    assert sorted({outcome.status.value for outcome in report.outcomes}) == ["failed", "skipped"]


@pytest.mark.parametrize("is_new", [False, True])
def test_a_look_at_many_that_fails_is_made_for_each(*, is_new: bool) -> None:
    """A list that the server cannot give says nothing of any flag."""
    world = a_project(20)
    if is_new:
        world = a_world(an_emulator(), *(a_new_flag(key) for key in world.desired.flags))
    planned, real = world.look(), world.emulator.api.answer
    broken: list[RawRequest] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET" and "key=" not in request.query and "key" not in request.path and not broken:
            broken.append(request)
            return text_response(400, "no")
        return real(request)

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert (len(broken), report.exit_code) == (1, 0)


def test_flags_are_skipped_after_a_look_that_fails() -> None:
    """Where the first failure ends the run, they name the flag of which nothing could be read."""
    world = a_project(3, apply_options=ApplyOptions(on_error_abort=True))
    planned = world.look()
    world.emulator.api.answer = lambda _: text_response(400, "no")  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    first, *others = report.outcomes
    assert (first.status.value, {item.attempts for item in first.operations}) == ("failed", {0})
    assert {(item.status.value, item.error) for item in others} == {("skipped", "Skipped after flag-000 failed.")}


def test_nothing_is_asked_about_flags_that_are_skipped() -> None:
    """Where the first failure ends the run, the others are not even looked up."""
    options = ApplyOptions(on_error_abort=True)
    world = a_world(an_emulator(), *map(a_new_flag, "abc"), apply_options=options)
    planned, real = world.look(), world.emulator.api.answer
    asked: list[str] = []

    def answer(request: RawRequest) -> ApiResponse:
        asked.append(request.method)
        return real(request) if request.method == "GET" else text_response(400, "no")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert [outcome.error for outcome in report.outcomes][1:] == ["Skipped after a failed."] * 2
    assert asked == ["GET", "POST"]


@pytest.mark.parametrize(("count", "per_second", "lists"), [(200, 1000, 2), (202, 1000, 3), (20, 10, 2), (22, 10, 3)])
def test_flags_are_looked_at_together(count: int, per_second: int, lists: int) -> None:
    """Before their first writes by one list for each hundred, or for as many as may be written in a second."""
    world = a_project(count, requests=replace(FAST, per_second=per_second))
    world.apply(world.emulator.log.clear)
    asked = [entry for entry in world.emulator.log if entry.method == "GET"]
    assert len([entry for entry in asked if "key" not in entry.query]) == lists
    assert len(asked) == lists


def test_keys_that_are_still_to_be_taken_are_looked_up_when_few_are_left() -> None:
    """Of four by one list; of the three that are left, once that has grown old, one by one."""
    options = ApplyOptions(verify=False, concurrency=1)
    world = a_world(an_emulator(), *map(a_new_flag, "abcd"), apply_options=options)

    def pause() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.skip(6)

    def meanwhile() -> None:
        world.emulator.log.clear()
        after_writes(world, 1, pause)

    world.apply(meanwhile)
    asked = [entry for entry in world.emulator.log if entry.method == "GET" and entry.path == "/api/1/flags"]
    *before, back = (entry.query.get("key") for entry in asked)
    assert (before, back) == ([None, "b", "c", "d"], None)


def test_keys_that_are_still_to_be_taken_are_seen_by_one_list() -> None:
    """As long as that is not old; and one more reads back what was made."""
    options = ApplyOptions(verify=False, concurrency=1)
    world = a_world(an_emulator(), *map(a_new_flag, "abcdef"), apply_options=options)
    world.apply(world.emulator.log.clear)
    asked = [entry for entry in world.emulator.log if entry.method == "GET" and entry.path == "/api/1/flags"]
    assert [entry.query.get("key") for entry in asked] == [None, None]
