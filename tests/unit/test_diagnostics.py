"""Findings: their places, and the order in which they are shown."""

from __future__ import annotations

from builders import a_position

from reconciler.diagnostics import Diagnostic, Finding, Severity, SourcePosition, order_of


def a_finding(rule: str = "r", message: str = "m", *, place: SourcePosition | None = None) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, rule=rule, message=message, position=place)


def test_findings_are_sorted_by_place() -> None:
    """Those without one first; then errors before warnings, by rule and by message."""
    warning = Diagnostic(severity=Severity.WARNING, rule="a", message="a", position=a_position(1, 2, "b"))
    ordered = [
        a_finding(),
        a_finding(place=a_position(9, 9, "a")),
        a_finding("z", place=a_position(1, 1, "b")),
        a_finding("a", "a", place=a_position(1, 2, "b")),
        a_finding("a", "b", place=a_position(1, 2, "b")),
        a_finding("b", "a", place=a_position(1, 2, "b")),
        warning,
        a_finding("a", place=a_position(2, 1, "b")),
    ]
    mixed = [ordered[at] for at in (7, 3, 0, 5, 1, 6, 4, 2)]
    assert sorted(mixed, key=order_of) == ordered
    assert order_of(ordered[0]) == ("", 0, 0, "error", "r", "m")
    assert [item.is_error for item in (ordered[0], warning)] == [True, False]
    assert str(a_position(3, 5, "f.yaml")) == "f.yaml:3:5"


def test_a_finding_is_placed() -> None:
    """What is shown may be another part than what is reported; a finding is an error unless it says otherwise."""
    found = Finding("r", "m", "h", "/a", "/b", severity=Severity.WARNING)
    assert (found.place, Finding("r", "m", path="/a").place, Finding("r", "m", path="/a", at="").place) == (
        "/b", "/a", "",
    )  # fmt: skip
    assert found.placed(a_position()) == Diagnostic(
        severity=Severity.WARNING, rule="r", message="m", position=a_position(), path="/a", hint="h"
    )
    assert Finding("r", "m").placed(a_position()) == a_finding(place=a_position())
