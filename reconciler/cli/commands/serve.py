"""`reconciler serve`: an application runs on the flags of this branch, with Amplitude's SDKs as they are."""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.destinations import check_destinations
from reconciler.cli.emulation import accept_environment_key
from reconciler.cli.failures import as_reconciler_error
from reconciler.cli.options import FILE, OUTPUT, Settings, key_file_option, shared_options
from reconciler.cli.output import Output
from reconciler.cli.signals import TerminatedError
from reconciler.errors import ReconcilerError, UsageError
from reconciler.text import counted

if TYPE_CHECKING:
    from reconciler.cli.serving import Session

SERVE_EXTRA = "`serve` is an extra: install it with `pip install 'amplitude-flag-reconciler[serve]'`."


_NEEDED = ("amplitude_experiment", "watchfiles")
"""What is imported only once it is used, long after the start."""


class OverrideType(click.ParamType[tuple[str | None, str, str]]):
    """`FLAG=VARIANT`, or with `of_user` `ID:FLAG=VARIANT`."""

    def __init__(self, *, of_user: bool) -> None:
        self._of_user = of_user
        self.name = "ID:FLAG=VARIANT" if of_user else "FLAG=VARIANT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, str, str]:
        """The user, the flag and the variant; fails with a usage error."""
        place, equals, variant = str(value).rpartition("=")
        user, colon, key = place.rpartition(":")
        if not (equals and key and variant) or bool(colon and user) is not self._of_user:
            self.fail(f"{value!r} is not {self.name}.", param, ctx)
        return user or None, key, variant


@click.command
@shared_options
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port [default: any free one].")
@click.option(
    "--from",
    "source",
    default="files",
    metavar="SOURCE",
    help="files, live, live,files (these on top of live), or a saved plan: what it would leave [default: files].",
)
@click.option(
    "--set",
    "everyone",
    multiple=True,
    type=OverrideType(of_user=False),
    help="Give everyone this variant; may be repeated.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    type=OverrideType(of_user=True),
    help="Give one user this variant; may be repeated.",
)
@click.option("--cohorts", type=FILE, metavar="FILE", help="Members of cohorts: a JSON object of lists of user ids.")
@click.option(
    "--record", type=OUTPUT, metavar="FILE", help="Keep the users that are evaluated, for evaluate --users."
)
@click.option("--amplitude-ids", is_flag=True, help="Make an amplitude_id of the user's id where none is sent.")
@click.option("--no-watch", is_flag=True, help="Do not look for changes of the files.")
@key_file_option
def serve(
    settings: Settings,
    *,
    port: int,
    source: str,
    everyone: tuple[tuple[None, str, str], ...],
    users: tuple[tuple[str, str, str], ...],
    cohorts: Path | None,
    record: Path | None,
    amplitude_ids: bool,
    no_watch: bool,
    api_key_file: Path | None,
) -> int:
    """Serve flags to Amplitude's SDKs on 127.0.0.1 until it is interrupted, as production would serve them.

    Serves what the flag files declare, without key and network. An edit of a file is served and streamed at once.
    Point the server URL of an SDK to this address; its deployment key is the name or id of a deployment.
    OpenFeature's OFREP providers work too, and the same server answers the Management API. The page at / shows who
    gets what, and why.

    \b
      reconciler serve --port 8765
      reconciler serve --from live,files --set new-checkout=treatment
      reconciler serve --from plan.json
    """  # noqa: D301 - the backspace tells click not to wrap
    check_destinations(settings, {"--record": record}, [("--from", Path(source))])
    output = Output.of(settings)
    session = start_session(
        settings,
        output,
        source=source,
        cohorts=cohorts,
        record=record,
        amplitude_ids=amplitude_ids,
        key_file=api_key_file,
    )
    for user, key, variant in (*everyone, *users):
        _override(session, key, variant, user)
    accept_environment_key(os.environ, session.emulator)
    return _serve(session, output, port=port, watches=not no_watch)


def start_session(
    settings: Settings,
    output: Output,
    *,
    source: str = "files",
    cohorts: Path | None = None,
    record: Path | None = None,
    amplitude_ids: bool = False,
    key_file: Path | None = None,
) -> Session:
    """A session over what the source gives. Raises ReconcilerError where the extra is not installed, and its own."""
    _require_source(source)
    if not all(map(find_spec, _NEEDED)):
        raise ReconcilerError(SERVE_EXTRA)
    try:
        from reconciler.cli.serving import Session  # noqa: PLC0415 - an extra
        from reconciler.cli.sources import Source  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ReconcilerError(SERVE_EXTRA) from error
    return Session(
        Source(source, settings, key_file, output),
        output,
        cohorts=cohorts,
        record=record,
        makes_amplitude_ids=amplitude_ids,
    )


def _require_source(source: str) -> None:
    if source in {"files", "live", "live,files", "files,live"}:
        return
    if not Path(source).is_file():
        raise UsageError(f"--from {source!r} is neither files, live, live,files nor a saved plan.")


def _override(session: Session, key: str, variant: str, user: str | None) -> None:
    try:
        session.feed.override(key, variant, user)
    except LookupError as error:
        raise UsageError(str(error.args[0])) from error


def _say_why_it_ended(watch: asyncio.Task[None], output: Output) -> None:
    if not watch.cancelled() and (error := watch.exception()):
        output.error(f"Changes of files are seen no more: {as_reconciler_error(error)} What was served goes on.")


def _serve(session: Session, output: Output, *, port: int, watches: bool) -> int:
    from reconciler.emulator.server import serve_in_foreground  # noqa: PLC0415 - an extra

    tasks = []

    def greet(url: str) -> None:
        if watches:
            tasks.append(asyncio.get_running_loop().create_task(session.watch()))
            tasks[-1].add_done_callback(lambda task: _say_why_it_ended(task, output))
        output.print(f"{url}\n")
        output.info(
            f"Serving {counted(len(session.content.flags), 'flag')} at {url}, not production. Deployment keys: "
            f"{', '.join(session.deployment_names)}. Ctrl-C ends it."
        )
        for warning in session.warnings():
            output.warning(warning)

    try:
        serve_in_foreground(session.app, port=port, on_start=greet, on_stop=session.feed.close)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except TerminatedError:
        return 128 + signal.SIGTERM
    return 0
