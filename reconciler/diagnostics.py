"""What is wrong with the input: collected as data, never raised one at a time."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """An error refuses the input; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class SourcePosition(Struct, frozen=True, kw_only=True, order=True):
    """A place in a file: `file` as the user would type it, `line` and `column` from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True, kw_only=True):
    """One finding.

    `rule` is a stable id (`unknown-variant`), `path` a JSON Pointer into the document ("" is all of it),
    `hint` what to do about it, where that is not obvious from the message.
    """

    severity: Severity
    rule: str
    message: str
    position: SourcePosition | None = None
    path: str = ""
    hint: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the finding refuses the input."""
        return self.severity is Severity.ERROR
