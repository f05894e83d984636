"""Overlays are RFC 7396 merge patches, and findings lead back to where a value was written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.files.decode import for_environment, merge_patch, origin_of, with_field
from reconciler.model.flag import FlagSpec

RFC_7396_APPENDIX_A: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396_APPENDIX_A)
def test_the_examples_of_the_rfc_hold(target: Any, patch: Any, result: Any) -> None:
    """Every row of appendix A."""
    assert merge_patch(target, patch) == result


@given(VALUES, VALUES)
def test_merging_changes_neither_side_and_is_idempotent(target: Any, patch: Any) -> None:
    """The same patch again changes nothing more, and documents are shared safely between environments."""
    before = deepcopy((target, patch))
    merged = merge_patch(target, patch)
    assert (target, patch) == before
    assert merge_patch(merged, patch) == merged


@pytest.mark.parametrize(
    ("field", "value", "is_one"),
    [
        ("enabled", True, True),
        ("tags", ["x"], True),
        ("rolloutPercentage", "x", False),
        ("rolloutWeights", {"a": "x"}, False),
        ("rolloutWeights", [1], False),
        ("targetSegments", [{"name": "s", "conditions": [], "percentage": "x", "rolloutWeights": {}}], False),
        ("targetSegments", [{"name": "s"}], False),
        ("variants", [1], False),
        ("variants", 1, False),
        ("nothing", 1, False),
    ],
)
def test_a_value_that_a_file_of_old_said(field: str, value: Any, is_one: bool) -> None:
    """Nothing was checked: what is no value of the field is none."""
    changed = with_field(FlagSpec(key="f"), field, value)
    assert (changed is not None) is is_one
    assert changed != FlagSpec(key="f")


DOCUMENT = {
    "key": "a",
    "rolloutPercentage": 5,
    "rolloutWeights": {"a": 1},
    "variants": [{"key": "a"}],
    "environments": {
        "staging": {"rolloutPercentage": 100, "rolloutWeights": {"b": 2}, "variants": [{"key": "b"}], "tags": ["x"]},
        "production": {"rolloutWeights": None},
    },
}


def test_an_environment_sees_its_overlay_and_no_other() -> None:
    """Objects merge, lists are replaced, null takes away, and `environments` is gone."""
    staging = for_environment(DOCUMENT, "staging")
    assert staging == {
        "key": "a", "rolloutPercentage": 100, "rolloutWeights": {"a": 1, "b": 2}, "variants": [{"key": "b"}],
        "tags": ["x"],
    }  # fmt: skip
    assert for_environment(DOCUMENT, "production") == {
        "key": "a", "rolloutPercentage": 5, "variants": [{"key": "a"}],
    }  # fmt: skip


@pytest.mark.parametrize("environment", ["test", None])
def test_an_environment_without_overlay_sees_the_document(environment: str | None) -> None:
    """Overlays of others are not its business."""
    assert for_environment(DOCUMENT, environment) == {k: v for k, v in DOCUMENT.items() if k != "environments"}


def test_a_document_without_overlays_is_itself() -> None:
    """Nothing is copied for the many flags that are alike everywhere."""
    document = {"key": "a"}
    assert for_environment(document, "staging") is document


@pytest.mark.parametrize("overlays", [None, [], "x", {"staging": None}, {"staging": [1]}])
def test_overlays_of_the_wrong_type_change_nothing(overlays: Any) -> None:
    """The schema has refused them already."""
    assert for_environment({"key": "a", "environments": overlays}, "staging").get("key") == "a"


@pytest.mark.parametrize(
    ("pointer", "environment", "origin"),
    [
        ("/key", "staging", "/key"),
        ("/rolloutPercentage", "staging", "/environments/staging/rolloutPercentage"),
        ("/rolloutPercentage", "production", "/rolloutPercentage"),
        ("/rolloutPercentage", None, "/rolloutPercentage"),
        ("/rolloutWeights", "staging", "/rolloutWeights"),
        ("/rolloutWeights/a", "staging", "/rolloutWeights/a"),
        ("/rolloutWeights/b", "staging", "/environments/staging/rolloutWeights/b"),
        ("/variants/0/key", "staging", "/environments/staging/variants/0/key"),
        ("/variants/0/key", "production", "/variants/0/key"),
        ("/tags/0", "staging", "/environments/staging/tags/0"),
        ("/tags", "staging", "/environments/staging/tags"),
        ("", "staging", ""),
    ],
)
def test_a_value_comes_from_where_it_was_written(pointer: str, environment: str | None, origin: str) -> None:
    """The overlay where it decides, the document where not."""
    assert origin_of(DOCUMENT, environment, pointer) == origin
