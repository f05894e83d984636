"""`reconciler show`: a saved plan again, offline."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import OutputOptions, Settings, output_options, shared_options
from reconciler.cli.output import Output, write_report
from reconciler.cli.plan_file import read_plan_file
from reconciler.reports.registry import PLAN


@click.command
@click.argument("plan_file", metavar="PLAN.json", type=click.Path(dir_okay=False, path_type=Path))
@shared_options
@output_options(PLAN)
def show(settings: Settings, *, plan_file: Path, display: OutputOptions) -> int:
    """Show a plan that `plan --out` saved, in any format. Reads only the file.

    \b
      reconciler show plan.json
      reconciler show plan.json --format html --output plan.html
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    saved = read_plan_file(plan_file)
    output.info("This is what the file says: only `apply` compares it with the flag files and the live state.")
    failure = write_report(PLAN, saved.plan, display, output)
    if failure:
        output.error(str(failure))
    return failure.exit_code if failure else 0
