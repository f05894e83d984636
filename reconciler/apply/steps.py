"""One operation of a flag while it is made: what is left to send, the look that it rests on, what became of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from reconciler.apply.report import OperationOutcome, Status
from reconciler.errors import AmbiguousError, ApiError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from reconciler.apply.flag_run import FlagRun
    from reconciler.planning.operations import Operation

T = TypeVar("T")


class Step(Struct, kw_only=True):
    """`operation` is the plan's, `to_send` what is left of it. `status` is None until the step has ended.

    `sent_at` is the server's time just before the last attempt, where it says one.
    `is_added`: no plan showed it. `is_in_flight`: its call was abandoned before there was an answer.
    """

    order: int
    operation: Operation
    to_send: Operation
    is_added: bool = False
    status: Status | None = None
    attempts: int = 0
    is_in_flight: bool = False
    sent_at: datetime | None = None
    http_status: int | None = None
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be made."""
        return self.status is None

    def end(self, status: Status, *, http_status: int | None = None, error: str | None = None) -> None:
        """Note how it ended."""
        self.status, self.http_status, self.error = status, http_status, error

    def outcome(self) -> OperationOutcome:
        """The step for the report; one that was never reached was skipped."""
        return OperationOutcome(
            order=self.order,
            operation=self.operation,
            is_added=self.is_added,
            status=self.status or Status.SKIPPED,
            attempts=self.attempts,
            http_status=self.http_status,
            error=self.error,
        )


def steps_of(operations: Sequence[Operation], *, first: int = 1, is_added: bool = False) -> list[Step]:
    """The operations as steps, in their order, counted from `first`."""
    return [
        Step(order=order, operation=item, to_send=item, is_added=is_added)
        for order, item in enumerate(operations, start=first)
    ]


MAX_AGE_SECONDS = 5.0
"""A read older than this is repeated before a write, however long the server kept the run waiting."""

NEVER = float("-inf")
"""When a flag was seen that was not looked at yet."""


class ChangedMeanwhileError(ApiError):
    """The flag is not what the plan was made from and this run made of it: nothing more of it is sent."""


_WAKING_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
"""A clock that goes on while the machine sleeps: Linux has the first, macOS the second."""


def seconds_asleep() -> int:
    """How long the machine has slept so far, where the system tells."""
    return 0 if _WAKING_CLOCK is None else round(time.clock_gettime(_WAKING_CLOCK) - time.monotonic())


def loop_time() -> float:
    """Now, in seconds of the event loop's clock, and those that the machine slept, which that clock leaves out."""
    return asyncio.get_running_loop().time() + seconds_asleep()


def is_old(seen_at: float) -> bool:
    """Whether a read at that time is too old to write on."""
    return loop_time() - seen_at > MAX_AGE_SECONDS


_LONG_SECONDS = MAX_AGE_SECONDS / 2
"""A read that takes longer is repeated: the rest of its age would hardly do for the write."""


async def timed(read: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """What a read shows, and since when that may be outdated: since it was sent, not since its answer came.

    One that took long, because the answer was slow or this process was suspended, is made once more. Where each is
    slow, the time of the answer counts: such a server could not be written to otherwise. Raises what `read` raises.
    """
    started = loop_time()
    found = await read()
    if loop_time() - started <= _LONG_SECONDS:
        return found, started
    started = loop_time()
    found = await read()
    return found, started if loop_time() - started <= _LONG_SECONDS else loop_time()


class FreshLook:
    """The look that one step of a flag rests on; the transport asks for it before each attempt."""

    def __init__(self, run: FlagRun, step: Step) -> None:
        self._run = run
        self._step = step

    @property
    def is_old(self) -> bool:
        """Whether the flag must be looked at again before anything is sent."""
        return is_old(self._run.seen_at)

    async def renew(self) -> None:
        """Look at the flag again.

        Raises ChangedMeanwhileError where others edited it, and ApiErrors of the read, none of which
        is an AmbiguousError: the write was not sent.
        """
        run = self._run
        try:
            live = await run.look()
        except AmbiguousError as error:
            raise RejectedError(f"Nothing was sent, because reading before it failed: {error}") from error
        if why := run.conflict(live):
            raise ChangedMeanwhileError(why)
        await run.check_copy(self._step.to_send)
        run.seen_at = run.looked_at

    def attempt_started(self) -> None:
        """Count an attempt of the step."""
        self._step.attempts += 1
        self._step.is_in_flight = True
        self._step.sent_at = self._run.context.client.server_date
        self._run.seen = None

    def attempt_ended(self) -> None:
        """Note that its end is known."""
        self._step.is_in_flight = False
