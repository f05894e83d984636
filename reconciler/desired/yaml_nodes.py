"""YAML as a tree of values with the comments around them: what `yaml_tree` reads and `yaml_style` writes.

Frozen: an edit is a new tree. Comments are whole lines from `#` on; "" among them is a blank line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Json

Comments: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value that is no collection. `block` is how a block scalar was written: its header and its lines."""

    value: Json
    block: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pair of a mapping, or an item of a sequence (then `key` is None).

    `above` stands on lines of its own in front of the entry, `beside` behind its key or value, and `between` behind
    its key where something else is behind its value.
    """

    node: Node
    key: str | None = None
    above: Comments = ()
    beside: str | None = None
    between: Comments = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A mapping or a sequence; `foot` stands behind its last entry, at its indentation."""

    is_mapping: bool
    entries: tuple[Entry, ...] = ()
    foot: Comments = ()

    def get(self, key: str) -> Entry | None:
        """The pair of that key, if there is one."""
        return next((entry for entry in self.entries if entry.key == key), None)


Node: TypeAlias = Scalar | Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: its value, and the comments that stay on top of it wherever its first key goes."""

    root: Node
    head: Comments = ()


def node_of(value: Json) -> Node:
    """A JSON value as a tree without comments, in the value's order."""
    if isinstance(value, dict):
        return Collection(
            is_mapping=True, entries=tuple(Entry(key=key, node=node_of(item)) for key, item in value.items())
        )
    if isinstance(value, list | tuple):
        return Collection(is_mapping=False, entries=tuple(Entry(node=node_of(item)) for item in value))
    return Scalar(value=value)


def value_of(node: Node) -> Json:
    """The JSON value of a tree."""
    if isinstance(node, Scalar):
        return node.value
    if node.is_mapping:
        return {entry.key: value_of(entry.node) for entry in node.entries}
    return [value_of(entry.node) for entry in node.entries]


def mapping_of(node: Node) -> Mapping[str, Json]:
    """The value of a tree that is a mapping; empty for any other."""
    value = value_of(node)
    return value if isinstance(value, dict) else {}


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
