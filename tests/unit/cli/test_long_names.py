"""Files whose names are as long as names can be, and longer: written whole, or refused before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emulators import an_emulator

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

LONGEST = 255
COMMANDS = (
    ("plan", "--out"),
    ("plan", "--output"),
    ("apply", "--auto-approve", "--report"),
    ("apply", "--auto-approve", "--output"),
    ("drift", "--output"),
    ("drift", "--state"),
    ("rollback", "new-checkout", "--to", "1", "--out"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["n" * LONGEST, "ä" * (LONGEST // 2)], ids=["ascii", "two bytes each"])
def test_a_name_of_the_greatest_length_is_written(
    repository: Repository, command: tuple[str, ...], name: str
) -> None:
    """What is written first, beside it, has a name of its own; nothing else is left in the directory."""
    before = set(repository.root.iterdir())
    ran = repository.run(*command, name)
    assert ran.code in {0, 2}
    assert {path.name for path in set(repository.root.iterdir()) - before} == {name}
    assert (repository.root / name).stat().st_size > 0


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("length", [LONGEST + 1, 5_000])
def test_a_longer_name_is_refused_first(repository: Repository, command: tuple[str, ...], length: int) -> None:
    """Wrong usage, in the system's words, before a request is sent."""
    ran = repository.run(*command, "n" * length)
    assert (ran.code, ran.out) == (64, "")
    assert "cannot be written: File name too long." in ran.err
    assert repository.emulator.log == []


def test_fmt_writes_a_file_with_a_long_name(repository: Repository) -> None:
    """In its place, with nothing beside it."""
    path = repository.write("flags/" + "n" * (LONGEST - 5) + ".yaml", "enabled:   true\nkey: a\n")
    assert repository.run("fmt").code == 0
    assert path.read_text() == "key: a\nenabled: true\n"
    assert len(list((repository.root / "flags").iterdir())) == 2


def test_the_emulator_keeps_its_state_in_a_file_with_a_long_name(tmp_path: Path) -> None:
    """Two states in one directory, of any names, do not get in each other's way."""
    paths = [tmp_path / ("s" * length) for length in (LONGEST, LONGEST - 1)]
    for path in paths:
        an_emulator({"key": path.name}, state_file=path)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(f'"{path.name}"' in path.read_text() for path in paths)
