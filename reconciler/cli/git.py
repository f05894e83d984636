"""What git knows about the flag files: the commit they stand at, and what differs from another one.

git is run with fixed arguments, without a shell, a pager or external diff programs.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 30


def current_commit(directory: Path) -> str | None:
    """The full id of the commit that is checked out; None outside of a repository or without git."""
    try:
        answer = _git(directory, "rev-parse", "--verify", "--quiet", "HEAD")
    except ReconcilerError:
        return None
    return answer.strip() or None


def changed_files(directory: Path, reference: str) -> frozenset[str]:
    """The files below the directory that differ from a commit, new and deleted ones among them.

    Paths are relative to the directory, with `/`. Raises UsageError where there is no such commit, ReconcilerError
    where git cannot be run.
    """
    commit = resolve(directory, reference)
    options = ("--name-only", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv", "-z")
    differing = _git(directory, "diff", *options, commit, "--", ".")
    untracked = _git(directory, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    return frozenset(name for name in (differing + untracked).split("\0") if name)


def content_at(directory: Path, commit: str, file: str) -> str | None:
    """What a file (relative to the directory) held at a commit, given by its id; None where it did not exist."""
    try:
        return _git(directory, "cat-file", "blob", f"{commit}:./{file}")
    except ReconcilerError:
        return None


def resolve(directory: Path, reference: str) -> str:
    """The id of a commit that is named by anything git understands. Raises UsageError."""
    unknown = f"--changed-since: git knows no commit {reference!r} here. In CI, fetch enough history."
    if reference.startswith("-") or "\0" in reference:
        raise UsageError(unknown)
    try:
        return _git(
            directory, "rev-parse", "--verify", "--quiet", "--end-of-options", reference + "^{commit}"
        ).strip()
    except ReconcilerError as error:
        raise UsageError(unknown) from error


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "--no-pager", "--no-optional-locks", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, no shell; a reference cannot be an option (see resolve)
            command, capture_output=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise ReconcilerError("git is not installed: --changed-since needs it.") from error
    except subprocess.TimeoutExpired as error:
        raise ReconcilerError(f"git did not answer within {_SECONDS} seconds.") from error
    except subprocess.CalledProcessError as error:
        raise ReconcilerError(f"git {arguments[0]} failed in {directory}.") from error
    return done.stdout.decode("utf-8", errors="surrogateescape")
