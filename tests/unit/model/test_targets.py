"""Targets: keys and patterns of keys."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from reconciler.model.config import has_wildcard, matcher

PATTERNS = ("a", "ab", "a*", "?b", "[ab]", "[!a]", "*", "a-b", "A", "a[", "")
KEYS = ("a", "ab", "b", "cb", "a-b", "A", "a[", "", "*")


@pytest.mark.parametrize("first", PATTERNS)
@pytest.mark.parametrize("second", PATTERNS)
def test_a_target_is_what_any_pattern_matches(first: str, second: str) -> None:
    """Looking keys up says the same as trying every pattern."""
    for key in KEYS:
        assert matcher((first, second))(key) == (fnmatchcase(key, first) or fnmatchcase(key, second))


def test_without_targets_every_key_is_one() -> None:
    """No target means the whole project."""
    assert all(map(matcher(()), KEYS))


def test_a_wildcard_makes_a_pattern() -> None:
    """What spells a key matches that key alone."""
    assert [has_wildcard(item) for item in ("a", "a-b", "a*", "?", "[a]")] == [False, False, True, True, True]
    assert not any(map(has_wildcard, "!]^~{}()+.$%"))
