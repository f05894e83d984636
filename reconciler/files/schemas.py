"""The published JSON Schemas: shipped in the wheel, read from `schemas/` in a checkout. The files are the truth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

SCHEMA_NAMES: Final = ("flag", "config", "plan", "report", "drift", "evaluation", "findings", "failure")
"""The schemas that `reconciler schema` prints."""

_PUBLISHED: Final = (*SCHEMA_NAMES, "findings", "failure")


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
