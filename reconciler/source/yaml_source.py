"""Strict YAML text to values with positions.

The text is read by the first of three passes that knows all of it: `common_yaml` for the few forms in which nearly
all files are written; the events of libyaml for all YAML that nothing can be said against; and `marked`, slowly and
with positions, to say what is refused and where. All three give the same values (tests/property/test_yaml_passes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import InvalidInputError
from reconciler.source.characters import find_forbidden, is_clean_ascii
from reconciler.source.common_yaml import read_common
from reconciler.source.limits import MAX_BYTES
from reconciler.source.pointer import split_pointer

if TYPE_CHECKING:
    from reconciler.source.event_yaml import Root
    from reconciler.source.findings import Finding, Json
    from reconciler.source.marked import MarkedText, Problem


class SourceText:
    """The text of one file, kept only as long as somebody may ask where something stands in it."""

    __slots__ = ("_marked", "content", "file")

    def __init__(self, content: bytes, file: str) -> None:
        self.content = content
        self.file = file
        self._marked: MarkedText | None = None

    @property
    def marked(self) -> MarkedText:
        """The text with the position of every node; read on the first use."""
        from reconciler.source.marked import read_marked  # noqa: PLC0415 - brings PyYAML along

        if self._marked is None:
            self._marked = read_marked(self.content)
        return self._marked


class Document(Struct, frozen=True, kw_only=True, eq=False):
    """One YAML document: its value and where it begins (its first key, for a mapping), counted from 1.

    `broken` holds the pointers about whose values a finding has been made already.
    """

    value: Json
    line: int
    column: int
    index: int
    text: SourceText
    broken: frozenset[str] = frozenset()

    @property
    def start(self) -> SourcePosition:
        """Where the document begins."""
        return SourcePosition(file=self.text.file, line=self.line, column=self.column)

    def position_of(self, pointer: str, *, of_key: bool = False) -> SourcePosition:
        """Where the value at a JSON Pointer stands, or the key in front of it.

        Where the pointer leads to nothing, its nearest ancestor that exists.
        """
        line, column = self.text.marked.position(self.index, split_pointer(pointer), of_key=of_key)
        return SourcePosition(file=self.text.file, line=line, column=column)

    def diagnose(self, finding: Finding) -> Diagnostic:
        """The finding with its place in the file."""
        return Diagnostic(
            severity=finding.severity,
            rule=finding.rule,
            message=finding.message,
            position=self.position_of(finding.place, of_key=finding.of_key),
            path=finding.path,
            hint=finding.hint,
        )

    def is_broken_at(self, pointer: str) -> bool:
        """Whether a finding was made already about the value at a pointer or above it."""
        return any(pointer == at or pointer.startswith(at + "/") for at in self.broken)


class Reading(Struct, frozen=True, kw_only=True):
    """What a file holds: the documents that could be read, and everything that is wrong with it as YAML."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...] = ()


def read_documents(content: str | bytes, file: str) -> tuple[Document, ...]:
    """Every document of a YAML text; at least one. `file` is what diagnostics call it.

    Raises InvalidInputError with every finding where anything is refused.
    """
    reading = read_source(content, file)
    if reading.diagnostics:
        raise InvalidInputError(f"{file} cannot be read.", reading.diagnostics)
    return reading.documents


def read_source(content: str | bytes, file: str) -> Reading:
    """Every document of a YAML text as far as it can be read, and all findings. Never raises for any content."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    text = SourceText(raw, file)
    roots = _read_unmarked(raw)
    if not roots or any(value is None for value, _, _ in roots):
        return _read_with_marks(text)
    return Reading(
        documents=tuple(
            Document(value=value, line=line, column=column, index=index, text=text)
            for index, (value, line, column) in enumerate(roots)
        )
    )


def _read_unmarked(content: bytes) -> list[Root] | None:
    """Every document of a text, by the fastest pass that knows it; None where anything may be refused."""
    if len(content) > MAX_BYTES:
        return None
    if is_clean_ascii(content):
        found = read_common(content.decode("ascii"))
        if found:
            return [(*found, 1)]
    else:
        try:
            if find_forbidden(content.decode()):
                return None
        except UnicodeDecodeError:
            return None
    from reconciler.source.event_yaml import read_events  # noqa: PLC0415 - 12 ms, for unusual files

    return read_events(content)


def _read_with_marks(text: SourceText) -> Reading:
    marked = text.marked
    documents = tuple(
        Document(
            value=root.value,
            line=root.line,
            column=root.column,
            index=index,
            text=text,
            broken=marked.broken(index),
        )
        for index, root in enumerate(marked.roots)
        if root.value is not None
    )
    return Reading(documents=documents, diagnostics=tuple(_diagnostic(item, text.file) for item in marked.problems))


def _diagnostic(problem: Problem, file: str) -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR,
        rule=problem.refusal.rule,
        message=problem.refusal.message,
        position=SourcePosition(file=file, line=problem.line, column=problem.column),
        path=problem.path,
        hint=problem.refusal.hint,
    )
