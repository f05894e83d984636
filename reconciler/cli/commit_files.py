"""Flag files compared with a commit: `--changed-since` and `apply --expect-commit`.

What was read is compared with the commit itself. The index is not asked: it knows nothing of ignored files and of
nested repositories, and can be told to overlook a change. Such files are read like any other, and no commit vouches
for them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.checkout import checkout_of, is_content
from reconciler.errors import ReconcilerError, StalePlanError, UsageError
from reconciler.files.listing import is_flag_file
from reconciler.files.yaml.reader import read_documents
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from reconciler.cli.checkout import Checkout
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


class Changes(Struct, frozen=True, kw_only=True):
    """What differs from a commit: all files but the `same`, and the `keys` that the others declared there."""

    same: AbstractSet[str]
    keys: AbstractSet[str]

    def keys_in(self, desired: DesiredState) -> tuple[str, ...]:
        """Sorted keys of the flags that files declare which differ, and of those declared there before."""
        declared = {key for key, flag in desired.flags.items() if flag.source.file not in self.same}
        return tuple(sorted(declared | self.keys))


def changes_since(config: Config, texts: Mapping[str, bytes], reference: str) -> Changes | None:
    """How flag files, with the `texts` that were read of them, differ from a commit.

    None when the configuration itself differs, or finds its flags through a link, which may have led elsewhere: then
    every flag may be meant. Raises UsageError for a commit that git does not know, ReconcilerError where git cannot
    be run.
    """
    checkout = checkout_of(config.file.parent)
    commit = checkout.resolve(reference)
    name = config.file.name
    flags_dir = Path(os.path.relpath(config.flags_dir, config.file.parent)).as_posix()
    held = checkout.files_at(commit, (name, flags_dir))
    is_linked = config.flags_dir.resolve() != config.file.parent.resolve() / flags_dir
    if is_linked or name not in held or not is_content(config.content, held[name]):
        return None
    same = {name for name in texts.keys() & held.keys() if is_content(texts[name], held[name])}
    before = [content for name, content in held.items() if name not in same and is_flag_file(name, flags_dir)]
    return Changes(same=same, keys=_keys_at(checkout, before))


def _keys_at(checkout: Checkout, ids: list[str]) -> set[str]:
    """The keys that files declared, by the ids of what they held."""
    return {key for content in checkout.contents(ids) for key in _keys_of(content)}


def _keys_of(content: bytes) -> set[str]:
    """The keys that a file declared at a commit; none of a file that could not be read then.

    They become targets, which are patterns. A commit that was never validated may call a flag `*`: what no flag can
    be called is left out.
    """
    try:
        documents = read_documents(content, "")
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}


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
