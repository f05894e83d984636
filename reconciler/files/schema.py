"""The published JSON Schemas, and values checked against them.

The files of `schemas/` are shipped in the wheel. jsonschema-rs decides; findings are made of jsonschema's errors.

Messages quote keys and enumerated words only where they are short and plain; values, which can be personal, never.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema_rs import Draft202012Validator

if TYPE_CHECKING:
    from reconciler.diagnostics import Finding
    from reconciler.strict_json import Json

SCHEMA_NAMES: Final = (
    "flag", "config", "test", "plan", "record", "report", "drift", "advance",
    "history", "verdicts", "evaluation", "findings", "doctor", "failure",
)  # fmt: skip
"""The schemas that `reconciler schema` prints."""

_PUBLISHED: Final = (*SCHEMA_NAMES, "findings", "failure")

_is_safe_word = re.compile(r"[A-Za-z0-9_.:/*? -]{1,40}").fullmatch


def check(value: Json, schema_name: str) -> tuple[Finding, ...]:
    """Everything in which a value breaks a schema, in the order of the document; empty when it holds."""
    if _validator(schema_name).is_valid(value):
        return ()
    from reconciler.files.schema_errors import explain  # noqa: PLC0415 - 55 ms of jsonschema, for input in error

    return explain(value, schema_name)


def quoted(word: object) -> str:
    """A word of the user's for a message: quoted if it is short and plain, otherwise not shown at all."""
    return f'"{word}"' if isinstance(word, str) and _is_safe_word(word) else "(not shown)"


@cache
def _validator(schema_name: str) -> Draft202012Validator:
    return Draft202012Validator(load_schema(schema_name), validate_formats=False)


def schema_text(name: str) -> str:
    """The text of `schemas/<name>.schema.json`. Raises KeyError for a name that is not published."""
    if name not in _PUBLISHED:
        raise KeyError(name)
    return (_directory() / f"{name}.schema.json").read_text(encoding="utf-8")


@cache
def load_schema(name: str) -> dict[str, Any]:
    """A schema as a value; shared, so not to be changed."""
    schema: dict[str, Any] = json.loads(schema_text(name))
    return schema


def _directory() -> Path:
    # Not importlib.resources: for packages that are no directories, as ours is, it imports zipfile and tempfile.
    shipped = Path(__file__).parents[1] / "schemas"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "schemas"
