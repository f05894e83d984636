"""How far a command is, shown on the terminal that it runs in.

Everywhere else nothing is shown: without a terminal, with --quiet, in CI. What is shown goes to stderr and is gone
at the end. Commands only note where they are, which costs nothing; drawing is `progress_bar`'s, in a thread of its
own, and is imported and begun only when a command has taken a while.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Self

from reconciler.cli.signals import before_abrupt_end
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from reconciler.api.client import Client
    from reconciler.cli.output import Output
    from reconciler.cli.progress_bar import Bar

SHOW_AFTER_SECONDS = 0.4
"""Seconds that pass before anything is shown: a command that is done by then never pays for it."""

_NO = frozenset({"", "0", "false"})
"""Values of CI that say it is none; any other says it is one."""

_WIPE = b"\r\x1b[K"


class ProgressDisplay:
    """What one command is at. Use it as a context manager around the work.

    `requests` tells how many were sent so far, `budget` how many the day allows them to be (None: there is none);
    `started` is when the work began, in seconds of `time.monotonic`.
    """

    def __init__(self, *, is_watched: bool, color: bool = True) -> None:
        self.progress = Progress()
        self.requests: Callable[[], int] = int
        self.budget: int | None = None
        self.started = monotonic()
        self._color = color
        self._bar: Bar | None = None
        self._is_over = False
        self._lock = threading.RLock()
        self._timer = threading.Timer(SHOW_AFTER_SECONDS, self._open) if is_watched else None

    @classmethod
    def of(cls, output: Output, environ: Mapping[str, str] = os.environ) -> ProgressDisplay:
        """A display for an interactive terminal; silent elsewhere, and with --quiet."""
        is_terminal = sys.stderr.isatty() and environ.get("TERM") != "dumb"
        is_build = environ.get("CI", "").lower() not in _NO
        return cls(is_watched=is_terminal and not is_build and not output.quiet, color=output.color)

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._bar is not None:
                _shown.remove(self)
                self._bar.hide()

    def follow(self, client: Client, daily_budget: int, *, spent: int = 0) -> None:
        """Show what the client sends and leaves of the day's budget, of which `spent` is gone already."""
        self.requests = lambda: client.requests
        self.budget = daily_budget - spent

    def hide(self) -> None:
        """Leave the terminal to a message."""
        with self._lock:
            if self._bar is not None:
                self._bar.hide()

    def show(self) -> None:
        """Come back, unless the work is over."""
        with self._lock:
            if self._bar is not None and not self._is_over:
                self._bar.show()

    def _open(self) -> None:
        from reconciler.cli.progress_bar import Bar  # noqa: PLC0415 - rich is only needed where something is shown

        with self._lock:
            if not self._is_over:
                self._bar = Bar(self, color=self._color)
                _shown.append(self)
                self._bar.show()


_shown: list[ProgressDisplay] = []
"""What is on the terminal now; the last is in front."""


@contextmanager
def paused() -> Iterator[None]:
    """Hide progress while the block writes to the terminal."""
    if not _shown:
        yield
        return
    front = _shown[-1]
    front.hide()
    try:
        yield
    finally:
        front.show()


def _wipe() -> None:
    if _shown:
        with suppress(OSError):
            os.write(sys.stderr.fileno(), _WIPE)


before_abrupt_end(_wipe)
