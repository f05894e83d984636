"""YAML text with the position of every node, and every reason to refuse it: the slow pass, for files in error.

It goes on after a refusal as far as the meaning stays clear, so that all findings of a file come at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
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

from reconciler.source import events
from reconciler.source.characters import Refusal, find_all_forbidden, find_forbidden, refuse_character
from reconciler.source.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES
from reconciler.source.pointer import join_pointer
from reconciler.source.scalars import resolve_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.source.findings import Json

MAX_PROBLEMS: Final = 100
"""Findings in one file, after which reading it further helps nobody."""


@dataclass(slots=True)
class Node:
    """A value, where it stands, its children by key or index, and where its key stands if it has one."""

    value: Json
    line: int
    column: int
    children: dict[str | int, Node]
    key_line: int = 0
    key_column: int = 0


_NO_CHILDREN: Final[dict[str | int, Node]] = {}
"""Shared by all scalars, and never written to."""


class Problem(Struct, frozen=True, kw_only=True):
    """A refusal and its place.

    `path` is the pointer in document `index`; `breaks`: the value there is not to be believed.
    """

    refusal: Refusal
    line: int
    column: int
    index: int = 0
    path: str = ""
    breaks: bool = False


@dataclass(slots=True)
class MarkedText:
    """The documents of a file that could be read, and all problems in the order of the text."""

    roots: list[Node] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def broken(self, index: int) -> frozenset[str]:
        """The pointers of a document's values that are not to be believed."""
        return frozenset(item.path for item in self.problems if item.breaks and item.index == index)

    def position(self, index: int, tokens: Sequence[str], *, of_key: bool) -> tuple[int, int]:
        """Line and column of a node, or of its nearest ancestor that exists."""
        if index >= len(self.roots):
            return 1, 1
        node = self.roots[index]
        for token in tokens:
            name = int(token) if isinstance(node.value, list) and token.isdecimal() else token
            if name not in node.children:
                return node.line, node.column
            node = node.children[name]
        return (node.key_line, node.key_column) if of_key and node.key_line else (node.line, node.column)


def read_marked(content: bytes) -> MarkedText:
    """The text with positions. Never raises: whatever is wrong is a problem of the result."""
    marked = MarkedText(problems=list(_text_problems(content)))
    if not marked.problems:
        _Marker(marked).read(content)
    return marked


def _text_problems(content: bytes) -> Iterator[Problem]:
    if len(content) > MAX_BYTES:
        yield Problem(refusal=_TOO_LARGE, line=1, column=1)
        return
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode(), error.start)
        yield Problem(refusal=_NOT_UTF8, line=line, column=column)
        return
    for count, match in enumerate(find_all_forbidden(text)):
        if count == MAX_PROBLEMS:
            return
        line, column = _place(text, match.start())
        yield Problem(refusal=refuse_character(match.group()), line=line, column=column)


def _place(text: str, offset: int) -> tuple[int, int]:
    offset = min(offset, len(text))
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@dataclass(slots=True)
class _Frame:
    """An open collection.

    In a mapping, `key` is the key whose value is due; with `awaits_value`, None means that the value is read and
    thrown away.
    """

    node: Node
    tokens: tuple[str | int, ...]
    awaits_value: bool = False
    key: Node | None = None


class _StopReadingError(Exception):
    """The rest of the file cannot be read to any use."""


class _Marker:
    """The state of one slow pass."""

    def __init__(self, marked: MarkedText) -> None:
        self._marked = marked
        self._frames: list[_Frame] = []
        self._nodes = 0

    def read(self, content: bytes) -> None:
        parser = events.open_events(content)
        try:
            while (event := parser.get_event()) is not None:
                self._take(event)
        except yaml.YAMLError as error:
            if front := events.too_deep_before(error, content):
                self._start_over()
                self.read(front)
                return
            refusal, line, column = events.syntax_error(error, content)
            self._drop_open_document()
            self._marked.problems.append(Problem(refusal=refusal, line=line, column=column))
        except _StopReadingError:
            self._drop_open_document()
        if not self._marked.roots and not self._marked.problems:
            self._report(_EMPTY_FILE, 1, 1)

    def _start_over(self) -> None:
        self._frames.clear()
        self._nodes = 0
        self._marked.roots.clear()
        self._marked.problems.clear()

    def _drop_open_document(self) -> None:
        if self._frames:
            self._frames.clear()
            self._marked.roots.pop()

    def _take(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's events share no useful type
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            self._frames.pop()
        elif kind is DocumentStartEvent:
            if event.tags is not None or event.version not in {None, (1, 2)}:
                self._report_at(events.DIRECTIVE, event)
        elif kind in _NODE_EVENTS:
            self._take_node(event)

    def _take_node(self, event: Any) -> None:  # noqa: ANN401
        self._nodes += 1
        if self._nodes >= MAX_NODES:
            self._report_at(_TOO_MANY_NODES, event)
            raise _StopReadingError
        is_scalar = event.__class__ is ScalarEvent
        value, broken = _value_of(event)
        mark = event.start_mark
        node = Node(value, mark.line + 1, mark.column + 1, _NO_CHILDREN if is_scalar else {})
        if broken is not None:
            self._report(broken, node.line, node.column, breaks=not self._awaits_key())
        is_merge = is_scalar and event.value == "<<" and not event.style
        tokens = self._attach(node, is_merge=is_merge, is_broken=broken is not None)
        if event.__class__ is MappingStartEvent or event.__class__ is SequenceStartEvent:
            self._open(node, tokens)

    def _open(self, node: Node, tokens: tuple[str | int, ...]) -> None:
        if len(self._frames) >= MAX_DEPTH:
            self._report(_TOO_DEEP, node.line, node.column)
            raise _StopReadingError
        self._frames.append(_Frame(node, tokens))

    def _attach(self, node: Node, *, is_merge: bool, is_broken: bool) -> tuple[str | int, ...]:
        """Put a node where it belongs; the path of it."""
        if not self._frames:
            if node.value is None and not is_broken:
                self._report(_EMPTY_DOCUMENT, node.line, node.column)
            self._marked.roots.append(node)
            return ()
        frame = self._frames[-1]
        if isinstance(frame.node.value, list):
            token: str | int = len(frame.node.value)
            frame.node.value.append(node.value)
            frame.node.children[token] = node
            return (*frame.tokens, token)
        if not frame.awaits_value:
            frame.key = self._accept_key(node, frame, is_merge=is_merge, is_broken=is_broken)
            frame.awaits_value = True
            return frame.tokens
        frame.awaits_value = False
        if frame.key is None:
            return frame.tokens
        name = frame.key.value
        node.key_line, node.key_column = frame.key.line, frame.key.column
        frame.node.value[name] = node.value
        frame.node.children[name] = node
        return (*frame.tokens, name)

    def _accept_key(self, node: Node, frame: _Frame, *, is_merge: bool, is_broken: bool) -> Node | None:
        """The node if it can be a key; otherwise None, and the value behind it is thrown away."""
        refusal = None
        if is_merge:
            refusal = events.MERGE_KEY
        elif not isinstance(node.value, str):
            refusal = None if is_broken else _NON_STRING_KEY
        elif node.value in frame.node.children:
            first = frame.node.children[node.value].key_line
            refusal = Refusal("duplicate-key", f"The key stands on line {first} and again on line {node.line}.")
        elif not is_normalized("NFC", node.value):
            refusal = _NOT_NFC
        elif not is_broken:
            return node
        if refusal is not None:
            path = node.value if isinstance(node.value, str) else None
            self._report(refusal, node.line, node.column, below=path)
        return node if refusal is None and isinstance(node.value, str) else None

    def _awaits_key(self) -> bool:
        frame = self._frames[-1] if self._frames else None
        return frame is not None and isinstance(frame.node.value, dict) and not frame.awaits_value

    def _path(self) -> str:
        """The pointer of the node that is being read."""
        if not self._frames:
            return ""
        frame = self._frames[-1]
        if isinstance(frame.node.value, list):
            return join_pointer((*frame.tokens, len(frame.node.value)))
        return join_pointer((*frame.tokens, frame.key.value) if frame.awaits_value and frame.key else frame.tokens)

    def _report_at(self, refusal: Refusal, event: Any) -> None:  # noqa: ANN401
        self._report(refusal, event.start_mark.line + 1, event.start_mark.column + 1)

    def _report(
        self, refusal: Refusal, line: int, column: int, *, breaks: bool = False, below: str | None = None
    ) -> None:
        index = len(self._marked.roots) - bool(self._frames)
        path = self._path() + ("" if below is None else join_pointer((below,)))
        self._marked.problems.append(
            Problem(refusal=refusal, line=line, column=column, index=index, path=path, breaks=breaks)
        )
        if len(self._marked.problems) >= MAX_PROBLEMS:
            raise _StopReadingError


def _value_of(event: Any) -> tuple[Json, Refusal | None]:  # noqa: ANN401
    """The value of a node, empty for a collection, and why it is refused if it is."""
    kind = event.__class__
    if kind is AliasEvent:
        return None, events.ALIAS
    broken = None if event.tag is None else events.TAG
    if event.anchor is not None:
        broken = events.ANCHOR
    if kind is not ScalarEvent:
        return ({} if kind is MappingStartEvent else []), broken
    value = event.value
    if not event.style:
        value = resolve_plain(value)
    elif event.style == '"' and (match := find_forbidden(value)):
        value = refuse_character(match.group())
    return (None, value) if isinstance(value, Refusal) else (value, broken)


_NODE_EVENTS: Final = frozenset({AliasEvent, ScalarEvent, MappingStartEvent, SequenceStartEvent})
_TOO_LARGE: Final = Refusal(
    "file-too-large", f"The file has more than {MAX_BYTES // 1024} KiB.", "Split it into several files."
)
_NOT_UTF8: Final = Refusal("not-utf8", "The file is not UTF-8 from here on.", "Save it as UTF-8 without BOM.")
_EMPTY_FILE: Final = Refusal("empty-file", "The file holds no document.", "Delete it if nothing is to be declared.")
_EMPTY_DOCUMENT: Final = Refusal(
    "empty-document", "The document is empty.", "Remove the `---`, or write the document behind it."
)
_TOO_DEEP: Final = Refusal("too-deep", f"Nested more than {MAX_DEPTH} levels deep.")
_TOO_MANY_NODES: Final = Refusal("too-many-values", f"The file holds more than {MAX_NODES:,} values.")
_NON_STRING_KEY: Final = Refusal("non-string-key", "A key must be text.", "Put quotes around it.")
_NOT_NFC: Final = Refusal("key-not-nfc", "The key is not in Unicode form NFC: it can look like another key.")
