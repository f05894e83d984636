"""An evaluation as text: columns that stand below each other, bars, and lines that fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import a_full_flag, a_full_variant, a_segment
from evaluations import evaluator_of, user_report, users_report
from msgspec.structs import replace

from reconciler.evaluation.comparison import Comparison
from reconciler.evaluation.result import intervals_of
from reconciler.model.flag import UNSET, FlagSpec, Weights
from reconciler.reports.evaluation import explanation
from reconciler.reports.registry import EVALUATION, EVALUATION_SUMMARY, RenderOptions, render
from reconciler.reports.text_layout import Terminal

PEOPLE = [{"user_id": f"user-{number}"} for number in range(300)]


def a_spec(**fields: Any) -> FlagSpec:
    """A flag at 10 % that hashes user ids."""
    return a_full_flag(**{"bucketing_key": "user_id", "enabled": True} | fields)


def sides(**after: Any) -> Comparison:
    """A flag at 10 % and what it becomes."""
    before, then = a_spec(), a_spec(**after)
    live, desired = (evaluator_of(spec) for spec in (before, then))
    return Comparison(key="f", flag_id="1", is_declared=True, live=live, desired=desired)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    """Explanations, notes and tables are broken where the terminal ends."""
    both, fields = sides(rollout_percentage=50), {"user_id": "user-17", "country": "DE"}
    terminal = Terminal(width=width)
    texts = (
        render(EVALUATION, "text", user_report(both, **fields), RenderOptions(terminal=terminal)),
        render(EVALUATION_SUMMARY, "text", users_report(both, PEOPLE), RenderOptions(terminal=terminal)),
    )
    for text in texts:
        assert max(map(len, text.splitlines())) <= width


def test_numbers_stand_in_columns() -> None:
    """With any width of a key, East Asian ones included, live and desired are columns."""
    wide = ("日本", "a-very-long-variant-key")
    both = sides(
        variants=tuple(map(a_full_variant, wide)), rollout_weights=Weights.of({wide[0]: 1}), rollout_percentage=100
    )
    lines = render(EVALUATION_SUMMARY, "text", users_report(both, PEOPLE)).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("variant"))
    rows = [line.replace("日本", "日本__") for line in lines[start : lines.index("", start)]]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(rows[0])}
    assert any(row.startswith("▒ treatment") for row in rows)


def test_bars_show_both_sides() -> None:
    """One is as long as the other, in the fills of the table; no users, no bar."""
    text = render(EVALUATION_SUMMARY, "text", users_report(both := sides(rollout_percentage=100), PEOPLE))
    live, desired = (line.split()[1] for line in text.splitlines() if line.startswith(("live ", "desired ")))
    assert len(live) == len(desired) == 48
    assert set(live) == set("█▒·")
    assert set(desired) == set("█▒")
    empty = render(EVALUATION_SUMMARY, "text", users_report(both, [])).splitlines()
    assert not any(line.startswith(("live ", "desired ", "reason ", "moves")) for line in empty)
    assert empty[-1] == "The plan moves 0 of 0 users (0%)."


def test_what_is_not_known_has_a_row() -> None:
    """Users for whom it is unknown what they get are `unknown`, in the table and in the last lines."""
    both = sides(bucketing_salt=UNSET)
    lines = render(EVALUATION_SUMMARY, "text", users_report(both, PEOPLE)).splitlines()
    assert any("unknown" in line and "300    100%" in line for line in lines)
    assert lines[-2] == "For 300 users it is unknown whether the plan moves them."
    assert lines[-1] == "The plan moves 0 of 300 users (0%)."


@pytest.mark.parametrize(
    ("live", "desired", "moved", "words"),
    [
        ({"bucketing_salt": UNSET}, {}, None, "It is unknown whether the plan moves this user."),
        ({}, {"bucketing_salt": UNSET}, None, "It is unknown whether the plan moves this user."),
        ({}, {}, False, "The plan does not move this user."),
        ({}, {"enabled": False}, True, "The plan moves this user from control to off."),
    ],
)
def test_whether_a_user_is_moved(
    live: dict[str, Any], desired: dict[str, Any], moved: bool | None, words: str
) -> None:
    """Unknown where one side is."""
    before, after = (evaluator_of(a_spec(rollout_percentage=100, **side)) for side in (live, desired))
    both = Comparison(key="f", flag_id="1", is_declared=True, live=before, desired=after)
    report = user_report(both, user_id="user-17")
    assert json.loads(render(EVALUATION, "json", report))["moved"] is moved
    assert render(EVALUATION, "text", report).splitlines()[-1] == words


def test_the_range_that_a_user_is_in() -> None:
    """From its first place to its last, whatever variant stands beside it."""
    both = sides(rollout_percentage=100, rollout_weights=Weights.of({"control": 1, "treatment": 2}))
    result = user_report(both, user_id="user-1").desired
    assert result.rule is not None
    assert result.bucket is not None
    ranges = list(intervals_of(result.rule))
    for item in ranges:
        for place in (item.start, item.end - 1):
            told = explanation(replace(result, bucket=replace(result.bucket, hashed=place * 100)))[-1]
            assert told.endswith(f"{place} lies in the range of {item.variant}, {item.start} to {item.end - 1}.")
    assert [item.variant for item in ranges] == ["control", "treatment"]


def test_a_user_who_is_not_allocated_is_in_no_range() -> None:
    """The last line says why."""
    result = user_report(sides(), user_id="user-1").live
    assert result.bucket is not None
    assert result.bucket.allocation >= 10
    assert explanation(result)[-1] == f"{result.bucket.allocation} is not below 10: not allocated, no variant."


def test_long_lines_of_a_user_hang() -> None:
    """On a narrow terminal: what is known of the user by four columns, the reasons below each other."""
    both, long = sides(rollout_percentage=50), "word " * 20
    report = user_report(both, user_id="user-17", team=long.strip())
    lines = render(EVALUATION, "text", report, RenderOptions(terminal=Terminal(width=50))).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("for "))
    assert lines[start + 1].startswith("    word word")
    assert not lines[start + 1].startswith("     ")


def test_long_reasons_of_a_user_stand_below_each_other() -> None:
    """Behind the label and the variant."""
    both = sides(target_segments=(a_segment("word " * 20, conditions=(), percentage=100),))
    report = user_report(both, user_id="user-17")
    lines = render(EVALUATION, "text", report, RenderOptions(terminal=Terminal(width=50))).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("desired"))
    column = len(f"{'desired':<9}{report.desired.variant}  ")
    assert lines[start][column:] == "segment"
    assert lines[start + 1].startswith(" " * column + '"word ')


@pytest.mark.parametrize("notes", [(), ("A note.",)])
def test_the_last_line_stands_apart(notes: tuple[str, ...]) -> None:
    """With notes before it and without."""
    both = replace(sides(rollout_percentage=50), notes=notes)
    lines = render(EVALUATION_SUMMARY, "text", users_report(both, PEOPLE)).splitlines()
    shown = [f"Note: {note}" for note in notes]
    assert lines[-2 - len(notes) :] == [*shown, "", lines[-1]]
    assert lines[-3 - len(notes)] == ("" if notes else lines[-3])
    assert lines[-1].startswith("The plan moves ")
    report = users_report(both, PEOPLE)
    counts = tuple((note, 2) for note in notes)
    counted = replace(report, summary=replace(report.summary, notes=counts))
    lines = render(EVALUATION_SUMMARY, "text", counted).splitlines()
    assert lines[-2 - 2 * len(notes) : -2] == [*shown, *(f"{note} (2 users)" for note in shown)]
