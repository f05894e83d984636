"""The files that a command writes: each is one of its own, and none is what this command or the next one reads."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.output import reason_of
from reconciler.errors import ReconcilerError, UsageError
from reconciler.files.config_file import find_config, load_configs
from reconciler.files.listing import list_flag_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from reconciler.cli.options import Settings

_FLAGS = "flags"


CACHED = "inclusions-{}.json"
"""How files of `plan --cache` are called, by project."""


def check_destinations(
    settings: Settings,
    outputs: Mapping[str, Path | None],
    inputs: Sequence[tuple[str, Path]],
    *,
    caches: Mapping[str, Path] | None = None,
    rewrites: Path | None = None,
) -> None:
    """See that files can be written later, before anything is sent or written. Raises UsageError.

    `outputs` and `inputs` are paths by the option that names them, `caches` directories that get files named as
    `CACHED`. No output may be another one, an input, the configuration or a flag file, also by another spelling or by
    a link, nor lie among flag files; devices such as /dev/null may be named often. `rewrites` is the flag file that
    the command is to change.
    """
    given = {name: path for name, path in outputs.items() if path is not None}
    caches = caches or {}
    for path in given.values():
        _check_place(path)
    for (name, path), (other, second) in combinations(given.items(), 2):
        if _is_same(path, second):
            raise UsageError(f"{name} and {other} name the same file, {str(path)!r}: give each one of its own.")
    for name, path in given.items():
        for source, read in inputs:
            if _is_same(path, read):
                raise UsageError(f"{name} would overwrite {str(path)!r}, which {source} names.")
    for name, directory in caches.items():
        _check_cache(name, directory, (*given.items(), *inputs))
    if given or caches:
        _check_repository(settings, given, caches, rewrites)


def _check_cache(name: str, directory: Path, named: Iterable[tuple[str, Path]]) -> None:
    for other, path in named:
        if fnmatchcase(path.name, CACHED.format("*")) and _is_same(path.parent, directory):
            raise UsageError(f"{name} would overwrite {str(path)!r}, which {other} names.")


def _check_place(path: Path) -> None:
    try:
        if not path.parent.is_dir():
            raise UsageError(f"There is no directory {str(path.parent)!r} to write {path.name} to.")
        if path.is_dir():
            raise UsageError(f"{str(path)!r} is a directory, not a file to write to.")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {reason_of(error)}.") from error


def _check_repository(
    settings: Settings, given: Mapping[str, Path], caches: Mapping[str, Path], rewrites: Path | None
) -> None:
    try:
        file = find_config(settings.config)
    except ReconcilerError:
        return
    for name, path in given.items():
        if _is_same(path, file):
            raise UsageError(f"{name} would overwrite the configuration, {str(path)!r}.")
    owners = {_identity(path): name for name, path in given.items()}
    written = {**given} | {name: directory / CACHED for name, directory in caches.items()}
    for directory in _flag_directories(file):
        listing = list_flag_files(file.parent, directory)
        for flags in (*listing.files, *listing.tests):
            owner = owners.get(_identity(Path(flags.path)))
            if owner is not None and not (rewrites is not None and _is_same(Path(flags.path), rewrites)):
                raise UsageError(f"{owner} would overwrite the flag file {str(given[owner])!r}.")
        for name, path in written.items():
            if rewrites is None and _is_below(path, directory):
                raise UsageError(
                    f"{name} names {str(given.get(name, path.parent))!r}, where files are read as a flag file, or are"
                    " taken for one that is not read."
                )


def _flag_directories(file: Path) -> Iterator[Path]:
    """The directories of all environments; the usual one where the configuration is not valid."""
    try:
        configs = load_configs(file, needs_flags=False)
    except ReconcilerError:
        yield file.parent / _FLAGS
    else:
        yield from dict.fromkeys(config.flags_dir for config in configs)


def _is_below(path: Path, directory: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def _is_same(one: Path, other: Path) -> bool:
    identity = _identity(one)
    return identity is not None and identity == _identity(other)


def _identity(path: Path) -> tuple[object, ...] | None:
    """What is the same for each name of a file, whether it exists or not; None for a device."""
    try:
        status = path.stat()
    except OSError:
        return (os.path.realpath(path),)
    return None if stat.S_ISCHR(status.st_mode) else (status.st_dev, status.st_ino)
