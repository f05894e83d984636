"""Which flags a commit range touches: those whose files differ, and those that the files declare no more.

What was read is compared with the commit itself. A file that is ignored, is of a nested repository or of a submodule,
or that git was told not to look at, is read like any other, and no commit vouches for it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.checkout import checkout_of, is_content
from reconciler.errors import ReconcilerError
from reconciler.files.listing import is_flag_file

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
    from reconciler.files.yaml.reader import read_documents

    try:
        documents = read_documents(content, "")
    except ReconcilerError:
        return set()
    keys = [document.value.get("key") for document in documents if isinstance(document.value, dict)]
    return {key for key in keys if isinstance(key, str) and _is_flag_key(key)}
