"""`plan --cache DIR`: inclusions are read once while nothing changes, and never used for long."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from emulators import OTHER_USER

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Ran, Repository

DECLARED = """key: new-checkout
rolloutPercentage: 10
variants:
  - key: control
    inclusions: {users: [], cohorts: []}
  - key: treatment
    inclusions: {users: [ada@example.com]}
"""
LISTS = 3


@pytest.fixture
def declared(repository: Repository) -> Repository:
    """A repository that declares what is live, inclusions too."""
    repository.write("flags/new-checkout.yaml", DECLARED)
    return repository


def plan(repository: Repository, *options: str) -> tuple[Ran, int]:
    """A plan with the cache, and how many lists of inclusions it read."""
    repository.emulator.log.clear()
    ran = repository.run("plan", "--cache", "kept", *options)
    assert (ran.code, ran.err) == (0, "")
    return ran, sum(entry.path.endswith(("/users", "/cohorts")) for entry in repository.emulator.log)


def cache_file(repository: Repository) -> Path:
    (path,) = (repository.root / "kept").iterdir()
    return path


def edit(repository: Repository, method: str, path: str, body: dict[str, object]) -> None:
    repository.emulator.edit_as(OTHER_USER, method, f"/flags/{repository.live('new-checkout')['id']}{path}", body)


def test_a_directory_that_is_not_there_is_made(declared: Repository) -> None:
    """With those above it; it is private, as the file in it."""
    assert declared.run("plan", "--cache", "a/b").code == 0
    directory = declared.root / "a/b"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600]


def test_reads_inclusions_once(declared: Repository) -> None:
    """The first plan reads every list, the second none, and both say the same."""
    first, reads = plan(declared)
    assert reads == LISTS
    second, reads = plan(declared)
    assert reads == 0
    assert first.out.splitlines()[-1] == second.out.splitlines()[-1] == "No changes."
    assert "drift every hour" not in first.out + second.out


def test_reads_again_what_changed(declared: Repository) -> None:
    """A flag with a new `lastModifiedAt` is read again, so that an edit by hand shows."""
    plan(declared)
    edit(declared, "POST", "/variants/control/users", {"inclusions": ["grace@example.com"]})
    ran, reads = plan(declared, "--show-users")
    assert reads == LISTS
    assert "grace@example.com" in ran.out


@pytest.mark.parametrize(
    "damage",
    [
        {"fullReadAt": "2020-01-01T00:00:00+00:00"},
        {"fullReadAt": "2999-01-01T00:00:00+00:00"},
        {"fullReadAt": "yesterday"},
        {"projectId": "8"},
        {"origin": "https://example.com"},
        {"formatVersion": 2},
        {"lists": {"1001/control/users": ["x"]}},
        {"lists": {"1001/control/users": ["x", [1]]}},
    ],
    ids=str,
)
def test_believes_nothing_that_is_old_or_of_elsewhere(declared: Repository, damage: dict[str, object]) -> None:
    """A day after the last full read, for another project, or damaged: everything is read, and kept again."""
    plan(declared)
    path = cache_file(declared)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert plan(declared)[1] == LISTS
    assert plan(declared)[1] == 0


def test_a_cache_that_is_no_text_counts_as_empty(declared: Repository) -> None:
    plan(declared)
    cache_file(declared).write_bytes(b"\xff\xfe")
    assert [plan(declared)[1] for _ in range(2)] == [LISTS, 0]


def test_a_directory_that_cannot_be_made_is_a_warning(declared: Repository) -> None:
    """The plan is as good as without it; the place is named."""
    declared.write("kept", "a file")
    ran = declared.run("plan", "--cache", "kept/deep")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes.")
    assert ran.err == "Warning: kept/deep cannot be created: Not a directory.\n"
    (declared.root / "kept").unlink()
    assert declared.run("plan", "--cache", "kept/deep").code == 0
    assert stat.S_IMODE((declared.root / "kept/deep").stat().st_mode) == 0o700


def test_only_its_owner_may_read_it(declared: Repository) -> None:
    """The file holds user ids: mode 0600."""
    plan(declared)
    assert stat.S_IMODE(cache_file(declared).stat().st_mode) == 0o600
    assert "ada@example.com" in cache_file(declared).read_text()


def test_is_off_by_default(declared: Repository) -> None:
    """Without the option nothing is kept and everything is read."""
    for _ in range(2):
        declared.emulator.log.clear()
        declared.run("plan")
        assert sum(entry.path.endswith(("/users", "/cohorts")) for entry in declared.emulator.log) == LISTS
    assert not (declared.root / "kept").exists()


def test_lists_that_matter_only_for_a_plan_are_kept_too(declared: Repository) -> None:
    """Those of a variant that goes, which no file declares."""
    declared.write("flags/new-checkout.yaml", "key: new-checkout\nvariants:\n  - key: control\n")
    reads = [plan(declared)[1] for _ in range(2)]
    assert (reads[0] > 0, reads[1]) == (True, 0)
