"""Scalars as YAML text that every reader understands alike: YAML 1.1 and 1.2, block and flow context.

Text stands plain only where no reader could take it for anything else; otherwise in double quotes, which are JSON's,
or as a literal block. Numbers are written so that readers of either version see a number of the same value.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from reconciler.files.yaml.scalars import find_forbidden

if TYPE_CHECKING:
    from reconciler.strict_json import Json

_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity"})
"""Plain words, in any case, that some reader takes for a boolean, null or number."""

_is_plain_start = re.compile(r"[^\W\d]|[/$(]").match
"""A letter or underscore, or one of a few signs that begin nothing else in YAML."""

_ends_plain = re.compile(r": |:\Z| #|[\t\n]").search
_ends_plain_in_flow = re.compile(r"[\[\]{},:#?\t\n\"']").search
_escape_raw = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]").sub


def scalar_text(value: Json, *, in_flow: bool = False) -> str:
    """A string, number, boolean or null on one line. `in_flow`: between brackets, where more must be quoted."""
    if isinstance(value, str):
        return value if is_plain(value, in_flow=in_flow) else quoted(value)
    if isinstance(value, float):
        return _float_text(value)
    return json.dumps(value)


def key_text(key: str, *, in_flow: bool = False) -> str:
    """A key of a mapping; unlike a value it never holds a colon unquoted."""
    return key if is_plain(key, in_flow=in_flow) and ":" not in key else quoted(key)


def is_plain(text: str, *, in_flow: bool = False) -> bool:
    """Whether text may stand without quotes."""
    if not _is_plain_start(text) or text[-1].isspace() or text.lower() in _WORDS:
        return False
    return not (_ends_plain_in_flow if in_flow else _ends_plain)(text) and text.isprintable()


def quoted(text: str) -> str:
    """Text in double quotes, with JSON's escapes; letters of all scripts stay themselves."""
    return _escape_raw(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))


def literal_block(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Text of several lines as header and lines of a literal block; None where only quotes are exact.

    Lines that begin or end with blanks are left to quotes: editors and other readers do not agree about them.
    """
    body = text.removesuffix("\n")
    lines = body.split("\n")
    if len(lines) == 1 and body == text:
        return None
    if not lines[0] or not lines[-1] or find_forbidden(text):
        return None
    if any(line and (line[0].isspace() or line[-1].isspace()) for line in lines):
        return None
    return ("|" if body != text else "|-"), tuple(lines)


def _float_text(value: float) -> str:
    """A number with a point: readers of YAML 1.1 take an exponent without one for text."""
    mantissa, sign, exponent = repr(value).partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + sign + exponent
