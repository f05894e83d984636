"""A value against a published schema: the verdict is jsonschema-rs's, the findings are made of jsonschema's errors.

Messages quote keys and enumerated words only where they are short and plain; values, which can be personal, never.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from jsonschema_rs import Draft202012Validator

from reconciler.files.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.diagnostics import Finding
    from reconciler.pointer import Json

_is_safe_word = re.compile(r"[A-Za-z0-9_.:/*? -]{1,40}").fullmatch


def check(value: Json, schema_name: str) -> tuple[Finding, ...]:
    """Everything in which a value breaks a schema, in the order of the document; empty when it holds."""
    if _validator(schema_name).is_valid(value):
        return ()
    from reconciler.files.schema_errors import explain  # noqa: PLC0415 - 55 ms of jsonschema, for input in error

    return explain(value, schema_name)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """`Did you mean "…"?` for the known word that is nearest, whatever its case, if one is near."""
    by_lower = {item.lower(): item for item in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f'Did you mean "{by_lower[near[0]]}"?' if near else None


def quoted(word: object) -> str:
    """A word of the user's for a message: quoted if it is short and plain, otherwise not shown at all."""
    return f'"{word}"' if isinstance(word, str) and _is_safe_word(word) else "(not shown)"


@cache
def _validator(schema_name: str) -> Draft202012Validator:
    return Draft202012Validator(load_schema(schema_name), validate_formats=False)
