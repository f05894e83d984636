"""A plan's Markdown never outgrows a comment, and what it does to users is the last to go."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_flag_plan, a_plan, a_transition, an_exposure
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from small_plans import HOSTILE, SMALL_PLANS

from reconciler.evaluation.exposure import ListedMove
from reconciler.planning.operations import DeleteVariant, EditFlag, EditVariant
from reconciler.planning.plan import Refusal, Released, ValueChange
from reconciler.reports.effects import EffectRow
from reconciler.reports.fitting import fit, length_of
from reconciler.reports.plan_markdown import LIMIT, _wrapped, effect_row, plan_markdown
from reconciler.reports.plan_view import plan_view
from reconciler.reports.registry import PLAN, RenderOptions, render
from reconciler.reports.sanitize import marker

if TYPE_CHECKING:
    from reconciler.planning.plan import FieldChange, FlagPlan

TOO_LONG = "**Too long for one comment:"


def harmless(number: int, text: str = "") -> FlagPlan:
    """A flag of which only the description changes."""
    key = f"flag-{number:04}"
    return a_flag_plan(
        key,
        changes=(ValueChange(path="/description", before="", after=text or "x" * 60),),
        operations=(EditFlag(flag_key=key, body={"description": text or "x" * 60}),),
        exposure=an_exposure(a_transition(switched=Fraction(0), unavoidable=Fraction(0), matrix=())),
    )


def moved(key: str, share: Fraction, *more: FieldChange, **fields: Any) -> FlagPlan:
    """A flag whose rollout gives so many users the treatment."""
    transition = a_transition(
        matrix=(("off", "treatment", share), ("off", "off", 1 - share)), switched=share, unavoidable=share
    )
    changes = (*more, ValueChange(path="/rolloutPercentage", before=0, after=int(share * 100)))
    return a_flag_plan(key, **{"changes": changes, "exposure": an_exposure(transition)} | fields)


def a_deletion(key: str, *variants: str) -> FlagPlan:
    """A flag that loses variants which users have."""
    gone = (ValueChange(path=f"/variants/{name}", before={"key": name}, after=None) for name in variants)
    calls = tuple(DeleteVariant(flag_key=key, variant_key=name) for name in variants)
    return moved(key, Fraction(1, 5), *gone, operations=calls)


def rendered(*flags: FlagPlan, limit: int = LIMIT) -> str:
    """A plan of those flags as Markdown."""
    return plan_markdown(plan_view(a_plan(*flags)), limit)


def row_of(key: str, text: str) -> str:
    """The row of a flag in the table of effects."""
    return next(line for line in text.splitlines() if f"| `{key}` |" in line)


def test_a_plan_that_fits_is_shown_whole() -> None:
    """Nothing is said in brief as long as everything fits, to the character."""
    document = plan_view(SMALL_PLANS["everyday"]())
    whole = plan_markdown(document)
    assert TOO_LONG not in whole
    assert plan_markdown(document, len(whole)) == whole
    assert TOO_LONG in plan_markdown(document, len(whole) - 1)


@pytest.mark.parametrize("name", SMALL_PLANS)
@pytest.mark.parametrize("limit", [1_500, 3_000, 6_000, 20_000])
def test_no_plan_is_longer_than_the_limit(name: str, limit: int) -> None:
    """With any names and values in it, as long as what is said of the whole plan fits."""
    document = plan_view(SMALL_PLANS[name]())
    if name == "hostile":
        document = replace(document, refusals=(), warnings=(), title="hostile", facts=(), notes=())
    assert len(plan_markdown(document, limit)) <= limit


def test_thousands_of_changes_fit_and_say_how_many_are_missing() -> None:
    """3,000 updated flags cannot be listed in a comment: most are counted, none is shown twice."""
    text = rendered(*(harmless(number) for number in range(3_000)))
    assert len(text) <= LIMIT
    rows, names = (
        re.findall(r"^\| low \| `(.*?)`", text, re.MULTILINE),
        re.findall("^- `~ (.*?)`", text, re.MULTILINE),
    )
    assert len(rows) > 700
    assert len(names) > 100
    assert not {*rows} & {*names}
    assert f"{3_000 - len(rows) - len(names)} flags not at all" in text


@pytest.mark.parametrize(
    ("count", "named", "rest"), [(20, 20, None), (21, 20, "1 more warning"), (99, 20, "79 more warnings")]
)
def test_many_warnings_about_the_plan_leave_room(count: int, named: int, rest: str | None) -> None:
    """Where the page has to be cut, the first twenty stay and the others are counted."""
    plan = a_plan(*map(harmless, range(1_000)), warnings=tuple(f"warning {number}." for number in range(count)))
    text = plan_markdown(plan_view(plan))
    assert TOO_LONG in text
    assert len(re.findall(r"^- ⚠️ warning \d+\.$", text, re.MULTILINE)) == named
    assert (f"- ⚠️ {rest}\n" in text) is (rest is not None)


@pytest.mark.parametrize("padding", [400, 3_000])
def test_what_moves_everyone_is_told_first_behind_any_padding(padding: int) -> None:
    """Many harmless changes before it in the alphabet leave its row, its details and its exposure."""
    text = rendered(*map(harmless, range(padding)), moved("zz", Fraction(1)))
    assert len(text) <= LIMIT
    assert "100% of All Other Users: off → treatment" in row_of("zz", text)
    assert "All Other Users: 100% reassigned" in text
    assert text.index("| `zz` |") < text.index("| `flag-0000` |")
    assert re.findall("<code>(.*?)</code>", text)[0] == "~ zz"


def test_a_large_payload_beside_the_move_hides_nothing() -> None:
    """Neither the row nor the exposure is given up for the size of the flag's own other changes."""
    payload = ValueChange(path="/variants/treatment/payload", before=None, after="y" * 70_000)
    call = EditVariant(flag_key="zz", variant_key="treatment", body={"payload": "y" * 70_000})
    text = rendered(moved("zz", Fraction(1), payload, operations=(call,)), harmless(1))
    assert len(text) <= LIMIT
    assert "100% of All Other Users" in row_of("zz", text)
    assert "payload of treatment" in row_of("zz", text)
    assert "All Other Users: 100% reassigned" in text
    assert f"edit-variant: PATCH /api/1/flags/123/variants/treatment {'{'}" in text


def test_many_small_moves_do_not_hide_a_large_one() -> None:
    """Where not even the table holds every flag with an effect, those that move most users stay in it."""
    text = rendered(*(moved(f"flag-{n:04}", Fraction(1, 100)) for n in range(3_000)), moved("zz", Fraction(1)))
    assert len(text) <= LIMIT
    assert "100% of All Other Users" in row_of("zz", text)
    rows = text.count("off → treatment |")
    assert f"{3_001 - rows} more rows did not fit into the table**, the gravest low: at most 1% of" in text


def switched(number: int) -> FlagPlan:
    """A flag that is turned on for one listed user."""
    listed = ListedMove(kind="users", before="off", after="on", count=1)
    still = a_transition(switched=Fraction(0), unavoidable=Fraction(0), matrix=())
    on = ValueChange(path="/enabled", before=False, after=True)
    return a_flag_plan(f"flag-{number:04}", changes=(on,), exposure=replace(an_exposure(still), listed=(listed,)))


@pytest.mark.parametrize("padding", [0, 60_000])
@pytest.mark.parametrize("count", [420, 3_000])
def test_many_switches_for_few_do_not_hide_a_move_of_many(count: int, padding: int) -> None:
    """The move stands in the head, in the first row and in the first details, however long it is made itself."""
    text = ValueChange(path="/variants/treatment/payload", before=None, after="y" * padding)
    page = rendered(*map(switched, range(count)), moved("zz", Fraction(99, 100), text))
    assert len(page) <= LIMIT
    assert "Max exposure change: zz, 99% of All Other Users: off → treatment." in page.splitlines()
    rows, blocks = re.findall(r"^\| (?:high|medium|low) .*$", page, re.MULTILINE), re.findall(r"<summary>.*", page)
    assert "| `zz` |" in rows[0]
    assert "<code>~ zz</code>" in blocks[0]
    assert "All Other Users: 99% reassigned" in page


def test_many_refusals_leave_room_and_every_guard_is_named() -> None:
    """Where the page has to be cut, some of each guard stay and the others are counted."""
    messages = ("x" * 300, "y")
    refusals = [
        Refusal(guard=name, message=message, override="")
        for name, message, count in zip(("exposure", "zero-weights"), messages, (500, 1), strict=True)
        for _ in range(count)
    ]
    page = plan_markdown(plan_view(a_plan(moved("zz", Fraction(1)), refusals=tuple(refusals))))
    assert len(page) <= LIMIT
    assert page.count("- `exposure`: ") == 19
    assert page.count("- `zero-weights`: ") == 1
    assert "481 more refusals" in page
    assert "100% of All Other Users" in row_of("zz", page)


@pytest.mark.parametrize("padding", [*HOSTILE, "|" * 300, "@a" * 300, "x" * 70_000])
def test_no_text_of_others_pushes_an_effect_out(padding: str) -> None:
    """Names of segments and variants, warnings and values of any length and form."""
    transition = a_transition(
        before_segment=padding, after_segment=padding, matrix=((padding, "b", Fraction(1)),), switched=Fraction(1)
    )
    exposure = an_exposure(transition, notes=(padding,))
    flag = moved("zz", Fraction(1), warnings=(padding,) * 20, exposure=exposure)
    noisy = [replace(harmless(n, padding), warnings=(padding,)) for n in range(60)]
    text = rendered(*noisy, flag)
    assert len(text) <= LIMIT
    assert "100% of " in row_of("zz", text)


@pytest.mark.parametrize("count", [1, 100])
def test_a_flag_that_loses_variants_says_so(count: int) -> None:
    """Deletions are named in the row, even where details of a hundred flags do not fit."""
    text = rendered(*(a_deletion(f"flag-{n}", "a", "b") for n in range(count)), limit=3_000 if count == 1 else 25_000)
    assert all("variant a removed, variant b removed" in row_of(f"flag-{n}", text) for n in range(count))


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=3), max_size=12), st.integers(0, 300))
def test_blocks_fill_the_room_and_never_more(sizes: list[list[int]], room: int) -> None:
    """The chosen forms fit; where all fit at length all are whole, where all fit in brief none is left out."""
    blocks = [["x" * size for size in sorted(forms, reverse=True)] for forms in sizes]
    chosen = fit(blocks, room)
    assert length_of(chosen) <= room
    assert all(text is None or text in forms for text, forms in zip(chosen, blocks, strict=True))
    if length_of(forms[0] for forms in blocks) <= room:
        assert chosen == [forms[0] for forms in blocks]
    if length_of(forms[-1] for forms in blocks) <= room:
        assert None not in chosen


@pytest.mark.parametrize("name", ["plan", *HOSTILE, "a--><b", "--"])
def test_a_marker_is_one_comment_with_any_name(name: str) -> None:
    """No name of an environment can end the hidden comment or begin another one."""
    sign = marker(name)
    assert sign.startswith("<!-- reconciler:")
    assert sign.endswith(" -->")
    assert not {"--", ">", "<", "\n"} & {sign[4:-3][i : i + n] for n in (1, 2) for i in range(len(sign))}


def test_the_marker_tells_environments_apart() -> None:
    """Each environment has a comment of its own."""
    plan = SMALL_PLANS["everyday"]()
    texts = {render(PLAN, "markdown", replace(plan, environment=name)).split("\n")[0] for name in "ab"}
    assert texts == {"<!-- reconciler:plan-a -->", "<!-- reconciler:plan-b -->"}


HELD = Refusal(guard="rebucket", message="no", override="--allow rebucket:shop", alternatives=("wait",))


def test_a_held_flag_is_told_in_the_first_sentence_and_with_the_label() -> None:
    """The last line of the text plan counts what is sent; a pull request's label saves editing a workflow."""
    page = rendered(moved("shop", Fraction(1, 2), held=(HELD,)), moved("other", Fraction(1, 5)))
    assert "max exposure change 20%; 1 flag held by safety checks**" in page.splitlines()[3]
    assert "| `shop` | held by safety check rebucket: rollout 0 → 50% |" in page
    told = (
        "To continue anyway: `--allow rebucket:shop`, or the label `flags-allow:rebucket:shop` on the pull request."
    )
    assert f"- `shop` `rebucket`: no Safer: wait. {told}" in page.splitlines()


@pytest.mark.parametrize("override", ["--unarchive", "--allow 'rebucket:a b'", "--allow rebucket:" + "x" * 30, ""])
def test_a_label_is_named_only_where_it_can_be_set(override: str) -> None:
    """GitHub takes 50 characters, and labels are no shell words."""
    page = rendered(moved("shop", Fraction(1, 2), held=(replace(HELD, override=override),)))
    assert "flags-allow" not in page
    assert (override or "No --allow overrides this.") in page


def test_a_label_may_have_fifty_characters() -> None:
    override = "--allow rebucket:" + "x" * 29
    page = rendered(moved("shop", Fraction(1, 2), held=(replace(HELD, override=override),)))
    assert f"`{override}`, or the label `flags-allow:rebucket:{'x' * 29}` on the pull request." in page


def test_a_flag_of_which_no_change_is_named_has_its_action() -> None:
    """As one that is held before it was compared."""
    held = moved("shop", Fraction(0), held=(HELD,), operations=())
    view = plan_view(a_plan(replace(held, changes=())))
    (section,) = view.flags
    nameless = replace(section, effect=replace(section.effect, change=""))
    page = plan_markdown(replace(view, flags=(nameless,)))
    assert "<summary><code>! shop</code> held</summary>" in page


def test_nothing_is_said_twice_and_no_column_is_empty() -> None:
    """What the row says is not said again above details; a side that no field has is no column."""
    page = rendered(moved("shop", Fraction(1, 2)))
    assert "Max exposure change" not in page
    assert "At most" not in page
    assert "**Exposure**" in page.splitlines()
    assert "Exposure" not in rendered(harmless(1))
    new, gone = (ValueChange(path="/name", before=a, after=b) for a, b in ((None, "n"), ("n", None)))
    assert '| | field | git |\n|---|---|---|\n| `+` | `name` | `"n"` |' in rendered(a_flag_plan("a", changes=(new,)))
    assert "| | field | live |" in rendered(a_flag_plan("a", changes=(gone,)))


def test_a_long_line_of_moves_is_wrapped() -> None:
    """A block in a comment has no wrapping of its own."""
    matrix = tuple((f"from-{n}", f"to-{n}", Fraction(1, 10)) for n in range(8))
    page = rendered(a_flag_plan("a", exposure=an_exposure(a_transition(matrix=matrix))))
    found = page[page.index("  move ") :].split("```")[0].splitlines()
    assert len(found) > 1
    assert max(map(len, found)) <= 100
    assert all(re.fullmatch(r" {2}(move| {4}) (\d+% from-\d → to-\d(, |,?$))+", line) for line in found)


def test_flags_of_a_plan_that_is_too_long_are_closed() -> None:
    """Of a few they are open."""
    few, many = (rendered(*(moved(f"f{n}", Fraction(1, 100)) for n in range(count))) for count in (2, 200))
    assert few.count("<details open>") == 2
    assert many.count("<details>") > 50
    assert "<details open>" not in many


@pytest.mark.parametrize("limit", [2_500, 4_000, 6_000, 9_000, 12_000, 16_000, 24_000])
def test_what_is_left_out_is_counted(limit: int) -> None:
    """In the table only, in brief, or not at all; of rows that are left out the gravest is told."""
    grave = [
        moved(f"m-{number}", Fraction(30 - number, 100), ValueChange(path="/name", before="a" * 900, after="b"))
        for number in range(20)
    ]
    flags = [*grave, *(harmless(number, "x" * 300) for number in range(20))]
    text = rendered(*flags, limit=limit)
    keys = [f"m-{number}" for number in range(20)] + [f"flag-{number:04}" for number in range(20)]
    in_table = [key for key in keys if f"| `{key}` |" in text]
    named = [key for key in keys if f"<summary><code>~ {key}</code>" in text or f"- `~ {key}` " in text]
    sections = text.split("<summary><code>~ ")[1:]
    whole = [item for item in sections if "a" * 900 in item or "x" * 300 in item.split("</details>")[0]]
    assert in_table == keys[: len(in_table)]
    counts = {
        "in brief": len(named) - len(whole),
        "in the table only": len({*in_table} - {*named}),
        "not at all": len({*keys} - {*in_table} - {*named}),
    }
    said = [f"{count} flag{'' if count == 1 else 's'} {words}" for words, count in counts.items() if count]
    assert f"**Too long for one comment: {' and '.join(said)}.** `reconciler plan` shows everything." in text
    left = len(keys) - len(in_table)
    most = 30 - len(in_table) if len(in_table) < 20 else 0
    rest = (
        f"**{left} more row{'' if left == 1 else 's'} did not fit into the table**, the gravest low: "
        f"at most {most}% of the users of any segment get another variant."
    )
    assert (rest in text) is bool(left)
    assert "more row" not in text.replace(rest, "")


def forms_of(page: str, *keys: str) -> str:
    """How many rows a page has, and of each flag in which form its details are shown."""
    words = [str(len(re.findall(r"^\| low \| ", page, re.MULTILINE)))]
    for key in keys:
        block = page.partition(f"<summary><code>~ {key}</code>")[2].partition("</details>")[0]
        form = "whole" if "v" * 300 in block else "short" if "| field |" in block else "least" if block else "-"
        words.append("named" if f"- `~ {key}` update: 1 field, 1 call" in page else form)
    return " ".join(words)


V = ValueChange(path="/name", before="v" * 300, after="b")
LONG_KEYS = [f"{number:02}{'k' * 98}" for number in range(14)]


@pytest.mark.parametrize(
    ("flags", "keys", "whole", "steps"),
    [
        (
            (moved("a", Fraction(1, 2), V), moved("b", Fraction(1, 5), V), harmless(1, "v" * 300), harmless(2)),
            ("a", "b", "flag-0001", "flag-0002"),
            "5 whole whole whole short",
            (
                (3427, "5 whole whole - -"),
                (2536, "5 whole short - -"),
                (2394, "5 whole least - -"),
                (1958, "5 short least - -"),
                (1816, "5 least least - -"),
                (1380, "5 least - - -"),
                (984, "5 - - - -"),
                (673, "4 - - - named"),
                (600, "3 - - named named"),
                (554, "3 - - named -"),
                (528, "2 - - named named"),
                (489, "2 - - named -"),
                (448, "2 - - - -"),
                (446, "1 - - named named"),
                (409, "1 - - named -"),
                (368, "1 - - - -"),
                (346, "0 - - named named"),
                (329, "0 - - named -"),
                (288, "0 - - - -"),
            ),
        ),
        (
            (harmless(1), harmless(2)),
            ("flag-0001", "flag-0002"),
            "3 short short",
            (
                (850, "3 - -"),
                (474, "2 - named"),
                (412, "2 - -"),
                (401, "1 named named"),
                (395, "1 named -"),
                (354, "1 - -"),
                (329, "0 named -"),
                (289, "0 - -"),
            ),
        ),
        (
            (moved("a", Fraction(1, 2), V), *(replace(harmless(0), key=key) for key in LONG_KEYS)),
            ("a", *LONG_KEYS[-3:]),
            "16 least - - -",
            (
                (3033, "15 least - - named"),
                (2855, "15 least - - -"),
                (2847, "14 least - named named"),
                (2838, "14 least - named -"),
                (2706, "14 least - - -"),
                (2661, "13 least named - -"),
                (2557, "13 least - - -"),
            ),
        ),
    ],
    ids=["grave and harmless", "harmless", "many harmless"],
)
def test_the_form_that_each_flag_has_at_each_limit(
    flags: tuple[FlagPlan, ...], keys: tuple[str, ...], whole: str, steps: tuple[tuple[int, str], ...]
) -> None:
    """All have their shortest before any has a longer one; then rows go, the last first, and harmless ones are named.

    The limits are said as characters more than the page without rows and details has.
    """
    released = Released(key="gone", path="", live={"enabled": True, "rolloutPercentage": 5})
    view, previous = plan_view(a_plan(*flags, released=(released,))), whole
    least = len(plan_markdown(view, 0))
    for more, forms in steps:
        pages = [plan_markdown(view, least + more + beyond) for beyond in (1, 0)]
        assert [forms_of(page, *keys) for page in pages] == [previous, forms]
        previous = forms


@pytest.mark.parametrize(("count", "is_open"), [(1, True), (3, True), (4, False)])
def test_three_flags_are_open(count: int, is_open: bool) -> None:
    page = rendered(*(harmless(number) for number in range(count)))
    assert page.count("<details open>") == (count if is_open else 0)
    assert page.count("<details>") == (0 if is_open else count)


def test_users_and_the_name_of_a_change_are_as_they_are_asked_for() -> None:
    """Ids where they are to be shown, and a merge request where the forge calls it so."""
    plan = a_plan(a_flag_plan("a", held=(HELD,)))
    shown = render(PLAN, "markdown", plan, RenderOptions(show_users=True, request="merge request"))
    assert "ada@example.com" in shown
    assert "on the merge request." in shown
    hidden = render(PLAN, "markdown", plan)
    assert "ada@example.com" not in hidden
    assert "on the pull request." in hidden


def test_lines_that_become_longer_leave_room_for_less() -> None:
    """Signs that a runner would obey are set apart, in each of a thousand keys: the page is full and no longer."""
    flags = [replace(harmless(number), key=f"##[{number:04}") for number in range(1_500)]
    page = rendered(*flags)
    assert page.count("# #[") > 500
    assert LIMIT - 600 < len(page) <= LIMIT


def test_cells_and_names_have_at_most_320_characters() -> None:
    """Entities count; a harmless flag that has no row is named as long."""
    row = EffectRow(level="low", key="a", change="c" * 321, affected="u" * 321)
    assert effect_row(row) == f"| low | `a` | {'c' * 319}… | {'u' * 319}… |"
    whole = replace(row, change="c" * 320, affected="u" * 320)
    assert effect_row(whole) == f"| low | `a` | {'c' * 320} | {'u' * 320} |"
    for length, shown in ((318, "k" * 318), (319, "k" * 317 + "…")):
        flags = [replace(harmless(number), key="k" * length) for number in range(400)]
        assert f"\n- `~ {shown}` update: 1 field, 1 call\n" in rendered(*flags)


def test_a_line_of_a_block_has_a_hundred_characters() -> None:
    """A move is on one line, whatever its length; the next begins below the first."""
    for length, lines in (
        (51, ["  move " + "x" * 40 + ", " + "y" * 51]),
        (52, ["  move " + "x" * 40 + ",", "       " + "y" * 52]),
    ):
        assert [*_wrapped("  move ", "x" * 40 + ", " + "y" * length)] == lines
    assert [*_wrapped("  move ", "1% a-b → c" * 9 + ", 2% d")] == ["  move " + "1% a-b → c" * 9 + ",", "       2% d"]
    assert LIMIT == 64_000
