"""What is said of a failure, to the word, and where it is written."""

from __future__ import annotations

import json
import shutil
import stat
from typing import TYPE_CHECKING

import click
import pytest

from reconciler.cli.commands.plan import plan
from reconciler.cli.commands.schema import schema
from reconciler.cli.failures import as_reconciler_error, failure_text, failures_written_to, is_verbose, wants_json
from reconciler.cli.output import StdoutError
from reconciler.diagnostics import Diagnostic, Severity, SourcePosition
from reconciler.errors import GuardRefusedError, InterruptedRunError, InvalidInputError, ReconcilerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Repository

DEFECT = "This is a defect of reconciler: {}. --verbose shows where it happened."
PLAN, SCHEMA = (click.Context(command, info_name=f"reconciler {command.name}") for command in (plan, schema))


def caused_by(error: BaseException, cause: Exception) -> BaseException:
    """The error with a cause."""
    error.__cause__ = cause
    return error


EXTRA = "Got unexpected extra argument (checkout-*)"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (click.UsageError("No such thing"), UsageError, "No such thing."),
        (click.UsageError("Is it so?"), UsageError, "Is it so?"),
        (click.UsageError("No.", PLAN), UsageError, "No. See `reconciler plan --help`."),
        (
            click.UsageError(EXTRA, PLAN),
            UsageError,
            f"{EXTRA}. Did you mean --target checkout-*? See `reconciler plan --help`.",
        ),
        (click.UsageError(EXTRA, SCHEMA), UsageError, f"{EXTRA}. See `reconciler schema --help`."),
        (click.UsageError(EXTRA), UsageError, f"{EXTRA}."),
        (click.ClickException("It failed"), ReconcilerError, "It failed"),
        (PermissionError(13, "Permission denied", "a.yaml"), ReconcilerError, "a.yaml: Permission denied."),
        (PermissionError(13, "Permission denied"), ReconcilerError, "Permission denied."),
        (OSError("odd"), ReconcilerError, DEFECT.format("OSError: odd")),
        (ValueError("one\ntwo"), ReconcilerError, DEFECT.format("ValueError: one")),
        (ValueError("x" * 400), ReconcilerError, DEFECT.format(f"ValueError: {'x' * 300}")),
        (ReconcilerError("Ours."), ReconcilerError, "Ours."),
        (caused_by(ReconcilerError("Ours."), EOFError("cut")), ReconcilerError, "Ours."),
        (caused_by(click.Abort(), EOFError("cut")), ReconcilerError, DEFECT.format("EOFError: cut")),
        (caused_by(click.Abort(), ValueError()), InterruptedRunError, "Interrupted."),
        (OSError(28, "Disk full", "<stdout>"), StdoutError, "The result cannot be written to stdout: Disk full."),
    ],
)
def test_words_for_users(error: BaseException, kind: type[ReconcilerError], words: str) -> None:
    """A sentence; where the command is known, its help; where a key was given as an argument, the option for it."""
    found = as_reconciler_error(error)
    assert (type(found), str(found)) == (kind, words)


def test_findings_come_before_the_sentence(tmp_path: Path) -> None:
    """Each with its place, its line in the file and its hint, as far as there are any."""
    (tmp_path / "f.yaml").write_text("key: f\nenabled: yse\n")
    place = SourcePosition(file="f.yaml", line=2, column=10)
    findings = [
        Diagnostic(severity=Severity.ERROR, rule="type", message="No.", position=place, hint="Write true."),
        Diagnostic(severity=Severity.WARNING, rule="odd", message="Odd."),
    ]
    error = InvalidInputError("Wrong.", findings)
    error.directory = tmp_path
    shown = failure_text(error)
    assert shown.splitlines()[0] == "f.yaml:2:10: error: No. [type]"
    assert "enabled: yse" in shown
    assert shown.splitlines()[-3:] == ["    hint: Write true.", "warning: Odd. [odd]", "Error: Wrong."]
    short = "f.yaml:2:10: error: No. [type]\n    hint: Write true.\nwarning: Odd. [odd]\nError: Wrong.\n"
    assert failure_text(error, shows_lines=False) == short
    error.directory = None
    assert failure_text(error) == short
    assert failure_text(GuardRefusedError("No.", ("updates",))) == "Refused: No.\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("plan --format json", True), ("plan --format=json", True), ("plan --format text", False), ("plan", False),
        ("plan --format", False), ("plan --format json --format text", False),
        ("plan --format=text --format=json", True), ("plan --format=json -- --format text", True),
        ("plan -- --format json", False), ("plan --form json", False), ("--format json plan", True),
    ],
)  # fmt: skip
def test_whether_json_was_asked_for(arguments: str, wanted: bool) -> None:
    """The last of several counts, and nothing behind `--`."""
    assert wants_json(arguments.split()) is wanted


@pytest.mark.parametrize(
    ("argument", "wanted"),
    [("--verbose", True), ("-v", True), ("-vq", True), ("-qv", True), ("-q", False), ("verbose", False)],
)
def test_whether_more_was_asked_for(argument: str, wanted: bool) -> None:
    assert is_verbose(["plan", argument, "x"]) is wanted


def test_a_failure_in_place_of_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is private, and goes on; where it cannot be written that is said; what ends well leaves no file."""
    file = tmp_path / "report.json"
    with failures_written_to(file):
        pass
    assert not file.exists()
    for report in (file, None, tmp_path / "no" / "report.json"):
        with pytest.raises(UsageError, match=r"^No\.$"), failures_written_to(report):
            raise UsageError("No.")
    assert json.loads(file.read_text())["error"] == {"kind": "usage", "exitCode": 64, "message": "No."}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    err = capsys.readouterr().err
    assert err == f"Warning: {tmp_path / 'no' / 'report.json'} cannot be written: No such file or directory.\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("plan",), 3), (("apply", "--auto-approve"), 3), (("drift",), 3), (("validate",), 3), (("test",), 3),
        (("export",), 3), (("fmt",), 3), (("advance",), 3), (("evaluate", "new-checkout", "--user-id", "ada"), 3),
        (("rollback", "new-checkout", "--to", "1"), 3),
        (("drift", "--acknowledge", "new-checkout", "--until", "2099-01-01"), 3),
        (("history", "new-checkout"), 0), (("doctor",), 0), (("import",), 0),
    ],
)  # fmt: skip
def test_a_directory_of_flags_that_is_not_there(repository: Repository, command: tuple[str, ...], code: int) -> None:
    """Is an error of what reads its files; others go on without it, and import makes it."""
    shutil.rmtree(repository.root / "flags")
    ran = repository.run(*command)
    assert ran.code == code
    said = "reconciler.yaml:1:1: error: The directory of flag files does not exist. [flags-directory]"
    assert (said in ran.out + ran.err) is (code == 3)
