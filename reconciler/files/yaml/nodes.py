"""YAML as a tree of values with the comments around them: what `tree` reads and `style` writes.

A tree does not change once it is read: an edit is a new tree. Comments are whole lines from `#` on; "" among them is
a blank line. Offsets, lines and columns count from 0, and mean nothing in a tree that was not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.strict_json import Json

Comments: TypeAlias = list[str]


class Scalar(Struct, frozen=True, kw_only=True):
    """A value that is no collection. `block` is how a block scalar was written: its header and its lines."""

    value: Json = None
    block: tuple[str, tuple[str, ...]] | None = None


class Entry(Struct, kw_only=True, eq=False):
    """A pair of a mapping, or an item of a sequence (then `key` is None).

    `above` stands on lines of its own in front of the entry, `beside` behind its key or value, and `between` behind
    its key where something else is behind its value. `start` is its offset, `node_start` that of its value, `line`
    where it begins, and `last` the last line that anything of it stands on.
    """

    node: Node = field(default_factory=Scalar)
    key: str | None = None
    above: Comments = field(default_factory=list)
    beside: str | None = None
    between: Comments = field(default_factory=list)
    parent: Collection | None = None
    start: int = 0
    node_start: int = 0
    line: int = 0
    last: int = 0


class Collection(Struct, kw_only=True, eq=False):
    """A mapping or a sequence; `foot` stands behind its last entry, at its indentation.

    `start` and `end` are offsets, of which a block has no end of its own. `owner` is the entry whose value it is.
    """

    is_mapping: bool
    entries: list[Entry] = field(default_factory=list)
    foot: Comments = field(default_factory=list)
    owner: Entry | None = None
    is_flow: bool = False
    start: int = 0
    end: int = -1
    column: int = 0


Node: TypeAlias = Scalar | Collection


class DocumentTree(Struct, kw_only=True, eq=False):
    """One document: its value, the comments that stay on top of it wherever its first key goes, and its first line.

    That line is its `---`, if it has one.
    """

    root: Node
    head: Comments = field(default_factory=list)
    first_line: int = 0


def node_of(value: Json) -> Node:
    """A JSON value as a tree without comments, in the value's order."""
    if isinstance(value, dict):
        entries = [Entry(key=key, node=node_of(item)) for key, item in value.items()]
        return Collection(is_mapping=True, entries=entries)
    if isinstance(value, list | tuple):
        return Collection(is_mapping=False, entries=[Entry(node=node_of(item)) for item in value])
    return Scalar(value=value)


def value_of(node: Node) -> Json:
    """The JSON value of a tree."""
    if isinstance(node, Scalar):
        return node.value
    if node.is_mapping:
        return {entry.key: value_of(entry.node) for entry in node.entries}
    return [value_of(entry.node) for entry in node.entries]


def comments_in(node: Node) -> Iterator[str]:
    """Every comment inside a tree, in the order in which it is written; blank lines left out."""
    if isinstance(node, Scalar):
        return
    for entry in node.entries:
        yield from comments_of(entry)
    yield from (line for line in node.foot if line)


def comments_of(entry: Entry) -> Iterator[str]:
    """Every comment of an entry: above, beside and inside it; blank lines left out."""
    yield from (line for line in (*entry.above, *entry.between) if line)
    if entry.beside:
        yield entry.beside
    yield from comments_in(entry.node)
