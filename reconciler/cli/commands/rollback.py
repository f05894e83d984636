"""`reconciler rollback KEY --to N`: the YAML of a flag as it was in a version. Sends GET only, applies nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.destinations import check_destinations
from reconciler.cli.options import FILE, Settings, key_argument, key_file_option, shared_options
from reconciler.cli.output import Output, raise_complaints, write_file
from reconciler.cli.planning import require_flag, resolve_credentials, run_with_client
from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import InvalidInputError, ReconcilerError, RejectedError
from reconciler.files.config_file import find_config, load_config
from reconciler.files.decode import defaults_for
from reconciler.files.format import rewrite_flag
from reconciler.files.load import load_desired
from reconciler.importer import find_declared_flags, overlay_of, roll_back
from reconciler.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.api.client import Client
    from reconciler.importer import Declared, Rollback
    from reconciler.model.config import Config
    from reconciler.model.flag import Version

NOT_FOUND = (400, 404)
"""What servers answer where there is no such version."""


@click.command
@key_argument
@shared_options
@click.option("--to", "number", type=click.IntRange(min=1), required=True, metavar="N", help="The version.")
@click.option("--out", type=FILE, metavar="FILE", help="Write the changed file here, and leave the flag's own alone.")
@key_file_option
def rollback(settings: Settings, *, key: str, number: int, out: Path | None, api_key_file: Path | None) -> int:
    """Rewrite a flag's YAML to the values of version N, for review like any change. Applies nothing.

    Only fields that the file or `defaults` declare are changed, and every comment stays. Fields that versions do not
    show, such as inclusions, stay as they are and are named. `reconciler history KEY` lists the versions.

    \b
      reconciler rollback new-checkout --to 12
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    config = load_config(find_config(settings.config), settings.environment)
    declared = _declared(config, key)
    inputs = [("--api-key-file", api_key_file)] if api_key_file else []
    check_destinations(settings, {"--out": out}, inputs, rewrites=declared.path)
    version = _read(config, key, number, api_key_file, output)
    rolled = roll_back(declared.document, version.flag.spec, config)
    _refuse_faulty(rolled, declared, number)
    _write(rolled, declared, config, out)
    raise_complaints(
        "", (), output.print_done("".join(f"{line}\n" for line in _lines(rolled, declared, version, out)))
    )
    return 0


def _declared(config: Config, key: str) -> Declared:
    """The document of the flag. Raises InvalidInputError where files are not valid, ReconcilerError without it."""
    load_desired(config)
    known = find_declared_flags(config)
    declared = known.get(key)
    if declared is None or declared.is_absent:
        hint = suggestion(key, (name for name, item in known.items() if not item.is_absent))
        raise ReconcilerError(
            f'No file declares a flag "{key}": `reconciler import --target {key}` writes one.{hint}'
        )
    return declared


def _read(config: Config, key: str, number: int, key_file: Path | None, output: Output) -> Version:
    credentials = resolve_credentials(config, key_file, output)
    return run_with_client(config, credentials, output, lambda client, _: _read_version(client, key, number))


async def _read_version(client: Client, key: str, number: int) -> Version:
    flag = await require_flag(client, key)
    try:
        version = await client.get_version(flag.id, number)
    except RejectedError as error:
        if error.status not in NOT_FOUND:
            raise
        message = f'The flag "{key}" has no version {number}: `reconciler history {key}` lists them.'
        raise ReconcilerError(message) from error
    if version.flag.key != key:
        message = f'Asked for version {number} of "{key}", the server shows that of "{version.flag.key}".'
        raise ReconcilerError(message)
    return version


def _refuse_faulty(rolled: Rollback, declared: Declared, number: int) -> None:
    """A version that no file can declare is not written. Raises InvalidInputError with the reasons."""
    if rolled.obstacles:
        position = SourcePosition(file=declared.shown, line=1, column=1)
        raise InvalidInputError(
            f"Version {number} cannot be declared as it was; nothing was written.",
            [
                Diagnostic(
                    severity=Severity.ERROR,
                    rule="not-declarable",
                    message=item.reason,
                    position=position,
                    path=item.pointer,
                )
                for item in rolled.obstacles
            ],
        )


def _write(rolled: Rollback, declared: Declared, config: Config, out: Path | None) -> None:
    text = rewrite_flag(
        declared.text,
        declared.index,
        rolled.document,
        environment=overlay_of(config, declared),
        defaults=defaults_for(declared.document["key"], config),
    )
    if out is not None or text != declared.text:
        write_file(out or declared.path, text, private=False)


def _lines(rolled: Rollback, declared: Declared, version: Version, out: Path | None) -> Iterator[str]:
    """What changed and what could not, a line each; the first names the file that was written."""
    by = f" by {version.created_by}" if version.created_by else ""
    key = declared.document["key"]
    file = declared.shown if out is None else out.as_posix()
    yield f"{key}  {file}: version {version.version} of {version.created_at}{by}"
    for name in rolled.changed:
        yield f"  ~ {name}"
    for name in rolled.not_shown:
        yield f"  = {name}: the version does not show it in a form that a file can hold; left as it is"
    if rolled.changed:
        yield "Nothing was applied: review the file, then `reconciler plan`."
    else:
        yield "No changes: the file declares these values already."
