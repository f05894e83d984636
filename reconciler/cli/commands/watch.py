"""`reconciler watch`: drift and advance, again and again, in one process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from reconciler.cli.advancing import AdvanceArguments
from reconciler.cli.metrics_server import published
from reconciler.cli.options import Settings, allow_option, key_file_option, shared_options, target_option
from reconciler.cli.output import Output
from reconciler.cli.watching import Rounds

if TYPE_CHECKING:
    from pathlib import Path

_is_span = re.compile(r"([1-9][0-9]{0,5})([smh])", re.ASCII).fullmatch
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class SpanType(click.ParamType[float]):
    """A time between rounds: `30s`, `5m`, `1h`."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; fails with a usage error."""
        found = _is_span(str(value))
        if found is None:
            self.fail(f"{value!r} is no time as in 30s, 5m or 1h.", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2]])


@click.command
@shared_options
@click.option("--every", type=SpanType(), default="5m", show_default=True, help="How long to wait between rounds.")
@click.option(
    "--metrics",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve metrics for Prometheus on 127.0.0.1; 0 takes a free port.",
)
@target_option
@allow_option
@key_file_option
def watch(
    settings: Settings,
    *,
    every: float,
    port: int | None,
    targets: tuple[str, ...],
    allow: tuple[str, ...],
    api_key_file: Path | None,
) -> int:
    """Look for drift and advance rollouts in rounds, until it is interrupted.

    Use it where scheduled jobs of hosted CI run too late. Each round reads the files again, so keep the checkout up
    to date. All rounds share `requests.dailyBudget`. If a round fails, stderr says why, and the next round tries
    again. Drift is reported, never corrected.

    \b
      reconciler watch --every 5m --metrics 9464 --env production
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    arguments = AdvanceArguments(targets=targets, allow=frozenset(allow))
    with published(port, output) as publish:
        Rounds(
            settings=settings,
            arguments=arguments,
            key_file=api_key_file,
            output=output,
            seconds=every,
            publish=publish,
        ).run()
    return 0
