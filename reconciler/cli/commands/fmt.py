"""`reconciler fmt`: flag files in one style, comments kept, offline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import Settings, shared_options
from reconciler.cli.output import Output, raise_complaints, try_write_file
from reconciler.errors import InvalidInputError, UsageError
from reconciler.files.config_file import find_config, load_configs
from reconciler.files.format import check_format, format_text, leave_out_defaults
from reconciler.files.listing import FileListing as Files
from reconciler.files.listing import FlagFile, list_flag_files, read_flag_file, refuse_file
from reconciler.reports.sanitize import visible
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.diagnostics import Diagnostic
    from reconciler.files.listing import FileListing
    from reconciler.model.config import Config

UNFORMATTED = 2


_FIX_FIRST = "Fix these errors first; no file was written."


@click.command
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@shared_options
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 and name the files that are not formatted.")
def fmt(settings: Settings, *, paths: tuple[Path, ...], check: bool) -> int:
    """Bring flag files into one order and style: all of them, or the files and directories given.

    Values and comments stay what they are. Where a file is not valid, nothing is written at all. The names of the
    files that change go to stdout, a line each.

    \b
      reconciler fmt
      reconciler fmt --check flags/new-checkout.yaml
    """  # noqa: D301 - the backspace tells click not to wrap
    output = Output.of(settings)
    files, found, configs = _files(settings, paths)
    problems = [item for item in found if item.is_error]
    for item in found:
        if not item.is_error:
            output.warning(f"{visible(str(item.position))}: {item.message} [{item.rule}]")
    changed: dict[Path, str] = {}
    for file in files:
        before, after, findings = _format(file, configs)
        problems += findings
        if after != before:
            changed[file] = after
    if problems:
        raise InvalidInputError(_FIX_FIRST, problems, directory=Path.cwd())
    complaints: list[str] = []
    done: list[str] = []
    try:
        for file, text in changed.items():
            if complaint := None if check else try_write_file(file, text, private=False):
                complaints.append(complaint)
            else:
                done.append(f"{file.as_posix()}\n")
    finally:
        unsaid = output.print_done("".join(done))
    output.info(_summary(len(changed) - len(complaints), len(files), check=check))
    raise_complaints("Some files were left as they were:", complaints, unsaid)
    return UNFORMATTED if changed and check else 0


def _summary(changed: int, all_files: int, *, check: bool) -> str:
    verb = "would be formatted" if check else "formatted"
    return f"{changed} of {counted(all_files, 'file')} {verb}."


def _format(file: Path, configs: Sequence[Config]) -> tuple[str, str, Sequence[Diagnostic]]:
    """The text of a file, its formatted text, and what is wrong with it; the text twice where something is."""
    shown = file.as_posix()
    try:
        content = read_flag_file(file)
    except OSError as error:
        return "", "", [refuse_file(FlagFile(str(file), shown), error)]
    place = file.absolute().parent.resolve()
    defaults = [item.defaults for item in configs if place.is_relative_to(item.flags_dir.resolve())]
    if findings := check_format(content, shown, {name for each in defaults for name in each}):
        return "", "", findings
    text = content.decode()
    return text, format_text(leave_out_defaults(text, defaults), shown), ()


def _files(settings: Settings, paths: Sequence[Path]) -> tuple[list[Path], list[Diagnostic], Sequence[Config]]:
    """The files to look at, in order, each once; what was found on the way; the configurations."""
    here = Path.cwd()
    configs = _configs(settings, is_needed=not paths)
    directories = dict.fromkeys(config.flags_dir.absolute() for config in configs)
    listings = [list_flag_files(here, directory) for directory in directories]
    if paths:
        ours = {config.file.resolve() for config in configs}
        listings = [_listing(path, listings, here) for path in paths if path.resolve() not in ours]
    files = {Path(file.shown): None for listing in listings for file in (*listing.files, *listing.tests)}
    return list(files), list(dict.fromkeys(item for listing in listings for item in listing.diagnostics)), configs


def _configs(settings: Settings, *, is_needed: bool) -> Sequence[Config]:
    """The configurations of all environments; none where there is no file and paths were given."""
    try:
        file = find_config(settings.config)
    except InvalidInputError:
        if is_needed or settings.environment is not None:
            raise
        return ()
    return load_configs(file, settings.environment, needs_flags=is_needed)


def _listing(path: Path, listings: Sequence[FileListing], here: Path) -> FileListing:
    """The file, or the flag files below the directory: the configured ones where there are any, else all YAML."""
    if not path.exists() and not path.is_symlink():
        raise UsageError(f"{path} does not exist.")
    if not path.is_dir():
        shown = Path(os.path.relpath(path)).as_posix()
        return Files(files=(FlagFile(str(path), shown),))
    root = path.resolve()
    configured = Files(
        files=tuple(
            file
            for each in listings
            for file in (*each.files, *each.tests)
            if Path(file.path).parent.resolve().is_relative_to(root)
        ),
        diagnostics=tuple(
            item
            for each in listings
            for item in each.diagnostics
            if item.position and (here / item.position.file).parent.resolve().is_relative_to(root)
        ),
    )
    if configured.files or configured.diagnostics:
        return configured
    return list_flag_files(here, path.absolute())
