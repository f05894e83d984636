"""What every flag of a run shares: the client, the planner, the progress, and whether to go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from reconciler.errors import TOO_MANY_REQUESTS, AccessError, BudgetError, InterruptedRunError, RejectedError
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from reconciler.api.client import Client
    from reconciler.errors import ReconcilerError
    from reconciler.model.flag import DesiredState, LiveState
    from reconciler.planning.planner import Planner


T = TypeVar("T")


class ApplyOptions(Struct, frozen=True, kw_only=True):
    """How to apply. `on_error_abort`: the first failure stops every flag, not only its own."""

    verify: bool = True
    on_error_abort: bool = False
    concurrency: int = 16
    read_back_delays: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 3.0, 3.0)
    """Seconds to wait before each further read-back where the first does not show what was written."""


class Cancellation:
    """Whether the run goes on: a signal, a refused key or an exhausted budget ends it for every flag."""

    def __init__(self) -> None:
        self._interrupted = asyncio.Event()
        self.reason: ReconcilerError | None = None
        self.interruption: InterruptedRunError | None = None
        self._failed: str | None = None

    def stop(self, reason: ReconcilerError, failed: str | None = None) -> None:
        """End the run: nothing more is sent, what is in flight may finish. The first reason is kept.

        `failed` is the key of the flag whose failure it is.
        """
        if self.reason is None:
            self.reason, self._failed = reason, failed

    @property
    def why(self) -> str:
        """Why nothing of the other flags is sent; what was said of the flag that failed is not said again."""
        if self._failed is None or isinstance(self.reason, InterruptedRunError | BudgetError):
            return str(self.reason)
        how = f"was refused ({self.reason.status})" if isinstance(self.reason, AccessError) else "failed"
        return f"Skipped after {self._failed} {how}."

    def interrupt(self, signal_number: int) -> None:
        """End the run because of a signal, which outranks any other reason: what is in flight is abandoned."""
        if self.interruption is None:
            self.interruption = InterruptedRunError("Interrupted: nothing more is sent.", signal_number)
            self.reason = self.interruption
        self._interrupted.set()

    @property
    def is_set(self) -> bool:
        """Whether nothing more may be sent."""
        return self.reason is not None

    async def run_unless_cancelled(self, work: Coroutine[object, object, T]) -> T:
        """The work's result. A signal that comes first, or came before, abandons it: InterruptedRunError."""
        if self.interruption is not None:
            work.close()
            raise self.interruption
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._interrupted.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            assert self.interruption is not None
            raise self.interruption
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)


def ends_the_run(error: Exception | None) -> bool:
    """Whether every other call would fail too: because of the key, a signal, or limits of the server or our own."""
    if isinstance(error, AccessError | BudgetError | InterruptedRunError):
        return True
    return isinstance(error, RejectedError) and error.status == TOO_MANY_REQUESTS


class ApplyContext(Struct, frozen=True, kw_only=True):
    """One run. `sleep` is what waits between looks."""

    client: Client
    planner: Planner
    desired: DesiredState
    live: LiveState
    options: ApplyOptions
    cancellation: Cancellation
    progress: ApplyProgress
    sleep: Callable[[float], Awaitable[None]]

    async def pause(self, seconds: float) -> None:
        """Wait. Raises InterruptedRunError as soon as a signal comes."""
        if seconds:
            await self.cancellation.run_unless_cancelled(self._slept(seconds))

    async def _slept(self, seconds: float) -> None:
        await self.sleep(seconds)


class ApplyProgress:
    """Counts what has an outcome; what is skipped has one. What a flag needs beyond its plan does not count."""

    def __init__(self, operations: Mapping[str, int], *, verify: bool, progress: Progress | None) -> None:
        self._operations = operations
        self._read_backs = 1 if verify else 0
        self._reached = dict.fromkeys(operations, 0)
        self._progress = progress or Progress()
        self._progress.start("Applying", sum(operations.values()) + self._read_backs * len(operations))

    def operations_ended(self, key: str, operations: int) -> None:
        """So many operations of a flag have an outcome."""
        self._reach(key, min(operations, self._operations[key]), "Applying")

    def flag_ended(self, key: str) -> None:
        """Nothing more of a flag is sent."""
        self._reach(key, self._operations[key], "Applying")

    def read_back(self, key: str) -> None:
        """A flag needs no further look."""
        self._reach(key, self._operations[key] + self._read_backs, "Reading back")

    def reads(self) -> Progress:
        """Where the reads of a read-back are counted."""
        self._progress.what = "Reading back"
        return self._progress

    def _reach(self, key: str, count: int, what: str) -> None:
        steps = count - self._reached[key]
        if steps > 0:
            self._reached[key] = count
            self._progress.what = what
            self._progress.advance(steps)
