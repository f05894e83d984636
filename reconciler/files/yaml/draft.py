"""One pass over the events of a YAML text: its collections, entries and comments with the offsets they stand at.

Comments are no events of a YAML parser: they are found in the gaps between scalars, where a `#` can be nothing else.
For text that `reader` has accepted; nothing is refused here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import yaml
from msgspec import Struct, field
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

from reconciler.files.yaml.events import open_events
from reconciler.files.yaml.nodes import Collection, DocumentTree, Entry, Scalar
from reconciler.files.yaml.scalars import resolve_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.files.yaml.nodes import Node

_cover = re.compile(r"[^\n]").sub


class Comment(Struct, frozen=True, kw_only=True):
    """A comment or, with the text "", a blank line. `is_alone`: nothing else stands on its line."""

    offset: int
    line: int
    column: int
    text: str
    is_alone: bool


class Draft(Struct, kw_only=True, eq=False):
    """A document with its comments not yet given to anything.

    `entries` are in the order of the text, `flows` the collections between brackets; `ends` says where a token ends,
    on which line, and of which entry it is.
    """

    document: DocumentTree
    start: int
    entries: list[Entry] = field(default_factory=list)
    flows: list[Collection] = field(default_factory=list)
    ends: list[tuple[int, int, Entry | None]] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


def read_drafts(text: str) -> list[Draft]:
    """The documents of a text whose line ends are LF, with their comments not yet given to anything."""
    return _Reader(text).drafts


def stretch(entry: Entry | None, line: int) -> None:
    """Let an entry, and all that it stands in, reach to a line."""
    while entry is not None:
        entry.last = max(entry.last, line)
        entry = entry.parent.owner if entry.parent else None


class _Reader:
    """The state of the pass."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._covered: list[tuple[int, int]] = []
        self._inside: set[int] = set()
        self.drafts: list[Draft] = []
        self._parser = open_events(text.encode())
        self._read_documents()
        starts = [draft.start for draft in self.drafts]
        for comment in self._comments(text):
            self.drafts[bisect_right(starts, comment.offset) - 1].comments.append(comment)

    def _read_documents(self) -> None:
        start = line = 0
        while (event := self._parser.get_event()) is not None:
            mark: Any = event.start_mark
            if isinstance(event, DocumentStartEvent):
                if self.drafts:
                    start, line = mark.index, mark.line
                self.drafts.append(Draft(document=DocumentTree(root=Scalar(), first_line=line), start=start))
            elif isinstance(event, DocumentEndEvent):
                start, line = mark.index, mark.line
            elif isinstance(event, ScalarEvent | CollectionStartEvent):
                self.drafts[-1].document.root = self._node(event, None)

    def _node(self, event: Any, owner: Entry | None) -> Node:  # noqa: ANN401 - PyYAML's events share no useful type
        if isinstance(event, ScalarEvent):
            return self._scalar(event, owner)
        mark = event.start_mark
        collection = Collection(
            is_mapping=isinstance(event, MappingStartEvent),
            is_flow=bool(event.flow_style),
            start=mark.index,
            column=mark.column,
            owner=owner,
        )
        if collection.is_flow:
            self.drafts[-1].flows.append(collection)
            self._note_end(owner, event.end_mark.index, event.end_mark.line)
        while not isinstance(item := self._parser.get_event(), CollectionEndEvent):
            self._entry(item, collection)
        if collection.is_flow:
            end: Any = item.end_mark
            collection.end = end.index
            self._note_end(owner, end.index, end.line)
        return collection

    def _entry(self, event: Any, collection: Collection) -> None:  # noqa: ANN401
        mark = event.start_mark
        entry = Entry(parent=collection, start=mark.index, line=mark.line)
        collection.entries.append(entry)
        self.drafts[-1].entries.append(entry)
        if collection.is_mapping:
            self._scalar(event, entry)
            entry.key, event = event.value, self._parser.get_event()
        entry.node_start = event.start_mark.index
        entry.node = self._node(event, entry)

    def _note_end(self, owner: Entry | None, offset: int, line: int) -> None:
        self.drafts[-1].ends.append((offset, line, owner))
        if owner is not None:
            stretch(owner, line)

    def _scalar(self, event: Any, owner: Entry | None) -> Scalar:  # noqa: ANN401
        start: Any = event.start_mark
        end: Any = event.end_mark
        if event.style in {"|", ">"}:
            return self._block_scalar(event, owner)
        self._covered.append((start.index, end.index))
        self._inside.update(range(start.line + 1, end.line + 1))
        self._note_end(owner, end.index, end.line)
        return Scalar(value=event.value if event.style else resolve_plain(event.value))

    def _block_scalar(self, event: Any, owner: Entry | None) -> Scalar:  # noqa: ANN401
        start = event.start_mark
        header = self._lines[start.line][start.column :].split("#")[0].strip()
        last = event.end_mark.line - (event.end_mark.column == 0)
        while last > start.line and not self._lines[last].strip() and "+" not in header:
            last -= 1
        body = self._lines[start.line + 1 : last + 1]
        begin = start.index + len(self._lines[start.line]) - start.column + 1
        self._covered.append((begin, begin + sum(len(line) + 1 for line in body)))
        self._inside.update(range(start.line + 1, last + 1))
        self._note_end(owner, start.index + len(header), start.line)
        if owner is not None:
            stretch(owner, last)
        return Scalar(value=event.value, block=_as_written(header, body, event.value))

    def _comments(self, text: str) -> Iterator[Comment]:
        offset = 0
        for number, line in enumerate(_without_scalars(text, self._covered).split("\n")):
            code, sign, _ = line.partition("#")
            alone = not code.strip()
            if sign:
                found = self._lines[number][len(code) :].rstrip()
                yield Comment(offset=offset + len(code), line=number, column=len(code), text=found, is_alone=alone)
            elif alone and number not in self._inside:
                yield Comment(offset=offset, line=number, column=0, text="", is_alone=True)
            offset += len(line) + 1


def _without_scalars(text: str, covered: list[tuple[int, int]]) -> str:
    """The text with a letter for every character of a scalar; line ends stay."""
    pieces, at = [], 0
    for start, end in covered:
        pieces += [text[at:start], _cover("x", text[start:end])]
        at = max(at, end)
    return "".join([*pieces, text[at:]])


def _as_written(header: str, body: list[str], value: str) -> tuple[str, tuple[str, ...]] | None:
    """How to write a block scalar again at another indentation; None where that would not give the same value."""
    widths = [len(line) - len(line.lstrip(" ")) for line in body if line.strip()]
    if not widths or any(sign.isdigit() for sign in header):
        return None
    bare = tuple(line[min(widths) :] for line in body)
    again = "".join(f"  {line}\n" if line else "\n" for line in bare)
    try:
        reread = yaml.safe_load(f"x: {header}\n{again}y: 1\n")
    except yaml.YAMLError:
        return None
    return (header, bare) if reread == {"x": value, "y": 1} else None
