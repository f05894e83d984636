"""Whether a flag is still what was planned, asked shortly before its first write and with few requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from emulators import a_live_flag, flag_of
from virtual_time import VirtualTimeLoop
from worlds import FAST, OTHER_USER, World, a_world, after_writes, an_emulator

from reconciler.apply import ApplyOptions
from reconciler.apply.conflicts import GONE_SINCE
from reconciler.model.config import Requests
from reconciler.model.flag import FlagSpec

SLOW = Requests(per_second=10, concurrency=16, daily_budget=100_000)


def a_project(count: int, **settings: Any) -> World:
    """So many live flags at 50 %, each declared at 60 %."""
    keys = [f"flag-{number:03}" for number in range(count)]
    emulator = an_emulator(*(a_live_flag(key, rolloutPercentage=50) for key in keys))
    specs = (FlagSpec(key=key, rollout_percentage=60) for key in keys)
    return a_world(emulator, *specs, **{"apply_options": ApplyOptions(verify=False)} | settings)


def apply_with_an_edit_of_the_last(world: World, number: int, *, pause: float = 0) -> dict[str, str]:
    """What becomes of the flags when the last one is edited after so many writes; and then time passes."""
    key = max(world.desired.flags)
    flag_id = flag_of(world.emulator, key)["id"]

    def edit() -> None:
        world.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"description": "edited by hand"})
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.skip(pause)

    report = world.apply(lambda: after_writes(world, number, edit)).report
    assert report is not None
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


def test_flags_are_looked_at_together() -> None:
    """Before their first writes 250 flags are looked at by one list for each hundred, not one by one."""
    world = a_project(250)
    world.apply(world.emulator.log.clear)
    assert len([entry for entry in world.emulator.log if entry.method == "GET"]) == 3
