"""`reconciler import`: live flags as flag files. Sends GET only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs
from msgspec.structs import replace

from reconciler.cli.options import Settings, key_file_option, shared_options, target_option
from reconciler.cli.output import Output, raise_complaints, reason_of, try_write_file
from reconciler.cli.planning import resolve_credentials, run_with_client
from reconciler.errors import ApiError, InvalidInputError, ReconcilerError
from reconciler.files.config_file import find_config, load_config, load_configs
from reconciler.files.load import load_desired
from reconciler.importer import build_import, find_declared_flags, read_importable
from reconciler.importer.deployments import names_for, unnamed_deployments, with_deployments
from reconciler.model.config import idle_targets
from reconciler.model.flag import DesiredState
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.api.client import Client
    from reconciler.importer import Declared, FileChange, ImportResult
    from reconciler.model.config import Config
    from reconciler.model.flag import LiveFlag, LiveState
    from reconciler.progress import Progress


MENDED = frozenset({"ignored-field", "unkept-member"})
"""What `--force` puts right: what a file declares and `ignore` leaves to others."""


@click.command("import")
@shared_options
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write to this directory [default: the configured directory of flags].",
)
@target_option
@click.option("--force", is_flag=True, help="Update flags that files declare already; their comments stay.")
@click.option("--minimal", is_flag=True, help="Leave out what a new flag has anyway.")
@click.option("--no-inclusions", is_flag=True, help="Do not read users and cohorts: two requests less per variant.")
@key_file_option
def import_flags(
    settings: Settings,
    *,
    out: Path | None,
    targets: tuple[str, ...],
    force: bool,
    minimal: bool,
    no_inclusions: bool,
    api_key_file: Path | None,
) -> int:
    """Write live flags as YAML, one file for each flag, with every field that decides who gets what.

    Afterwards a plan changes no field; with `managedTag` it adds the tag to the flags that lack it. Archived flags
    are left out, unless a --target is exactly their key. What the API does not accept back (conditions on cohorts)
    and what a file cannot hold is written as a comment.

    If one of the flags is declared already, nothing is written. With --force it is updated in its file; with several
    environments, in the overlay of the chosen one.

    \b
      reconciler import
      reconciler import --target 'checkout-*' --force
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    config = load_config(find_config(settings.config), settings.environment, needs_flags=False)
    config = config if out is None else structs.replace(config, flags_dir=out)
    declared = _declared(config, is_mended=force)
    live, flags, named = _read(config, targets, api_key_file, output, inclusions=not no_inclusions)
    config = structs.replace(config, deployments={**config.deployments, **named})
    found = live.flags.keys() | live.duplicates.keys()
    for warning in idle_targets(targets, found | declared.keys()):
        output.warning(warning)
    for key in sorted((declared.keys() & set(targets)) - found):
        output.warning(f'"{key}" is declared, but not live: there is nothing to import.')
    keys = {flag.id: flag.key for flag in live.flags.values()}
    config, neighbours = _with_neighbours(config)
    result = build_import(
        flags, declared, config, keys=keys, neighbours=neighbours, taken=_names(config.flags_dir), minimal=minimal
    )
    if not force:
        _refuse_taken(result)
    _warn(result, live, config, output)
    if named:
        _write_names(config, named, output)
    _write(result, config, output)
    return 0


def _with_neighbours(config: Config) -> tuple[Config, list[Config]]:
    """The configuration with the environments alone that share its directory of flags, and those of them.

    Without any where each environment has a directory of its own.
    """
    if not config.environments:
        return config, []
    every = load_configs(config.file, needs_flags=False)
    named = next(item.flags_dir for item in every if item.environment == config.environment)
    shared = [item for item in every if item.flags_dir == named]
    names = tuple(item.environment or "" for item in shared) if len(shared) > 1 or len(every) == 1 else ()
    return structs.replace(config, environments=names), shared


def _declared(config: Config, *, is_mended: bool) -> Mapping[str, Declared]:
    """What the directory declares already. Raises InvalidInputError where that is not valid.

    `is_mended`: files that `ignore` alone makes invalid are let through, since they are about to be written again.
    """
    if config.flags_dir.is_dir():
        try:
            load_desired(config)
        except InvalidInputError as error:
            if not is_mended or any(item.is_error and item.rule not in MENDED for item in error.diagnostics):
                raise
    return find_declared_flags(config)


def _read(
    config: Config, targets: tuple[str, ...], key_file: Path | None, output: Output, *, inclusions: bool
) -> tuple[LiveState, tuple[LiveFlag, ...], Mapping[str, str]]:
    """The live state, its flags to import, and names for deployments of theirs that have none yet."""
    credentials = resolve_credentials(config, key_file, output)

    async def work(client: Client, progress: Progress) -> tuple[LiveState, tuple[LiveFlag, ...], Mapping[str, str]]:
        live, flags = await read_importable(
            client, targets=targets, desired=DesiredState(flags={}), inclusions=inclusions, progress=progress
        )
        return live, flags, await _names_of_deployments(client, flags, config, output)

    return run_with_client(config, credentials, output, work)


async def _names_of_deployments(
    client: Client, flags: Iterable[LiveFlag], config: Config, output: Output
) -> Mapping[str, str]:
    """Names for deployments without one, by their labels; none where the server does not show these."""
    if not (ids := unnamed_deployments(flags, config)):
        return {}
    try:
        page = await client.list_all_deployments()
    except ApiError as error:
        output.warning(f"The labels of deployments cannot be read, so files name them by id: {error}")
        return {}
    return names_for(ids, {item.id: item.label for item in page.deployments} if page else {}, config)


def _write_names(config: Config, named: Mapping[str, str], output: Output) -> None:
    """Put new names of deployments into the configuration, which files are about to use. Raises ReconcilerError."""
    text = with_deployments(config.content.decode(), config, named)
    if complaint := try_write_file(config.file, text, private=False):
        raise ReconcilerError(f"Nothing was imported. {complaint}")
    shown = ", ".join(f"{name} ({number})" for name, number in named.items())
    output.print(f"~ {config.file.name}  deployments: {shown}\n")


def _refuse_taken(result: ImportResult) -> None:
    if result.taken:
        names = "".join(f"\n  {key}  {place}" for key, place in result.taken)
        raise ReconcilerError(
            f"Nothing was written, because files declare some of these flags already:{names}\n"
            "--force updates them, comments kept; --target chooses others."
        )


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def _write(result: ImportResult, config: Config, output: Output) -> None:
    """Write each file whole, or not at all, and say which. Raises ReconcilerError that names those not written.

    What was written is said even where an interruption ends it.
    """
    written: list[FileChange] = []
    complaints: list[str] = []
    try:
        for file in result.files:
            if complaint := _try_write(file):
                complaints.append(complaint)
            else:
                written.append(file)
    finally:
        done = replace(result, files=tuple(written))
        unsaid = output.print_done("".join(f"{line}\n" for line in _lines(done, config, len(result.files))))
    title = "Not all files were written; those that exist stay as they were:"
    raise_complaints(title, [f"  {complaint}" for complaint in complaints], unsaid)


def _try_write(file: FileChange) -> str | None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{file.path.parent} cannot be made: {reason_of(error)}."
    return try_write_file(file.path, file.text, private=False)


def _warn(result: ImportResult, live: LiveState, config: Config, output: Output) -> None:
    for warning in live.warnings:
        output.warning(warning)
    for key, ids in live.duplicates.items():
        output.warning(f"{key}: several live flags carry this key (ids {', '.join(ids)}): none was imported.")
    existing = {name.casefold(): name for name in _names(config.flags_dir)}
    for file in result.files:
        own = f"{file.keys[0]}.yaml"
        if file.is_new and own != file.path.name and own.casefold() in existing:
            place = existing[own.casefold()]
            output.warning(f"{place} exists and does not declare {file.keys[0]}, which goes into {file.path.name}.")
    for shown in result.skipped:
        output.warning(f"{shown.key}: no file can hold this flag: {' '.join(shown.remarks)}")
    for shown in result.partial:
        names = ", ".join(pointer.removeprefix("/") for pointer in shown.left_out)
        output.warning(f"{shown.key}: left out {names}; comments in the file say why.")
    for shown in result.named:
        names = ", ".join(f'"{name}"' for name in shown.named)
        output.warning(f"{shown.key}: segments without a name are called {names} in the file.")
    for key in result.reordered:
        output.warning(
            f"{key}: its file gets the live order of variants: it decides bucketing, and no call changes it."
        )
    untagged = [key for key, flag in live.flags.items() if config.managed_tag not in (flag.spec.tags or ())]
    if config.managed_tag and live.shows_tags and (count := len(set(untagged) & _imported(result))):
        verb = "does" if count == 1 else "do"
        output.info(f"{count} of these flags {verb} not carry `managedTag` yet: the next plan adds it.")


def _imported(result: ImportResult) -> set[str]:
    return {key for file in result.files for key in file.keys} | set(result.unchanged)


def _lines(result: ImportResult, config: Config, wanted: int) -> Iterator[str]:
    """A line per file that was written, and a last one with the counts, of which files were `wanted`."""
    for file in result.files:
        shown = Path(os.path.relpath(file.path, config.file.parent)).as_posix()
        yield f"{'+' if file.is_new else '~'} {shown}" + ("" if file.is_new else f"  {', '.join(file.keys)}")
    counts = [
        f"{sum(file.is_new for file in result.files)} new",
        f"{sum(not file.is_new for file in result.files)} updated",
        f"{len(result.unchanged)} unchanged",
    ]
    counts += [f"{len(result.skipped)} skipped"] if result.skipped else []
    missing = wanted - len(result.files)
    counts += [f"{counted(missing, 'file')} not written"] if missing else []
    yield f"Imported {counted(len(_imported(result)), 'flag')}: {', '.join(counts)}."
