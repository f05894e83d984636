"""`apply --expect-commit`: what is applied is what one commit holds, such as the branch's tip, or nothing is sent."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.checkout import checkout_of, is_content
from reconciler.errors import ReconcilerError, StalePlanError, UsageError
from reconciler.files.listing import is_flag_file
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.cli.checkout import Checkout
    from reconciler.model.config import Config

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}", re.ASCII)
_MOST_NAMED = 5


def check_commit(config: Config, texts: Mapping[str, bytes], expected: str) -> None:
    """See that a commit is checked out, and that configuration and flag files were read as it has them.

    `texts` is what each flag file held when it was read, by its name as shown. Runs of a workflow may overtake each
    other, and steps before this one may have written files. Raises UsageError for what is no commit's id,
    StalePlanError where it is another commit, files differ, or git cannot tell.
    """
    if not _COMMIT.fullmatch(expected):
        raise UsageError(f"--expect-commit takes a commit's id, of 7 to 64 hexadecimal digits, not {expected!r}.")
    try:
        checkout = checkout_of(config.file.parent)
        found = checkout.head()
        is_expected = found.startswith(expected.lower())
        names = _files_not_as_in(checkout, found, config, texts) if is_expected else []
    except ReconcilerError as error:
        raise StalePlanError(
            f"--expect-commit: git cannot tell what is checked out. {error} Nothing was sent."
        ) from error
    if not is_expected:
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


def _files_not_as_in(checkout: Checkout, commit: str, config: Config, texts: Mapping[str, bytes]) -> list[str]:
    """The configuration and the flag files that are not as a commit has them, new and deleted ones among them.

    What was read is compared with the commit itself. The index is not asked: it knows nothing of ignored files and
    of nested repositories, and can be told to overlook a change. Names are relative to the configuration, sorted.
    """
    flags_dir = Path(os.path.relpath(config.flags_dir, config.file.parent)).as_posix()
    read = {**texts, config.file.name: config.content}
    held = checkout.files_at(commit, (config.file.name, flags_dir))
    gone = {name for name in held.keys() - read.keys() if is_flag_file(name, flags_dir)}
    changed = {name for name in read.keys() & held.keys() if not is_content(read[name], held[name])}
    return sorted(gone | (read.keys() - held.keys()) | changed)
