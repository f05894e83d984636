"""`reconciler apply`: plan, show, ask, apply, verify, report."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from reconciler.apply import ApplyOptions, ApplyReport, apply_plan, refused_report
from reconciler.apply.context import Cancellation
from reconciler.cli import signals
from reconciler.cli.commit_files import check_commit
from reconciler.cli.failures import failures_written_to, may_be_target
from reconciler.cli.loading import load, now
from reconciler.cli.options import (
    FILE,
    ApplyArguments,
    OutputOptions,
    PlanArguments,
    Settings,
    apply_options,
    plan_options,
    shared_options,
)
from reconciler.cli.output import Output, StdoutError, render_options, try_write_file, write_outcome, write_report
from reconciler.cli.plan_file import SavedPlan, read_plan_file, read_record_file
from reconciler.cli.planning import Scope, make_plan, open_client, refusal_of, resolve_scope, say_refusal
from reconciler.cli.progress import ProgressDisplay
from reconciler.cli.sections import SectionedCommand
from reconciler.errors import (
    InterruptedRunError,
    ReconcilerError,
    StalePlanError,
    UnknownTargetError,
    UsageError,
)
from reconciler.files.config_file import find_config, load_config
from reconciler.model.rollout import closed_until
from reconciler.planning.guards import WINDOW
from reconciler.planning.plan import Refusal
from reconciler.planning.plan_file import check_saved
from reconciler.planning.planner import open_rollouts
from reconciler.reports.danger import by_danger
from reconciler.reports.effects import effect_rows
from reconciler.reports.registry import APPLY, PLAN, RenderOptions, render
from reconciler.text import time_text

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.cli.loading import Loaded
    from reconciler.cli.planning import Planned
    from reconciler.errors import GuardRefusedError
    from reconciler.planning.plan import Plan
    from reconciler.reports.effects import EffectRow

_NOTHING_SENT = "Nothing was sent that changes a flag."


@click.command(cls=SectionedCommand)
@click.argument("plan_file", metavar="[PLAN.json]", required=False, type=FILE)
@shared_options
@plan_options(APPLY)
@apply_options
def apply(
    settings: Settings,
    *,
    plan_file: Path | None,
    arguments: PlanArguments,
    display: OutputOptions,
    choices: ApplyArguments,
) -> int:
    """Make the live state equal to the files: plan, show, ask, apply, and read back what was written.

    With PLAN.json exactly that plan is applied, or nothing: a stale plan is refused with exit code 6. With a format
    other than text the report is the result, and the plan is shown on stderr. With --reviewed a flag whose plan
    differs from the reviewed one is held; the other flags are applied.

    \b
      reconciler apply --env staging
      reconciler apply --reviewed review.json
      reconciler apply plan.json --auto-approve --report report.json
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    with failures_written_to(choices.report):
        if plan_file is None:
            _require_approval(choices)
        planned = _in_window(_plan(settings, plan_file, arguments, choices, output))
        all_or_nothing = choices.on_refusal == "abort"
        if refusal := refusal_of(planned.plan, addition="; nothing was sent", all_or_nothing=all_or_nothing):
            return _refuse(planned.plan, refusal, display, choices, output)
        if display.out:
            _save(planned.plan, display.out)
        shown = _show(planned.plan, display, output)
        report = _empty_report(planned.plan) if planned.plan.is_empty else _ask_and_do(planned, choices, output)
    effects = () if planned.plan.is_empty else effect_rows(planned.plan, by_danger(planned.plan.flags))
    return _report(report, display, choices, output, shown=shown, effects=effects)


def _in_window(planned: Planned) -> Planned:
    """The plan, refused where it is to be applied outside of the windows of its environment."""
    plan, config = planned.plan, planned.loaded.config
    windows = [config.windows[name] for name in config.apply_windows]
    opening = None if plan.options.allows(WINDOW) or not plan.to_apply else closed_until(windows, now())
    if opening is None:
        return planned
    message = f"Now is outside of the windows {', '.join(config.apply_windows)}: one opens at {time_text(opening)}."
    refusal = Refusal(guard=WINDOW, message=message, override=f"--allow {WINDOW}")
    return replace(planned, plan=replace(plan, refusals=(*plan.refusals, refusal)))


def _read_plan(file: Path) -> SavedPlan:
    try:
        return read_plan_file(file)
    except UsageError as error:
        if may_be_target(str(file)) and not file.exists():
            error.also(f"Did you mean --target {file}?")
        raise


def _require_approval(choices: ApplyArguments) -> None:
    if not choices.auto_approve and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: use --auto-approve, or only look with `reconciler plan`.")


def _plan(
    settings: Settings, plan_file: Path | None, arguments: PlanArguments, choices: ApplyArguments, output: Output
) -> Planned:
    if plan_file is None:
        review = read_record_file(choices.reviewed) if choices.reviewed else None
        loaded = _loaded(settings, choices, output)
        scope = resolve_scope(arguments, loaded, output)
        return make_plan(loaded, scope, arguments.api_key_file, output, review=review)
    _refuse_other_options(arguments, choices)
    saved = _read_plan(plan_file)
    if settings.environment not in {None, saved.plan.environment}:
        raise UsageError(
            f"--env (or RECONCILER_ENV) says {settings.environment!r}, but the plan is for"
            f" {saved.plan.environment or 'none'!r}: a saved plan fixes everything."
        )
    settings = replace(settings, environment=saved.plan.environment)
    _check_environment(settings)
    loaded = _loaded(settings, choices, output)
    only = frozenset(flag.key for flag in saved.plan.flags)
    try:
        planned = make_plan(loaded, Scope(options=saved.plan.options), arguments.api_key_file, output, only=only)
    except UnknownTargetError as error:
        raise StalePlanError(f"The saved plan cannot be made again: {error} Make a new one.") from error
    check_saved(saved.document, planned.plan, now(), open_rollouts(loaded.desired.flags.values(), {}, {}))
    return planned


def _check_environment(settings: Settings) -> None:
    """See that the configuration has the environment of a saved plan. Raises StalePlanError where it does not."""
    file = find_config(settings.config)
    try:
        load_config(file, settings.environment, needs_flags=False)
    except UsageError as error:
        what = f"environment {settings.environment!r}" if settings.environment else "no environment"
        raise StalePlanError(f"The saved plan is for {what}: {error} Make a new one.") from error


def _loaded(settings: Settings, choices: ApplyArguments, output: Output) -> Loaded:
    loaded = load(settings, output)
    if choices.expect_commit is not None:
        check_commit(loaded.config, loaded.desired.texts, choices.expect_commit)
    return loaded


def _refuse_other_options(arguments: PlanArguments, choices: ApplyArguments) -> None:
    """A saved plan fixes everything. Raises UsageError before anything is sent."""
    given = {
        "--target": arguments.targets,
        "--changed-since": arguments.changed_since,
        "--prune": arguments.prune,
        "--unarchive": arguments.unarchive,
        "--allow": arguments.allow,
        "--shield": arguments.shield,
        "--shard": arguments.shard,
        "--reviewed": choices.reviewed,
    }
    if names := [name for name, value in given.items() if value]:
        raise UsageError(
            f"{', '.join(names)} cannot be used with a saved plan: the plan fixes everything. Make a new plan."
        )


def _refuse(
    plan: Plan, refusal: GuardRefusedError, display: OutputOptions, choices: ApplyArguments, output: Output
) -> int:
    """Show the plan and why nothing of it is sent; a JSON document is the report, as of every apply."""
    report = refused_report(plan, refusal)
    files = [(choices.report, render(APPLY, "json", report, RenderOptions(error=refusal)))] if choices.report else []
    if display.form == "json":
        output.info(render(PLAN, "text", plan, render_options(display, output)).removesuffix("\n"))
        is_shown = not output.quiet
        write_report(APPLY, report, display, output, failure=refusal, files=files)
    else:
        is_shown = output.is_beside(display)
        write_report(PLAN, plan, display, output, failure=refusal, files=files)
    say_refusal(refusal, refusal, output, is_shown=is_shown)
    return refusal.exit_code


def _save(plan: Plan, path: Path) -> None:
    if complaint := try_write_file(path, render(PLAN, "json", plan), private=True):
        raise ReconcilerError(f"{complaint} {_NOTHING_SENT}")


def _show(plan: Plan, display: OutputOptions, output: Output) -> str:
    """Show the plan before it is made; what is still to be delivered together with the report is given back."""
    text = render(PLAN, "text", plan, render_options(display, output))
    if display.form != "text":
        output.info(text.removesuffix("\n"))
        return ""
    if display.output_file is None:
        try:
            output.print(text)
        except StdoutError as error:
            raise error.also(_NOTHING_SENT) from error
        return ""
    output.info(text.removesuffix("\n"))
    return text + "\n"


def _ask_and_do(planned: Planned, choices: ApplyArguments, output: Output) -> ApplyReport:
    plan = planned.plan
    environment = f", environment {plan.environment}" if plan.environment else ""
    question = f"Apply this to project {plan.project_id} ({plan.region}{environment})?"
    # A saved plan was reviewed when it was made; any other got here without a terminal only by --auto-approve.
    asks = not choices.auto_approve and sys.stdin.isatty()
    if asks and not _is_approved(question, output):
        raise ReconcilerError("Not approved: nothing was sent.")
    if closed := refusal_of(_in_window(planned).plan, addition="; nothing was sent"):
        raise closed  # the question may have waited for hours
    signals.hold()
    return asyncio.run(_apply(planned, choices, output))


def _is_approved(question: str, output: Output) -> bool:
    """Ask. The end of the input is a no; a signal ends the line of the question, and the command."""
    try:
        return bool(click.confirm(question, default=False, err=True))
    except click.Abort as error:
        output.print_to_stderr("")
        if not isinstance(error.__context__, EOFError):
            raise InterruptedRunError("Interrupted: nothing was sent.", signal.SIGINT) from error
        return False


def _empty_report(plan: Plan) -> ApplyReport:
    """The report on a plan with nothing to do: what is declared was just read and is in place."""
    return ApplyReport(outcomes=(), unchanged=plan.unchanged, verified=True)


def _report(
    report: ApplyReport,
    display: OutputOptions,
    choices: ApplyArguments,
    output: Output,
    *,
    shown: str,
    effects: tuple[EffectRow, ...],
) -> int:
    """Write the report of the apply, also where a file cannot be written, and give the exit code."""
    failure, options = report.failure, replace(render_options(display, output), effects=effects)

    def present(error: ReconcilerError | None) -> str:
        if display.form == "text" and not report.outcomes:
            return shown.removesuffix("\n")
        separator = "\n" if display.form == "text" and display.output_file is None else ""
        return separator + shown + render(APPLY, display.form, report, replace(options, error=error))

    def rescue() -> str:
        return render(APPLY, "text", report, options).removesuffix("\n")

    as_json = render(APPLY, "json", report, replace(options, error=failure))
    files = [(choices.report, as_json)] if choices.report else []
    failure = write_outcome(
        present, display, output, failure=failure, files=files, changed=report.changed_something, rescue=rescue
    )
    if failure:
        output.error(_ending(failure, report) if output.is_beside(display) else str(failure))
    return failure.exit_code if failure else report.exit_code


def _ending(failure: ReconcilerError, report: ApplyReport) -> str:
    """The failure below its report: what stopped the run stands there, beside the flag that it stopped at."""
    if report.stopped_by is None or not any(str(report.stopped_by) in (item.error or "") for item in report.outcomes):
        return str(failure)
    rest = str(failure).replace(str(report.stopped_by), "").strip()
    return rest or "Nothing was applied; the report above says why."


async def _apply(planned: Planned, choices: ApplyArguments, output: Output) -> ApplyReport:
    """Apply a plan. A signal ends it with a report."""
    config, cancellation = planned.loaded.config, Cancellation()
    assert planned.credentials is not None, "a plan with changes was made from a live state that was read"
    options = ApplyOptions(
        verify=not choices.no_verify,
        on_error_abort=choices.on_error == "abort",
        concurrency=config.requests.concurrency,
    )
    spent = planned.plan.requests
    loop = asyncio.get_running_loop()
    with ProgressDisplay.of(output) as display, signals.told_to(cancellation.interrupt, loop):
        async with open_client(config, planned.credentials, display, output, read_only=False, spent=spent) as client:
            return await apply_plan(
                planned.plan,
                client,
                desired=planned.loaded.desired,
                live=planned.live,
                config=config,
                options=options,
                cancellation=cancellation,
                progress=display.progress,
            )
