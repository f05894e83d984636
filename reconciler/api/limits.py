"""What is repeated, how long is waited, and how fast and how much one run may ask."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from math import isnan
from random import uniform
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter
from msgspec import Struct

from reconciler.errors import TOO_MANY_REQUESTS, AmbiguousError, ApiError, BudgetError, NotSentError
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class Repeat(Enum):
    """Which failures of a call may be answered by sending it again."""

    ALWAYS = "reads: they change nothing"
    IF_WITHOUT_EFFECT = "writes: only what was not sent or was refused with 429"
    IF_NOT_SENT = "calls with an index into a list, which may have changed meanwhile"


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How long and how often to try. Times are seconds.

    `attempts` a call; `retries` beyond first attempts in a whole run; `attempt_seconds` from connecting to the last
    byte of an answer; `run_seconds` from the first request of a run on. Waits double from `base` to `longest`, with
    full jitter; one that the server asks for is kept up to `longest_asked`.
    """

    attempts: int = 4
    retries: int = 50
    attempt_seconds: float = 30
    connect_seconds: float = 10
    run_seconds: float = 7200
    base: float = 0.5
    longest: float = 20
    longest_asked: float = 120


class Failure(Struct, frozen=True):
    """One attempt that failed: the error that it would be, and the wait in seconds that the server asked for.

    Every failure is one of three, and all safety rests on the difference: *not sent*, the server never saw
    it; *ambiguous*, it may or may not have taken effect; *rejected*, it did not.
    """

    error: ApiError
    retry_after: float | None = None

    @property
    def is_throttled(self) -> bool:
        """Whether the server asked for fewer requests."""
        return self.error.status == TOO_MANY_REQUESTS


def may_repeat(failure: Failure, repeat: Repeat) -> bool:
    """Whether a call that failed so may be sent again."""
    if isinstance(failure.error, NotSentError):
        return True
    if repeat is Repeat.IF_NOT_SENT:
        return False
    return failure.is_throttled or (repeat is Repeat.ALWAYS and isinstance(failure.error, AmbiguousError))


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, 0 or more; None where it says nothing that can be understood.

    A date counts from the answer's own `Date`, so that a wrong local clock does not matter; from `now` without one.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None:
            return None
        seconds = (until - (http_date(headers.get("date", "")) or now)).total_seconds()
    return None if isnan(seconds) else max(seconds, 0.0)


def http_date(text: str) -> datetime | None:
    """The time that a header names, in UTC, or None."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def seconds_to_wait(failure: Failure, attempt: int, policy: RetryPolicy) -> float:
    """How long to wait after the failure of an attempt, counted from 1: what the server asked for, or with jitter."""
    if failure.retry_after is not None:
        return min(failure.retry_after, policy.longest_asked)
    return uniform(0, min(policy.base * 2 ** (attempt - 1), policy.longest))  # noqa: S311 - no secret


_BURST = 3
_SMALLEST_WITH_BURST = 30


class Clock(Struct, frozen=True, kw_only=True):
    """Time as the transport sees it: a monotonic `now` and `sleep` in seconds, and the date as `today` gives it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    date: Callable[[], datetime] = lambda: datetime.now(UTC)


def rate_limiter(per_second: int) -> AsyncLimiter:
    """A leaky bucket that lets at most `per_second` requests start in any second, bursts included.

    What a bucket passes in a second is its size and what leaks meanwhile, so the two share `per_second`. A small
    burst makes up for timers that fire late.
    """
    burst = _BURST if per_second >= _SMALLEST_WITH_BURST else 1
    leak = per_second - burst if burst > 1 else per_second * 0.95
    return AsyncLimiter(burst, burst / leak)


class RateLimiter(Struct):
    """When the next request may start. A 429 pauses every call, not only the one that got it."""

    limiter: AsyncLimiter
    clock: Clock
    _held_until: float = 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing start for so long."""
        self._held_until = max(self._held_until, self.clock.now() + seconds)

    async def acquire(self) -> None:
        """Return when the caller may send."""
        served = 0.0
        while served < self._held_until and self._held_until > self.clock.now():
            served = self._held_until
            await self.clock.sleep(served - self.clock.now())
        await self.limiter.acquire()


class RequestBudget(Struct):
    """What a run has spent of its budgets. `requests` counts every attempt, `retries` those beyond the first.

    `earlier` are the requests that the run sent through another connection before: an apply reads first.
    """

    policy: RetryPolicy
    daily_budget: int
    clock: Clock
    earlier: int = 0
    requests: int = 0
    retries: int = 0
    _started: float | None = None

    @property
    def has_retries(self) -> bool:
        """Whether another attempt of a call that failed is still allowed."""
        return self.retries < self.policy.retries

    def reserve(self, call: object) -> float:
        """Count a request that is about to be sent; returns the seconds it may take.

        Raises BudgetError, with nothing sent, where the run or the day has no room for it.
        """
        now = self.clock.now()
        if self._started is None:
            self._started = now
        left = self._started + self.policy.run_seconds - now
        if left <= 0:
            raise BudgetError(
                f"{call} was not sent: this run has taken longer than {self.policy.run_seconds:g} seconds. Run it"
                " again; it goes on from what is in place."
            )
        if self.earlier + self.requests >= self.daily_budget:
            raise BudgetError(
                f"{call} was not sent: this run has sent the {counted(self.daily_budget, 'request')} that it may"
                " (requests.dailyBudget, or --budget). That is counted for each run, and not for the day."
            )
        self.requests += 1
        return min(left, self.policy.attempt_seconds)
