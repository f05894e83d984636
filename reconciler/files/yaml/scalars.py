"""What a plain (unquoted) YAML scalar means: YAML 1.2 core, narrowed to what every reader agrees on.

`true`, `false`, `null`, `~` and nothing at all are themselves; decimal numbers without leading zeros or underscores
are numbers; everything else is text, so `on`, `no`, `True`, `0012345`, `1:30`, `1_000`, `0x1F`, `0o17` and
`2024-01-01` are strings. Numbers that JSON cannot carry are refused rather than turned into text.
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
