"""What a YAML file may hold: its limits, its characters, and what a plain (unquoted) scalar means.

Refused, raw or by an escape: byte order marks, control characters (tab, line feed and CRLF are fine), bidirectional
controls, zero-width characters, lone surrogates, and line ends that editors and YAML readers disagree about (a lone
CR, U+0085, U+2028, U+2029). A joiner (U+200C, U+200D) is fine after a non-ASCII character, where scripts and emoji
need it.

Plain scalars are YAML 1.2 core, narrowed to what every reader agrees on: `true`, `false`, `null`, `~` and nothing
at all are themselves; decimal numbers without leading zeros or underscores are numbers; everything else is text, so
`on`, `no`, `True`, `0012345`, `1:30`, `1_000`, `0x1F`, `0o17` and `2024-01-01` are strings. Numbers that JSON
cannot carry are refused rather than turned into text.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping


MAX_NUMBER_LENGTH: Final = 64

_NON_FINITE: Final = Finding(
    "non-finite-number",
    "NaN and infinities are not numbers that JSON can carry.",
    "Put quotes around it if text is meant.",
)
_TOO_LONG: Final = Finding(
    "number-too-long",
    f"The number has more than {MAX_NUMBER_LENGTH} characters.",
    "Put quotes around it if an id or text is meant.",
)

_INFINITIES: Final = [sign + name for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF", "Infinity")]
_WORDS: Final[Mapping[str, bool | Finding | None]] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
    **dict.fromkeys([*_INFINITIES, ".nan", ".NaN", ".NAN", "NaN"], _NON_FINITE),
}
_NUMBER_STARTS: Final = frozenset("0123456789+-.")

AMBIGUOUS: Final[Mapping[str, str]] = {
    **dict.fromkeys(["True", "TRUE", "False", "FALSE"], "a boolean"),
    **dict.fromkeys([form for word in ("yes", "no", "on", "off") for form in (word, word.title(), word.upper())],
                    "a boolean"),
    "Null": "null",
    "NULL": "null",
}  # fmt: skip
"""Plain words that are text here, and what readers of YAML 1.1, or of the whole of 1.2 core, take them for."""

_is_integer = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z").match
_is_float = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z"
).match


@lru_cache(maxsize=1024)
def resolve_plain(text: str) -> str | float | bool | Finding | None:
    """The value of a plain scalar, or why it is refused. Remembered: flag files hold the same words and numbers."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    number = int if _is_integer(text) else float if _is_float(text) else None
    if number is None:
        return text
    if len(text) > MAX_NUMBER_LENGTH:
        return _TOO_LONG
    value = number(text)
    return value if math.isfinite(value) else _NON_FINITE


MAX_DEPTH: Final = 50
"""Nested collections in one document. libyaml itself turns quadratic far beyond it."""
MAX_NODES: Final = 100_000
"""Scalars, mappings and lists in one file."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes in one file."""

_JOINERS = "\u200c\u200d"
_ZERO_WIDTH = "\u200b\u2060\u2061\u2062\u2063\u2064\ufeff" + _JOINERS
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_LINE_ENDS = "\r\x85\u2028\u2029"
_CONTROL_BYTES = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
    "|\r(?!\n)"
    f"|(?<![^\x00-\x7f])[{_JOINERS}]"
)

find_forbidden = _FORBIDDEN.search
"""The first match of a forbidden character in a text, or None."""

find_all_forbidden = _FORBIDDEN.finditer
"""Every forbidden character of a text, in order."""


def is_clean_ascii(content: bytes) -> bool:
    """Whether the bytes are ASCII without a forbidden character: the fast way out for nearly every file."""
    if not content.isascii() or len(content.translate(None, _CONTROL_BYTES)) != len(content):
        return False
    return b"\r" not in content or b"\r" not in content.replace(b"\r\n", b"")


def refuse_character(character: str) -> Finding:
    """What to say of one forbidden character. The character itself is never quoted, only its code point."""
    name = f"U+{ord(character):04X}"
    if character == "\ufeff":
        return Finding("byte-order-mark", f"{name}, a byte order mark, is not allowed.", "Save the file without BOM.")
    if character in _BIDIRECTIONAL:
        message = f"{name} is a bidirectional control: text with it can read differently from what it says."
        return Finding("bidirectional-character", message, "Remove it.")
    if character in _ZERO_WIDTH:
        message = f"{name} is an invisible character: two texts could look the same and differ."
        return Finding("zero-width-character", message, "Remove it.")
    if "\ud800" <= character <= "\udfff":
        return Finding("lone-surrogate", f"{name} is half of a surrogate pair, which is no character.", _WRITE_IT)
    if character in _LINE_ENDS:
        message = f"{name} ends a line for some readers and not for others."
        return Finding("control-character", message, "Use LF or CRLF line ends.")
    return Finding("control-character", f"The control character {name} is not allowed.", "Remove it.")


_WRITE_IT = "Write the character itself instead of escapes."
