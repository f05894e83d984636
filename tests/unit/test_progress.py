"""Counting the steps of work."""

from __future__ import annotations

from reconciler.progress import Progress


def state(progress: Progress) -> tuple[str, int, int | None, str]:
    return progress.what, progress.done, progress.total, progress.unit


def test_steps_are_counted() -> None:
    """What is expected adds to what is done as long as no total is known, and to the total from then on."""
    progress = Progress()
    assert state(progress) == ("Reading", 0, None, "calls")
    progress.advance()
    progress.advance(2)
    assert state(progress) == ("Reading", 3, None, "calls")
    progress.expect(4)
    progress.expect(2)
    assert state(progress) == ("Reading", 3, 9, "calls")
    progress.start("Applying", 5, unit="flags")
    assert state(progress) == ("Applying", 0, 5, "flags")
    progress.advance()
    progress.start("Reading back")
    assert state(progress) == ("Reading back", 0, None, "calls")
    assert state(Progress("x", done=1, total=2, unit="users")) == ("x", 1, 2, "users")
