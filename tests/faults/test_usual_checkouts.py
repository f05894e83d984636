"""Checkouts as people and CI have them: their commit is known, also where others are refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from faults.grounds import FLAG, Ground, a_ground, settings

from reconciler.cli.git import GitFailedError, ask_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A checkout with everything committed."""
    with a_ground(tmp_path) as ground:
        yield ground


def a_worktree(ground: Ground) -> Path:
    ground.git(ground.top, "worktree", "add", "--quiet", "--detach", str(ground.outside / "tree"))
    return ground.outside / "tree"


def a_worktree_whose_path_is_no_text(ground: Ground) -> Path:
    ground.git(ground.top, "worktree", "add", "--quiet", "--detach", str(ground.outside / "tr\udcffee"))
    return ground.outside / "tr\udcffee"


def a_worktree_inside_of_the_checkout(ground: Ground) -> Path:
    ground.git(ground.top, "worktree", "add", "--quiet", "--detach", "trees/one")
    return ground.top / "trees/one"


def a_worktree_of_a_bare_repository(ground: Ground) -> Path:
    ground.git(ground.outside, "clone", "--quiet", "--bare", str(ground.top), "all/.bare")
    (ground.outside / "all/.git").write_text("gitdir: ./.bare\n")
    ground.git(ground.outside / "all", "worktree", "add", "--quiet", "--detach", "one")
    return ground.outside / "all/one"


def a_submodule(ground: Ground) -> Path:
    above = ground.outside / "above"
    above.mkdir()
    ground.git(above, "init", "--quiet")
    ground.git(above, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(ground.top), "flags")
    assert (above / "flags/.git").is_file()
    return above / "flags"


def a_submodule_with_its_own_settings(ground: Ground) -> Path:
    top = a_submodule(ground)
    ground.git(top, "sparse-checkout", "set", "sub")
    return top


def a_repository_that_names_its_checkout(ground: Ground) -> Path:
    tree = ground.outside / "tree"
    ground.git(ground.outside, "clone", "--quiet", "--separate-git-dir=held", str(ground.top), str(tree))
    ground.git(tree, "config", "core.worktree", str(tree))
    return tree


def a_link_to_a_repository_that_names_its_checkout(ground: Ground) -> Path:
    tree = a_repository_that_names_its_checkout(ground)
    (tree / ".git").unlink()
    (tree / ".git").symlink_to(ground.outside / "held")
    return tree


def a_shallow_clone(ground: Ground) -> Path:
    ground.git(ground.outside, "clone", "--quiet", "--depth=1", ground.top.as_uri(), "tree")
    return ground.outside / "tree"


def a_partial_clone(ground: Ground) -> Path:
    ground.git(ground.top, "config", "uploadpack.allowFilter", "true")
    ground.git(ground.outside, "clone", "--quiet", "--filter=blob:none", ground.top.as_uri(), "tree")
    return ground.outside / "tree"


def a_path_with_links(ground: Ground) -> Path:
    (ground.outside / "link").symlink_to(ground.top)
    return ground.outside / "link"


def a_path_with_a_colon(ground: Ground) -> Path:
    shutil.copytree(ground.top, ground.outside / "a:b c\n")
    return ground.outside / "a:b c\n"


USUAL: tuple[Callable[[Ground], Path], ...] = (
    lambda ground: ground.top,
    a_worktree,
    a_worktree_whose_path_is_no_text,
    a_worktree_inside_of_the_checkout,
    a_worktree_of_a_bare_repository,
    a_submodule,
    a_submodule_with_its_own_settings,
    a_repository_that_names_its_checkout,
    a_link_to_a_repository_that_names_its_checkout,
    a_shallow_clone,
    a_partial_clone,
    a_path_with_links,
    a_path_with_a_colon,
)


@pytest.mark.parametrize("layout", USUAL, ids=lambda layout: layout.__name__)
def test_usual_layouts_are_known(ground: Ground, layout: Callable[[Ground], Path]) -> None:
    """Their commit is known, what differs from it too, and it is applied; also in a hook, where git sets names."""
    commit = ground.git(ground.top, "rev-parse", "HEAD")
    place = layout(ground) / "sub"
    config = str(place / "reconciler.yaml")
    hook = {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index.lock", "GIT_PREFIX": "", "GIT_WORK_TREE": "/"}
    since = ground.call("plan", "--config", config, "--changed-since", "HEAD", "--format", "json", **hook)
    assert (since.returncode, json.loads(since.stdout)["commit"]) == (0, commit), since.stderr
    assert json.loads(since.stdout)["options"]["targets"] == ["(none)"]
    applied = ground.call("apply", "--config", config, "--expect-commit", commit, "--auto-approve", **hook)
    assert applied.returncode == 0, applied.stderr


def test_a_checkout_of_another_user_is_trusted_as_git_trusts_it(ground: Ground) -> None:
    """By the user's settings, wherever they stand, or by the environment's, of which nothing else counts."""
    options = ("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD")
    foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    assert ground.run(*options, **foreign).returncode == 1
    armed = (("core.fsmonitor", str(ground.spy)), ("Safe.Directory", str(ground.top)), ("core.abbrev", "none at all"))
    assert ground.run(*options, **foreign, **settings(*armed)).returncode == 0
    assert ground.run(*options, **foreign, **settings(armed[0], ("core.worktree", str(ground.top)))).returncode == 1
    ours = ground.outside / "ours"
    ground.git(ground.top, "config", "--file", str(ours), "safe.directory", "*")
    assert ground.run(*options, **foreign, GIT_CONFIG_GLOBAL=str(ours)).returncode == 0
    ground.git(ground.top, "config", "--global", "safe.directory", str(ground.top))
    assert ground.run(*options, **foreign).returncode == 0
    assert ground.traces() == ""


@pytest.mark.parametrize(
    "name", ["$(spy).yaml", "--upload-pack=spy.yaml", "a\nb.yaml", ":(top)*.yaml", "\\\"'.yaml", "é.yaml"]
)
def test_names_of_files_are_names(ground: Ground, name: str) -> None:
    """Of files, and of a directory: they reach git as they are, and never as options or patterns."""
    for file in (ground.sub / "flags" / name, ground.sub / "flags" / name / "x.yaml"):
        if file.parent.is_dir() or not file.parent.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_text("key: brand-new\nvariants: [{key: a}]\n")
            commit = ground.commit(ground.top)
            applied = ground.call(
                "apply", "--config", "sub/reconciler.yaml", "--auto-approve", "--expect-commit", commit
            )
            assert applied.returncode == 0, applied.stderr
            file.unlink()


@pytest.mark.parametrize(
    "name", ["refs/heads/--output=x", "refs/heads/-c", "refs/heads/HEAD", "refs/tags/main", "refs/heads/$(spy)"]
)
def test_names_of_branches_are_names(ground: Ground, name: str) -> None:
    """Where something is named like an option, a program or another branch, HEAD stays what is checked out."""
    commit = ground.git(ground.top, "rev-parse", "HEAD")
    (ground.sub / "flags/new-checkout.yaml").write_text(FLAG.replace("50", "60"))
    other = ground.commit(ground.top)
    ground.git(ground.top, "update-ref", name, commit)
    planned = ground.call("plan", "--config", "sub/reconciler.yaml", "--format", "json", "--changed-since", name)
    assert (json.loads(planned.stdout)["commit"], planned.returncode) == (other, 0)
    assert json.loads(planned.stdout)["options"]["targets"] == ["new-checkout"]


def test_git_needs_no_place_for_files(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have none that can be written, not even for temporary ones."""
    monkeypatch.setattr(tempfile, "tempdir", str(ground.outside / "missing"))
    done = ground.call("plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["commit"] == ground.git(ground.top, "rev-parse", "HEAD")


def a_git(ground: Ground, script: str) -> dict[str, str]:
    """What has another program than git answer."""
    program = ground.outside / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -I\nimport os, sys, time\n{script}\n")
    program.chmod(0o755)
    return {"PATH": str(program.parent)}


def test_a_git_that_never_ends_is_ended(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the command ends."""
    monkeypatch.setattr("reconciler.cli.git._SECONDS", 0.2)
    done = ground.call(
        "plan", "--config", "sub/reconciler.yaml", "--changed-since", "HEAD", **a_git(ground, "time.sleep(600)")
    )
    assert (done.returncode, "git did not answer within 0.2 seconds." in done.stderr) == (1, True), done.stderr


def test_a_git_that_says_much_and_reads_nothing(ground: Ground) -> None:
    """More words than a pipe holds, and more questions: neither side waits for the other."""
    environ = a_git(ground, "os.close(0); sys.stderr.write('x' * 5_000_000); print('answer'); sys.exit(3)")
    with patch.dict(os.environ, environ), pytest.raises(GitFailedError) as caught:
        ask_git("cat-file", "--batch", top=ground.top, git_dir=None, given=b"HEAD\n" * 1_000_000)
    assert caught.value.words == b"x" * 65536
