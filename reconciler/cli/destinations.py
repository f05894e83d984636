"""The files that a command writes: each is one of its own, and none is what this command or the next one reads."""

from __future__ import annotations

import os
import stat
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.output import reason_of
from reconciler.errors import ReconcilerError, UsageError
from reconciler.files.config_file import find_config, load_configs
from reconciler.files.listing import SUFFIXES, list_flag_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.cli.options import Settings

_FLAGS = "flags"


def check_destinations(
    settings: Settings,
    outputs: Mapping[str, Path | None],
    inputs: Mapping[str, Path | None] | None = None,
    *,
    rewrites: Path | None = None,
) -> None:
    """See that files can be written later, before anything is sent or written. Raises UsageError.

    `outputs` and `inputs` are paths by the option that names them. No output may be another one, an input, the
    configuration or a flag file, also by another spelling or by a link; devices such as /dev/null may be named often.
    `rewrites` is the flag file that the command is to change.
    """
    given = {name: path for name, path in outputs.items() if path is not None}
    for path in given.values():
        _check_place(path)
    for (name, path), (other, second) in combinations(given.items(), 2):
        if _is_same(path, second):
            raise UsageError(f"{name} and {other} name the same file, {str(path)!r}: give each one of its own.")
    for name, path in given.items():
        for source, read in (inputs or {}).items():
            if read is not None and _is_same(path, read):
                raise UsageError(f"{name} would overwrite {str(path)!r}, which {source} names.")
    if given:
        _check_repository(settings, given, rewrites)


def _check_place(path: Path) -> None:
    try:
        if not path.parent.is_dir():
            raise UsageError(f"There is no directory {str(path.parent)!r} to write {path.name} to.")
        if path.is_dir():
            raise UsageError(f"{str(path)!r} is a directory, not a file to write to.")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be written: {reason_of(error)}.") from error


def _check_repository(settings: Settings, given: Mapping[str, Path], rewrites: Path | None) -> None:
    try:
        file = find_config(settings.config)
    except ReconcilerError:
        return
    for name, path in given.items():
        if _is_same(path, file):
            raise UsageError(f"{name} would overwrite the configuration, {str(path)!r}.")
    owners = {_identity(path): name for name, path in given.items()}
    for directory in _flag_directories(file):
        listing = list_flag_files(file.parent, directory)
        for flags in (*listing.files, *listing.tests):
            owner = owners.get(_identity(Path(flags.path)))
            if owner is not None and not (rewrites is not None and _is_same(Path(flags.path), rewrites)):
                raise UsageError(f"{owner} would overwrite the flag file {str(given[owner])!r}.")
        for name, path in given.items():
            if rewrites is None and _would_be_read(path, directory):
                raise UsageError(f"{name} names {str(path)!r}, which would be read as a flag file.")


def _flag_directories(file: Path) -> Iterator[Path]:
    """The directories of all environments; the usual one where the configuration is not valid."""
    try:
        configs = load_configs(file, needs_flags=False)
    except ReconcilerError:
        yield file.parent / _FLAGS
    else:
        yield from dict.fromkeys(config.flags_dir for config in configs)


def _would_be_read(path: Path, directory: Path) -> bool:
    return path.name.endswith(SUFFIXES) and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def _is_same(one: Path, other: Path) -> bool:
    identity = _identity(one)
    return identity is not None and identity == _identity(other)


def _identity(path: Path) -> tuple[object, ...] | None:
    """What is the same for each name of a file, whether it exists or not; None for a device."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (os.path.realpath(path),)
    return None if stat.S_ISCHR(status.st_mode) else (status.st_dev, status.st_ino)
