"""Text that must fit into so many characters: a text cut, the first of many, or blocks with shorter forms."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

BETWEEN = 2
"""Characters that separate two blocks: an empty line."""


class Block(Struct, frozen=True, kw_only=True):
    """Something that can be said at length or in brief: `forms` go from the longest to the shortest."""

    forms: tuple[str, ...]
    comes_first: bool


class Fitted(Struct, frozen=True, kw_only=True):
    """What is said: the text of each block by its number, in order; how many are in brief, how many left out."""

    texts: Mapping[int, str]
    shortened: int
    left_out: int


class Row(Struct, frozen=True, kw_only=True):
    """A row of a table. Where not all fit, those of the highest weight are kept."""

    text: str
    weight: Fraction


def cut(text: str, length: int) -> str:
    """The text, or its beginning and a sign that there is more, together `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def first_that_fit(texts: Sequence[str], room: int) -> int:
    """How many texts, from the first on, fit into so many characters, each followed by a line break."""
    sizes = accumulate(len(text) + 1 for text in texts)
    return sum(1 for _ in takewhile(lambda size: size <= room, sizes))


def fit(blocks: Sequence[Block], room: int) -> Fitted:
    """What is said of each block. `room` is in characters, separators included.

    Blocks that come first take what they need before the others get any. Among equals, each has its shortest form
    before any has a longer one; otherwise their order decides.
    """
    chosen: dict[int, str] = {}
    for comes_first in (True, False):
        group = [index for index, block in enumerate(blocks) if block.comes_first is comes_first]
        room = _fill(blocks, group, chosen, room)
    return Fitted(
        texts={index: chosen[index] for index in sorted(chosen)},
        shortened=sum(text != blocks[index].forms[0] for index, text in chosen.items()),
        left_out=len(blocks) - len(chosen),
    )


def heaviest(rows: Sequence[Row], room: int) -> tuple[int, ...]:
    """The numbers of the rows that are kept, in order: as many as fit into the room, line breaks included."""
    order = sorted(range(len(rows)), key=lambda index: -rows[index].weight)
    return tuple(sorted(order[: first_that_fit([rows[index].text for index in order], room)]))


def _fill(blocks: Sequence[Block], group: Sequence[int], chosen: dict[int, str], room: int) -> int:
    """Choose forms for a group; the room that is left."""
    for index in group:
        shortest = blocks[index].forms[-1]
        if len(shortest) + BETWEEN <= room:
            chosen[index] = shortest
            room -= len(shortest) + BETWEEN
    for index in group:
        if index in chosen:
            longest = next(form for form in blocks[index].forms if len(form) - len(chosen[index]) <= room)
            room -= len(longest) - len(chosen[index])
            chosen[index] = longest
    return room
