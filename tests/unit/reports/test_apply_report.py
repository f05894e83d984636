"""A report as text and Markdown."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_report, an_outcome
from msgspec.structs import replace

from reconciler.apply import FlagOutcome, Status
from reconciler.errors import BudgetError
from reconciler.planning.operations import RemoveUserAt
from reconciler.reports.apply import apply_view
from reconciler.reports.effects import EffectRow
from reconciler.reports.registry import APPLY, RenderOptions, render


@pytest.mark.parametrize(
    ("verified", "words"),
    [(True, "; verified"), (False, "; NOT verified"), (None, "; not verified by a read-back")],
)
def test_the_last_line_says_whether_it_was_verified(verified: bool | None, words: str) -> None:
    """What was not read back does not read as verified."""
    report = a_report(Status.APPLIED, verified=verified)
    last_line = f"Apply: 1 applied, 0 failed, 0 unknown, 0 skipped; 40 unchanged{words}"
    assert render(APPLY, "text", report).splitlines()[-1] == last_line
    assert render(APPLY, "markdown", report).startswith(f"**{last_line}**")


def test_a_failure_names_the_call() -> None:
    """Of a flag that failed, the error is said once and the calls that were not made are named."""
    lines = render(APPLY, "text", a_report(Status.FAILED, error="The server said no.")).splitlines()
    assert lines[:3] == [
        "✗ failed-flag  failed, 1 of 2 calls made",
        "    The server said no.",
        "    2. add-users  failed: 2 attempts",
    ]


@pytest.mark.parametrize(
    ("of_flag", "of_call", "words"),
    [
        ("Stopped.", "The server said no.", ", The server said no."),
        (None, "The server said no.", ", The server said no."),
        ("The server said no. Plan again.", "The server said no.", ""),
        ("The server said no.", "The server said no. Twice.", ", The server said no. Twice."),
        ("Stopped.", None, ""),
        (None, None, ""),
    ],
)
def test_an_error_of_a_call_is_said_once(of_flag: str | None, of_call: str | None, words: str) -> None:
    """Not again where the error of the flag begins with it."""
    flag = replace(a_report(Status.FAILED).outcomes[0], error=of_flag)
    first, second = flag.operations
    report = a_report(outcomes=(replace(flag, operations=(first, replace(second, error=of_call))),))
    assert f"    2. add-users  failed: 2 attempts{words}\n" in render(APPLY, "text", report)


def a_refused_flag(key: str, flag_id: str | None, error: str, http_status: int = 403) -> FlagOutcome:
    """A flag of which the server refused the second call."""
    flag = an_outcome(key, Status.FAILED, error=error)
    first, second = flag.operations
    return replace(flag, flag_id=flag_id, operations=(first, replace(second, http_status=http_status)))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (a_refused_flag("b", "456", "No access to flags/456."), "Refused as a was."),
        (a_refused_flag("b", "456", "No access to flags/456.", 401), "Refused as a was."),
        (a_refused_flag("b", "456", "No access to flags/456.", 404), "No access to flags/456."),
        (a_refused_flag("b", "456", "No access to b."), "No access to b."),
        (a_refused_flag("b", None, "No access to flags/."), "Refused as a was."),
        (a_refused_flag("b", None, "No access to flags/123."), "No access to flags/123."),
    ],
)
def test_a_refusal_that_an_earlier_flag_met_is_said_there(second: FlagOutcome, said: str) -> None:
    """But for the id of the flag it has to be the same."""
    report = a_report(outcomes=(a_refused_flag("a", "123", "No access to flags/123."), second))
    sections = apply_view(report).sections
    assert [section.error for section in sections] == ["No access to flags/123.", said]


def test_an_applied_flag_is_one_line() -> None:
    """What went well needs no detail."""
    assert render(APPLY, "text", a_report(Status.APPLIED)).splitlines()[0] == ("✓ applied-flag  applied, 2 calls")


def a_flag_whose_calls(flag: Status, *calls: Status) -> FlagOutcome:
    """A flag that ended so, and its calls."""
    outcome = an_outcome("a", flag)
    ended = zip(outcome.operations, calls, strict=True)
    return replace(outcome, operations=tuple(replace(operation, status=status) for operation, status in ended))


ENDINGS = {
    "Whether": " the report says of what. Plan again to go on.",
    "The": " the report says which calls were made. Plan again to go on.",
    "Nothing": " the report says why.",
    "": "",
}
A, F, U, S, H = Status.APPLIED, Status.FAILED, Status.UNKNOWN, Status.SKIPPED, Status.HELD


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ([(A, A, A)], 0, ""),
        ([(A, A, A), (U, A, U)], 7, "Whether all of the plan was applied is not known: 1 applied, 1 unknown;"),
        ([(U, A, U)], 7, "Whether all of the plan was applied is not known: 1 unknown;"),
        ([(U, U, S)], 7, "Whether any of the plan was applied is not known: 1 unknown;"),
        ([(U, U, S), (F, F, S)], 7, "Whether any of the plan was applied is not known: 1 failed, 1 unknown;"),
        ([(A, A, A), (F, F, S)], 7, "The plan was applied in part: 1 applied, 1 failed;"),
        ([(F, A, F)], 7, "The plan was applied in part: 1 failed;"),
        ([(A, A, A), (H, S, S)], 7, "The plan was applied in part: 1 applied, 1 held;"),
        ([(A, A, A), (U, A, U), (F, F, S)], 7, "The plan was applied in part: 1 applied, 1 failed, 1 unknown;"),
        ([(F, F, S)], 1, "Nothing was applied: 1 failed;"),
        ([(S, S, S)], 1, "Nothing was applied: 1 skipped;"),
        ([(S, S, S), (H, S, S)], 1, "Nothing was applied: 1 skipped, 1 held;"),
        ([(H, S, S)], 5, "Nothing was applied: 1 held;"),
    ],
)
def test_the_words_and_the_code_say_how_much_was_applied(
    flags: list[tuple[Status, ...]], code: int, words: str
) -> None:
    """All but what is unknown, a part, or nothing: 7 only where a call took effect or may have."""
    report = replace(a_report(), outcomes=tuple(a_flag_whose_calls(*flag) for flag in flags))
    failure = report.failure
    assert report.exit_code == code
    assert (failure.exit_code if failure else 0) == code
    assert str(failure or "") == f"{words}{ENDINGS[words.partition(' ')[0]]}"
    interrupted = replace(report, signal_number=2)
    assert (interrupted.exit_code, interrupted.failure and interrupted.failure.exit_code) == (130, 130)
    assert str(interrupted.failure).startswith(f"Interrupted, and nothing more is sent. {words or 'Everything was'}")


def test_a_state_that_is_not_in_place_is_no_part() -> None:
    """Every call was made, and the live state differs all the same."""
    report = replace(a_report(Status.APPLIED), verified=False)
    assert report.exit_code == 7
    assert str(report.failure) == (
        "Every call was made, but what is live differs from the plan; the report says where. Plan again to go on."
    )


def test_what_stopped_a_run_is_said_beside_how_much_was_applied() -> None:
    """Where nothing was, it alone."""
    stop = BudgetError("The day's requests are spent.")
    assert str(replace(a_report(A, S), stopped_by=stop).failure).endswith(f"Plan again to go on. {stop}")
    assert replace(a_report(S), stopped_by=stop).failure is stop


def test_a_call_that_no_plan_showed_is_told_with_its_request() -> None:
    """Also one that was applied; its users are counted."""
    flag = a_report(Status.APPLIED).outcomes[0]
    _, second = flag.operations
    report = a_report(outcomes=(replace(flag, operations=(replace(second, is_added=True, attempts=1),)),))
    assert render(APPLY, "text", report).splitlines()[1] == (
        "    2. add-users  applied: 1 attempt, not in the plan:"
        ' POST /api/1/flags/123/variants/treatment/users {"inclusions": [2 users]}'
    )


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [({}, False), ({"error": "No."}, True), ({"users_see": "The old weights."}, True)],
)
def test_below_the_table_stands_what_it_does_not_say(fields: dict[str, Any], is_told: bool) -> None:
    """An error or a note is enough."""
    flag = replace(a_report(Status.HELD, error=None).outcomes[0], **fields)
    shown = render(APPLY, "markdown", a_report(outcomes=(flag,)), RenderOptions(effects=(a_row("held-flag"),)))
    assert ("\n- ! `held-flag` held, 0 of 2 calls made" in shown) is is_told


def a_row(key: str) -> EffectRow:
    """A row of the plan's table."""
    return EffectRow(level="low", key=key, change="rollout", affected="10%")


def test_the_table_of_the_plan_says_what_came_of_each_flag() -> None:
    """A flag that was only released has no outcome; below it stands what is more than that."""
    report = a_report(Status.APPLIED, Status.FAILED)
    failed = report.outcomes[1]
    copy = RemoveUserAt(flag_key="failed-flag", variant_key="treatment", user="ada@example.com", index=3)
    added = replace(
        failed.operations[1], order=3, operation=copy, is_added=True, status=Status.APPLIED, error=None, attempts=0,
        http_status=204,
    )  # fmt: skip
    report = replace(report, outcomes=(report.outcomes[0], replace(failed, operations=(*failed.operations, added))))
    rows = tuple(map(a_row, ("failed-flag", "released", "applied-flag")))
    details = [
        "- ✗ `failed-flag` failed, 2 of 3 calls made: The server said no.",
        "    - call 2, add-users: failed: 2 attempts",
        (
            "    - call 3, remove-user-at: applied: HTTP 204, not in the plan: DELETE"
            " /api/1/flags/123/variants/treatment/users/3 (one copy of a user who is listed twice)"
        ),
        "",
    ]
    assert render(APPLY, "markdown", report, RenderOptions(effects=rows)).split("\n") == [
        "**Apply: 1 applied, 1 failed, 0 unknown, 0 skipped; 40 unchanged; verified**",
        "",
        "| | flag | change | who is affected | outcome |",
        "|---|---|---|---|---|",
        "| low | `failed-flag` | rollout | 10% | ✗ failed |",
        "| low | `released` | rollout | 10% |  |",
        "| low | `applied-flag` | rollout | 10% | ✓ applied |",
        "",
        *details,
    ]
    assert "\n".join(["- ✓ `applied-flag` applied, 2 calls", *details]) in render(APPLY, "markdown", report)
    assert [effect.number for effect in apply_view(report, rows).effects] == [2, None, 1]
    for length, more in ((29, False), (30, True)):
        fill = (*(a_row(f"f{n:04}") for n in range(647)), a_row("f" * length))
        text = render(APPLY, "markdown", report, RenderOptions(effects=fill))
        assert ("**1 more row did not fit into the table.**" in text) is more
    many = render(APPLY, "markdown", report, RenderOptions(effects=tuple(a_row(f"f{n:04}") for n in range(649))))
    assert many.count("| low |") == 24_000 // len("| low | `f0000` | rollout | 10% |  |\n") == 648
    assert "\n\n**1 more row did not fit into the table.**\n\n" in many
    all_of_it = render(APPLY, "markdown", report, RenderOptions(effects=tuple(a_row(f"f{n:04}") for n in range(648))))
    assert "did not fit" not in all_of_it
