"""Which flags `--target` means: patterns of keys, most of which name one flag."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

_WILDCARDS = frozenset("*?[")


def has_wildcard(pattern: str) -> bool:
    """Whether a pattern can match more than the one key that it spells."""
    return not _WILDCARDS.isdisjoint(pattern)


def is_target(key: str, targets: tuple[str, ...]) -> bool:
    """Whether a key is among the targets: always, where there are none."""
    if not targets:
        return True
    keys, patterns = _sorted_out(targets)
    return key in keys or any(fnmatchcase(key, pattern) for pattern in patterns)


@lru_cache(maxsize=16)
def _sorted_out(targets: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The targets that spell a key, to be looked up, and the others, to be tried one by one."""
    patterns = tuple(item for item in targets if has_wildcard(item))
    return frozenset(targets) - frozenset(patterns), patterns
