"""Fitting many blocks into the room there is: what comes first takes what it needs, then as much as possible."""

from __future__ import annotations

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
    kept: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: -rows[index].weight):
        room -= len(rows[index].text) + 1
        if room < 0:
            break
        kept.append(index)
    return tuple(sorted(kept))


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
