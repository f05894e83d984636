"""Files that cannot be written: what was done is told all the same, and the exit code says both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli.output import try_write_file, write_file
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository

FULL = "/dev/full"
NO_ROOM = "No space left on device"


def installed(*arguments: str, stdout: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command as users run it: without the variables that keep Python from buffering."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [
        "/bin/sh",
        "-c",
        f'exec "$0" "$@"{f" >{stdout}" if stdout else ""}',
        sys.executable,
        "-m",
        "reconciler",
    ]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, env=environment | environ, timeout=60
    )


def when_written(repository: Repository, act: Callable[[], None]) -> None:
    """Let `act` happen as soon as the server has made the first change."""
    commit = repository.emulator.store.commit

    def made(*arguments: Any, **settings: Any) -> Any:
        repository.emulator.store.commit = commit  # type: ignore[method-assign]
        act()
        return commit(*arguments, **settings)

    repository.emulator.store.commit = made  # type: ignore[method-assign]


def declare_nothing_new(repository: Repository) -> None:
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 10\n")


@pytest.mark.parametrize("option", ["--report", "--output"])
@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_what_was_applied_is_shown_with_any_file_failing(repository: Repository, option: str, form: str) -> None:
    """The report is on stdout in the form that was asked for; the file is named; the exit code is 7."""
    ran = repository.run("apply", "--auto-approve", "--format", form, option, FULL)
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert ran.code == 7
    assert f"{FULL} cannot be written: {NO_ROOM}" in ran.err
    if form != "json":
        assert "1 applied, 0 failed" in ran.out
        return
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("report")).validate(document)
    assert (document["summary"]["applied"], document["verified"]) == (1, True)
    assert (document["error"]["kind"], document["error"]["exitCode"]) == ("partial", 7)
    assert NO_ROOM in document["error"]["message"]


def test_two_files_that_fail_are_both_named(repository: Repository) -> None:
    """Neither hides the other, nor the result."""
    ran = installed("apply", "--auto-approve", "--report", FULL, "--output", "/dev/./full")
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert ran.returncode == 7
    assert (ran.stderr.count("/dev/full cannot"), ran.stderr.count("/dev/./full cannot")) in {(1, 1), (2, 0)}
    assert "1 applied" in ran.stdout


@pytest.mark.parametrize("option", ["--report", "--output"])
def test_a_directory_that_vanishes_takes_only_its_file_along(repository: Repository, option: str) -> None:
    """It was there when the run began and is gone when it ends."""
    (repository.root / "out").mkdir()
    when_written(repository, lambda: shutil.rmtree(repository.root / "out"))
    ran = installed("apply", "--auto-approve", option, "out/report.json", "--format", "json")
    assert ran.returncode == 7
    assert json.loads(ran.stdout)["summary"]["applied"] == 1
    assert "out/report.json cannot be written: No such file or directory" in ran.stderr


def test_where_nothing_was_made_a_missing_report_is_a_plain_failure(repository: Repository) -> None:
    """Exit code 1, and the true report."""
    declare_nothing_new(repository)
    ran = installed("apply", "--auto-approve", "--report", FULL, "--format", "json")
    document = json.loads(ran.stdout)
    Draft202012Validator(load_schema("report")).validate(document)
    assert (ran.returncode, document["error"]["kind"], document["error"]["exitCode"]) == (1, "failed", 1)
    assert document["verified"] is True
    assert NO_ROOM in ran.stderr


def test_the_failure_of_a_call_stays_what_it_was(repository: Repository) -> None:
    """A run that failed for its own reason keeps its exit code; both reasons are told."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\ndeployments: ['999']\n")
    ran = installed("apply", "--auto-approve", "--report", FULL, "--format", "json", "--allow", "deployments")
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["error"]["exitCode"]) == (1, 1)
    assert document["summary"]["failed"] == 1
    assert "Nothing was applied: 1 failed" in ran.stderr
    assert NO_ROOM in ran.stderr


@pytest.mark.parametrize("arguments", [["--format", "json"], ["--format", "json", "-q"], ["--format", "markdown"]])
def test_what_was_applied_is_told_on_stderr_where_stdout_is_full(
    repository: Repository, arguments: list[str]
) -> None:
    """Also to those who asked for quiet: nothing else knows of it."""
    ran = installed("apply", "--auto-approve", *arguments, stdout=FULL)
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert ran.returncode == 7
    assert "1 applied, 0 failed" in ran.stderr
    assert NO_ROOM in ran.stderr


def test_a_full_stdout_and_a_full_report_leave_stderr(repository: Repository) -> None:
    """The outcome, and what failed of it."""
    ran = installed("apply", "--auto-approve", "--format", "json", "--report", FULL, stdout=FULL)
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert ran.returncode == 7
    assert "1 applied, 0 failed" in ran.stderr
    assert f"{FULL} cannot be written" in ran.stderr


def test_an_interruption_while_reporting_leaves_the_outcome(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report may go into a pipe that nothing reads: the signal that ends the wait hides nothing."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reconciler.cli.output.write_file", interrupted)
    ran = repository.run("apply", "--auto-approve", "--format", "json", "--report", "report.json")
    assert ran.code == 130
    assert "1 applied, 0 failed" in ran.err


def test_a_plan_that_cannot_be_shown_is_not_applied(repository: Repository) -> None:
    """As text the plan goes to stdout before anything is sent."""
    ran = installed("apply", "--auto-approve", stdout=FULL)
    assert (ran.returncode, repository.emulator.writes) == (1, [])
    assert NO_ROOM in ran.stderr


@pytest.mark.parametrize(
    "command", [("plan",), ("drift",), ("test",), ("export", "--format", "sdk"), ("show", "plan.json")], ids=" ".join
)
def test_a_result_that_cannot_be_written_is_a_failure(repository: Repository, command: tuple[str, ...]) -> None:
    """Whatever was found: the file is named, the exit code is 1, and the result is on stdout."""
    repository.run("plan", "--out", "plan.json")
    ran = repository.run(*command, "--output", FULL, "--quiet")
    assert (ran.code, ran.err) == (1, f"Error: {FULL} cannot be written: {NO_ROOM}.\n")
    assert ran.out == repository.run(*command).out != ""


def test_a_name_that_no_file_can_have_is_said(tmp_path: Path) -> None:
    """As is a text that has no bytes; nothing is left behind."""
    said = [
        try_write_file(tmp_path / name, text, private=True)
        for name, text in (("a\0b", "x"), ("a", "\ud800"), ("b", "x"))
    ]
    assert [item and item.removeprefix(str(tmp_path)) for item in said] == [
        "/a\0b cannot be written: embedded null byte.",
        "/a cannot be written: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed.",
        None,
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_directory_is_no_file_to_write_to(repository: Repository) -> None:
    """It is wrong usage, found before anything is sent."""
    (repository.root / "out").mkdir()
    for command in (["apply", "--auto-approve", "--report", "out"], ["plan", "--output", "out"]):
        ran = repository.run(*command)
        assert (ran.code, repository.emulator.log) == (64, [])
        assert "out" in ran.err


@pytest.mark.parametrize("option", ["--out", "--output"])
@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_plan_is_shown_with_any_file_failing(repository: Repository, option: str, form: str) -> None:
    """On stdout, in the form that was asked for and once; exit code 1 outranks the 2 of changes."""
    ran = repository.run("plan", "--detailed-exitcode", "--format", form, option, FULL)
    assert (ran.code, repository.emulator.writes) == (1, [])
    assert f"{FULL} cannot be written: {NO_ROOM}" in ran.err
    assert "new-checkout" in ran.out
    if form == "json":
        document = json.loads(ran.out)
        Draft202012Validator(load_schema("plan")).validate(document)
        assert document["summary"]["update"] == 1
        assert document["error"]["exitCode"] == 1


@pytest.mark.parametrize("directory", ["/dev/full", "/proc/nowhere", "taken"])
def test_a_cache_that_cannot_be_kept_takes_nothing_from_the_plan(repository: Repository, directory: str) -> None:
    """It saves reads of the next plan; this one is whole."""
    (repository.root / "taken" / "inclusions-7.json").mkdir(parents=True)
    ran = installed("plan", "--format", "json", "--cache", directory)
    assert (ran.returncode, json.loads(ran.stdout)["summary"]["update"]) == (0, 1)
    assert f"Warning: {directory}" in ran.stderr


def test_a_refused_plan_keeps_its_exit_code(repository: Repository) -> None:
    """The guard matters more than the file."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingKey: user_id\n")
    for command in (["plan"], ["apply", "--auto-approve"]):
        ran = installed(*command, "--format", "json", "--output", FULL)
        document = json.loads(ran.stdout)
        assert (ran.returncode, document["error"]["guards"]) == (5, ["rebucket"])
        assert NO_ROOM in document["error"]["message"]
    for options in (("plan", "--record", FULL), ("apply", "--auto-approve", "--report", FULL)):
        ran = repository.run(*options)
        assert (ran.code, ran.err.count(f"{FULL} cannot be written: {NO_ROOM}.")) == (5, 1)


@pytest.mark.parametrize("option", ["--output", "--state"])
def test_a_drift_is_shown_with_any_file_failing(repository: Repository, option: str, tmp_path: Path) -> None:
    """One document on stdout, and the failure of the file in it."""
    place = FULL
    if option == "--state":
        (tmp_path / "out").mkdir()
        place = "out/state.json"
        answer = repository.emulator.api.answer

        def vanish(*arguments: Any) -> Any:
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            return answer(*arguments)

        repository.emulator.api.answer = vanish  # type: ignore[method-assign]
    ran = installed("drift", "--format", "json", option, place)
    document = json.loads(ran.stdout)
    Draft202012Validator(load_schema("drift")).validate(document)
    assert (ran.returncode, document["drifted"], document["error"]["exitCode"]) == (1, True, 1)
    assert f"{place} cannot be written" in ran.stderr


def test_a_saved_plan_is_shown_with_any_file_failing(repository: Repository) -> None:
    """`show` as `plan`."""
    repository.run("plan", "--out", "plan.json")
    ran = installed("show", "plan.json", "--output", FULL)
    assert ran.returncode == 1
    assert "Plan: 0 create, 1 update" in ran.stdout
    assert NO_ROOM in ran.stderr


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_name_of_stdout_is_stdout(repository: Repository, name: str) -> None:
    """Also where it leads to a file, which is written on and not replaced."""
    ran = installed("plan", "--output", name, "-q", stdout="shown.txt")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Plan: 0 create, 1 update" in (repository.root / "shown.txt").read_text(encoding="utf-8")
    assert installed("plan", "--output", name, "-q").stdout == repository.run("plan").out


def test_a_name_that_only_holds_that_of_a_stream_is_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The whole name counts: nothing goes to a stream by mistake."""
    for name in ("dev/stdout", "dev/fd/1", "proc/self/fd/2", "dev/stdout.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, "text", private=False)
        assert path.read_text(encoding="utf-8") == "text"
    with pytest.raises(OSError, match="proc"):
        write_file(Path("/proc/self/fd/1x"), "text", private=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "number"), [("/dev/stdout", 1), ("/dev/stderr", 2), ("/dev/fd/2", 2)])
def test_each_name_is_its_stream(capfd: pytest.CaptureFixture[str], name: str, number: int) -> None:
    """Out to one, and nothing to the other."""
    write_file(Path(name), "text", private=False)
    assert capfd.readouterr() == (("text", "") if number == 1 else ("", "text"))


FREE_OF_THE_SERVER = (
    ["--help"], ["plan", "--help"], ["--version"], ["schema"], ["schema", "config"], ["validate"],
    ["validate", "--format", "json"], ["fmt"], ["init", "--ci", "none", "--config", "new/reconciler.yaml"],
)  # fmt: skip
ASKING = (
    ["plan"], ["plan", "--format", "json"], ["drift"], ["import", "--target", "other-flag"], ["doctor"],
    ["history", "new-checkout"], ["rollback", "new-checkout", "--to", "1"], ["apply", "--auto-approve"],
    ["evaluate", "new-checkout", "--user-id", "a"], ["demo"], ["emulator"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", FREE_OF_THE_SERVER + ASKING, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout_is_named(repository: Repository, arguments: list[str], unbuffered: str) -> None:
    """By every command that writes to it: what could not be written and why, once, and exit code 1."""
    repository.write("flags/a.yaml", "variants: [{key: a}]\nkey: a\n")
    (repository.root / "new").mkdir()
    ran = installed(*arguments, stdout=FULL, PYTHONUNBUFFERED=unbuffered)
    assert ran.returncode == 1
    assert ran.stderr.count(f"stdout: {NO_ROOM}.") == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert repository.emulator.writes == []


def test_what_was_written_is_told_where_stdout_is_full(repository: Repository) -> None:
    """Files that commands write, although stdout does not tell."""
    repository.write("flags/a.yaml", "variants: [{key: a}]\nkey: a\n")
    (repository.root / "new").mkdir()
    assert "+ flags/other-flag.yaml" in installed("import", "--target", "other-flag", stdout=FULL).stderr
    assert "flags/a.yaml\n" in installed("fmt", stdout=FULL).stderr
    init = ["init", "--ci", "none", "--config", "new/reconciler.yaml"]
    assert "+ new/reconciler.yaml\n" in installed(*init, stdout=FULL).stderr
    assert "version 1 of" in installed("rollback", "new-checkout", "--to", "1", stdout=FULL).stderr
    assert "What was written: plan.json." in installed("plan", "--out", "plan.json", stdout=FULL).stderr
    assert "Nothing was sent" in installed("apply", "--auto-approve", stdout=FULL).stderr


def test_an_apply_that_cannot_save_its_plan_sends_nothing(repository: Repository) -> None:
    """It says which file and why."""
    ran = installed("apply", "--auto-approve", "--out", FULL)
    assert (ran.returncode, repository.emulator.writes) == (1, [])
    assert f"{FULL} cannot be written: {NO_ROOM}. Nothing was sent" in ran.stderr
