"""YAML text to trees that keep every comment.

Each comment goes to the entry that it stands above or beside or, where it is indented deeper than what follows, to
the end of the collection that it closes. For text that `source.yaml_source` has accepted; nothing is refused here.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reconciler.desired.yaml_draft import Branch, Draft, read_drafts
from reconciler.desired.yaml_nodes import Collection, Document, Entry, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.desired.yaml_draft import Leaf, Remark
    from reconciler.desired.yaml_nodes import Comments, Node

MODELINE: Final = "# yaml-language-server:"
"""How the comment begins that tells editors which JSON Schema a file follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLines:
    """The lines of one field of a document, both included, from 0; comments above it are not among them."""

    key: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDocument:
    """A document, the line it begins on (its `---`, if it has one), and where its fields stand.

    `fields` is None where they do not each begin at the start of a line.
    """

    document: Document
    first_line: int
    fields: tuple[FieldLines, ...] | None


def read_tree(text: str) -> tuple[ReadDocument, ...]:
    """Every document of a YAML text, in order. Line ends must be LF."""
    return tuple(_finished(draft) for draft in read_drafts(text))


def _finished(draft: Draft) -> ReadDocument:
    loose: list[str] = []
    _give_away_remarks(draft, loose)
    root = draft.root
    if isinstance(root, Scalar):
        return ReadDocument(document=Document(root=root, head=_tidy(loose)), first_line=draft.line, fields=None)
    head: Comments = ()
    if root.entries:
        above = root.entries[0].above
        end = _end_of_head(above)
        head, root.entries[0].above = _tidy(above[:end], keep_first=False, keep_last=True), above[end:]
    document = Document(root=_frozen(root), head=(*_tidy(loose), *head))
    return ReadDocument(document=document, first_line=draft.line, fields=_field_lines(root))


def _field_lines(root: Branch) -> tuple[FieldLines, ...] | None:
    if root.is_flow or not root.is_mapping or root.column:
        return None
    return tuple(FieldLines(key=entry.key or "", first=entry.line, last=entry.last) for entry in root.entries)


def _end_of_head(above: Sequence[str]) -> int:
    """How many of the first lines are about the document rather than its first key: to the last blank, else all."""
    return max((number for number, line in enumerate(above, start=1) if not line), default=len(above))


def _give_away_remarks(draft: Draft, loose: list[str]) -> None:
    starts = [entry.start for entry in draft.entries]
    pending = False
    for remark, following in pairwise([*draft.remarks, None]):
        if remark is None:
            continue
        if not remark.is_alone and (owner := _stands_beside(draft, remark)) is not None:
            owner.beside.append(remark.text)
            continue
        place = _place_of(draft, starts, remark)
        if remark.text:
            target = loose if place is None else place
            target += ["", remark.text] if pending else [remark.text]
            pending = False
        elif following is not None and _goes_before_same(starts, remark, following):
            pending = True
        elif place is not None:
            place.append("")
            pending = False


def _goes_before_same(starts: list[int], blank: Remark, following: Remark) -> bool:
    """Whether nothing but blanks stands between a blank line and the next remark."""
    return following.is_alone and bisect_right(starts, blank.offset) == bisect_right(starts, following.offset)


def _stands_beside(draft: Draft, remark: Remark) -> Leaf | None:
    """The entry whose key or value ends before the comment on the same line."""
    number = bisect_right(draft.ends, remark.offset, key=lambda end: end[0]) - 1
    if number < 0 or draft.ends[number][1] != remark.line:
        return None
    return draft.ends[number][2]


def _place_of(draft: Draft, starts: list[int], remark: Remark) -> list[str] | None:
    """The list of comments that a comment on its own line belongs to; None where the document has no entry."""
    flow = next((flow for flow in reversed(draft.flows) if flow.start < remark.offset < flow.end), None)
    if flow is not None:
        inside = next((entry for entry in flow.entries if entry.start > remark.offset), None)
        return flow.foot if inside is None else inside.above
    number = bisect_right(starts, remark.offset)
    before = draft.entries[number - 1] if number else None
    after = draft.entries[number] if number < len(starts) else None
    if before is None:
        return after.above if after else None
    value = before.value
    if before.value_start > remark.offset and (isinstance(value, Scalar) or value.is_flow):
        return before.above
    if after is None and not remark.text:
        return None
    closing = _closed_at(before, after, remark)
    if closing is None:
        return after.above if after else None
    if closing.parent is not None:
        closing.parent.stretch(remark.line)
    return closing.foot


def _closed_at(before: Leaf, after: Leaf | None, remark: Remark) -> Branch | None:
    """The block that ends between two entries and that the comment's indentation puts it into."""
    if after is not None and (not remark.text or remark.column <= after.parent.column):
        return None
    still_open = set() if after is None else {id(branch) for branch in _branches_around(after)}
    ending = [branch for branch in _branches_around(before) if id(branch) not in still_open and not branch.is_flow]
    chosen = ending[-1] if after is None and ending else None
    for branch in reversed(ending):
        if branch.column <= remark.column and (chosen is None or branch.column > chosen.column):
            chosen = branch
    return chosen


def _branches_around(entry: Leaf) -> Iterator[Branch]:
    """The collections that an entry stands in, the innermost first."""
    parent: Leaf | None = entry
    while parent is not None:
        yield parent.parent
        parent = parent.parent.parent


def _frozen(node: Branch | Scalar) -> Node:
    if isinstance(node, Scalar):
        return node
    entries = tuple(_frozen_entry(entry, is_first=not number) for number, entry in enumerate(node.entries))
    return Collection(is_mapping=node.is_mapping, entries=entries, foot=_tidy(node.foot))


def _frozen_entry(entry: Leaf, *, is_first: bool) -> Entry:
    return Entry(
        key=entry.key,
        node=_frozen(entry.value),
        above=_tidy(entry.above, keep_first=not is_first, keep_last=True),
        between=tuple(entry.beside[:-1]),
        beside=entry.beside[-1] if entry.beside else None,
    )


def _tidy(lines: Sequence[str], *, keep_first: bool = True, keep_last: bool = False) -> Comments:
    """Comments with one blank line at a time, and none at an end where it means nothing."""
    found: list[str] = []
    for line in lines:
        if line or (found[-1] if found else keep_first):
            found.append(line)
    while found and not found[-1] and not keep_last:
        found.pop()
    return tuple(found)
