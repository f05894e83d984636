"""An event loop whose time passes only while no task has anything to do: a wait of an hour takes no time at all.

For coroutines that stay within the process. Deadlines, rate limits, back-off and pauses behave as they do in real
time, because everything that waits asks the loop what time it is.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

EPOCH = 1000.0

_TICK = 1e-6
"""Something always takes some time: who waits for a moment too short to be counted would wait for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self._virtual_now = EPOCH
        super().__init__(_Impatient(self))

    def time(self) -> float:
        return self._virtual_now

    def skip(self, seconds: float) -> None:
        """Let so much time pass."""
        self._virtual_now += seconds


class _Impatient(selectors.DefaultSelector):
    """Looks for events once; where it would wait for one, time passes instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        self._loop.skip(_TICK)
        if found or timeout == 0:
            return found
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self._loop.skip(timeout)
        return found


def run_in_virtual_time(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never leaves the process; its waits take no time."""
    result: list[Any] = []

    async def kept() -> None:
        result.append(await work)

    # A runner that takes its handler of SIGINT away writes out the result of its task, however long that is.
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(kept())
    return result[0]
