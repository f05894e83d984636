"""Running an apply: a client that may write, signals that stop it, and what its report means as a failure."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.cli import signals
from reconciler.cli.progress import Progress, abandon
from reconciler.cli.session import connected
from reconciler.errors import InterruptedRunError, PartlyAppliedError, ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply import ApplyReport
    from reconciler.apply.context import Halt
    from reconciler.cli.options import ApplyArguments
    from reconciler.cli.session import Planned
    from reconciler.cli.voice import Voice

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_apply(planned: Planned, choices: ApplyArguments, voice: Voice) -> ApplyReport:
    """Make a plan true. The first SIGINT or SIGTERM ends it with a report; the second ends the process at once."""
    return asyncio.run(_run(planned, choices, voice))


async def _run(planned: Planned, choices: ApplyArguments, voice: Voice) -> ApplyReport:
    from reconciler.apply import ApplyOptions, apply_plan
    from reconciler.apply.context import Halt

    config, halt = planned.loaded.config, Halt()
    assert planned.access is not None, "a plan with changes was made from a live state that was read"
    options = ApplyOptions(
        verify=not choices.no_verify,
        on_error_abort=choices.on_error == "abort",
        concurrency=config.requests.concurrency,
    )
    spent = planned.plan.requests
    with Progress.of(voice) as progress, _signals_to(halt):
        async with connected(config, planned.access, progress, read_only=False, spent=spent) as client:
            return await apply_plan(
                planned.plan,
                client,
                desired=planned.loaded.desired,
                live=planned.live,
                config=config,
                options=options,
                halt=halt,
                on_event=progress.on_apply,
            )


@contextmanager
def _signals_to(halt: Halt) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if halt.is_signal:
            abandon()
            os._exit(128 + number)
        halt.interrupt(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        signals.raise_pending()
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def failure_of(report: ApplyReport) -> ReconcilerError | None:
    """The error that a report amounts to; its exit code is the report's. None when all is done."""
    code = report.exit_code
    if code == 0:
        return None
    if report.signal_number is not None:
        return InterruptedRunError("Interrupted: what was in flight is unknown, nothing more was sent.", code - 128)
    if report.stopped_by is not None and report.stopped_by.exit_code == code:
        return report.stopped_by
    if code == PartlyAppliedError.exit_code:
        return PartlyAppliedError("The plan was applied in part; the report says which part. Plan again to go on.")
    return ReconcilerError("The plan was not applied; the report says why.")


def unreported(report: ApplyReport, complaint: str) -> ReconcilerError:
    """The error of a run that did all it should and cannot say so where it was to; `complaint` says why."""
    if any(outcome.changed_something for outcome in report.outcomes):
        return PartlyAppliedError(f"The plan was applied, but {complaint[0].lower()}{complaint[1:]}")
    return ReconcilerError(complaint)
