"""A report as text and Markdown."""

from __future__ import annotations

import pytest
from builders import a_report

from reconciler.apply import Status
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
