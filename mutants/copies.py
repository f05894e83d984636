"""Copies of the project to spoil: each with an environment of its own, in which commands find the copy's code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".venvs", ".mutants", ".*_cache", ".hypothesis", "__pycache__", "artifacts", "dist", "build"
)
_ALWAYS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:reconciler", "--hypothesis-seed=0",
           "-m", "not long")  # fmt: skip
"""In the order that is asked for, the same each time; without our own plugin, whose code may not be in the copy."""


_TO_CLEAN_UP = 5
"""Seconds that tests get to end what they started, when the run is ended."""


class EndedError(Exception):
    """The run is ended: no further tests are started."""


class Processes:
    """The tests that run now. Each has a session of its own, which a signal to this process does not reach."""

    def __init__(self) -> None:
        self._lock, self._is_ended = Lock(), False
        self._running: set[subprocess.Popen[bytes]] = set()

    @contextmanager
    def start(self, command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ANN401 - Popen's
        """A process that does not outlive the block. Raises EndedError after the end."""
        with self._lock:
            if self._is_ended:
                raise EndedError
            process = subprocess.Popen(command, start_new_session=True, **options)
            self._running.add(process)
        try:
            yield process
        finally:
            _signal(process, signal.SIGKILL)
            process.wait()
            with self._lock:
                self._running.discard(process)

    def end(self) -> None:
        """Interrupt all that run, then kill those that stay; none is started any more."""
        with self._lock:
            self._is_ended, left = True, [*self._running]
        for process in left:
            _signal(process, signal.SIGINT)
        until = time.monotonic() + _TO_CLEAN_UP
        for process in left:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, until - time.monotonic()))
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


@dataclass(slots=True)
class Copy:
    """A copy of a project."""

    root: Path
    temporary: Path
    processes: Processes
    _clock: count[int] = field(default_factory=lambda: count(1_000_000_000))

    @property
    def python(self) -> Path:
        """The interpreter whose `reconciler` is the copy's."""
        return self.root / ".venv" / "bin" / "python"

    @property
    def environment(self) -> Path:
        """Where the copy's environment is."""
        return self.root / ".venv"

    def write(self, name: str, content: bytes) -> None:
        """Put a file into the copy, with a time of change that it never had: compiled files are told by it."""
        file = self.root / name
        file.write_bytes(content)
        seconds = next(self._clock)
        os.utime(file, (seconds, seconds))

    def test(self, tests: Iterable[str], *options: str, seconds: float | None = None) -> int | None:
        """Run these tests in this order; pytest's exit code, nothing where it took too long. Raises EndedError."""
        chosen = self.temporary / "tests"
        self.temporary.mkdir(exist_ok=True)
        chosen.write_text("\n".join(tests))
        command = [str(self.python), "-m", "pytest", *_ALWAYS, *options, f"--basetemp={self.temporary / 'base'}"]
        with (
            (self.temporary / "out").open("wb") as out,
            self.processes.start(
                [*command, f"@{chosen}"],
                cwd=self.root,
                env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None

    def said(self) -> str:
        """What the last run printed, its end."""
        return (self.temporary / "out").read_text(errors="replace")[-3000:]


def make_copy(project: Path, place: Path, processes: Processes) -> Copy:
    """Copy a project into a folder that is not there yet; its tests are among these processes."""
    root = place / "copy"
    shutil.copytree(project, root, symlinks=True, ignore=_NOT_COPIED)
    venv.EnvBuilder(symlinks=True).create(root / ".venv")
    theirs = root / ".venv" / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    ours = "\n".join(path for path in sys.path if Path(path).name == "site-packages")
    shutil.copy(Path(__file__).with_name("inside.py"), theirs / "mutants_inside.py")
    (theirs / "copy.pth").write_text(f"{root}\n{ours}\nimport mutants_inside\n")
    for script in (Path(sys.prefix) / "bin").iterdir():
        target = root / ".venv" / "bin" / script.name
        if script.is_file() and not target.exists():
            _copy_script(script, target, root / ".venv" / "bin" / "python")
    return Copy(root, place / "temporary", processes)


def _copy_script(script: Path, target: Path, python: Path) -> None:
    content = script.read_bytes()
    first, _, rest = content.partition(b"\n")
    if first.startswith(b"#!") and Path(os.fsdecode(first[2:])).parent == script.parent:
        target.write_bytes(b"#!" + os.fsencode(python) + b"\n" + rest)
        target.chmod(0o755)
    else:
        target.symlink_to(script)
