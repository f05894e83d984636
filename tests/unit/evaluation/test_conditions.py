"""Every operation with values of every kind, beside the official engine; and what only this client says."""

from __future__ import annotations

from typing import Any

import pytest
from official_engine import official_condition

from reconciler.evaluation.conditions import matches_condition, parse_version, text_list, text_of
from reconciler.model.flag import Condition

OPS = (
    "is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal",
    "set is", "set is not", "set contains", "set does not contain", "glob match", "glob does not match",
)  # fmt: skip
LISTED: tuple[tuple[str, ...], ...] = (
    ("US",), ("us", "x"), ("true",), ("x", "TRUE"), ("(none)",), ("US", "(none)"), ("1",), ("1.5", "x"), ("1.9.0",),
    ("1.9", "2.0.0-rc"), ("nan",), ("a/*",), ("**", "b"), ("x", "x"), ("1", "US"), ("",), ("U", "s"), ("S", "U"),
    ("tru",), ("a\nb", "a*b"), ("2.0.0", "1.9.1"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, "", 0, 0.0, False, [], {}, True, 1, 1.5, "US", "us", "true", "True", "(none)", "01", "1.9", "1.9.0",
    "1.10.0", "1.9.1", "2.0.0", "2.0.0-rc", "2.0.0-beta", "nan", "a/b", "a/b/c", "a\nb", "x", ["US"], ["US", 1],
    ["x", "x"], ["x"],
    [None], ["(none)"], ["true", "x"], [{"a": 1}], {"a": 1}, "[]", '["US", 1, null]', "[US", ' ["US"]', "[1]",
)  # fmt: skip


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("prop", ["country", "gp:app version"])
def test_an_operation_says_what_the_official_engine_says(op: str, prop: str) -> None:
    """Of any value, whatever is listed: true or false, and nothing else."""
    for values in LISTED:
        condition = Condition(prop=prop, op=op, values=values)
        for value in VALUES:
            user = {"user_properties": {prop[3:]: value}} if prop.startswith("gp:") else {prop: value}
            assert matches_condition(condition, user) is official_condition(condition, user), (values, value)


@pytest.mark.parametrize("op", OPS)
def test_cohorts_as_the_official_engine_has_them(op: str) -> None:
    for values in (("c",), ("c", "d"), ("(none)",), ("true",)):
        condition = Condition(prop="userdata_cohort", op=op, values=values, type="cohort")
        for cohorts in (None, [], ["c"], ["d", "e"], ["TRUE"], ["e"], '["c"]'):
            user = {} if cohorts is None else {"cohort_ids": cohorts}
            found = matches_condition(condition, user)
            if op in {"is", "is not"}:
                assert found is official_condition(condition, user), (values, cohorts)
            else:
                assert found is False
        assert matches_condition(condition, {"cohort_ids": "odd"}) is (op == "is not")


@pytest.mark.parametrize("type_", ["property", "odd"])
@pytest.mark.parametrize("op", ["odd", "set odd"])
@pytest.mark.parametrize("value", [None, "x", ["x"]])
def test_what_is_not_known_is_not_met(type_: str, op: str, value: object) -> None:
    """An operation, or a type of conditions."""
    assert matches_condition(Condition(prop="country", op=op, values=("x",), type=type_), {"country": value}) is False


def test_the_type_of_a_condition_comes_first() -> None:
    condition = Condition(prop="country", op="is", values=("x",), type="odd")
    assert matches_condition(condition, {"country": "x"}) is False


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2", (1, 2, 0, True, "")),
        ("1.2.3", (1, 2, 3, True, "")),
        ("01.10.3-rc.1", (1, 10, 3, False, "-rc.1")),
        ("1.2.3-", (1, 2, 3, False, "-")),
        ("1", None),
        ("1.2-rc", None),
        ("v1.2", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int, bool, str] | None) -> None:
    """A pre-release comes before the version, and is ordered as a text."""
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (["a", None, 1, True, [1], {"b": None}], ["a", "1", "True", "[1]", '{"b": null}']),
        ('["a", null, 1]', ["a", "1"]),
        (' ["a"]', None),
        ("[a]", None),
        ("a", None),
        (1, None),
        ([], []),
    ],
)
def test_texts_of_a_list(value: object, texts: list[str] | None) -> None:
    """A list, or the text of one that begins as such."""
    assert text_list(value) == texts
    if isinstance(value, int | str):
        assert text_of(value) == str(value)
