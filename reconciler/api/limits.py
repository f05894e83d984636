"""How fast and how much may be asked: the rate, the pauses that the server orders, and what one run may spend."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter
from msgspec import Struct

from reconciler.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.retry import RetryPolicy

_BURST = 3
_SMALLEST_WITH_BURST = 30


class Clock(Struct, frozen=True, kw_only=True):
    """Time as the transport sees it: a monotonic `now` and `sleep` in seconds, and the date as `today` gives it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    date: Callable[[], datetime] = lambda: datetime.now(UTC)


def rate_limiter(per_second: int) -> AsyncLimiter:
    """A leaky bucket that lets at most `per_second` requests start in any second, bursts included.

    What a bucket passes in a second is its size and what leaks meanwhile, so the two share `per_second`. A burst
    of a few is worth having: it makes up for a timer that fires late.
    """
    burst = _BURST if per_second >= _SMALLEST_WITH_BURST else 1
    leak = per_second - burst if burst > 1 else per_second * 0.95
    return AsyncLimiter(burst, burst / leak)


class RateLimiter(Struct):
    """When the next request may start. A 429 holds back every call, not just the one that met it."""

    limiter: AsyncLimiter
    clock: Clock
    _held_until: float = 0.0

    def hold(self, seconds: float) -> None:
        """Let nothing start for so long."""
        self._held_until = max(self._held_until, self.clock.now() + seconds)

    async def turn(self) -> None:
        """Return when it is the caller's turn."""
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
                " again; it goes on from what is in place.",
                attempts=0,
            )
        if self.earlier + self.requests >= self.daily_budget:
            raise BudgetError(
                f"{call} was not sent: this run has used up requests.dailyBudget ({self.daily_budget} requests)."
                " Run it again after 00:00 UTC, when the API's day ends, or raise the budget.",
                attempts=0,
            )
        self.requests += 1
        return min(left, self.policy.attempt_seconds)
