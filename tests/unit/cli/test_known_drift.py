"""Drift that is known until a day: shown, and no reason for exit code 2 or an issue."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from looks import BOB, edit

from reconciler.cli import output

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

KEY = "new-checkout"
FILE = "flags/new-checkout.yaml"
AS_LIVE = f"# ours\nkey: {KEY}\nrolloutPercentage: 10  # ask first\n"


@pytest.fixture(autouse=True)
def declared(repository: Repository) -> None:
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\n')
    repository.write(FILE, AS_LIVE)
    repository.write("flags/other.yaml", "key: other-flag\nrolloutPercentage: 0\n")


def text_of(repository: Repository, name: str = FILE) -> str:
    return (repository.root / name).read_text()


def test_known_drift_is_shown_and_ends_with_0(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, rolloutPercentage=99)
    assert repository.run("drift").code == 2
    (repository.root / FILE).chmod(0o640)
    ran = repository.run("drift", "--acknowledge", KEY, "--until", "2099-12-24", "--reason", "the incident: #1")
    assert ran.code == 0
    assert stat.S_IMODE((repository.root / FILE).stat().st_mode) == 0o640
    assert ran.out == "Drift of 1 flag is known until 2099-12-24: commit the change.\n"
    assert text_of(repository) == AS_LIVE + 'knownUntil: "2099-12-24"\nknownReason: "the incident: #1"\n'
    for form in ("text", "markdown", "html"):
        shown = repository.run("drift", "--format", form)
        assert shown.code == 0
        assert "known until 2099" in shown.out.replace("&#45;", "-")
    assert repository.run("drift").out.splitlines()[-1].startswith("No drift; 1 known; ")
    document = json.loads(repository.run("drift", "--format", "json").out)
    assert document["drifted"] is False
    (flag,) = document["flags"]
    assert (flag["knownUntil"], flag["knownReason"]) == ("2099-12-24", "the incident: #1")


def test_other_drift_still_counts(repository: Repository) -> None:
    edit(repository.emulator, BOB, KEY, rolloutPercentage=99)
    edit(repository.emulator, BOB, "other-flag", rolloutPercentage=99)
    assert repository.run("drift", "--acknowledge", KEY, "--until", "2099-12-24").code == 0
    ran = repository.run("drift")
    assert ran.code == 2
    assert "Drift: 1 changed, 0 missing; 1 known; " in ran.out
    assert ran.out.index("~ other-flag") < ran.out.index("~ new-checkout")


def test_a_time_that_is_over_changes_nothing(repository: Repository) -> None:
    repository.write(FILE, AS_LIVE + "knownUntil: 2020-01-01\n")
    edit(repository.emulator, BOB, KEY, rolloutPercentage=99)
    ran = repository.run("drift")
    assert ran.code == 2
    assert "known until" not in ran.out


def test_a_missing_flag_may_be_known(repository: Repository) -> None:
    repository.write("flags/gone.yaml", "key: gone\nvariants: [{key: a}]\nknownUntil: 2099-01-01\n")
    ran = repository.run("drift")
    assert ran.code == 0
    assert "gone is declared but does not exist live, which is known" in ran.out


def test_a_second_time_replaces_the_first_and_its_reason(repository: Repository) -> None:
    for until, reason in (("2099-12-24", ("--reason", "first")), ("2098-01-02T10:00:00Z", ())):
        assert repository.run("drift", "--acknowledge", KEY, "--until", until, *reason).code == 0
    assert text_of(repository) == AS_LIVE + 'knownUntil: "2098-01-02T10:00:00Z"\n'


def test_several_flags_of_one_file(repository: Repository) -> None:
    (repository.root / "flags/other.yaml").unlink()
    repository.write(FILE, AS_LIVE + "---\nkey: other-flag\n")
    options = ("--acknowledge", KEY, "--acknowledge", "other-flag", "--acknowledge", KEY, "--until", "2099-12-24")
    ran = repository.run("drift", *options)
    assert (ran.code, ran.out) == (0, "Drift of 2 flags is known until 2099-12-24: commit the change.\n")
    assert (
        text_of(repository) == AS_LIVE + 'knownUntil: "2099-12-24"\n---\nkey: other-flag\nknownUntil: "2099-12-24"\n'
    )
    assert repository.run("validate").code == 0


def test_a_full_disk_hides_no_file_that_was_written(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named and stays as it was; so is what was written before it."""
    second = repository.root / "flags/other.yaml"
    before, write = second.read_text(), output.write_file

    def full(path: Path, text: str, *, private: bool) -> None:
        if path == second:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, text, private=private)

    monkeypatch.setattr(output, "write_file", full)
    options = ("--acknowledge", KEY, "--acknowledge", "other-flag", "--until", "2099-12-24")
    ran = repository.run("drift", *options)
    assert (ran.code, second.read_text()) == (1, before)
    assert "knownUntil" in text_of(repository)
    assert f"other.yaml cannot be written: No space left on device. Written before: {FILE}." in ran.err
    ran = repository.run("drift", "--acknowledge", "other-flag", "--until", "2099-12-24")
    assert ran.err == f"Error: {second} cannot be written: No space left on device.\n"


@pytest.mark.parametrize(("key", "hint"), [("other-flags", ' Did you mean "other-flag"?'), ("ended", "")])
def test_a_slip_is_named_with_a_flag_that_is_declared(repository: Repository, key: str, hint: str) -> None:
    """Not with one that is absent here; and no file is written while another one is wrong."""
    repository.write("flags/ended.yaml", "key: ended\nenvironments: {a: null}\n")
    repository.write("reconciler.yaml", "version: 1\nenvironments: {a: {projectId: '7'}}\n")
    ran = repository.run("drift", "--env", "a", "--acknowledge", key, "--until", "2099-12-24")
    assert ran.err == f'Error: No file declares a flag "{key}": there is nothing to acknowledge.{hint}\n'
    repository.write("flags/ended.yaml", "key: ended\nrolloutPercentage: 500\n")
    ran = repository.run("drift", "--env", "a", "--acknowledge", KEY, "--until", "2099-12-24")
    assert (ran.code, text_of(repository)) == (3, AS_LIVE)


def test_an_environment_has_its_own(repository: Repository) -> None:
    repository.write("reconciler.yaml", "version: 1\nenvironments: {a: {projectId: '7'}, b: {projectId: '8'}}\n")
    assert repository.run("drift", "--env", "a", "--acknowledge", KEY, "--until", "2099-12-24").code == 0
    assert 'environments:\n  a: {knownUntil: "2099-12-24"}\n' in text_of(repository)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--acknowledge", KEY), 64, "--acknowledge needs --until DATE"),
        (("--acknowledge", KEY, "--until", "2020-01-01"), 64, "is no date to come"),
        (("--acknowledge", KEY, "--until", "tomorrow"), 64, "is no date to come"),
        (("--acknowledge", KEY, "--until", "2099-02-30"), 64, "is no date to come"),
        (("--acknowledge", KEY, "--until", "2099-12-24", "--format", "json"), 64, "leave --format out"),
        (("--acknowledge", KEY, "--until", "2099-12-24", "--output", "o.md"), 64, "leave --output out"),
        (("--acknowledge", KEY, "--until", "2099-12-24", "--since", "1h"), 64, "leave --since out"),
        (
            ("--acknowledge", KEY, "--until", "2099-12-24", "--strict", "--budget", "5"),
            64,
            "leave --budget, --strict out",
        ),
        (
            ("--acknowledge", KEY, "--state", "s.json", "--target", KEY, "--until", "2099-12-24"),
            64,
            "Error: --acknowledge compares nothing: leave --target, --state out.\n",
        ),
        (("--until", "2099-12-24"), 64, "go with --acknowledge"),
        (("--reason", "x"), 64, "go with --acknowledge"),
        (
            ("--acknowledge", "nope", "--acknowledge", KEY, "--until", "2099-12-24"),
            1,
            'No file declares a flag "nope"',
        ),
    ],
)
def test_what_cannot_be_acknowledged_is_not_written(
    repository: Repository, options: tuple[str, ...], code: int, words: str
) -> None:
    ran = repository.run("drift", *options)
    assert ran.code == code
    assert words in ran.err
    assert text_of(repository) == AS_LIVE
    assert repository.emulator.log == []


def test_a_state_file_tells_when_it_is_over(repository: Repository) -> None:
    """Acknowledged it is neither recovered nor new; when that is over it has changed."""

    def notice() -> str:
        ran = repository.run("drift", "--state", "state.json", "--format", "json")
        return str(json.loads(ran.out)["notify"])

    edit(repository.emulator, BOB, KEY, rolloutPercentage=99)
    assert notice() == "new"
    repository.write(FILE, AS_LIVE + "knownUntil: 2099-01-01\n")
    assert notice() == "none"
    assert notice() == "none"
    repository.write(FILE, AS_LIVE + "knownUntil: 2020-01-01\n")
    assert notice() == "changed"


@pytest.mark.parametrize(
    ("until", "reason", "why"),
    [
        ("2099-12-24", "\x1b[31m", "The control character U+001B is not allowed."),
        ("2099-12-24", "a\u2028b", "U+2028 ends a line for some readers and not for others."),
        (
            "2099-12-24",
            "\u202e",
            "U+202E is a bidirectional control: text with it can read differently from what it says.",
        ),
        ("2099-12-24", "\x00", "The control character U+0000 is not allowed."),
        ("2099-12-24", "\udcff", None),
        ("2099-W01-1", "a", "Write a date as YYYY-MM-DD, or a time with its zone as YYYY-MM-DDTHH:MM:SSZ."),
    ],
)
def test_what_would_make_the_file_invalid_is_not_written(
    repository: Repository, until: str, reason: str, why: str | None
) -> None:
    file = repository.root / "flags/new-checkout.yaml"
    file.write_text(file.read_text() + "description: 'odd '\n")  # which is a warning, and no reason
    before = text_of(repository)
    ran = repository.run("drift", "--acknowledge", KEY, "--until", until, "--reason", reason)
    assert (ran.code, ran.out, text_of(repository)) == (64, "", before)
    said = f"A flag file cannot hold this --until or --reason: {why} It was not written."
    assert ran.err == f"Error: {said if why else '--reason is not UTF-8. Nothing was written.'}\n"
