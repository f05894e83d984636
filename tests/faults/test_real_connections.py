"""Connections that are cut for real, on sockets: what a transport within the process can only pretend."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from faults.drills import Drill, WiredWorld, a_wired_world
from faults.oracles import check_end, records
from faults.scenarios import SCENARIOS
from faults.tcp_proxy import Cut, Proxy, a_proxy
from worlds import ENVIRON

from reconciler.api.client import connect
from reconciler.api.credentials import origin_for, read_key
from reconciler.api.limits import RetryPolicy
from reconciler.apply import Status
from reconciler.emulator import serve
from reconciler.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from reconciler.api.client import Client
    from reconciler.apply import ApplyReport

T = TypeVar("T")
NAMES = ("create-with-users", "rename-with-users", "users-replaced", "several", "variants-exchanged", "deployments")
HASTE = RetryPolicy(base=0.005, longest=0.01)


class SkippingLoop(asyncio.SelectorEventLoop):
    """Real time, of which some can be left out: what waits for an answer that never comes waits no longer."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped

    def skip(self) -> None:
        """Let the time of one attempt pass at once."""
        self.skipped += HASTE.attempt_seconds


@dataclass(kw_only=True)
class SocketWorld(WiredWorld):
    """A world whose clients reach the emulator over sockets, through the proxy."""

    url: str

    @asynccontextmanager
    async def client(self, *, read_only: bool) -> AsyncIterator[Client]:
        origin = origin_for("us", {"RECONCILER_API_URL": self.url})
        key = read_key(ENVIRON, None, origin=origin)
        async with connect(self.config, key, origin, read_only=read_only, policy=HASTE) as client:
            yield client


@cache
def drill_of(name: str) -> Drill:
    return Drill(SCENARIOS[name])


def cases() -> list[tuple[str, int, Cut]]:
    return [(name, number, cut) for name in NAMES for number in range(1, drill_of(name).calls + 1) for cut in Cut]


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_every_cut_at_every_request(name: str, count: Any) -> None:
    """Whichever connection is cut in whichever way, two more runs put it right, and the report is true."""
    chosen = [case for case in cases() if case[0] == name]
    for case in chosen:
        _cut(*case)
    count("connections cut", len(chosen))


@pytest.mark.parametrize("block", range(4))
def test_some_cuts(block: int, count: Any) -> None:
    """The same for a sample."""
    chosen = Random(block).sample(cases(), 6)
    for case in chosen:
        _cut(*case)
    count("connections cut", len(chosen))


def _cut(name: str, number: int, cut: Cut) -> None:
    drill, base = drill_of(name), a_wired_world(SCENARIOS[name])
    before = records(base.emulator)
    with serve(base.emulator) as upstream, a_proxy(upstream) as (proxy, url):
        world = SocketWorld(
            emulator=base.emulator,
            desired=base.desired,
            config=base.config,
            options=base.options,
            apply_options=base.apply_options,
            wire=base.wire,
            url=url,
            sleep=_hardly,
        )
        proxy.cuts[number] = cut
        report = _run(_attempt(world), proxy)
        if report is not None:
            _check_report(report, proxy, name, number, cut)
        for _ in range(2):
            report = _run(_attempt(world), proxy)
            assert report is not None
            if report.exit_code == 0:
                break
        again = _run(world.plan_async(), proxy)
    assert again.plan.is_empty, f"{name}, {cut} at {number}: {report}"
    check_end(base.emulator, before, drill.expected, drill.own)


def _run(work: Coroutine[Any, Any, T], proxy: Proxy) -> T:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        loop = cast("SkippingLoop", runner.get_loop())
        proxy.stalled = lambda: loop.call_soon_threadsafe(loop.skip)
        try:
            return runner.run(work)
        finally:
            proxy.stalled = lambda: None


async def _hardly(_: float) -> None:
    await asyncio.sleep(0.002)


async def _attempt(world: SocketWorld) -> ApplyReport | None:
    try:
        return (await world.apply_planned(await world.plan_async())).report
    except ApiError:
        return None


def _check_report(report: ApplyReport, proxy: Proxy, name: str, number: int, cut: Cut) -> None:
    where = f"{name}, {cut} at {number}"
    operations = [item for outcome in report.outcomes for item in outcome.operations]
    sent = [line for line in proxy.arrivals if not line.startswith("GET")]
    done = [line for line in proxy.delivered if not line.startswith("GET")]
    # On a connection that is closed this very moment a request may go out that no server receives.
    unseen = sum(item.attempts for item in operations) - len(sent)
    assert 0 <= unseen <= (cut is Cut.IDLE), where
    assert Status.UNKNOWN not in {item.status for item in operations}, where
    assert sum(item.status is Status.APPLIED for item in operations) == len(set(done)), where
