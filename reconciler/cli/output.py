"""Output of commands: results to stdout or a file, messages to stderr. Files are written whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from reconciler.cli import signals
from reconciler.cli.progress import paused
from reconciler.errors import PartlyAppliedError, ReconcilerError
from reconciler.reports.registry import RenderOptions, render
from reconciler.reports.sanitize import for_log
from reconciler.reports.text_layout import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self, TypeVar

    from reconciler.cli.options import OutputOptions, Settings
    from reconciler.reports.registry import Report

    T = TypeVar("T")

_OPEN_STREAM = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/([0-9]+)")
_PRIVATE = 0o600
_PUBLIC = 0o666


class StdoutError(ReconcilerError):
    """The result cannot be written to stdout."""

    @classmethod
    def because(cls, error: Exception) -> Self:
        """The error of a write that failed."""
        return cls(f"The result cannot be written to stdout: {reason_of(error)}.")


class Output(Struct, frozen=True, kw_only=True):
    """How much is written to stderr, and whether in colour."""

    verbose: bool = False
    quiet: bool = False
    color: bool = True

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str] = os.environ) -> Output:
        """The output that the options, NO_COLOR and TERM ask for."""
        color = not settings.no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        return cls(verbose=settings.verbose, quiet=settings.quiet, color=color)

    def print(self, text: str) -> None:
        """Write the command's result to stdout. Raises StdoutError."""
        try:
            with paused():
                # click strips colours where there is no terminal; text laid out for such a stream has none to strip.
                click.echo(text, nl=False, color=True)
        except (OSError, ValueError) as error:
            raise StdoutError.because(error) from error

    def print_done(self, text: str) -> StdoutError | None:
        """Write to stdout what was done; where that fails to stderr, and give the error, for `raise_complaints`.

        What a server says of authors and names is in it: nothing of it reaches a terminal or a runner as a command.
        """
        text = for_log(text)
        try:
            self.print(text)
        except StdoutError as error:
            self.print_to_stderr(text.removesuffix("\n"))
            return error
        return None

    def info(self, text: str) -> None:
        """Write a message, unless --quiet."""
        if not self.quiet:
            self.print_to_stderr(text)

    def debug(self, text: str) -> None:
        """Write a message with --verbose only."""
        if self.verbose:
            self.print_to_stderr(text)

    def warning(self, text: str) -> None:
        """Write a warning, unless --quiet."""
        self.info(f"Warning: {text}")

    def error(self, text: str) -> None:
        """Write an error."""
        self.print_to_stderr(f"Error: {text}")

    def print_to_stderr(self, text: str) -> None:
        """Write a line to stderr, also with --quiet."""
        with paused(), suppress(OSError):  # a stderr that cannot be written changes no result and no exit code
            click.echo(for_log(text), err=True)

    def terminal(self, file: Path | None = None) -> Terminal:
        """The width of stdout, and whether it takes colour; neither for a file or where it is no terminal."""
        if file is not None or not sys.stdout.isatty():
            return Terminal()
        return Terminal(width=shutil.get_terminal_size().columns, color=self.color)

    def is_beside(self, display: OutputOptions) -> bool:
        """Whether the result stands as text on the terminal to which messages go too."""
        is_text = display.form == "text" and display.output_file is None
        return is_text and sys.stdout.isatty() and sys.stderr.isatty()


def render_options(display: OutputOptions, output: Output) -> RenderOptions:
    """The options of renderers: where the result goes, how much is shown, and whether user ids are."""
    return RenderOptions(
        terminal=output.terminal(display.output_file),
        verbose=output.verbose,
        show_users=display.show_users,
        request="merge request" if os.environ.get("GITLAB_CI") else "pull request",
    )


def write_report(
    report: Report[T],
    value: T,
    display: OutputOptions,
    output: Output,
    *,
    failure: ReconcilerError | None = None,
    files: Sequence[tuple[Path, str]] = (),
) -> ReconcilerError | None:
    """Write a report in the format that was asked for; see `write_result`."""
    options = render_options(display, output)

    def present(error: ReconcilerError | None) -> str:
        return render(report, display.form, value, replace(options, error=error))

    return write_result(present, display, output, failure=failure, files=files)


def write_result(
    present: Callable[[ReconcilerError | None], str],
    display: OutputOptions,
    output: Output,
    *,
    failure: ReconcilerError | None = None,
    files: Sequence[tuple[Path, str]] = (),
    fail: Callable[[str], ReconcilerError] = ReconcilerError,
    rescue: Callable[[], str] | None = None,
) -> ReconcilerError | None:
    """Write `files`, private, and then the result to stdout or to the file of `--output`.

    A file that cannot be written keeps nothing from being shown: the result of `--output` goes to stdout instead,
    and `rescue`, what is known nowhere else, to stderr where stdout fails too. Returns the error that the command
    ends with: `failure`, or what `fail` makes of what could not be written. `present` gives the result that ends in
    such an error. JSON holds user ids, so the file of it is private.
    """
    written = []
    for path, text in files:
        if complaint := try_write_file(path, text, private=True):
            failure = _with_complaint(failure, complaint, fail)
        else:
            written.append(str(path))
    if display.output_file is not None:
        private = display.form == "json" or display.show_users
        complaint = try_write_file(display.output_file, present(failure), private=private)
        if complaint is None:
            output.info(f"Written to {display.output_file}.")
            return failure
        failure = _with_complaint(failure, complaint, fail)
    text = present(failure)
    try:
        output.print(text)
    except StdoutError as error:
        if rescue is not None:
            output.print_to_stderr(rescue())
        nevertheless = f" What was written: {', '.join(written)}." if written else ""
        return _with_complaint(failure, f"{error}{nevertheless}", fail)
    return failure


def write_outcome(
    present: Callable[[ReconcilerError | None], str],
    display: OutputOptions,
    output: Output,
    *,
    failure: ReconcilerError | None,
    files: Sequence[tuple[Path, str]],
    changed: bool,
    rescue: Callable[[], str],
) -> ReconcilerError | None:
    """Write the result of a run that sends calls, as `write_result` does; `changed` says whether one took effect.

    The outcome is known nowhere else: also where a signal ends the writing, stderr gets `rescue`.
    """

    def fail(complaint: str) -> ReconcilerError:
        return unreported(complaint, changed=changed)

    try:
        with signals.raising():
            return write_result(present, display, output, failure=failure, files=files, fail=fail, rescue=rescue)
    except BaseException:
        output.print_to_stderr(rescue())
        raise


def unreported(complaint: str, *, changed: bool) -> ReconcilerError:
    """The error of a run whose outcome cannot be written; `changed` says whether a call took effect."""
    if not changed:
        return ReconcilerError(complaint)
    return PartlyAppliedError(f"The plan was applied, but {complaint[0].lower()}{complaint[1:]}")


def _with_complaint(
    failure: ReconcilerError | None, complaint: str, fail: Callable[[str], ReconcilerError]
) -> ReconcilerError:
    return fail(complaint) if failure is None else failure.also(complaint)


def raise_complaints(title: str, complaints: Sequence[str], unsaid: StdoutError | None) -> None:
    """Raise for what could not be written: files, a sentence each below a title, and what was done."""
    if complaints:
        raise ReconcilerError("\n".join([title, *complaints, *([str(unsaid)] if unsaid else [])]))
    if unsaid:
        raise unsaid


def try_write_file(path: Path, text: str, *, private: bool) -> str | None:
    """Write a file as `write_file` does; None, or the sentence that says why it cannot be written."""
    try:
        write_file(path, text, private=private)
    except (OSError, ValueError) as error:
        return f"{path} cannot be written: {reason_of(error)}."
    return None


def reason_of(error: Exception) -> str:
    """Why a file or a stream cannot be written, in the system's words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def write_file(path: Path, text: str, *, private: bool) -> None:
    """Write a file whole: a reader sees the old content or the new, never a part.

    Private: mode 0600 from the start. Otherwise a file that exists keeps its mode. A pipe or a device is written to
    as it is, and so is an open stream by its name (/dev/stdout, /dev/fd/3). Raises OSError.
    """
    if stream_name := _OPEN_STREAM.fullmatch(str(path)):
        number = {"stdout": 1, "stderr": 2}.get(stream_name[1]) or int(stream_name[2])
        with open(os.dup(number), "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - no path
            stream.write(text)
        return
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    import tempfile  # noqa: PLC0415 - it imports much, and most commands write no file

    directory = path.parent if path.parent != Path() else Path.cwd()
    try:
        # Not named after the file, whose name may be as long as names can be.
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".reconciler-", suffix=".tmp")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), _PRIVATE if private else _usual_mode(path))
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        with suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise


def _usual_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else _PUBLIC & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def directory_in_repository(directory: Path, environ: Mapping[str, str]) -> str:
    """Where files' names start, seen from the root of the checkout (GITHUB_WORKSPACE, or else here): `sub/` or ``."""
    root = environ.get("GITHUB_WORKSPACE") or os.curdir
    relative = Path(os.path.relpath(directory.resolve(), Path(root).resolve())).as_posix()
    return "" if relative == "." or relative.startswith("..") else f"{relative}/"
