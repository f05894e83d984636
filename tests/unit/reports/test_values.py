"""One-line JSON, and which ids are personal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.reports.fields import flow_text, redacted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda item: st.lists(item) | st.dictionaries(st.text(), item),
    )
)
def test_flow_text_is_json_on_one_line(value: object) -> None:
    """Text without invisible characters is JSON of the same value; it never has a second line."""
    text = flow_text(value)
    assert "\n" not in text
    if json.dumps(value, ensure_ascii=False).isprintable() and "\\" not in text:
        assert json.loads(text) == value


def test_users_of_inclusions_are_counted() -> None:
    """The ids in a variant's inclusions are counted, its cohorts and everything else stay."""
    variant = {"key": "on", "inclusions": {"users": ["ada@example.com", "b"], "cohorts": ["c1"]}}
    assert flow_text(redacted(variant, show_users=False)) == (
        '{"key": "on", "inclusions": {"users": [2 users], "cohorts": ["c1"]}}'
    )


@pytest.mark.parametrize("prop", ["user_id", "device_id", "amplitude_id"])
def test_ids_in_conditions_are_counted(prop: str) -> None:
    """A segment that names people by id does not show them."""
    condition = {"prop": prop, "op": "is", "values": ["ada@example.com"]}
    assert "ada" not in flow_text(redacted([{"conditions": [condition]}], show_users=False))


def test_payloads_stay_whole() -> None:
    """A payload is the team's own content, whatever its members are called."""
    variant = {"payload": {"inclusions": {"users": ["a"]}, "prop": "user_id", "values": ["a"]}}
    assert redacted(variant, show_users=False) == variant


def test_show_users_shows_everything() -> None:
    """With --show-users nothing is replaced."""
    variant = {"inclusions": {"users": ["ada@example.com"]}}
    assert redacted(variant, show_users=True) is variant
