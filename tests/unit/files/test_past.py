"""What files of old commits declared: read as far as they can be, and never an error of their own."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InvalidInputError
from reconciler.files.past import Settings, comparable, effective, find_document, settings_in, value_at
from reconciler.model.flag import UNSET

SETTINGS = Settings(environment="prod", deployments={"web": "67"}, defaults={"tags": ["team"]})


@pytest.mark.parametrize(
    ("text", "environment", "settings"),
    [
        ("version: 1", None, Settings(environment=None)),
        ("flags: a/b\ndeployments: {web: '67'}\ndefaults: {enabled: true}", "prod",
         Settings(environment="prod", flags="a/b", deployments={"web": "67"}, defaults={"enabled": True})),
        ("flags: a\nenvironments: {prod: {flags: b}, test: {flags: c}}", "prod",
         Settings(environment="prod", flags="b")),
        ("flags: a\nenvironments: {prod: {flags: b}}", None, Settings(environment=None, flags="a")),
        ("flags: a\nenvironments: {test: {flags: b}}", "prod", Settings(environment="prod", flags="a")),
        ("flags: [", None, None),
        ("- flags", None, None),
        ("flags", "prod", None),
        ("environments: [prod]", "prod", None),
        ("environments: {prod: 1}", "prod", None),
        ("flags: 1", None, None),
        ("deployments: [web]", None, None),
        ("defaults: 1", None, None),
    ],
)  # fmt: skip
def test_what_a_configuration_said(text: str, environment: str | None, settings: Settings | None) -> None:
    """As the environment saw it; nothing where it cannot be read as a configuration."""
    assert settings_in(text.encode(), environment) == settings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("key: f\nname: x\n", {"key": "f", "name": "x"}),
        ("key: g\n---\nkey: f\n", {"key": "f"}),
        ("key: g\n---\nkey: [f\n---\nkey: h\n", InvalidInputError),
        ("key: [\n---\nkey: f\n", {"key": "f"}),
        ('key: "\\x66"\n', {"key": "f"}),
        ('key: g\n---\nkey: "\\x66"\n', {"key": "f"}),
        ("name: f\n", None),
        ("- f\n---\nkey: f\n", {"key": "f"}),
        ("key: g\n", None),
        ("key: g # f\n", None),
        ("", None),
    ],
)
def test_the_document_of_a_flag(text: str, found: Any) -> None:
    """By its key alone, in any spelling; other documents are not looked into unless they may be meant."""
    if found is InvalidInputError:
        with pytest.raises(InvalidInputError):
            find_document(text.encode(), "f")
    else:
        assert find_document(text.encode(), "f") == found


def test_a_document_as_an_environment_sees_it() -> None:
    """With its overlay and the defaults; nothing where it is not declared there."""
    document = {"key": "f", "rolloutPercentage": 1, "environments": {"prod": {"rolloutPercentage": 2}}}
    assert effective(document, SETTINGS) == {"key": "f", "rolloutPercentage": 2, "tags": ["team"]}
    assert effective({**document, "environments": {"prod": None}}, SETTINGS) is None
    assert effective(None, SETTINGS) is None


SEEN: dict[str, Any] = {
    "key": "f",
    "enabled": None,
    "rolloutWeights": {"on": 2},
    "variants": [{"key": "on", "payload": {"a": [1]}}, {"key": "off-color", "name": "on"}],
    "targetSegments": ["x", {"name": "Beta", "percentage": 5}],
    "deployments": ["web", "68", 7],
    "tags": ["web"],
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/rolloutWeights/on", 2),
        ("/variants/on/payload", {"a": [1]}),
        ("/targetSegments/Beta/percentage", 5),
        ("/targetSegments/Gamma/percentage", UNSET),
        ("/rolloutPercentage", UNSET),
        ("/key/deeper", UNSET),
        ("/enabled", None),
        ("/deployments", ["67", "68", 7]),
        ("/tags", ["web"]),
        ("", SEEN),
    ],
)
def test_the_value_at_a_place(pointer: str, value: Any) -> None:
    """Variants by their keys, segments by their names, deployments by their ids."""
    assert value_at(SEEN, pointer, SETTINGS) == value


@pytest.mark.parametrize(("document", "value"), [({}, UNSET), ({"deployments": None}, None), ({"deployments": 7}, 7)])
def test_deployments_that_are_no_list_are_what_they_are(document: dict[str, Any], value: Any) -> None:
    """There are no names in them."""
    assert value_at(document, "/deployments", SETTINGS) == value


@pytest.mark.parametrize("pointer", ["", "/enabled"])
def test_nothing_is_declared_without_a_document(pointer: str) -> None:
    assert value_at(None, pointer, SETTINGS) is UNSET


@pytest.mark.parametrize(
    ("pointer", "one", "other", "equal"),
    [
        ("/tags", ["a", "b"], ["b", "a"], True),
        ("/variants/on/inclusions/users", ["a", "b"], ["b", "a", "a"], True),
        ("/tags", ["a"], ["b"], False),
        ("/tags", [1, "a"], ["a", 1], False),
        ("/variants", ["a", "b"], ["b", "a"], False),
        ("/tags", "ab", "ba", False),
        ("/rolloutPercentage", 1, 1.0, True),
        ("/rolloutPercentage", 1, UNSET, False),
        ("/rolloutPercentage", UNSET, UNSET, True),
        ("/enabled", None, UNSET, False),
    ],
)
def test_values_are_compared_as_a_plan_does(pointer: str, one: Any, other: Any, equal: bool) -> None:
    """Lists of users, cohorts, tags and deployments in any order."""
    assert (comparable(pointer, one) == comparable(pointer, other)) is equal
