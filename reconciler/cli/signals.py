"""SIGINT and SIGTERM outside of an apply's calls: they end the command, and are not forgotten.

Python drops an exception that a handler raises inside a destructor or a weak reference's callback. A signal is
therefore remembered as well, and `raise_pending` is asked before anything is written.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

_received: list[int] = []


class TerminatedError(SystemExit):
    """SIGTERM came. As KeyboardInterrupt, it passes through event loops and is caught by the one handler only."""


def install() -> None:
    """Take both signals over, for a process that is a command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def raise_pending() -> None:
    """Raise for a signal that came and whose exception was lost. Raises KeyboardInterrupt, TerminatedError."""
    if _received:
        _raise(_received[0])


def _on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    _received.append(number)
    _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGTERM:
        raise TerminatedError(128 + number)
    raise KeyboardInterrupt
