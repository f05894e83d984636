"""The front door: usage, exit codes, JSON on every path, and how little `--help` imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from emulators import KEY
from jsonschema import Draft202012Validator

from reconciler import __version__
from reconciler.cli.failures import as_reconciler_error, is_verbose, report_failure, wants_json
from reconciler.cli.main import COMMANDS, _flush, run
from reconciler.cli.signals import TerminatedError
from reconciler.files.schema import SCHEMA_NAMES, load_schema, schema_text

if TYPE_CHECKING:
    from conftest import Repository

EXAMPLES = Path(__file__).parents[3] / "examples"
KEYED = "canary-management-key-0123456789"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pln"], 'Did you mean "plan"?'),
        (["PLAN"], 'Did you mean "plan"?'),
        (["plan", "--targt", "x"], "--target"),
        (["--env", "x", "plan"], "options come after it"),
        (["plan", "--format", "xml"], "xml"),
        (["plan", "extra"], "extra argument (extra). Did you mean --target extra? See"),
        *(
            (["plan", "--shard", value], f"'--shard': '{value}' is not I/N with I from 1 to N, as in 2/8. See")
            for value in ("3/2", "0/2", "0/0", "2", "2/", "/2", "-1/2", "1/-2", "1/2/3", "1-2", "")
        ),
        (["plan", "--allow", "everything"], "rebucket"),
        (["show"], "PLAN.json"),
        (["schema", "nothing"], "nothing"),
        (["emulator", "--port", "70000"], "70000"),
        ([], "Missing command."),
    ],
)
def test_wrong_usage_is_64(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Click's own 2 would read as "changes"; the message says what is wrong and where help is."""
    assert run(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("diff", "plan"), ("preview", "plan"), ("status", "drift"), ("deploy", "apply"), ("sync", "apply"),
        ("lint", "validate"), ("histroy", "history"), ("zzzzzz", None),
    ],
)  # fmt: skip
def test_a_command_that_there_is_not(name: str, meant: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """What other tools call a command, or a slip, leads to ours; so does an option before it."""
    hint = f' Did you mean "{meant}"?' if meant else ""
    assert run([name]) == 64
    assert capsys.readouterr().err == f'Error: There is no command "{name}".{hint} See `reconciler --help`.\n'
    assert run([f"--{name}", "plan"]) == 64
    assert capsys.readouterr().err == (
        f'Error: "--{name}" stands before the command: options come after it, as in "reconciler plan '
        '--env production". See `reconciler --help`.\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--format", "json", "--nope"],
        ["plan", "--format=json", "--shard", "x"],
        ["apply", "--format", "json"],
        ["nope", "--format", "json"],
        ["validate", "--format", "json", "--config", "absent.yaml"],
    ],
)
def test_wrong_usage_is_json_where_json_was_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure document on stdout even when the arguments cannot be read."""
    assert run(arguments) == 64
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema("failure")).validate(document)
    assert (document["error"]["kind"], document["error"]["exitCode"]) == ("usage", 64)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_shared_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each explains itself and takes the options that every command takes."""
    assert run([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for option in ("--config", "--env", "--help", "--verbose", "--quiet", "--no-color"):
        assert option in out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with its line."""
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    listed = out.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert listed.split() == [word for name, entry in COMMANDS.items() for word in (name, *entry.help.split())]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the tool and its version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"reconciler {__version__}\n"


def modules_after(*arguments: str) -> set[str]:
    """The names of all modules that a command leaves imported."""
    return modules_of(f"from reconciler.cli.main import run; run({arguments})")


def modules_of(code: str) -> set[str]:
    """The names of all modules that code leaves imported."""
    code = f"import sys; {code}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_little() -> None:
    """`--help` pays for click and nothing else of weight."""
    heavy = {
        "httpx",
        "yaml",
        "rich",
        "jinja2",
        "deepdiff",
        "jsonschema",
        "asyncio",
        "starlette",
        "reconciler.planning",
    }
    assert not heavy & modules_after("--help")


def test_validate_imports_nothing_that_asks_a_server() -> None:
    """Nor what puts a plan, or a finding about a schema, into words."""
    heavy = {"httpx", "asyncio", "rich", "deepdiff", "jsonschema", "reconciler.planning"}
    modules = modules_after(
        "validate", "--config", str(EXAMPLES / "reconciler.yaml"), str(EXAMPLES / "flags" / "weights.yaml")
    )
    assert "yaml" in modules
    assert not heavy & modules


def test_what_asks_a_server_does_without_the_command_line_of_its_library() -> None:
    """50 ms and 10 MiB for each command."""
    modules = modules_of("from reconciler.api.http import httpx")
    assert "httpx" in modules
    assert not {"rich", "pygments", "click"} & modules


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_schema_prints_the_published_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To the byte; without a name, the one of flag files."""
    assert run(["schema", name]) == 0
    assert capsys.readouterr().out == schema_text(name)
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == schema_text("flag")


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (TerminatedError(), 143, "interrupted"),
        (PermissionError(13, "Permission denied", "flags/a.yaml"), 1, "failed"),
        (RuntimeError("something\nunexpected"), 1, "failed"),
        (click.UsageError("no"), 64, "usage"),
    ],
)
def test_every_exception_has_its_code(
    error: BaseException, code: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interrupts, the system's errors and defects end in a code, one sentence, and a document."""
    assert report_failure(error, ["plan", "--format", "json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["kind"] == kind
    assert out == out.rstrip("\n") + "\n"
    assert "Traceback" not in err


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 3), ("text", 1), (None, 1)])
def test_a_library_that_ends_the_process(
    code: int | str | None, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its code is kept, if it is one, and nothing is said."""
    assert report_failure(SystemExit(code), ["plan", "--format", "json"]) == expected
    assert capsys.readouterr() == ("", "")


def test_a_traceback_is_for_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    """--verbose shows where a defect happened."""
    try:
        raise RuntimeError("unexpected")  # noqa: TRY301 - a traceback is what is tested
    except RuntimeError as error:
        report_failure(error, ["plan", "-v"])
    assert "Traceback" in capsys.readouterr().err


def test_a_failure_that_is_no_defect_has_no_traceback(repository: Repository) -> None:
    """--verbose says more of what was done; where our code stood when a key was refused helps no user."""
    repository.write("flags/broken.yaml", "key: A\n")
    for arguments in (["plan", "--verbose"], ["plan", "--verbose", "--config", "nowhere.yaml"]):
        ran = repository.run(*arguments)
        assert ran.code in {3, 64}
        assert "Traceback" not in ran.err
        assert ran.err.splitlines()[-1].startswith("Error: ")


def test_the_key_is_in_no_failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an error of a library that quotes the key is shown without it, traceback and JSON included."""
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", KEYED)
    try:
        raise RuntimeError(f"Illegal header value Bearer {KEYED}")  # noqa: TRY301
    except RuntimeError as error:
        report_failure(error, ["plan", "--verbose", "--format", "json"])
    out, err = capsys.readouterr()
    assert KEYED not in out + err
    assert "***" in out


def test_the_key_of_a_file_is_in_no_failure(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the one that --api-key-file names, once it was read; the next command knows nothing of it."""

    def quote(*_: object, **__: object) -> None:
        raise RuntimeError(f"Bearer {KEYED}")

    repository.write("key", f"{KEYED}\n")
    monkeypatch.setattr("reconciler.cli.planning.connect", quote)
    ran = repository.run("plan", "--verbose", "--format", "json", "--api-key-file", "key")
    assert (KEYED in ran.out + ran.err, "Bearer ***" in ran.out, "Bearer ***" in ran.err) == (False, True, True)
    assert KEYED in repository.run("plan").err


def test_failures_command_no_runner(capsys: pytest.CaptureFixture[str]) -> None:
    """What a server said cannot forge a line of a build log or reach the terminal raw."""
    report_failure(as_reconciler_error(RuntimeError("\x1b[2J")), ["plan"])
    report_failure(click.UsageError("x\n::add-mask::secret\n##[error]y"), ["plan"])
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plan", "--format", "json"], True),
        (["plan", "--format=json"], True),
        (["plan", "--format", "json", "--format", "text"], False),
        (["plan", "--format"], False),
        (["validate", "--", "--format", "json"], False),
        (["plan"], False),
    ],
)
def test_json_is_recognised_without_parsing(arguments: list[str], expected: bool) -> None:
    """The last --format counts, as with click."""
    assert wants_json(arguments) is expected


def test_verbose_is_recognised_without_parsing() -> None:
    """In its long and short form."""
    assert is_verbose(["plan", "--verbose"])
    assert is_verbose(["plan", "-qv"])
    assert not is_verbose(["plan", "--version"])


def test_no_colour_without_a_terminal(repository: Repository) -> None:
    """What is piped holds no escape sequence."""
    assert "\x1b" not in repository.run("plan").out


BUFFERED = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""The environment of users: Python buffers what goes to a file or a pipe."""

UNBUFFERED = {**BUFFERED, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(params=[BUFFERED, UNBUFFERED], ids=["buffered", "unbuffered"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """With and without the variable that hides what fails at the very end."""
    return dict(request.param)


def in_shell(arguments: str, redirections: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command as a shell starts it with its streams redirected."""
    line = f'exec "$0" -m reconciler {arguments} {redirections}'
    command = ["/bin/sh", "-c", line, sys.executable]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_good_as_dev_null(redirections: str, environment: dict[str, str]) -> None:
    """Schedulers close them, and that is no defect of ours; nor does a file take their number."""
    ran = in_shell(f"validate --config {EXAMPLES / 'reconciler.yaml'}", redirections, environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    read = r"No findings; read \d+ flags in \d+ files\.\n"
    assert re.fullmatch("" if re.search(r"(?<!2)>&-", redirections) else read, ran.stdout)
    assert in_shell("nothing", redirections, environment).returncode == 64


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_under_stdout_is_said_once(form: str, environment: dict[str, str]) -> None:
    """In one line, and not again as a document on the very stream that is full."""
    ran = in_shell(f"validate --config {EXAMPLES / 'reconciler.yaml'} --format {form}", "> /dev/full", environment)
    assert (ran.returncode, ran.stderr) == (
        1,
        "Error: The result cannot be written to stdout: No space left on device.\n",
    )


def test_the_exit_code_holds_where_nothing_can_be_said(environment: dict[str, str]) -> None:
    """It is what is left to tell of the failure."""
    assert in_shell("nothing", "2> /dev/full", environment).returncode == 64
    assert in_shell("nothing --format json", "> /dev/full 2> /dev/full", environment).returncode == 64


def test_a_compiled_module_that_is_cut_off_is_no_interruption(tmp_path: Path, environment: dict[str, str]) -> None:
    """A full disk leaves such files; the exit code of a signal would send the user to look for who sent it."""
    environment = {**environment, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    assert in_shell("fmt --help", "", environment).returncode == 0
    (compiled,) = tmp_path.rglob("commands/fmt.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:200])
    ran = in_shell("fmt --help", "", environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "defect of reconciler: EOFError" in ran.stderr


@pytest.mark.parametrize("module", ["reconciler", "reconciler.cli.main"])
def test_the_module_is_the_command(module: str) -> None:
    """Whichever one is run ends as the command does: a silent 0 would be taken for success."""
    ran = subprocess.run([sys.executable, "-m", module, "nothing"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (64, "")
    assert 'no command "nothing"' in ran.stderr


LEFT = (
    "import sys; from reconciler.cli import main;"
    "main.run = lambda _: sys.{stream}.write('left') and {code}; main.main()"
)
"""A command that leaves words in a buffer, as a library may."""


def leaving(stream: str, code: int, **streams: object) -> subprocess.CompletedProcess[str]:
    """The end of such a command."""
    command = [sys.executable, "-c", LEFT.format(stream=stream, code=code)]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(command, text=True, check=False, env=BUFFERED, **given)  # type: ignore[call-overload,no-any-return]


def test_words_that_are_left_are_written_before_the_end() -> None:
    """What a library left in a buffer."""
    ran = leaving("stdout", 3)
    assert (ran.returncode, ran.stdout) == (3, "left")
    ran = leaving("stderr", 3)
    assert (ran.returncode, ran.stderr) == (3, "left")


@pytest.mark.parametrize(("code", "expected"), [(0, 1), (2, 1), (5, 5), (64, 64)])
def test_a_result_that_cannot_be_written_at_the_end_is_a_failure(code: int, expected: int) -> None:
    """It is said once; a failure that was shown before keeps its exit code."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = leaving("stdout", code, stdout=full)
    assert ran.returncode == expected
    assert ran.stderr == (
        "Error: The result cannot be written to stdout: No space left on device.\n" if code != expected else ""
    )


@pytest.mark.parametrize(("code", "expected"), [(0, 1), (1, 1), (2, 1), (3, 3), (130, 130)])
def test_a_lost_result_decides_the_code_of_what_went_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, expected: int
) -> None:
    """Done and changes are failures then, and are called so; what the stream still holds goes nowhere."""

    class Full:
        def __init__(self, file: int) -> None:
            self.fileno = lambda: file

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    stdout, nowhere = os.pipe()[1], Path(os.devnull).stat().st_rdev
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", Full(stdout))
        assert _flush(code) == expected
        assert os.fstat(stdout).st_rdev == nowhere
    assert ("No space left" in capsys.readouterr().err) is (code in {0, 2})


def test_what_cannot_be_said_on_stderr_leaves_the_exit_code() -> None:
    """Warnings are lost, and the result is not."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert leaving("stderr", 2, stderr=full).returncode == 2


def test_a_warning_that_cannot_be_written_fails_nothing(repository: Repository) -> None:
    """The plan is shown and its exit code is that of the plan."""
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 50\nexpires: '2020-01-01'\n")
    command = [sys.executable, "-m", "reconciler", "plan", "--detailed-exitcode", "--verbose"]
    environment = {**BUFFERED, "RECONCILER_API_URL": repository.url, "AMPLITUDE_MANAGEMENT_API_KEY": KEY}
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False, env=environment)
    assert ran.returncode == 2
    assert "Plan: 0 create, 1 update" in ran.stdout
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert "Warning: " in told.stderr


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_help_of_many_options_has_sections(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each option stands in one section, what is common to all commands in the last."""
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    titles = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert titles == ["Which flags", "Safety", *(["Applying"] if name == "apply" else []), "Output", "Options"]
    command = COMMANDS[name].load()
    for param in command.params:
        if isinstance(param, click.Option):
            assert len(re.findall(rf"^  (?:-\w, )?{param.opts[0]} ", text, re.MULTILINE)) == 1, param.opts
    assert "--config" in text.partition("\nOptions:")[2]
    assert "--allow" in text.partition("\nSafety:")[2].partition("\n\n")[0]
