"""Drift and plan over random pairs: the same differences, for no more reads than planning needs."""

from __future__ import annotations

from random import Random

import pytest
from looks import look
from worlds import a_world, an_emulator, random_live_flag, random_spec

from reconciler.planning.plan import Action

PAIRS, BLOCKS = 300, 10


@pytest.mark.parametrize("block", range(BLOCKS))
def test_drift_agrees_with_plan(block: int) -> None:
    """Drift lists what a plan would change, no more and no less, with one read more for each flag that differs."""
    for seed in range(block * PAIRS // BLOCKS, (block + 1) * PAIRS // BLOCKS):
        _one_pair(Random(seed))


def _one_pair(random: Random) -> None:
    live = [random_live_flag(random, f"flag-{index}") for index in range(random.randint(1, 3))]
    specs = [random_spec(random, flag["key"], flag) for flag in live if random.random() < 0.7]
    specs += [random_spec(random, f"new-{index}", None) for index in range(random.randint(0, 1))]
    world = a_world(an_emulator(*live), *specs)

    run, report = world.look(), look(world)
    plan = run.plan

    assert report.missing == tuple(flag.key for flag in plan.flags if flag.action is Action.CREATE)
    stored = {(item.key, item.path) for item in report.stored}
    planned = {
        flag.key: tuple(change for change in flag.changes if (flag.key, change.path) not in stored)
        for flag in plan.flags
        if flag.action is not Action.CREATE
    }
    found = {flag.key: tuple(item.change for item in flag.changes) for flag in report.flags}
    assert found == {key: changes for key, changes in planned.items() if changes}
    assert report.unmanaged == plan.unmanaged
    assert report.is_drifted == bool(found or report.missing)
    assert report.requests == run.live.requests + len(report.flags)
