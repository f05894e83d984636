"""`reconciler show`: a saved plan again, offline."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import Delivery, Settings, delivery_options, shared_options
from reconciler.reports.registry import PLAN


@click.command
@click.argument("plan_file", metavar="PLAN.json", type=click.Path(dir_okay=False, path_type=Path))
@shared_options
@delivery_options(PLAN)
def show(settings: Settings, *, plan_file: Path, delivery: Delivery) -> int:
    """Show a plan that `plan --out` saved, in any form. Reads nothing but the file.

    \b
      reconciler show plan.json
      reconciler show plan.json --format html --output plan.html
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.present import deliver_report
    from reconciler.cli.saved import read_saved
    from reconciler.cli.voice import Voice

    voice = Voice.of(settings)
    failure = deliver_report(PLAN, read_saved(plan_file).plan, delivery, voice)
    if failure:
        voice.error(str(failure))
    return failure.exit_code if failure else 0
