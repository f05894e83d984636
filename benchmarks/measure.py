"""What a command costs: wall and CPU seconds and peak memory, means of runs that take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launcher.py")
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""What every contender runs in: none compiles its own source at each start, as that variable would have them do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One contender. `codes` are the exit codes of success; `prepare` runs before each run, unmeasured."""

    name: str
    arguments: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    codes: frozenset[int] = frozenset({0})
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of wall clock and of CPU (children included), and the peak memory of the largest process."""

    wall: float
    cpu: float
    mebibytes: float


class FailedRunError(Exception):
    """A contender did not do its work; the message holds the end of what it said."""


def run_once(command: Command) -> Cost:
    """The cost of one run. Raises FailedRunError where it ends with an unexpected code."""
    command.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        report, said = Path(scratch, "cost.json"), Path(scratch, "output")
        with said.open("wb") as stream:
            subprocess.run(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *command.arguments],
                cwd=command.directory,
                env={**ENVIRON, **command.environ},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=True,
            )
        cost = json.loads(report.read_text())
        if cost.pop("code") not in command.codes:
            raise FailedRunError(f"{command.name}: {said.read_text(errors='replace')[-1500:]}")
    return Cost(**cost)


def compare(commands: Sequence[Command], runs: int) -> dict[str, Cost]:
    """The mean cost of each command, by name. They take turns, the first one before each of the others.

    Machines change their pace for seconds at a time. A run of some seconds sees both paces; so must those of a
    command that takes a tenth of that, which is why it runs more often, and why means are compared.
    """
    first, *others = commands
    costs: dict[str, list[Cost]] = {command.name: [] for command in commands}
    turns = [turn for other in others for turn in (first, other)] or [first]
    for command in turns * runs:
        costs[command.name].append(run_once(command))
    return {name: mean(found) for name, found in costs.items()}


def mean(costs: Sequence[Cost]) -> Cost:
    """The means of several costs, each figure by itself."""
    return Cost(
        wall=fmean(cost.wall for cost in costs),
        cpu=fmean(cost.cpu for cost in costs),
        mebibytes=fmean(cost.mebibytes for cost in costs),
    )
