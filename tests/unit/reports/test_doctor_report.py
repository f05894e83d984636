"""The doctor's checks as text."""

from __future__ import annotations

from reconciler.doctor import Check, CheckStatus
from reconciler.reports.registry import DOCTOR, RenderOptions, render
from reconciler.reports.text_layout import Terminal


def test_long_messages_stay_in_their_column() -> None:
    """On a narrow terminal; advice stands below them."""
    words = "one two three four five six seven eight nine ten"
    checks = (
        Check(name="clock", status=CheckStatus.WARN, message=words, advice=words),
        Check(name="connection", status=CheckStatus.OK, message="It answers."),
    )
    lines = render(DOCTOR, "text", checks, RenderOptions(terminal=Terminal(width=50))).splitlines()
    column = len("warn connection  ")
    assert lines[0].startswith("warn clock       one two")
    assert all(line[:column] == " " * column and line[column] != " " for line in lines[1:-3])
    assert " ".join(line[column:].strip() for line in lines[:-3]) == f"{words} {words}"
    assert lines[-3:] == ["ok   connection  It answers.", "", "0 failures, 1 warning."]
