"""`apply`: asks or refuses, does what was planned, reports, and takes a saved plan for all or nothing."""

from __future__ import annotations

import errno
import json
import re
import stat
from typing import TYPE_CHECKING, Any

import click
import pytest
from emulators import OTHER_USER, an_emulator
from jsonschema import Draft202012Validator

from reconciler.apply import ApplyOptions, ApplyReport
from reconciler.emulator import Behaviour
from reconciler.emulator.requests import text_response
from reconciler.emulator.server import serve
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.emulator import ApiResponse, RawRequest

FIXED_BY_A_PLAN = [
    ["--target", "x"],
    ["--prune"],
    ["--unarchive"],
    ["--allow", "empty"],
    ["--shield"],
    ["--shard", "1/2"],
    ["--changed-since", "HEAD"],
    ["--env", "production"],
]


def test_apply_makes_it_so(repository: Repository) -> None:
    """The plan and the report on stdout, the live flag changed, the next plan empty."""
    ran = repository.run("apply", "--auto-approve")
    assert ran.code == 0
    assert "Plan: 0 create, 1 update" in ran.out
    assert ran.out.splitlines()[-1] == "Apply: 1 applied, 0 failed, 0 unknown, 0 skipped; 0 unchanged; verified"
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    assert repository.run("plan").out.splitlines()[-1] == "No changes."


def test_json_is_the_report_and_the_plan_goes_to_stderr(repository: Repository) -> None:
    """Stdout carries the report alone; --report writes the same, readable for its owner only."""
    ran = repository.run("apply", "--auto-approve", "--format", "json", "--report", "report.json")
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("report")).validate(document)
    assert document["summary"]["applied"] == 1
    assert document["verified"] is True
    assert "Plan: 0 create" in ran.err
    report = repository.root / "report.json"
    assert json.loads(report.read_text()) == document
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_text_in_a_file_has_the_plan_and_the_report(repository: Repository) -> None:
    """The plan is shown before it is made, on stderr; the file has both, with an empty line between them."""
    shown = repository.run("plan").out
    ran = repository.run("apply", "--auto-approve", "--output", "applied.txt")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(shown)
    written = (repository.root / "applied.txt").read_text()
    assert written.startswith(f"{shown}\n")
    assert "Apply: 1 applied" in written.removeprefix(shown)


@pytest.mark.parametrize(("form", "starts"), [("markdown", "**Apply: 1 applied"), ("html", "<!doctype html>")])
def test_a_report_has_the_other_forms_too(repository: Repository, form: str, starts: str) -> None:
    """Markdown for a pull request, HTML for a page."""
    assert repository.run("apply", "--auto-approve", "--format", form, "-q").out.startswith(starts)


def test_nothing_to_do_is_done(repository: Repository) -> None:
    """An empty plan is applied at once: exit code 0, a report of nothing, no write."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    ran = repository.run("apply", "--auto-approve")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes.")
    document = json.loads(repository.run("apply", "--auto-approve", "--format", "json").out)
    assert document["summary"] == {"applied": 0, "failed": 0, "unknown": 0, "skipped": 0, "unchanged": 1}
    assert document["verified"] is True
    assert repository.emulator.writes == []


def test_a_saved_plan_is_applied_where_there_is_no_terminal(repository: Repository) -> None:
    """It was reviewed when it was made, and no one is there to ask."""
    repository.run("plan", "--out", "plan.json")
    ran = repository.run("apply", "plan.json")
    assert (ran.code, repository.live("new-checkout")["rolloutPercentage"]) == (0, 50), ran.err
    assert "Apply this" not in ran.err


def test_without_a_terminal_apply_refuses(repository: Repository) -> None:
    """No terminal and no --auto-approve: wrong usage, before any request."""
    ran = repository.run("apply")
    assert ran.code == 64
    assert "--auto-approve" in ran.err
    assert repository.emulator.log == []


@pytest.mark.parametrize(("answer", "code", "writes"), [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0)])
def test_with_a_terminal_apply_asks(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, writes: int
) -> None:
    """Only a yes is a yes; the question names the project and is not part of the result."""
    terminal_says(monkeypatch, answer)
    ran = repository.run("apply")
    assert ran.code == code
    assert "Apply this to project 7 (us)? [y/N]" in ran.err
    assert "[y/N]" not in ran.out
    assert len(repository.emulator.writes) == writes


def test_no_answer_is_no(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input ends: that is no signal, and says what a no says, on a line of its own."""
    terminal_says(monkeypatch, "")
    ran = repository.run("apply")
    assert (ran.code, len(repository.emulator.writes)) == (1, 0)
    assert ran.err.endswith("[y/N]: \nError: Not approved: nothing was sent.\n")


def test_an_interrupt_at_the_question_says_that_nothing_was_sent(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C: the code of the signal, on a line of its own."""

    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    terminal_says(monkeypatch, "")
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    ran = repository.run("apply")
    assert (ran.code, len(repository.emulator.writes)) == (130, 0)
    assert ran.err == "\nError: Interrupted: nothing was sent.\n"


def test_a_refusal_at_the_question_is_json_too(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A no is a failure with a document."""
    terminal_says(monkeypatch, "n\n")
    ran = repository.run("apply", "--format", "json")
    assert json.loads(ran.out)["error"]["exitCode"] == 1


def terminal_says(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Stand in for a terminal on stdin, at which a user types."""
    import io
    import sys

    stream = io.StringIO(answer)
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stream)


def test_a_guard_refuses_before_anything_is_sent(repository: Repository) -> None:
    """Exit code 5, the plan and the guard shown, JSON with the plan and the error, no write."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingKey: user_id\n")
    assert repository.run("apply", "--auto-approve").code == 5
    document = json.loads(repository.run("apply", "--auto-approve", "--format", "json").out)
    assert document["error"]["guards"] == ["rebucket"]
    assert document["flags"][0]["key"] == "new-checkout"
    assert repository.emulator.writes == []
    assert repository.run("apply", "--auto-approve", "--allow", "rebucket").code == 0


def test_a_saved_plan_is_applied_once(repository: Repository) -> None:
    """The plan that was reviewed is what is done; the second time it is stale."""
    repository.run("plan", "--out", "plan.json")
    assert repository.run("apply", "plan.json", "--auto-approve").code == 0
    assert repository.live("new-checkout")["rolloutPercentage"] == 50
    ran = repository.run("apply", "plan.json", "--auto-approve", "--format", "json")
    assert (ran.code, json.loads(ran.out)["error"]["kind"]) == (6, "stale-plan")


@pytest.mark.parametrize("options", FIXED_BY_A_PLAN, ids=lambda options: options[0])
def test_a_saved_plan_fixes_everything(repository: Repository, options: list[str]) -> None:
    """An option that would change the plan is wrong usage with it, before any request."""
    repository.run("plan", "--out", "plan.json")
    asked = len(repository.emulator.log)
    ran = repository.run("apply", "plan.json", "--auto-approve", *options)
    assert ran.code == 64
    assert options[0] in ran.err
    assert len(repository.emulator.log) == asked


def test_a_saved_plan_keeps_its_options(repository: Repository) -> None:
    """What shaped the plan is repeated, not asked for again."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingKey: user_id\n")
    assert repository.run("plan", "--allow", "rebucket", "--target", "new-*", "--out", "plan.json").code == 0
    assert repository.run("apply", "plan.json", "--auto-approve").code == 0


def test_a_plan_is_stale_when_the_live_flag_changed(repository: Repository) -> None:
    """An edit by hand after the plan: exit code 6, nothing sent."""
    repository.run("plan", "--out", "plan.json")
    flag_id = repository.live("new-checkout")["id"]
    repository.emulator.edit_as("grace@example.com", "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 11})
    assert repository.run("apply", "plan.json", "--auto-approve").code == 6
    assert repository.emulator.writes == []


def test_a_plan_is_stale_when_an_edit_was_taken_back(repository: Repository) -> None:
    """The flag is being edited, though it shows what it showed."""
    assert repository.run("plan", "--out", "plan.json").code == 0
    flag = repository.live("new-checkout")
    for text in ("edited", flag["description"]):
        repository.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag['id']}", {"description": text})
    repository.emulator.store.flags[flag["id"]] = {
        **repository.live("new-checkout"), "lastModifiedAt": "2099-01-01T00:00:00.000Z",
    }  # fmt: skip
    assert repository.run("apply", "plan.json", "--auto-approve").code == 6
    assert repository.emulator.writes == []


def test_a_plan_is_stale_when_the_files_changed(repository: Repository) -> None:
    """Another declaration after the plan: exit code 6."""
    repository.run("plan", "--out", "plan.json")
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    assert repository.run("apply", "plan.json", "--auto-approve").code == 6


def test_a_plan_of_another_format_is_told_from_a_broken_one(repository: Repository) -> None:
    """Before its members are looked at, which may be others there."""
    repository.write("plan.json", '{"formatVersion": 2, "digest": "sha256:0", "members": []}')
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert (ran.code, "not a saved plan of this version of the format" in ran.err) == (6, True)


def test_a_plan_is_stale_when_its_target_is_gone(repository: Repository) -> None:
    """No file declares it any more, and it was never live: exit code 6, with what is missing."""
    file = repository.write("flags/fresh.yaml", "key: fresh\nvariants: [{key: on}]\n")
    repository.run("plan", "--target", "fresh", "--out", "plan.json")
    file.unlink()
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 6
    assert re.fullmatch(r"Error: The saved plan cannot be made again: .*fresh.* Make a new one\.\n", ran.err), ran.err


@pytest.mark.parametrize(
    ("planned", "configured", "what"),
    [
        (("--env", "one"), "environments:\n  two: {projectId: '7'}\n", "environment 'one'"),
        ((), "environments:\n  one: {projectId: '7'}\n", "no environment"),
    ],
)
def test_a_plan_is_stale_when_its_environment_is_gone(
    repository: Repository, planned: tuple[str, ...], configured: str, what: str
) -> None:
    """Another configuration after the plan: exit code 6, with what the plan is for."""
    if planned:
        repository.write("reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n')
    repository.run("plan", *planned, "--out", "plan.json")
    repository.write("reconciler.yaml", f"version: 1\n{configured}")
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert ran.code == 6
    assert f"The saved plan is for {what}: " in ran.err
    assert ran.err.endswith(" Make a new one.\n")


def test_an_environment_variable_must_fit_the_plan(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """RECONCILER_ENV naming another environment than the plan's is wrong usage, naming the plan's own is fine."""
    repository.write(
        "reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n  two: {projectId: "7"}\n'
    )
    repository.run("plan", "--env", "one", "--out", "plan.json")
    monkeypatch.setenv("RECONCILER_ENV", "two")
    ran = repository.run("apply", "plan.json", "--auto-approve")
    assert (ran.code, "says 'two', but the plan is for 'one': a saved plan" in ran.err) == (64, True)
    monkeypatch.setenv("RECONCILER_ENV", "one")
    assert repository.run("apply", "plan.json", "--auto-approve").code == 0


def test_the_plan_s_own_environment_may_be_named(repository: Repository) -> None:
    """Every command takes --env where there are environments: apply of a saved plan takes the plan's own."""
    repository.write("reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n')
    repository.run("plan", "--env", "one", "--out", "plan.json")
    assert repository.run("apply", "plan.json", "--env", "one", "--auto-approve").code == 0


def test_a_plan_of_no_environment_takes_none(repository: Repository) -> None:
    """It says so, and nothing is sent."""
    repository.run("plan", "--out", "plan.json")
    ran = repository.run("apply", "plan.json", "--env", "one", "--auto-approve")
    assert (ran.code, "says 'one', but the plan is for 'none': a saved plan" in ran.err) == (64, True)
    assert repository.emulator.writes == []


def test_the_question_names_the_environment(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("reconciler.yaml", 'version: 1\nenvironments:\n  one: {projectId: "7"}\n')
    terminal_says(monkeypatch, "n\n")
    ran = repository.run("apply", "--env", "one")
    question = "Apply this to project 7 (us, environment one)? [y/N]: "
    assert (ran.code, ran.err) == (1, f"{question}Error: Not approved: nothing was sent.\n")


def test_a_failure_is_in_the_report_and_the_exit_code(repository: Repository) -> None:
    """One flag that the server refuses does not stop the other; exit code 7; JSON carries the error."""
    repository.write("flags/second.yaml", "key: other-flag\ndeployments: ['999']\n")
    options = ("--format", "json", "--report", "report.json", "--allow", "deployments")
    ran = repository.run("apply", "--auto-approve", *options)
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("report")).validate(document)
    assert ran.code == 7
    assert (document["summary"]["applied"], document["summary"]["failed"]) == (1, 1)
    assert document["error"]["kind"] == "partial"
    assert json.loads((repository.root / "report.json").read_text()) == document


ENDINGS = {
    1: "Nothing was applied; the report above says why.",
    2: "The plan was applied in part: 1 applied, 1 failed; the report says which calls were made. "
    "Plan again to go on.",
}


def be_terminals(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool = True) -> None:
    """Both streams say that they are terminals, or that they are none; no progress is shown."""
    import sys

    monkeypatch.setenv("CI", "true")
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal)


def refuse_writes(repository: Repository, number: int) -> None:
    """The server refuses the key from this write on."""
    real, left = repository.emulator.api.answer, [number]

    def answer(request: RawRequest) -> ApiResponse:
        left[0] -= request.method != "GET"
        return text_response(403, "no") if request.method != "GET" and left[0] <= 0 else real(request)

    repository.emulator.api.answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("writes", [1, 2])
def test_below_its_report_an_error_is_not_said_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, writes: int, *, is_terminal: bool
) -> None:
    """What stopped the run stands there, beside the flag; without a terminal stderr says all of it."""
    repository.write("flags/second.yaml", "key: other-flag\nname: Another\n")
    config = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", config + "requests: {concurrency: 1}\n")
    refuse_writes(repository, writes)
    be_terminals(monkeypatch, is_terminal=is_terminal)
    ran = repository.run("apply", "--auto-approve", "--no-color")
    assert "may not make this change" in " ".join(ran.out.split())
    assert ran.code == (4 if writes == 1 else 7)
    if is_terminal:
        assert ran.err == f"Error: {ENDINGS[writes]}\n"
    else:
        assert ("may not make this change" in ran.err, "above" in ran.err) == (True, False)


@pytest.mark.parametrize("writes", [1, 2])
def test_a_key_that_is_revoked_meanwhile_is_not_said_to_be_wrong(repository: Repository, writes: int) -> None:
    """It was accepted for reads. The report keeps the call that was made with it."""
    repository.write("flags/second.yaml", "key: other-flag\nname: Another\nvariants: [{key: new}]\n")
    config = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", config + "requests: {concurrency: 1}\n")
    real, left = repository.emulator.api.answer, [writes]

    def answer(request: RawRequest) -> ApiResponse:
        left[0] -= request.method != "GET"
        if left[0] <= 0:
            repository.emulator.store.keys.clear()
        return real(request)

    repository.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = repository.run("apply", "--auto-approve", "--report", "report.json", "--format", "json")
    flags = json.loads(ran.out)["flags"]
    [flag] = [item for item in flags if item["status"] == "failed"]
    made = [call["status"] for item in flags for call in item["operations"]]
    assert (made.count("applied"), made.count("failed")) == (writes - 1, 1)
    assert json.loads((repository.root / "report.json").read_text())["flags"] == flags
    assert "was accepted earlier in this run, so it was revoked or replaced meanwhile" in flag["error"]
    assert "run the command again" in flag["error"]
    assert "the key is wrong" not in ran.out + ran.err
    assert ran.code == (4 if writes == 1 else 7)


def test_a_plan_that_cannot_be_read_is_no_target(repository: Repository) -> None:
    """Only what is no file may have been meant for the key of a flag."""
    (repository.root / "x").symlink_to("/proc/self/mem")
    for name, is_meant in (("x", False), ("y", True)):
        ran = repository.run("apply", name, "--auto-approve")
        assert (ran.code, "cannot be read" in ran.err) == (64, True)
        assert (f"Did you mean --target {name}?" in ran.err) is is_meant


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
def test_below_its_plan_a_refusal_names_the_guards_alone(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    be_terminals(monkeypatch)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingKey: user_id\n")
    ran = repository.run(*command, "--no-color")
    said = "Error: Refused as unsafe by rebucket: what stands above says why, and what overrides it.\n"
    assert (ran.code, ran.err) == (5, said)


def test_every_option_shapes_the_plan(repository: Repository) -> None:
    options = [
        "--target",
        "new-*",
        "--target",
        "o*",
        "--prune",
        "--unarchive",
        "--allow",
        "quota",
        "--allow",
        "empty",
    ]
    ran = repository.run("plan", *options, "--shield", "--shard", "1/2", "--format", "json")
    assert json.loads(ran.out)["options"] == {
        "targets": ["new-*", "o*"],
        "prune": True,
        "unarchive": True,
        "allow": ["empty", "quota"],
        "shield": True,
        "shard": [1, 2],
    }


ENDS_EARLY = {
    "wrong usage": (64, "usage"),
    "invalid files": (3, "invalid"),
    "another key": (4, "auth"),
    "a guard": (5, "guard"),
    "another commit": (6, "stale-plan"),
    "a no": (1, "failed"),
}


@pytest.mark.parametrize("why", ENDS_EARLY)
def test_a_run_that_ends_early_leaves_no_report_of_another(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """The failure stands where an older report said that all was applied, private, as under --format json."""
    code, kind = ENDS_EARLY[why]
    report = repository.write("report.json", '{"summary": {"applied": 1}, "verified": true}')
    arguments = ["--auto-approve", "--report", "report.json", "--format", "json"]
    if why == "invalid files":
        repository.write("flags/new-checkout.yaml", "key: new-checkout\nno-such-field: 1\n")
    if why == "another key":
        monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", "not-the-key-of-this-project")
    if why == "a guard":
        repository.write("flags/new-checkout.yaml", "key: new-checkout\nbucketingKey: user_id\n")
    if why == "another commit":
        arguments += ["--expect-commit", "f" * 40]
    if why in {"a no", "wrong usage"}:
        arguments.remove("--auto-approve")
    if why == "a no":
        terminal_says(monkeypatch, "n\n")
    ran = repository.run("apply", *arguments)
    document = json.loads(report.read_text(encoding="utf-8"))
    Draft202012Validator(load_schema("failure")).validate(document)
    assert (ran.code, document["error"]["exitCode"], document["error"]["kind"]) == (code, code, kind)
    assert document["error"] == json.loads(ran.out)["error"]
    assert document.get("summary", {"applied": 0})["applied"] == 0
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert repository.emulator.writes == []


def test_a_failure_that_cannot_be_written_keeps_its_exit_code(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning tells of the file; the failure itself is shown as ever."""

    def is_full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("reconciler.cli.output.write_file", is_full)
    repository.write("flags/new-checkout.yaml", "key: 1: 2\n")
    ran = repository.run("apply", "--auto-approve", "--report", "report.json")
    assert ran.code == 3
    assert "Warning: report.json cannot be written: No space left on device." in ran.err
    assert "Error: The flag files are invalid" in ran.err


def test_the_key_is_in_no_failure_that_is_written(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it came from a file, and an unexpected error quotes it."""

    def quote(*_: object, **__: object) -> None:
        raise RuntimeError("sent secret-key-of-a-file")

    monkeypatch.setattr("reconciler.cli.planning.connect", quote)
    repository.write("key", "secret-key-of-a-file\n")
    arguments = ["apply", "--auto-approve", "--report", "report.json", "--api-key-file", "key"]
    assert repository.run(*arguments).code == 1
    text = (repository.root / "report.json").read_text(encoding="utf-8")
    assert "RuntimeError: sent" in text
    assert "secret-key-of-a-file" not in text


def test_a_report_of_what_was_done_stays(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied stays reported when the result cannot be shown any more."""
    echo = click.echo

    def breaks(text: str, *, err: bool = False, **options: Any) -> None:
        if not err:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        echo(text, err=err, **options)

    monkeypatch.setattr("reconciler.cli.output.click.echo", breaks)
    arguments = ["--auto-approve", "--report", "report.json", "--format", "json"]
    assert repository.run("apply", *arguments).code == 7
    document = json.loads((repository.root / "report.json").read_text(encoding="utf-8"))
    assert document["summary"]["applied"] == 1


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), ApplyOptions(verify=True, on_error_abort=False, concurrency=3)),
        (("--no-verify", "--on-error", "abort"), ApplyOptions(verify=False, on_error_abort=True, concurrency=3)),
    ],
)
def test_how_calls_are_made(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], wanted: ApplyOptions
) -> None:
    """As the configuration and the options say."""
    given: list[ApplyOptions] = []

    async def note(*_: object, options: ApplyOptions, **__: object) -> ApplyReport:
        given.append(options)
        return ApplyReport(outcomes=(), unchanged=(), verified=True)

    repository.write(
        "reconciler.yaml", (repository.root / "reconciler.yaml").read_text() + "requests: {concurrency: 3}\n"
    )
    monkeypatch.setattr("reconciler.cli.commands.apply.apply_plan", note)
    assert (repository.run("apply", "--auto-approve", *options).code, given) == (0, [wanted])


def test_no_verify_reads_nothing_back(repository: Repository) -> None:
    """`verified` is null then, and the text says so."""
    document = json.loads(repository.run("apply", "--auto-approve", "--no-verify", "--format", "json").out)
    assert document["verified"] is None
    assert repository.emulator.log[-1].method == "PATCH"


def test_prune_archives_only_what_is_tagged(repository: Repository) -> None:
    """With --prune a managed flag that nothing declares is archived, and a foreign one is left alone."""
    repository.emulator.store.seed_flag({"projectId": "7", "key": "old", "tags": ["managed"]})
    assert repository.run("apply", "--auto-approve", "--prune").code == 0
    assert repository.live("old")["archived"] is True
    assert repository.live("other-flag")["archived"] is False


def test_a_change_that_is_forbidden_names_what_may_be_the_cause(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads worked, so it is neither the project nor the key as such."""
    live = {"key": "new-checkout", "enabled": True, "rolloutPercentage": 10}
    emulator = an_emulator(live, behaviour=Behaviour(approvals="403"))
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        ran = repository.run("apply", "--auto-approve")
    assert ran.code == 4, ran
    assert "approvals" in ran.out + ran.err
    assert "has no access to this project" not in ran.out + ran.err


def test_the_page_of_an_apply_says_what_changed(repository: Repository) -> None:
    """A row for each flag that leads to its section, with what came of it."""
    repository.write("flags/other-flag.yaml", "key: other-flag\narchived: true\n")
    page = repository.run("apply", "--auto-approve", "--format", "html").out
    table = page.partition('id="changes"')[2].partition("</table>")[0]
    assert table.count("✓ applied") == 2
    for key in ("new-checkout", "other-flag"):
        (number,) = re.findall(rf'href="#flag-(\d)"><code>{key}', table)
        assert re.search(rf'id="flag-{number}"(?s:.){{0,400}}{key}', page)
    assert 'id="changes"' not in repository.run("apply", "--auto-approve", "--format", "html").out


def test_the_markdown_report_says_what_changed(repository: Repository) -> None:
    """What a workflow shows as its summary begins with the table that was reviewed, with what came of each flag."""
    repository.write("flags/other-flag.yaml", "key: other-flag\narchived: true\n")
    repository.write("flags/third.yaml", "key: third\nvariants: [{key: 'on'}]\nbucketingSalt: x\n")
    reviewed = repository.run("plan", "--format", "markdown").out
    ran = repository.run("apply", "--auto-approve", "--format", "markdown")
    rows = [line for line in reviewed.splitlines() if line.startswith(("| high", "| medium", "| low"))]
    assert len(rows) == 3
    assert ran.out.splitlines()[2] == "| | flag | change | who is affected | outcome |"
    for row in rows:
        assert f"{row} ✓ applied |" in ran.out
    again = repository.run("apply", "--auto-approve", "--format", "markdown")
    assert "| flag |" not in again.out
