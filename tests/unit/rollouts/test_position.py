"""Where a rollout stands: from levels, the time of its declaration and the window, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from reconciler.model.rollout import Rollout, Step, parse_window
from reconciler.rollouts.position import Level, Phase, Position, position

START = datetime(2030, 1, 7, 8, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
ROLLOUT = Rollout(steps=(Step(1, 2 * HOUR), Step(10, 24 * HOUR), Step(50, 48 * HOUR), Step(100)))


def at(hours: float) -> datetime:
    return START + hours * HOUR


def levels(*pairs: tuple[float, float]) -> list[Level]:
    """Levels by percentage and hour since the declaration."""
    return [Level(percentage=value, at=at(hour), by="ada@example.com") for value, hour in pairs]


@pytest.mark.parametrize(
    ("pairs", "now", "phase", "step", "due"),
    [
        ([(0, -9)], 0, Phase.DUE, 0, 0),
        ([(0, -9), (1, 0)], 1, Phase.WAITING, 1, 2),
        ([(0, -9), (1, 0)], 2, Phase.DUE, 1, 2),
        ([(0, -9), (1, 0)], 900, Phase.DUE, 1, 2),
        ([(0, -9), (1, 0), (10, 8)], 9, Phase.WAITING, 2, 32),
        ([(0, -9), (1, 0), (10, 2), (50, 30), (100, 90)], 91, Phase.DONE, 4, None),
        ([(10, -9)], 1, Phase.WAITING, 2, 24),
        ([(100, -9)], 1, Phase.DONE, 4, None),
        ([(0, -9), (7, 1)], 2, Phase.HELD, 0, None),
        ([(0, -9), (100, 1)], 2, Phase.DONE, 4, None),
        ([(25, -9)], 1, Phase.HELD, 0, None),
        ([(0, -9), (1, 0), (0, 1)], 2, Phase.ROLLED_BACK, 0, None),
        ([(0, -9), (1, 0), (0, 1), (10, 2)], 30, Phase.ROLLED_BACK, 0, None),
        ([(0, -9), (1, 0), (10, 2), (1, 3)], 30, Phase.ROLLED_BACK, 0, None),
        ([(0, -9), (50, -8), (0, -7)], 0, Phase.DUE, 0, 0),
    ],
)
def test_positions(pairs: list[tuple[float, float]], now: float, phase: Phase, step: int, due: float | None) -> None:
    found = position(ROLLOUT, levels(*pairs), START, at(now))
    assert (found.phase, found.step) == (phase, step), found
    assert found.due_at == (None if due is None else at(due))


NEXT = ROLLOUT.steps
DOWN = "it went down to {}, set by ada@example.com; raise `attempt` to try again"


@pytest.mark.parametrize(
    ("known", "now", "phase", "shares", "rest"),
    [
        (levels((0.5, -9)), 0, "due", (0.5, 0.5), {"since": at(0), "next_step": NEXT[0], "due_at": at(0)}),
        (levels((0, -9), (0.5, -5)), 0, "due", (0.5, 0.5), {"since": at(0), "next_step": NEXT[0], "due_at": at(0)}),
        (levels((0, -9), (1, 0)), 1, "waiting", (0, 1),
         {"step": 1, "since": at(0), "next_step": NEXT[1], "due_at": at(2)}),
        (levels((0, -9), (10, 1), (10, 2)), 3, "waiting", (0, 10),
         {"step": 2, "since": at(1), "next_step": NEXT[2], "due_at": at(25)}),
        (levels((10, -9), (10, -1)), 24, "due", (10, 10),
         {"step": 2, "since": at(0), "next_step": NEXT[2], "due_at": at(24)}),
        (levels((3, 1), (100, 2)), 3, "done", (3, 100), {"step": 4, "since": at(2)}),
        (levels((10, -9), (1, 0)), 3, "rolled-back", (10, 1),
         {"since": at(0), "why": DOWN.format("1% at 2030-01-07 08:00 UTC")}),
        (levels((10, 0), (1, 1), (50, 2), (2.5, 3), (10, 4)), 5, "rolled-back", (10, 10),
         {"since": at(3), "why": DOWN.format("2.5% at 2030-01-07 11:00 UTC")}),
        ([Level(percentage=10, at=at(1)), Level(percentage=10, at=at(2), enabled=False)], 3, "rolled-back", (10, 10),
         {"since": at(2), "why": "it was turned off at 2030-01-07 10:00 UTC; raise `attempt` to try again"}),
        ([Level(percentage=5, at=at(-9), enabled=False, by="bob@example.com")], 3, "held", (0, 5),
         {"why": "the flag is off live, set by bob@example.com"}),
        (levels((2.5, -9)), 3, "held", (2.5, 2.5),
         {"why": "2.5% is no step of the rollout, set by ada@example.com"}),
        ([], 3, "held", (0, 0), {"why": "the versions of the flag are not shown"}),
    ],
)  # fmt: skip
def test_all_that_is_said_of_a_position(
    known: list[Level], now: float, phase: str, shares: tuple[float, float], rest: dict[str, Any]
) -> None:
    """The percentages of before and of now; what is not named is 0, nothing or empty."""
    nothing = {"step": 0, "since": None, "next_step": None, "due_at": None, "why": ""}
    expected = Position(phase=Phase(phase), base=shares[0], live=shares[1], **nothing | rest)
    assert position(ROLLOUT, known, START, at(now)) == expected


def test_a_rollback_ends_with_a_later_declaration() -> None:
    """And with nothing else: the same levels, declared before or after the fall."""
    known = levels((0, -9), (1, -5), (0, -1))
    assert position(ROLLOUT, known, at(-6), at(1)).phase is Phase.ROLLED_BACK
    assert position(ROLLOUT, known, at(0), at(1)).phase is Phase.DUE


def test_what_is_off_is_at_zero() -> None:
    """Turned off is a rollback; off from the start is held; on again at a percentage does not undo the fall."""
    on, off = Level(percentage=10, at=at(1)), Level(percentage=10, at=at(2), enabled=False, by="bob@example.com")
    found = position(ROLLOUT, [*levels((0, -9)), on, off], START, at(3))
    assert found.phase is Phase.ROLLED_BACK
    assert "turned off" in found.why
    assert "bob@example.com" in found.why
    again = Level(percentage=10, at=at(4))
    assert position(ROLLOUT, [*levels((0, -9)), on, off, again], START, at(99)).phase is Phase.ROLLED_BACK
    never_on = [Level(percentage=0, at=at(-9), enabled=False)]
    assert position(ROLLOUT, never_on, START, at(3)).phase is Phase.HELD


def test_gaps_hold() -> None:
    """Not committed, declared in the future."""
    unknown, later = (position(ROLLOUT, levels((0, -9)), declared, at(1)) for declared in (None, at(2)))
    assert (unknown.phase, later.phase) == (Phase.HELD, Phase.HELD)
    assert unknown.why == "git does not tell since when this attempt is declared"
    assert later.why == "it is declared at a time that is still to come, 2030-01-07 10:00 UTC: is a clock wrong?"


def test_a_start_and_a_window_delay() -> None:
    """Both have to have come; the window is asked of now, too, since a run may be late."""
    later, past = Rollout(steps=ROLLOUT.steps, start=at(5)), Rollout(steps=ROLLOUT.steps, start=at(-5))
    assert position(past, levels((0, -9), (1, 0)), START, at(1)).due_at == at(2)
    assert position(later, levels((0, -9)), START, at(4)).phase is Phase.WAITING
    assert position(later, levels((0, -9)), START, at(5)).phase is Phase.DUE
    window = parse_window("mon-thu", "09:00-16:00", "Europe/Berlin")
    assert window is not None
    assert position(ROLLOUT, levels((0, -9)), START, at(0), window).phase is Phase.DUE
    found = position(ROLLOUT, levels((0, -9)), START, at(7), window)
    assert (found.phase, found.due_at) == (Phase.WAITING, at(24))
    friday = position(ROLLOUT, levels((0, -9)), START, at(4 * 24), window)
    assert (friday.phase, friday.due_at) == (Phase.WAITING, at(7 * 24))


@pytest.mark.parametrize(
    ("days", "hours", "zone"),
    [
        ("mon-thu", "9-16", "Europe/Berlin"),
        ("mon-thu", "16:00-09:00", "Europe/Berlin"),
        ("mon-thu", "09:00-24:30", "Europe/Berlin"),
        ("mon-thu", "09:00-16:00", "Europe/Nowhere"),
        ("mon-thu", "09:00-16:00", "../etc"),
        ("mon-", "09:00-16:00", "UTC"),
        ("mo", "09:00-16:00", "UTC"),
        ("", "09:00-16:00", "UTC"),
    ],
)
def test_windows_that_are_none(days: str, hours: str, zone: str) -> None:
    assert parse_window(days, hours, zone) is None


def test_a_window_opens_when_it_says_so() -> None:
    """For random windows and times, hours of summer time included: open then, and not a minute before."""
    random = Random(3)
    for _ in range(300):
        days = ",".join(random.sample(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], random.randint(1, 7)))
        first, last = sorted(random.sample(range(4, 24), 2))
        window = parse_window(days, f"{first:02}:00-{last:02}:00", random.choice(["Europe/Berlin", "UTC"]))
        assert window is not None
        now = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randrange(525_600))
        opens = window.opens_next(now)
        assert opens >= now
        assert window.is_open(opens)
        assert opens == now or not window.is_open(opens - timedelta(minutes=1))
        assert opens - now <= timedelta(days=7, hours=2)
