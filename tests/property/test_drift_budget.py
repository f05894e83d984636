"""Looks within a budget over random pairs: it is never exceeded, and nothing that it left out goes unsaid."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from looks import Cron, look
from worlds import a_world, an_emulator, random_live_flag, random_spec

if TYPE_CHECKING:
    from reconciler.drift import DriftReport

WORLDS, BLOCKS = 16, 8


def found(report: DriftReport) -> set[tuple[str, str]]:
    """Every difference, as key and path."""
    differences = {(flag.key, item.change.path) for flag in report.flags for item in flag.changes}
    return differences | {(key, "") for key in report.missing}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_difference_is_found_or_said_to_be_unchecked(block: int) -> None:
    """With any budget: no more requests, and each difference is either found or among what was not checked."""
    for seed in range(block * WORLDS // BLOCKS, (block + 1) * WORLDS // BLOCKS):
        random = Random(seed)
        live = [random_live_flag(random, f"flag-{index}") for index in range(3)]
        specs = [random_spec(random, flag["key"], flag) for flag in live]
        world = a_world(an_emulator(*live), *specs, random_spec(random, "new", None))
        whole = look(world)
        for budget in range(1, whole.requests + 2):
            report = look(world, budget=budget)
            assert report.requests <= budget
            unchecked = {(place.key, place.path) for place in report.unchecked}
            assert not unchecked & found(report)
            assert found(whole) - unchecked == found(report)
            if budget >= whole.requests:
                assert not unchecked
                assert report.flags == whole.flags


@pytest.mark.parametrize("seed", range(10))
def test_runs_with_one_memory_see_everything(seed: int) -> None:
    """In as many runs as they promise, looks within a budget find what a whole look finds, and keep it in mind."""
    random = Random(seed)
    live = [random_live_flag(random, f"flag-{index}") for index in range(5)]
    world = a_world(an_emulator(*live), *(random_spec(random, flag["key"], flag) for flag in live))
    whole = look(world)
    cron = Cron(world, budget=random.randint(3, 9))
    seen: set[tuple[str, str]] = set()
    runs, promised = 0, 1
    while runs < promised:
        report = cron.run()
        seen |= found(report)
        runs += 1
        assert report.is_drifted == bool(cron.memory.differences)
        assert report.sweep is not None
        assert report.sweep.runs is not None
        promised = max(promised, report.sweep.runs)
    assert seen == found(whole)
    assert {(place.key, place.path) for place in cron.memory.differences} == found(whole)
