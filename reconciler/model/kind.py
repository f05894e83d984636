"""The kinds of things that a project holds and this tool manages. Today there is one: the flag.

A second one, experiments for instance, is a row here with fields of its own; client, operations and plan take paths
and fields from the row.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from reconciler.model.fields import FIELDS, Field


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of managed thing.

    `name` is what people call it; `path` is the first segment of its paths below /api/1, and the name of the list in
    an answer of "List"; `fields` is the table of its fields.
    """

    name: str
    path: str
    fields: tuple[Field, ...]

    def segments(self, *below: str) -> tuple[str, ...]:
        """The segments of a path below /api/1: of the list, of one thing by its id, or of what belongs to it."""
        return (self.path, *below)


KINDS: Final = {kind.name: kind for kind in (Kind(name="flag", path="flags", fields=FIELDS),)}
"""Every kind by its name."""

FLAG: Final = KINDS["flag"]
