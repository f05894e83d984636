"""What a rule of `ignore` takes out of the document of a live flag."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_config

from reconciler.importer.ignored import without_ignored
from reconciler.model.config import IgnoreRule, ignored_of

LIVE: dict[str, Any] = {
    "key": "f",
    "name": "F",
    "links": [{"title": "spec", "url": "https://example.com"}],
    "tags": ["a", "b"],
    "deployments": ["web", "68"],
    "rolloutWeights": {"on": 1, "x": 2},
    "variants": [
        {"key": "on", "name": "On", "payload": {"a": 1, "b": {"c": 2, "d": 3}}, "inclusions": {"users": ["u", "v"]}},
        {"key": "x", "payload": "text", "inclusions": {"users": ["u"], "cohorts": ["c"]}},
    ],
    "targetSegments": [{"name": "ops", "percentage": 5}, {"name": "mine", "percentage": 6}],
}
ON, X = LIVE["variants"]


def on(**fields: Any) -> dict[str, Any]:
    """The variants with another form of the first one."""
    return {"variants": [ON | fields, X]}


def on_without(name: str) -> dict[str, Any]:
    """The variants without a field of the first one."""
    return {"variants": [{key: value for key, value in ON.items() if key != name}, X]}


def x(**fields: Any) -> dict[str, Any]:
    """The same of the second one."""
    return {"variants": [ON, X | fields]}


@pytest.mark.parametrize(
    ("path", "declared", "changed"),
    [
        ("/name", {"name": "Other"}, {"name": None}),
        ("/name/x", {}, {}),
        ("/tags/a", {}, {"tags": ["b"]}),
        ("/tags/*", {}, {"tags": []}),
        ("/tags/*", {"tags": ["b"]}, {"tags": ["b"]}),
        ("/tags/*", {"tags": [["b"], {"name": 7}, "a"]}, {"tags": ["a"]}),
        ("/deployments/web", {}, {"deployments": ["68"]}),
        ("/deployments/68", {}, {"deployments": ["web"]}),
        ("/deployments/*", {"deployments": ["web"]}, {"deployments": ["web"]}),
        ("/deployments/*", {"deployments": ["67"]}, {"deployments": ["web"]}),
        ("/rolloutWeights/x", {}, {"rolloutWeights": {"on": 1}}),
        ("/rolloutWeights/*", {"rolloutWeights": {"x": 5}}, {"rolloutWeights": {"x": 2}}),
        ("/rolloutWeights/*", {}, {"rolloutWeights": None}),
        ("/variants/x", {}, {"variants": [ON], "rolloutWeights": {"on": 1}}),
        ("/variants/*", {}, {"variants": None, "rolloutWeights": None}),
        ("/variants/*", {"variants": [{"key": "x"}]}, {"variants": [X], "rolloutWeights": {"x": 2}}),
        ("/variants/*", {"variants": [{"key": "x"}], "rolloutWeights": {"on": 1}}, {"variants": [X]}),
        ("/variants/on/name", {}, on_without("name")),
        ("/variants/on/key", {}, {}),
        ("/variants/on/payload", {}, on_without("payload")),
        ("/variants/on/payload/a", {}, on(payload={"b": {"c": 2, "d": 3}})),
        ("/variants/on/payload/b/c", {}, on(payload={"a": 1, "b": {"d": 3}})),
        ("/variants/on/payload/*", {"variants": [{"key": "on", "payload": {"a": 0}}]}, on(payload={"a": 1})),
        ("/variants/on/payload/b/*", {"variants": [{"key": "on", "payload": {"b": {"d": 0}}}]},
         on(payload={"a": 1, "b": {"d": 3}})),
        ("/variants/on/payload/*", {"variants": [{"key": "on", "payload": "text"}]}, on(payload={})),
        ("/variants/x/payload/a", {}, {}),
        ("/variants/on/inclusions/users/u", {}, on(inclusions={"users": ["v"]})),
        ("/variants/on/inclusions/users/*", {"variants": [{"key": "on", "inclusions": {"users": ["v"]}}]},
         on(inclusions={"users": ["v"]})),
        ("/variants/on/inclusions/users/*", {}, on(inclusions={"users": []})),
        ("/variants/on/inclusions/users", {}, on_without("inclusions")),
        ("/variants/x/inclusions/users", {}, x(inclusions={"cohorts": ["c"]})),
        ("/variants/x/inclusions/*", {"variants": [{"key": "x", "inclusions": {"users": []}}]},
         x(inclusions={"users": ["u"]})),
        ("/variants/x/inclusions", {}, {"variants": [ON, {"key": "x", "payload": "text"}]}),
        ("/targetSegments/ops", {}, {"targetSegments": [LIVE["targetSegments"][1]]}),
        ("/targetSegments/*", {"targetSegments": [{"name": "ops"}]}, {"targetSegments": [LIVE["targetSegments"][0]]}),
        ("/targetSegments/*", {}, {"targetSegments": []}),
        ("/targetSegments/ops/percentage", {}, {}),
    ],
)  # fmt: skip
def test_what_is_left_to_others_is_not_written(path: str, declared: dict[str, Any], changed: dict[str, Any]) -> None:
    """`*` in the end of a path is about what the file does not declare."""
    config = a_config(deployments={"web": "67"}, ignore=(IgnoreRule(flags="*", paths=(path,)),))
    kept = without_ignored(LIVE, ignored_of("f", config), config, declared)
    expected = LIVE | changed
    assert kept == {name: value for name, value in expected.items() if value is not None}


def test_what_is_empty_live_is_written() -> None:
    """It is not empty because of a rule."""
    config = a_config(ignore=(IgnoreRule(flags="*", paths=("/variants/x", "/rolloutWeights/x")),))
    live = {"key": "f", "variants": [], "rolloutWeights": {}}
    assert without_ignored(live, ignored_of("f", config), config, {}) == live


def test_without_a_rule_all_is_written() -> None:
    config = a_config(ignore=(IgnoreRule(flags="g", paths=("/name",)),))
    assert without_ignored(LIVE, ignored_of("f", config), config, {}) == LIVE
