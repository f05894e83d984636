"""The one style of flag files: a tree with comments to text.

Two spaces, keys in the order of the layout, one blank line at most, short plain collections between brackets.
Writing what was read from this style gives the same text again.
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.files.flag_layout import FLAG
from reconciler.files.yaml.nodes import Collection, Entry, Scalar, comments_in
from reconciler.files.yaml.scalar_style import key_text, literal_block, scalar_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reconciler.files.flag_layout import Layout
    from reconciler.files.yaml.nodes import DocumentTree, Node

WIDTH: Final = 100
"""Columns that a collection between brackets may reach."""
_STEP = 2
_FLOW_DEPTH = 2


def write_documents(documents: Sequence[DocumentTree]) -> str:
    """The text of a file, each document but the first behind a `---`."""
    return "---\n".join(write_document(document) for document in documents)


def write_document(document: DocumentTree) -> str:
    """The text of one document, without `---`."""
    lines = list(document.head)
    if isinstance(document.root, Collection) and document.root.is_mapping and document.root.entries:
        body = _entry_lines(document.root, 0, FLAG)
        lines += body if lines and lines[-1] else _without_first_blanks(body)
        lines += document.root.foot
    else:
        lines += [_flow_text(document.root), *comments_in(document.root)]
    return _joined(lines)


def write_entry(entry: Entry, layout: Layout, indent: int = 0) -> str:
    """The text of one pair of a block mapping, comments included."""
    return _joined(_pair_lines(entry, indent, layout))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _collection_lines(node: Collection, indent: int, layout: Layout) -> Iterator[str]:
    """The lines of a block; it never begins with a blank one."""
    yield from _without_first_blanks(_entry_lines(node, indent, layout))
    yield from _comment_lines(node.foot, indent)


def _entry_lines(node: Collection, indent: int, layout: Layout) -> Iterator[str]:
    if node.is_mapping:
        for entry in sorted(node.entries, key=lambda entry: layout.place(entry.key or "")):
            yield from _pair_lines(entry, indent, layout.of(entry.key))
    else:
        for entry in node.entries:
            yield from _item_lines(entry, indent, layout.of(None))


def _pair_lines(entry: Entry, indent: int, layout: Layout) -> Iterator[str]:
    entry = _with_foot_above(entry)
    yield from _comment_lines((*entry.above, *entry.between), indent)
    yield from _labelled_lines(f"{key_text(entry.key or '')}:", entry, indent, layout)


def _item_lines(entry: Entry, indent: int, layout: Layout) -> Iterator[str]:
    entry = _with_foot_above(_with_first_above(entry, layout))
    node = entry.node
    if isinstance(node, Scalar) or _one_line(node, indent + _STEP, layout) is not None:
        yield from _comment_lines((*entry.above, *entry.between), indent)
        yield from _labelled_lines("-", entry, indent, layout)
        return
    beside = (entry.beside,) if entry.beside else ()
    yield from _comment_lines((*entry.above, *entry.between, *beside), indent)
    first, *rest = _collection_lines(node, indent + _STEP, layout)
    yield f"{' ' * indent}- {first.lstrip()}"
    yield from rest


def _with_first_above(entry: Entry, layout: Layout) -> Entry:
    """A comment cannot stand between the dash and the first line behind it: it moves in front of the dash."""
    node = entry.node
    if isinstance(node, Scalar) or not node.entries:
        return entry
    first = min(node.entries, key=lambda entry: layout.place(entry.key or "")) if node.is_mapping else node.entries[0]
    lifted = _with_foot_above(first if node.is_mapping else _with_first_above(first, layout.of(None)))
    entries = [replace(lifted, above=[], between=[]) if item is first else item for item in node.entries]
    above = [*entry.above, *_without_first_blanks(lifted.above), *lifted.between]
    return replace(entry, above=above, node=replace(node, entries=entries))


def _labelled_lines(label: str, entry: Entry, indent: int, layout: Layout) -> Iterator[str]:
    pad, beside = " " * indent, f"  {entry.beside}" if entry.beside else ""
    node = entry.node
    block = _block_of(node) if isinstance(node, Scalar) else None
    if block is not None:
        header, lines = block
        yield f"{pad}{label} {header}{beside}"
        yield from (f"{pad}{' ' * _STEP}{line}" if line else "" for line in lines)
    elif (text := _one_line(node, indent + len(label) + 1, layout)) is not None:
        yield f"{pad}{label} {text}{beside}"
    elif isinstance(node, Collection):
        yield f"{pad}{label}{beside}"
        yield from _collection_lines(node, indent + _STEP, layout)


def _block_of(node: Scalar) -> tuple[str, tuple[str, ...]] | None:
    if node.block is not None:
        return node.block
    return literal_block(node.value) if isinstance(node.value, str) else None


def _one_line(node: Node, column: int, layout: Layout) -> str | None:
    """A value on the line of its label, or None where it needs lines of its own."""
    if isinstance(node, Scalar):
        return scalar_text(node.value)
    if not node.entries:
        return _flow_text(node)
    if layout.is_block or not _may_flow(node, _FLOW_DEPTH):
        return None
    text = _flow_text(node, layout)
    return text if column + len(text) <= WIDTH else None


def _may_flow(node: Node, depth: int) -> bool:
    """Whether a collection is shallow, has no comment inside, and no text of several lines."""
    if isinstance(node, Scalar):
        return node.block is None and not (isinstance(node.value, str) and "\n" in node.value)
    if node.foot or (node.entries and depth == 0):
        return False
    return all(
        not entry.above and not entry.between and not entry.beside and _may_flow(entry.node, depth - 1)
        for entry in node.entries
    )


def _flow_text(node: Node, layout: Layout = FLAG) -> str:
    if isinstance(node, Scalar):
        return scalar_text(node.value, in_flow=True)
    if not node.is_mapping:
        return f"[{', '.join(_flow_text(entry.node, layout.of(None)) for entry in node.entries)}]"
    entries = sorted(node.entries, key=lambda entry: layout.place(entry.key or ""))
    pairs = (f"{key_text(e.key or '', in_flow=True)}: {_flow_text(e.node, layout.of(e.key))}" for e in entries)
    return f"{{{', '.join(pairs)}}}"


def _with_foot_above(entry: Entry) -> Entry:
    """An empty collection has no lines in which its comments could stand: they go above it."""
    node = entry.node
    if isinstance(node, Scalar) or node.entries or not node.foot:
        return entry
    return replace(entry, above=[*entry.above, *node.foot], node=replace(node, foot=[]))


def _without_first_blanks(lines: Iterable[str]) -> Iterator[str]:
    return dropwhile(lambda line: not line, lines)


def _comment_lines(comments: Iterable[str], indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{line}" if line else "" for line in comments)
