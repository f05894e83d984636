"""The YAML that nearly all flag files are written in, line by line, in a quarter of the time that libyaml takes.

It knows block mappings and lists, plain and quoted text that ends on its line, and collections between brackets on
one line, all of it ASCII; comments and blank lines in between. Whatever else a text holds, and whatever could be
wrong with it, gives None, and `yaml_source` reads it by libyaml. Where it gives a value, libyaml's events give the
same one (tests/property/test_yaml_passes.py): this file decides how fast a text is read, never what it means.
"""

from __future__ import annotations

import re
from sys import intern
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from reconciler.source.characters import Refusal
from reconciler.source.scalars import WORDS, resolve_plain

if TYPE_CHECKING:
    from reconciler.source.findings import Json

MAX_LENGTH: Final = 64 * 1024
"""Characters of a text. So short a text cannot hold as many nodes as are refused."""
MAX_LEVELS: Final = 20
"""Nested blocks, and nested brackets in a line: far fewer than are refused."""
MAX_KNOWN_LINES: Final = 2048

_WORD = r"[A-Za-z_][A-Za-z0-9_.-]{0,99}"
_QUOTED = r'"([ !#-\[\]-~]*)"|' + r"'([ -&(-~]*)'"
_PLAIN_START = r"(?:[A-Za-z0-9_/.+]|-(?=[0-9A-Za-z]))"

_read_line = re.compile(
    rf"( *)(- )?(?:(\")?({_WORD})(?(3)\"):(?= |\Z) *)?"
    rf"(?:({_PLAIN_START}(?:[!-9;-~]++|:(?=[!-~])| +(?=[!-\"$-9;-~]))*)|{_QUOTED}|([\[{{][^#]*))?"
    r"(?: *(?<![^ ])#[ -~]*)?"
).fullmatch
_is_nothing = re.compile(r" *(?:#[ -~]*)?").fullmatch

_FLOW_PLAIN = rf"{_PLAIN_START}[A-Za-z0-9_/.+@=%-]*(?: +[A-Za-z0-9_/.+@=][A-Za-z0-9_/.+@=%-]*)*"
_read_flow_key = re.compile(rf"(\")?({_WORD})(?(1)\"): +").match
_read_flow_scalar = re.compile(rf"({_FLOW_PLAIN})|{_QUOTED}").match
_read_flow_comma = re.compile(", *").match


_Line: TypeAlias = tuple[int, bool, str | None, "Json", str | None, bool]
"""Spaces before it, whether an item begins, its key, its value, the text of its brackets, whether more is below."""

_NOTHING: Final[_Line] = (0, False, None, None, None, False)
"""A blank line or one with a comment only."""

_known_lines: dict[str, _Line] = {}
"""Lines that were read: most lines of flag files stand in many of them."""

_Root: TypeAlias = tuple["Json", int]


def read_common(text: str) -> _Root | None:
    """The mapping that a text is, and the line of its first key counted from 1 (its column is 1).

    `text` holds no forbidden character (`characters`). None where anything is unusual: no word about what.
    """
    if len(text) > MAX_LENGTH:
        return None
    lines = text.split("\n")
    skipped = 1 if lines[0] == "---" else 0
    root = _read_block(lines[skipped:])
    if not root:
        return None
    first = next(number for number, line in enumerate(lines) if number >= skipped and not _is_nothing(line))
    return root, first + 1


def _read_block(lines: list[str]) -> dict[str, Json] | None:
    """One loop with few calls, as it runs for every line of every file.

    `block` is the innermost collection, whose keys or dashes stand at `column`; `hole` its key that waits for a
    value on the lines below. Most lines are one more key of the mapping that the line before was in.
    """
    root: dict[str, Json] = {}
    outer: list[tuple[int, Json]] = []
    column, block, hole = 0, cast("Json", root), cast("str | None", None)
    known = _known_lines.get
    for text in lines:
        line = known(text) or _learn(text)
        if line is None:
            return None
        if line is _NOTHING:
            continue
        indent, is_item, key, value, flow, is_open = line
        if hole is not None or is_item or flow is not None or indent != column or block.__class__ is list:
            turn = _turn(line, outer, column, block, hole)
            if turn is None:
                return None
            column, block, value = turn
            hole = None
            if key is None:
                continue
        if key in block:
            return None
        block[key] = value
        if is_open:
            hole = key
    return root if hole is None else None


def _turn(
    line: _Line, outer: list[tuple[int, Json]], column: int, block: Json, hole: str | None
) -> tuple[int, Json, Json] | None:
    """Where a line leads that is not one more key: column and block from now on, and its value. None: unusual.

    An item without a key is put into its list; a key is left to be put into the mapping that is given.
    """
    indent, is_item, key, value, flow, _ = line
    inner: Json
    if len(outer) >= MAX_LEVELS:
        return None
    if hole is not None and (indent > column or (indent == column and is_item)):
        block[hole] = inner = [] if is_item else {}
        outer.append((column, block))
        column, block, hole = indent, inner, None
    while indent < column:
        column, block = outer.pop()
    if not is_item and block.__class__ is list:
        column, block = outer.pop()
    if hole is not None or indent != column or is_item is not (block.__class__ is list):
        return None
    if flow is not None and (value := _read_flow(flow)) is None:
        return None
    if is_item and key is None:
        block.append(value)
    elif is_item:
        outer.append((column, block))
        block.append(inner := {})
        column, block = indent + 2, inner
    return column, block, value


def _learn(text: str) -> _Line | None:
    """What a line says, remembered; None for one that is unusual."""
    line = _parse(text) or (_NOTHING if _is_nothing(text) else None)
    if line is not None:
        if len(_known_lines) >= MAX_KNOWN_LINES:
            _known_lines.clear()
        _known_lines[text] = line
    return line


def _parse(text: str) -> _Line | None:
    match = _read_line(text)
    if match is None:
        return None
    spaces, dash, quote, key, plain, double, single, flow = match.groups()
    if key is not None:
        if quote is None and key in WORDS:
            return None
        key = intern(key)
    elif dash is None:
        return None
    is_open = plain is double is single is flow is None
    if is_open and key is None:
        return None
    value = double if plain is None and double is not None else single
    if plain is not None:
        value = resolve_plain(plain)
        if value.__class__ is Refusal:
            return None
    return len(spaces), dash is not None, key, value, flow, is_open


def _read_flow(text: str) -> Json:
    """The collection that stands between brackets, and nothing behind it; None for what is unusual."""
    value, end = _flow_collection(text, 0, 0)
    return value if end >= 0 and not text[end:].strip(" ") else None


def _flow_collection(text: str, at: int, level: int) -> tuple[Json, int]:
    """The collection whose bracket opens at an index, and the index behind it; -1 for what is unusual."""
    is_list = text[at] == "["
    found: Json = [] if is_list else {}
    closing = "]" if is_list else "}"
    at += 1
    if level < MAX_LEVELS and text[at : at + 1] == closing:
        return found, at + 1
    while level < MAX_LEVELS:
        key = None
        if not is_list:
            key, at = _flow_key(text, at)
            if key is None or key in found:
                break
        if text[at : at + 1] in {"[", "{"}:
            value, at = _flow_collection(text, at, level + 1)
        else:
            value, at = _flow_scalar(text, at)
        if at < 0:
            break
        if is_list:
            found.append(value)
        else:
            found[key] = value
        if text[at : at + 1] == closing:
            return found, at + 1
        comma = _read_flow_comma(text, at)
        if comma is None:
            break
        at = comma.end()
    return None, -1


def _flow_key(text: str, at: int) -> tuple[str | None, int]:
    match = _read_flow_key(text, at)
    if match is None or (match[1] is None and match[2] in WORDS):
        return None, -1
    return intern(match[2]), match.end()


def _flow_scalar(text: str, at: int) -> tuple[Json, int]:
    match = _read_flow_scalar(text, at)
    if match is None:
        return None, -1
    plain, double, single = match.groups()
    if plain is None:
        return (single if double is None else double), match.end()
    value = resolve_plain(plain)
    return (None, -1) if value.__class__ is Refusal else (value, match.end())
