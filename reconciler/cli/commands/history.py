"""`reconciler history KEY`: a flag's versions, with what changed in each. Sends GET only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Settings, format_option, key_argument, key_file_option, shared_options
from reconciler.cli.output import Output
from reconciler.cli.planning import require_flag, resolve_credentials, run_with_client
from reconciler.drift import FlagHistory, history_entries
from reconciler.errors import ReconcilerError
from reconciler.files.config_file import find_config, load_config
from reconciler.files.load import load_desired
from reconciler.reports.registry import HISTORY, RenderOptions, render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.api.client import Client
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag


@click.command
@key_argument
@shared_options
@format_option(HISTORY)
@key_file_option
def history(settings: Settings, *, key: str, form: str, api_key_file: Path | None) -> int:
    """Show a live flag's versions, newest first, with what changed in each, who made it and when.

    The flag need not be declared. Versions do not show inclusions, nor all of a variant's fields. Where a rollout is
    declared, the versions that made its steps say so.

    \b
      reconciler history new-checkout
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    config = load_config(find_config(settings.config), settings.environment, needs_flags=False)
    declared = _declared(config)
    credentials = resolve_credentials(config, api_key_file, output)
    shown = run_with_client(config, credentials, output, lambda client, _: _read(client, key, declared))
    output.print(render(HISTORY, form, shown, RenderOptions(terminal=output.terminal())))
    return 0


def _declared(config: Config) -> Mapping[str, DesiredFlag]:
    """The flags as their files declare them now; none where files cannot be read."""
    try:
        return load_desired(config).flags
    except ReconcilerError:
        return {}


async def _read(client: Client, key: str, declared: Mapping[str, DesiredFlag]) -> FlagHistory:
    flag = await require_flag(client, key, declared)
    rollouts = declared[key].rollouts if key in declared else ()
    versions = await client.list_versions(flag.id)
    return FlagHistory(
        key=flag.key, flag_id=flag.id, entries=history_entries(versions, rollouts), requests=client.requests
    )
