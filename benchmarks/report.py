"""What a run found, as it is printed and as it stands in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Cost

BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure and the most (or the least) that it may be."""

    what: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the figure is on the right side of the limit."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    @property
    def row(self) -> tuple[str, ...]:
        """As a row of the table of targets."""
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.is_met else "**not met**"
        return self.what, _number(self.figure), f"{sign} {_number(self.limit)}", verdict


@dataclass(slots=True)
class Report:
    """Tables in the order of the run, the targets, and lines about what was left out.

    `load` is how busy the machine was with other work: ratios bear much of it, but not all.
    """

    tables: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def compare(self, title: str, costs: Mapping[str, Cost]) -> None:
        """Add and print what each contender cost, the first one being ours, with the ratios of ours to it."""
        ours = next(iter(costs.values()))
        rows = [
            (name, f"{cost.wall:.2f} s", f"{cost.cpu:.2f} s", f"{cost.mebibytes:.0f} MiB",
             *(("", "", "") if cost is ours else _ratios(ours, cost)))
            for name, cost in costs.items()
        ]  # fmt: skip
        self.add(title, ("", "wall", "CPU", "memory", "wall ratio", "CPU ratio", "memory ratio"), rows)

    def add(self, title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Add and print a table."""
        text = f"### {title}\n\n{table(head, rows)}"
        self.tables.append(text)
        print(f"\n{text}", flush=True)

    def expect(self, what: str, figure: float, limit: float, *, at_least: bool = False) -> None:
        """Add and print a target."""
        target = Target(what=what, figure=figure, limit=limit, at_least=at_least)
        self.targets.append(target)
        print("  " + " · ".join(target.row), flush=True)

    def skip(self, what: str) -> None:
        """Add and print that something was left out, and why."""
        self.notes.append(what)
        print(f"  skipped: {what}", flush=True)

    def text(self, sizes: tuple[int, ...]) -> str:
        """Everything, with the date and the machine."""
        date = datetime.now(UTC).date().isoformat()
        intro = (
            f"Run on {date}: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python"
            f" {platform.python_version()}; {', '.join(f'{size:,}' for size in sizes)} flags. Means of"
            " runs that take turns, the command before each of the others; of plans of 10,000 flags, one turn. A"
            " ratio is the command's figure divided by the other's. Others kept"
            f" {self.load:.1f} of the cores busy when it began.\n"
        )
        met = sum(target.is_met for target in self.targets)
        targets = table(("target", "measured", "limit", ""), [target.row for target in self.targets])
        summary = f"### Targets: {met} of {len(self.targets)} met\n\n{targets}"
        skipped = "".join(f"- Skipped: {note}\n" for note in self.notes)
        return "\n".join(part for part in (intro, summary, *self.tables, skipped) if part)

    def write(self, page: Path, sizes: tuple[int, ...]) -> None:
        """Put the results between the marks of the page; what a person wrote around them stays."""
        pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        found = page.read_text()
        page.write_text(pattern.sub(lambda _: f"{BEGIN}\n{self.text(sizes)}{END}", found))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or value >= 1000 else f"{value:.3g}"


def _ratios(ours: Cost, theirs: Cost) -> tuple[str, str, str]:
    pairs = ((ours.wall, theirs.wall), (ours.cpu, theirs.cpu), (ours.mebibytes, theirs.mebibytes))
    return tuple(f"{own / other:.3f}" for own, other in pairs)  # type: ignore[return-value]


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or "an unknown processor"
