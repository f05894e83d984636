"""Rollouts over simulated weeks, with everything that goes wrong: what is live afterwards is held to a few rules."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest
from emulators import OTHER_USER, USER
from simulated_rollouts import SimulatedSources, Simulation, at_once
from worlds import run_now

from reconciler.cli import advancing
from reconciler.model.rollout import Rollout, Step

if TYPE_CHECKING:
    from fault_injection import Arrival


def simulate(seeds: range, events: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The counts of simulations of these seeds, each of which held the rules."""
    total: Counter[str] = Counter()
    monkeypatch.setattr(asyncio, "to_thread", at_once)  # virtual time knows no threads
    for seed in seeds:
        simulation = Simulation(Random(seed))
        monkeypatch.setattr(advancing, "now", lambda simulation=simulation: simulation.now)
        monkeypatch.setattr(advancing, "history_of", lambda *_, simulation=simulation: simulation.history)
        sources = SimulatedSources(simulation)
        monkeypatch.setattr(advancing, "OutsideSources", lambda sources=sources, **_: sources)
        simulation.live_through(events)
        try:
            simulation.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        total += simulation.counts
        total["simulations"] += 1
        total["done"] += next(iter(simulation.emulator.store.flags.values()))["rolloutPercentage"] == 100
    return total


def test_simulated_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short form; everything that may happen did."""
    total = simulate(range(40), 25, monkeypatch)
    for name in ("steps", "falls", "killed", "faulty", "hands", "doubled", "done"):
        assert total[name], (name, total)


@pytest.mark.parametrize("number", range(1, 9))
def test_an_edit_at_any_read_is_kept(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever read of a run it comes before, nothing is written over it."""
    simulation = Simulation(Random(5))
    simulation.base, simulation.rollout = 0, Rollout(steps=(Step(5, timedelta(hours=1)), Step(100)))
    flag_id = next(iter(simulation.emulator.store.flags))

    def edited(arrival: Arrival) -> None:
        if arrival.method == "GET" and arrival.number == number:
            simulation.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 7})

    monkeypatch.setattr(advancing, "now", lambda: simulation.now)
    monkeypatch.setattr(advancing, "history_of", lambda *_: simulation.history)
    monkeypatch.setattr(simulation, "plan_of_faults", lambda **_: (edited, False))
    run_now(simulation.advance())
    records = simulation.emulator.store.versions_of(flag_id)
    edits = [(record["flag"]["rolloutPercentage"], record["createdBy"]) for record in records]
    theirs = [index for index, edit in enumerate(edits) if edit == (7, OTHER_USER)]
    assert edits[theirs[0] :] == [(7, OTHER_USER)] if theirs else edits[-1] == (5, USER)


@pytest.mark.long
@pytest.mark.timeout(6000)
@pytest.mark.parametrize("part", range(10))
def test_many_simulated_rollouts(
    part: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The long form, in parts; it prints what was counted."""
    total = simulate(range(1000 + 1000 * part, 2000 + 1000 * part), 30, monkeypatch)
    with capsys.disabled():
        print(f"\npart {part}: {dict(sorted(total.items()))}")  # noqa: T201 - what the programme is run for
