"""Strict JSON for API answers and plan files: what only Python's json module lets through is refused.

Refused: anything but UTF-8, NaN and infinities in every spelling (1e999 too), duplicate keys, lone surrogates, byte
order marks, and more than MAX_DEPTH nested collections. Messages never quote the text.
"""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from reconciler.pointer import Json

MAX_DEPTH: Final = 100

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
        raise MalformedJsonError("The JSON holds half of a surrogate pair, which is no character.") from None
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"Not JSON at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise MalformedJsonError(_TOO_DEEP) from None
    except ValueError:
        raise MalformedJsonError("The JSON holds a number that is too long.") from None
    if _is_too_deep(value):
        raise MalformedJsonError(_TOO_DEEP)
    return value


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
        raise MalformedJsonError("The JSON holds an object with the same key twice.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedJsonError("The JSON holds a number beyond what a double can carry.")
    return number


def _constant(_: str) -> NoReturn:
    raise MalformedJsonError("NaN and infinities are not JSON.")


_COLLECTIONS: Final[frozenset[type]] = frozenset({dict, list})
_TOO_DEEP: Final = f"The JSON is nested more than {MAX_DEPTH} levels deep."
_decoder: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_constant)
