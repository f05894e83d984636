"""Strict JSON for API answers and plan files: what the json module lets through and nobody else does is refused.

Refused: anything but UTF-8, NaN and infinities in every spelling (1e999 too), duplicate keys, lone surrogates, byte
order marks, and more than MAX_DEPTH nested collections. Messages never quote the text.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from reconciler.source.pointer import Json

MAX_DEPTH: Final = 100

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_has_surrogate_escape = re.compile(r"\\u[dD][89a-fA-F]").search
_find_lone_surrogate = re.compile("[\ud800-\udfff]").search
_tokens = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL).finditer


class MalformedJsonError(ValueError):
    """Text that is not strict JSON. The message says what and where, and quotes nothing."""


def parse_json(content: str | bytes) -> Json:
    """The value of a JSON text. Raises MalformedJsonError, and nothing else, for any content."""
    text, raw = _both_forms(content)
    if _is_deep(raw):
        raise MalformedJsonError(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"Not JSON at line {error.lineno}, column {error.colno}.") from None
    except MalformedJsonError:
        raise
    except (ValueError, RecursionError):
        raise MalformedJsonError("The JSON holds a number that is too long.") from None
    if _has_surrogate_escape(text) and _holds_lone_surrogate(value):
        raise MalformedJsonError("The JSON holds half of a surrogate pair, which is no character.")
    return value


def _both_forms(content: str | bytes) -> tuple[str, bytes]:
    try:
        if isinstance(content, str):
            return content, content.encode()
        return content.decode(), content
    except UnicodeError as error:
        raise MalformedJsonError(f"The JSON is not UTF-8 at offset {error.start}.") from None  # type: ignore[attr-defined]


def _is_deep(content: bytes) -> bool:
    """Take the innermost pairs of brackets away, MAX_DEPTH times; count exactly only where some are left."""
    brackets = content.translate(None, _NOT_BRACKETS)
    for removed in range(MAX_DEPTH):
        if removed + len(brackets) <= MAX_DEPTH:
            return False
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return _exceeds_depth(content)


def _exceeds_depth(content: bytes) -> bool:
    depth = 0
    for token in _tokens(content):
        first = token.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _holds_lone_surrogate(value: Json) -> bool:
    return _find_lone_surrogate(json.dumps(value, ensure_ascii=False)) is not None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJsonError("The JSON holds an object with the same key twice.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedJsonError("The JSON holds a number beyond what a double can carry.")
    return number


def _constant(_: str) -> NoReturn:
    raise MalformedJsonError("NaN and infinities are not JSON.")


_decoder: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_constant)
