"""`reconciler advance`: move each rollout by at most one declared step."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from reconciler.apply.context import Cancellation
from reconciler.cli import signals
from reconciler.cli.advancing import AdvanceArguments, Running, advance_once
from reconciler.cli.failures import failures_written_to
from reconciler.cli.loading import load, now
from reconciler.cli.options import (
    OUTPUT,
    OutputOptions,
    Settings,
    allow_option,
    format_option,
    key_file_option,
    output_option,
    shared_options,
    target_option,
)
from reconciler.cli.output import Output, render_options, write_outcome
from reconciler.cli.planning import open_client, resolve_credentials, say_refusal
from reconciler.cli.progress import ProgressDisplay
from reconciler.errors import GuardRefusedError
from reconciler.model.config import idle_targets, misspelt_overrides
from reconciler.reports.registry import ADVANCE, RenderOptions, render
from reconciler.rollouts.report import AdvanceReport

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.cli.loading import Loaded


@click.command
@shared_options
@format_option(ADVANCE)
@output_option
@target_option
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Send GET only, and show what would be done.")
@allow_option
@click.option("--report", type=OUTPUT, metavar="FILE", help="Write the report, or why there is none, as JSON.")
@key_file_option
def advance(
    settings: Settings,
    *,
    form: str,
    output_file: Path | None,
    targets: tuple[str, ...],
    is_dry_run: bool,
    allow: tuple[str, ...],
    report: Path | None,
    api_key_file: Path | None,
) -> int:
    """Move the rollouts of flags: each by at most one of its declared steps, with one call.

    Made for a schedule, so it does not ask: the steps were declared and reviewed. Where a rollout stands is computed
    from git, the live percentage and its versions; no state is kept between runs. A step is made when the step before
    has stood long enough, its window is open, and every guard says better or equal. If a guard says worse, `onFail`
    decides; if it says unknown, the rollout waits. A rollout that was reduced stays reduced until a higher `attempt`
    is declared.

    \b
      reconciler advance --env production --dry-run
      reconciler advance --env production --format json --report advance.json
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    with failures_written_to(report):
        loaded = load(settings, output)
        for warning in idle_targets(targets, loaded.desired.flags.keys(), "at least none that is declared"):
            output.warning(warning)
        for warning in misspelt_overrides(allow, loaded.desired.flags.keys()):
            output.warning(warning)
        arguments = AdvanceArguments(targets=targets, allow=frozenset(allow), is_dry_run=is_dry_run)
        found = _advance(loaded, arguments, api_key_file, output)
    failure = found.failure
    files = [] if report is None else [(report, render(ADVANCE, "json", found, RenderOptions(error=failure)))]
    display = OutputOptions(form=form, output_file=output_file)
    options = render_options(display, output)
    failure = write_outcome(
        lambda error: render(ADVANCE, form, found, replace(options, error=error)),
        display,
        output,
        failure=failure,
        files=files,
        changed=found.changed_something,
        rescue=lambda: render(ADVANCE, "text", found, options).removesuffix("\n"),
    )
    if isinstance(failure, GuardRefusedError):
        say_refusal(failure, failure, output, is_shown=output.is_beside(display))
    elif failure:
        output.error(str(failure))
    return failure.exit_code if failure else 0


def _advance(loaded: Loaded, arguments: AdvanceArguments, key_file: Path | None, output: Output) -> AdvanceReport:
    config = loaded.config
    if not any(flag.rollouts for flag in loaded.desired.flags.values()):
        return AdvanceReport(
            project_id=config.project_id,
            region=config.region,
            environment=config.environment,
            at=now(),
            standings=(),
            is_dry_run=arguments.is_dry_run,
        )
    credentials = resolve_credentials(config, key_file, output)
    cancellation = Cancellation()

    async def run() -> AdvanceReport:
        loop = asyncio.get_running_loop()
        with ProgressDisplay.of(output) as display, signals.told_to(cancellation.interrupt, loop):
            async with open_client(config, credentials, display, output, read_only=arguments.is_dry_run) as client:
                run = Running(
                    client=client, credentials=credentials, cancellation=cancellation, progress=display.progress
                )
                return await advance_once(loaded, arguments, run)

    signals.hold()
    return asyncio.run(run())
