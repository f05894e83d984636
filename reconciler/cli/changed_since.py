"""Which flags a commit range touches: those whose files differ, and those that the files declare no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.cli.git import changed_files, content_at, resolve
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.config import Config
    from reconciler.model import DesiredState

_SUFFIXES = (".yaml", ".yml")

_is_flag_key = re.compile(r"[a-z0-9_-]+").fullmatch


def keys_changed_since(config: Config, desired: DesiredState, reference: str) -> tuple[str, ...] | None:
    """Sorted keys of the flags declared in files that differ from the commit, and of those declared there before.

    None when the configuration itself differs: then every flag may be meant. Raises UsageError for a commit that
    git does not know, ReconcilerError where git cannot be run.
    """
    root = config.file.resolve().parent
    commit = resolve(root, reference)
    files = changed_files(root, commit)
    if config.file.name in files:
        return None
    flag_files = {name for name in files if _is_flag_file(name, config, root)}
    now = {flag.key for flag in desired.flags.values() if flag.source.file in flag_files}
    before = {key for name in flag_files for key in _keys_at(config, commit, name)}
    return tuple(sorted(now | before))


def files_that_differ(config: Config, reference: str) -> list[str]:
    """The configuration and the flag files that are not as a commit has them, new and deleted ones among them.

    Names are relative to the configuration, sorted. Raises UsageError, ReconcilerError as `keys_changed_since`.
    """
    root = config.file.resolve().parent
    return sorted(
        name
        for name in changed_files(root, reference)
        if name == config.file.name or _is_flag_file(name, config, root)
    )


def _is_flag_file(name: str, config: Config, root: Path) -> bool:
    flags_dir = config.flags_dir.resolve().relative_to(root).as_posix()
    return name.endswith(_SUFFIXES) and _is_below(name, flags_dir)


def _is_below(name: str, directory: str) -> bool:
    return directory == "." or name.startswith(f"{directory}/")


def _keys_at(config: Config, commit: str, name: str) -> set[str]:
    """The keys that a file declared at a commit; none of a file that could not be read then.

    They become targets, which are patterns. A commit that was never validated may call a flag `*`: what no flag can
    be called is left out.
    """
    from reconciler.source.yaml_source import read_documents

    text = content_at(config.file.resolve().parent, commit, name)
    if text is None:
        return set()
    try:
        documents = read_documents(text, name)
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}
