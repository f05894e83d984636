"""`--api-key-file` with what can be read once only, or has no end: it is read once, and no more than a key takes."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from emulators import KEY
from faults.grounds import COMMAND, Ground, a_ground

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60
"""A command that hangs is ended then; none is measured."""

WRONG = "no-key-of-any-project"
COMMANDS = (
    ("plan",),
    ("plan", "--format", "json", "--verbose"),
    ("apply", "--auto-approve", "--report", "report.json"),
    ("drift",),
    ("history", "new-checkout"),
    ("evaluate", "new-checkout", "--user-id", "1"),
    ("import", "--out", "new"),
    ("rollback", "new-checkout", "--to", "1"),
    ("doctor",),
)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A checkout beside an emulator, and no key in the environment."""
    with a_ground(tmp_path) as ground:
        del ground.environ["AMPLITUDE_MANAGEMENT_API_KEY"]
        yield ground


def run(ground: Ground, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command beside the configuration."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=ground.sub,
        env=ground.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_pipe_is_read_once(ground: Ground, command: tuple[str, ...]) -> None:
    """Where the server refuses the key, the command says so and ends; the pipe has no second writer."""
    pipe = ground.outside / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=(f"{WRONG}\n",), daemon=True).start()
    ran = run(ground, *command, "--api-key-file", str(pipe))
    assert ran.returncode == 4, ran.stderr
    assert WRONG not in ran.stdout + ran.stderr


@pytest.mark.parametrize("key", [KEY, WRONG])
def test_a_pipe_whose_writer_stays_is_read_to_the_newline(ground: Ground, key: str) -> None:
    """The command ends while the writer is still there; a refused key is said to be of that file."""
    pipe = ground.outside / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, f"{key}\n".encode())
    ran = run(ground, "plan", "--api-key-file", str(pipe))
    os.close(writer)
    assert ran.returncode == (0 if key == KEY else 4), ran.stderr
    assert (f"the file '{pipe}'" in " ".join(ran.stderr.split())) is (key == WRONG)
    assert "AMPLITUDE_MANAGEMENT_API_KEY" not in ran.stderr


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/urandom", "/dev/null", "/dev/stdin"])
def test_what_is_no_file_is_no_key(ground: Ground, name: str) -> None:
    """Endless or empty, it is read to the length of a key and refused; not one request is sent."""
    ran = run(ground, "plan", "--format", "json", "--api-key-file", name)
    assert ran.returncode == 4, ran.stderr
    assert ran.stderr.startswith(f"Error: The file '{name}'")
