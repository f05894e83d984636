"""`reconciler emulator`, as a process: what it says when it is ready, and where it may be started."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def greeting_of(directory: Path) -> str:
    """The first line that an emulator started in a directory prints; it is ended then."""
    command = [sys.executable, "-m", "reconciler.cli.main", "emulator"]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            return process.stdout.readline()
        finally:
            process.terminate()


def test_needs_no_configuration(tmp_path: Path) -> None:
    """In a directory that is no repository of flags it serves a project of its own."""
    assert greeting_of(tmp_path).startswith("export RECONCILER_API_URL=http://127.0.0.1:")
