"""Exceptions as errors of ours: a message on stderr, a document on stdout where JSON was asked for, an exit code.

Nothing that a server or a file said reaches the terminal unescaped, and a traceback is shown to those who ask.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from reconciler.cli.signals import TerminatedError
from reconciler.errors import (
    GuardRefusedError,
    InterruptedRunError,
    InvalidInputError,
    ReconcilerError,
    UsageError,
)
from reconciler.reports.sanitize import for_log, visible
from reconciler.reports.text_layout import PLAIN_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reconciler.api.credentials import ApiKey

STDOUT = "<stdout>"
"""The file name of errors of stdout."""

_keys: set[ApiKey] = set()
"""The keys that this command was given. A file of a key may be a pipe, which can be read once only."""

_SIGNALLED = (KeyboardInterrupt, TerminatedError, InterruptedRunError)

_EXPECTED = (ReconcilerError, click.ClickException, click.Abort, KeyboardInterrupt, TerminatedError)
"""Errors that are no defects: they are shown without a traceback."""


def report_failure(error: BaseException, arguments: Sequence[str]) -> int:
    """Show a failure in the form that the arguments ask for, and give its exit code."""
    if isinstance(error, SystemExit) and not isinstance(error, TerminatedError):
        return error.code if isinstance(error.code, int) else 1
    error = _root_of(error)
    failure = as_reconciler_error(error)
    if is_verbose(arguments) and not isinstance(error, _EXPECTED):
        _write(sys.stderr, redact_keys("".join(traceback.format_exception(error))))
    _write(sys.stderr, redact_keys(failure_text(failure)))
    if wants_json(arguments):
        from reconciler.reports.json_report import failure_document, render_json  # noqa: PLC0415 - `--help` needs none of it

        with suppress(OSError):  # stdout may be what failed, and stderr has said so
            click.echo(redact_keys(render_json(failure_document(failure))), nl=False)
    return failure.exit_code


def remember_key(key: ApiKey) -> None:
    """Redact a key in every failure from now on."""
    _keys.add(key)


def forget_keys() -> None:
    """Another command begins."""
    _keys.clear()


def redact_keys(text: str) -> str:
    """The text without the keys, that of the environment among them: even an error of a library must not show it."""
    from reconciler.api.credentials import KEY_VARIABLE, ApiKey  # noqa: PLC0415 - `--help` needs none of it

    given = os.environ.get(KEY_VARIABLE, "").strip()
    for key in {*_keys, ApiKey(given)} if given else _keys:
        text = key.redact(text)
    return text


def write_failure(path: Path, error: BaseException) -> None:
    """Put a failure where the report was to be, private as it: no report of an earlier run is taken for this one's.

    What cannot be written is said on stderr, and changes nothing else: the failure itself matters more.
    """
    from reconciler.cli.output import try_write_file  # noqa: PLC0415 - `--help` needs none of it
    from reconciler.reports.json_report import failure_document, render_json  # noqa: PLC0415

    text = redact_keys(render_json(failure_document(as_reconciler_error(error))))
    if complaint := try_write_file(path, text, private=True):
        _write(sys.stderr, f"Warning: {complaint}\n")


@contextmanager
def failures_written_to(report: Path | None) -> Iterator[None]:
    """Write an exception that ends the block in place of the report."""
    try:
        yield
    except BaseException as error:
        if report is not None:
            write_failure(report, error)
        raise


def _root_of(error: BaseException) -> BaseException:
    """What a group of errors comes from: reads side by side end together, and a signal among them is the reason.

    Click takes every EOFError for the end of an answer, also that of a module whose compiled file is cut off.
    """
    while isinstance(error, BaseExceptionGroup):
        leaves = [_root_of(item) for item in error.exceptions]
        error = next((item for item in leaves if isinstance(item, _SIGNALLED)), leaves[0])
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        return error.__cause__
    return error


def as_reconciler_error(error: BaseException) -> ReconcilerError:
    """The failure as one of our own, with a message fit for a user."""
    error = _root_of(error)
    if isinstance(error, ReconcilerError):
        return error
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return InterruptedRunError("Interrupted.", signal.SIGINT)
    if isinstance(error, TerminatedError):
        return InterruptedRunError("Terminated.", signal.SIGTERM)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return UsageError(f"Missing command.\n\n{error.format_message()}")
    if isinstance(error, click.UsageError):
        where = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
        return UsageError(f"{_sentence(error.format_message())}{_meant(error)}{where}")
    if isinstance(error, click.ClickException):
        return ReconcilerError(error.format_message())
    if isinstance(error, OSError) and error.filename == STDOUT:
        from reconciler.cli.output import StdoutError  # noqa: PLC0415 - `--help` needs none of it

        return StdoutError.because(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return ReconcilerError(f"{place}{error.strerror}.")
    what = f"{type(error).__name__}: {_first_line(error)}"
    return ReconcilerError(f"This is a defect of reconciler: {what}. --verbose shows where it happened.")


def _meant(error: click.UsageError) -> str:
    """What an argument too many may have been meant for: keys of flags are given with --target."""
    found = _EXTRA.search(error.format_message())
    takes = error.ctx is not None and any("--target" in item.opts for item in error.ctx.command.params)
    return f" Did you mean --target {found[1]}?" if found and takes and may_be_target(found[1]) else ""


def may_be_target(text: str) -> bool:
    """Whether an argument looks like the key of a flag, or a pattern of keys."""
    return _TARGET.fullmatch(text) is not None


_EXTRA = re.compile(r"unexpected extra argument \((.*?)\)")
_TARGET = re.compile(r"[\w*?-]+")


def failure_text(error: ReconcilerError, *, shows_lines: bool = True) -> str:
    """The words for stderr: every finding, with its line in the file if it is to be shown, and then the sentence."""
    lines = []
    if isinstance(error, InvalidInputError) and error.diagnostics:
        from reconciler.cli.source_lines import source_lines  # noqa: PLC0415 - `--help` needs none of it
        from reconciler.reports.findings import source_lines_of  # noqa: PLC0415

        sources = source_lines(error.diagnostics, error.directory) if error.directory and shows_lines else {}
        for finding in error.diagnostics:
            place = f"{visible(str(finding.position))}: " if finding.position else ""
            lines.append(f"{place}{finding.severity.value}: {finding.message} [{finding.rule}]")
            lines += source_lines_of(finding, sources, PLAIN_WIDTH)
            lines += [f"    hint: {finding.hint}"] if finding.hint else []
    label = "Refused" if isinstance(error, GuardRefusedError) else "Error"
    return "\n".join([*lines, f"{label}: {error}"]) + "\n"


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the last `--format` is json, as far as can be told even when the arguments are wrong."""
    wanted = False
    for index, argument in enumerate(arguments):
        if argument.startswith("--format="):
            wanted = argument == "--format=json"
        elif argument == "--format" and index + 1 < len(arguments):
            wanted = arguments[index + 1] == "json"
        elif argument == "--":
            break
    return wanted


def is_verbose(arguments: Sequence[str]) -> bool:
    """Whether `--verbose` or `-v` was given."""
    return any(argument in {"--verbose", "-v", "-vq", "-qv"} for argument in arguments)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0][:300]


def _write(stream: object, text: str) -> None:
    with suppress(OSError):  # the exit code says it too
        click.echo(for_log(text), file=stream, nl=False)  # type: ignore[arg-type]
