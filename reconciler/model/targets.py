"""Which flags `--target` means: patterns of keys, most of which name one flag."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WILDCARDS = frozenset("*?[")


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern can match more than the one key that it spells."""
    return not _WILDCARDS.isdisjoint(pattern)


def matcher(targets: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether a key is among the targets: always, where there are none. Make it once, ask it of every key.

    Targets that spell a key are looked up; only patterns are tried one by one.
    """
    known = tuple(targets)
    if not known:
        return lambda _: True
    patterns = [item for item in known if has_wildcard(item)]
    keys = frozenset(known).difference(patterns)
    if not patterns:
        return keys.__contains__
    return lambda key: key in keys or any(fnmatchcase(key, pattern) for pattern in patterns)
