"""What is wrong with the input: collected as data, never raised one at a time."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

HIDDEN_FILE: Final = "hidden-file"
JSON_FILE: Final = "json-file"
BACKUP_FILE: Final = "backup-file"
UNREAD_FILE: Final = "unread-file"
LEFT_OUT: Final = frozenset({HIDDEN_FILE, JSON_FILE, BACKUP_FILE, UNREAD_FILE})
"""The rules that name what may be meant as a flag file and is not read."""


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


class Finding(Struct, frozen=True):
    """What is wrong, and where in a document, before the document has a file.

    `path` is the JSON Pointer that is reported ("" is all of the document), `at` the one that is shown to the user as
    line and column where it differs from `path`, and `of_key` whether that is the place of the key rather than of
    its value. The rest is a Diagnostic's.
    """

    rule: str
    message: str
    hint: str | None = None
    path: str = ""
    at: str | None = None
    of_key: bool = False
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """The pointer to show."""
        return self.path if self.at is None else self.at

    def placed(self, position: SourcePosition) -> Diagnostic:
        """The finding at a place in a file."""
        return Diagnostic(
            severity=self.severity,
            rule=self.rule,
            message=self.message,
            position=position,
            path=self.path,
            hint=self.hint,
        )


class Diagnostic(Struct, frozen=True, kw_only=True):
    """A finding with its place.

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


def order_of(item: Diagnostic) -> tuple[str, int, int, Severity, str, str]:
    """A key that sorts findings as they are shown: by file, line and column."""
    place = item.position or SourcePosition(file="", line=0, column=0)
    return place.file, place.line, place.column, item.severity, item.rule, item.message
