"""A plan's Markdown never outgrows a comment, and what is destructive is the last to go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from small_plans import HOSTILE, SMALL_PLANS

from reconciler.render.document import CallLine, FlagSection, PlanDocument, plan_document
from reconciler.render.markdown import LIMIT, render_plan_markdown
from reconciler.render.markdown_fit import BETWEEN, Block, fit
from reconciler.render.markdown_marker import marker

TOO_LONG = "**Too long for one comment:"


def a_section(number: int, *, action: str = "update", calls: int = 1, method: str = "PATCH") -> FlagSection:
    """The section of a flag, about 100 characters a call."""
    lines = (
        CallLine(order=i, kind="edit-flag", method=method, path=f"/api/1/flags/{number}/{i}", body="{}" + "x" * 60)
        for i in range(1, calls + 1)
    )
    return FlagSection(
        symbol="~",
        action=action,
        key=f"flag-{number}",
        place="flags/a.yaml:1",
        fields=(),
        calls=tuple(lines),
        exposure=None,
        warnings=(),
    )


def a_document(*sections: FlagSection) -> PlanDocument:
    """A plan of those flags, otherwise the everyday one."""
    return replace(plan_document(SMALL_PLANS["everyday"]()), flags=sections)


def test_a_plan_that_fits_is_shown_whole() -> None:
    """Nothing is said in brief as long as everything fits, to the character."""
    document = plan_document(SMALL_PLANS["everyday"]())
    whole = render_plan_markdown(document)
    assert TOO_LONG not in whole
    assert render_plan_markdown(document, len(whole)) == whole
    assert TOO_LONG in render_plan_markdown(document, len(whole) - 1)


@pytest.mark.parametrize("name", SMALL_PLANS)
@pytest.mark.parametrize("limit", [1_500, 3_000, 6_000, 20_000])
def test_no_plan_is_longer_than_the_limit(name: str, limit: int) -> None:
    """Whatever the names and values in it, as long as what is said of the whole plan fits."""
    document = plan_document(SMALL_PLANS[name]())
    if name == "hostile":
        document = replace(document, refusals=(), warnings=(), title="hostile", facts=(), notes=())
    assert len(render_plan_markdown(document, limit)) <= limit


def test_thousands_of_changes_fit_and_say_how_many_are_missing() -> None:
    """3,000 updated flags cannot be listed in a comment: most are counted."""
    text = render_plan_markdown(a_document(*(a_section(number) for number in range(3_000))))
    assert len(text) <= LIMIT
    shown = text.count("- `~ flag-")
    assert shown > 1_000
    assert f"{3_000 - shown} flags not at all" in text


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (a_section(7777, action="archive"), "archive: 0 fields, 1 call"),
        (a_section(7777, method="DELETE"), "/api/1/flags/7777/1"),
    ],
)
def test_what_takes_away_is_shown_before_everything_else(section: FlagSection, words: str) -> None:
    """Archiving and deleting keep their place, whole, behind a padding of 3,000 harmless changes."""
    harmless = [a_section(number) for number in range(3_000)]
    text = render_plan_markdown(a_document(*harmless, section))
    assert f"<summary><code>~ flag-7777</code> {section.action}" in text
    assert words in text


def test_what_takes_away_is_named_even_in_brief() -> None:
    """Where not even destructive changes fit at length, each still says what it takes."""
    sections = [a_section(number, calls=3, method="DELETE") for number in range(100)]
    text = render_plan_markdown(a_document(*sections), 25_000)
    assert "not at all" not in text
    assert all(f"`/api/1/flags/{number}/{call}`" in text or f"/{number}/{call} " in text
               for number in range(100) for call in (1, 2, 3))  # fmt: skip


@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 60), min_size=1, max_size=3)), max_size=12),
    st.integers(0, 300),
)
def test_blocks_fill_the_room_and_never_more(sizes: list[tuple[bool, list[int]]], room: int) -> None:
    """The fitted blocks fit; none that comes first is left out while there is room that another one took."""
    blocks = [
        Block(forms=tuple("x" * size for size in sorted(forms, reverse=True)), comes_first=first)
        for first, forms in sizes
    ]
    fitted = fit(blocks, room)
    assert sum(len(text) + BETWEEN for text in fitted.texts) <= room
    assert len(fitted.texts) + fitted.left_out == len(blocks)
    if sum(len(block.forms[0]) + BETWEEN for block in blocks) <= room:
        assert fitted.texts == tuple(block.forms[0] for block in blocks)
    firsts = [block for block in blocks if block.comes_first]
    if sum(len(block.forms[-1]) + BETWEEN for block in firsts) <= room:
        assert fitted.left_out <= len(blocks) - len(firsts)


@pytest.mark.parametrize("name", ["plan", *HOSTILE, "a--><b", "--"])
def test_a_marker_is_one_comment_whatever_the_name(name: str) -> None:
    """No name of an environment can end the hidden comment or begin another one."""
    sign = marker(name)
    assert sign.startswith("<!-- reconciler:")
    assert sign.endswith(" -->")
    assert not {"--", ">", "<", "\n"} & {sign[4:-3][i : i + n] for n in (1, 2) for i in range(len(sign))}


def test_the_marker_tells_environments_apart() -> None:
    """Each environment has a comment of its own."""
    plan = SMALL_PLANS["everyday"]()
    texts = {render_plan_markdown(plan_document(replace(plan, environment=name))).split("\n")[0] for name in "ab"}
    assert texts == {"<!-- reconciler:plan-a -->", "<!-- reconciler:plan-b -->"}
