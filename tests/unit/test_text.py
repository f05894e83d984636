"""Counts, shares and kinds of values in words."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reconciler.text import counted, json_kind, percent


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


def test_one_is_one() -> None:
    """One thing is named in the singular, none and many in the plural."""
    assert [counted(number, "flag") for number in (0, 1, 2)] == ["0 flags", "1 flag", "2 flags"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"), (True, "true"), (False, "false"), (1, "a number"), (0.5, "a number"),
        ("", "a string"), ([], "a list"), ({}, "an object"),
    ],
)  # fmt: skip
def test_values_are_named_as_json_does(value: object, words: str) -> None:
    """Messages about answers speak of JSON, not of the language that reads it."""
    assert json_kind(value) == words
