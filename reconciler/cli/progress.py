"""Progress on stderr: one line that is written over, only where somebody watches."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler.api.live import Progress as RefreshProgress
    from reconciler.apply import ApplyEvent
    from reconciler.cli.voice import Voice

_SECONDS_BETWEEN = 0.1
_CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Progress:
    """A line that is replaced at most ten times a second and gone at the end."""

    shown: bool
    _last: float = field(default=0.0)

    @classmethod
    def of(cls, voice: Voice) -> Progress:
        """Progress for a terminal; silence elsewhere, and with --quiet."""
        return cls(shown=not voice.quiet and sys.stderr.isatty())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown and self._last:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def on_refresh(self, event: RefreshProgress) -> None:
        """Reads done, of those expected."""
        self._show(f"Reading {event.what}", event.done, event.expected)

    def on_apply(self, event: ApplyEvent) -> None:
        """Calls done, of those planned."""
        self._show("Calls", event.done, event.total)

    def on_users(self, count: int) -> None:
        """Users of a file that are done."""
        self._show("Users", count, None)

    def _show(self, what: str, done: int, total: int | None) -> None:
        moment = monotonic()
        if not self.shown or moment - self._last < _SECONDS_BETWEEN:
            return
        self._last = moment
        from reconciler.render.sanitize import visible

        of_total = f" of {total}" if total else ""
        sys.stderr.write(f"{_CLEAR}{visible(what)}: {done}{of_total}")
        sys.stderr.flush()
