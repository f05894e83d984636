"""YAML text to trees that keep every comment. For text that `source.yaml_source` has accepted; nothing is refused here.

Comments are no events of a YAML parser: they are found in the gaps between scalars, where a `#` can be nothing else,
and each goes to the entry that it stands above, beside or, by its indentation, at the end of.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

from reconciler.desired.yaml_nodes import Collection, Document, Entry, Scalar
from reconciler.source.events import open_events
from reconciler.source.scalars import resolve_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.desired.yaml_nodes import Comments, Node

MODELINE: Final = "# yaml-language-server:"
"""How the comment begins that tells editors which JSON Schema a file follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLines:
    """The lines of one field of a document, both included, counted from 0; comments above it are not among them."""

    key: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """A document and where its fields stand. `fields` is None where they do not each begin a line of their own."""

    document: Document
    fields: tuple[FieldLines, ...] | None


@dataclass(slots=True, kw_only=True, eq=False)
class _Branch:
    """A collection that is being built. `start` and `end` are offsets; a block has no end."""

    is_mapping: bool
    is_flow: bool
    start: int
    column: int
    parent: _Leaf | None
    entries: list[_Leaf] = field(default_factory=list)
    foot: list[str] = field(default_factory=list)
    end: int = -1


@dataclass(slots=True, kw_only=True, eq=False)
class _Leaf:
    """An entry that is being built. `last` is the last line that anything of it stands on."""

    parent: _Branch
    start: int
    line: int
    key: str | None = None
    value: _Branch | Scalar | None = None
    value_start: int = -1
    above: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    last: int = 0


@dataclass(frozen=True, slots=True)
class _Remark:
    """A comment or, with the text "", a blank line. `is_alone`: nothing else stands on its line."""

    offset: int
    line: int
    column: int
    text: str
    is_alone: bool


@dataclass(slots=True)
class _Draft:
    """One document that is being built: its entries in the order of the text, and where its tokens end."""

    start: int
    root: _Branch | Scalar | None = None
    entries: list[_Leaf] = field(default_factory=list)
    flows: list[_Branch] = field(default_factory=list)
    ends: list[tuple[int, int, _Leaf | None]] = field(default_factory=list)
    remarks: list[_Remark] = field(default_factory=list)


def read_tree(text: str) -> tuple[ReadDocument, ...]:
    """Every document of a YAML text, in order. Line ends must be LF."""
    reader = _Reader(text)
    return tuple(_finished(draft) for draft in reader.drafts)


class _Reader:
    """One pass over the events, then the comments of the gaps between them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._masked = list(text)
        self._inside: set[int] = set()
        self.drafts: list[_Draft] = []
        self._end_of_document = 0
        parser = open_events(text.encode())
        while (event := parser.get_event()) is not None:
            if isinstance(event, DocumentStartEvent):
                start = event.start_mark.index if event.explicit else self._end_of_document
                self.drafts.append(_Draft(start if self.drafts else 0))
            elif isinstance(event, DocumentEndEvent):
                self._end_of_document = event.start_mark.index
            elif isinstance(event, ScalarEvent | CollectionStartEvent):
                self.drafts[-1].root = self._node(event, parser, None)
        for remark in self._remarks():
            index = bisect_right([draft.start for draft in self.drafts], remark.offset) - 1
            self.drafts[index].remarks.append(remark)

    def _node(self, event: Any, parser: Any, owner: _Leaf | None) -> _Branch | Scalar:  # noqa: ANN401
        if isinstance(event, ScalarEvent):
            return self._scalar(event, owner)
        draft, mark = self.drafts[-1], event.start_mark
        branch = _Branch(
            is_mapping=isinstance(event, MappingStartEvent),
            is_flow=bool(event.flow_style),
            start=mark.index,
            column=mark.column,
            parent=owner,
        )
        if branch.is_flow:
            draft.flows.append(branch)
            self._note_end(owner, event.end_mark.index, event.end_mark.line)
        while not isinstance(item := parser.get_event(), CollectionEndEvent):
            self._entry(item, parser, branch)
        if branch.is_flow:
            branch.end = item.end_mark.index
            self._note_end(owner, branch.end, item.end_mark.line)
        return branch

    def _entry(self, event: Any, parser: Any, branch: _Branch) -> None:  # noqa: ANN401
        mark = event.start_mark
        entry = _Leaf(parent=branch, start=mark.index, line=mark.line, last=mark.line)
        branch.entries.append(entry)
        self.drafts[-1].entries.append(entry)
        if branch.is_mapping:
            self._scalar(event, entry)
            entry.key, event = event.value, parser.get_event()
        entry.value_start = event.start_mark.index
        entry.value = self._node(event, parser, entry)

    def _note_end(self, owner: _Leaf | None, offset: int, line: int) -> None:
        self.drafts[-1].ends.append((offset, line, owner))
        _stretch(owner, line)

    def _scalar(self, event: Any, owner: _Leaf | None) -> Scalar:  # noqa: ANN401
        start, end = event.start_mark, event.end_mark
        if event.style in {"|", ">"}:
            return self._block_scalar(event, owner)
        self._mask(start.index, end.index)
        self._inside.update(range(start.line + 1, end.line + 1))
        self._note_end(owner, end.index, end.line)
        return Scalar(value=event.value if event.style else resolve_plain(event.value))

    def _block_scalar(self, event: Any, owner: _Leaf | None) -> Scalar:  # noqa: ANN401
        first = event.start_mark.line
        header = self._lines[first][event.start_mark.column :].split("#")[0].strip()
        last = min(event.end_mark.line, len(self._lines)) - 1
        if event.end_mark.column and event.end_mark.line < len(self._lines):
            last += 1
        while last > first and not self._lines[last].strip() and "+" not in header:
            last -= 1
        begin = event.start_mark.index + len(self._lines[first]) - event.start_mark.column
        self._mask(event.start_mark.index, event.start_mark.index + len(header))
        self._mask(begin, begin + sum(len(line) + 1 for line in self._lines[first + 1 : last + 1]))
        self._inside.update(range(first + 1, last + 1))
        self._note_end(owner, event.start_mark.index + len(header), first)
        _stretch(owner, last)
        return Scalar(value=event.value, block=_block(header, self._lines[first + 1 : last + 1], event.value))

    def _mask(self, start: int, end: int) -> None:
        for index in range(start, min(end, len(self._masked))):
            if self._masked[index] != "\n":
                self._masked[index] = "x"

    def _remarks(self) -> Iterator[_Remark]:
        offset = 0
        for number, line in enumerate("".join(self._masked).split("\n")[:-1] if self._text.endswith("\n") else
                                      "".join(self._masked).split("\n")):
            code, sign, _ = line.partition("#")
            if sign:
                column = len(code)
                text = self._lines[number][column:].rstrip()
                yield _Remark(offset + column, number, column, text, not code.strip())
            elif not code.strip() and number not in self._inside:
                yield _Remark(offset, number, 0, "", is_alone=True)
            offset += len(line) + 1


def _block(header: str, lines: list[str], value: str) -> tuple[str, tuple[str, ...]] | None:
    """How to write a block scalar again at another indentation; None where that would not give the same value."""
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    if not widths or any(sign.isdigit() for sign in header):
        return None
    bare = tuple(line[min(widths) :].rstrip() if line.strip() == "" else line[min(widths) :] for line in lines)
    again = "".join(f"  {line}\n" if line else "\n" for line in bare)
    try:
        reread = yaml.safe_load(f"x: {header}\n{again}y: 1\n")
    except yaml.YAMLError:
        return None
    return (header, bare) if reread == {"x": value, "y": 1} else None


def _stretch(entry: _Leaf | None, line: int) -> None:
    while entry is not None and entry.last < line:
        entry.last = line
        entry = entry.parent.parent


def _finished(draft: _Draft) -> ReadDocument:
    starts = [entry.start for entry in draft.entries]
    blank = False
    for remark, following in zip(draft.remarks, [*draft.remarks[1:], None], strict=True):
        if not remark.is_alone and (owner := _beside(draft, remark)) is not None:
            owner.beside.append(remark.text)
            continue
        place = _place(draft, starts, remark, following)
        place += [""] if blank else []
        ...
    raise NotImplementedError
