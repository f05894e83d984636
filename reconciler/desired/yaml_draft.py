"""One pass over the events of a YAML text: its collections, entries and comments with the offsets they stand at.

Comments are no events of a YAML parser: they are found in the gaps between scalars, where a `#` can be nothing else.
For text that `source.yaml_source` has accepted; nothing is refused here.
"""

from __future__ import annotations

import re
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

from reconciler.desired.yaml_nodes import Scalar
from reconciler.source.events import open_events
from reconciler.source.scalars import resolve_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTHING: Final = Scalar(value=None)

_cover = re.compile(r"[^\n]").sub


@dataclass(slots=True, kw_only=True, eq=False)
class Branch:
    """A collection. `start` and `end` are offsets; a block has no end of its own."""

    is_mapping: bool
    is_flow: bool
    start: int
    column: int
    parent: Leaf | None
    entries: list[Leaf] = field(default_factory=list)
    foot: list[str] = field(default_factory=list)
    end: int = -1


@dataclass(slots=True, kw_only=True, eq=False)
class Leaf:
    """A pair or an item. `line` is where it begins, `last` the last line that anything of it stands on."""

    parent: Branch
    start: int
    line: int
    last: int
    key: str | None = None
    value: Branch | Scalar = _NOTHING
    value_start: int = -1
    above: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def stretch(self, line: int) -> None:
        """Let the entry, and all that it stands in, reach to a line."""
        entry: Leaf | None = self
        while entry is not None:
            entry.last = max(entry.last, line)
            entry = entry.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment or, with the text "", a blank line. `is_alone`: nothing else stands on its line."""

    offset: int
    line: int
    column: int
    text: str
    is_alone: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """One document: its entries in the order of the text, and after which of them a token ends where."""

    start: int
    line: int
    root: Branch | Scalar = _NOTHING
    entries: list[Leaf] = field(default_factory=list)
    flows: list[Branch] = field(default_factory=list)
    ends: list[tuple[int, int, Leaf | None]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def read_drafts(text: str) -> list[Draft]:
    """The documents of a text whose line ends are LF, with their comments not yet given to anything."""
    return _Reader(text).drafts


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
        for remark in self._remarks(text):
            self.drafts[bisect_right(starts, remark.offset) - 1].remarks.append(remark)

    def _read_documents(self) -> None:
        start = line = 0
        while (event := self._parser.get_event()) is not None:
            mark: Any = event.start_mark
            if isinstance(event, DocumentStartEvent):
                if event.explicit and self.drafts:
                    start, line = mark.index, mark.line
                self.drafts.append(Draft(start=start, line=line))
            elif isinstance(event, DocumentEndEvent):
                start, line = mark.index, mark.line
            elif isinstance(event, ScalarEvent | CollectionStartEvent):
                self.drafts[-1].root = self._node(event, None)

    def _node(self, event: Any, owner: Leaf | None) -> Branch | Scalar:  # noqa: ANN401 - PyYAML's events share no useful type
        if isinstance(event, ScalarEvent):
            return self._scalar(event, owner)
        mark = event.start_mark
        branch = Branch(
            is_mapping=isinstance(event, MappingStartEvent),
            is_flow=bool(event.flow_style),
            start=mark.index,
            column=mark.column,
            parent=owner,
        )
        if branch.is_flow:
            self.drafts[-1].flows.append(branch)
            self._note_end(owner, event.end_mark.index, event.end_mark.line)
        while not isinstance(item := self._parser.get_event(), CollectionEndEvent):
            self._entry(item, branch)
        if branch.is_flow:
            end: Any = item.end_mark
            branch.end = end.index
            self._note_end(owner, end.index, end.line)
        return branch

    def _entry(self, event: Any, branch: Branch) -> None:  # noqa: ANN401
        mark = event.start_mark
        entry = Leaf(parent=branch, start=mark.index, line=mark.line, last=mark.line)
        branch.entries.append(entry)
        self.drafts[-1].entries.append(entry)
        if branch.is_mapping:
            self._scalar(event, entry)
            entry.key, event = event.value, self._parser.get_event()
        entry.value_start = event.start_mark.index
        entry.value = self._node(event, entry)

    def _note_end(self, owner: Leaf | None, offset: int, line: int) -> None:
        self.drafts[-1].ends.append((offset, line, owner))
        if owner is not None:
            owner.stretch(line)

    def _scalar(self, event: Any, owner: Leaf | None) -> Scalar:  # noqa: ANN401
        start: Any = event.start_mark
        end: Any = event.end_mark
        if event.style in {"|", ">"}:
            return self._block_scalar(event, owner)
        self._covered.append((start.index, end.index))
        self._inside.update(range(start.line + 1, end.line + 1))
        self._note_end(owner, end.index, end.line)
        return Scalar(value=event.value if event.style else resolve_plain(event.value))

    def _block_scalar(self, event: Any, owner: Leaf | None) -> Scalar:  # noqa: ANN401
        start = event.start_mark
        header = self._lines[start.line][start.column :].split("#")[0].strip()
        last = event.end_mark.line - (event.end_mark.column == 0)
        while last > start.line and not self._lines[last].strip() and "+" not in header:
            last -= 1
        body = self._lines[start.line + 1 : last + 1]
        begin = start.index + len(self._lines[start.line]) - start.column + 1
        self._covered.append((start.index, start.index + len(header)))
        self._covered.append((begin, begin + sum(len(line) + 1 for line in body)))
        self._inside.update(range(start.line + 1, last + 1))
        self._note_end(owner, start.index + len(header), start.line)
        if owner is not None:
            owner.stretch(last)
        return Scalar(value=event.value, block=_as_written(header, body, event.value))

    def _remarks(self, text: str) -> Iterator[Remark]:
        offset = 0
        for number, line in enumerate(_without_scalars(text, self._covered).split("\n")):
            code, sign, _ = line.partition("#")
            alone = not code.strip()
            if sign:
                found = self._lines[number][len(code) :].rstrip()
                yield Remark(offset=offset + len(code), line=number, column=len(code), text=found, is_alone=alone)
            elif alone and number not in self._inside:
                yield Remark(offset=offset, line=number, column=0, text="", is_alone=True)
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
