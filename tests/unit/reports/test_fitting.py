"""What is cut, and how many are left out, where a comment has to be shortened."""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders import a_plan
from msgspec.structs import replace

from reconciler.reports.exposure_view import ExposureBlock, ExposureRow, Move, Share
from reconciler.reports.fields import FieldLine
from reconciler.reports.fitting import (
    cut_marked,
    first_named,
    first_that_fit,
    fit,
    least_section,
    length_of,
    short_fields,
    short_section,
    short_view,
)
from reconciler.reports.plan_view import CallLine, FlagSection, PlanView, RefusalLine, plan_view
from reconciler.reports.sanitize import markdown_text

VIEW = plan_view(a_plan())
SECTION = VIEW.flags[0]
LONG = "x" * 1_000


def x(length: int) -> str:
    """The long text as it is cut to so many characters."""
    return "x" * (length - 1) + "…"


@pytest.mark.parametrize(("room", "count"), [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2), (99, 2)])
def test_how_many_texts_fit(room: int, count: int) -> None:
    """Each with a line break; one that does not fit ends them."""
    assert first_that_fit(["ab", "c"], room) == count
    assert first_that_fit(["ab", "c" * 50, ""], room) == min(count, 1) + 2 * (room == 99)


@pytest.mark.parametrize(
    ("room", "chosen"),
    [
        (2, [None, None, None]),
        (3, [None, "b", None]),
        (4, ["aa", None, None]),
        (7, ["aa", "b", None]),
        (12, ["aaaaaa", "b", None]),
        (13, ["aa", "b", "cccc"]),
        (16, ["aa", "bbbb", "cccc"]),
        (17, ["aaaaaa", "b", "cccc"]),
        (18, ["aaaaaa", "b", "cccc"]),
        (19, ["aaaaaa", "bbb", "cccc"]),
        (20, ["aaaaaa", "bbbb", "cccc"]),
    ],
)
def test_each_block_has_its_shortest_form_before_one_has_a_longer(room: int, chosen: list[str | None]) -> None:
    """With two characters between blocks; the first of them have the longer forms."""
    assert fit([("aaaaaa", "aa"), ("bbbb", "bbb", "b"), ("cccc",)], room) == chosen
    assert length_of(chosen) <= room
    assert length_of(["a", None, "bcd"]) == 8


def test_ten_keys_are_named() -> None:
    """Of long ones the first sixty characters."""
    assert first_named([LONG, *"abcdefghi"]) == f"{x(60)}, a, b, c, d, e, f, g, h, i"
    assert first_named("abcdefghijkl") == "a, b, c, d, e, f, g, h, i, j, 2 more"


@pytest.mark.parametrize("sign", ["x", "*", "|", "@a", "é", "\U000e0041"])
def test_a_text_is_cut_by_what_it_takes_as_markdown(sign: str) -> None:
    """Not before that is too long."""
    text = sign * 300
    for length in (40, 80, 160):
        cut = cut_marked(text, length)
        assert cut.endswith("…")
        assert length - 20 <= len(markdown_text(cut)) <= length
    fitting = markdown_text(sign * 20)
    assert cut_marked(sign * 20, len(fitting)) == sign * 20


def fields(count: int) -> tuple[FieldLine, ...]:
    """Lines with long texts."""
    return tuple(FieldLine(symbol="~", label=f"{n}{LONG}", before=LONG, after=None) for n in range(count))


def test_twelve_fields_are_shown() -> None:
    """Their texts are cut, and the others are counted."""
    short = FieldLine(symbol="~", label=f"0{x(159)}", before=x(160), after=None)
    assert short_fields(fields(12))[0] == short
    assert [line.label[:2] for line in short_fields(fields(12))] == [f"{n}x"[:2] for n in range(12)]
    for count, words in ((13, "1 more field"), (15, "3 more fields")):
        found = short_fields(fields(count))
        assert found[:12] == short_fields(fields(12))
        assert found[12:] == (FieldLine(symbol="…", label=words),)
    sides = replace(short, before=None, after=LONG)
    assert short_fields((sides,)) == (replace(sides, after=x(160)),)
    assert short_fields(()) == ()


def a_section(**changed: object) -> FlagSection:
    """A flag with long texts everywhere."""
    defaults = {"key": LONG, "place": LONG, "fields": fields(13), "warnings": (LONG,) * 13, "exposure": None}
    return replace(SECTION, **defaults | changed)


def a_call(order: int) -> CallLine:
    """A call with a long request."""
    return CallLine(order=order, kind="edit-flag", method="PATCH", path=LONG, body=LONG if order % 2 else None)


def test_a_short_section() -> None:
    """Twelve of everything; the last call says how many more there are."""
    short = short_section(a_section(calls=tuple(map(a_call, range(1, 13)))))
    assert (short.key, short.place, short.fields) == (x(160), x(160), short_fields(fields(13)))
    assert short.warnings == (*[x(320)] * 12, "1 more warning")
    assert short.calls == tuple(replace(a_call(n), path=x(160), body=x(160) if n % 2 else None) for n in range(1, 13))
    for count, words in ((13, "and 1 more call"), (14, "and 2 more calls")):
        calls = short_section(a_section(calls=tuple(map(a_call, range(1, count + 1))))).calls
        assert calls == (*short.calls[:11], replace(short.calls[11], note=words))
    least = least_section(a_section(calls=(a_call(1),), warnings=(LONG,) * 12))
    assert (least.fields, least.calls, least.warnings) == ((), (), (x(320),) * 12)
    assert (least.key, least.place, least.exposure) == (short.key, short.place, None)


def a_row(name: str, part: int, *, variants: int = 1) -> ExposureRow:
    """A segment of which so many percent move, and one percent stays; its variants have long names."""
    shares = tuple(
        Share(variant=f"{n}{LONG}", part=Fraction(1, 100), text="1%", index=n) for n in range(1, variants + 1)
    )
    moves = (
        Move(before=LONG, after=f"2{LONG}", text="", part=Fraction(part, 100)),
        Move(before="a", after="a", text="", part=Fraction(1, 2)),
    )
    return replace(A_ROW, segment=f"{name}{LONG}", before=shares, after=shares[:1], matrix=moves)


A_ROW = ExposureRow(
    segment="", before=(), after=(), matrix=(), reassigned="1%", required="1%", avoidable="0%", is_exact=True,
    is_new=False,
)  # fmt: skip


def test_an_exposure_is_cut_to_the_segments_with_most_moves() -> None:
    """Four of them, in their order, with eight variants each."""
    rows = tuple(a_row(name, part) for name, part in (("a", 5), ("b", 1), ("c", 9), ("d", 7), ("e", 6)))
    block = ExposureBlock(headline="h", beside="b", transient="t", rows=rows, notes=(LONG,) * 13)
    short = short_section(a_section(exposure=block)).exposure
    assert short is not None
    assert (short.headline, short.beside, short.transient) == ("h", "b", "t")
    assert [row.segment for row in short.rows] == [f"{name}{x(159)}" for name in "acde"]
    assert short.notes == (
        *[x(320)] * 12, "1 more note", "1 more segment where fewer users get another variant.",
    )  # fmt: skip
    (move, stays) = short.rows[0].matrix
    assert (move.before, move.after, stays.before) == (x(40), f"2{x(39)}", "a")
    few = least_section(a_section(exposure=replace(block, rows=rows[:4], notes=(LONG,)))).exposure
    assert few is not None
    assert (len(few.rows), few.notes) == (4, (x(320),))


@pytest.mark.parametrize(("count", "rest"), [(8, []), (9, [("1 more variant", 1)]), (11, [("3 more variants", 3)])])
def test_eight_variants_of_a_segment_are_shown(count: int, rest: list[tuple[str, int]]) -> None:
    """The others as one, with what they have together."""
    block = ExposureBlock(headline="", beside="", transient="", rows=(a_row("a", 1, variants=count),), notes=())
    short = short_section(a_section(exposure=block)).exposure
    assert short is not None
    (row,) = short.rows
    assert [(share.variant, share.part) for share in row.before] == [
        *((f"{n}{x(39)}", Fraction(1, 100)) for n in range(1, 9)),
        *((name, Fraction(part, 100)) for name, part in rest),
    ]
    assert [share.text for share in row.before] == ["1%"] * 8 + [f"{part}%" for _, part in rest]
    assert [share.index for share in row.before] == list(range(1, 9 + len(rest)))
    assert row.after == row.before[:1]


def a_refusal(guard: str, number: int = 0) -> RefusalLine:
    """What a guard says."""
    return RefusalLine(guard=guard, message=f"{number:02}{LONG}", override="", key=LONG)


def shown(lines: tuple[RefusalLine, ...]) -> list[tuple[str, str]]:
    """The guards, and the number of what each says."""
    return [(line.guard, line.message[:2]) for line in lines]


def test_twenty_refusals_are_shown_the_first_of_each_guard_among_them() -> None:
    """In their order; the others are counted."""
    many = tuple(a_refusal("shield", n) for n in range(25))
    view = short_view(replace(VIEW, refusals=(*many, a_refusal("max-changes", 25)), held=many[:20]))
    assert shown(view.refusals) == [*(("shield", f"{n:02}") for n in range(19)), ("max-changes", "25")]
    assert (view.hidden_refusals, view.hidden_held) == (6, 0)
    assert view.held == tuple(replace(line, message=f"{line.message[:2]}{x(318)}", key=x(40)) for line in many[:20])
    held = short_view(replace(VIEW, held=many[:21]))
    assert (len(held.held), held.hidden_held, held.refusals, held.hidden_refusals) == (20, 1, (), 0)


@pytest.mark.parametrize(
    ("name", "most", "noun"), [("warnings", 20, "warning"), ("schedules", 20, "rollout"), ("notes", 12, "note")]
)
def test_sentences_about_a_plan(name: str, most: int, noun: str) -> None:
    """As many as fit at any rate; each is cut."""
    for count, rest in ((most, ()), (most + 1, (f"1 more {noun}",)), (most + 2, (f"2 more {noun}s",))):
        view: PlanView = short_view(replace(VIEW, **{name: (LONG,) * count}))
        assert getattr(view, name) == (*[x(320)] * most, *rest)


def test_what_else_is_said_of_a_plan_is_cut() -> None:
    """Its flags are as they were."""
    view = short_view(replace(VIEW, title=LONG, widest=(LONG,), facts=(LONG, "a")))
    assert (view.title, view.widest, view.facts, view.flags) == (x(160), (x(320),), (x(320), "a"), VIEW.flags)
