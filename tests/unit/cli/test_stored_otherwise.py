"""What a server keeps in a form of its own is sent once after git declares it, and then no more."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from emulators import an_emulator
from histories import git
from looks import BOB, edit

from reconciler.emulator import Behaviour
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Repository

KEY = "new-checkout"
PLAIN = f"key: {KEY}\nrolloutPercentage: 10\n"


def commit(repository: Repository, text: str, hours: int) -> None:
    """Commit a declaration, so many hours from now."""
    repository.write("flags/new-checkout.yaml", text)
    git(repository.root, "add", "--all")
    when = datetime.now(UTC) + timedelta(hours=hours)
    git(repository.root, "commit", "--quiet", "--message=m", at=int(when.timestamp()))


@pytest.fixture
def normalising(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A repository of git beside a server that trims text and puts tags in lower case."""
    emulator = an_emulator(behaviour=Behaviour(text="trimmed", tag_case="lower"))
    emulator.load(repository.emulator.dump())
    git(repository.root, "init", "--quiet", "--initial-branch=main")
    commit(repository, PLAIN, -2)
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        yield replace(repository, emulator=emulator, url=url)


@pytest.mark.parametrize("declared", ['name: "New "\n', "tags: [Growth, managed]\n"])
def test_it_is_sent_once_and_said_ever_after(normalising: Repository, declared: str) -> None:
    """Apply ends with 0 and names the field; the next plan is empty and says why; drift is none."""
    commit(normalising, PLAIN + declared, -1)
    ran = normalising.run("apply", "--auto-approve")
    assert ran.code == 0, ran.out + ran.err
    assert "is stored otherwise" in ran.out
    sent = len(normalising.emulator.writes)
    for command in (["plan", "--detailed-exitcode"], ["apply", "--auto-approve"]):
        ran = normalising.run(*command)
        assert ran.code == 0
        assert f'"{KEY}": ' in ran.out
        assert "is stored otherwise" in ran.out
        assert ran.out.splitlines()[-1] == "No changes."
    assert len(normalising.emulator.writes) == sent
    ran = normalising.run("drift")
    assert ran.code == 0
    assert "stored otherwise" in ran.out


def test_it_is_sent_once_for_each_writing_of_the_file_without_git(normalising: Repository) -> None:
    """Where git tells nothing, the file's own time does; one that keeps its time of writing counts from its copy."""
    shutil.rmtree(normalising.root / ".git")
    path = normalising.write("flags/new-checkout.yaml", PLAIN + "tags: [Growth, managed]\n")
    sent = len(normalising.emulator.writes)
    assert normalising.run("apply", "--auto-approve").code == 0
    for _ in range(2):
        ran = normalising.run("apply", "--auto-approve")
        assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes.")
        assert f'"{KEY}": /tags is stored otherwise (in lower case)' in ran.out
    assert len(normalising.emulator.writes) == sent + 1
    copy = normalising.root / "copy.yaml"
    shutil.copy2(path, copy)
    os.utime(copy, (0, 0))
    copy.replace(path)
    assert path.stat().st_mtime == 0
    assert normalising.run("plan", "--detailed-exitcode").code == 2
    assert normalising.run("apply", "--auto-approve").code == 0
    normalising.write("reconciler.yaml", (normalising.root / "reconciler.yaml").read_text())
    assert normalising.run("plan", "--detailed-exitcode").code == 2


def test_a_later_declaration_is_sent_again(normalising: Repository) -> None:
    """Once more for each declaration that is newer than the flag's last edit."""
    commit(normalising, PLAIN + "tags: [Growth, managed]\n", -1)
    assert normalising.run("apply", "--auto-approve").code == 0
    commit(normalising, PLAIN + "tags: [GROWTH, managed]\n", 1)
    assert normalising.run("plan", "--detailed-exitcode").code == 2


def test_other_values_are_drift_as_ever(normalising: Repository) -> None:
    """An edit by hand of such a field is one."""
    commit(normalising, PLAIN + "tags: [Growth, managed]\n", -1)
    assert normalising.run("apply", "--auto-approve").code == 0
    edit(normalising.emulator, BOB, KEY, tags=["else", "managed"])
    assert normalising.run("plan", "--detailed-exitcode").code == 2
    assert normalising.run("drift").code == 2


ZIP = 'conditions: [{prop: zip, op: is, values: ["7"]}], percentage: 50, rolloutWeights: {control: 1}'
ALL = "everyone: true, conditions: [], percentage: 100, rolloutWeights: {control: 1}"


@pytest.mark.parametrize(
    ("first", "second"),
    [(ZIP, ZIP.replace("7", "007")), (ALL, ALL.replace("{control: 1}", "{control: 9999, treatment: 1}"))],
)
def test_what_moves_users_is_sent_although_others_edited_the_flag_since(
    normalising: Repository, first: str, second: str
) -> None:
    """A later edit does not prove that the value was sent; "007" and "7" are other users, and 0 is no rounding."""
    declared = PLAIN + "enabled: true\ntargetSegments:\n  - {name: s, "
    commit(normalising, declared + first + "}\n", -2)
    assert normalising.run("apply", "--auto-approve").code == 0
    commit(normalising, declared + second + "}\n", -1)
    edit(normalising.emulator, BOB, KEY, description="by hand")
    assert normalising.run("plan", "--detailed-exitcode").code == 2
    assert normalising.run("apply", "--auto-approve").code == 0
    assert normalising.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("declared", ["007", "8"])
def test_what_moves_users_and_was_never_sent_is_drift(normalising: Repository, declared: str) -> None:
    """Users of "007" are others than those of "7": git is ahead, and the live value is no form of it."""
    text = PLAIN + "enabled: true\ntargetSegments:\n  - {name: s, "
    commit(normalising, text + ZIP + "}\n", -2)
    assert normalising.run("apply", "--auto-approve").code == 0
    commit(normalising, text + ZIP.replace("7", declared) + "}\n", 1)
    ran = normalising.run("drift")
    assert ran.code == 2
    assert "not applied yet" in ran.out
    assert "stored otherwise" not in ran.out


@pytest.mark.parametrize("with_git", [True, False])
def test_what_the_server_kept_as_it_was_sent_and_was_edited_since_is_drift(
    normalising: Repository, *, with_git: bool
) -> None:
    """A version shows the declared value, so another one that reads alike is an edit, and no form of the server's."""
    if not with_git:
        shutil.rmtree(normalising.root / ".git")
    text = PLAIN + "enabled: true\ntargetSegments:\n  - {name: s, " + ZIP.replace("7", "007") + "}\n"
    commit(normalising, text, -1) if with_git else normalising.write("flags/new-checkout.yaml", text)
    assert normalising.run("apply", "--auto-approve").code == 0
    assert normalising.run("drift").code == 0
    (segment,) = normalising.live(KEY)["targetSegments"]
    condition = {"type": "property", "prop": "zip", "op": "is", "values": ["7"]}
    edit(normalising.emulator, BOB, KEY, targetSegments=[segment | {"conditions": [condition]}])
    ran = normalising.run("drift")
    assert ran.code == 2
    assert "bob@example.com" in ran.out
    assert "stored otherwise" not in ran.out


def test_what_the_server_never_kept_as_it_was_sent_is_no_drift(
    normalising: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no version shows the declared value, the live one is taken for a form of the server's own."""
    emulator = an_emulator(behaviour=Behaviour(condition_values="numbers"))
    emulator.load(normalising.emulator.dump())
    commit(
        normalising, PLAIN + "enabled: true\ntargetSegments:\n  - {name: s, " + ZIP.replace("7", "7.50") + "}\n", -1
    )
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        assert normalising.run("apply", "--auto-approve").code == 0
        for options in ((), ("--budget", "1")):
            ran = normalising.run("drift", *options)
            assert ran.code == 0, ran.out
            assert "stored otherwise" in ran.out
            assert "version history" not in ran.out + ran.err
