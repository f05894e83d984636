"""`apply --expect-commit`: a commit is applied as it is, or nothing is sent."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Repository


@pytest.fixture
def head(repository: Repository) -> str:
    """The commit of a repository in which all is committed, with a flag file in a directory below."""
    repository.write("flags/more/second.yaml", "key: second\nvariants: [{key: a}]\n")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    return git(repository, "rev-parse", "HEAD")


def git(repository: Repository, *arguments: str) -> str:
    """What git says in the repository."""
    command = ["git", "-C", str(repository.root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


DIRTY = {
    "a change": ("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n"),
    "a staged change": ("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n"),
    "a new file": ("flags/more/third.yml", "key: third\nvariants: [{key: a}]\n"),
    "a deleted file": ("flags/more/second.yaml", None),
    "the configuration": ("reconciler.yaml", 'version: 1\nprojectId: "7"\n'),
}


@pytest.mark.parametrize("kind", DIRTY)
def test_what_is_not_committed_is_not_applied(repository: Repository, head: str, kind: str) -> None:
    """Exit code 6 that names the file and the ways out, and no request; without the option it is applied."""
    name, text = DIRTY[kind]
    if text is None:
        (repository.root / name).unlink()
    else:
        repository.write(name, text)
    if kind == "a staged change":
        git(repository, "add", ".")
    ran = repository.run("apply", "--auto-approve", "--expect-commit", head)
    assert ran.code == 6
    assert f"1 file not as in commit {head}: {name}." in ran.err
    assert "Commit or restore first, or leave the option out." in ran.err
    assert repository.emulator.log == []
    assert repository.run("apply", "--auto-approve").code == 0


def test_other_files_do_not_matter(repository: Repository, head: str) -> None:
    """Plans, reports and whatever else lies about are no part of what is applied."""
    repository.write("plan.json", "{}")
    repository.write("flags/notes.md", "not a flag")
    assert repository.run("apply", "--auto-approve", "--expect-commit", head[:12]).code == 0
    assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_many_files_are_counted(repository: Repository, head: str) -> None:
    """The message stays one to read."""
    for number in range(9):
        repository.write(f"flags/n{number}.yaml", f"key: n{number}\nvariants: [{{key: a}}]\n")
    error = repository.run("apply", "--auto-approve", "--expect-commit", head).err
    assert "9 files not as in commit" in error
    assert "flags/n4.yaml, …." in error
    assert "flags/n5.yaml" not in error
