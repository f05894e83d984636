"""`rollback`: the file of a flag, words, exit codes; GET only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from emulators import ask

from reconciler.emulator.requests import text_response

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.emulator import ApiResponse, RawRequest

TEXT = """\
# ours
key: new-checkout
enabled: true      # live
rolloutPercentage: 50 # half
variants:
  - key: control # c
  - key: treatment
    inclusions: {users: [ada@example.com]}
"""


@pytest.fixture
def edited(repository: Repository) -> Repository:
    """A repository whose flag was at 10 percent in version 1, and at 50 and off in version 2."""
    flag_id = next(flag["id"] for flag in repository.emulator.store.flags.values() if flag["key"] == "new-checkout")
    answer = ask(repository.emulator, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 50, "enabled": False})
    assert answer.status == 200
    repository.write("flags/new-checkout.yaml", TEXT)
    repository.emulator.log.clear()
    return repository


def test_rollback_rewrites_the_declared_fields(edited: Repository) -> None:
    """Declared fields get the version's values, other lines stay; stdout says what changed and what could not."""
    (edited.root / "flags/new-checkout.yaml").chmod(0o640)
    ran = edited.run("rollback", "new-checkout", "--to", "1")
    assert (ran.code, ran.err) == (0, "")
    assert (edited.root / "flags/new-checkout.yaml").stat().st_mode & 0o777 == 0o640
    assert (edited.root / "flags/new-checkout.yaml").read_text() == TEXT.replace(
        "rolloutPercentage: 50 # half", "rolloutPercentage: 10 # half"
    )
    lines = ran.out.splitlines()
    assert re.fullmatch(
        r"new-checkout  flags/new-checkout\.yaml: version 1 of [\dT:.+Z-]+ by \S+@example\.com", lines[0]
    ), lines[0]
    assert lines[1] == "  ~ rolloutPercentage"
    assert lines[2].startswith("  = variants/treatment/inclusions/users: ")
    assert lines[-1] == "Nothing was applied: review the file, then `reconciler plan`."
    assert {entry.method for entry in edited.emulator.log} == {"GET"}


def test_undeclared_fields_stay_undeclared(edited: Repository) -> None:
    """A file that says nothing of a field says nothing of it afterwards."""
    edited.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 1\n")
    assert edited.run("rollback", "new-checkout", "--to", "2").code == 0
    assert (edited.root / "flags/new-checkout.yaml").read_text() == "key: new-checkout\nrolloutPercentage: 50\n"


def test_out_leaves_the_file_alone(edited: Repository) -> None:
    """With --out the result goes elsewhere, and the report names that file."""
    ran = edited.run("rollback", "new-checkout", "--to", "1", "--out", "old.yaml")
    assert ran.code == 0
    assert ran.out.startswith("new-checkout  old.yaml: version 1 of ")
    assert (edited.root / "flags/new-checkout.yaml").read_text() == TEXT
    old = edited.root / "old.yaml"
    assert "rolloutPercentage: 10 # half" in old.read_text()
    assert old.stat().st_mode == edited.write("usual.yaml", "").stat().st_mode


def test_the_present_version_changes_nothing(edited: Repository) -> None:
    """Where the file has the version's values already, it is not touched."""
    edited.write("flags/new-checkout.yaml", TEXT.replace("true ", "false "))
    before = (edited.root / "flags/new-checkout.yaml").stat().st_mtime_ns
    ran = edited.run("rollback", "new-checkout", "--to", "2")
    assert ran.out.splitlines()[-1] == "No changes: the file declares these values already."
    assert (edited.root / "flags/new-checkout.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("new-checkout", "--to", "9"), 1, "has no version 9"),
        (("other-flag", "--to", "1"), 1, 'No file declares a flag "other-flag"'),
        (("new-checkout", "--to", "0"), 64, "0 is not in the range"),
        (("new-checkout",), 64, "--to"),
    ],
)
def test_what_does_not_exist_is_said(edited: Repository, arguments: tuple[str, ...], code: int, words: str) -> None:
    """A version, a flag or an option that is not there: an exit code, a sentence, and the file as it was."""
    ran = edited.run("rollback", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert (edited.root / "flags/new-checkout.yaml").read_text() == TEXT


def test_a_version_that_cannot_be_declared_is_refused(edited: Repository) -> None:
    """Fractions of percents are in no file: exit code 3, and nothing is written."""
    store = edited.emulator.store
    flag = next(flag for flag in store.flags.values() if flag["key"] == "new-checkout")
    store.commit({**flag, "rolloutPercentage": 12.5}, "grace@example.com")  # type: ignore[typeddict-item]
    ran = edited.run("rollback", "new-checkout", "--to", "3")
    assert ran.code == 3
    assert ran.out == ""
    assert "Version 3 cannot be declared as it was; nothing was written.\n" in ran.err
    assert "flags/new-checkout.yaml:1:1: error: " in ran.err
    assert "whole number" in ran.err
    assert "[not-declarable]" in ran.err
    assert (edited.root / "flags/new-checkout.yaml").read_text() == TEXT


def test_nothing_is_rolled_back_beside_files_that_are_invalid(edited: Repository) -> None:
    """No request is sent for it."""
    edited.write("flags/other.yaml", "key: other\nenabled: perhaps\n")
    ran = edited.run("rollback", "new-checkout", "--to", "1")
    assert (ran.code, ran.out, edited.emulator.log) == (3, "", [])
    assert "flags/other.yaml:2:10: error: " in ran.err
    assert (edited.root / "flags/new-checkout.yaml").read_text() == TEXT


def test_what_the_file_is_silent_about_stays_unsaid(repository: Repository) -> None:
    """A segment that says nothing of its bucketing key does not begin to, though every version shows one."""
    text = (
        "key: new-checkout\nenabled: false\ntargetSegments:\n  - name: Staff # ours\n"
        "    conditions: [{prop: email, op: contains, values: [x]}]\n    percentage: 100\n"
        "    rolloutWeights: {control: 1}\n"
    )
    repository.write("flags/new-checkout.yaml", text)
    assert repository.run("apply", "--auto-approve").code == 0
    repository.write("flags/new-checkout.yaml", text.replace("false", "true"))
    ran = repository.run("rollback", "new-checkout", "--to", "2")
    assert (ran.code, (repository.root / "flags/new-checkout.yaml").read_text()) == (0, text)
    repository.write("flags/new-checkout.yaml", text)
    assert repository.run("import", "--force", "--target", "new-checkout").code == 0
    assert "bucketingKey" not in (repository.root / "flags/new-checkout.yaml").read_text().split("targetSegments")[1]


@pytest.mark.parametrize("status", [400, 404])
def test_a_version_that_is_not_there_is_said_to_be_missing(edited: Repository, status: int) -> None:
    """Servers have two answers for it."""
    real = edited.emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        return text_response(status, "no") if "/versions" in request.path else real(request)

    edited.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = edited.run("rollback", "new-checkout", "--to", "1")
    said = 'The flag "new-checkout" has no version 1: `reconciler history new-checkout` lists them.'
    assert (ran.code, ran.out, ran.err) == (1, "", f"Error: {said}\n")


def test_a_version_that_the_server_fails_to_show_is_not_said_to_be_missing(edited: Repository) -> None:
    """A failure of the server is told as one."""
    real = edited.emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        return text_response(422, "too old") if "/versions" in request.path else real(request)

    edited.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = edited.run("rollback", "new-checkout", "--to", "1")
    assert (ran.code, ran.out) == (1, "")
    assert "has no version" not in ran.err
    assert "too old" in ran.err


def test_a_version_of_another_flag_is_not_written(edited: Repository) -> None:
    """With any answer of the server, the file gets its own flag's version or nothing."""
    store = edited.emulator.store
    ours, theirs = (edited.live(key)["id"] for key in ("new-checkout", "other-flag"))
    versions_of = store.versions_of
    store.versions_of = lambda flag_id: versions_of(theirs if flag_id == ours else flag_id)  # type: ignore[method-assign]
    before = (edited.root / "flags/new-checkout.yaml").read_text(encoding="utf-8")
    ran = edited.run("rollback", "new-checkout", "--to", "1")
    assert ran.code == 1
    assert 'Asked for version 1 of "new-checkout", the server shows that of "other-flag".' in ran.err
    assert (edited.root / "flags/new-checkout.yaml").read_text(encoding="utf-8") == before


def test_what_a_server_says_of_an_author_moves_no_terminal(edited: Repository) -> None:
    """Neither does it give a runner of workflows a command."""
    store = edited.emulator.store
    flag = next(flag for flag in store.flags.values() if flag["key"] == "new-checkout")
    store.commit({**flag, "rolloutPercentage": 20}, "\x1b]0;x\x07\x9b2J\r\u202e\n::error::x ##[group]y")  # type: ignore[typeddict-item]
    ran = edited.run("rollback", "new-checkout", "--to", "3")
    assert ran.code == 0
    assert not {*ran.out} & {*"\x1b\x07\x9b\r\u202e"}
    assert "\n::" not in ran.out
    assert "##[" not in ran.out
