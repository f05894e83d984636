"""Signals that arrive at any request: the process ends as it should, and the next run puts everything right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from faults.checkouts import Hold, a_checkout
from faults.drills import Drill
from faults.scenarios import SCENARIOS

from reconciler.model.config import Requests

if TYPE_CHECKING:
    from fault_injection import Arrival
    from faults.checkouts import Checkout

    from reconciler.emulator import LogEntry, RawRequest

NAMES = (
    "create-everything", "create-two", "weights-behind-a-shield", "rename-with-users", "variants-exchanged",
    "users-replaced", "copies-and-others", "enable-while-removing-a-variant", "several", "everything-at-once",
)  # fmt: skip


CONCURRENCY = Requests().concurrency


@dataclass(frozen=True)
class Blow:
    """A signal at a request: while it is under way, before it is done or after."""

    signal: signal.Signals
    after_commit: bool

    def __str__(self) -> str:
        return f"{self.signal.name} {'after' if self.after_commit else 'before'} the request is done"


BLOWS = [Blow(number, after) for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM) for after in (False, True)]


@cache
def drill_of(name: str) -> Drill:
    return Drill(SCENARIOS[name])


@cache
def calls_of(name: str) -> tuple[str, ...]:
    """The methods of the undisturbed run of the command, in order."""
    with TemporaryDirectory() as directory, a_checkout(Path(directory), SCENARIOS[name]) as checkout:
        done = checkout.apply()
        assert done.code == 0, done.err
        return tuple(arrival.method for arrival in checkout.network.arrivals)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("blow", BLOWS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_at_every_call(name: str, blow: Blow, tmp_path: Path, count: Any) -> None:
    """At whichever request the signal comes: nothing more is sent, the report is true, the next runs converge."""
    for number in range(1, len(calls_of(name)) + 1):
        _strike(tmp_path / str(number), name, blow, number)
        count("processes struck", 1)


def _sample() -> list[tuple[str, Blow, float]]:
    random = Random(7)
    return [(name, BLOWS[index % len(BLOWS)], random.random()) for index, name in enumerate(NAMES * 2)]


@pytest.mark.parametrize(("name", "blow", "place"), _sample(), ids=str)
def test_a_signal_at_some_calls(name: str, blow: Blow, place: float, tmp_path: Path, count: Any) -> None:
    """The same at one request of each scenario, twice."""
    reads = drill_of(name).plan.requests
    number = reads + 1 + int(place * (drill_of(name).calls - reads))
    _strike(tmp_path / "repository", name, blow, number)
    count("processes struck", 1)


def _strike(root: Path, name: str, blow: Blow, number: int) -> None:
    root.mkdir()
    with a_checkout(root, SCENARIOS[name]) as checkout:
        drill = drill_of(name)
        ward = drill.watched(checkout.world)
        struck = _run_struck(checkout, blow, number)
        if struck is None:
            return
        if blow.signal is not signal.SIGKILL:
            _check_end_of_process(checkout, blow, struck)
        drill.recover(checkout.world, ward)


@dataclass(frozen=True)
class Struck:
    """How a struck process ended. `held` is the request that was under way, `writes` what was done before its end."""

    code: int
    out: str
    err: str
    held: Arrival
    request: RawRequest
    arrived: int
    writes: tuple[LogEntry, ...]


def _run_struck(checkout: Checkout, blow: Blow, number: int, *arguments: str) -> Struck | None:
    """Send the signal while the n-th request is held, and let that request go on once the process has ended."""
    held: list[Arrival] = []
    arrived: list[int] = []
    started = threading.Event()

    def reached(arrival: Arrival) -> None:
        started.wait(10)
        held.append(arrival)
        arrived.append(len(checkout.door.arrived))
        process.send_signal(blow.signal)

    drop = blow.signal is signal.SIGKILL and not blow.after_commit
    hold = checkout.door.hold = Hold(number, reached, after_commit=blow.after_commit, drop=drop)
    process = checkout.start("apply", "--auto-approve", "--report", "report.json", *checkout.options, *arguments)
    started.set()
    out, err = process.communicate(timeout=60)
    writes = tuple(checkout.world.emulator.writes)
    hold.released.set()
    if not held:
        return None
    assert hold.done.wait(10)
    return Struck(process.returncode, out, err, held[0], hold.request, arrived[0], writes)


def _check_end_of_process(checkout: Checkout, blow: Blow, struck: Struck) -> None:
    assert struck.code == 128 + blow.signal, struck.err
    is_write = struck.held.method != "GET"
    later = checkout.door.arrived[struck.arrived :]
    # What was sent side by side while the signal was on its way was not sent after it: calls of other flags, reads.
    # Of each other flag that is a call on its way, and one more where its answer and the signal came together.
    others = 2 * (len(checkout.world.desired.flags) - 1)
    assert sum(method != "GET" for method in later) <= others, f"{later} were sent after the signal"
    assert len(later) <= (others if is_write else CONCURRENCY - 1), f"{later} were sent after the signal"
    report = checkout.report()
    assert report is None or report["error"]["kind"] == "interrupted"
    if report is None or "flags" not in report:  # the run ended before there was anything to report
        assert not struck.writes
        assert not is_write
        return
    for flag in report["flags"]:
        statuses = [item["status"] for item in flag["operations"]]
        done = sum(_is_of(entry, flag) for entry in struck.writes)
        assert "failed" not in statuses
        assert statuses.count("applied") <= done <= statuses.count("applied") + statuses.count("unknown")
        assert statuses.count("unknown") <= 1
        if is_write and _is_of(struck.request, flag):
            assert statuses.count("unknown") == 1, flag


def _is_of(request: LogEntry | RawRequest, flag: dict[str, Any]) -> bool:
    """Whether a request is one of a flag of the report."""
    if request.path.endswith("/flags"):
        body = request.body if isinstance(request.body, dict) else json.loads(request.body or b"{}")
        return bool(body.get("key") == flag["key"])
    return flag["id"] is not None and f"/flags/{flag['id']}" in request.path


def test_a_signal_between_plan_and_first_write_sends_nothing(tmp_path: Path) -> None:
    """Once the plan is shown and before anything is written, a signal means that nothing is."""
    name = "several"
    with a_checkout(tmp_path, SCENARIOS[name]) as checkout:
        reads = drill_of(name).plan.requests
        struck = _run_struck(checkout, Blow(signal.SIGTERM, after_commit=False), reads + 1)
        assert struck is not None
        assert (struck.code, struck.held.method) == (143, "GET")
        assert checkout.world.emulator.writes == []
        flags = checkout.report()["flags"]
        assert {flag["status"] for flag in flags} == {"skipped"}


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """While the report of an interrupted run cannot be written, another signal ends the process."""
    with a_checkout(tmp_path, SCENARIOS["several"]) as checkout:
        os.mkfifo(tmp_path / "report.json")
        reached = threading.Event()
        number = drill_of("several").plan.requests + 1
        hold = checkout.door.hold = Hold(number, lambda _: reached.set())
        process = checkout.start("apply", "--auto-approve", "--report", "report.json", *checkout.options)
        assert reached.wait(30)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 143
        hold.released.set()


def test_the_report_of_an_interrupted_run_is_printed_too(tmp_path: Path) -> None:
    """Under --format json stdout holds the same document as the file."""
    with a_checkout(tmp_path, SCENARIOS["several"]) as checkout:
        number = drill_of("several").plan.requests + 3
        struck = _run_struck(checkout, Blow(signal.SIGINT, after_commit=False), number, "--format", "json")
        assert struck is not None
        assert struck.code == 130
        assert json.loads(struck.out) == checkout.report()
