"""Users of a command line and of a file: what becomes of their fields, and what is refused without being repeated."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from reconciler.diagnostics import Diagnostic
from reconciler.errors import UsageError
from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.users import LONGEST_LINE, fields_of_options, read_users, user_of_json
from reconciler.model.flag import Condition

SECRET = "ada@example.com"


def read(content: bytes | str) -> list[Any]:
    """What a file of this content holds."""
    return list(read_users(BytesIO(content.encode() if isinstance(content, str) else content), "users.jsonl"))


def finding(content: bytes | str) -> Diagnostic:
    """The one thing that is wrong with a file."""
    (found,) = [item for item in read(content) if isinstance(item, Diagnostic)]
    return found


def meets(user: dict[str, Any], prop: str, value: str) -> bool:
    """Whether a condition on the property is true for the user."""
    return matches_condition(Condition(prop=prop, op="is", values=(value,)), user)


@pytest.mark.parametrize("name", ["plan", "gp:plan"])
def test_custom_properties_need_no_prefix(name: str) -> None:
    """With or without gp:, a property that is no built-in one is what gp: conditions look at."""
    user = user_of_json({name: "pro"})
    assert meets(user, "gp:plan", "pro")
    assert not meets(user, "gp:plan", "free")


@pytest.mark.parametrize(
    "name",
    [
        "user_id", "device_id", "amplitude_id", "country", "region", "city", "dma", "language", "platform", "version",
        "os", "device_manufacturer", "device_brand", "device_model", "carrier", "library", "ip_address",
    ],
)  # fmt: skip
def test_built_in_properties_stay_built_in(name: str) -> None:
    """The bare name is the built-in one; gp:country is a custom property that happens to have its name."""
    assert meets(user_of_json({name: "US"}), name, "US")
    assert not meets(user_of_json({name: "US"}), f"gp:{name}", "US")
    assert meets(user_of_json({f"gp:{name}": "US"}), f"gp:{name}", "US")
    assert not meets(user_of_json({f"gp:{name}": "US"}), name, "US")


def test_a_field_is_met_by_its_bare_name_too() -> None:
    """A condition may name a built-in property that is not known here."""
    assert meets(user_of_json({"paying": "true"}), "paying", "true")


def test_a_user_of_an_sdk_is_taken_as_it_is() -> None:
    """user_properties, groups and cohort_ids are kept; a custom field beside them does not outdo user_properties."""
    given = {
        "user_id": "u", "user_properties": {"plan": "pro"}, "groups": {"org": ["a"]}, "cohort_ids": ["c"],
    }  # fmt: skip
    assert user_of_json(given) == given
    assert meets(user_of_json(given | {"plan": "free"}), "gp:plan", "pro")


def test_groups_are_taken_as_they_are() -> None:
    """One name or several, and what is known of each; null is nothing known."""
    given = {
        "groups": {"org": "acme", "team": ["a", 7], "none": []},
        "group_properties": {"org": {"acme": {"plan": "pro"}, "other": None}, "team": None},
        "group_cohort_ids": {"org": {"acme": ["c"], "other": None}, "team": None},
    }
    assert user_of_json(given) == given


def test_null_is_nothing() -> None:
    """A null field is as if it were not there, cohort_ids too."""
    assert user_of_json({"user_id": None, "cohort_ids": None, "plan": None}) == {}


def test_options_make_a_user() -> None:
    """Ids, properties, lists from repetition, JSON for objects; the options for ids outdo properties."""
    properties = [("country", "US"), ("tags", "a"), ("tags", "b"), ("cohort_ids", "c1"), ("user_id", "no")]
    properties += [("groups", '{"org": ["other"]}'), ("groups", '{"org": ["acme"]}')]
    assert fields_of_options("", "d", properties) == {
        "user_id": "", "device_id": "d", "country": "US", "tags": ["a", "b"], "cohort_ids": ["c1"],
        "groups": {"org": ["acme"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ([("groups", "{")], "Not JSON at line 1, column 2"),
        ([("groups", "[]")], "groups is an object."),
        ([("amplitude_id", "1")] * 2, "amplitude_id is a string or a whole number."),
    ],
)
def test_options_that_make_no_user(properties: list[tuple[str, str]], says: str) -> None:
    """Objects that are no JSON objects, and several ids, are wrong usage."""
    with pytest.raises(UsageError, match=f"^--property: {says}"):
        fields_of_options(None, None, properties)


def test_lines_are_users() -> None:
    """One object a line, in order; blank lines are none, and the last line needs no end."""
    assert read('{"user_id": "a"}\n\n  \r\n{"user_id": "00123"}\r\n{"user_id": 7}') == [
        {"user_id": "a"}, {"user_id": "00123"}, {"user_id": 7},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"user_id": "x"', "Not JSON at column 16. Each line is one user, as a JSON object."),
        (f'{{"user_id": "{SECRET}"', "Not JSON at column"),
        (f'["{SECRET}"]', "A user is a JSON object."),
        (f'"{SECRET}"', "A user is a JSON object."),
        (f'{{"user_id": ["{SECRET}"]}}', "user_id is a string or a whole number."),
        ('{"device_id": true}', "device_id is a string or a whole number."),
        ('{"amplitude_id": 1.5}', "amplitude_id is a string or a whole number."),
        (f'{{"user_properties": "{SECRET}"}}', "user_properties is an object."),
        (f'{{"groups": ["{SECRET}"]}}', "groups is an object."),
        (f'{{"cohort_ids": "{SECRET}"}}', "cohort_ids is a list."),
        (f'{{"groups": {{"org": {{"{SECRET}": 1}}}}}}', "groups holds a name, or a list of names, for each type."),
        (f'{{"groups": {{"org": ["a", ["{SECRET}"]]}}}}', "groups holds a name, or a list of names, for each type."),
        (
            f'{{"group_properties": {{"org": "{SECRET}"}}}}',
            "group_properties holds an object of names for each type.",
        ),
        (f'{{"group_cohort_ids": {{"org": {{"a": "{SECRET}"}}}}}}', "group_cohort_ids holds a list for each name."),
        (
            f'{{"group_properties": {{"org": {{"a": ["{SECRET}"]}}}}}}',
            "group_properties holds an object for each name.",
        ),
        (f'{{"{SECRET}": 1, "{SECRET}": 2}}', "same key twice"),
        (f'{{"user_id": "{SECRET}", "x": NaN}}', "NaN"),
        (f'{{"user_id": "{SECRET}\\ud800"}}', "surrogate"),
        ("[" * 200 + "]" * 200, "nested"),
    ],
)
def test_a_line_that_is_no_user_is_named_and_not_shown(line: str, says: str) -> None:
    """The file and the line, what is wrong in general, and nothing of what stands there."""
    found = finding(f'{{"user_id": "fine"}}\n\n{line}\n{{}}\n')
    assert found.position is not None
    assert found.is_error
    assert (found.rule, found.position.file, found.position.line, found.position.column) == (
        "user",
        "users.jsonl",
        3,
        1,
    )
    assert says in found.message
    assert SECRET not in found.message


def test_bytes_that_are_no_text_are_named() -> None:
    """A line that is not UTF-8 is a finding like others; the lines after it are read."""
    content = b'{"user_id": "\xff"}\n{"user_id": "b"}\n'
    assert "UTF-8" in finding(content).message
    assert read(content)[-1] == {"user_id": "b"}


def test_a_line_without_end_ends_the_reading() -> None:
    """More than the longest line is not held in memory, and what follows is not taken for a line."""
    user = {"user_id": "a" * (LONGEST_LINE - 16)}
    longest = json.dumps(user) + "\n"
    assert len(longest) == LONGEST_LINE
    assert read(longest) == [user]
    (found,) = read('{"x": "' + "a" * LONGEST_LINE + '"}\n{"user_id": "b"}\n')
    assert "longer than 1,000,000 bytes" in found.message
