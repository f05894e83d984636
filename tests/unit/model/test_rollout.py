"""Steps, weekdays, hours, windows and places of rollouts, to the minute."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from builders import a_flag, a_segment

from reconciler.model import rollout
from reconciler.model.rollout import (
    PlacedRollout,
    Rollout,
    Step,
    Window,
    closed_until,
    is_zone,
    parse_days,
    parse_hours,
    parse_instant,
    parse_step,
    parse_window,
    step_problems,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("1% 2h", Step(1, 2 * HOUR)), ("50% 90m", Step(50, 90 * HOUR / 60)), ("5% 3d", Step(5, 72 * HOUR)),
        ("10% 1w", Step(10, 168 * HOUR)), ("100%", Step(100)), ("100% 1h", Step(100, HOUR)), ("101%", None),
        ("5", None), ("5% 1y", None), ("5%1h", None), (" 5 %  1 h ", Step(5, HOUR)),
        ("-5%", None), ("5.5%", None), ("", None), ("\u0661%", None), ("1% \uff12h", None), ("1%\u20032h", None),
    ],
)  # fmt: skip
def test_steps(text: str, step: Step | None) -> None:
    assert parse_step(text) == step


RISE = "The percentages of steps must rise, from above 0."
STAND = "Every step but the last needs a time to stand, as in `10% 1d`."
LAST = "The last step has no time to stand: nothing follows it."


@pytest.mark.parametrize(
    ("steps", "end", "said"),
    [
        ((Step(1, HOUR), Step(100)), 100, []),
        ((Step(1, HOUR), Step(100)), None, []),
        ((Step(1, HOUR), Step(50)), 100, ["The last step is 50%, but the declared percentage is 100%."]),
        ((Step(1, HOUR), Step(1)), 1, [RISE]),
        ((Step(2, HOUR), Step(1)), 1, [RISE]),
        ((Step(0, HOUR), Step(1)), 1, [RISE]),
        ((Step(0),), 0, [RISE]),
        ((Step(1), Step(2)), 2, [STAND]),
        ((Step(1, HOUR), Step(2, HOUR)), 2, [LAST]),
        ((Step(2), Step(1, HOUR)), 5,
         [RISE, STAND, LAST, "The last step is 1%, but the declared percentage is 5%."]),
        ((), 5, []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_steps(steps: tuple[Step, ...], end: int | None, said: list[str]) -> None:
    assert list(step_problems(steps, end)) == said


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}), ("mon-thu", {0, 1, 2, 3}), ("mon,wed,fri", {0, 2, 4}), ("sat-mon", {5, 6, 0}), ("sun", {6}),
        ("Mon - Tue, SUN", {0, 1, 6}), ("tue-tue", {1}), ("mon-", set()), ("mon-xyz", set()), ("", set()),
        ("mon,", set()), ("mon-tue-wed", set()),
    ],
)  # fmt: skip
def test_weekdays(text: str, days: set[int]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("09:00-16:30", (time(9), time(16, 30))), ("00:00-24:00", (time(0), None)),
        ("23:59-24:00", (time(23, 59), None)),
        ("09:00-24:01", None), ("16:00-09:00", None), ("09:00-09:00", None), ("9-16", None), ("25:00-26:00", None),
        ("", None), ("0\u0661:00-12:00", None), ("09:0\u0661-12:00", None),
    ],
)  # fmt: skip
def test_hours(text: str, hours: tuple[time, time | None] | None) -> None:
    """The second is later; 24:00 is the end of the day."""
    assert parse_hours(text) == hours


def test_times_and_zones() -> None:
    assert parse_instant("2030-01-02T03:04:05Z") == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [parse_instant(text) for text in ("2030-01-02T03:04:05", "2030-13-01T00:00Z", "")] == [None] * 3
    assert [is_zone(name) for name in ("Europe/Berlin", "UTC", "Nowhere/At", "", "../UTC")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert parse_window("mon", "09:00-10:00", "UTC") == Window(
        days=frozenset({0}), opens=time(9), closes=time(10), zone="UTC"
    )
    for days, hours, zone in (("x", "09:00-10:00", "UTC"), ("mon", "x", "UTC"), ("mon", "09:00-10:00", "x")):
        assert parse_window(days, hours, zone) is None


@pytest.mark.parametrize("error", [KeyError, ValueError, IsADirectoryError, PermissionError])
def test_a_zone_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """However the machine keeps its zones: the name of a directory of them is an error of the file system."""

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(rollout, "ZoneInfo", fail)
    assert is_zone("Europe") is False


OFFICE = Window(days=frozenset({0, 2}), opens=time(9), closes=time(16), zone="Europe/Berlin")
MONDAY = Window(days=frozenset({0}), opens=time(9), closes=time(10), zone="UTC")
LATE = Window(days=frozenset({6}), opens=time(22), closes=None, zone="UTC")


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        (OFFICE, (7, 8, 0), (7, 8, 0)),
        (OFFICE, (7, 7, 59), (7, 8, 0)),
        (OFFICE, (7, 14, 59), (7, 14, 59)),
        (OFFICE, (7, 15, 0), (9, 8, 0)),
        (OFFICE, (8, 10, 0), (9, 8, 0)),
        (OFFICE, (9, 15, 0), (14, 8, 0)),
        (MONDAY, (7, 8, 59), (7, 9, 0)),
        (MONDAY, (7, 9, 0), (7, 9, 0)),
        (MONDAY, (7, 10, 0), (14, 9, 0)),
        (LATE, (13, 23, 59), (13, 23, 59)),
        (LATE, (14, 0, 0), (20, 22, 0)),
    ],
)
def test_when_a_window_opens(window: Window, at: tuple[int, int, int], opens: tuple[int, int, int]) -> None:
    """Monday is the 7th of January 2030; Berlin is an hour ahead."""
    now, expected = (datetime(2030, 1, day, hour, minute, tzinfo=UTC) for day, hour, minute in (at, opens))
    assert window.opens_next(now) == expected
    assert window.is_open(now) is (at == opens)
    assert closed_until([window], now) == (None if at == opens else expected)


def test_of_several_windows_the_first_that_opens_counts() -> None:
    now = datetime(2030, 1, 9, 16, tzinfo=UTC)
    assert closed_until([OFFICE, LATE], now) == datetime(2030, 1, 13, 22, tzinfo=UTC)
    assert closed_until([], now) is None


def test_places_of_rollouts() -> None:
    """By the name of the segment; one that is not there is at 0, and what is not shown is not known."""
    own, beta = (
        PlacedRollout(rollout=Rollout(steps=(Step(100),)), end=100, segment=segment) for segment in (None, "a/b")
    )
    assert [(item.path, item.declared_at) for item in (own, beta)] == [
        ("/rolloutPercentage", "/rollout"),
        ("/targetSegments/a~1b/percentage", "/targetSegments/a~1b/rollout"),
    ]
    spec = a_flag(
        rollout_percentage=2.5, target_segments=(a_segment("other", percentage=1), a_segment("a/b", percentage=7))
    )
    assert (own.percentage_in(spec), beta.percentage_in(spec)) == (2.5, 7)
    assert (own.percentage_in(a_flag()), beta.percentage_in(a_flag())) == (None, None)
    assert beta.percentage_in(a_flag(target_segments=())) == 0
