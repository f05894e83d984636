"""What every flag of a run shares: the client, the planner, and whether to go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from reconciler.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from reconciler.api.client import Client
    from reconciler.errors import ReconcilerError
    from reconciler.model import DesiredState, LiveState
    from reconciler.planning.operations import Operation
    from reconciler.planning.planner import Planner

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How to apply. `on_error_abort`: the first failure stops every flag, not only its own."""

    verify: bool = True
    on_error_abort: bool = False
    concurrency: int = 16
    read_back_delays: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 3.0, 3.0)
    """Seconds to wait before each further read-back where the first does not show what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyEvent:
    """Progress: `done` of `total` operations of the plan have an outcome; `flag_key` is the one just worked on."""

    done: int
    total: int
    flag_key: str
    operation: Operation | None = None


class Halt:
    """Whether the run goes on: a signal, a refused key or an exhausted budget ends it for every flag."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason: ReconcilerError | None = None

    def stop(self, reason: ReconcilerError) -> None:
        """End the run; the first reason is kept."""
        if self.reason is None:
            self.reason = reason
        self._event.set()

    def interrupt(self, signal_number: int) -> None:
        """End the run because of a signal."""
        self.stop(InterruptedRunError("Interrupted: nothing more is sent.", signal_number))

    @property
    def is_set(self) -> bool:
        """Whether nothing more may be sent."""
        return self._event.is_set()

    @property
    def is_signal(self) -> bool:
        """Whether a signal, rather than a failure, ended the run."""
        return isinstance(self.reason, InterruptedRunError)

    async def race(self, request: Coroutine[object, object, T]) -> T:
        """The request's answer. A signal that comes first abandons the request: InterruptedRunError."""
        sending = asyncio.ensure_future(request)
        stopping = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            while not sending.done() and not self.is_signal:
                # A failure elsewhere lets what is in flight finish; only a signal abandons it.
                await asyncio.wait({sending}, timeout=0.05)
            if sending.done():
                return sending.result()
            assert isinstance(self.reason, InterruptedRunError)
            raise self.reason
        finally:
            stopping.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, stopping, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """One run. `sleep` is injectable so that tests need not wait."""

    client: Client
    planner: Planner
    desired: DesiredState
    live: LiveState
    options: ApplyOptions
    halt: Halt
    on_event: Callable[[ApplyEvent], None]
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)
