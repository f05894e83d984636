"""Progress as it is drawn: one line with a bar, by rich. Imported only when something is shown."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reconciler.cli.progress_words import Pace, pieces_of
from reconciler.reports.sanitize import visible

if TYPE_CHECKING:
    from reconciler.cli.progress import Progress, Stage

_PER_SECOND = 8
_LEAST_BAR, _MOST_BAR = 10, 30


class _Console(Console):
    """A terminal whose cursor is never hidden: however the process ends, nobody has to bring it back."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - rich's signature
        return False


class Bar:
    """The last line of stderr, drawn anew some times a second in a thread of its own."""

    def __init__(self, progress: Progress, *, color: bool) -> None:
        self._progress = progress
        self._console = _Console(file=sys.stderr, force_terminal=True, no_color=not color, highlight=False)
        self._live: Live | None = None
        self._pace = Pace()
        self._pace.measure(progress.started, 0, 0)

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

    def _words(self) -> tuple[Stage, tuple[str, ...]]:
        """Where the command is by now, and what is to be said of it."""
        stage, requests, budget = self._progress.stage, self._progress.requests(), self._progress.budget
        if stage.unit != "calls":
            speed = self._pace.measure(monotonic(), stage.done, stage.done)
            return stage, pieces_of(stage, speed, None)
        if stage.total is None:
            stage = replace(stage, done=max(stage.done, requests))
        speed = self._pace.measure(monotonic(), requests, stage.done)
        return stage, pieces_of(stage, speed, None if budget is None else max(budget - requests, 0))


def _joined(pieces: tuple[str, ...]) -> str:
    return " · ".join(pieces)
