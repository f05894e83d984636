"""`reconciler plan`: what would change, and who would notice. Sends GET only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.loading import load
from reconciler.cli.options import (
    OUTPUT,
    OutputOptions,
    OutputPath,
    PlanArguments,
    Settings,
    plan_options,
    shared_options,
)
from reconciler.cli.output import Output, write_report
from reconciler.cli.planning import make_plan, refusal_of, resolve_scope, say_refusal
from reconciler.cli.sections import SectionedCommand
from reconciler.planning.review import encode_record, record_of
from reconciler.reports.json_report import render_json
from reconciler.reports.plan_view import names_users
from reconciler.reports.registry import PLAN, RenderOptions, render

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan

CHANGES = 2


@click.command(cls=SectionedCommand)
@shared_options
@plan_options(PLAN)
@click.option(
    "--cache",
    type=OutputPath(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep inclusions there, and read only those of changed flags for a day.",
)
@click.option(
    "--record",
    type=OUTPUT,
    metavar="FILE",
    help="Write the review record for `apply --reviewed`; it holds no user ids.",
)
@click.option(
    "--page", type=OUTPUT, metavar="FILE", help="Write the plan as a page (HTML) too, also if it is refused."
)
def plan(
    settings: Settings,
    *,
    arguments: PlanArguments,
    display: OutputOptions,
    cache: Path | None,
    record: Path | None,
    page: Path | None,
) -> int:
    """Show what would change, with which calls, and which share of users gets another variant.

    Sends only GET requests. A flag that a safety check holds is marked; the other flags can still be applied. If all
    changes are refused, the plan is shown with the reasons, and the exit code is 5.

    \b
      reconciler plan --env production
      reconciler plan --out plan.json && reconciler apply plan.json
      reconciler plan --changed-since origin/main --format markdown
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    loaded = load(settings, output)
    scope = resolve_scope(arguments, loaded, output)
    planned = make_plan(loaded, scope, arguments.api_key_file, output, cache=cache).plan
    refusal = refusal_of(planned)
    files = [(display.out, render(PLAN, "json", planned))] if display.out and not refusal else []
    if record:
        files.append((record, render_json(encode_record(record_of(planned, scope.changed)))))
    if page:
        options = RenderOptions(show_users=display.show_users)
        files.append((page, render(PLAN, "html", planned, options)))
    failure = write_report(PLAN, planned, display, output, failure=refusal, files=files)
    if failure:
        if refusal:
            say_refusal(failure, refusal, output, is_shown=output.is_beside(display))
        else:
            output.error(str(failure))
        return failure.exit_code
    if display.out:
        output.info(f"Saved to {display.out}. {_about_saved(planned)}")
    return exit_code_of(planned, detailed=display.detailed_exitcode)


def _about_saved(planned: Plan) -> str:
    if planned.is_empty:
        return "There is nothing in it to apply."
    return f"{'It holds user ids; apply' if names_users(planned) else 'Apply'} it within 24 hours."


def exit_code_of(planned: Plan, *, detailed: bool) -> int:
    """0, or 2 for a plan with changes where that was asked for."""
    return CHANGES if detailed and not planned.is_empty else 0
