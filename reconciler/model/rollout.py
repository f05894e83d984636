"""A guarded rollout as declared: steps, when they may be made, and what watches them; and their texts."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from reconciler.strict_json import join_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model.flag import FlagSpec

OnFail: TypeAlias = Literal["rollback", "hold", "off"]

_is_step = re.compile(r"\s*(\d{1,3})\s*%(?:\s+(\d{1,5})\s*([mhdw]))?\s*", re.ASCII).fullmatch
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_is_hours = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII).fullmatch


class Step(Struct, frozen=True):
    """A percentage, and how long it stands before the next one; None for the last step."""

    percentage: int
    hold: timedelta | None = None


class Window(Struct, frozen=True, kw_only=True):
    """When writes may be made: on these weekdays (0 is Monday), from `opens` until `closes`, in a time zone.

    `closes` None is midnight, the end of the day.
    """

    days: frozenset[int]
    opens: time
    closes: time | None
    zone: str

    def is_open(self, now: datetime) -> bool:
        """Whether a time, aware of its zone, is in the window."""
        local = now.astimezone(ZoneInfo(self.zone))
        clock = local.time()
        return local.weekday() in self.days and self.opens <= clock and (self.closes is None or clock < self.closes)

    def opens_next(self, now: datetime) -> datetime:
        """The next time at which it is open, `now` included, to the minute."""
        if self.is_open(now):
            return now
        zone = ZoneInfo(self.zone)
        local = now.astimezone(zone)
        for days in range(8):
            day = (local + timedelta(days=days)).date()
            opening = datetime.combine(day, self.opens, zone).astimezone(now.tzinfo)
            if opening > now and day.weekday() in self.days:
                return opening
        raise AssertionError("a window has a day")


def closed_until(windows: Sequence[Window], now: datetime) -> datetime | None:
    """When the first of several windows opens; None where one is open, or there is none."""
    opening = min((window.opens_next(now) for window in windows), default=now)
    return None if opening <= now else opening


class Strategy(Struct, frozen=True, kw_only=True):
    """Steps, and the name of the window in which they are made, for rollouts that name the strategy."""

    steps: tuple[Step, ...]
    window: str | None = None


class Rollout(Struct, frozen=True, kw_only=True):
    """A rollout of a flag's percentage, or of a segment's.

    `start` None: with the merge. `window` names one of the configuration's windows. `attempt` is raised to try again
    after a rollback. Steps rise; the last one is the declared percentage.
    """

    steps: tuple[Step, ...]
    start: datetime | None = None
    guards: tuple[str, ...] = ()
    on_fail: OnFail = "rollback"
    attempt: int = 1
    window: str | None = None

    @property
    def percentages(self) -> tuple[int, ...]:
        """The percentages of the steps, rising."""
        return tuple(step.percentage for step in self.steps)


class PlacedRollout(Struct, frozen=True, kw_only=True):
    """The rollout of a place of a flag: of its own percentage (`segment` None), or of that of a segment, by name.

    `end` is the declared percentage.
    """

    rollout: Rollout
    end: int
    segment: str | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The place of the percentage in the flag, segments by name."""
        return ("rolloutPercentage",) if self.segment is None else ("targetSegments", self.segment, "percentage")

    def percentage_in(self, spec: FlagSpec) -> float | None:
        """The percentage of the place in a flag or a version; None where it is not shown. No such segment: 0."""
        if self.segment is None:
            return spec.rollout_percentage if isinstance(spec.rollout_percentage, int | float) else None
        if not isinstance(spec.target_segments, tuple):
            return None
        return next((item.percentage for item in spec.target_segments if item.name == self.segment), 0)

    @property
    def path(self) -> str:
        """The same as a JSON Pointer."""
        return join_pointer(self.tokens)

    @property
    def declared_at(self) -> str:
        """The place of the rollout itself, as a JSON Pointer."""
        return "/rollout" if self.segment is None else join_pointer(("targetSegments", self.segment, "rollout"))


class GuardSource(Struct, frozen=True, kw_only=True):
    """Where a guard's counts come from. `variable` names an environment variable: a file chooses no address.

    `kind` "prometheus": the variable holds the server's address; `failed` and `of` are queries, with `$variant` and
    `$window` replaced. "json": the variable holds an address, in which they are replaced too; `failed` and `of` are
    JSON Pointers into the answer, with `$variant`. "command": the variable holds a command line, of which the exit
    code decides: 0 better or equal, 1 worse, 2 unknown. `against` is the variant that the others are compared with.
    """

    kind: Literal["prometheus", "json", "command"]
    variable: str
    failed: str = ""
    of: str = ""
    against: str = ""


def parse_step(text: str) -> Step | None:
    """`1% 2h`, `50% 90m`, `100%`; None where the text is none. Units are minutes, hours, days and weeks."""
    found = _is_step(text)
    if found is None or int(found[1]) > 100:  # noqa: PLR2004 - percent
        return None
    hold = timedelta(**{_UNITS[found[3]]: int(found[2])}) if found[2] else None
    return Step(int(found[1]), hold)


def step_problems(steps: tuple[Step, ...], end: int | None) -> Iterator[str]:
    """What is wrong with steps that lead to a percentage (None: it is not known)."""
    values = [step.percentage for step in steps]
    if any(later <= earlier for earlier, later in pairwise(values)) or values[:1] == [0]:
        yield "The percentages of steps must rise, from above 0."
    if any(step.hold is None for step in steps[:-1]):
        yield "Every step but the last needs a time to stand, as in `10% 1d`."
    if steps and steps[-1].hold is not None:
        yield "The last step has no time to stand: nothing follows it."
    if steps and end is not None and values[-1] != end:
        yield f"The last step is {values[-1]}%, but the declared percentage is {end}%."


def parse_window(days: str, hours: str, zone: str) -> Window | None:
    """`mon-thu` or `mon,wed`, `09:00-16:00`, `Europe/Berlin`; None where one of them is none."""
    chosen, clocks = parse_days(days), parse_hours(hours)
    if not chosen or clocks is None or not is_zone(zone):
        return None
    return Window(days=chosen, opens=clocks[0], closes=clocks[1], zone=zone)


def parse_instant(text: str) -> datetime | None:
    """A time with its zone; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def is_zone(name: str) -> bool:
    """Whether this machine knows a time zone of that name."""
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


def parse_hours(text: str) -> tuple[time, time | None] | None:
    """`09:00-16:00` as two times, of which the second is later; 24:00 is None. None where the text is none."""
    found = _is_hours(text)
    if found is None or (found[3] == "24" and found[4] != "00"):
        return None
    opens = time(int(found[1]), int(found[2]))
    closes = None if found[3] == "24" else time(int(found[3]), int(found[4]))
    return None if closes is not None and closes <= opens else (opens, closes)


def parse_days(text: str) -> frozenset[int]:
    """The weekdays of `mon-thu`, `mon,wed` or `sat-mon`, 0 for Monday; none where the text is none."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            return frozenset()
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(start, (end if end >= start else end + 7) + 1)}
    return frozenset(found)
