"""Fitting many blocks into the room there is: what takes something away first, then as much detail as possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BETWEEN = 2
"""Characters that separate two blocks: an empty line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Something that can be said at length or in brief: `forms` go from the longest to the shortest."""

    forms: tuple[str, ...]
    comes_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What is said, in the order of the blocks; how many blocks are said in brief, and how many not at all."""

    texts: tuple[str, ...]
    shortened: int
    left_out: int


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
        texts=tuple(chosen[index] for index in sorted(chosen)),
        shortened=sum(text != blocks[index].forms[0] for index, text in chosen.items()),
        left_out=len(blocks) - len(chosen),
    )


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
