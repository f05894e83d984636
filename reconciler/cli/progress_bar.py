"""Progress as it is drawn: one line with a bar, by rich. Imported only when something is shown."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reconciler.progress import Progress
from reconciler.reports.sanitize import visible

if TYPE_CHECKING:
    from reconciler.cli.progress import ProgressDisplay

_PER_SECOND = 8
_LEAST_BAR, _MOST_BAR = 10, 30
_WINDOW = 10.0
"""Seconds over which speed is measured."""
_MINUTE, _HOUR = 60, 3600


class _Console(Console):
    """A terminal whose cursor is never hidden: it needs no restoring, however the process ends."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - rich's signature
        return False


class Bar:
    """The last line of stderr, redrawn some times a second in a thread of its own."""

    def __init__(self, display: ProgressDisplay, *, color: bool) -> None:
        self._display = display
        self._console = _Console(file=sys.stderr, force_terminal=True, no_color=not color, highlight=False)
        self._live: Live | None = None
        self._meter = SpeedMeter()
        self._meter.measure(display.started, 0, 0)

    def show(self) -> None:
        """Begin to draw."""
        self._live = Live(
            console=self._console,
            get_renderable=self.line,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with suppress(OSError):
            self._live.start(refresh=True)

    def hide(self) -> None:
        """Stop drawing and leave nothing behind."""
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):
                live.stop()

    def line(self) -> Table:
        """The line as of now, as much of it as the terminal is wide."""
        stage, pieces = self._words()
        what, width = visible(stage.what), self._console.width
        while len(pieces) > 1 and len(what) + 1 + len(_joined(pieces)) > width:
            pieces = pieces[:-1]
        text = _joined(pieces)
        room = width - len(what) - len(text) - 2
        table = Table.grid(padding=(0, 1, 0, 0))
        cells: list[Text | ProgressBar] = [Text(what, no_wrap=True, overflow="ellipsis")]
        if room > _LEAST_BAR:
            total = None if stage.total is None else max(stage.total, 1)
            cells.append(ProgressBar(total=total, completed=stage.done, width=min(room - 1, _MOST_BAR)))
        table.add_row(*cells, Text(text, no_wrap=True, overflow="ellipsis"))
        return table

    def _words(self) -> tuple[Progress, tuple[str, ...]]:
        """Where the command is by now, and what is to be said of it."""
        stage, requests, budget = self._display.progress, self._display.requests(), self._display.budget
        if stage.unit != "calls":
            speed = self._meter.measure(monotonic(), stage.done, stage.done)
            return stage, progress_text(stage, speed, None)
        if stage.total is None:
            stage = Progress(stage.what, done=max(stage.done, requests))
        speed = self._meter.measure(monotonic(), requests, stage.done)
        return stage, progress_text(stage, speed, None if budget is None else max(budget - requests, 0))


def _joined(pieces: tuple[str, ...]) -> str:
    return " · ".join(pieces)


class Speed(Struct, frozen=True, kw_only=True):
    """Per second, as of lately: `units` of what the stage counts, and `steps` towards its total."""

    units: float = 0.0
    steps: float = 0.0


class SpeedMeter:
    """Measures speed from samples of (seconds, units, steps), those of the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def measure(self, moment: float, units: int, steps: int) -> Speed:
        """Take a sample and give the speed. A count that starts over is measured from there."""
        samples = self._samples
        if samples and (units < samples[-1][1] or steps < samples[-1][2]):
            samples.clear()
        samples.append((moment, units, steps))
        while moment - samples[0][0] > _WINDOW and moment - samples[1][0] > 0:
            samples.popleft()
        start, first_units, first_steps = samples[0]
        seconds = moment - start
        if seconds <= 0:
            return Speed()
        return Speed(units=(units - first_units) / seconds, steps=(steps - first_steps) / seconds)


def progress_text(stage: Progress, speed: Speed, budget: int | None) -> tuple[str, ...]:
    """`120 of 420`, `300 left, about 9 s`, `33 calls/s`, `99,800 left of the day's budget`: the weightiest first.

    `budget` is what is left of it, None where none is to be named.
    """
    pieces = [f"{stage.done:,}" if stage.total is None else f"{stage.done:,} of {stage.total:,}"]
    if stage.total is not None and stage.total > stage.done:
        left = stage.total - stage.done
        when = f", about {_duration(left / speed.steps)}" if speed.steps > 0 else ""
        pieces.append(f"{left:,} left{when}")
    if speed.units > 0:
        figure = f"{speed.units:,.0f}" if speed.units >= 1 else f"{speed.units:.1f}"
        pieces.append(f"{figure} {stage.unit}/s")
    if budget is not None:
        pieces.append(f"{budget:,} left of the day's budget")
    return tuple(pieces)


def _duration(seconds: float) -> str:
    """`9 s`, `12 min`, `3 h`: no more precise than a guess can be."""
    if seconds < 2 * _MINUTE:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / _MINUTE)} min" if seconds < 2 * _HOUR else f"{round(seconds / _HOUR)} h"
