"""JSON values, and JSON Pointers (RFC 6901) as text and as tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Json: TypeAlias = Any
"""A JSON value as the readers give it; treated as immutable."""


def join_pointer(tokens: Iterable[str | int]) -> str:
    """The pointer of a path; no tokens give "", which is the whole document."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def split_pointer(pointer: str) -> tuple[str, ...]:
    """The tokens of a pointer, unescaped."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
