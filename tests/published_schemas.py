"""The published schemas, closed: a document may hold more within a format version, but only with its schema."""

from __future__ import annotations

from typing import Any


def closed(schema: Any) -> Any:
    """The schema with every object closed: what is added to a document is added to its schema."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return inner | ({"additionalProperties": False} if isinstance(inner.get("properties"), dict) else {})
