"""`reconciler doctor`: key, host, project, clock, limits: what works and what does not. Sends GET only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from reconciler.api.credentials import origin_for
from reconciler.cli.loading import now
from reconciler.cli.options import Settings, format_option, key_file_option, shared_options
from reconciler.cli.output import Output
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.doctor import Check, CheckStatus, examine, exit_code, failed, limits
from reconciler.errors import AccessError, InvalidInputError
from reconciler.files.config_file import find_config, load_config
from reconciler.files.load import load_desired
from reconciler.reports.registry import DOCTOR, RenderOptions, render

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.config import Config


@click.command
@shared_options
@format_option(DOCTOR)
@key_file_option
def doctor(settings: Settings, *, form: str, api_key_file: Path | None) -> int:
    """Check the configuration, the key, the host, the project, the clock and the limits, and say what to do.

    The key is never shown. Exit code 0 where nothing fails, 4 where the key is refused, 1 otherwise.

    \b
      reconciler doctor --env production
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    config = load_config(find_config(settings.config), settings.environment, needs_flags=False)
    checks = _checks(config, api_key_file, output)
    output.print(render(DOCTOR, form, checks, RenderOptions(terminal=output.terminal())))
    return exit_code(checks)


def _checks(config: Config, key_file: Path | None, output: Output) -> tuple[Check, ...]:
    environment = f", environment {config.environment}" if config.environment else ""
    origin = origin_for(config.region, os.environ)
    offline = (
        Check(name="configuration", status=CheckStatus.OK, message=f"{config.file}{environment}"),
        limits(config),
        Check(name="host", status=CheckStatus.OK, message=f"{origin} (region {config.region})"),
    )
    try:
        credentials = resolve_credentials(config, key_file, output)
    except AccessError as error:
        return (*offline, failed("key", error))
    place = f"in {key_file}" if key_file else "in the environment"
    key = Check(name="key", status=CheckStatus.OK, message=f"found {place}; it is never shown")
    declared = _declared(config)
    checks = run_with_client(
        config, credentials, output, lambda client, _: examine(client, config, now, declared=declared)
    )
    return (*offline, key, *checks)


def _declared(config: Config) -> frozenset[str] | None:
    """The keys of the declared flags; None where the files cannot tell."""
    try:
        return frozenset(load_desired(config).flags) if config.flags_dir.is_dir() else None
    except InvalidInputError:
        return None
