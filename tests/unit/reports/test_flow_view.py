"""The geometry of flows: bars are whole, bands meet their parts, and no two variants look alike."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

import pytest
from builders import a_transition, an_exposure
from hypothesis import given
from hypothesis import strategies as st

from reconciler.reports.exposure_view import ExposureRow, exposure_block
from reconciler.reports.flow_view import Flow, flow, style_of

VARIANTS = ("off", "a", "b", "c")
MATRICES = st.dictionaries(
    st.tuples(st.sampled_from(VARIANTS), st.sampled_from(VARIANTS)), st.integers(1, 1000), min_size=1
)


def a_row(cells: dict[tuple[str, str], int]) -> ExposureRow:
    """A transition whose matrix has those weights."""
    total = sum(cells.values())
    matrix = tuple((old, new, Fraction(weight, total)) for (old, new), weight in sorted(cells.items()))
    before, after = (
        {key: sum(cell[2] for cell in matrix if cell[side] == key) for key in VARIANTS} for side in (0, 1)
    )
    moved = a_transition(
        matrix=matrix, before=tuple(before.items()), after=tuple(after.items()), switched=Fraction(1, 2)
    )
    return exposure_block(an_exposure(moved), Fraction(0)).rows[0]


def edges(outline: str) -> tuple[float, float, float, float]:
    """Left and right of a band above, left and right below."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", outline)]
    left, low_left, low_right, right = numbers[0], numbers[6], numbers[8], numbers[13]
    return left, right, low_left, low_right


@given(MATRICES)
def test_bars_are_whole(cells: dict[tuple[str, str], int]) -> None:
    """The parts of each bar lie side by side from one end to the other."""
    picture = flow(a_row(cells))
    for bar in (picture.before, picture.after):
        ends = [0.0, *(part.start + part.width for part in bar)]
        assert [part.start for part in bar] == pytest.approx(ends[:-1], abs=0.01)
        assert ends[-1] == pytest.approx(100, abs=0.02)


@given(MATRICES)
def test_bands_lie_within_their_pieces(cells: dict[tuple[str, str], int]) -> None:
    """A band leaves from the part of what users have now, and arrives at the part of what they have then."""
    picture = flow(a_row(cells))
    for band in picture.bands:
        left, right, low_left, low_right = edges(band.outline)
        assert _is_within(left, right, picture, band.move.before, "before")
        assert _is_within(low_left, low_right, picture, band.move.after, "after")
        assert right - left == pytest.approx(low_right - low_left, abs=0.2)


@given(MATRICES)
def test_lines_say_both_sides(cells: dict[tuple[str, str], int]) -> None:
    """Every variant of either bar has one line, with 0% where it has no part."""
    picture = flow(a_row(cells))
    parts = {part.share.variant for part in (*picture.before, *picture.after)}
    assert {line.variant for line in picture.lines} == parts
    assert len(picture.lines) == len(parts)
    missing = parts - {part.share.variant for part in picture.before}
    assert {line.variant for line in picture.lines if line.before == "0%"} == missing


def test_inks_differ() -> None:
    """Colour and pattern together tell 36 variants and off apart; neighbours differ in both."""
    styles = [style_of(index) for index in range(37)]
    assert len(set(styles)) == 37
    assert all(one.color != two.color and one.pattern != two.pattern for one, two in pairwise(styles))


def test_a_small_piece_has_no_label() -> None:
    """What would not fit is read in the table beside the picture."""
    picture = flow(a_row({("off", "off"): 95, ("off", "a"): 5}))
    assert [part.label for part in picture.after] == ["95%", ""]


def _is_within(left: float, right: float, picture: Flow, variant: str, side: str) -> bool:
    (part,) = [part for part in getattr(picture, side) if part.share.variant == variant]
    return part.start * 10 - 0.2 <= left <= right <= (part.start + part.width) * 10 + 0.2
