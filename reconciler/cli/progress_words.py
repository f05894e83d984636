"""What is said of a command's progress: how much is done, how much is left and for how long, how fast, the budget."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.progress import Stage

_WINDOW = 10.0
"""Seconds over which speed is measured."""

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Per second, as of lately: `units` of what the stage counts, and `steps` towards its total."""

    units: float = 0.0
    steps: float = 0.0


@dataclass(slots=True)
class Pace:
    """Measures speed from samples of (seconds, units, steps), those of the last seconds."""

    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def measure(self, moment: float, units: int, steps: int) -> Speed:
        """Take a sample and give the speed. A count that starts anew is measured anew."""
        samples = self._samples
        if samples and (units < samples[-1][1] or steps < samples[-1][2]):
            samples.clear()
        samples.append((moment, units, steps))
        while moment - samples[0][0] > _WINDOW and moment - samples[1][0] > 0:
            samples.popleft()
        start, first_units, first_steps = samples[0]
        seconds = moment - start
        if seconds <= 0:
            return Speed()
        return Speed(units=(units - first_units) / seconds, steps=(steps - first_steps) / seconds)


def pieces_of(stage: Stage, speed: Speed, budget: int | None) -> tuple[str, ...]:
    """`120 of 420`, `300 left, about 9 s`, `33 calls/s`, `99,800 left of the day's budget`: the weightiest first.

    `budget` is what is left of it, None where none is to be named.
    """
    pieces = [f"{stage.done:,}" if stage.total is None else f"{stage.done:,} of {stage.total:,}"]
    if stage.total is not None and stage.total > stage.done:
        left = stage.total - stage.done
        when = f", about {_duration(left / speed.steps)}" if speed.steps > 0 else ""
        pieces.append(f"{left:,} left{when}")
    if speed.units > 0:
        figure = f"{speed.units:,.0f}" if speed.units >= 1 else f"{speed.units:.1f}"
        pieces.append(f"{figure} {stage.unit}/s")
    if budget is not None:
        pieces.append(f"{budget:,} left of the day's budget")
    return tuple(pieces)


def _duration(seconds: float) -> str:
    """`9 s`, `12 min`, `3 h`: no more precise than a guess can be."""
    if seconds < 2 * _MINUTE:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / _MINUTE)} min" if seconds < 2 * _HOUR else f"{round(seconds / _HOUR)} h"
