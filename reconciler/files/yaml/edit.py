"""Changing fields of a flag document in its text: every other line stays as it is, and no comment is lost.

A field that changes is rewritten in the one style. Its comments stay with what is still there; those of what is
gone move to what follows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.files.flag_layout import FLAG
from reconciler.files.yaml.nodes import Entry, Scalar, comments_in, comments_of, node_of, value_of
from reconciler.files.yaml.style import write_documents, write_entry
from reconciler.files.yaml.tree import fields_of, read_tree
from reconciler.model.canonical import canonical_text, same_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.files.yaml.nodes import Collection, Comments, Node
    from reconciler.strict_json import Json


class _Replacement(Struct, frozen=True):
    """Lines `first` up to, not including, `end` become `lines`."""

    first: int
    end: int
    lines: list[str]


def rewrite_document(text: str, index: int, wanted: Mapping[str, Json]) -> str:
    """The text of a file in which the document `index` (from 0) has exactly the fields of `wanted`.

    Fields whose value is the same keep their lines; the other documents keep theirs. New fields go where the house
    style puts them. A document that is not laid out field by line is first brought into the house style, and the
    file with it. CRLF line ends stay CRLF.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    documents = read_tree(text)
    if fields_of(documents[index]) is None:
        text = write_documents(documents)
        documents = read_tree(text)
    fields = fields_of(documents[index]) or []
    lines = text.split("\n")
    found = [*_changes(fields, wanted, lines), *_additions(fields, wanted)]
    for change in sorted(found, key=lambda change: (change.first, change.end), reverse=True):
        lines[change.first : change.end] = change.lines
    return line_end.join(lines)


def _changes(fields: Sequence[Entry], wanted: Mapping[str, Json], text: Sequence[str]) -> Iterator[_Replacement]:
    for entry in fields:
        key, old = entry.key or "", replace(entry, above=[])
        if key not in wanted:
            yield _Replacement(entry.line, entry.last + 1, list(comments_of(old)))
        elif not same_json(value_of(entry.node), wanted[key]):
            new = graft_entry(Entry(key=key, node=node_of(wanted[key])), old)
            lines = _with_gap_of(text[entry.line], _lines_of(new), entry.beside)
            yield _Replacement(entry.line, entry.last + 1, lines)


def _with_gap_of(line: str, lines: list[str], beside: str | None) -> list[str]:
    """The lines, the comment beside the first as far from its value as it was in the old line."""
    if not beside or not line.endswith(beside) or not lines[0].endswith(beside):
        return lines
    head = line.removesuffix(beside)
    gap = head[len(head.rstrip()) :]
    return [lines[0].removesuffix(beside).rstrip() + gap + beside, *lines[1:]]


def _additions(fields: Sequence[Entry], wanted: Mapping[str, Json]) -> Iterator[_Replacement]:
    """New fields, each behind the fields that stand before it in the house style; several at one place together."""
    declared = {entry.key for entry in fields}
    groups: dict[int, list[str]] = {}
    for key in sorted(wanted.keys() - declared, key=FLAG.place):
        before = [entry.last + 1 for entry in fields if FLAG.place(entry.key or "") <= FLAG.place(key)]
        at = max(before, default=fields[0].line if fields else 0)
        groups.setdefault(at, []).extend(_lines_of(Entry(key=key, node=node_of(wanted[key]))))
    for at, lines in groups.items():
        yield _Replacement(at, at, lines)


def _lines_of(entry: Entry) -> list[str]:
    return write_entry(entry, FLAG.of(entry.key)).removesuffix("\n").split("\n")


def graft_entry(new: Entry, old: Entry) -> Entry:
    """The new entry with every comment of the old one."""
    node, lost = graft(new.node, old.node)
    return replace(new, node=node, above=[*old.above, *old.between, *lost], beside=old.beside or new.beside)


def graft(new: Node, old: Node) -> tuple[Node, Comments]:
    """The new tree with the comments of the old one, and those that found no place in it.

    Pairs are matched by key, items by what identifies them: their `key`, `name` or `prop`, else their value. What
    is equal stays as it was written.
    """
    if same_json(value_of(new), value_of(old)):
        return old, []
    if isinstance(new, Scalar) or isinstance(old, Scalar) or new.is_mapping != old.is_mapping or not new.entries:
        return new, list(comments_in(old))
    return _graft_collection(new, old), []


def _graft_collection(new: Collection, old: Collection) -> Collection:
    partners = _partners(new, old)
    entries = {number: graft_entry(new.entries[number], entry) for number, entry in partners.items()}
    matched = {id(entry): number for number, entry in partners.items()}
    orphans: Comments = []
    for entry in old.entries:
        number = matched.get(id(entry))
        if number is None:
            orphans += comments_of(entry)
        elif orphans:
            entries[number] = replace(entries[number], above=[*orphans, *entries[number].above])
            orphans = []
    kept = [entries.get(number, entry) for number, entry in enumerate(new.entries)]
    return replace(new, entries=kept, foot=[*orphans, *old.foot])


def _partners(new: Collection, old: Collection) -> dict[int, Entry]:
    """The old entry that each new one is, by the new one's number."""
    waiting: dict[str, list[Entry]] = {}
    for entry in old.entries:
        waiting.setdefault(_identity(entry), []).append(entry)
    found = {}
    for number, entry in enumerate(new.entries):
        candidates = waiting.get(_identity(entry))
        if candidates:
            found[number] = candidates.pop(0)
    return found


def _identity(entry: Entry) -> str:
    if entry.key is not None:
        return entry.key
    value = value_of(entry.node)
    if isinstance(value, dict):
        for name in ("key", "name", "prop"):
            if name in value:
                return canonical_text([name, value[name]])
    return canonical_text(value)
