"""Counts, shares and kinds of values in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from unicodedata import category

import pytest

from reconciler.text import (
    ago,
    counted,
    cut,
    first_of,
    has_no_shape,
    json_kind,
    needs_base,
    percent,
    sentence,
    suggest,
    suggestion,
    time_text,
)


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
        (Fraction(1, 2_000_001), "0%"),
        (Fraction(1, 2_000_000), "<0.01%"),
        (Fraction(1, 20_001), "<0.01%"),
        (Fraction(1, 20_000), "0.01%"),
        (1 - Fraction(1, 2_000_000), "100%"),
        (1 - Fraction(1, 1_999_999), ">99.99%"),
        (1 - Fraction(1, 20_001), ">99.99%"),
        (1 - Fraction(1, 10_000), "99.99%"),
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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "in the future"), (0, "less than a minute ago"), (59, "less than a minute ago"), (60, "1 min ago"),
        (3599, "59 min ago"), (3600, "1 h ago"), (86_399, "23 h ago"), (86_400, "1 d ago"), (200_000, "2 d ago"),
    ],
)  # fmt: skip
def test_how_long_ago(seconds: int, words: str) -> None:
    """In the largest unit of which there is one."""
    assert ago(timedelta(seconds=seconds)) == words


def test_times_are_in_utc_to_the_second() -> None:
    at = datetime(2030, 1, 2, 1, 4, 5, 999, tzinfo=timezone(timedelta(hours=2)))
    assert (time_text(at), time_text(datetime(2030, 1, 2, tzinfo=UTC))) == (
        "2030-01-01T23:04:05Z", "2030-01-02T00:00:00Z",
    )  # fmt: skip


def test_long_texts_and_lists_are_cut() -> None:
    """To a length with the sign for more; a list to so many, and the number of the others."""
    assert [cut(text, 3) for text in ("ab", "abc", "abcd")] == ["ab", "abc", "ab…"]
    assert [first_of(list(text), 2) for text in ("", "a", "ab", "abc", "abcd")] == [
        "", "a", "a, b", "a, b, 1 more", "a, b, 2 more",
    ]  # fmt: skip
    assert sentence(["one", "two"]) == "One; two."


@pytest.mark.parametrize(
    ("character", "shapeless", "based"),
    [
        ("a", False, False), (" ", False, False), ("\u00a0", False, True), ("\u3000", False, True),
        ("\u0301", False, True), ("\u20dd", False, True), ("\u200b", True, False), ("\n", True, False),
        ("\u2028", True, False), ("\u2800", True, False), ("\u034f", True, True), ("\u115f", True, False),
        ("\ufe00", True, True), ("\ufe0f", True, True), ("\ufe10", False, False), ("\U000e0000", True, False),
        ("\U000e0fff", True, False), ("\U000e1000", False, False),
    ],
)  # fmt: skip
def test_characters_that_are_not_seen(character: str, shapeless: bool, based: bool) -> None:
    """Those without a shape, and those that are shown on the one before them, or as a blank."""
    assert (has_no_shape(character), needs_base(character)) == (shapeless, based)


def test_letters_and_marks_without_a_shape() -> None:
    """What Unicode calls ignorable by default, and the fillers and blanks that fonts leave empty; nothing else."""
    ignorable = (
        (0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180D), (0x180F, 0x180F), (0x2065, 0x2065),
        (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
    )  # fmt: skip
    blank = ((0x2800, 0x2800), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159))
    expected = {number for first, last in ignorable + blank for number in range(first, last + 1)}
    shapeless = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    looked_at = [
        number for number in (*range(0x20000), *range(0xE0000, 0xE1010)) if category(chr(number)) not in shapeless
    ]
    assert {number for number in looked_at if has_no_shape(chr(number))} == {
        number for number in expected if category(chr(number)) not in shapeless
    }


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("treatmnt", ["control", "treatment"], "treatment"),
        ("TREATMENT", ["Treatment"], "Treatment"),
        ("chekout", ["checkin", "Checkout"], "Checkout"),
        ("x", ["treatment"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_word_is_suggested(word: str, known: list[str], near: str | None) -> None:
    """One, as it is written; none where no word is near."""
    hint = near and f'Did you mean "{near}"?'
    assert suggest(word, known) == hint
    assert suggestion(word, iter(known)) == (f" {hint}" if hint else "")
