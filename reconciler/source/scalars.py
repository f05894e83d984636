"""What a plain (unquoted) YAML scalar means: YAML 1.2 core, narrowed to what every reader agrees on.

`true`, `false`, `null`, `~` and nothing at all are themselves; decimal numbers without leading zeros or underscores
are numbers; everything else is text, so `on`, `no`, `True`, `0012345`, `1:30`, `1_000`, `0x1F`, `0o17` and
`2024-01-01` are strings. Numbers that JSON cannot carry are refused rather than turned into text.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from reconciler.diagnostics import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NUMBER_LENGTH: Final = 64

NON_FINITE: Final = Finding(
    "non-finite-number",
    "NaN and infinities are not numbers that JSON can carry.",
    "Put quotes around it if text is meant.",
)
TOO_LONG: Final = Finding(
    "number-too-long",
    f"The number has more than {MAX_NUMBER_LENGTH} characters.",
    "Put quotes around it if an id or text is meant.",
)

_SIGNED_INFINITIES = [
    sign + name for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF", "Infinity")
]  # fmt: skip
WORDS: Final[Mapping[str, bool | Finding | None]] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
    **dict.fromkeys([*_SIGNED_INFINITIES, ".nan", ".NaN", ".NAN", "NaN"], NON_FINITE),
}
"""The plain scalars that are words of their own."""

NUMBER_STARTS: Final = frozenset("0123456789+-.")
"""Only a plain scalar that begins with one of these can be a number."""

_is_integer = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z").match
_is_float = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z"
).match


def resolve_number(text: str) -> str | float | Finding:
    """The number that a plain scalar is, or the text itself where it is none."""
    if _is_integer(text):
        return int(text) if len(text) <= MAX_NUMBER_LENGTH else TOO_LONG
    if _is_float(text):
        if len(text) > MAX_NUMBER_LENGTH:
            return TOO_LONG
        number = float(text)
        return number if math.isfinite(number) else NON_FINITE
    return text


def resolve_plain(text: str) -> str | float | bool | Finding | None:
    """The value of a plain scalar, or why it is refused."""
    if text in WORDS:
        return WORDS[text]
    return resolve_number(text) if text[0] in NUMBER_STARTS else text
