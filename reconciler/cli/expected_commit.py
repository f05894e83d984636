"""`apply --expect-commit`: what is applied is what one commit holds, such as the branch's tip, or nothing is sent."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.git import committed_files, content_ids, head_commit
from reconciler.desired.files import is_flag_file, list_flag_files, read_flag_file
from reconciler.errors import ReconcilerError, StalePlanError, UsageError
from reconciler.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.config import Config

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}", re.ASCII)
_MOST_NAMED = 5
_SHA256_DIGITS = 64


def check_commit(config: Config, expected: str) -> None:
    """See that a commit is checked out, and that configuration and flag files are as it has them.

    Runs of a workflow may overtake each other, and steps before this one may have written files. Raises UsageError
    for what is no commit's id, StalePlanError where it is another commit, files differ, or git cannot tell.
    """
    if not _COMMIT.fullmatch(expected):
        raise UsageError(f"--expect-commit takes a commit's id, of 7 to 64 hexadecimal digits, not {expected!r}.")
    root = config.file.parent.resolve()
    try:
        found = head_commit(root)
        names = _files_not_as_in(found, config, root) if found.startswith(expected.lower()) else []
    except ReconcilerError as error:
        raise StalePlanError(
            f"--expect-commit: git cannot tell what is checked out. {error} Nothing was sent."
        ) from error
    if not found.startswith(expected.lower()):
        raise StalePlanError(
            f"The commit that is checked out is {found}, not {expected}: a later one may have been"
            " applied already. Nothing was sent. Check out the branch's tip and run again."
        )
    if names:
        shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
        raise StalePlanError(
            f"{counted(len(names), 'file')} not as in commit {expected}: {shown}. --expect-commit applies what that"
            " commit holds and nothing else. Nothing was sent. Commit or restore first, or leave the option out."
        )


def _files_not_as_in(commit: str, config: Config, root: Path) -> list[str]:
    """The configuration and the flag files that are not as a commit has them, new and deleted ones among them.

    What was read is compared with the commit itself. The index is not asked: it knows nothing of ignored files and
    of nested repositories, and can be told to overlook a change. Names are relative to the configuration, sorted.
    """
    flags_dir = Path(os.path.relpath(config.flags_dir, config.file.parent)).as_posix()
    read = {file.shown: Path(file.path) for file in list_flag_files(config.file.parent, config.flags_dir).files}
    read[config.file.name] = config.file
    held = committed_files(root, commit, (config.file.name, flags_dir))
    gone = {name for name in held.keys() - read.keys() if is_flag_file(name, flags_dir)}
    return sorted(gone | (read.keys() - held.keys()) | _changed(read, held, root))


def _changed(read: Mapping[str, Path], held: Mapping[str, str], root: Path) -> set[str]:
    """The files with another content than is held. Only those whose bytes differ are left to git to convert."""
    other = sorted(
        name for name in read.keys() & held.keys() if _content_id(read[name], len(held[name])) != held[name]
    )
    if not other:
        return set()
    return {name for name, found in zip(other, content_ids(root, other), strict=True) if found != held[name]}


def _content_id(file: Path, digits: int) -> str:
    """The id that git gives the bytes of a file; starting git for it takes twice as long with many files."""
    content = read_flag_file(file)
    algorithm = "sha256" if digits == _SHA256_DIGITS else "sha1"
    return hashlib.new(algorithm, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
