"""Messages, results and files of commands: what goes where, and what is said where that cannot be."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.cli.options import OutputOptions, Settings
from reconciler.cli.output import (
    Output,
    StdoutError,
    directory_in_repository,
    raise_complaints,
    reason_of,
    render_options,
    try_write_file,
    write_file,
    write_result,
)
from reconciler.errors import ReconcilerError
from reconciler.reports.text_layout import Terminal

if TYPE_CHECKING:
    from conftest import Repository


class Tty:
    """A stream that says it is a terminal."""

    def __init__(self, stream: Any, *, is_one: bool = True) -> None:
        self._stream, self._is_one = stream, is_one

    def isatty(self) -> bool:
        return self._is_one

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def at_terminals(monkeypatch: pytest.MonkeyPatch, *, out: bool = True, err: bool = True) -> None:
    """Both streams are terminals, or one of them."""
    import sys

    monkeypatch.setattr("sys.stdout", Tty(sys.stdout, is_one=out))
    monkeypatch.setattr("sys.stderr", Tty(sys.stderr, is_one=err))


@pytest.mark.parametrize(
    ("no_color", "environ", "color"),
    [
        (False, {}, True), (True, {}, False), (False, {"NO_COLOR": "1"}, False), (False, {"NO_COLOR": ""}, True),
        (False, {"TERM": "dumb"}, False), (False, {"TERM": "xterm"}, True),
    ],
)  # fmt: skip
def test_when_there_is_colour(no_color: bool, environ: dict[str, str], color: bool) -> None:
    output = Output.of(Settings(no_color=no_color, verbose=True), environ)
    assert output == Output(verbose=True, quiet=False, color=color)
    assert Output.of(Settings(quiet=True), {}) == Output(verbose=False, quiet=True, color=True)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (Output(), ["i", "Warning: w", "Error: e", "p"]),
        (Output(quiet=True), ["Error: e", "p"]),
        (Output(verbose=True), ["i", "d", "Warning: w", "Error: e", "p"]),
    ],
)
def test_what_is_said(output: Output, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """All on stderr; the result alone on stdout, as it is."""
    output.info("i")
    output.debug("d")
    output.warning("w")
    output.error("e")
    output.print_to_stderr("p")
    output.print("\x1b[1mresult\x1b[0m")
    captured = capsys.readouterr()
    assert (captured.out, captured.err.splitlines()) == ("\x1b[1mresult\x1b[0m", said)


@pytest.mark.parametrize(
    ("file", "out", "terminal"),
    [
        (None, True, Terminal(width=33, color=True)),
        (None, False, Terminal()),
        (Path("x"), True, Terminal()),
    ],
)
def test_what_a_result_is_laid_out_for(
    monkeypatch: pytest.MonkeyPatch, file: Path | None, out: bool, terminal: Terminal
) -> None:
    """The terminal of stdout, and nothing for a file or a pipe; colours only where they are wanted."""
    monkeypatch.setenv("COLUMNS", "33")
    at_terminals(monkeypatch, out=out)
    assert Output().terminal(file) == terminal
    assert Output(color=False).terminal(file).color is False
    options = render_options(OutputOptions(output_file=file, show_users=True), Output(verbose=True))
    assert (options.terminal, options.verbose, options.show_users) == (terminal, True, True)


@pytest.mark.parametrize(
    ("variable", "request_"), [("true", "merge request"), ("", "pull request"), (None, "pull request")]
)
def test_what_a_forge_calls_a_request(monkeypatch: pytest.MonkeyPatch, variable: str | None, request_: str) -> None:
    """As GitLab does in its pipelines, as GitHub does anywhere else."""
    monkeypatch.delenv("GITLAB_CI", raising=False)
    if variable is not None:
        monkeypatch.setenv("GITLAB_CI", variable)
    assert render_options(OutputOptions(), Output()).request == request_


@pytest.mark.parametrize(
    ("display", "out", "err", "beside"),
    [
        (OutputOptions(), True, True, True),
        (OutputOptions(), False, True, False),
        (OutputOptions(), True, False, False),
        (OutputOptions(form="json"), True, True, False),
        (OutputOptions(output_file=Path("x")), True, True, False),
    ],
)
def test_whether_messages_stand_below_the_result(
    monkeypatch: pytest.MonkeyPatch, display: OutputOptions, out: bool, err: bool, beside: bool
) -> None:
    at_terminals(monkeypatch, out=out, err=err)
    assert Output().is_beside(display) is beside


def broken(error: Exception) -> Any:
    """A way to write that fails."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_what_was_done_is_said_on_stderr_where_stdout_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Output().print_done("done\n") is None
    assert capsys.readouterr() == ("done\n", "")
    monkeypatch.setattr(Output, "print", broken(StdoutError("full")))
    unsaid = Output().print_done("done\n")
    assert (str(unsaid), capsys.readouterr()) == ("full", ("", "done\n"))


@pytest.mark.parametrize(
    ("complaints", "unsaid", "message"),
    [
        ([], None, None),
        (["a", "b"], None, "Title\na\nb"),
        (["a"], StdoutError("full"), "Title\na\nfull"),
        ([], StdoutError("full"), "full"),
    ],
)
def test_complaints_are_raised_together(
    complaints: list[str], unsaid: StdoutError | None, message: str | None
) -> None:
    if message is None:
        raise_complaints("Title", complaints, unsaid)
    else:
        with pytest.raises(ReconcilerError) as caught:
            raise_complaints("Title", complaints, unsaid)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("embedded null byte"), "embedded null byte"),
        (OSError(), "OSError"),
    ],
)
def test_why_something_cannot_be_written(error: Exception, words: str) -> None:
    assert reason_of(error) == words
    assert str(StdoutError.because(error)) == f"The result cannot be written to stdout: {words}."


def test_modes_of_files(tmp_path: Path) -> None:
    """Private from the start, else as the user's files are; a file that exists keeps its own, whole or as it was."""
    before = os.umask(0o027)
    try:
        for name, private, mode in (("new", False, 0o640), ("secret", True, 0o600)):
            write_file(tmp_path / name, "a\nb", private=private)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    (tmp_path / "new").chmod(0o604)
    write_file(tmp_path / "new", "é\n", private=False)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604
    assert (tmp_path / "new").read_bytes() == "é\n".encode()
    write_file(tmp_path / "new", "x", private=True)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left beside it, and the error names the file, not the one that was to take its place."""
    file = tmp_path / "f"
    file.write_text("old")
    monkeypatch.setattr("os.fsync", broken(OSError(28, "No space left on device", "temporary")))
    with pytest.raises(OSError, match="No space") as caught:
        write_file(file, "new", private=False)
    assert (caught.value.filename, caught.value.filename2) == (str(file), None)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])
    assert try_write_file(file, "new", private=True) == f"{file} cannot be written: No space left on device."
    missing = tmp_path / "no" / "f"
    with pytest.raises(FileNotFoundError) as caught:
        write_file(missing, "new", private=False)
    assert caught.value.filename == str(missing)
    monkeypatch.setattr("os.fsync", broken(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        write_file(file, "new", private=False)
    assert list(tmp_path.iterdir()) == [file]


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    """It is not replaced by a file; so is a file here, named without a directory."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(pipe, "é\n", private=True)
    assert os.read(reader, 100) == "é\n".encode()
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_name_without_a_directory_is_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_file(Path("f"), "x", private=False)
    assert (tmp_path / "f").read_text() == "x"


@pytest.mark.parametrize(
    ("directory", "root", "shown"),
    [("sub/deep", None, "sub/deep/"), (".", None, ""), ("sub", "sub", ""), ("sub/deep", "sub", "deep/"),
     ("other", "sub", "")],
)  # fmt: skip
def test_where_names_of_files_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str, root: str | None, shown: str
) -> None:
    """From the checkout's top; nothing for what lies outside of it."""
    for name in ("sub/deep", "other"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    environ = {} if root is None else {"GITHUB_WORKSPACE": str(tmp_path / root)}
    assert directory_in_repository(tmp_path / directory, environ) == shown


def shown(error: ReconcilerError | None) -> str:
    """The result with the error that it ends in."""
    return f"result, {error}\n"


def test_a_result_goes_to_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is private where it holds users; other files always are. A failure that there was stays one."""
    for number, (options, mode) in enumerate([({}, 0o644), ({"form": "json"}, 0o600), ({"show_users": True}, 0o600)]):
        file, other = tmp_path / f"result-{number}", tmp_path / f"other-{number}"
        before = os.umask(0o022)
        failure = write_result(
            shown, OutputOptions(output_file=file, **options), Output(), failure=ReconcilerError("No."),
            files=[(other, "text")],
        )  # fmt: skip
        os.umask(before)
        assert (str(failure), file.read_text(), other.read_text()) == ("No.", "result, No.\n", "text")
        assert [stat.S_IMODE(item.stat().st_mode) for item in (file, other)] == [mode, 0o600]
        assert capsys.readouterr() == ("", f"Written to {file}.\n")
    assert write_result(shown, OutputOptions(), Output()) is None
    assert capsys.readouterr() == ("result, None\n", "")


def test_what_cannot_be_written_is_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them, behind the failure that there was; the result is shown, and stderr has what is known nowhere."""
    gone = tmp_path / "no"
    why = "cannot be written: No such file or directory."
    files = [(tmp_path / "a", "x"), (gone / "b", "x"), (tmp_path / "c", "x")]
    display = OutputOptions(output_file=gone / "result")
    failure = write_result(shown, display, Output(), failure=ReconcilerError("No."), files=files)
    expected = f"No. {gone / 'b'} {why} {gone / 'result'} {why}"
    assert (str(failure), capsys.readouterr()) == (expected, (f"result, {expected}\n", ""))

    class OwnError(ReconcilerError):
        """Of the command."""

    monkeypatch.setattr(Output, "print", broken(StdoutError("Full.")))
    failure = write_result(shown, OutputOptions(), Output(), files=files[::2], fail=OwnError, rescue=lambda: "saved")
    assert isinstance(failure, OwnError)
    assert str(failure) == f"Full. What was written: {tmp_path / 'a'}, {tmp_path / 'c'}."
    assert capsys.readouterr() == ("", "saved\n")
    assert str(write_result(shown, OutputOptions(), Output())) == "Full."
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("drift",),
        ("evaluate", "new-checkout", "--user-id", "ada@example.com"),
        ("evaluate", "new-checkout", "--users", "users.jsonl"),
        ("history", "new-checkout"),
        ("doctor",),
        ("validate",),
        ("test",),
        ("show", "plan.json"),
    ],
)
def test_each_result_fits_its_terminal(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """In colour, and no wider."""
    repository.write("users.jsonl", '{"user_id": "ada@example.com"}\n')
    repository.write("flags/a.test.yaml", "tests: [{name: x, flag: new-checkout, never: treatment}]\n")
    assert repository.run("plan", "--out", "plan.json").code == 0
    monkeypatch.setattr(Output, "terminal", lambda *_: Terminal(width=50, color=True))
    ran = repository.run(*command)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", ran.out).splitlines()
    assert "\x1b[" in ran.out
    assert max(map(len, lines[:-1])) <= 50  # the last one may be fixed
