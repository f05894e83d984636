"""Whether a commit is still the newest that matters, right before it is applied."""

from __future__ import annotations

from posixpath import normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.ci.access import GithubError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.ci.access import Repository

_MOST_FILES_SHOWN = 300
"""GitHub lists no more files of a comparison than these."""


def check_tip(repository: Repository, commit: str, branch: str, paths: Sequence[str]) -> None:
    """See that nothing below the paths changed on the branch since the commit.

    Runs that queue up may start out of order, and a run may be started again: an older commit must not win over a
    newer one. A newer commit that touches none of the paths starts no run of its own, so it does not matter. Raises
    GithubError.
    """
    answer = repository.ask("GET", f"/compare/{quote(commit, safe='')}...{quote(branch, safe='')}")
    status, files = answer.get("status"), answer.get("files") or []
    if status == "identical":
        return
    if status != "ahead":
        raise GithubError(f"{commit[:12]} is not part of {branch} any more: nothing is applied.")
    watched = [normpath(path) for path in paths]
    changed = sorted({name for name in _names(files) if any(_touches(name, path) for path in watched)})
    if changed:
        where = f"since {commit[:12]} ({', '.join(changed[:3])})"
        raise GithubError(f"{branch} has moved on {where}: the run of its newest commit applies.")
    if len(files) >= _MOST_FILES_SHOWN:
        raise GithubError(
            f"{branch} has moved on by more files than can be seen: run the workflow on its newest commit."
        )


def _names(files: list[dict[str, Any]]) -> Iterator[str]:
    for file in files:
        yield file["filename"]
        if "previous_filename" in file:
            yield file["previous_filename"]


def _touches(name: str, path: str) -> bool:
    """Whether a file that changed is a path, or below it, or above it, as a submodule or a link is."""
    return path in {".", name} or name.startswith(f"{path}/") or path.startswith(f"{name}/")
