"""An emergency switch through the command, with a repository of git and the versions of a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from histories import git
from looks import BOB, edit

if TYPE_CHECKING:
    from conftest import Repository

KEY = "new-checkout"
ON = f"key: {KEY}\nenabled: true\nrolloutPercentage: 10\n"
EARLIER, LATER = timedelta(hours=-1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def committed(repository: Repository) -> None:
    """The flag is declared on since an hour ago, and live so."""
    repository.write(".gitignore", "plan.json\nreport.json\n")
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    commit(repository, ON, EARLIER)


def commit(repository: Repository, text: str, when: timedelta) -> str:
    repository.write("flags/new-checkout.yaml", text)
    git(repository.root, "add", "--all")
    git(repository.root, "commit", "--quiet", "--message=m", at=int((datetime.now(UTC) + when).timestamp()))
    return git(repository.root, "rev-parse", "HEAD").strip()


def test_it_stays_off_until_git_says_so_again(repository: Repository) -> None:
    """Not by a commit that only touches the file, nor one that is not committed; by a later declaration."""
    edit(repository.emulator, BOB, KEY, enabled=False)
    head = commit(repository, ON + "notes: touched\n", LATER)
    for arguments in ((), ("--expect-commit", head)):
        held = repository.run("apply", "--auto-approve", "--report", "report.json", *arguments)
        assert held.code == 5
        assert "turned off live by bob@example.com" in held.err
        assert f"reconciler import --target {KEY} --force" in held.out + held.err
        assert f"--allow kill-switch:{KEY}" in held.out + held.err
        assert repository.live(KEY)["enabled"] is False
    commit(repository, ON.replace("true", "false"), LATER)
    assert repository.run("apply", "--auto-approve").code == 0
    repository.write("flags/new-checkout.yaml", ON)
    assert "The value is not committed." in repository.run("plan").out
    commit(repository, ON, LATER)
    assert repository.run("apply", "--auto-approve").code == 0
    assert repository.live(KEY)["enabled"] is True


def test_adopting_it_is_the_first_way_out(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, enabled=False)
    assert repository.run("import", "--target", KEY, "--force").code == 0
    assert repository.run("plan", "--detailed-exitcode").code == 0


def test_allowing_it_by_name_turns_it_on(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, enabled=False)
    assert repository.run("apply", "--auto-approve", "--allow", "kill-switch:other-flag").code == 5
    assert repository.run("apply", "--auto-approve", "--allow", f"kill-switch:{KEY}").code == 0
    assert repository.live(KEY)["enabled"] is True


def test_the_others_go_on(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, enabled=False)
    repository.write("flags/other.yaml", "key: other-flag\ndescription: another\n")
    assert repository.run("apply", "--auto-approve").code == 7
    assert repository.live(KEY)["enabled"] is False
    assert repository.live("other-flag")["description"] == "another"


def test_a_shallow_clone_says_what_is_lacking(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, rolloutPercentage=0)
    commit(repository, ON + "notes: touched\n", EARLIER)
    git(repository.root, "clone", "--quiet", "--depth=1", f"file://{repository.root}", "shallow")
    ran = repository.run("plan", "--config", "shallow/reconciler.yaml")
    assert "This clone is shallow" in ran.out
    assert "set to 0 live by bob@example.com" in ran.out


def test_a_saved_plan_is_the_same_plan_again(repository: Repository) -> None:
    """Held flags are told in it in the same words; one that was turned off after it was made makes it stale."""
    edit(repository.emulator, BOB, KEY, enabled=False)
    repository.write("flags/other.yaml", "key: other-flag\ndescription: another\n")
    assert repository.run("plan", "--out", "plan.json").code == 0
    held = json.loads((repository.root / "plan.json").read_text())["flags"][0]["held"]
    assert [item["guard"] for item in held] == ["kill-switch"]
    assert repository.run("apply", "plan.json", "--auto-approve").code == 7
    assert repository.live(KEY)["enabled"] is False
    edit(repository.emulator, BOB, KEY, enabled=True, rolloutPercentage=20)
    assert repository.run("plan", "--out", "plan.json").code == 0
    edit(repository.emulator, BOB, KEY, rolloutPercentage=0)
    assert repository.run("apply", "plan.json", "--auto-approve").code == 6


def test_a_plan_of_one_environment_asks_for_what_that_one_sees(repository: Repository) -> None:
    """What another environment was given later is no later declaration for this one."""
    edit(repository.emulator, BOB, KEY, enabled=False)
    environments = "environments: {live: {projectId: '7'}, other: {projectId: '8'}}\n"
    repository.write("reconciler.yaml", f"version: 1\n{environments}")
    commit(repository, ON + "environments: {other: {enabled: false}}\n", LATER)
    assert "turned off live" in repository.run("plan", "--env", "live").out
