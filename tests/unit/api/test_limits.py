"""How fast and how much: measured in time that a test makes, not in seconds that it waits."""

from __future__ import annotations

import asyncio
import selectors
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import LOOPBACK, Handler, StoppedClock, a_key, send
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.api.limits import Clock, RateLimiter, RequestBudget, RetryPolicy, http_date, rate_limiter
from reconciler.api.pages import map_bounded
from reconciler.api.transport import Transport
from reconciler.errors import AmbiguousError, BudgetError, RejectedError, WithheldError
from reconciler.model.config import Requests

if TYPE_CHECKING:
    from collections.abc import Coroutine


class _Skipping(selectors.DefaultSelector):
    """Does not wait: tells the loop's clock how long it would have."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        self.skipped += 1e-7  # time always passes: who waits for the next instant would wait for ever
        if not ready and timeout:
            self.skipped += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while no task has anything to do."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.skipped


def in_virtual_time(main: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns, run in time that does not take any."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


def loop_clock() -> Clock:
    """The running loop's time as the transport's clock."""
    return Clock(now=asyncio.get_running_loop().time)


def busiest_second(times: list[float]) -> int:
    """The most starts in any window of one second, its end not included."""
    return max(bisect_left(times, start + 1 - 1e-6) - index for index, start in enumerate(times))


async def starts(per_second: int, count: int, workers: int, pauses: list[float]) -> list[float]:
    """When so many requests start that are made as fast as they may be, with pauses of the caller in between."""
    limiter, loop, times = rate_limiter(per_second), asyncio.get_running_loop(), []

    async def one(index: int) -> None:
        await asyncio.sleep(pauses[index % len(pauses)] if pauses else 0)
        await limiter.acquire()
        times.append(loop.time())

    await map_bounded(one, range(count), limit=workers)
    return sorted(times)


@settings(max_examples=150, deadline=None)
@given(
    per_second=st.integers(1, 300),
    workers=st.integers(1, 40),
    pauses=st.lists(st.floats(0, 2), max_size=7),
)
@example(per_second=100, workers=16, pauses=[])
@example(per_second=1, workers=4, pauses=[])
@example(per_second=29, workers=16, pauses=[0.0, 1.0])
def test_no_second_sees_more_than_allowed(per_second: int, workers: int, pauses: list[float]) -> None:
    """In no second do more requests start than `perSecond` says, after pauses and in bursts alike."""
    times = in_virtual_time(starts(per_second, min(5 * per_second, 400), workers, pauses))
    assert busiest_second(times) <= per_second


@pytest.mark.parametrize(("per_second", "count"), [(95, 5000), (50, 500), (100, 1000), (10, 100), (1, 10)])
def test_the_allowed_rate_is_used(per_second: int, count: int) -> None:
    """A long run of requests takes at most 8 percent longer than the rate allows, and 5 at the rate of the target."""
    times = in_virtual_time(starts(per_second, count, 16, []))
    assert times[-1] <= count / per_second * (1.05 if per_second >= 95 else 1.08)


@pytest.mark.parametrize(("per_second", "at_once"), [(1, 1), (29, 1), (30, 3), (100, 3)])
def test_a_burst_of_three_from_thirty_a_second_on(per_second: int, at_once: int) -> None:
    """So many requests start in the first moment; below, one at a time."""
    begun = in_virtual_time(starts(per_second, 5, 5, [0.0]))
    assert sum(start - begun[0] < 1e-3 for start in begun) == at_once


def test_a_pause_holds_every_start_back() -> None:
    """While the pace is held nothing starts; a longer hold that comes meanwhile counts."""

    async def session() -> list[float]:
        pace, loop, times = RateLimiter(rate_limiter(1000), loop_clock()), asyncio.get_running_loop(), []

        async def one(_: int) -> None:
            await pace.acquire()
            times.append(loop.time())

        await one(0)
        pace.pause(10)
        loop.call_later(5, pace.pause, 20)
        await map_bounded(one, range(5), limit=5)
        return times

    first, *others = in_virtual_time(session())
    assert first < 0.1
    assert all(25 <= time < 25.1 for time in others)


def test_a_shorter_hold_does_not_shorten_a_longer_one() -> None:
    """Of two holds the one that ends later counts."""

    async def session() -> float:
        pace = RateLimiter(rate_limiter(1000), loop_clock())
        pace.pause(10)
        pace.pause(1)
        await pace.acquire()
        return asyncio.get_running_loop().time()

    assert in_virtual_time(session()) >= 10


def test_a_hold_counts_from_the_first_moment_of_a_clock() -> None:
    """Clocks that start at 0 are held for fractions of a second too."""

    async def session() -> float:
        pace = RateLimiter(rate_limiter(1000), loop_clock())
        pace.pause(0.5)
        await pace.acquire()
        return asyncio.get_running_loop().time()

    assert 0.5 <= in_virtual_time(session()) < 0.6


def test_spending_counts_and_stops() -> None:
    """Requests are counted one by one, and the one beyond the day's budget is refused and not counted."""
    spending = RequestBudget(RetryPolicy(attempt_seconds=30, run_seconds=100), 2, Clock(now=lambda: 0))
    assert [spending.reserve("x"), spending.reserve("x")] == [30, 30]
    with pytest.raises(BudgetError, match="counted for each run"):
        spending.reserve("x")
    assert spending.requests == 2


def test_what_a_run_may_take_by_default() -> None:
    """An attempt 30 seconds, to connect 10 of them; a run two hours, and 50 repetitions in all of it."""
    clock = StoppedClock()
    budget = RequestBudget(RetryPolicy(), 10, clock.clock)
    assert budget.reserve("GET /flags") == 30
    clock.seconds += 7199
    assert budget.reserve("GET /flags") == 1
    clock.seconds += 1
    with pytest.raises(BudgetError, match="7200 seconds"):
        budget.reserve("GET /flags")
    budget.retries = 49
    assert budget.has_retries
    budget.retries = 50
    assert not budget.has_retries
    asked: list[httpx.Request] = []
    send(lambda request: asked.append(request) or httpx.Response(200, content=b"[]"), "GET", ["flags"])
    assert asked[0].extensions["timeout"] == {"connect": 10, "read": 30, "write": 30, "pool": 30}


def test_an_attempt_may_not_outlast_the_run() -> None:
    """Near the end of a run an attempt has only what is left of it."""
    time = iter([0, 90, 101])
    spending = RequestBudget(RetryPolicy(attempt_seconds=30, run_seconds=100), 10, Clock(now=lambda: next(time)))
    assert [spending.reserve("x"), spending.reserve("x")] == [30, 10]
    with pytest.raises(BudgetError, match="100 seconds"):
        spending.reserve("x")


class _Slow(httpx.AsyncBaseTransport):
    """A server that takes its time, and remembers how many requests it had at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.under_way, self.most, self.seen = seconds, 0, 0, 0

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        self.under_way += 1
        self.seen += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        return httpx.Response(200, stream=httpx.ByteStream(b"[]"))


def _transport(server: httpx.AsyncBaseTransport, **options: Any) -> Transport:
    return Transport(origin=LOOPBACK, key=a_key(), read_only=False, clock=loop_clock(), http=server, **options)


def test_no_more_requests_are_open_than_allowed() -> None:
    """However many calls are made at once, `concurrency` of them are under way."""

    async def session() -> int:
        server = _Slow(1)
        async with _transport(server, requests=Requests(per_second=100_000, concurrency=16)) as transport:
            await asyncio.gather(*(transport.send("GET", ["flags"]) for _ in range(100)))
        return server.most

    assert in_virtual_time(session()) == 16


def test_requests_start_no_faster_than_allowed() -> None:
    """Of a transport too, however many calls are made at once."""

    async def session() -> float:
        server = Handler(lambda _: httpx.Response(200, json=[]))
        async with _transport(server, requests=Requests(per_second=10, concurrency=16)) as transport:
            await asyncio.gather(*(transport.send("GET", ["flags"]) for _ in range(20)))
        return asyncio.get_running_loop().time()

    assert 1.9 <= in_virtual_time(session()) <= 2.1


@pytest.mark.parametrize(("method", "attempts"), [("GET", 4), ("POST", 1)])
def test_an_attempt_has_a_deadline(method: str, attempts: int) -> None:
    """A server that does not answer in time is given up: reads are repeated, writes are ambiguous at once."""

    async def session() -> float:
        server = _Slow(1000)
        async with _transport(server, policy=RetryPolicy(attempt_seconds=30)) as transport:
            with pytest.raises(AmbiguousError, match="in time"):
                await transport.send(method, ["flags"])
        assert (server.seen, server.under_way) == (attempts, 0)
        return asyncio.get_running_loop().time()

    assert 30 * attempts <= in_virtual_time(session()) <= 30 * attempts + 4


def test_a_call_that_is_abandoned_leaves_its_place() -> None:
    """Cancelling a call gives its connection back, and is not answered by a repetition."""

    async def session() -> int:
        server = _Slow(10)
        requests = Requests(per_second=100_000, concurrency=1)
        async with _transport(server, requests=requests) as transport:
            first = asyncio.create_task(transport.send("GET", ["flags"]))
            await asyncio.sleep(1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            await transport.send("GET", ["flags"])
        return server.seen

    assert in_virtual_time(session()) == 2


def test_parallel_results_come_in_order() -> None:
    """Results stand in the order of the items, however long each took, and no more than `limit` run at once."""
    under_way = most = 0

    async def slow(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(10 - number)
        under_way -= 1
        return number * number

    assert in_virtual_time(map_bounded(slow, range(10), limit=3)) == [number * number for number in range(10)]
    assert most == 3
    assert in_virtual_time(map_bounded(slow, [], limit=3)) == []


def test_the_first_failure_stops_the_others() -> None:
    """Its exception is raised as it is, and calls that wait or sleep are not finished."""
    finished: list[int] = []

    async def call(number: int) -> None:
        await asyncio.sleep(number)
        if number == 2:
            raise RejectedError("no", status=400)
        finished.append(number)

    with pytest.raises(RejectedError, match="no"):
        in_virtual_time(map_bounded(call, range(10), limit=4))
    assert finished == [0, 1]


def test_throttled_calls_do_not_storm() -> None:
    """A server that turns everything away for ten seconds sees few requests in them, from all calls together."""

    async def session() -> tuple[int, float]:
        loop, seen = asyncio.get_running_loop(), 0

        def answer(_: httpx.Request) -> httpx.Response:
            nonlocal seen
            seen += 1
            left = 10 - loop.time()
            return httpx.Response(429, headers={"Retry-After": "10"}) if left > 0 else httpx.Response(200, json=[])

        async with _transport(Handler(answer), requests=Requests(per_second=50)) as transport:
            await asyncio.gather(*(transport.send("GET", ["flags"]) for _ in range(40)))
        return seen, loop.time()

    seen, seconds = in_virtual_time(session())
    assert seen <= 40 + 16
    assert seconds < 13


@pytest.mark.parametrize(
    "text", ["", "x", "Wed, 02 Jan 99999 11:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0200", "\0", "0" * 500]
)
def test_a_date_header_may_be_anything(text: str) -> None:
    """What is no date is None, and no exception."""
    assert http_date(text) is None


@pytest.mark.parametrize(
    ("first", "status", "said"),
    [
        ("GET", 401, "the key was refused (401) before."),
        ("POST", 401, "the key was refused (401) before."),
        ("POST", 403, "another change was refused (403) before."),
        ("GET", 403, None),
        ("POST", 400, None),
    ],
)
def test_no_write_follows_a_refusal_of_the_key_or_of_a_write(first: str, status: int, said: str | None) -> None:
    """It is withheld, and was not sent; reads are sent all the same, and writes after any other refusal."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(status if len(asked) == 1 else 200)

    async def session() -> None:
        async with _transport(Handler(answer)) as transport:
            with pytest.raises(RejectedError):
                await transport.send(first, ["flags"])
            await transport.send("GET", ["flags"])
            if said is None:
                await transport.send("PATCH", ["flags", "1"])
            else:
                with pytest.raises(WithheldError) as caught:
                    await transport.send("PATCH", ["flags", "1"])
                assert str(caught.value) == f"PATCH /api/1/flags/1 was not sent: {said}"
                assert caught.value.status == status

    in_virtual_time(session())
    assert asked == [first, "GET"] + ["PATCH"] * (said is None)
