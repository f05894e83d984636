"""`apply --expect-commit`: what is applied is what one commit holds, such as the branch's tip, or nothing is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.cli.changed_since import files_that_differ
from reconciler.cli.git import current_commit
from reconciler.errors import StalePlanError, UsageError
from reconciler.wording import counted

if TYPE_CHECKING:
    from reconciler.config import Config

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}", re.ASCII)
_MOST_NAMED = 5


def check_commit(config: Config, expected: str) -> None:
    """See that a commit is checked out, and that configuration and flag files are as it has them.

    Runs of a workflow may overtake each other, and steps before this one may have written files. Raises UsageError
    for what is no commit's id, StalePlanError where it is another commit or files differ.
    """
    if not _COMMIT.fullmatch(expected):
        raise UsageError(f"--expect-commit takes a commit's id, of 7 to 64 hexadecimal digits, not {expected!r}.")
    found = current_commit(config.file.parent)
    if found is None or not found.startswith(expected.lower()):
        raise StalePlanError(
            f"The commit that is checked out is {found or 'not known'}, not {expected}: a later one may have been"
            " applied already. Nothing was sent. Check out the branch's tip and run again."
        )
    if names := files_that_differ(config, found):
        shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
        raise StalePlanError(
            f"{counted(len(names), 'file')} not as in commit {expected}: {shown}. --expect-commit applies what that"
            " commit holds and nothing else. Nothing was sent. Commit or restore first, or leave the option out."
        )
