"""Applying a plan: flags in parallel, the calls of each flag in order; then all changed flags are read back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.apply.conflicts import ConflictChecker
from reconciler.apply.context import ApplyContext, ApplyOptions, ApplyProgress, Cancellation, ends_the_run
from reconciler.apply.edits import note_edits_by_others
from reconciler.apply.flag_run import FlagRun
from reconciler.apply.report import ApplyReport, FlagOutcome, Status
from reconciler.apply.steps import steps_of
from reconciler.apply.verify import Verifier
from reconciler.errors import AccessError, ApiError, InterruptedRunError
from reconciler.planning.planner import Planner
from reconciler.planning.precedence import earlier_flags

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from reconciler.api.client import Client
    from reconciler.errors import ReconcilerError
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveState
    from reconciler.planning.plan import FlagPlan, Plan
    from reconciler.progress import Progress

STILL_NEEDED = "Skipped: what depends on it was to be turned off first, and was not ({})."


async def apply_plan(
    plan: Plan,
    client: Client,
    *,
    desired: DesiredState,
    live: LiveState,
    config: Config,
    options: ApplyOptions | None = None,
    cancellation: Cancellation | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ApplyReport:
    """Make every call of the plan, flag by flag, and read back what was touched. Of held flags nothing is sent.

    `desired` and `live` are those that the plan was made from. One flag's failure does not stop the others (unless
    `options` says so); a refused key, an exhausted budget and `cancellation` stop all. `sleep` waits between looks at
    what a server may show late. Raises nothing of the API's: every failure is in the report.
    """
    options = options or ApplyOptions(concurrency=config.requests.concurrency)
    operations = {flag.key: len(flag.operations) for flag in plan.to_apply}
    context = ApplyContext(
        client=client,
        planner=Planner(config=config, options=plan.options, shows_tags=live.shows_tags),
        desired=desired,
        live=live,
        options=options,
        cancellation=cancellation or Cancellation(),
        progress=ApplyProgress(operations, verify=options.verify, progress=progress),
        sleep=sleep,
    )
    runs = [FlagRun(context, flag) for flag in plan.to_apply]
    before, since = client.requests, client.server_date
    await _send_side_by_side(context, runs, earlier_flags(plan, live))
    # A server may have switched on what it made, so new flags are read back in any case.
    to_verify = runs if options.verify else [run for run in runs if run.is_new]
    verified = await Verifier(context, to_verify).run() if _may_read_back(context) else {}
    if options.verify and _may_read_back(context):
        await note_edits_by_others(context, runs, since)
    sent = [run.outcome(verified.get(run.plan.key)) for run in runs]
    outcomes = sorted([*sent, *map(_held, plan.held)], key=lambda item: item.key)
    known = [outcome.verified for outcome in outcomes if outcome.verified is not None]
    reason = context.cancellation.reason
    return ApplyReport(
        outcomes=tuple(outcomes),
        unchanged=plan.unchanged,
        verified=False if False in known else (True if known and options.verify else None),
        requests=client.requests - before,
        stopped_by=reason,
        signal_number=reason.exit_code - 128 if isinstance(reason, InterruptedRunError) else None,
    )


def refused_report(plan: Plan, refusal: ReconcilerError) -> ApplyReport:
    """The report of a plan of which nothing is sent: held flags say by what, the others why they are skipped."""
    held, others = list(map(_held, plan.held)), [_left(flag, Status.SKIPPED, str(refusal)) for flag in plan.to_apply]
    outcomes = tuple(sorted([*held, *others], key=lambda item: item.key))
    return ApplyReport(outcomes=outcomes, unchanged=plan.unchanged, stopped_by=refusal)


def _held(flag: FlagPlan) -> FlagOutcome:
    return _left(flag, Status.HELD, " ".join(f"{refusal.guard}: {refusal.message}" for refusal in flag.held))


def _left(flag: FlagPlan, status: Status, reason: str) -> FlagOutcome:
    operations = tuple(step.outcome() for step in steps_of(flag.operations))
    return FlagOutcome(
        key=flag.key, action=flag.action, status=status, operations=operations, flag_id=flag.flag_id, error=reason
    )


def _may_read_back(context: ApplyContext) -> bool:
    reason = context.cancellation.reason
    is_over = isinstance(reason, InterruptedRunError) or (reason is not None and ends_the_run(reason))
    may_read = isinstance(reason, AccessError) and reason.may_read
    return may_read or not is_over


async def _send_side_by_side(
    context: ApplyContext, runs: list[FlagRun], earlier: Mapping[str, Mapping[str, bool]]
) -> None:
    # Where the first failure is to stop everything, nothing else is under way when it comes. No more flags are under
    # way than have their turn within a second or two: what was seen of them would grow old.
    at_once = min(context.options.concurrency, 2 * context.planner.config.requests.per_second)
    places = asyncio.Semaphore(1 if context.options.on_error_abort else at_once)
    conflicts = ConflictChecker(context, runs)
    by_key, ended = {run.plan.key: run for run in runs}, {run.plan.key: asyncio.Event() for run in runs}

    async def one(run: FlagRun) -> None:
        awaited = earlier.get(run.plan.key, {})
        for key in awaited:
            await ended[key].wait()
        failed = [key for key, is_needed in awaited.items() if is_needed and by_key[key].status is not Status.APPLIED]
        if failed and not context.cancellation.is_set:
            run.leave(STILL_NEEDED.format(", ".join(failed)))
        else:
            async with places:
                await _send_one(context, run, conflicts)
        ended[run.plan.key].set()
        context.progress.flag_ended(run.plan.key)

    await asyncio.gather(*(one(run) for run in runs))


async def _send_one(context: ApplyContext, run: FlagRun, conflicts: ConflictChecker) -> None:
    if context.cancellation.is_set:
        run.leave(context.cancellation.why)
        return
    try:
        conflict = await context.cancellation.run_unless_cancelled(conflicts.conflict(run))
    except InterruptedRunError as error:
        run.leave(str(error))
    except ApiError as error:
        # Where the run is over already, this flag only shares what ended it.
        run.leave(str(error), Status.SKIPPED if context.cancellation.reason else Status.FAILED)
        if ends_the_run(error) or context.options.on_error_abort:
            context.cancellation.stop(error, run.plan.key)
    else:
        if conflict:
            run.leave(conflict)
        else:
            await run.make_all()
