"""A report as text and Markdown."""

from __future__ import annotations

import pytest
from builders import a_report, an_outcome
from msgspec.structs import replace

from reconciler.apply import FlagOutcome, Status
from reconciler.errors import BudgetError
from reconciler.reports.registry import APPLY, render


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


def test_an_applied_flag_is_one_line() -> None:
    """What went well needs no detail."""
    assert render(APPLY, "text", a_report(Status.APPLIED)).splitlines()[0] == ("✓ applied-flag  applied, 2 calls")


def a_flag_whose_calls(flag: Status, *calls: Status) -> FlagOutcome:
    """A flag that ended so, and its calls."""
    outcome = an_outcome("a", flag)
    ended = zip(outcome.operations, calls, strict=True)
    return replace(outcome, operations=tuple(replace(operation, status=status) for operation, status in ended))


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
    assert str(failure or "").startswith(words)
    interrupted = replace(report, signal_number=2)
    assert (interrupted.exit_code, interrupted.failure and interrupted.failure.exit_code) == (130, 130)
    assert words in str(interrupted.failure)


def test_a_state_that_is_not_in_place_is_no_part() -> None:
    """Every call was made, and the live state differs all the same."""
    report = replace(a_report(Status.APPLIED), verified=False)
    assert report.exit_code == 7
    assert str(report.failure).startswith("Every call was made, but what is live differs")


def test_what_stopped_a_run_is_said_beside_how_much_was_applied() -> None:
    """Where nothing was, it alone."""
    stop = BudgetError("The day's requests are spent.")
    assert str(replace(a_report(A, S), stopped_by=stop).failure).endswith(f"Plan again to go on. {stop}")
    assert replace(a_report(S), stopped_by=stop).failure is stop
