"""The geometry of a flow of users: two stacked bars, now above and then below, and a band for each move between them.

Lengths are in thousandths of the width. Nothing is decided or rounded here but coordinates.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.reports.exposure_view import ExposureRow, Move, Share

WIDTH = 1000
HEIGHT = 100
"""Of the space between the bars, in the units of a band's outline."""

COLORS = 6
"""How many colours there are beside the one of `off`; after that, colours come again with other patterns."""

_LABELLED = Fraction(3, 25)
_ROOMY = Fraction(1, 5)


class VariantStyle(Struct, frozen=True, kw_only=True):
    """How a variant is drawn: a colour (0 is `off`) and a pattern, so that no two of the first 36 look alike."""

    color: int
    pattern: int


class BarPart(Struct, frozen=True, kw_only=True):
    """A variant's part of a bar. `label` is empty where it would not fit."""

    share: Share
    style: VariantStyle
    start: float
    width: float
    label: str

    @property
    def is_tight(self) -> bool:
        """Whether the label fits a wide screen only."""
        return self.share.part < _ROOMY

    @property
    def middle(self) -> float:
        """Where the label stands."""
        return round(self.start + self.width / 2, 2)


class Band(Struct, frozen=True, kw_only=True):
    """Users who go from one variant to another, or stay: an outline, and the style of what they have now."""

    move: Move
    style: VariantStyle
    outline: str


class ShareLine(Struct, frozen=True, kw_only=True):
    """A variant with its share now and then; `style` is its own in every chart of the flag."""

    variant: str
    style: VariantStyle
    before: str
    after: str


class Flow(Struct, frozen=True, kw_only=True):
    """One transition as a picture, and the same in figures."""

    before: tuple[BarPart, ...]
    after: tuple[BarPart, ...]
    bands: tuple[Band, ...]
    lines: tuple[ShareLine, ...]


def flow(row: ExposureRow) -> Flow:
    """The picture of a transition. Bands leave and arrive in the order of the bars, so that few cross."""
    return Flow(before=_bar_parts(row.before), after=_bar_parts(row.after), bands=_bands(row), lines=_lines(row))


def style_of(index: int) -> VariantStyle:
    """The style of the variant with that index."""
    if not index:
        return VariantStyle(color=0, pattern=0)
    turn, place = divmod(index - 1, COLORS)
    return VariantStyle(color=place + 1, pattern=(place + turn) % COLORS + 1)


def _bar_parts(shares: tuple[Share, ...]) -> tuple[BarPart, ...]:
    start = Fraction(0)
    parts: list[BarPart] = []
    for share in shares:
        label = share.text if share.part >= _LABELLED else ""
        parts.append(
            BarPart(
                share=share,
                style=style_of(share.index),
                start=_percent(start),
                width=_percent(share.part),
                label=label,
            )
        )
        start += share.part
    return tuple(parts)


def _percent(part: Fraction) -> float:
    return round(float(part * 100), 3)


def _bands(row: ExposureRow) -> tuple[Band, ...]:
    indexes = {share.variant: share.index for share in (*row.after, *row.before)}
    moves = sorted(row.matrix, key=lambda move: (indexes.get(move.before, 0), indexes.get(move.after, 0)))
    leaving = _starts(moves)
    arriving = _starts(sorted(moves, key=lambda move: (indexes.get(move.after, 0), indexes.get(move.before, 0))))
    return tuple(
        Band(
            move=move,
            style=style_of(indexes.get(move.before, 0)),
            outline=_outline(leaving[move.before, move.after], arriving[move.before, move.after], move.part),
        )
        for move in moves
    )


def _starts(moves: Iterable[Move]) -> dict[tuple[str, str], Fraction]:
    """Where each move begins when all are laid side by side."""
    start = Fraction(0)
    starts: dict[tuple[str, str], Fraction] = {}
    for move in moves:
        starts[move.before, move.after] = start
        start += move.part
    return starts


def _outline(leaves: Fraction, arrives: Fraction, part: Fraction) -> str:
    """An SVG path from the upper edge to the lower one and back."""
    left, right = _units(leaves), _units(leaves + part)
    low_left, low_right = _units(arrives), _units(arrives + part)
    bend = HEIGHT / 2
    return (
        f"M{left:g} 0C{left:g} {bend:g} {low_left:g} {bend:g} {low_left:g} {HEIGHT}"
        f"H{low_right:g}C{low_right:g} {bend:g} {right:g} {bend:g} {right:g} 0Z"
    )


def _units(part: Fraction) -> float:
    return round(float(part * WIDTH), 1)


def _lines(row: ExposureRow) -> tuple[ShareLine, ...]:
    before = {share.variant: share for share in row.before}
    after = {share.variant: share for share in row.after}
    shares = sorted({share.index: share for share in (*row.before, *row.after)}.values(), key=lambda item: item.index)
    return tuple(
        ShareLine(
            variant=share.variant,
            style=style_of(share.index),
            before=before[share.variant].text if share.variant in before else "0%",
            after=after[share.variant].text if share.variant in after else "0%",
        )
        for share in shares
    )
