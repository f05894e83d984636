"""One-line JSON, which ids are personal, and lists of keys."""

from __future__ import annotations

import json

import pytest
from builders import a_plan
from hypothesis import given
from hypothesis import strategies as st

from reconciler.reports.fields import flow_text, redacted
from reconciler.reports.fitting import first_named
from reconciler.reports.registry import PLAN, render


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
    """A payload is the team's own content, with any names of its members."""
    variant = {"payload": {"inclusions": {"users": ["a"]}, "prop": "user_id", "values": ["a"]}}
    assert redacted(variant, show_users=False) == variant


def test_show_users_shows_everything() -> None:
    """With --show-users nothing is replaced."""
    variant = {"inclusions": {"users": ["ada@example.com"]}}
    assert redacted(variant, show_users=True) is variant


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_long_keys_of_unmanaged_flags_are_cut(form: str) -> None:
    """One key of another team cannot fill the report; every flag is counted."""
    plan = a_plan(unmanaged=("a" * 300, "short", "b" * 60))
    shown = "".join(render(PLAN, form, plan).split())
    assert "a" * 40 in shown
    assert "a" * 61 not in shown
    assert "3flagsnotmanagedhere" in shown
    assert "b" * 60 in shown


def test_long_keys_of_drift_are_cut() -> None:
    """The same where drift names them."""
    shown = first_named(["a" * 300, "short"])
    assert shown == f"{'a' * 59}…, short"
