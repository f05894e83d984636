"""What must not have changed on a branch since the commit that is applied: it follows from the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import UsageError
from reconciler.files.config_file import find_config, load_configs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
