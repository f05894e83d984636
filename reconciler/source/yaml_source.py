"""Strict YAML text to values with positions.

The text is read by the first of three passes that knows all of it: `common_yaml` for the few forms in which nearly
all files are written; the events of libyaml for all YAML that nothing can be said against; and `marked`, slowly and
with positions, to say what is refused and where. All three give the same values (tests/property/test_yaml_passes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias
from unicodedata import is_normalized

import yaml
from msgspec import Struct
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import InvalidInputError
from reconciler.source.characters import Refusal, find_forbidden, is_clean_ascii
from reconciler.source.common_yaml import read_common
from reconciler.source.events import MAX_BYTES, MAX_DEPTH, MAX_NODES, open_events
from reconciler.source.marked import MarkedText, Problem, read_marked
from reconciler.source.pointer import split_pointer
from reconciler.source.scalars import NUMBER_STARTS, WORDS, resolve_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.source.events import EventParser
    from reconciler.source.findings import Finding, Json

MAX_KNOWN_KEYS: Final = 4096
_Root: TypeAlias = tuple["Json", int, int]
"""The value of a document, and the line and column where it begins."""
_COLLECTIONS: Final[dict[type, Callable[[], Json]]] = {MappingStartEvent: dict, SequenceStartEvent: list}
_KNOWN_KEYS: Final[dict[str, str]] = {}
"""Keys that were accepted: nearly all keys of flag files are the same few words."""


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
        if self._marked is None:
            self._marked = read_marked(self.content)
        return self._marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: its value and where it begins (its first key, for a mapping), counted from 1.

    `broken` holds the pointers about whose values a finding has been made already.
    """

    value: Json
    line: int
    column: int
    index: int
    text: SourceText = field(repr=False, compare=False)
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


def _read_unmarked(content: bytes) -> list[_Root] | None:
    """Every document of a text, by the fastest pass that knows it; None where anything may be refused."""
    if len(content) > MAX_BYTES:
        return None
    if is_clean_ascii(content):
        found = read_common(content.decode("ascii"))
        return [(*found, 1)] if found else read_events(content)
    try:
        forbidden = find_forbidden(content.decode())
    except UnicodeDecodeError:
        return None
    return None if forbidden else read_events(content)


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


def read_events(content: bytes) -> list[_Root] | None:
    """Every document of clean UTF-8 text by the events of libyaml, or None where anything may be refused."""
    try:
        return _build(open_events(content), has_escapes=b"\\" in content)
    except yaml.YAMLError:
        return None


def _build(parser: EventParser, *, has_escapes: bool) -> list[_Root] | None:  # noqa: C901, PLR0912
    """One loop with few calls: it runs for every scalar of a file."""
    roots: list[_Root] = []
    parents: list[Json] = []
    container: Json = None
    key: str | None = None
    for event in islice(iter(parser.get_event, None), MAX_NODES):
        kind = event.__class__
        if kind is ScalarEvent:
            value = event.value
            if not event.style and (value in WORDS or value[0] in NUMBER_STARTS):
                value = resolve_plain(value)
            elif has_escapes and find_forbidden(value):
                return None
        elif kind in _COLLECTIONS:
            value = _COLLECTIONS[kind]()
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            container = parents.pop()
            continue
        elif kind is AliasEvent or (kind is DocumentStartEvent and (event.version or event.tags)):
            return None
        else:
            continue
        if event.anchor is not None or event.tag is not None or value.__class__ is Refusal:
            return None
        if container is None:
            roots.append((value, event.start_mark.line + 1, event.start_mark.column + 1))
        elif container.__class__ is list:
            container.append(value)
        elif key is not None:
            container[key] = value
            key = None
        elif (key := _accept_key(value, container)) is None:
            return None
        if kind is not ScalarEvent:
            parents.append(container)
            container = value
            if len(parents) > MAX_DEPTH:
                return None
    return roots if parser.get_event() is None else None


def _accept_key(key: Json, container: dict[str, Json]) -> str | None:
    """The key, remembered so that files share it; None where it may be refused."""
    if key.__class__ is not str or key in container:
        return None
    known = _KNOWN_KEYS.get(key)
    if known is not None:
        return known
    if key == "<<" or not is_normalized("NFC", key):
        return None
    if len(_KNOWN_KEYS) >= MAX_KNOWN_KEYS:
        _KNOWN_KEYS.clear()
    return _KNOWN_KEYS.setdefault(key, key)
