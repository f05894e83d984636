"""`reconciler emulator`: the Management API on this machine, for trying things out and for tests."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

import click

from reconciler.cli.emulation import accept_environment_key, create_emulator
from reconciler.cli.options import OUTPUT, Settings, shared_options
from reconciler.cli.output import Output
from reconciler.cli.signals import TerminatedError
from reconciler.errors import InvalidInputError
from reconciler.files.config_file import find_config, load_configs

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model.config import Config

_MILLISECONDS = 1000


@click.command
@shared_options
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port [default: any free one].")
@click.option("--state", type=OUTPUT, metavar="FILE", help="Keep the state in a JSON file [default: in memory].")
@click.option("--latency", type=click.IntRange(0, 60_000), default=0, metavar="MS", help="Wait before each answer.")
@click.option("--rate", type=click.IntRange(1), metavar="N", help="Answer 429 beyond N requests a second.")
def emulator(settings: Settings, *, port: int, state: Path | None, latency: int, rate: int | None) -> int:
    """Serve the Management API, and what SDKs ask for, on 127.0.0.1 until it is interrupted.

    The projects and deployments are those of your configuration, if there is one. The first lines that it prints can
    be pasted into a shell, so that other commands use it. The key of AMPLITUDE_MANAGEMENT_API_KEY is accepted as
    well; it is neither shown nor stored.

    \b
      reconciler emulator --port 8765 --state emulator.json
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    configs = _configs(settings)
    served = create_emulator(state=state, latency=latency / _MILLISECONDS, rate=rate, configs=configs)
    accept_environment_key(os.environ, served)
    from reconciler.cli.feeding import with_sdks  # noqa: PLC0415 - an extra
    from reconciler.emulator.server import serve_in_foreground  # noqa: PLC0415

    key = next(iter(served.store.keys))
    app, feed = with_sdks(served, {name: number for config in configs for name, number in config.deployments.items()})
    served.remember()

    def greet(url: str) -> None:
        output.print(f"export RECONCILER_API_URL={url}\nexport AMPLITUDE_MANAGEMENT_API_KEY={shlex.quote(key)}\n")
        output.info(f"The emulator serves project {', '.join(served.store.projects)} at {url}. Ctrl-C ends it.")

    try:
        serve_in_foreground(app, port=port, on_start=greet, on_stop=feed.close)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except TerminatedError:
        return 128 + signal.SIGTERM
    return 0


def _configs(settings: Settings) -> tuple[Config, ...]:
    """The configuration of every environment; none where there is no configuration and none was named."""
    try:
        file = find_config(settings.config)
    except InvalidInputError:
        return ()
    return load_configs(file, settings.environment, needs_flags=False)
