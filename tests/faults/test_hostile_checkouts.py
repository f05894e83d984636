"""Checkouts that a stranger made: files that look like a repository, and repositories that name programs.

Of any kind: no program of theirs runs, and their commits are not taken for the checkout's. With a key in the
environment; of the environment itself through the installed command.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.grounds import ATTRIBUTES, FLAG, SWITCH, Ground, a_ground, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A checkout with everything committed."""
    with a_ground(tmp_path, switch=SWITCH) as ground:
        yield ground


def plain_files(ground: Ground, place: Path, config: str) -> None:
    """What a pull request can hold: a repository that is no `.git`, as ordinary files."""
    shutil.copytree(ground.a_repository(config), place, dirs_exist_ok=True)


def git_file(ground: Ground, target: str) -> None:
    (ground.sub / ".git").write_text(f"gitdir: {target}\n")


def a_file_that_names_plain_files(ground: Ground) -> None:
    shutil.copytree(ground.a_repository(), ground.sub / "plain")
    git_file(ground, "plain")


def plain_files_that_name_the_file_in_turn(ground: Ground) -> None:
    a_file_that_names_plain_files(ground)
    (ground.sub / "plain/gitdir").write_text("../.git\n")


def plain_files_that_claim_the_checkout(ground: Ground) -> None:
    shutil.copytree(ground.a_repository("[core]\nworktree = ..\n"), ground.sub / "plain")
    git_file(ground, "plain")


def a_link(ground: Ground, target: Path) -> None:
    (ground.sub / ".git").symlink_to(target)


def a_link_to_plain_files(ground: Ground) -> None:
    shutil.copytree(ground.a_repository(), ground.sub / "plain")
    a_link(ground, Path("plain"))


def an_empty_directory_above_plain_files(ground: Ground) -> None:
    plain_files(ground, ground.sub, "")
    (ground.sub / ".git").mkdir()


OF_THE_CHECKOUT: Mapping[str, Callable[[Ground], None]] = {
    "plain files beside the configuration": lambda ground: plain_files(ground, ground.sub, ""),
    "plain files that are no bare repository": lambda ground: plain_files(
        ground, ground.sub, "[core]\nbare = false\n"
    ),
    "plain files with a working tree": lambda ground: plain_files(ground, ground.sub, "[core]\nworktree = .\n"),
    "plain files at the top": lambda ground: plain_files(ground, ground.top, "[core]\nworktree = .\n"),
    "plain files below the flags": lambda ground: plain_files(ground, ground.sub / "flags/more", ""),
    "programs in its own configuration": lambda ground: ground.arm(ground.top / ".git"),
    "another working tree in its own configuration": lambda ground: ground.arm(
        ground.top / ".git", f"[core]\nworktree = {ground.outside}\n"
    ),
    "attributes among its files": lambda ground: (
        ground.arm(ground.top / ".git"),
        (ground.top / ".gitattributes").write_text(ATTRIBUTES),
    )[0],
}
"""Layouts in which the checkout's own commit is known."""

OF_NONE: Mapping[str, Callable[[Ground], None]] = {
    "a .git file that names plain files": a_file_that_names_plain_files,
    "plain files that name the .git file in turn": plain_files_that_name_the_file_in_turn,
    "plain files that claim the checkout": plain_files_that_claim_the_checkout,
    "a .git file that names a repository elsewhere": lambda ground: git_file(ground, str(ground.a_repository())),
    "a .git file that names the repository above": lambda ground: git_file(ground, "../.git"),
    "a .git link to plain files": a_link_to_plain_files,
    "a .git link to a repository elsewhere": lambda ground: a_link(ground, ground.a_repository()),
    "a .git link to the repository above": lambda ground: a_link(ground, Path("../.git")),
    "a .git link to nothing": lambda ground: a_link(ground, Path("nowhere")),
    "a .git file that says nothing": lambda ground: git_file(ground, ""),
    "a .git that is a pipe": lambda ground: os.mkfifo(ground.sub / ".git"),
    "an empty .git above plain files": an_empty_directory_above_plain_files,
}
"""Layouts in which the next `.git` is not the checkout's: no commit is known."""


def set_stale(ground: Ground) -> None:
    """Make git look at contents, where it would run filters: change a file, and the times of another."""
    flag = ground.sub / "flags/new-checkout.yaml"
    flag.write_text(FLAG.replace("50", "60"))
    os.utime(ground.sub / "reconciler.yaml", (1, 1))


@pytest.mark.parametrize("layout", [*OF_THE_CHECKOUT, *OF_NONE])
def test_no_layout_runs_a_program_or_speaks_for_the_checkout(ground: Ground, layout: str) -> None:
    """Plan, plan since a commit, apply of a commit: the commit is the checkout's or none, and no program ran.

    Neither does one run for any other command that asks git.
    """
    commit = ground.git(ground.top, "rev-parse", "HEAD")
    known = layout in OF_THE_CHECKOUT
    (OF_THE_CHECKOUT | OF_NONE)[layout](ground)
    set_stale(ground)
    since = ground.call("plan", "--changed-since", "HEAD", "--format", "json", directory=ground.sub)
    assert since.returncode == (0 if known else 64), since.stderr
    options = ("--config", "sub/reconciler.yaml")
    if known:
        planned, claimed = json.loads(since.stdout), commit
        assert planned["options"]["targets"] == ["new-checkout"]
        assert "has said so from" in ground.call("plan", *options).stdout
    else:
        planned = json.loads(ground.call("plan", *options, "--format", "json").stdout)
        hostile = ground.outside / "files"
        claimed = ground.git(hostile, "rev-parse", "HEAD") if hostile.exists() else commit
    assert planned["commit"] == (commit if known else None)
    applied = ground.call("apply", *options, "--expect-commit", claimed, "--auto-approve")
    assert applied.returncode == 6, applied.stderr
    assert ground.traces() == ""
    for command in (("test", "--against", "HEAD"), ("drift",), ("advance", "--dry-run"), ("validate",)):
        assert ground.call(*command, *options).returncode in {0, 1, 2, 64}
    (ground.sub / "reconciler.yaml").unlink()
    ground.call("init", directory=ground.sub)
    assert (ground.sub / "reconciler.yaml").exists()
    assert ground.traces() == ""


def test_the_environment_leads_to_no_other_repository(ground: Ground) -> None:
    """Neither by names of repositories and indexes, nor by programs, nor by where PATH stands."""
    commit = ground.git(ground.top, "rev-parse", "HEAD")
    hostile = ground.a_repository()
    for place in (ground.top, ground.sub):
        shutil.copy(ground.spy, place / "git")
    names = (
        "GIT_EXTERNAL_DIFF",
        "GIT_SSH_COMMAND",
        "GIT_PAGER",
        "PAGER",
        "GIT_EDITOR",
        "GIT_ASKPASS",
        "GIT_PROXY_COMMAND",
    )
    environ = {
        **dict.fromkeys(names, str(ground.spy)),
        **settings(("core.fsmonitor", str(ground.spy)), ("core.worktree", "/")),
        "GIT_DIR": str(hostile),
        "GIT_COMMON_DIR": str(hostile),
        "GIT_OBJECT_DIRECTORY": str(hostile / "objects"),
        "GIT_EXEC_PATH": str(ground.top),
        "GIT_NAMESPACE": "other",
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "PATH": f":.:sub:./:{ground.environ['PATH']}",
    }
    planned = ground.run("plan", "--config", "sub/reconciler.yaml", "--format", "json", **environ)
    assert json.loads(planned.stdout)["commit"] == commit
    assert "has said so from" in planned.stdout
    since = ground.run("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD", **environ)
    assert since.returncode == 0, since.stderr
    assert ground.traces() == ""


def test_what_a_partial_clone_lacks_is_not_fetched(ground: Ground) -> None:
    """A fetch would run what the repository names for it, with or without a network."""
    ground.arm(ground.top / ".git")
    held = ground.git(ground.top, "rev-parse", "HEAD:sub/flags/new-checkout.yaml")
    (ground.top / ".git/objects" / held[:2] / held[2:]).unlink()
    set_stale(ground)
    since = ground.run("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD")
    assert (since.returncode, "fetch enough history" in since.stderr) == (1, True), since.stderr
    assert ground.traces() == ""


def a_commit_of(ground: Ground, flags: str) -> None:
    """A commit in which `flags` is a tree, and after it one that is as the one before."""
    tree = ground.git(ground.top, "rev-parse", "HEAD^{tree}")
    config = ground.git(ground.top, "rev-parse", "HEAD:sub/reconciler.yaml")
    sub = made_tree(ground, f"100644 blob {config}\treconciler.yaml", f"040000 tree {flags}\tflags")
    top = made_tree(ground, f"040000 tree {sub}\tsub")
    large = ground.git(ground.top, "commit-tree", top, "-p", "HEAD", "-m", "large")
    ground.git(ground.top, "update-ref", "HEAD", ground.git(ground.top, "commit-tree", tree, "-p", large, "-m", "no"))


def made_tree(ground: Ground, *entries: str) -> str:
    """The id of a tree with these entries."""
    done = subprocess.run(
        ["git", "mktree"], cwd=ground.top, env=ground.environ, input="\n".join(entries), text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_small_commit_that_unfolds_to_more_than_memory_is_refused(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees that hold each other ten times over, and a content that compresses well: said, and not taken in."""
    monkeypatch.setattr("reconciler.cli.git._MOST_BYTES", 1024 * 1024)
    blob = ground.git(ground.top, "rev-parse", "HEAD:sub/flags/new-checkout.yaml")
    tree = made_tree(ground, *(f"100644 blob {blob}\tf{number}.yaml" for number in range(10)))
    for _ in range(8):
        tree = made_tree(ground, *(f"040000 tree {tree}\td{number}" for number in range(10)))
    a_commit_of(ground, tree)
    (ground.outside / "zeros").write_bytes(bytes(4 * 1024 * 1024))
    zeros = ground.git(ground.top, "hash-object", "-w", str(ground.outside / "zeros"))
    many = ground.call("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD~1")
    a_commit_of(ground, made_tree(ground, f"100644 blob {zeros}\tbig.yaml"))
    large = ground.call("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD~1")
    for ran in (many, large):
        assert (ran.returncode, "git found more than 1 MiB" in ran.stderr) == (1, True), ran.stderr
