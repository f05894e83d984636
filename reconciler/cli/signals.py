"""SIGINT and SIGTERM: the first ends the command and gives its exit code, 130 or 143; no later one changes the code.

Terminals, shells and build systems often deliver a signal twice at once: what comes again within `PATIENCE_SECONDS`
is the same wish. After that it ends the process, however far it is.

While a command works, a signal is an exception, or cancels what an event loop runs. Python drops an exception that is
raised inside a destructor or a weak reference's callback, so signals are remembered as well; `raise_pending` is asked
before anything is sent that writes. From there on, and when the exit code is decided, nothing is raised: the outcome
would be lost.
"""

from __future__ import annotations

import atexit
import os
import signal
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType
    from typing import TypeVar

    T = TypeVar("T")

PATIENCE_SECONDS = 0.5
"""How long after the first signal others are the same wish."""

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class TerminatedError(SystemExit):
    """SIGTERM came. As KeyboardInterrupt, it passes through event loops and is caught by the one handler only."""


class _State:
    """What came so far, and what the next signal does. `arrivals` is a pipe of their numbers as they come."""

    arrivals: tuple[int, int] | None = None
    first: int | None = None
    came_at: float
    raises = False
    has_raised = False


_state = _State()
_last_acts: list[Callable[[], None]] = []


def install() -> None:
    """Take both signals over, for a process that is a command. Until `raising`, a signal is only remembered."""
    _state.arrivals = os.pipe()
    for end in _state.arrivals:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(_state.arrivals[1], warn_on_full_buffer=False)
    for number in _NUMBERS:
        signal.signal(number, _on_signal)
    atexit.register(_ignore)  # Python puts the default handlers back when it ends, but leaves ignored signals alone


def before_abrupt_end(act: Callable[[], None]) -> None:
    """Do something before a signal ends the process without unwinding; it must not block."""
    _last_acts.append(act)


@contextmanager
def raising() -> Iterator[None]:
    """While the block runs and `hold` is not called, a signal is KeyboardInterrupt or TerminatedError."""
    before = _state.raises
    _state.raises = True
    try:
        yield
    finally:
        _state.raises = before


def hold() -> None:
    """From now on to the end of `raising`, raise nothing. Raises for a signal that came before."""
    _state.raises = False
    raise_pending()


def raise_pending() -> None:
    """Raise for a signal that came, also where its exception was lost. Raises KeyboardInterrupt, TerminatedError."""
    if _state.first is not None:
        _raise(_state.first)


def run_until_signal(work: Coroutine[object, object, T]) -> T:
    """The result of a coroutine, run in an event loop of its own. A signal cancels it, and is raised afterwards.

    An exception that is raised inside the code of a loop or a library leaves both in disorder.
    """
    import asyncio  # noqa: PLC0415 - most of the time of `--help`

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        with told_to(lambda _: task.cancel(), asyncio.get_running_loop()):
            return await work

    before = _state.raises
    try:
        hold()
        return asyncio.run(run())
    finally:
        work.close()
        _state.raises = before
        raise_pending()


@contextmanager
def told_to(interrupt: Callable[[int], object], loop: AbstractEventLoop) -> Iterator[None]:
    """Call `interrupt` once, with the number of the first signal, in the event loop, while the block runs.

    The loop's own handlers are not used: taking them away puts the default ones in their place for a moment.
    """
    arrivals = _state.arrivals
    if arrivals is None:  # a command within another program, whose handlers are not ours
        yield
        return

    is_told = False

    def tell() -> None:
        nonlocal is_told
        with suppress(BlockingIOError):
            os.read(arrivals[0], 4096)
        if _state.first is not None and not is_told:
            is_told = True
            interrupt(_state.first)

    loop.add_reader(arrivals[0], tell)
    try:
        tell()
        yield
    finally:
        loop.remove_reader(arrivals[0])


def _on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    first = _state.first
    if first is None:
        first = _first_of(number)
        _state.first, _state.came_at = first, monotonic()
        if _state.raises:
            _raise(first)
    elif monotonic() - _state.came_at >= PATIENCE_SECONDS:
        if _state.raises and not _state.has_raised:
            _raise(first)
        for act in _last_acts:
            act()
        os._exit(128 + first)


def _first_of(number: int) -> int:
    """The first of what came by now: Python calls handlers in the order of numbers, not of arrival."""
    assert _state.arrivals is not None, "they are there before any handler is"
    came = b""
    with suppress(BlockingIOError):
        came = os.read(_state.arrivals[0], 64)
        os.write(_state.arrivals[1], came)  # an event loop that waits for it wakes up
    return next((item for item in came if item in _NUMBERS), number)


def _raise(number: int) -> NoReturn:
    _state.has_raised = True
    if number == signal.SIGTERM:
        raise TerminatedError(128 + number)
    raise KeyboardInterrupt


def _ignore() -> None:
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
