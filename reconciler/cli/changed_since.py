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
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from reconciler.config import Config
    from reconciler.model import DesiredState

_MOST_PATHS = 100
"""Paths that go on a command line; of more, the whole directory is listed."""

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


class Changes(Struct, frozen=True, kw_only=True):
    """What differs from a commit: `files` of flags, and the `keys` that those declared there.

    `known` are the files of the index: of any other, no commit tells. `is_everything`: the configuration itself
    differs, and every flag may be meant.
    """

    files: AbstractSet[str]
    keys: AbstractSet[str]
    known: AbstractSet[str]
    is_everything: bool = False

    def keys_in(self, desired: DesiredState) -> tuple[str, ...]:
        """Sorted keys of the flags that files declare which differ, and of those declared there before."""
        declared = {
            key for key, place in desired.places.items() if place.file in self.files or place.file not in self.known
        }
        return tuple(sorted(declared | self.keys))


def changes_since(config: Config, reference: str) -> Changes:
    """What git says of the configuration's directory. Reads no file itself, and may run while others read them.

    Raises UsageError for a commit that git does not know, ReconcilerError where git cannot be run.
    """
    root = config.file.resolve().parent
    commit = resolve(root, reference)
    entries = index_entries(root)
    known = entries.keys()
    files = differing_files(root, commit) | {name for name, is_watched in entries.items() if not is_watched}
    if config.file.name in files or config.file.name not in known:
        return Changes(files=files, keys=frozenset(), known=known, is_everything=True)
    flags_dir = config.flags_dir.resolve().relative_to(root).as_posix()
    changed = {name for name in files if is_flag_file(name, flags_dir)}
    return Changes(files=changed, keys=_keys_at(root, commit, changed, flags_dir), known=known)


def _keys_at(root: Path, commit: str, names: set[str], flags_dir: str) -> set[str]:
    """The keys that files declared at a commit."""
    if not names:
        return set()
    paths = sorted(names) if len(names) <= _MOST_PATHS else (flags_dir,)
    held = {name: content for name, content in committed_files(root, commit, paths).items() if name in names}
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
