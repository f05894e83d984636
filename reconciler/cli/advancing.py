"""One run of `advance`, for the command and for `watch`: look, ask the guards, write what is to be written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply import ApplyOptions, ApplyReport, Status, apply_plan
from reconciler.cli.loading import now
from reconciler.cli.planning import REFUSED, history_of, refusal_of
from reconciler.errors import ApiError, InterruptedRunError
from reconciler.rollouts.advance import Advance
from reconciler.rollouts.report import AdvanceReport, merged, with_outcomes
from reconciler.rollouts.sources import OutsideSources
from reconciler.rollouts.standing import MoveKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reconciler.api.client import Client
    from reconciler.apply import Cancellation
    from reconciler.cli.loading import Loaded
    from reconciler.cli.planning import Credentials
    from reconciler.errors import GuardRefusedError
    from reconciler.progress import Progress
    from reconciler.rollouts.advance import Look
    from reconciler.rollouts.standing import Standing

DOWN: Final = (MoveKind.ROLLBACK, MoveKind.OFF)
UP: Final = (MoveKind.UP,)


class AdvanceArguments(Struct, frozen=True, kw_only=True):
    """Which rollouts, which guards are overridden, and whether anything is written."""

    targets: tuple[str, ...] = ()
    allow: frozenset[str] = frozenset()
    is_dry_run: bool = False


class Running(Struct, frozen=True):
    """What a run works with: a client, the credentials that it has, and what ends it."""

    client: Client
    credentials: Credentials
    cancellation: Cancellation
    progress: Progress | None


async def advance_once(loaded: Loaded, arguments: AdvanceArguments, running: Running) -> AdvanceReport:
    """One run: what goes down first, then the steps up. What ends it after a write is in the report.

    Raises ApiErrors and InterruptedRunError of what is read before anything is written.
    """
    client, cancellation = running.client, running.cancellation
    advance = Advance(
        client=client,
        desired=loaded.desired,
        config=loaded.config,
        history=history_of(loaded.config, loaded.desired),
        sources=OutsideSources(environ=os.environ, has_key=_holds(running.credentials)),
        now=now(),
        targets=arguments.targets,
        allow=arguments.allow,
        progress=running.progress,
    )
    sent = client.requests
    run = _Run(advance=advance, running=running, is_dry_run=arguments.is_dry_run)
    look = await cancellation.run_unless_cancelled(advance.look())
    report = AdvanceReport(
        project_id=loaded.config.project_id,
        region=loaded.config.region,
        environment=loaded.config.environment,
        at=advance.now,
        standings=look.standings,
        is_dry_run=arguments.is_dry_run,
    )
    reports: list[ApplyReport] = []
    for kinds in (DOWN, UP):
        report = await run.make(look, kinds, report, reports)
    return replace(report, applied=merged(reports), requests=client.requests - sent)


class _Run(Struct, frozen=True, kw_only=True):
    """What both halves of a run share."""

    advance: Advance
    running: Running
    is_dry_run: bool

    async def make(
        self, look: Look, kinds: Collection[MoveKind], report: AdvanceReport, reports: list[ApplyReport]
    ) -> AdvanceReport:
        """Plan and write the moves of some kinds; the report with what became of them."""
        cancellation = self.running.cancellation
        if cancellation.is_set:
            return replace(report, standings=with_outcomes(report.standings, kinds, None, cancellation.why))
        try:
            planned = await cancellation.run_unless_cancelled(self.advance.plan(look, kinds))
        except (ApiError, InterruptedRunError) as error:
            if not reports:
                raise
            return replace(
                report, standings=with_outcomes(report.standings, kinds, None, str(error)), stopped_by=error
            )
        if planned is None:
            return report
        plan, live, desired = planned
        refusal = refusal_of(plan) if plan.refusals else None
        if refusal is not None:
            return _refused(report, kinds, refusal)
        if self.is_dry_run:
            held = {flag.key: flag.held[0].message for flag in plan.held}
            return replace(report, standings=_as_planned(report, held))
        config = self.advance.config_of_moves
        done = await apply_plan(
            plan,
            self.running.client,
            desired=desired,
            live=live,
            config=config,
            options=ApplyOptions(concurrency=config.requests.concurrency),
            cancellation=cancellation,
            progress=self.running.progress,
        )
        reports.append(done)
        return replace(report, standings=with_outcomes(report.standings, kinds, done))


def _refused(report: AdvanceReport, kinds: Collection[MoveKind], refusal: GuardRefusedError) -> AdvanceReport:
    standings = with_outcomes(report.standings, kinds, None, str(refusal))
    return replace(
        report,
        standings=standings,
        refusals=(*report.refusals, str(refusal).removeprefix(f"{REFUSED}. ")),
        guards=(*report.guards, *refusal.guards),
    )


def _as_planned(report: AdvanceReport, held: dict[str, str]) -> tuple[Standing, ...]:
    """The standings of a dry run, with what would hold a move."""
    return tuple(
        replace(item, move=replace(item.move, status=Status.HELD, error=held[item.key]))
        if item.move is not None and item.key in held
        else item
        for item in report.standings
    )


def _holds(credentials: Credentials) -> Callable[[str], bool]:
    """Tells whether a text holds the management key, in any spelling."""
    return lambda text: credentials.key.redact(text) != text
