"""Rollouts whose guard counts: one that fails twice as often is soon back at 0, one that does not goes on.

Requests of the variants are drawn for every look of a run, and the guard is asked for what was counted since the step
began. The long form is part of `make rollouts`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import USER
from simulated_rollouts import Seen, Simulation, at_once
from worlds import run_now

from reconciler.cli import advancing
from reconciler.model.rollout import GuardSource, Rollout, Step
from reconciler.rollouts.sequential import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

EVERY, DAY = timedelta(minutes=10), 144
REQUESTS, RATE = 2_000, 0.02
"""Of a variant between two looks, at 1 %; and which share of them fails."""


class Guarded(Simulation):
    """A rollout of two steps, 1 % for a day and then everyone; nothing else goes wrong."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rollout = Rollout(steps=(Step(1, timedelta(days=1)), Step(100)), guards=("g",))
        self.source = GuardSource(kind="prometheus", variable="X", failed="f", of="o", against="control")
        flag_id = next(iter(self.emulator.store.flags))
        self.now -= timedelta(days=2)
        self.emulator.edit_as(USER, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 0})
        self.now += timedelta(days=2)

    def plan_of_faults(self, *, alone: bool) -> tuple[Any, bool]:
        """None."""
        return (lambda _: None), False

    def percentages(self) -> list[float]:
        """What was live since the declaration, in order."""
        records = self.emulator.store.versions_of(next(iter(self.emulator.store.flags)))
        since = self.declared[-1].at
        assert since is not None
        return [seen.percentage for seen in map(Seen.of, records) if seen.at >= since]


class Traffic:
    """Requests that were counted until now, as a source tells of them."""

    def __init__(self, simulation: Guarded, doubled: float) -> None:
        self._simulation, self._rates = simulation, {"control": RATE, "treatment": RATE * doubled}
        self._counted: list[tuple[datetime, dict[str, int]]] = []

    def pass_by(self) -> None:
        """What is counted between two looks."""
        draw = self._simulation.random.binomialvariate if hasattr(Random, "binomialvariate") else self._drawn
        self._counted.append((self._simulation.now, {key: draw(REQUESTS, rate) for key, rate in self._rates.items()}))

    def counts(self, _: GuardSource, variants: Sequence[str], seconds: int) -> dict[str, Counts]:
        """The counts since so many seconds."""
        start = self._simulation.now - timedelta(seconds=seconds)
        within = [counted for at, counted in self._counted if at > start]
        return {key: Counts(sum(item[key] for item in within), REQUESTS * len(within)) for key in variants}

    def _drawn(self, trials: int, rate: float) -> int:
        """A binomial number, by waiting times between two that fail."""
        found, left = 0, trials
        while (left := left - 1 - int(self._simulation.random.expovariate(1) / rate)) >= 0:
            found += 1
        return found


def look_on(seed: int, doubled: float, looks: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Guarded, int | None]:
    """A rollout after so many looks at its first step, and the look that took it back; None: none did."""
    simulation = Guarded(Random(seed))
    traffic = Traffic(simulation, doubled)
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    monkeypatch.setattr(advancing, "now", lambda: simulation.now)
    monkeypatch.setattr(advancing, "history_of", lambda *_: simulation.history)
    monkeypatch.setattr(advancing, "OutsideSources", lambda **_: traffic)
    simulation.now += EVERY
    run_now(simulation.advance())
    assert simulation.percentages() == [1], "the first step"
    for look in range(1, looks + 1):
        simulation.now += EVERY
        traffic.pass_by()
        run_now(simulation.advance())
        if simulation.percentages() == [1, 0]:
            return simulation, look
    return simulation, None


def taken_back(seeds: range, monkeypatch: pytest.MonkeyPatch) -> Counter[int | None]:
    """How many rollouts at a doubled rate were back at 0 at which of three looks, each with one write, and stayed."""
    found: Counter[int | None] = Counter()
    for seed in seeds:
        simulation, look = look_on(seed, 2, 3, monkeypatch)
        found[look] += 1
        for _ in range(2):
            simulation.now += timedelta(days=1)
            run_now(simulation.advance())
        assert look is None or simulation.percentages() == [1, 0], "one write, and none after it"
    return found


def test_a_doubled_rate_at_one_percent_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short form."""
    assert taken_back(range(20), monkeypatch)[None] <= 1


def test_a_healthy_rollout_reaches_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at for the whole day of its first step."""
    simulation, look = look_on(1, 1, DAY, monkeypatch)
    assert (look, simulation.percentages()) == (None, [1, 100])


@pytest.mark.long
@pytest.mark.timeout(6000)
def test_many_doubled_rates_are_rolled_back(
    monkeypatch: pytest.MonkeyPatch, count: Callable[[str, int], None]
) -> None:
    """Of 1,000 rollouts at 1 % exposure whose rate of errors has doubled, 99 of 100 are back at 0 in three looks."""
    found = taken_back(range(1000, 2000), monkeypatch)
    for look in (1, 2, 3, None):
        count(f"doubled rates at 1 %: back at 0 at look {look}", found[look])
    assert found[None] <= 10


@pytest.mark.long
@pytest.mark.timeout(6000)
def test_few_healthy_rollouts_are_stopped(monkeypatch: pytest.MonkeyPatch, count: Callable[[str, int], None]) -> None:
    """Of 200 rollouts that are looked at 144 times, with room for chance; tests/unit/rollouts does it for more."""
    stopped = sum(look_on(seed, 1, DAY, monkeypatch)[1] is not None for seed in range(200))
    count("healthy rollouts stopped, of 200 at 144 looks", stopped)
    assert stopped <= 10
