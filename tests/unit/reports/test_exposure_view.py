"""Bars and figures: every share has its place, and the words agree with the exact figures."""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders import a_transition, an_exposure
from hypothesis import given
from hypothesis import strategies as st

from reconciler.reports.exposure_view import Share, bar, exposure_block, fill

HALF = Fraction(1, 2)


def shares(*parts: Fraction) -> tuple[Share, ...]:
    """Shares of numbered variants."""
    return tuple(Share(variant=f"v{index}", part=part, text="", index=index) for index, part in enumerate(parts))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(20, 60))
def test_a_bar_is_as_long_as_it_should_be(weights: list[int], width: int) -> None:
    """The runs add up to the width, and every share that is not nothing is seen."""
    runs = bar(shares(*(Fraction(weight, sum(weights)) for weight in weights)), width)
    assert sum(len(run) for run, _ in runs) == width
    assert all(run for run, _ in runs)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_a_bar_is_off_by_less_than_the_cells_given_to_the_small(weights: list[int]) -> None:
    """No share is drawn a whole cell smaller than it is, but for what smaller ones needed to be seen."""
    parts = [Fraction(weight, sum(weights)) for weight in weights]
    runs = bar(shares(*parts), 40)
    assert all(abs(len(run) - part * 40) <= len(parts) for (run, _), part in zip(runs, parts, strict=True))


def test_variants_keep_their_fill() -> None:
    """A variant has the same fill in both bars and in every row; off has its own."""
    block = exposure_block(
        an_exposure(a_transition(), a_transition(before=(("treatment", HALF), ("off", HALF)))), HALF
    )
    indexes = {(share.variant, share.index) for row in block.rows for share in (*row.before, *row.after)}
    assert indexes == {("off", 0), ("control", 1), ("treatment", 2)}
    assert len({fill(index) for index in range(11)}) == 11


def test_moves_are_those_who_change_variant() -> None:
    """Who stays is not listed; the largest move comes first; all together they are `switched`."""
    (row,) = exposure_block(an_exposure(), Fraction(0)).rows
    assert row.moves_in_words == "20% off → control, 20% off → treatment"
    assert sum(move.part for move in row.moves) == Fraction(2, 5)


def test_many_moves_are_shortened() -> None:
    """After the eight largest moves the rest is counted."""
    cells = tuple(("off", f"v{number}", Fraction(number, 100)) for number in range(1, 11))
    (row,) = exposure_block(an_exposure(a_transition(matrix=cells)), Fraction(0)).rows
    assert row.moves_in_words.startswith("10% off → v10, ")
    assert row.moves_in_words.endswith(", 2 more")


@pytest.mark.parametrize(("is_exact", "label"), [(True, False), (False, True)])
def test_what_is_expected_is_labelled(is_exact: bool, label: bool) -> None:
    """A figure that rests on independence rather than on the same hash says so, in the row and in the headline."""
    block = exposure_block(an_exposure(a_transition(is_exact=is_exact)), Fraction(0))
    assert ("expected" in block.rows[0].figures) is label
    assert ("expected" in block.headline) is label


def test_nobody_moved_needs_no_bars() -> None:
    """A segment whose users all stay is not drawn; what they see on the way is a sentence."""
    still = a_transition(switched=Fraction(0), unavoidable=Fraction(0))
    assert exposure_block(an_exposure(still, notes=("a note",)), Fraction(0)).rows == ()
    assert exposure_block(an_exposure(still), Fraction(1, 100)).rows == ()
    assert exposure_block(an_exposure(still), Fraction(0)).transient == ""
    assert "1% of users" in exposure_block(an_exposure(still), Fraction(1, 100)).transient
    assert len(exposure_block(an_exposure(still, a_transition()), Fraction(0)).rows) == 1


def test_different_segments_are_named_both() -> None:
    """Users who fall into another segment than before are named by both."""
    (row,) = exposure_block(an_exposure(a_transition(after_segment="Beta")), Fraction(0)).rows
    assert row.segment == "All Other Users → Beta"


def test_a_new_flag_reaches_users() -> None:
    """It takes nothing from them, so no user is reassigned."""
    block = exposure_block(an_exposure(), Fraction(0), is_new=True)
    assert block.rows[0].figures == "reaches 40%"
    assert block.headline == "At most 40% of the users of any segment get a variant of the new flag."
