"""Which flags a commit range touches: those whose files differ, and those that the files declare no more.

What git leaves out is asked for as well: a file that is ignored, is of a nested repository or of a submodule, or that
git was told not to look at, is read like any other, and no commit vouches for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.cli.git import content_at, differing_files, index_entries, resolve
from reconciler.desired.files import is_flag_file
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.config import Config
    from reconciler.model import DesiredState

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


def keys_changed_since(config: Config, desired: DesiredState, reference: str) -> tuple[str, ...] | None:
    """Sorted keys of the flags declared in files that differ from the commit, and of those declared there before.

    A file that git does not watch counts as one that differs. None when the configuration itself differs: then every
    flag may be meant. Raises UsageError for a commit that git does not know, ReconcilerError where git cannot be run.
    """
    root = config.file.resolve().parent
    commit = resolve(root, reference)
    entries = index_entries(root)
    files = differing_files(root, commit) | {name for name, is_watched in entries.items() if not is_watched}
    if config.file.name in files or config.file.name not in entries:
        return None
    flags_dir = config.flags_dir.resolve().relative_to(root).as_posix()
    flag_files = {name for name in files if is_flag_file(name, flags_dir)}
    flag_files |= {flag.source.file for flag in desired.flags.values()} - entries.keys()
    now = {flag.key for flag in desired.flags.values() if flag.source.file in flag_files}
    before = {key for name in flag_files for key in _keys_at(root, commit, name)}
    return tuple(sorted(now | before))


def _keys_at(root: Path, commit: str, name: str) -> set[str]:
    """The keys that a file declared at a commit; none of a file that could not be read then.

    They become targets, which are patterns. A commit that was never validated may call a flag `*`: what no flag can
    be called is left out.
    """
    from reconciler.source.yaml_source import read_documents

    text = content_at(root, commit, name)
    if text is None:
        return set()
    try:
        documents = read_documents(text, name)
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}
