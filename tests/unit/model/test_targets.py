"""Targets: keys and patterns of keys."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from builders import a_config

from reconciler.model.config import Ignored, IgnoreRule, has_wildcard, ignored_of, matcher, misspelt_overrides

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


def test_overrides_of_flags_that_are_not_there() -> None:
    """Each in order, with the key that may be meant; what overrides a guard for every flag names none."""
    allowed = ("updates", "rebucket:b", "exposure:new-chekout", "exposure:new-checkout", "rebucket:", "a:b:c")
    said = "--allow {} overrides nothing: there is no flag"
    assert list(misspelt_overrides(allowed, {"new-checkout", "other"})) == [
        f'{said.format("a:b:c")} "b:c".',
        f'{said.format("exposure:new-chekout")} "new-chekout". Did you mean "new-checkout"?',
        f'{said.format("rebucket:")} "".',
        f'{said.format("rebucket:b")} "b".',
    ]


@pytest.mark.parametrize(
    ("path", "tokens"),
    [
        ("/deployments/web", ("deployments", "67")),
        ("/deployments/other", ("deployments", "other")),
        ("/deployments/web/x", ("deployments", "67", "x")),
        ("/deployments", ("deployments",)),
        ("/tags/web", ("tags", "web")),
        ("/tags/deployments", ("tags", "deployments")),
        ("", ()),
    ],
)
def test_ignored_deployments_go_by_their_ids(path: str, tokens: tuple[str, ...]) -> None:
    """Of the flags whose keys match the rule alone; a path that several rules name counts once."""
    rules = tuple(IgnoreRule(flags=flags, paths=(path, path)) for flags in ("ops-*", "*"))
    config = a_config(deployments={"web": "67"}, ignore=(*rules, IgnoreRule(flags="x", paths=("/name",))))
    assert ignored_of("ops-a", config) == Ignored((tokens,))
    assert ignored_of("x", config) == Ignored((tokens, ("name",)))
    assert ignored_of("a", a_config(ignore=(rules[0],))) == Ignored()
