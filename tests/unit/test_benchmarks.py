"""How contenders are measured: who runs when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Command, compare

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_runs_before_each_of_the_others(tmp_path: Path) -> None:
    """A machine that changes its pace does so for all of them; one without others runs alone."""
    log = tmp_path / "log"
    commands = [
        Command(name=name, arguments=("/bin/sh", "-c", f"echo {name} >> log"), directory=tmp_path) for name in "abc"
    ]
    assert set(compare(commands, runs=2)) == {"a", "b", "c"}
    assert log.read_text().split() == ["a", "b", "a", "c"] * 2
    log.unlink()
    costs = compare(commands[:1], runs=3)
    assert log.read_text().split() == ["a"] * 3
    assert costs["a"].wall > 0
