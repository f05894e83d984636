"""What every measurement needs: a place for projects, the command, how often to run, and where results go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.measure import Command
from benchmarks.peers import BIN
from benchmarks.projects import Inclusions, Project, write_project
from benchmarks.report import Report
from benchmarks.server import emulator

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.server import Server

LARGE = 10_000
"""A project of so many flags keeps the slow contenders busy for minutes."""


@dataclass(slots=True, kw_only=True)
class Workshop:
    """One run. `command` is the installed `reconciler`; `scratch` is emptied afterwards."""

    scratch: Path
    command: str
    runs: int
    report: Report = field(default_factory=Report)
    _places: int = 0

    def runs_of(self, project: Project) -> int:
        """How often contenders run on a project: where a run takes minutes, once."""
        return 1 if len(project.flags) >= LARGE else self.runs

    def place(self) -> Path:
        """The path of a directory that does not exist yet."""
        self._places += 1
        return self.scratch / f"place-{self._places}"

    def project(self, size: int, inclusions: Inclusions = Inclusions.NONE) -> Project:
        """A new project."""
        return write_project(self.place(), size, inclusions=inclusions)

    def emulator(self, latency: int = 0) -> AbstractContextManager[Server]:
        """A server; `latency` in milliseconds."""
        return emulator(str(BIN / "reconciler"), self.scratch, latency=latency)

    def ours(self, project: Project, server: Server, *arguments: str, codes: tuple[int, ...] = (0,)) -> Command:
        """A command of ours against a server, its log emptied before each run."""
        return Command(
            name=f"reconciler {arguments[0]}",
            arguments=(self.command, *arguments),
            directory=project.directory,
            environ=server.environ,
            codes=frozenset(codes),
            prepare=server.forget,
        )
