"""YAML text to trees that keep every comment.

Each comment goes to the entry that it stands above or beside or, where it is indented deeper than what follows, to
the end of the collection that it closes. For text that `reader` has accepted; nothing is refused here.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from reconciler.files.yaml.draft import read_drafts, stretch
from reconciler.files.yaml.nodes import Collection, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.files.yaml.draft import Comment, Draft
    from reconciler.files.yaml.nodes import Comments, DocumentTree, Entry, Node

MODELINE: Final = "# yaml-language-server:"
"""How the comment begins that tells editors which JSON Schema a file follows."""


def read_tree(text: str) -> tuple[DocumentTree, ...]:
    """Every document of a YAML text, in order. Line ends must be LF."""
    return tuple(map(_finished, read_drafts(text)))


def fields_of(document: DocumentTree) -> list[Entry] | None:
    """The pairs of a document that is laid out field by line; None for any other."""
    root = document.root
    if isinstance(root, Scalar) or root.is_flow or not root.is_mapping or root.column:
        return None
    return root.entries


def _finished(draft: Draft) -> DocumentTree:
    loose: Comments = []
    _give_away_comments(draft, loose)
    document = draft.document
    document.head = _tidy(loose)
    if isinstance(document.root, Collection):
        if entries := document.root.entries:
            above = entries[0].above
            end = _end_of_head(above)
            document.head += _tidy(above[:end], keep_first=False, keep_last=True)
            entries[0].above = above[end:]
        _tidy_node(document.root)
    return document


def _end_of_head(above: Sequence[str]) -> int:
    """How many of the first lines are about the document rather than its first key: to the last blank, else all."""
    return max((number for number, line in enumerate(above, start=1) if not line), default=len(above))


def _give_away_comments(draft: Draft, loose: Comments) -> None:
    starts = [entry.start for entry in draft.entries]
    pending = False
    for comment, following in zip(draft.comments, [*draft.comments[1:], None], strict=False):
        if not comment.is_alone and (owner := _stands_beside(draft, comment)) is not None:
            owner.between += [owner.beside] if owner.beside else []
            owner.beside = comment.text
            continue
        place = _place_of(draft, starts, comment)
        if comment.text:
            target = loose if place is None else place
            target += ["", comment.text] if pending else [comment.text]
            pending = False
        elif following is not None and _goes_before_same(starts, comment, following):
            pending = True
        elif place is not None:
            place.append("")
            pending = False


def _goes_before_same(starts: list[int], blank: Comment, following: Comment) -> bool:
    """Whether nothing but blanks stands between a blank line and the next comment."""
    return following.is_alone and bisect_right(starts, blank.offset) == bisect_right(starts, following.offset)


def _stands_beside(draft: Draft, comment: Comment) -> Entry | None:
    """The entry whose key or value ends before the comment on the same line."""
    number = bisect_right(draft.ends, comment.offset, key=lambda end: end[0]) - 1
    if number < 0 or draft.ends[number][1] != comment.line:
        return None
    return draft.ends[number][2]


def _place_of(draft: Draft, starts: list[int], comment: Comment) -> Comments | None:
    """The list of comments that a comment on its own line belongs to; None where the document has no entry."""
    flow = next((flow for flow in reversed(draft.flows) if flow.start < comment.offset < flow.end), None)
    if flow is not None:
        inside = next((entry for entry in flow.entries if entry.start > comment.offset), None)
        return flow.foot if inside is None else inside.above
    number = bisect_right(starts, comment.offset)
    before = draft.entries[number - 1] if number else None
    after = draft.entries[number] if number < len(starts) else None
    if before is None:
        return after.above if after else None
    value = before.node
    if before.node_start > comment.offset and (isinstance(value, Scalar) or value.is_flow):
        return before.above
    closing = _closed_at(before, after, comment)
    if closing is None:
        return after.above if after else None
    stretch(closing.owner, comment.line)
    return closing.foot


def _closed_at(before: Entry, after: Entry | None, comment: Comment) -> Collection | None:
    """The block that ends between two entries and that the comment's indentation puts it into."""
    around = [] if after is None else list(_collections_around(after))
    if around and (not comment.text or comment.column <= around[0].column):
        return None
    ending = [item for item in _collections_around(before) if item not in around and not item.is_flow]
    chosen = ending[-1] if after is None and ending else None
    for collection in reversed(ending):
        if collection.column <= comment.column and (chosen is None or collection.column > chosen.column):
            chosen = collection
    return chosen


def _collections_around(entry: Entry) -> Iterator[Collection]:
    """The collections that an entry stands in, the innermost first."""
    owner: Entry | None = entry
    while owner is not None and (collection := owner.parent) is not None:
        yield collection
        owner = collection.owner


def _tidy_node(node: Node) -> None:
    if isinstance(node, Scalar):
        return
    node.foot = _tidy(node.foot)
    for number, entry in enumerate(node.entries):
        entry.above = _tidy(entry.above, keep_first=number > 0, keep_last=True)
        _tidy_node(entry.node)


def _tidy(lines: Sequence[str], *, keep_first: bool = True, keep_last: bool = False) -> Comments:
    """Comments with one blank line at a time, and none at an end where it means nothing."""
    found: Comments = []
    for line in lines:
        if line or (found[-1] if found else keep_first):
            found.append(line)
    while found and not found[-1] and not keep_last:
        found.pop()
    return found
