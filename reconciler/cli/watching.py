"""Rounds of `watch`: drift and advance with one client and one budget of the day."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.apply.context import Cancellation
from reconciler.cli import signals
from reconciler.cli.advancing import AdvanceArguments, Running, advance_once
from reconciler.cli.loading import load, now
from reconciler.cli.output import StdoutError, unreported
from reconciler.cli.planning import history_of, open_client, resolve_credentials
from reconciler.cli.progress import ProgressDisplay
from reconciler.drift import DriftOptions, detect_drift
from reconciler.errors import (
    AccessError,
    InterruptedRunError,
    InvalidInputError,
    PartlyAppliedError,
    ReconcilerError,
    UsageError,
)
from reconciler.reports.metrics import Watched
from reconciler.reports.rollouts import last_line, move_lines
from reconciler.text import counted, time_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from pathlib import Path

    from reconciler.cli.options import Settings
    from reconciler.cli.output import Output
    from reconciler.drift import DriftReport
    from reconciler.rollouts.report import AdvanceReport


class Rounds(Struct, kw_only=True):
    """The rounds of one process. `publish` is given what is known after each of them."""

    settings: Settings
    arguments: AdvanceArguments
    key_file: Path | None
    output: Output
    seconds: float
    publish: Callable[[Watched], None]
    watched: Watched = Watched()
    spent: int = 0
    spent_on: date | None = None

    def run(self) -> None:
        """Go round until a signal comes. Raises InterruptedRunError for it; of the first round, what is wrong at all.

        A round that fails is said and counted, and the next one tries again.
        """
        signals.hold()
        asyncio.run(self._run())

    async def _run(self) -> None:
        cancellation = Cancellation()
        with signals.told_to(cancellation.interrupt, asyncio.get_running_loop()):
            while True:
                await self._one(cancellation)
                self.publish(self.watched)
                await cancellation.run_unless_cancelled(asyncio.sleep(self.seconds))

    async def _one(self, cancellation: Cancellation) -> None:
        """One round. What a signal interrupts is raised once what was written is reported."""
        at = now()
        if self.spent_on != at.date():
            self.spent, self.spent_on = 0, at.date()
        try:
            drift, advanced = await self._look_and_move(cancellation, at)
        except (InterruptedRunError, PartlyAppliedError, StdoutError):
            raise
        except ReconcilerError as error:
            if self.watched.rounds == 0 and isinstance(error, UsageError | InvalidInputError | AccessError):
                raise
            self.watched = self.watched.after_failure(at)
            self.output.error(f"{time_text(at)} {error}")
            return
        self.watched = self.watched.after(at, drift, advanced, self.spent)
        drifted = len(drift.flags) + len(drift.missing)
        self.output.print(f"{time_text(at)} Drift: {counted(drifted, 'flag')}. {last_line(advanced)}\n")

    def _say_moves(self, at: datetime, advanced: AdvanceReport) -> None:
        """Say which writes were made, before a look that may fail or be interrupted: nothing else says it again."""
        self.watched = self.watched.after_moves(advanced)
        lines = "".join(f"{time_text(at)} {line}\n" for line in move_lines(advanced))
        unsaid = self.output.print_done(lines) if lines else None
        if advanced.failure is not None:
            self.output.error(str(advanced.failure))
        if unsaid is not None:
            raise unreported(str(unsaid), changed=True) if advanced.changed_something else unsaid

    async def _look_and_move(self, cancellation: Cancellation, at: datetime) -> tuple[DriftReport, AdvanceReport]:
        loaded = load(self.settings, self.output)
        credentials = resolve_credentials(loaded.config, self.key_file, self.output)
        with ProgressDisplay.of(self.output) as display:
            async with open_client(
                loaded.config, credentials, display, self.output, read_only=False, spent=self.spent
            ) as client:
                before = client.requests
                try:
                    running = Running(client, credentials, cancellation, display.progress)
                    advanced = await advance_once(loaded, self.arguments, running)
                    self._say_moves(at, advanced)
                    look = detect_drift(
                        client,
                        loaded.desired,
                        loaded.config,
                        DriftOptions(targets=self.arguments.targets),
                        now=now(),
                        progress=display.progress,
                        history=history_of(loaded.config, loaded.desired),
                    )
                    return await cancellation.run_unless_cancelled(look), advanced
                finally:
                    self.spent += client.requests - before
