"""One disturbed run after another: a scenario, a fault at one of its calls, and the runs that put it right."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builders import a_config
from emulators import an_emulator
from faults.fault_kinds import Kind, Stale
from faults.oracles import Ward, check_end, check_report, records
from faults.scenarios import FOREIGN, Scenario
from faults.wire import Wire
from virtual_time import run_in_virtual_time
from worlds import ENVIRON, FAST, World, desired_of

from reconciler.api.client import connect
from reconciler.api.credentials import origin_for, read_key
from reconciler.api.limits import Clock
from reconciler.apply import ApplyOptions, ApplyReport
from reconciler.emulator import Behaviour
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faults.wire import Fault, Passage

    from reconciler.api.client import Client
    from reconciler.planning.plan import Plan

RERUNS = 2


@dataclass(kw_only=True)
class WiredWorld(World):
    """A world whose clients reach the emulator over a wire."""

    wire: Wire

    @asynccontextmanager
    async def client(self, *, read_only: bool) -> AsyncIterator[Client]:
        origin = origin_for("us", ENVIRON)
        key = read_key(ENVIRON, None, origin=origin)
        clock = Clock(now=asyncio.get_running_loop().time)
        async with connect(self.config, key, origin, read_only=read_only, http=self.wire, clock=clock) as client:
            yield client


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run: what was planned, what is reported, and what failed before there was anything to report."""

    plan: Plan | None
    report: ApplyReport | None
    error: ReconcilerError | None
    sent: tuple[Passage, ...]

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        if self.plan is not None and self.plan.every_refusal:
            return 5
        return self.report.exit_code if self.report else 0


def a_wired_world(scenario: Scenario, behaviour: Behaviour | None = None) -> WiredWorld:
    """The scenario, ready to be run."""
    emulator = an_emulator(FOREIGN, *scenario.live, behaviour=behaviour)
    return WiredWorld(
        emulator=emulator,
        desired=desired_of(*scenario.specs),
        config=a_config(requests=FAST, **scenario.config),
        options=scenario.options,
        apply_options=ApplyOptions(),
        wire=Wire(emulator),
    )


async def attempt(world: WiredWorld, ward: Ward | None = None) -> Attempt:
    """Plan and apply, as the command does."""
    first, plan, report, error = len(world.wire.passages), None, None, None
    try:
        run = await world.plan_async()
        plan = run.plan
        if ward is not None:
            ward.follow(plan)
        if not plan.every_refusal:
            assert not [passage for passage in world.wire.passages[first:] if passage.is_write]
            report = (await world.apply_planned(run)).report
    except ReconcilerError as failure:
        error = failure
    return Attempt(plan=plan, report=report, error=error, sent=tuple(world.wire.passages[first:]))


@dataclass
class Drill:
    """A scenario under one behaviour: what an undisturbed run does, and disturbed ones."""

    scenario: Scenario
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        world = a_wired_world(self.scenario, self.behaviour)
        done = run_in_virtual_time(attempt(world))
        assert done.exit_code == 0, done
        assert done.plan is not None
        self.plan = done.plan
        self.calls = len(world.wire.passages)
        self.expected = records(world.emulator)
        self.own = {flag.key for flag in self.plan.flags}
        assert run_in_virtual_time(world.plan_async()).plan.is_empty

    def disturb(self, kind: Kind, number: int) -> Attempt:
        """Let a fault happen to the n-th request, then run again, undisturbed, until nothing is left to do."""
        world = a_wired_world(self.scenario, self.behaviour)

        def plan(passage: Passage) -> Fault | None:
            return kind.fault if number <= passage.number < number + kind.lasts else None

        world.wire.plan = plan
        return self._run(world, kind)

    def disturb_with_old_views(self, reads: int, number: int) -> Attempt:
        """From the n-th request on, show old views for so many reads."""
        world, stale = a_wired_world(self.scenario, self.behaviour), Stale()
        kind = Kind(name=f"stale-{reads}", fault=stale.replay, lasts=reads, leaves_doubt=True)

        def plan(passage: Passage) -> Fault:
            return stale.replay if number <= passage.number < number + reads else stale.remember

        world.wire.plan = plan
        return self._run(world, kind)

    def _run(self, world: WiredWorld, kind: Kind) -> Attempt:
        ward = self.watched(world, repeats=kind.repeats or kind.lies)
        ward.weighs = not kind.blurs
        first = run_in_virtual_time(attempt(world, ward))
        if first.report is not None:
            check_report(first.report, first.sent, self.behaviour, leaves_doubt=kind.leaves_doubt, lies=kind.lies)
        elif first.exit_code:
            assert not [passage for passage in first.sent if passage.is_write]
        world.wire.settle()
        world.wire.plan = lambda _: None
        self.recover(world, ward)
        return first

    def watched(self, world: WiredWorld, *, repeats: bool = False) -> Ward:
        """A ward over the world's wire."""
        specs = {key: flag.spec for key, flag in world.desired.flags.items()}
        ward = Ward(world.emulator, specs, self.expected, self.own, repeats=repeats)
        world.wire.watch = ward.saw
        return ward

    def recover(self, world: WiredWorld, ward: Ward) -> None:
        """Run at most twice more; then the declared state holds, and another plan is empty."""
        for _ in range(RERUNS):
            again = run_in_virtual_time(attempt(world, ward))
            if again.report is not None:
                check_report(again.report, again.sent, self.behaviour, leaves_doubt=True)
            if again.exit_code == 0:
                break
        for _ in range(self.behaviour.read_lag + 1):
            last = run_in_virtual_time(attempt(world))
        assert last.plan is not None, last.error
        assert last.plan.is_empty, last.plan
        assert not [passage for passage in last.sent if passage.is_write]
        check_end(world.emulator, ward.before, self.expected, self.own, ward.specs)


def describe(attempted: Attempt) -> dict[str, Any]:
    """An attempt in a line, for messages of failing tests."""
    return {"exit": attempted.exit_code, "error": attempted.error, "report": attempted.report}
