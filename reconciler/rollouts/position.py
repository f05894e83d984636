"""Where a rollout stands, from what git declares, the live percentage and its versions; and what comes next.

Nothing is remembered between runs. A killed run, two runs at once and a run that is hours late all find the same
position, and each makes at most one step.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
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


class Phase(StrEnum):
    """What a rollout is doing."""

    WAITING = "waiting"
    """Nothing is to be done now: the step stands, or the start is to come."""
    DUE = "due"
    """The next step may be made, if guards and window agree."""
    HELD = "held"
    """Somebody's hand, or a gap in what is known: nothing is done until it is put right."""
    ROLLED_BACK = "rolled-back"
    """It went down after it went up; it stays down until git declares a higher attempt."""
    DONE = "done"
    """The last step stands."""


class Position(Struct, frozen=True, kw_only=True):
    """Where a rollout stands.

    `step` is the number of the step that stands, from 1; 0 before the first. `since` is when it began to stand.
    `next_step` and `due_at` are of the next step; None where there is none. `base` is the percentage before the first
    step. `why` says in words what holds it.
    """

    phase: Phase
    step: int = 0
    since: datetime | None = None
    next_step: Step | None = None
    due_at: datetime | None = None
    base: float = 0
    why: str = ""

    @property
    def may_fail(self) -> bool:
        """Whether users have the step by this rollout, so that its guards are asked."""
        return self.phase in {Phase.WAITING, Phase.DUE} and self.step > 0


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
        return Position(phase=Phase.HELD, why="git does not tell since when this attempt is declared")
    if not levels:
        return Position(phase=Phase.HELD, why="the live percentage and its versions are not shown")
    base = _base(levels, declared_at)
    live = levels[-1]
    if not live.enabled:
        return Position(phase=Phase.HELD, base=base, why=f"the flag is off live{_by(live)}")
    if fall := _fall(levels, declared_at):
        why = f"it went down to {fall.percentage:g}% at {fall.at:%Y-%m-%d %H:%M} UTC{_by(fall)}"
        return Position(phase=Phase.ROLLED_BACK, base=base, since=fall.at, why=f"{why}; raise `attempt` to try again")
    values = rollout.percentages
    if live.percentage not in values:
        if live.percentage == base and base < values[0]:
            return _before_the_first(rollout, declared_at, base, now, window)
        why = f"{live.percentage:g}% is no step of the rollout{_by(live)}"
        return Position(phase=Phase.HELD, base=base, why=why)
    return _on_a_step(rollout, values.index(int(live.percentage)), _stood(levels, declared_at), base, now, window)


def _before_the_first(
    rollout: Rollout, declared_at: datetime, base: float, now: datetime, window: Window | None
) -> Position:
    phase, due = _due(max(declared_at, rollout.start or declared_at), now, window)
    return Position(phase=phase, base=base, since=declared_at, next_step=rollout.steps[0], due_at=due)


def _on_a_step(
    rollout: Rollout, index: int, since: datetime, base: float, now: datetime, window: Window | None
) -> Position:
    step, number = rollout.steps[index], index + 1
    if number == len(rollout.steps) or step.hold is None:
        return Position(phase=Phase.DONE, step=number, since=since, base=base)
    phase, due = _due(max(since + step.hold, rollout.start or since), now, window)
    return Position(phase=phase, step=number, since=since, base=base, next_step=rollout.steps[number], due_at=due)


def _due(at: datetime, now: datetime, window: Window | None) -> tuple[Phase, datetime]:
    """Whether a step that stands long enough from a time on may be made now, and when it may be at the earliest."""
    if window is not None:
        at = window.opens_next(max(at, now))
    return (Phase.DUE if now >= at else Phase.WAITING), at


def _base(levels: Sequence[Level], declared_at: datetime) -> float:
    """The percentage that was live when the attempt was declared."""
    before = [level for level in levels if level.at <= declared_at]
    return (before[-1] if before else levels[0]).percentage


def _fall(levels: Sequence[Level], declared_at: datetime) -> Level | None:
    """The last time that the percentage went down since the attempt was declared."""
    falls = [
        later
        for earlier, later in zip(levels, levels[1:], strict=False)
        if later.at >= declared_at and later.percentage < earlier.percentage
    ]
    return falls[-1] if falls else None


def _stood(levels: Sequence[Level], declared_at: datetime) -> datetime:
    """Since when the last percentage has stood without a break, at the earliest since the attempt was declared."""
    since = levels[-1].at
    for level in reversed(levels):
        if level.percentage != levels[-1].percentage or not level.enabled:
            break
        since = level.at
    return max(since, declared_at)


def _by(level: Level) -> str:
    return f", set by {level.by}" if level.by else ""
