"""Bars and figures: every share has its place, and the words agree with the exact figures."""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders import a_transition, an_exposure
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.evaluation.exposure import FlagExposure, ListedMove, PayloadShare
from reconciler.reports.exposure_view import Share, bar, bar_text, exposure_block, fill, legend

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


def test_where_no_user_moves_there_are_no_bars() -> None:
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


@pytest.mark.parametrize(
    ("weights", "width", "cells"),
    [
        ((), 4, ()),
        ((1,), 4, (4,)),
        ((1, 1), 3, (2, 1)),
        ((1, 1), 4, (2, 2)),
        ((1, 2), 4, (1, 3)),
        ((98, 1, 1), 10, (8, 1, 1)),
        ((1, 1, 98), 10, (1, 1, 8)),
        ((33, 33, 34), 10, (3, 3, 4)),
        ((995, 5), 10, (9, 1)),
        ((1, 1, 1), 2, (1, 1, 1)),
    ],
)
def test_cells_of_a_bar(weights: tuple[int, ...], width: int, cells: tuple[int, ...]) -> None:
    """By the largest remainder, the first of several; what is small is taken from the widest."""
    parts = tuple(Fraction(weight, 2 * sum(weights)) for weight in weights)
    assert tuple(len(run) for run, _ in bar(shares(*parts), width)) == cells
    assert bar_text(shares(*parts), width) == "".join(fill(index) * count for index, count in enumerate(cells))


def test_fills_and_colours_begin_again() -> None:
    """After ten fills and seven colours; `off` has a fill of its own, the legend names them all."""
    runs = bar(shares(*[Fraction(1, 12)] * 12), 12)
    assert "".join(run for run, _ in runs) == "·█▒▓░▚▞▤▥▦▧█"
    colours = ["dim", "cyan", "magenta", "blue", "yellow", "green", "red"]
    assert [colour for _, colour in runs] == [*colours, *colours[:5]]
    (row,) = exposure_block(an_exposure(), Fraction(0)).rows
    assert legend(row.before) == "· off 90%  █ control 5%  ▒ treatment 5%"


def test_shares_of_nothing_are_not_drawn() -> None:
    """The order is that of the side with most variants."""
    none = Fraction(0)
    before = (("b", HALF), ("off", HALF), ("gone", none))
    (row,) = exposure_block(an_exposure(a_transition(before=before, after=(("c", HALF), ("b", HALF)))), none).rows
    assert legend(row.before) == "· off 50%  █ b 50%"
    assert legend(row.after) == "█ b 50%  ▓ c 50%"


@pytest.mark.parametrize(
    ("fields", "figures"),
    [
        ({}, "40% reassigned"),
        ({"unavoidable": Fraction(3, 10)}, "40% reassigned (30% required, 10% avoidable)"),
        ({"is_exact": False}, "40% reassigned (expected)"),
        (
            {"is_exact": False, "unavoidable": Fraction(0)},
            "40% reassigned (0% required, 40% avoidable, expected)",
        ),
    ],
)
def test_figures_of_a_row(fields: dict[str, object], figures: str) -> None:
    """What is avoidable is told where there is any."""
    assert exposure_block(an_exposure(a_transition(**fields)), Fraction(0)).rows[0].figures == figures


NONE = an_exposure(a_transition(switched=Fraction(0), unavoidable=Fraction(0)), notes=("First.", "Second."))
USERS, COHORTS = (ListedMove(kind=kind, before="off", after="on", count=1) for kind in ("users", "cohorts"))
A_PAYLOAD = PayloadShare(variant="on", share=HALF)


@pytest.mark.parametrize(
    ("exposure", "transient", "headline", "notes"),
    [
        (NONE, 0, "No user gets another variant.", ()),
        (NONE, HALF, "At most 0% of the users of any segment get another variant.", ("Second.",)),
        (an_exposure(), 0, "At most 40% of the users of any segment get another variant.", ()),
        (
            an_exposure(a_transition(is_exact=False)),
            0,
            "At most 40% of the users of any segment get another variant (expected).",
            (),
        ),
        (replace(NONE, listed=(USERS,)), 0, "Only listed users get another variant.", ("Second.",)),
        (
            replace(NONE, listed=(USERS, COHORTS, USERS)),
            0,
            "Only listed users and cohorts get another variant.",
            ("Second.",),
        ),
        (
            replace(NONE, payloads=(A_PAYLOAD,)),
            0,
            (
                "No user gets another variant, but another payload:"
                ' 50% of the users of a segment keep "on" with another payload.'
            ),
            (),
        ),
        (
            replace(NONE, payloads=(replace(A_PAYLOAD, share=Fraction(0), users=1),)),
            0,
            (
                "No user gets another variant, but another payload:"
                ' 1 listed user or cohort of "on" with another payload.'
            ),
            (),
        ),
        (
            replace(an_exposure(), payloads=(replace(A_PAYLOAD, users=1, cohorts=1),), dependents=("a", "b")),
            0,
            (
                "At most 40% of the users of any segment get another variant."
                ' 50% of the users of a segment keep "on" with another payload.'
                ' 2 listed users or cohorts of "on" with another payload.'
                " Affected flags that depend on it: a, b."
            ),
            (),
        ),
        (
            replace(NONE, dependents=tuple("abcdefghij")),
            0,
            (
                "Users of this flag keep their variants."
                " Affected flags that depend on it: a, b, c, d, e, f, g, h, 2 more."
            ),
            (),
        ),
    ],
)
def test_headlines(exposure: FlagExposure, transient: Fraction, headline: str, notes: tuple[str, ...]) -> None:
    """Who is affected in one line; notes, but for those that are told elsewhere, only where a user is moved."""
    block = exposure_block(exposure, Fraction(transient), frozenset({"First."}))
    assert (block.headline, block.notes) == (headline, notes)
    assert block.headline.endswith(block.beside)
    said = "Temporarily wrong variant during apply: 50% of users."
    assert block.transient == (said if transient else "")
