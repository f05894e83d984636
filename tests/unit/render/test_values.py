"""Percentages, counts, one-line JSON, and which ids are personal."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.values import flow_text, percent, redacted


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Fraction(0), "0%"),
        (Fraction(1), "100%"),
        (Fraction(1, 8), "12.5%"),
        (Fraction(2, 3), "66.67%"),
        (Fraction(89, 1000), "8.9%"),
        (Fraction(23, 1_000_000_000), "0%"),
        (Fraction(40, 100) + Fraction(1, 2**31), "40%"),
        (Fraction(1, 100_000), "<0.01%"),
        (Fraction(99_999, 100_000), ">99.99%"),
        (1 - Fraction(1, 2**31), "100%"),
    ],
)
def test_percentages_are_short_and_honest(share: Fraction, text: str) -> None:
    """Two decimals at most; what is not nothing does not read as nothing, nor what is not all as all."""
    assert percent(share) == text


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
