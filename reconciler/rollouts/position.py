"""Where a rollout stands, from what git declares, the live percentage and its versions; and what comes next.

Nothing is remembered between runs. A killed run, two runs at once and a run that is hours late all find the same
position, and each makes at most one step.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.rollout import Rollout, Step, Window


class Level(Struct, frozen=True, kw_only=True):
    """A percentage that was live from a time on. `by` is who set it; `enabled` whether the flag was on."""

    percentage: float
    at: datetime
    enabled: bool = True
    by: str | None = None

    @property
    def share(self) -> float:
        """The percentage that users had: none of a flag that is off."""
        return self.percentage if self.enabled else 0


class Phase(StrEnum):
    """What a rollout is doing."""

    WAITING = "waiting"
    """Nothing is to be done now: the step stands, or the start is to come."""
    DUE = "due"
    """The next step may be made, if the guards agree."""
    HELD = "held"
    """An edit by hand, or a gap in what is known: nothing is done until it is put right."""
    ROLLED_BACK = "rolled-back"
    """It went down after it was declared; it stays there until git declares a higher attempt."""
    DONE = "done"
    """The last step stands."""


class Position(Struct, frozen=True, kw_only=True):
    """Where a rollout stands.

    `step` is the number of the step that stands, from 1; 0 before the first. `since` is when it began to stand.
    `next_step` and `due_at` are of the next step; None where there is none. `base` is the percentage before the first
    step, `live` that of now. `why` says in words what holds it.
    """

    phase: Phase
    step: int = 0
    since: datetime | None = None
    next_step: Step | None = None
    due_at: datetime | None = None
    base: float = 0
    live: float = 0
    why: str = ""

    @property
    def may_fail(self) -> bool:
        """Whether users have a step by this rollout, so that guards can end it."""
        return self.phase in {Phase.WAITING, Phase.DUE} and self.step > 0

    @property
    def asks_guards(self) -> bool:
        """Whether guards decide anything now: users have a step, or the first one may be made."""
        return self.may_fail or self.phase is Phase.DUE

    @property
    def has_no_users(self) -> bool:
        """Whether no user has anything of it yet, so that there are no data to be had."""
        return self.step == 0 and self.base == 0


def held(why: str) -> Position:
    """The position of a rollout that nothing is done with."""
    return Position(phase=Phase.HELD, why=why)


def position(
    rollout: Rollout,
    levels: Sequence[Level],
    declared_at: datetime | None,
    now: datetime,
    window: Window | None = None,
) -> Position:
    """Where a rollout stands at a time.

    `levels` are the live percentages, the oldest first, the last one being that of now; `declared_at` is when git got
    the present attempt (None: git cannot tell, or it is not committed). Times are aware of their zones.
    """
    if declared_at is None:
        return held("git does not tell since when this attempt is declared")
    if declared_at > now:
        return held(f"it is declared at a time that is still to come, {_time(declared_at)}: is a clock wrong?")
    if not levels:
        return held("the versions of the flag are not shown")
    return _Look(rollout, levels, declared_at, now, window).position()


class _Look(Struct, frozen=True):
    """What `position` goes by."""

    rollout: Rollout
    levels: Sequence[Level]
    declared_at: datetime
    now: datetime
    window: Window | None

    def position(self) -> Position:
        """The answer."""
        live, base = self.levels[-1], self._base()
        if fall := self._fall():
            what = f"it went down to {fall.percentage:g}%" if fall.enabled else "it was turned off"
            why = f"{what} at {_time(fall.at)}{_by(fall)}; raise `attempt` to try again"
            return Position(phase=Phase.ROLLED_BACK, base=base, live=live.percentage, since=fall.at, why=why)
        if not live.enabled:
            return Position(phase=Phase.HELD, base=base, live=live.percentage, why=f"the flag is off live{_by(live)}")
        values = self.rollout.percentages
        if live.percentage in values:
            return self._on_a_step(values.index(int(live.percentage)))
        if live.percentage == base and base < values[0]:
            return self._waits(step=0, since=self.declared_at, earliest=self.declared_at)
        why = f"{live.percentage:g}% is no step of the rollout{_by(live)}"
        return Position(phase=Phase.HELD, base=base, live=live.percentage, why=why)

    def _on_a_step(self, index: int) -> Position:
        step, since = self.rollout.steps[index], self._stood()
        if step.hold is None:
            live = self.levels[-1].percentage
            return Position(phase=Phase.DONE, step=index + 1, since=since, base=self._base(), live=live)
        return self._waits(step=index + 1, since=since, earliest=since + step.hold)

    def _waits(self, step: int, since: datetime, earliest: datetime) -> Position:
        """The position before a step that may be made from a time on, when the window is open."""
        at = max(earliest, self.rollout.start or earliest)
        if self.window is not None:
            at = self.window.opens_next(max(at, self.now))
        return Position(
            phase=Phase.DUE if self.now >= at else Phase.WAITING,
            step=step,
            since=since,
            next_step=self.rollout.steps[step],
            due_at=at,
            base=self._base(),
            live=self.levels[-1].percentage,
        )

    def _base(self) -> float:
        """The percentage that users had when the attempt was declared."""
        before = [level for level in self.levels if level.at < self.declared_at]
        return (before[-1] if before else self.levels[0]).share

    def _fall(self) -> Level | None:
        """The last time that fewer users had it than before, since the attempt was declared."""
        falls = (
            later
            for earlier, later in pairwise(self.levels)
            if later.at >= self.declared_at and later.share < earlier.share
        )
        return max(falls, key=lambda level: level.at, default=None)

    def _stood(self) -> datetime:
        """Since when the present share has stood without a break, at the earliest since the declaration."""
        since = self.levels[-1].at
        for level in reversed(self.levels):
            if level.share != self.levels[-1].share:
                break
            since = level.at
        return max(since, self.declared_at)


def _by(level: Level) -> str:
    return f", set by {level.by}" if level.by else ""


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
