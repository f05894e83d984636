"""Strict YAML text to values, by one pass over the events of libyaml, and where each value stands.

The pass goes on after a refusal as far as the meaning stays clear, so that all findings of a file come at once.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, NoReturn
from unicodedata import is_normalized

import yaml
from msgspec import Struct
from msgspec.structs import replace
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.diagnostics import Diagnostic, Finding, Severity, SourcePosition
from reconciler.errors import InvalidInputError
from reconciler.files.yaml.events import (
    ALIAS,
    ANCHOR,
    DIRECTIVE,
    MERGE_KEY,
    TAG,
    error_mark,
    explain_error,
    open_events,
)
from reconciler.files.yaml.scalars import (
    AMBIGUOUS,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    find_all_forbidden,
    find_forbidden,
    is_clean_ascii,
    refuse_character,
    resolve_plain,
)
from reconciler.strict_json import join_pointer, split_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.yaml.events import Event, EventParser, Mark
    from reconciler.strict_json import Json

MAX_FINDINGS: Final = 100
"""Findings in one file, after which reading it further helps no reader."""


class Document(Struct, frozen=True, kw_only=True, eq=False):
    """One YAML document: its value, where it begins (at its first key, for a mapping).

    `marks` gives for each collection, by its id, the marks of its items, or of its keys and values in turn. `broken`
    holds the pointers about whose values a finding has been made already. `ambiguous` are warnings about plain words
    that are text here and something else for other readers.
    """

    value: Json
    start: SourcePosition
    marks: dict[int, list[Mark]]
    broken: frozenset[str]
    ambiguous: tuple[Diagnostic, ...]

    def position_of(self, pointer: str, *, of_key: bool = False) -> SourcePosition:
        """Where the value at a JSON Pointer stands, or the key in front of it.

        Where the pointer leads to nothing, its nearest ancestor that exists.
        """
        value, mark, key_mark = self.value, None, None
        for token in split_pointer(pointer):
            if isinstance(value, dict) and token in value:
                marks, at = self.marks[id(value)], 2 * list(value).index(token)
                value, mark, key_mark = value[token], marks[at + 1], marks[at]
            elif isinstance(value, list) and token.isdecimal() and int(token) < len(value):
                value, mark, key_mark = value[int(token)], self.marks[id(value)][int(token)], None
            else:
                key_mark = None
                break
        found = key_mark if of_key and key_mark is not None else mark
        return self.start if found is None else _position(self.start.file, found)

    def diagnose(self, finding: Finding) -> Diagnostic:
        """The finding with its place in the file."""
        return finding.placed(self.position_of(finding.place, of_key=finding.of_key))

    def is_broken_at(self, pointer: str) -> bool:
        """Whether a finding was made already about the value at a pointer or above it."""
        return any(pointer == at or pointer.startswith(at + "/") for at in self.broken)


class Reading(Struct, frozen=True, kw_only=True):
    """What a file holds: the documents that could be read, and everything that is wrong with it as YAML."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]


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
    refused = tuple(_refuse_text(raw, file))
    if refused:
        return Reading(documents=(), diagnostics=refused)
    reader = _Reader(file)
    reader.read(raw)
    return Reading(documents=tuple(reader.documents), diagnostics=tuple(reader.diagnostics))


def _refuse_text(content: bytes, file: str) -> Iterator[Diagnostic]:
    """Everything for which a text is not even parsed."""
    if len(content) > MAX_BYTES:
        yield _TOO_LARGE.placed(_end_of("", file))
    elif not is_clean_ascii(content):
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            yield _NOT_UTF8.placed(_end_of(content[: error.start].decode(), file))
            return
        for match in islice(find_all_forbidden(text), MAX_FINDINGS):
            yield refuse_character(match.group()).placed(_end_of(text[: match.start()], file))


def _end_of(text: str, file: str) -> SourcePosition:
    """The place behind a text."""
    return SourcePosition(file=file, line=text.count("\n") + 1, column=len(text) - text.rfind("\n"))


def _position(file: str, mark: Mark) -> SourcePosition:
    return SourcePosition(file=file, line=mark.line + 1, column=mark.column + 1)


class _StopReadingError(Exception):
    """The rest of the file cannot be read to any use."""


class _Reader:
    """One pass over a text.

    `_open` holds the collections around the one that is being filled, a list for the document itself first. Of each:
    the key whose value is being read, the marks of what it holds so far, and the mark of what is being read.
    """

    def __init__(self, file: str) -> None:
        self.documents: list[Document] = []
        self.diagnostics: list[Diagnostic] = []
        self._file = file
        self._marks: dict[int, list[Mark]] = {}
        self._open: list[tuple[Json, Json, list[Mark], Mark]] = []
        self._broken: set[str] = set()
        self._ambiguous: list[Diagnostic] = []
        self._nodes = 0

    def read(self, content: bytes) -> None:
        """Read a text that may be parsed, and say where its syntax is wrong."""
        try:
            self.read_events(content)
        except yaml.YAMLError as error:
            self._refuse_syntax(error, content)
        except _StopReadingError:
            pass
        if not self.documents and not self.diagnostics:
            self.diagnostics.append(_EMPTY_FILE.placed(_end_of("", self._file)))

    def read_events(self, content: bytes) -> None:
        """Read all documents. Raises yaml.YAMLError, and _StopReadingError where a finding is the last."""
        parser = open_events(content)
        for event in iter(parser.get_event, None):
            kind = event.__class__
            if kind is DocumentStartEvent:
                if event.tags is not None or event.version not in {None, (1, 2)}:
                    self._report(DIRECTIVE, event.start_mark, "")
                self._read_document(parser)

    def _read_document(self, parser: EventParser) -> None:  # noqa: C901, PLR0912 - one loop: it runs for every value
        container: Json = []
        key: Json = None
        marks: list[Mark] = []
        for event in iter(parser.get_event, None):
            kind = event.__class__
            if kind is ScalarEvent:
                mark = event.start_mark
                value = _quoted(event) if event.style else resolve_plain(event.value)
                if not event.style and event.value in AMBIGUOUS:
                    self._note(event.value, mark, container, key)
                self._nodes += 1
                if value.__class__ is Finding or event.anchor or event.tag or self._nodes > MAX_NODES:
                    value = self._refuse(event, value, container, key)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = container
                self._marks[id(value)] = marks
                container, key, marks, mark = self._open.pop()
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._enter(event, container, key)
                self._open.append((container, key, marks, event.start_mark))
                container, key, marks = {} if kind is MappingStartEvent else [], None, []
                continue
            elif kind is AliasEvent:
                value, mark = self._refuse(event, ALIAS, container, key), event.start_mark
            else:
                break
            if container.__class__ is list:
                container.append(value)
            elif key is None:
                key = value
                if value.__class__ is not str or value in container or value == "<<" or not value.isascii():
                    key = self._check_key(value, event, mark, container, marks)
                    if key is _NO_KEY:
                        continue
            elif key is _NO_KEY:
                key = None
                continue
            else:
                container[key] = value
                key = None
            marks.append(mark)
        self._end_document(container[0], marks[0])

    def _end_document(self, value: Json, mark: Mark) -> None:
        """A document is read, or is none: nothing, or a value that was refused."""
        if value is not None:
            start, broken = _position(self._file, mark), frozenset(self._broken)
            noted = tuple(self._ambiguous)
            self.documents.append(
                Document(value=value, start=start, marks=self._marks, broken=broken, ambiguous=noted)
            )
        elif not self._broken:
            self._report(_EMPTY_DOCUMENT, mark, "")
        self._broken.clear()
        self._ambiguous.clear()

    def _enter(self, event: Event, container: Json, key: Json) -> None:
        """A collection begins."""
        self._nodes += 1
        if len(self._open) >= MAX_DEPTH:
            self._stop(_TOO_DEEP, event.start_mark)
        if event.anchor or event.tag or self._nodes > MAX_NODES:
            self._refuse(event, None, container, key)

    def _refuse(self, event: Event, value: Json, container: Json, key: Json) -> Json:
        """Make the finding about a node; what to take in its place."""
        if self._nodes > MAX_NODES:
            self._stop(_TOO_MANY_NODES, event.start_mark)
        is_key = key is None and isinstance(container, dict)
        is_refused = isinstance(value, Finding)
        finding = value if is_refused else ANCHOR if event.anchor else TAG
        pointer = self._pointer(container, key)
        self._report(finding, event.start_mark, pointer)
        if not is_key:
            self._broken.add(pointer)
        if not is_refused:
            return value
        return _NO_KEY if is_key else None

    def _note(self, word: str, mark: Mark, container: Json, key: Json) -> None:
        """Make the warning about a plain word; a file of nothing else does not fill the memory."""
        if len(self._ambiguous) < MAX_FINDINGS:
            pointer = self._pointer(container, word if key is None and isinstance(container, dict) else key)
            finding = Finding(
                rule="ambiguous-word",
                message=f"`{word}` is text here; other readers of YAML take it for {AMBIGUOUS[word]}.",
                hint="Put quotes around it if text is meant; write true, false or null if that is meant.",
                path=pointer,
                severity=Severity.WARNING,
            )
            self._ambiguous.append(finding.placed(_position(self._file, mark)))

    def _check_key(self, key: Json, event: Event, mark: Mark, container: dict[str, Json], marks: list[Mark]) -> Json:
        """A key that may stand where it does; _NO_KEY for one that may not, whose value is read and not kept."""
        if key is _NO_KEY:
            return key
        if not isinstance(key, str):
            finding = _NON_STRING_KEY
        elif key in container:
            first = marks[2 * list(container).index(key)].line + 1
            finding = Finding("duplicate-key", f"The key stands on line {first} and again on line {mark.line + 1}.")
        elif key == "<<" and not event.style:
            finding = MERGE_KEY
        elif not is_normalized("NFC", key):
            finding = _NOT_NFC
        else:
            return key
        self._report(finding, mark, self._pointer(container, key))
        return _NO_KEY

    def _refuse_syntax(self, error: yaml.YAMLError, content: bytes) -> None:
        """The finding about an error of syntax.

        libyaml looks ahead for keys, and newer versions have a limit of nesting there: they refuse such a text before
        they give the events of its brackets. Without what stands at the error and behind it, they give them.
        """
        mark = error_mark(error)
        front = _Reader(self._file)
        with suppress(yaml.YAMLError, _StopReadingError):
            front.read_events(content.decode()[: mark.index].encode() if mark else b"")
        if front.diagnostics and front.diagnostics[-1].rule == _TOO_DEEP.rule:
            self.documents, self.diagnostics = front.documents, front.diagnostics
        else:
            position = _position(self._file, mark) if mark else _end_of("", self._file)
            self.diagnostics.append(explain_error(error, content).placed(position))

    def _pointer(self, container: Json, key: Json) -> str:
        """The pointer of the node that is being read."""
        around = [*((holder, name) for holder, name, _, _ in self._open), (container, key)][1:]
        tokens = (len(holder) if isinstance(holder, list) else name for holder, name in around)
        return join_pointer(token for token in tokens if isinstance(token, int | str))

    def _stop(self, finding: Finding, mark: Mark) -> NoReturn:
        self._report(finding, mark, "")
        raise _StopReadingError

    def _report(self, finding: Finding, mark: Mark, pointer: str) -> None:
        self.diagnostics.append(replace(finding, path=pointer).placed(_position(self._file, mark)))
        if len(self.diagnostics) >= MAX_FINDINGS:
            raise _StopReadingError


def _quoted(event: Event) -> str | Finding:
    """The text of a scalar that is not plain, or the finding about a character that an escape brings into it."""
    text: str = event.value
    match = find_forbidden(text) if event.style == '"' else None
    return refuse_character(match.group()) if match else text


_NO_KEY: Final = object()
"""A key that was refused."""

_TOO_LARGE: Final = Finding(
    "file-too-large", f"The file has more than {MAX_BYTES // 1024} KiB.", "Split it into several files."
)
_NOT_UTF8: Final = Finding("not-utf8", "The file is not UTF-8 from here on.", "Save it as UTF-8 without BOM.")
_EMPTY_FILE: Final = Finding("empty-file", "The file holds no document.", "Delete it if nothing is to be declared.")
_EMPTY_DOCUMENT: Final = Finding(
    "empty-document", "The document is empty.", "Remove the `---`, or write the document behind it."
)
_TOO_DEEP: Final = Finding("too-deep", f"Nested more than {MAX_DEPTH} levels deep.")
_TOO_MANY_NODES: Final = Finding("too-many-values", f"The file holds more than {MAX_NODES:,} values.")
_NON_STRING_KEY: Final = Finding("non-string-key", "A key must be text.", "Put quotes around it.")
_NOT_NFC: Final = Finding("key-not-nfc", "The key is not in Unicode form NFC: it can look like another key.")
