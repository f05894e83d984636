"""JSON: the type of its values, JSON Pointers (RFC 6901), and a strict reader for API answers and plan files.

The reader refuses what only Python's json module lets through: anything but UTF-8, NaN and infinities in every
spelling (1e999 too), duplicate keys, lone surrogates, byte order marks, and more than MAX_DEPTH nested collections.
Messages never quote the text.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


Json: TypeAlias = Any
"""A JSON value as the readers give it; treated as immutable."""


def join_pointer(tokens: Iterable[str | int]) -> str:
    """The pointer of a path; no tokens give "", which is the whole document."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def split_pointer(pointer: str) -> tuple[str, ...]:
    """The tokens of a pointer, unescaped."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


MAX_DEPTH: Final = 100

_DEEPEST: Final = MAX_DEPTH + 10
"""What lies deeper is not parsed, however much is allowed to be flawed."""

_RAW_CONTROL: Final = "\udc00\udc00"
"""Stands for a control character that should have been escaped; no text of a well-formed answer holds it."""

_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_string = re.compile(_STRING, re.DOTALL)
_token = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_control = re.compile(r"[\x00-\x1f]")
_has_surrogate_escape = re.compile(r"\\u[dD][89a-fA-F]").search


class MalformedJsonError(ValueError):
    """Text that is not strict JSON. The message says what and where, and quotes nothing."""


def parse_json(content: str | bytes) -> Json:
    """The value of a JSON text. Raises MalformedJsonError, and nothing else, for any content."""
    try:
        text = content.decode() if isinstance(content, bytes) else content.encode().decode()
        value = _decoder.decode(text)
        if _has_surrogate_escape(text):
            json.dumps(value, ensure_ascii=False).encode()
    except MalformedJsonError:
        raise
    except UnicodeDecodeError as error:
        raise MalformedJsonError(f"The JSON is not UTF-8 at offset {error.start}.") from None
    except UnicodeEncodeError:
        raise MalformedJsonError(_HALF) from None
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"Not JSON at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    except ValueError:
        raise MalformedJsonError(_TOO_LONG) from None
    if _is_too_deep(value):
        raise MalformedJsonError(_TOO_DEEP)
    return value


class Flaw(Struct, frozen=True):
    """Stands where a value would be that strict JSON refuses. `reason` says why, as a MalformedJsonError would.

    `members` are those of an object that come once, where some come twice.
    """

    reason: str
    members: dict[str, Json] = {}


def parse_with_flaws(content: bytes) -> Json:
    """The value of a JSON text, with a Flaw for each constant, number or object in it that strict JSON refuses.

    Texts may hold halves of surrogate pairs, also for bytes that are not UTF-8 and for control characters; and of
    what is nested too deep, something that is too deep as well remains: `flaw_in` finds what is wrong.
    Raises MalformedJsonError where the text has no such value at all.
    """
    text = _string.sub(_marked, content.decode(errors="surrogateescape"))
    try:
        try:
            return _tolerant_decoder.decode(text)
        except RecursionError:
            return _tolerant_decoder.decode(_flattened(text))
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"Not JSON at line {error.lineno}, column {error.colno}.") from None


def _marked(string: re.Match[str]) -> str:
    return _control.sub(_RAW_CONTROL, string[0])


def _flattened(text: str) -> str:
    """The text with an empty list for each part that is nested deeper than a parser can go."""
    kept, depth, start = [], 0, 0
    for token in _token.finditer(text):
        if token[0] in _OPENING:
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[start : token.start()])
        elif token[0] in _CLOSING:
            if depth == _DEEPEST:
                kept.append("[]")
                start = token.end()
            depth -= 1
    return "".join(kept if depth >= _DEEPEST else (*kept, text[start:]))


def flaw_in(value: Json) -> str | None:
    """What strict JSON refuses of a value of `parse_with_flaws`, or None."""
    level, depth = [value], 0
    while level:
        for item in level:
            if isinstance(item, Flaw):
                return item.reason
            if isinstance(item, str) and not _is_text(item):
                return _CONTROL if _RAW_CONTROL in item else _HALF
            if depth == MAX_DEPTH and item.__class__ in _COLLECTIONS:
                return _TOO_DEEP
        lists = (item for item in level if item.__class__ is list)
        objects = ((*item, *item.values()) for item in level if item.__class__ is dict)
        level, depth = [*chain.from_iterable(lists), *chain.from_iterable(objects)], depth + 1
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_too_deep(value: Json) -> bool:
    """Python's own limit, a thousand or more, would leave none of it to the code that walks over the value."""
    level: list[Json] = [value] if value.__class__ in _COLLECTIONS else []
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        values = (item.values() if item.__class__ is dict else item for item in level)
        level = [item for item in chain.from_iterable(values) if item.__class__ in _COLLECTIONS]
    return bool(level)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJsonError(_TWICE)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedJsonError(_INFINITE)
    return number


def _constant(_: str) -> NoReturn:
    raise MalformedJsonError(_NO_NUMBER)


def _flawed_object(pairs: list[tuple[str, Json]]) -> Json:
    times = Counter(name for name, _ in pairs)
    once = {name: value for name, value in pairs if times[name] == 1}
    return once if len(once) == len(pairs) else Flaw(_TWICE, once)


def _flawed(parse: Callable[[Any], Json]) -> Callable[[Any], Json]:
    """The same, giving a Flaw for what it refuses."""

    def parsed(value: object) -> Json:
        try:
            return parse(value)
        except MalformedJsonError as error:
            return Flaw(str(error))
        except ValueError:
            return Flaw(_TOO_LONG)

    return parsed


_OPENING: Final = frozenset("[{")
_CLOSING: Final = frozenset("]}")
_COLLECTIONS: Final[frozenset[type]] = frozenset({dict, list})
_TOO_DEEP: Final = f"The JSON is nested more than {MAX_DEPTH} levels deep."
_TOO_LONG: Final = "The JSON holds a number that is too long."
_CONTROL: Final = "The JSON holds a control character that is not escaped."
_HALF: Final = "The JSON holds half of a surrogate pair, which is no character."
_TWICE: Final = "The JSON holds an object with the same key twice."
_INFINITE: Final = "The JSON holds a number beyond what a double can carry."
_NO_NUMBER: Final = "NaN and infinities are not JSON."
_decoder: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_constant)
_tolerant_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_flawed_object,
    parse_float=_flawed(_finite),
    parse_int=_flawed(int),
    parse_constant=_flawed(_constant),
)
