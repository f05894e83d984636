"""What git knows about the flag files: the commit they stand at, and what differs from another one.

git is run with fixed arguments, without a shell, a pager or external diff programs. Its own words may quote file
names and the configuration of a checkout: they are looked at, and never shown.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SECONDS = 30
_REGULAR = "100"
"""How the modes of regular files begin; links, submodules and directories have others."""


class _GitFailedError(ReconcilerError):
    """git ran and ended with an error; `words` is what it said."""

    def __init__(self, message: str, words: bytes) -> None:
        super().__init__(message)
        self.words = words


def current_commit(directory: Path) -> str | None:
    """The full id of the commit that is checked out; None outside of a repository or without git."""
    try:
        return head_commit(directory)
    except ReconcilerError:
        return None


def head_commit(directory: Path) -> str:
    """The full id of the commit that is checked out. Raises ReconcilerError that says why it cannot be known."""
    try:
        return _git(directory, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except _GitFailedError as error:
        raise _cause(directory) or ReconcilerError("The repository has no commit yet.") from error


def resolve(directory: Path, reference: str) -> str:
    """The id of a commit that is named by anything git understands.

    Raises UsageError where there is no such commit or no repository, ReconcilerError where git cannot be run.
    """
    unknown = UsageError(f"--changed-since: git knows no commit {reference!r} here. In CI, fetch enough history.")
    if reference.startswith("-") or "\0" in reference:
        raise unknown
    named = ("--verify", "--quiet", "--end-of-options", reference + "^{commit}")
    try:
        return _git(directory, "rev-parse", *named).strip()
    except _GitFailedError as error:
        raise _cause(directory) or unknown from error


def differing_files(directory: Path, commit: str) -> dict[str, str | None]:
    """The files below the directory that git sees differ from a commit, given by its id, deleted ones among them.

    Each with the id of its content there, or None where the commit has no regular file of that name. Paths are
    relative to the directory, with `/`. Only files of the index or the commit are here, and of those in the index
    only the ones that `index_entries` calls watched. Raises ReconcilerError.
    """
    form = ("--raw", "--no-abbrev", "--relative", "--no-renames", "--no-ext-diff", "--no-textconv", "-z")
    fields = _names(_git(directory, "diff", *form, "--ignore-submodules=all", commit, "--", "."))
    # Pairs of ":MODE MODE ID ID STATUS" and a name, the commit's side first.
    rows = ((meta.split(" "), name) for meta, name in zip(fields, fields, strict=True))
    return {name: meta[2] if meta[0].startswith(":" + _REGULAR) else None for meta, name in rows}


def index_entries(directory: Path) -> dict[str, bool]:
    """The files of the index below the directory, and whether git watches each of them for changes.

    It does not where `update-index` was told `--skip-worktree` or `--assume-unchanged`. Raises ReconcilerError.
    """
    entries = _names(_git(directory, "ls-files", "-v", "-z", "--", "."))
    return {entry[2:]: entry[0] == "H" for entry in entries}


def committed_files(directory: Path, commit: str, paths: Sequence[str]) -> dict[str, str]:
    """The regular files at or below paths in a commit, given by its id, each with the id of its content.

    All names are relative to the directory, with `/`. Raises ReconcilerError.
    """
    listed = _names(_git(directory, "ls-tree", "-r", "-z", commit, "--", *paths))
    entries = (entry.partition("\t") for entry in listed)
    return {name: meta.split(" ")[2] for meta, _, name in entries if meta.startswith(_REGULAR)}


def content_ids(directory: Path, names: Sequence[str]) -> list[str]:
    """The ids that files would get if they were added now, line ends converted as the repository asks for.

    Names are relative to the directory. Raises ReconcilerError.
    """
    # git reads names on stdin from the top of the checkout, whatever directory it is run in.
    up = _git(directory, "rev-parse", "--show-cdup").removesuffix("\n")
    prefix = _git(directory, "rev-parse", "--show-prefix").removesuffix("\n")
    given = b"".join(_quoted(prefix + name) + b"\n" for name in names)
    return _git(directory / up, "hash-object", "--stdin-paths", given=given).split()


def contents(directory: Path, ids: Sequence[str]) -> list[bytes]:
    """What files held, by the ids of their contents. Raises ReconcilerError, also where the checkout lacks one."""
    if not ids:
        return []
    lacking = ReconcilerError("git lacks what files held at that commit. In CI, fetch enough history, with contents.")
    try:
        answer = _run(directory, "cat-file", "--batch", given="\n".join(ids).encode())
    except _GitFailedError as error:
        raise lacking from error
    found, at = [], 0
    for _ in ids:
        end = answer.find(b"\n", at)
        size = answer[at:end].split()[-1:]  # of "ID blob SIZE"; a lacking one is "ID missing"
        if end < 0 or not size or not size[0].isdigit():
            raise lacking
        at = end + 1 + int(size[0])
        found.append(answer[end + 1 : at])
        at += 1
    return found


def _cause(directory: Path) -> ReconcilerError | None:
    """Why git does not work in a directory at all; None where it does, and something else was wrong."""
    try:
        _git(directory, "rev-parse", "--git-dir")
    except _GitFailedError as error:
        if b"safe.directory" in error.words:
            return ReconcilerError(
                f"git does not trust the repository of {directory}, which belongs to another user, as in containers."
                " Name its directory with `git config --global --add safe.directory DIRECTORY`."
            )
        return UsageError(f"{directory} is not in a git repository, or not in one that git can read.")
    return None


def _names(answer: str) -> Iterator[str]:
    return (name for name in answer.split("\0") if name)


def _quoted(name: str) -> bytes:
    """A name as git reads it on a line of its own, whatever it holds."""
    escaped = os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'


def _git(directory: Path, *arguments: str, given: bytes = b"") -> str:
    return os.fsdecode(_run(directory, *arguments, given=given))


def _run(directory: Path, *arguments: str, given: bytes) -> bytes:
    command = ["git", "--no-pager", "--no-optional-locks", "--literal-pathspecs", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, no shell; a reference cannot be an option (see resolve)
            command, capture_output=True, timeout=_SECONDS, check=True, input=given, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError as error:
        raise ReconcilerError("git is not installed, or not in PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise ReconcilerError(f"git did not answer within {_SECONDS} seconds.") from error
    except subprocess.CalledProcessError as error:
        raise _GitFailedError(f"git {arguments[0]} failed in {directory}.", error.stderr) from error
    return done.stdout
