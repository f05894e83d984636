"""Where words go: results to stdout or a file, everything else to stderr. Files are written whole or not at all."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from reconciler.cli.aside import aside
from reconciler.errors import UsageError
from reconciler.reports.sanitize import for_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.cli.options import Settings
    from reconciler.reports.text_layout import Terminal

_OPEN_STREAM = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/([0-9]+)", re.ASCII)
_PRIVATE = 0o600
_PUBLIC = 0o666


class Voice(Struct, frozen=True, kw_only=True):
    """How much is said on stderr, and whether in colour."""

    verbose: bool = False
    quiet: bool = False
    color: bool = True

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str] = os.environ) -> Voice:
        """The voice that the options, NO_COLOR and TERM ask for."""
        color = not settings.no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        return cls(verbose=settings.verbose, quiet=settings.quiet, color=color)

    def result(self, text: str) -> None:
        """What the command was called for."""
        with aside():
            # click strips colours where there is no terminal; text laid out for such a stream has none to strip.
            click.echo(text, nl=False, color=True)

    def note(self, text: str) -> None:
        """What happens, for those who watch."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """What happens, for those who want to know more."""
        if self.verbose:
            self._say(text)

    def warn(self, text: str) -> None:
        """What may be wrong."""
        if not self.quiet:
            self._say(f"Warning: {text}")

    def error(self, text: str) -> None:
        """What is wrong."""
        self._say(f"Error: {text}")

    def rescued(self, text: str) -> None:
        """A result that cannot be shown on stdout and is known nowhere else."""
        self._say(text)

    def terminal(self) -> Terminal:
        """The width of stdout, and whether it takes colour; no width where it is no terminal."""
        from reconciler.reports.text_layout import Terminal

        if not sys.stdout.isatty():
            return Terminal()
        import shutil

        return Terminal(width=shutil.get_terminal_size().columns, color=self.color)

    def terminal_for(self, output: Path | None) -> Terminal:
        """What a result is written on: stdout, or a file, which takes no colour and breaks no line."""
        from reconciler.reports.text_layout import Terminal

        return self.terminal() if output is None else Terminal()

    def _say(self, text: str) -> None:
        with aside(), suppress(OSError):  # a stderr that cannot be written changes no result and no exit code
            click.echo(for_log(text), err=True)


def check_writable(*paths: Path | None) -> None:
    """See that files can be written later, before anything is sent. Raises UsageError."""
    for path in filter(None, paths):
        try:
            if not path.parent.is_dir():
                raise UsageError(f"There is no directory {str(path.parent)!r} to write {path.name} to.")
            if path.is_dir():
                raise UsageError(f"{str(path)!r} is a directory, not a file to write to.")
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be written: {reason_of(error)}.") from error


def unwritten(path: Path, text: str, *, private: bool) -> str | None:
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
    import tempfile

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
