"""How far a command is, shown on the terminal that it runs in; and what is said of its requests.

Everywhere else no progress is shown: without a terminal, with --quiet, in CI. It goes to stderr and is gone
at the end. Commands only note where they are, which costs nothing; drawing is `progress_bar`'s, in a thread of its
own, and is imported and begun only when a command has taken a while.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Self

from reconciler.cli.signals import before_abrupt_end
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from types import TracebackType

    from reconciler.api.client import Client
    from reconciler.api.transport import Exchange, Wait
    from reconciler.cli.output import Output
    from reconciler.cli.progress_bar import Bar

SHOW_AFTER_SECONDS = 0.4
"""Seconds that pass before anything is shown: a command that is done by then never pays for it."""

_NO = frozenset({"", "0", "false"})
"""Values of CI that say it is none; any other says it is one."""

_WIPE = b"\r\x1b[K"

_LONG_WAIT = 1.0
"""Seconds from which a pause between two tries of a request is said."""


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

    def follow(self, client: Client, daily_budget: int, *, spent: int) -> None:
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


class RequestLog:
    """Says of requests on stderr that one waits, and with --verbose each of them. Never the key.

    A pause that many calls share is said once.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said: datetime | None = None

    def request(self, exchange: Exchange) -> None:
        """One attempt, answered or not: method, path, status, milliseconds, which attempt of its call."""
        status = "no answer" if exchange.status is None else exchange.status
        took = f"{exchange.seconds * 1000:.0f} ms, attempt {exchange.attempt}"
        self._output.debug(f"{exchange.method} {exchange.path} {status}, {took}")

    def wait(self, wait: Wait) -> None:
        """A pause before a call is repeated."""
        if wait.seconds < _LONG_WAIT or (self._said and wait.until <= self._said + timedelta(seconds=1)):
            return
        self._said = wait.until
        why = "no answer" if wait.status is None else str(wait.status)
        asked = f"the server asks for {wait.asked:,.0f} s; " if wait.asked and wait.asked > wait.seconds else ""
        self._output.info(f"{why}: {asked}waiting {wait.seconds:,.0f} s, until {wait.until:%H:%M} UTC")
