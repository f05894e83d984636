"""Which flags a commit range touches: those whose files differ, and those that the files declare no more.

What git leaves out is asked for as well: a file that is ignored, is of a nested repository or of a submodule, or that
git was told not to look at, is read like any other, and no commit vouches for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.git import committed_files, contents, differing_files, index_entries, resolve
from reconciler.desired.files import is_flag_file
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from reconciler.config import Config
    from reconciler.model import DesiredState

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


class Changes(Struct, frozen=True, kw_only=True):
    """What differs from a commit: `files` of flags, and the `keys` that those declared there.

    `known` are the files of the index: of any other, no commit tells.
    """

    files: AbstractSet[str]
    keys: AbstractSet[str]
    known: AbstractSet[str]

    def keys_in(self, desired: DesiredState) -> tuple[str, ...]:
        """Sorted keys of the flags that files declare which differ, and of those declared there before."""
        same = self.known - self.files
        declared = {key for key, flag in desired.flags.items() if flag.source.file not in same}
        return tuple(sorted(declared | self.keys))


def changes_since(config: Config, reference: str) -> Changes | None:
    """What git says of the configuration's directory; asked after files are read, it knows of every edit in them.

    A file that git does not watch counts as one that differs. None when the configuration itself differs: then every
    flag may be meant. Raises UsageError for a commit that git does not know, ReconcilerError where git cannot be run.
    """
    root = config.file.resolve().parent
    commit = resolve(root, reference)
    entries = index_entries(root)
    differing = differing_files(root, commit)
    if config.file.name in differing or not entries.get(config.file.name, False):
        return None
    flags_dir = config.flags_dir.resolve().relative_to(root).as_posix()
    before = {name: content for name, content in differing.items() if is_flag_file(name, flags_dir)}
    unwatched = {name for name, is_watched in entries.items() if not is_watched and is_flag_file(name, flags_dir)}
    if unwatched:
        held = committed_files(root, commit, (flags_dir,))
        before |= {name: held.get(name) for name in unwatched}
    return Changes(files=before.keys(), keys=_keys_at(root, before), known=entries.keys())


def _keys_at(root: Path, before: Mapping[str, str | None]) -> set[str]:
    """The keys that files declared, by the ids of what they held; None held nothing."""
    held = {name: content for name, content in before.items() if content is not None}
    found = zip(held, contents(root, list(held.values())), strict=True)
    return {key for name, content in found for key in _keys_of(content, name)}


def _keys_of(content: bytes, name: str) -> set[str]:
    """The keys that a file declared at a commit; none of a file that could not be read then.

    They become targets, which are patterns. A commit that was never validated may call a flag `*`: what no flag can
    be called is left out.
    """
    from reconciler.source.yaml_source import read_documents

    try:
        documents = read_documents(content, name)
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}
