"""A finding before it has a place: what is wrong at which pointer of a document."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from reconciler.diagnostics import Severity

Json: TypeAlias = Any
"""A JSON value as the readers give it; treated as immutable."""


class Finding(Struct, frozen=True, kw_only=True):
    """One finding in one document, without a file.

    `path` is what is reported, `at` the pointer that is shown to the user as line and column (where it differs
    from `path`), and `of_key` whether that is the place of the key rather than of its value.
    """

    rule: str
    message: str
    path: str = ""
    at: str | None = None
    of_key: bool = False
    severity: Severity = Severity.ERROR
    hint: str | None = None

    @property
    def place(self) -> str:
        """The pointer to show."""
        return self.path if self.at is None else self.at
