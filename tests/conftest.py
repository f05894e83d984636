"""How many processes run tests, and the counts of the programmes, which the end of the run prints."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "count: "


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: many tests wait for processes, browsers and clocks."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Adds to a count of the test's programme, by name."""

    def add(name: str, number: int) -> None:
        record_property(_MARK + name, number)

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums; properties travel with reports, so they arrive from other processes too."""
    sums: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, number in report.user_properties if report.when == "call" else ():
            if name.startswith(_MARK):
                module = report.nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")
                sums[module, name.removeprefix(_MARK)] += number
    if sums:
        terminalreporter.section("counted")
        for (module, name), number in sorted(sums.items()):
            terminalreporter.write_line(f"{module.replace('_', ' '):<22} {number:>9,} {name}")
