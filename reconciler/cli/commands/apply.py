"""`reconciler apply`: plan, show, ask, do, verify, report."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from reconciler.cli.options import (
    FILE,
    ApplyArguments,
    Delivery,
    PlanArguments,
    Settings,
    apply_options,
    plan_options,
    shared_options,
)
from reconciler.errors import ReconcilerError, UsageError
from reconciler.reports.registry import APPLY, PLAN, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reconciler.apply import ApplyReport
    from reconciler.cli.session import Loaded, Planned
    from reconciler.cli.voice import Voice
    from reconciler.planning.plan import Plan


@click.command
@click.argument("plan_file", metavar="[PLAN.json]", required=False, type=FILE)
@shared_options
@plan_options(APPLY)
@apply_options
def apply(
    settings: Settings,
    *,
    plan_file: Path | None,
    arguments: PlanArguments,
    delivery: Delivery,
    choices: ApplyArguments,
) -> int:
    """Make the live state equal to the files: plan, show, ask, do, and read back what was done.

    With PLAN.json exactly that plan is applied, or nothing: one that is stale is refused with exit code 6. With a
    form other than text the result is the report, and the plan is shown on stderr.

    \b
      reconciler apply --env staging
      reconciler apply plan.json --auto-approve --report report.json
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.session import refusal_of
    from reconciler.cli.voice import Voice, check_writable, write_file

    check_writable(delivery.out, delivery.output, choices.report)
    voice = Voice.of(settings)
    with _failing_into(choices.report) as fail:
        _see_who_approves(choices)
        planned = _plan(settings, plan_file, arguments, choices, voice)
        if refusal := refusal_of(planned.plan):
            fail(refusal)
            return _refuse(planned.plan, refusal, delivery, voice)
        if delivery.out:
            write_file(delivery.out, render(PLAN, "json", planned.plan), private=True)
        shown = _show(planned.plan, delivery, voice)
        report = _unneeded(planned.plan) if planned.plan.is_empty else _ask_and_do(planned, choices, voice)
    return _report(report, shown, delivery, choices, voice)


@contextmanager
def _failing_into(report: Path | None) -> Iterator[Callable[[BaseException], None]]:
    """What ends the run before there is a report is written in its place; the same is given for what is no error."""

    def fail(error: BaseException) -> None:
        if report is not None:
            from reconciler.cli.failures import write_failure

            write_failure(report, error)

    try:
        yield fail
    except BaseException as error:
        fail(error)
        raise


def _see_who_approves(choices: ApplyArguments) -> None:
    if not choices.auto_approve and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on: use --auto-approve, or only look with `reconciler plan`.")


def _plan(
    settings: Settings, plan_file: Path | None, arguments: PlanArguments, choices: ApplyArguments, voice: Voice
) -> Planned:
    from reconciler.cli.session import narrow, now, plan_with
    from reconciler.planning.plan_file import check_saved

    if plan_file is None:
        loaded = _loaded(settings, choices, voice)
        return plan_with(loaded, narrow(arguments, loaded, voice), arguments.api_key_file, voice)
    _refuse_other_options(arguments)
    from reconciler.cli.saved import read_saved

    saved = read_saved(plan_file)
    if settings.environment not in {None, saved.plan.environment}:
        raise UsageError(
            f"--env (or RECONCILER_ENV) says {settings.environment!r}, but the plan is for"
            f" {saved.plan.environment or 'none'!r}: a saved plan fixes everything."
        )
    loaded = _loaded(replace(settings, environment=saved.plan.environment), choices, voice)
    planned = plan_with(loaded, saved.plan.options, arguments.api_key_file, voice)
    check_saved(saved.document, planned.plan, now())
    return planned


def _loaded(settings: Settings, choices: ApplyArguments, voice: Voice) -> Loaded:
    from reconciler.cli.session import load

    loaded = load(settings, voice)
    if choices.expect_commit is not None:
        from reconciler.cli.expected_commit import check_commit

        check_commit(loaded.config, loaded.desired.texts, choices.expect_commit)
    return loaded


def _refuse_other_options(arguments: PlanArguments) -> None:
    """A saved plan fixes everything. Raises UsageError before anything is sent."""
    given = {
        "--target": arguments.targets,
        "--changed-since": arguments.changed_since is not None,
        "--prune": arguments.prune,
        "--unarchive": arguments.unarchive,
        "--allow": arguments.allow,
        "--shield": arguments.shield,
        "--shard": arguments.shard,
    }
    if names := [name for name, value in given.items() if value]:
        raise UsageError(
            f"{', '.join(names)} cannot be used with a saved plan: the plan fixes everything. Make a new plan."
        )


def _refuse(plan: Plan, refusal: ReconcilerError, delivery: Delivery, voice: Voice) -> int:
    from reconciler.cli.present import deliver_report

    deliver_report(PLAN, plan, delivery, voice, failure=refusal)
    voice.error(str(refusal))
    return refusal.exit_code


def _show(plan: Plan, delivery: Delivery, voice: Voice) -> str:
    """Show the plan before it is made; what is still to be delivered together with the report is given back."""
    from reconciler.cli.present import render_options

    text = render(PLAN, "text", plan, render_options(delivery, voice))
    if delivery.form != "text":
        voice.note(text.removesuffix("\n"))
        return ""
    if delivery.output is None:
        voice.result(text)
        return ""
    voice.note(text.removesuffix("\n"))
    return text + "\n"


def _ask_and_do(planned: Planned, choices: ApplyArguments, voice: Voice) -> ApplyReport:
    from reconciler.cli.apply_run import run_apply

    plan = planned.plan
    environment = f", environment {plan.environment}" if plan.environment else ""
    question = f"Apply this to project {plan.project_id} ({plan.region}{environment})?"
    if not choices.auto_approve and not click.confirm(question, default=False, err=True):
        raise ReconcilerError("Not approved: nothing was sent.")
    return run_apply(planned, choices, voice)


def _unneeded(plan: Plan) -> ApplyReport:
    """The report on a plan with nothing to do: what is declared was just read and is in place."""
    from reconciler.apply import ApplyReport

    return ApplyReport(outcomes=(), unchanged=plan.unchanged, verified=True)


def _report(report: ApplyReport, shown: str, delivery: Delivery, choices: ApplyArguments, voice: Voice) -> int:
    """Tell what became of the plan, whatever cannot be written, and give the exit code that is true afterwards."""
    from reconciler.cli.apply_run import failure_of, unreported
    from reconciler.cli.present import deliver, render_options

    failure, options = failure_of(report), render_options(delivery, voice)

    def present(error: ReconcilerError | None) -> str:
        if delivery.form == "text" and not report.outcomes:
            return shown.removesuffix("\n")
        separator = "\n" if delivery.form == "text" and delivery.output is None else ""
        return separator + shown + render(APPLY, delivery.form, report, replace(options, error=error))

    def rescue() -> str:
        return render(APPLY, "text", report, options).removesuffix("\n")

    def fail(complaint: str) -> ReconcilerError:
        return unreported(report, complaint)

    as_json = render(APPLY, "json", report, replace(options, error=failure))
    files = [(choices.report, as_json)] if choices.report else []
    try:
        failure = deliver(present, delivery, voice, failure=failure, files=files, fail=fail, rescue=rescue)
    except BaseException:
        voice.rescued(rescue())
        raise
    if failure:
        voice.error(str(failure))
    return failure.exit_code if failure else report.exit_code
