"""Whether a commit is still the newest that matters, right before it is applied."""

from __future__ import annotations

import os
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from reconciler.ci.github import Compared
from reconciler.ci.http import ForgeError
from reconciler.errors import UsageError
from reconciler.files.config_file import find_config, load_configs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.ci.github import Github

_MOST_FILES_SHOWN = 300
"""GitHub lists no more files of a comparison than these."""


class _File(Struct, frozen=True):
    filename: str
    previous_filename: str | UnsetType = UNSET
    status: str = ""

    def __post_init__(self) -> None:
        if self.status == "renamed" and self.previous_filename is UNSET:
            raise ValueError("A file that was renamed has no `previous_filename`")


class _WithFiles(Compared, frozen=True):
    files: list[_File] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.status == "ahead" and self.files is UNSET:
            raise ValueError("Object missing required field `files`")


def check_tip(github: Github, commit: str, branch: str, paths: Iterable[str]) -> None:
    """See that nothing below the paths changed on the branch since the commit.

    Runs that queue up may start out of order, and a run may be started again: an older commit must not win over a
    newer one. A newer commit that touches none of the paths starts no run of its own, so it does not matter. Raises
    ForgeError.
    """
    compared = github.compared(commit, branch, _WithFiles)
    if compared.status == "identical":
        return
    if compared.status != "ahead":
        raise ForgeError(f"{commit[:12]} is not part of {branch} any more: nothing is applied.")
    files = compared.files or []
    watched = [normpath(path) for path in paths]
    changed = sorted({name for name in _names(files) if any(_touches(name, path) for path in watched)})
    if changed:
        where = f"since {commit[:12]} ({', '.join(changed[:3])})"
        raise ForgeError(f"{branch} has moved on {where}: the run of its newest commit applies.")
    if len(files) >= _MOST_FILES_SHOWN:
        raise ForgeError(
            f"{branch} has moved on by more files than can be seen: run the workflow on its newest commit."
        )


def _names(files: list[_File]) -> Iterator[str]:
    for file in files:
        yield file.filename
        if file.previous_filename is not UNSET:
            yield file.previous_filename


def _touches(name: str, path: str) -> bool:
    """Whether a file that changed is a path, or below it, or above it, as a submodule or a link is."""
    return path in {".", name} or name.startswith(f"{path}/") or path.startswith(f"{name}/")


def watched_paths(config_file: Path | None, environment: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The configuration and its directories of flag files, by their names in the repository, sorted.

    Of one environment, or of all where none is chosen. Raises UsageError where the configuration is in no checkout,
    and the errors of a configuration.
    """
    file = find_config(config_file)
    top = _top_of(file.parent.resolve(), environ)
    directories = {config.flags_dir for config in load_configs(file, environment, needs_flags=False)}
    places = {file.parent.resolve() / file.name}
    for directory in directories:
        # A directory behind a link may change at the link, and where the link leads.
        places |= {
            directory.resolve(),
            Path(os.path.normpath(file.parent.resolve() / os.path.relpath(directory, file.parent))),
        }
    return tuple(sorted(place.relative_to(top).as_posix() for place in places))


def _top_of(directory: Path, environ: Mapping[str, str]) -> Path:
    """The top of the checkout that the workflow runs for. Of a submodule in it GitHub names the directory only.

    Without git a checkout has no `.git`, and is the workspace itself.
    """
    workspace = Path(environ["GITHUB_WORKSPACE"]).resolve() if environ.get("GITHUB_WORKSPACE") else None
    tops = list(_checkouts(directory, workspace))
    if workspace is None:
        tops = tops[:1]
    elif not tops and directory.is_relative_to(workspace):
        tops = [workspace]
    if not tops:
        raise UsageError(f"{directory} is in no checkout: name what to watch with --path.")
    return tops[-1]


def _checkouts(directory: Path, end: Path | None) -> Iterator[Path]:
    """The tops of checkouts at and above a directory, the next one first, up to where they may end."""
    for place in (directory, *directory.parents):
        if os.path.lexists(place / ".git"):
            yield place
        if place == end:
            return
