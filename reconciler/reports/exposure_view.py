"""Exposure in words and in stacked bars: who gets what before and after, per segment. Rounds shares once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.model.flag import OFF
from reconciler.reports.sanitize import visible
from reconciler.text import first_of, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from reconciler.evaluation.exposure import FlagExposure, SegmentTransition

_FILLS = "█▒▓░▚▞▤▥▦▧"
_OFF_FILL = "·"
_COLORS = ("dim", "cyan", "magenta", "blue", "yellow", "green", "red")
_MOST_MOVES = 8


class Share(Struct, frozen=True, kw_only=True):
    """A variant's part of a segment: its exact `part`, as text, and `index`, its number among the flag's variants.

    `off` has index 0. Fills and colours are chosen by the index.
    """

    variant: str
    part: Fraction
    text: str
    index: int


class Move(Struct, frozen=True, kw_only=True):
    """Users who have one variant now and another then; `stays` where it is the same."""

    before: str
    after: str
    text: str
    part: Fraction

    @property
    def stays(self) -> bool:
        """Whether these users keep their variant."""
        return self.before == self.after


class ExposureRow(Struct, frozen=True, kw_only=True):
    """One transition: its segment, both bars, the matrix, and the three figures as text."""

    segment: str
    before: tuple[Share, ...]
    after: tuple[Share, ...]
    matrix: tuple[Move, ...]
    reassigned: str
    required: str
    avoidable: str
    is_exact: bool
    is_new: bool

    @property
    def moves(self) -> tuple[Move, ...]:
        """Who changes variant, largest share first."""
        return moves_in(self.matrix)

    @property
    def moves_in_words(self) -> str:
        """The largest moves, in one line: `20% off → control, 20% off → treatment`."""
        return first_of([f"{move.text} {move.before} → {move.after}" for move in self.moves], _MOST_MOVES)

    @property
    def figures(self) -> str:
        """`40% reassigned`, what of it is required and what avoidable; of a new flag `reaches 40%`."""
        if self.is_new:
            return f"reaches {self.reassigned}"
        parts = [f"{self.required} required", f"{self.avoidable} avoidable"] if self.avoidable != "0%" else []
        parts += [] if self.is_exact else ["expected"]
        return f"{self.reassigned} reassigned" + (f" ({', '.join(parts)})" if parts else "")


class ExposureBlock(Struct, frozen=True, kw_only=True):
    """The exposure of one flag: the headline, a row per transition that moves users, and what figures cannot know.

    `transient` is "" where no user sees a wrong variant between two calls. `beside` is the part of the headline that
    rows do not show: payloads and flags that depend on this one.
    """

    headline: str
    beside: str
    transient: str
    rows: tuple[ExposureRow, ...]
    notes: tuple[str, ...]


def exposure_block(
    exposure: FlagExposure, transient: Fraction, elsewhere: frozenset[str] = frozenset(), *, is_new: bool = False
) -> ExposureBlock:
    """The exposure of a flag; variants have the same index in every row. A segment whose users all stay has no row.

    `elsewhere` are notes that are said once for the whole plan. A new flag (`is_new`) reaches users.
    """
    indexes = _indexes(exposure)
    label = "" if exposure.is_exact else " (expected)"
    moves = bool(exposure.switched or transient)
    beside = " ".join(_beside(exposure))
    headline = _headline(exposure, label, moves=moves, is_new=is_new)
    return ExposureBlock(
        headline=f"{headline} {beside}".rstrip(),
        beside=beside,
        transient=f"Temporarily wrong variant during apply: {percent(transient)} of users." if transient else "",
        rows=tuple(_row(item, indexes, is_new=is_new) for item in exposure.transitions if item.switched),
        notes=tuple(visible(note) for note in exposure.notes if note not in elsewhere)
        if moves or exposure.listed
        else (),
    )


def _headline(exposure: FlagExposure, label: str, *, moves: bool, is_new: bool) -> str:
    if moves:
        what = "a variant of the new flag" if is_new else "another variant"
        return f"At most {percent(exposure.switched)} of the users of any segment get {what}{label}."
    if exposure.listed:
        kinds = " and ".join(dict.fromkeys(item.kind for item in exposure.listed))
        return f"Only listed {kinds} get another variant."
    if exposure.payloads:
        return "No user gets another variant, but another payload:"
    return "Users of this flag keep their variants." if exposure.dependents else "No user gets another variant."


def _beside(exposure: FlagExposure) -> Iterator[str]:
    for item in exposure.payloads:
        if item.share:
            share = percent(item.share)
            yield f'{share} of the users of a segment keep "{visible(item.variant)}" with another payload.'
        if listed := item.users + item.cohorts:
            noun = "listed users or cohorts" if listed > 1 else "listed user or cohort"
            yield f'{listed} {noun} of "{visible(item.variant)}" with another payload.'
    if exposure.dependents:
        yield f"Affected flags that depend on it: {first_of([*map(visible, exposure.dependents)], _MOST_MOVES)}."


def bar(shares: tuple[Share, ...], width: int) -> tuple[tuple[str, str], ...]:
    """A stacked bar as runs of one character with their style; the runs are `width` long together.

    Shares are above 0. Each gets at least one cell, also where there are not enough.
    """
    cells = _cells([share.part for share in shares], width)
    return tuple(
        (fill(share.index) * count, _COLORS[share.index % len(_COLORS)])
        for share, count in zip(shares, cells, strict=True)
    )


def bar_text(shares: tuple[Share, ...], width: int) -> str:
    """The same bar without styles."""
    return "".join(run for run, _ in bar(shares, width))


def legend(shares: tuple[Share, ...]) -> str:
    """What the fills of a bar stand for: `█ control 5%  ▒ treatment 5%`."""
    return "  ".join(f"{fill(share.index)} {share.variant} {share.text}" for share in shares)


def fill(index: int) -> str:
    """The character that stands for a variant in bars."""
    return _FILLS[(index - 1) % len(_FILLS)] if index else _OFF_FILL


def matrix_of(item: SegmentTransition) -> tuple[Move, ...]:
    """Which users have which variant before and after, without pairs that no user has."""
    return tuple(
        Move(before=visible(old), after=visible(new), text=percent(part), part=part)
        for old, new, part in item.matrix
        if part
    )


def moves_in(matrix: Iterable[Move]) -> tuple[Move, ...]:
    """Who changes variant, largest share first."""
    return tuple(sorted((move for move in matrix if not move.stays), key=lambda move: -move.part))


def _row(item: SegmentTransition, indexes: dict[str, int], *, is_new: bool) -> ExposureRow:
    sides = (item.after_segment,) if is_new else (item.before_segment, item.after_segment)
    names = " → ".join(dict.fromkeys(map(visible, sides)))
    return ExposureRow(
        segment=f"{names} of {visible(item.clients)}" if item.clients else names,
        before=_shares(item.before, indexes),
        after=_shares(item.after, indexes),
        matrix=matrix_of(item),
        reassigned=percent(item.switched),
        required=percent(item.unavoidable),
        avoidable=percent(item.excess),
        is_exact=item.is_exact,
        is_new=is_new,
    )


def _shares(shares: tuple[tuple[str, Fraction], ...], indexes: dict[str, int]) -> tuple[Share, ...]:
    ordered = sorted(shares, key=lambda pair: indexes[pair[0]])
    return tuple(
        Share(variant=visible(variant), part=part, text=percent(part), index=indexes[variant])
        for variant, part in ordered
        if part
    )


def _indexes(exposure: FlagExposure) -> dict[str, int]:
    """The index of each variant, in the flag's order as far as the rows show it: the one with most variants leads."""
    indexes = {OFF: 0}
    sides = [side for item in exposure.transitions for side in (item.before, item.after)]
    for side in sorted(sides, key=len, reverse=True):
        for variant, _ in side:
            indexes.setdefault(variant, len(indexes))
    return indexes


def _cells(parts: list[Fraction], width: int) -> list[int]:
    """Whole cells by largest remainder, at least one for each part."""
    total = sum(parts)
    exact = [part * width / total for part in parts]
    cells = [max(1, int(size)) for size in exact]
    while sum(cells) > width and max(cells) > 1:
        cells[cells.index(max(cells))] -= 1
    by_remainder = sorted(range(len(parts)), key=lambda index: (cells[index] - exact[index], index))
    for index in by_remainder * width:
        if sum(cells) >= width:
            break
        cells[index] += 1
    return cells
