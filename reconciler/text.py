"""How counts, shares, kinds of values and likely words are said, the same in every message and report."""

from __future__ import annotations

from datetime import UTC
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from fractions import Fraction

_SHAPELESS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters, halves of pairs, ends of lines and paragraphs."""

_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\uffa0\ufff0\ufff1\ufff2\ufff3\ufff4"
    "\ufff5\ufff6\ufff7\ufff8\U00013441\U00013442\U00016fe4\U0001d159"
).union(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))))
"""Letters, marks and symbols without a shape: fillers, blanks, selectors, and what Unicode keeps free for more."""

_GRID = 2_000_000
"""Less than one in so many is below the resolution of Amplitude's hash, and no user."""

_SMALLEST = 20_000
"""Less than one in so many would be rounded to 0."""


def has_no_shape(character: str) -> bool:
    """Whether a character shows nothing by itself, or changes how others are shown."""
    return character in _BLANK or category(character) in _SHAPELESS


def needs_base(character: str) -> bool:
    """Whether a character is shown on the one before it, or is a blank that is no plain space."""
    return category(character)[0] == "M" or (character != " " and category(character) == "Zs")


def counted(count: int, noun: str) -> str:
    """`1 user`, `2 users`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def time_text(at: datetime) -> str:
    """A time in UTC, to the second: `2030-01-02T03:04:05Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(span: timedelta) -> str:
    """How long ago something was, in whole units of which there is at least one: `12 min ago`, `3 h ago`."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "less than a minute ago" if seconds >= 0 else "in the future"


def cut(text: str, length: int) -> str:
    """The text, or its beginning and a sign that there is more, together `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def percent(share: Fraction) -> str:
    """A share as a percentage with at most two decimals: `12.5%`.

    Less than 0.00005% is below the resolution of Amplitude's hash and reads 0%; what is more but would round to 0 or
    to 100 says so.
    """
    if share * _GRID < 1:
        return "0%"
    if share * _SMALLEST < 1:
        return "<0.01%"
    rest = 1 - share
    if rest * _SMALLEST < 1 < rest * _GRID:
        return ">99.99%"
    return f"{round(float(share * 100), 2):g}%"


def sentence(parts: Sequence[str]) -> str:
    """The parts as one sentence, which begins with a capital letter and ends with a full stop."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def first_of(texts: Sequence[str], most: int) -> str:
    """The first texts, separated by commas, and how many more there are: `a, b, 3 more`."""
    more = len(texts) - most
    return ", ".join([*texts[:most], f"{more} more"] if more > 0 else texts)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """`Did you mean "…"?` for the known word that is nearest, if one is near; case does not count."""
    by_lower = {item.lower(): item for item in known}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return f'Did you mean "{by_lower[near[0]]}"?' if near else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """The same to follow a sentence, with a space before it; empty where no word is near."""
    hint = suggest(word, known)
    return f" {hint}" if hint else ""


def json_kind(value: object) -> str:
    """What a JSON value is, as a message says it: `null`, `true`, `a number`, `a string`, `a list`, `an object`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return "a number"
    return "a string" if isinstance(value, str) else "a list" if isinstance(value, list | tuple) else "an object"
