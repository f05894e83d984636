"""`reconciler history KEY`: a flag's versions, with what changed in each. Sends GET only."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Settings, format_option, key_file_option, shared_options
from reconciler.reports.registry import HISTORY, RenderOptions, render

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.api.client import Client
    from reconciler.drift import FlagHistory


@click.command
@click.argument("key")
@shared_options
@format_option(HISTORY)
@key_file_option
def history(settings: Settings, *, key: str, form: str, api_key_file: Path | None) -> int:
    """Show a live flag's versions, newest first, with what changed in each, who made it and when.

    The flag need not be declared. Versions do not show inclusions, nor all of a variant's fields.

    \b
      reconciler history new-checkout
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.progress import Progress
    from reconciler.cli.session import access, connected
    from reconciler.cli.voice import Voice
    from reconciler.files.config_file import find_config, load_config

    voice = Voice.of(settings)
    config = load_config(find_config(settings.config), settings.environment, needs_flags=False)
    allowed = access(config, api_key_file, voice, os.environ)

    async def run() -> FlagHistory:
        with Progress.of(voice) as progress:
            async with connected(config, allowed, progress) as client:
                return await _read(client, key)

    voice.result(render(HISTORY, form, asyncio.run(run()), RenderOptions(terminal=voice.terminal())))
    return 0


async def _read(client: Client, key: str) -> FlagHistory:
    from reconciler.api.live import find_flag
    from reconciler.drift import FlagHistory, history_entries
    from reconciler.errors import ReconcilerError

    flag = await find_flag(client, key)
    if flag is None:
        raise ReconcilerError(f'There is no flag with the key "{key}" in project {client.project_id}.')
    versions = await client.list_versions(flag.id)
    return FlagHistory(key=flag.key, flag_id=flag.id, entries=history_entries(versions), requests=client.requests)
