"""`reconciler evaluate KEY`: which variant a user gets, live and desired, and why. Sends GET only."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import click

from reconciler.api.parents import read_with_parents
from reconciler.cli.loading import load, now
from reconciler.cli.options import Settings, format_option, key_argument, key_file_option, shared_options
from reconciler.cli.output import Output
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.cli.progress import ProgressDisplay
from reconciler.errors import ReconcilerError, UsageError
from reconciler.evaluation.comparison import UserReport, UsersReport, summarize
from reconciler.evaluation.users import fields_of_options, read_users, user_of_json
from reconciler.planning.comparison import compare_with_plan
from reconciler.reports.registry import EVALUATION, EVALUATION_SUMMARY, RenderOptions, render
from reconciler.text import counted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.api.client import Client
    from reconciler.cli.loading import Loaded
    from reconciler.evaluation.comparison import Comparison
    from reconciler.evaluation.evaluate import FlagWithParents
    from reconciler.model.config import Config
    from reconciler.progress import Progress
    from reconciler.strict_json import Json

T = TypeVar("T")

_STDIN = Path("-")


class PropertyType(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`: a property of a user."""

    name = "K=V"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The name and the value; fails with a usage error."""
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE, as in country=US.", param, ctx)
        return name, text


@click.command
@key_argument
@shared_options
@click.option("--user-id", metavar="ID", help="The user's id.")
@click.option("--device-id", metavar="ID", help="The user's device id.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    type=PropertyType(),
    help="A property; may be repeated, and is a list where it is given several times.",
)
@click.option(
    "--users",
    type=click.Path(dir_okay=False, exists=True, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Count users from a file instead, one JSON object per line; - reads stdin.",
)
@format_option(EVALUATION)
@key_file_option
def evaluate(
    settings: Settings,
    *,
    key: str,
    user_id: str | None,
    device_id: str | None,
    properties: tuple[tuple[str, str], ...],
    users: Path | None,
    form: str,
    api_key_file: Path | None,
) -> int:
    """Show which variant of a flag a user gets, live and after the plan, and why, with the arithmetic.

    Built-in properties have their plain names (country, platform, amplitude_id …); all others are custom properties,
    with or without gp: in front. Flags that this one depends on are evaluated too. Only these flags are read, with
    their inclusions. The API does not show who is in a cohort: give cohort_ids.

    With --users no user is shown, only counts: how many users of the file get which variant, live and after the plan,
    for which reasons, and how many of them the plan would move. Each line is a user as SDKs describe one, or flat.

    \b
      reconciler evaluate new-checkout --user-id ada --property country=US
      reconciler evaluate new-checkout --users users.jsonl --format json
    """  # noqa: D301 - the backspace tells click not to wrap
    fields = fields_of_options(user_id, device_id, properties)
    if fields and users:
        raise UsageError("--users evaluates the users of a file: no other user can be given beside it.")
    if not fields and not users:
        raise UsageError("Missing option: give --user-id, --device-id or --property, or a file with --users.")
    output = Output.of(settings)
    with _opened(users) as stream:
        loaded = load(settings, output)
        comparison = _comparison(key, loaded, api_key_file, output)
        options = RenderOptions(terminal=output.terminal())
        if stream is None:
            result = render(EVALUATION, form, _one_user(comparison, loaded.config, fields), options)
        else:
            report = _many_users(comparison, loaded.config, stream, output)
            result = render(EVALUATION_SUMMARY, form, report, options)
    output.print(result)
    return 0


@contextmanager
def _opened(users: Path | None) -> Iterator[IO[bytes] | None]:
    """The file of users, opened before anything is sent."""
    if users is None:
        yield None
        return
    with nullcontext(sys.stdin.buffer) if users == _STDIN else users.open("rb") as stream:
        yield stream


def _comparison(key: str, loaded: Loaded, key_file: Path | None, output: Output) -> Comparison:
    credentials = resolve_credentials(loaded.config, key_file, output)
    declared = {name: flag.spec for name, flag in loaded.desired.flags.items()}

    async def read(client: Client, _: Progress) -> tuple[FlagWithParents, int]:
        return await read_with_parents(client, key, declared), client.requests

    family, requests = run_with_client(loaded.config, credentials, output, read)
    flags = counted(1 + len(family.parents), "flag")
    output.debug(f"Read {flags} with {counted(requests, 'request')} from {credentials.origin}.")
    if family.flag is None and key not in loaded.desired.flags:
        raise ReconcilerError(_no_flag(key, loaded))
    return compare_with_plan(key, family, loaded.desired, loaded.config, now=now())


def _no_flag(key: str, loaded: Loaded) -> str:
    hint = suggestion(key, loaded.desired.flags)
    project = loaded.config.project_id
    return f'There is no flag with the key "{key}" in project {project}, and no flag file declares one.{hint}'


def _one_user(comparison: Comparison, config: Config, fields: dict[str, Json]) -> UserReport:
    user = user_of_json(fields)
    live, desired = comparison.live.evaluate(user), comparison.desired.evaluate(user)
    return UserReport(comparison=comparison, config=config, fields=fields, live=live, desired=desired)


def _many_users(comparison: Comparison, config: Config, stream: IO[bytes], output: Output) -> UsersReport:
    file = "stdin" if stream is sys.stdin.buffer else str(stream.name)
    with ProgressDisplay.of(output) as display:
        summary = summarize(comparison, _watched(read_users(stream, file), display.progress))
    return UsersReport(comparison=comparison, config=config, file=file, summary=summary)


def _watched(users: Iterator[T], progress: Progress) -> Iterator[T]:
    """The same users, with progress."""
    progress.start("Evaluating", unit="users")
    for user in users:
        yield user
        progress.advance()
