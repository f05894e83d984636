"""Whether a run goes on: signals abandon what is in flight, failures let it finish."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import run_in_virtual_time

from reconciler.apply import Cancellation
from reconciler.apply.context import ends_the_run
from reconciler.errors import (
    AccessError,
    AmbiguousError,
    BudgetError,
    InterruptedRunError,
    ReconcilerError,
    RejectedError,
)


async def later(seconds: float, value: str = "done") -> str:
    await asyncio.sleep(seconds)
    return value


def test_work_ends_as_it_would_without_a_race() -> None:
    """Without a signal the result is the work's, and so is its failure."""

    async def broken() -> None:
        raise RejectedError("no", status=400)

    async def work() -> str:
        cancellation = Cancellation()
        with pytest.raises(RejectedError):
            await cancellation.run_unless_cancelled(broken())
        return await cancellation.run_unless_cancelled(later(1))

    assert run_in_virtual_time(work()) == "done"


def test_a_signal_abandons_what_is_in_flight() -> None:
    """The signal comes first: the work is given up at once."""

    async def work() -> float:
        cancellation, loop = Cancellation(), asyncio.get_running_loop()
        loop.call_later(1, cancellation.interrupt, 15)
        with pytest.raises(InterruptedRunError) as caught:
            await cancellation.run_unless_cancelled(later(3600))
        assert caught.value.exit_code == 143
        return loop.time()

    assert run_in_virtual_time(work()) < 1010


def test_what_is_abandoned_has_ended_when_the_signal_is_told() -> None:
    """Also where it takes a while to clean up."""
    ended: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(2)
            ended.append("cleaned up")

    async def work() -> None:
        cancellation = Cancellation()
        asyncio.get_running_loop().call_later(1, cancellation.interrupt, 2)
        with pytest.raises(InterruptedRunError, match="nothing more is sent"):
            await cancellation.run_unless_cancelled(slow_to_end())
        assert ended == ["cleaned up"]

    run_in_virtual_time(work())


@pytest.mark.parametrize(
    ("reason", "failed", "why"),
    [
        (AccessError("no", status=401), "a", "Skipped after a was refused (401)."),
        (AccessError("no", status=403), "a", "Skipped after a was refused (403)."),
        (RejectedError("slow down", status=429), "a", "Skipped after a failed."),
        (AccessError("no", status=401), None, "no"),
        (BudgetError("spent"), "a", "spent"),
        (InterruptedRunError("Stopped.", 2), "a", "Stopped."),
    ],
)
def test_why_the_others_are_skipped(reason: ReconcilerError, failed: str | None, why: str) -> None:
    """By the flag that failed, but for what is no failure of it; the first reason counts."""
    cancellation = Cancellation()
    assert not cancellation.is_set
    cancellation.stop(reason, failed)
    cancellation.stop(RejectedError("later", status=429), "b")
    assert (cancellation.is_set, cancellation.why) == (True, why)


def test_after_a_signal_nothing_begins() -> None:
    """Work that is raced after the signal is never started."""
    started: list[int] = []

    async def begin() -> None:
        started.append(1)

    async def work() -> None:
        cancellation = Cancellation()
        cancellation.interrupt(2)
        with pytest.raises(InterruptedRunError):
            await cancellation.run_unless_cancelled(begin())

    run_in_virtual_time(work())
    assert started == []


def test_a_failure_lets_what_is_in_flight_finish() -> None:
    """Only a signal abandons: a refused key elsewhere stops the next call, not this one."""

    async def work() -> str:
        cancellation = Cancellation()
        asyncio.get_running_loop().call_later(1, cancellation.stop, AccessError("no", status=401))
        return await cancellation.run_unless_cancelled(later(5))

    assert run_in_virtual_time(work()) == "done"


def test_a_signal_outranks_a_failure() -> None:
    """A run that was failing is reported as interrupted once it is; of two signals, the first counts."""
    cancellation = Cancellation()
    cancellation.stop(BudgetError("spent"))
    cancellation.interrupt(2)
    cancellation.interrupt(15)
    cancellation.stop(BudgetError("again"))
    assert isinstance(cancellation.reason, InterruptedRunError)
    assert cancellation.reason.exit_code == 130


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (AccessError("no", status=401), True),
        (BudgetError("spent"), True),
        (RejectedError("slow down", status=429), True),
        (InterruptedRunError("", 2), True),
        (RejectedError("no", status=400), False),
        (AmbiguousError("?", ""), False),
        (ValueError(), False),
    ],
)
def test_what_ends_the_run(error: Exception, ends: bool) -> None:
    """The key, the limits and signals concern every flag; a refused call concerns its own."""
    assert ends_the_run(error) is ends
