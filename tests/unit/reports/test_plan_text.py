"""The text plan: the fixed last line, widths, colour, and what it shows of users."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from builders import a_flag_plan, a_plan, a_transition, an_empty_plan, an_exposure
from msgspec.structs import replace
from rich.text import Text
from small_plans import PERSON, SMALL_PLANS

from reconciler.api.credentials import REGIONS
from reconciler.planning.operations import AddMembers, EditFlag, RemoveUserAt
from reconciler.planning.plan import Action, MembersChange, Plan, PlanOptions, PlanSummary, Refusal, ValueChange
from reconciler.reports.fields import FieldLine
from reconciler.reports.plan_text import draw_fields
from reconciler.reports.plan_view import last_line, names_users
from reconciler.reports.registry import PLAN, RenderOptions, render
from reconciler.reports.text_layout import Terminal, TextLayout

LAST_LINE = re.compile(
    r"Plan: \d+ create, \d+ update, \d+ archive; \d+ API calls; max exposure change \d+(\.\d+)?%|No changes\."
)


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (Fraction(0), "0%"),
        (Fraction(1, 50_000), "0.01%"),
        (Fraction(49_999, 50_000), "99.99%"),
        (Fraction(1), "100%"),
    ],
)
def test_the_last_line_has_numbers_only(share: Fraction, shown: str) -> None:
    """What is nearly nothing or nearly all has no sign before it; flags that come back count as updates."""
    counts = {"create": 1, "update": 2, "archive": 3, "unarchive": 4, "operations": 5, "unchanged": 6, "unmanaged": 7}
    summary = PlanSummary(**counts, held=8, max_exposure_change=share, max_transient=Fraction(1, 3))
    assert last_line(summary) == f"Plan: 1 create, 6 update, 3 archive; 5 API calls; max exposure change {shown}"


def test_shares_stand_behind_their_bar_or_whole_below_it() -> None:
    """At every width at which they fit into a line."""
    legend, bar = "· off 90%  █ control 5%  ▒ treatment 5%", f"{'·' * 22}█▒"
    beside = f"        now  {bar}  {legend}"
    for width in range(60, len(beside) + 3):
        lines = at_width(SMALL_PLANS["everyday"](), width).splitlines()
        below = [f"        now  {bar}", f"{' ' * 13}{legend}"]
        assert (beside in lines) is (width >= len(beside))
        assert width >= len(beside) or below == lines[lines.index(below[0]) :][:2]


def at_width(plan: Plan, width: int, *, color: bool = False) -> str:
    """The plan on a terminal of so many columns."""
    return render(PLAN, "text", plan, RenderOptions(terminal=Terminal(width=width, color=color)))


@pytest.mark.parametrize(
    "terminal", [Terminal(), Terminal(width=40), Terminal(width=80), Terminal(width=20, color=True)]
)
@pytest.mark.parametrize("name", SMALL_PLANS)
def test_the_last_line_is_fixed(name: str, terminal: Terminal) -> None:
    """With any width and colours, the last line is the contract's, whole and plain."""
    text = render(PLAN, "text", SMALL_PLANS[name](), RenderOptions(terminal=terminal))
    assert text.endswith("\n")
    assert LAST_LINE.fullmatch(text.splitlines()[-1])


def test_the_last_line_counts() -> None:
    """Creates, updates and archives by themselves; flags that come back are updates; calls over all flags."""
    plan = a_plan(*(a_flag_plan(action.value, action=action) for action in Action))
    assert last_line(plan.summary) == "Plan: 1 create, 2 update, 1 archive; 8 API calls; max exposure change 40%"


def test_an_empty_plan_says_so() -> None:
    """No changes means the fixed sentence and no plan."""
    text = render(PLAN, "text", an_empty_plan())
    assert text.splitlines()[-1] == "No changes."
    assert "Plan for" not in text


def test_a_refused_plan_without_calls_is_not_called_no_changes() -> None:
    """Something was to change and may not: the last line counts what would be sent, and one hint says what helps."""
    refusal = Refusal(guard="archived", message='"a" is archived live: declare it.', override="")
    text = render(PLAN, "text", replace(an_empty_plan(), refusals=(refusal,)))
    assert text.splitlines()[-1] == "Plan: 0 create, 0 update, 0 archive; 0 API calls; max exposure change 0%"
    assert text.count("overrid") == 1


def test_a_plan_knows_whether_it_names_users() -> None:
    """Ids in inclusions, in calls and in conditions count; a plan of other fields names no user."""
    change = MembersChange(path="/variants/a/inclusions/users", added=("ada@example.com",), removed=())
    rollout = ValueChange(path="/rolloutPercentage", before=1, after=2)
    add = AddMembers(flag_key="a", variant_key="a", members=("ada@example.com",))
    assert names_users(a_plan(a_flag_plan(changes=(change,), operations=())))
    assert names_users(a_plan(a_flag_plan(changes=(), operations=(add,))))
    edit = EditFlag(flag_key="a", body={"rolloutPercentage": 2})
    assert not names_users(a_plan(a_flag_plan(changes=(rollout,), operations=(edit,))))


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", SMALL_PLANS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    """Every line but the last fits; nothing is cut off to make it fit."""
    narrow, wide = (at_width(SMALL_PLANS[name](), columns) for columns in (width, 10_000))
    assert all(Text(line).cell_len <= width for line in narrow.splitlines()[:-1])
    kept = re.sub(r"\s|live|git|→", "", narrow)
    assert sorted(kept) == sorted(re.sub(r"\s|live|git|→", "", wide))


@pytest.mark.parametrize("name", SMALL_PLANS)
def test_colours_add_nothing(name: str) -> None:
    """Without its colour codes a coloured plan is the plain one: nothing is said by colour alone."""
    plan = SMALL_PLANS[name]()
    colored = at_width(plan, 80, color=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert "\x1b[" not in plain
    assert [line.rstrip() for line in plain.splitlines()] == at_width(plan, 80).splitlines()


def test_without_a_terminal_lines_are_not_broken() -> None:
    """A log keeps a call and its body on one line each, so that they can be searched for."""
    text = render(PLAN, "text", SMALL_PLANS["everyday"](), RenderOptions(verbose=True))
    assert any(
        line.strip().startswith('{"description": "A description') and line.endswith("}") for line in text.splitlines()
    )


@pytest.mark.parametrize("name", SMALL_PLANS)
def test_user_ids_are_shown_on_request_only(name: str) -> None:
    """No user id is in the text, neither in fields nor in bodies nor in conditions, unless --show-users."""
    assert PERSON not in render(PLAN, "text", SMALL_PLANS[name]())
    if name == "everyday":
        assert PERSON in render(PLAN, "text", SMALL_PLANS[name](), RenderOptions(show_users=True))


def test_calls_are_exact() -> None:
    """Each call shows its number, its method and the path that is sent; with --verbose the body too."""
    text = render(PLAN, "text", a_plan(), RenderOptions(verbose=True))
    assert '1. edit-flag  PATCH /api/1/flags/123  {"rolloutPercentage": 50}' in text
    assert "2. add-users  POST /api/1/flags/123/variants/treatment/users" in text
    short = render(PLAN, "text", a_plan()).splitlines()
    assert "    1. edit-flag  PATCH /api/1/flags/123" in short
    assert "    2. add-users  POST /api/1/flags/123/variants/treatment/users" in short


def test_a_flag_in_full() -> None:
    """With --verbose: its address, bodies, those that are too wide below their calls, and all that is noted."""
    operations = (
        EditFlag(flag_key="new-checkout", body={"rolloutPercentage": 50}),
        EditFlag(flag_key="new-checkout", body={"description": "d" * 100}),
        RemoveUserAt(flag_key="new-checkout", variant_key="treatment", user="ada@example.com", index=3),
    )
    exposure = an_exposure(notes=("A note.",))
    flag = a_flag_plan(operations=operations, transient=Fraction(1, 8), exposure=exposure)
    plan = a_plan(flag, origin=REGIONS["us"].url)
    assert render(PLAN, "text", plan, RenderOptions(verbose=True)).splitlines()[6:] == [
        "~ new-checkout  update  flags/new-checkout.yaml:2",
        "    ~ rolloutPercentage                    10 → 50",
        "    + variants/treatment/inclusions/users  + 2 users",
        f"    {REGIONS['us'].url}/amplitude/7/config/123",
        "    calls",
        '      1. edit-flag       PATCH /api/1/flags/123  {"rolloutPercentage": 50}',
        "      2. edit-flag       PATCH /api/1/flags/123",
        f'         {{"description": "{"d" * 100}"}}',
        (
            "      3. remove-user-at  DELETE /api/1/flags/123/variants/treatment/users/3"
            "  (one copy of a user who is listed twice)"
        ),
        "    exposure",
        "      At most 40% of the users of any segment get another variant.",
        "      Temporarily wrong variant during apply: 12.5% of users.",
        "      All Other Users: 40% reassigned",
        "        now  ······················█▒  · off 90%  █ control 5%  ▒ treatment 5%",
        "        then ············██████▒▒▒▒▒▒  · off 50%  █ control 25%  ▒ treatment 25%",
        "        move 20% off → control, 20% off → treatment",
        "      note: A note.",
        "",
        "40 flags unchanged; 1 flag not managed here: other-flag; read with 12 requests.",
        "",
        "Plan: 0 create, 1 update, 0 archive; 3 API calls; max exposure change 40%",
    ]
    options = RenderOptions(verbose=True, terminal=Terminal(width=200, color=True))
    coloured = render(PLAN, "text", plan, options)
    for words, style in (
        ("Plan for project 7 (us)", "1"),
        ("; fields read live → git", "2"),
        ("Made 2030-01-02 12:00 UTC from commit 0123456789ab.", "2"),
        ("new-checkout", "1"),
        ("medium  ", "1;33"),
        ("  update", "33"),
        ("  flags/new-checkout.yaml:2", "2"),
        ("10", "31"),
        ("50", "32"),
        (f"{REGIONS['us'].url}/amplitude/7/config/123", "2"),
        ("calls", "2"),
        ("PATCH /api/1/flags/123", "1"),
        ("  (one copy of a user who is listed twice)", "2"),
        ("exposure", "2"),
        ("All Other Users", "1"),
        ("then ", "2"),
        ("move ", "2"),
        ("A note.", "2"),
        ("40 flags unchanged; 1 flag not managed here: other-flag; read with 12 requests.", "2"),
    ):
        assert f"\x1b[{style}m{words}\x1b[0m" in coloured, words
    for words in ("new-checkout", "PATCH /api/1/flags/123"):
        assert coloured.count(f"\x1b[1m{words}\x1b[0m") == 2


def test_what_lets_a_plan_do_more_is_told() -> None:
    """Guards that are allowed for all flags come before those that are for one."""
    options = PlanOptions(prune=True, unarchive=True, allow=frozenset({"rebucket", "max-changes", "a:x", "b:x"}))
    made = render(PLAN, "text", a_plan(options=options)).splitlines()[1]
    assert made.endswith(" with --prune, --unarchive, --allow max-changes, rebucket, a:x, b:x.")


def test_of_many_calls_the_first_are_shown() -> None:
    """The others are counted; with --verbose each is shown."""
    plan = a_plan(a_flag_plan(operations=a_flag_plan().operations * 5))
    assert "4 more calls, shown with --verbose" in render(PLAN, "text", plan)
    assert "10. add-users" in render(PLAN, "text", plan, RenderOptions(verbose=True))


def test_one_number_that_moves_no_user_takes_few_lines() -> None:
    """The row says so, and neither exposure nor notes follow."""
    still = a_transition(
        before=(("off", Fraction(1)),),
        after=(("off", Fraction(1)),),
        matrix=(("off", "off", Fraction(1)),),
        switched=Fraction(0),
        unavoidable=Fraction(0),
    )
    exposure = an_exposure(still, notes=("A note.",))
    change = ValueChange(path="/rolloutPercentage", before=10, after=50)
    edit = EditFlag(flag_key="a", body={"rolloutPercentage": 50})
    text = render(PLAN, "text", a_plan(a_flag_plan("a", changes=(change,), operations=(edit,), exposure=exposure)))
    assert "  low  a: rollout 10 → 50%  no user is affected: the flag gives no variant" in text.splitlines()
    assert len(text.splitlines()) <= 12


def test_notes_of_several_flags_are_said_once() -> None:
    """A note that more than one flag carries stands at the end, once."""
    plan = SMALL_PLANS["everyday"]()
    flags = [a_flag_plan(key, exposure=plan.flags[3].exposure) for key in ("a", "b")]
    text = render(PLAN, "text", a_plan(*flags), RenderOptions(verbose=True))
    assert text.count("prerequisites") == 1
    assert "\nNote: " in text


def drawn(width: int, *fields: FieldLine) -> list[str]:
    """The lines of those fields on a terminal of so many columns."""
    layout = TextLayout(Terminal(width=width))
    draw_fields(layout, fields)
    return layout.render().splitlines()


@pytest.mark.parametrize(("is_set", "between"), [(False, " → "), (True, "; ")])
def test_a_field_stands_on_one_line_on_two_or_on_three(is_set: bool, between: str) -> None:
    """Beside its label, or both sides below it, or each on a line of its own: whichever fits first."""
    before, after = "b" * 25, "a" * 25
    line = FieldLine(symbol="~", label="name", before=before, after=after, is_set=is_set)
    beside, below = f"    ~ name  {before}{between}{after}", f"        {before}{between}{after}"
    for width in range(len(below) - 2, len(beside) + 2):
        if width >= len(beside):
            assert drawn(width, line) == [beside]
        elif width >= len(below):
            assert drawn(width, line) == ["    ~ name", below]
        else:
            assert drawn(width, line) == ["    ~ name", f"        live  {before}", f"        git   {after}"]
    for sides, shown in (((before, None), before), ((None, after), after), ((None, None), "")):
        one = FieldLine(symbol="~", label="name", before=sides[0], after=sides[1], is_set=is_set)
        assert drawn(80, one) == [f"    ~ name  {shown}".rstrip()]
        assert drawn(40, one) == [f"    ~ name  {shown}".rstrip()]


def test_labels_of_up_to_36_characters_make_a_column() -> None:
    """The values of longer ones stand below them."""
    short, long, longer = (
        FieldLine(symbol="+", label="x" * length, before=None, after="1") for length in (3, 36, 37)
    )
    assert drawn(80, short, long, longer) == [
        f"    + {'xxx':36}  1", f"    + {'x' * 36}  1", f"    + {'x' * 37}", "        1",
    ]  # fmt: skip
    assert drawn(80, longer, short) == [f"    + {'x' * 37}", "        1", "    + xxx  1"]
    assert drawn(80, longer) == [f"    + {'x' * 37}", "        1"]


def test_who_is_affected_stands_beside_the_change_or_below_it() -> None:
    """Where it does not fit; what is broken goes on below the key."""
    affected = "40% of All Other Users: 20% off → control, 20% off → treatment"
    row = "  low  shop: rollout 10 → 50%, 2 listed users added"
    beside = f"{row}  {affected}"
    for width, shown in (
        (len(beside), [beside]),
        (len(beside) - 1, [row, f"       {affected}"]),
        (50, ["  low  shop: rollout 10 → 50%, 2 listed", "       users added"]),
    ):
        lines = at_width(a_plan(a_flag_plan("shop")), width).splitlines()
        assert lines[lines.index(shown[0]) :][: len(shown)] == shown


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8])
def test_six_calls_are_shown(count: int) -> None:
    """The others are counted, if there are any; with --verbose all are shown, and nothing where none is sent."""
    calls = tuple(EditFlag(flag_key="a", body={"name": str(n)}) for n in range(count))
    plan = a_plan(a_flag_plan("a", operations=calls, exposure=None))
    lines = [f"    {n}. edit-flag  PATCH /api/1/flags/123" for n in range(1, min(count, 6) + 1)]
    more = {7: ["    1 more call, shown with --verbose"], 8: ["    2 more calls, shown with --verbose"]}.get(
        count, []
    )
    assert render(PLAN, "text", plan).splitlines()[8:] == [
        *lines, *more, "", "40 flags unchanged; 1 flag not managed here: other-flag; read with 12 requests.", "",
        f"Plan: 0 create, 1 update, 0 archive; {count} API calls; max exposure change 0%",
    ]  # fmt: skip
    shown = render(PLAN, "text", plan, RenderOptions(verbose=True)).splitlines()[8 : 9 + bool(count) * count]
    assert shown == (["    calls"] if count else [""]) + [
        f'      {n + 1}. edit-flag  PATCH /api/1/flags/123  {{"name": "{n}"}}' for n in range(count)
    ]
