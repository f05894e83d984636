"""What a walk back along a branch keeps of one flag, commit by commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.cli.walk import SHALLOW, Sought, Spot
from reconciler.files.past import Settings
from reconciler.model.versions import DeclaredValue, Timeline

SETTINGS = Settings(environment=None)
TIMES = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
PLACE = "/rolloutPercentage"


def sought(value: int | None = 30) -> Sought:
    """A flag whose share is looked for, and whether it is on."""
    document = None if value is None else {"key": "f", "enabled": True, "rolloutPercentage": value}
    return Sought("f", "flags/f.yaml", document, SETTINGS, (PLACE, "/enabled"))


def older(value: int | None, **fields: Any) -> dict[str, Any]:
    """The document before a commit."""
    return {"key": "f", "enabled": True, **({} if value is None else {"rolloutPercentage": value}), **fields}


def declared(value: Any, commit: str | None = None, at: datetime | None = None) -> DeclaredValue:
    """A value and the commit that brought it."""
    return DeclaredValue(value=value, commit=commit, at=at)


@pytest.mark.parametrize(
    ("until", "found"),
    [
        (None, [(30, "c4", 3)]),
        (TIMES[3], [(30, "c4", 3)]),
        (TIMES[2], [(30, "c4", 3), (20, "c3", 2)]),
        (TIMES[1], [(30, "c4", 3), (20, "c3", 2), (10, "c2", 1)]),
        (TIMES[0], [(30, "c4", 3), (20, "c3", 2), (10, "c2", 1)]),
    ],
)
def test_values_back_to_a_time(until: datetime | None, found: list[tuple[Any, str, int]]) -> None:
    """Each with its commit, newest first, to the first that is as old; without a time only the last.

    The way ends where there was no document: it says nothing of before.
    """
    flag = sought()

    for commit, at, value in (("c4", 3, 20), ("c3", 2, 10), ("c2", 1, None)):
        flag.step(commit, TIMES[at], older(value), SETTINGS, until)
    flag.step("c1", TIMES[0], None, SETTINGS, until)

    assert not flag.is_open
    assert flag.timeline(PLACE) == Timeline(
        values=tuple(declared(value, commit, TIMES[at]) for value, commit, at in found)
    )
    assert flag.timeline("/enabled") == Timeline(values=(declared(True, "c1", TIMES[0]),))


def test_where_nothing_changed_nothing_is_kept() -> None:
    """An equal document leaves all open, until a gap ends the way: the value has no commit."""
    flag = sought()
    flag.step("c4", TIMES[3], older(30.0, tags=["x"]), SETTINGS, None)
    assert flag.is_open
    assert flag.document == older(30.0, tags=["x"])
    assert flag.timeline(PLACE) == Timeline(values=())
    flag.end(SHALLOW)
    assert not flag.is_open
    assert flag.timeline(PLACE) == Timeline(values=(declared(30),), gap=SHALLOW)


def test_what_is_not_committed() -> None:
    """It is said of the field that was edited, and of no other; looked at to a time, the walk goes on behind it."""
    for until, left in ((None, ()), (TIMES[2], (declared(20, "c4", TIMES[3]), declared(10, "c3", TIMES[2])))):
        flag = sought()
        flag.step(None, None, older(20), SETTINGS, until)
        flag.step("c4", TIMES[3], older(10), SETTINGS, until)
        flag.step("c3", TIMES[2], None, SETTINGS, until)
        assert flag.timeline(PLACE) == Timeline(values=(declared(30), *left), gap="The value is not committed.")
        assert flag.timeline("/enabled") == Timeline(values=(declared(True, "c3", TIMES[2]),))


def test_what_commits_are_looked_at_for() -> None:
    """The configuration and the flag files; all where flags stand at the top."""
    assert Spot("reconciler.yaml", "flags", SETTINGS).paths == ("reconciler.yaml", "flags")
    assert Spot("reconciler.yaml", "", SETTINGS).paths == ()
