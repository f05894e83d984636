"""`reconciler evaluate KEY`: which variant a user gets, live and desired, and why. Sends GET only."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import click

from reconciler.cli.options import Settings, format_option, key_file_option, shared_options
from reconciler.errors import ReconcilerError, UsageError
from reconciler.reports.registry import EVALUATION, EVALUATION_SUMMARY, RenderOptions, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.cli.progress import Progress
    from reconciler.cli.session import Loaded
    from reconciler.cli.voice import Voice
    from reconciler.evaluation.comparison import Comparison, UserReport
    from reconciler.evaluation.evaluate import FlagWithParents
    from reconciler.evaluation.summary import UsersReport
    from reconciler.model.config import Config
    from reconciler.model.flag import Json

T = TypeVar("T")

_STDIN = Path("-")
_USERS_BETWEEN = 1000


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
@click.argument("key")
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
    help="Count a file of users instead, a JSON object a line; - reads stdin.",
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
    """Show which variant a user gets of a flag, live and once the plan is made, and why: the arithmetic included.

    Built-in properties go by their names (country, platform, amplitude_id …), others are custom ones, with or without
    gp: before them. Flags that this one depends on are evaluated too. Only these flags are read, their inclusions
    included; who is in a cohort the API does not tell: give cohort_ids.

    With --users nobody is shown: how many users of the file get which variant, live and desired, for which reasons,
    and how many of them the plan would move. A line is a user as the SDKs describe one, or flat.

    \b
      reconciler evaluate new-checkout --user-id ada@example.com --property country=US
      reconciler evaluate new-checkout --users users.jsonl --format json
    """  # noqa: D301 - the backspace tells click not to wrap
    from reconciler.cli.session import load
    from reconciler.cli.voice import Voice
    from reconciler.evaluation.users import fields_of_options

    fields = fields_of_options(user_id, device_id, properties)
    if fields and users:
        raise UsageError("--users evaluates the users of a file: no other user can be given beside it.")
    if not fields and not users:
        raise UsageError("Whom? Give --user-id, --device-id or --property, or a file with --users.")
    voice = Voice.of(settings)
    with _opened(users) as stream:
        loaded = load(settings, voice)
        comparison = _comparison(key, loaded, api_key_file, voice)
        options = RenderOptions(terminal=voice.terminal())
        if stream is None:
            result = render(EVALUATION, form, _one_user(comparison, loaded.config, fields), options)
        else:
            report = _many_users(comparison, loaded.config, stream, voice)
            result = render(EVALUATION_SUMMARY, form, report, options)
    voice.result(result)
    return 0


@contextmanager
def _opened(users: Path | None) -> Iterator[IO[bytes] | None]:
    """The file of users, opened before anything is sent."""
    if users is None:
        yield None
        return
    with nullcontext(sys.stdin.buffer) if users == _STDIN else users.open("rb") as stream:
        yield stream


def _comparison(key: str, loaded: Loaded, key_file: Path | None, voice: Voice) -> Comparison:
    from reconciler.cli.progress import Progress
    from reconciler.cli.session import access, connected, now
    from reconciler.planning.comparison import compare_with_plan
    from reconciler.text import counted

    allowed = access(loaded.config, key_file, voice, os.environ)

    async def read() -> FlagWithParents:
        from reconciler.api.parents import read_with_parents

        declared = {name: flag.spec for name, flag in loaded.desired.flags.items()}
        with Progress.of(voice) as progress:
            async with connected(loaded.config, allowed, progress) as client:
                family = await read_with_parents(client, key, declared)
                requests = client.requests
        flags = counted(1 + len(family.parents), "flag")
        voice.detail(f"Read {flags} with {counted(requests, 'request')} from {allowed.origin}.")
        return family

    family = asyncio.run(read())
    if family.flag is None and key not in loaded.desired.flags:
        raise ReconcilerError(_no_flag(key, loaded))
    return compare_with_plan(key, family, loaded.desired, loaded.config, now=now())


def _no_flag(key: str, loaded: Loaded) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, loaded.desired.flags, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    project = loaded.config.project_id
    return f'There is no flag with the key "{key}" in project {project}, and no flag file declares one.{hint}'


def _one_user(comparison: Comparison, config: Config, fields: dict[str, Json]) -> UserReport:
    from reconciler.evaluation.comparison import UserReport
    from reconciler.evaluation.users import user_of_json

    user = user_of_json(fields)
    live, desired = comparison.live.evaluate(user), comparison.desired.evaluate(user)
    return UserReport(comparison=comparison, config=config, fields=fields, live=live, desired=desired)


def _many_users(comparison: Comparison, config: Config, stream: IO[bytes], voice: Voice) -> UsersReport:
    from reconciler.cli.progress import Progress
    from reconciler.evaluation.summary import UsersReport, summarize
    from reconciler.evaluation.users import read_users

    file = "stdin" if stream is sys.stdin.buffer else str(stream.name)
    with Progress.of(voice) as progress:
        summary = summarize(comparison, _watched(read_users(stream, file), progress))
    return UsersReport(comparison=comparison, config=config, file=file, summary=summary)


def _watched(users: Iterator[T], progress: Progress) -> Iterator[T]:
    """The same users, with progress."""
    for number, user in enumerate(users, start=1):
        if number % _USERS_BETWEEN == 0:
            progress.on_users(number)
        yield user
