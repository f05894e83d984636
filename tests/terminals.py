"""Commands at a real terminal: a pseudo-terminal on one side, a screen that understands its codes on the other."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 40


@dataclass(slots=True)
class Seen:
    """What a command left: its code, its stdout, everything that went to the terminal, and the screen at the end.

    `lines` are all lines that stood on the screen at any time.
    """

    code: int
    out: bytes
    raw: bytes
    screen: pyte.Screen
    lines: list[str] = field(default_factory=list)

    @property
    def last(self) -> list[str]:
        """The screen at the end, without what is empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]


def at_terminal(
    *arguments: str,
    program: str | None = None,
    columns: int = 120,
    with_stdout: bool = False,
    when: Callable[[list[str]], bool] = lambda _: False,
    then: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
    **environ: str,
) -> Seen:
    """Run a command, or a program of Python, whose stderr is a terminal and whose stdout is a pipe.

    `with_stdout`: stdout goes to the terminal as well, and `out` stays empty.
    As soon as the lines on the screen are such that `when` holds, `then` is done once. CI is not set.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in {"CI", "COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, *(["-m", "reconciler", *arguments] if program is None else ["-c", program])],
        stdin=subprocess.DEVNULL,
        stdout=slave if with_stdout else subprocess.PIPE,
        stderr=slave,
        env=variables | {"TERM": "xterm-256color"} | environ,
    )
    os.close(slave)
    seen = Seen(code=-1, out=b"", raw=b"", screen=pyte.Screen(columns, 24))
    stream, deadline = pyte.ByteStream(seen.screen), time.monotonic() + SECONDS
    pipes = [process.stdout] if process.stdout else []
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master, *pipes], [], [], 0.05)
        if master in ready:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            seen.raw += piece
            stream.feed(piece)
            seen.lines += [line for line in seen.last if line not in seen.lines]
            if when(seen.lines):
                then(process)
                when = _never
        if process.stdout in ready and process.stdout:
            seen.out += os.read(process.stdout.fileno(), 65536)
    os.close(master)
    rest, _ = process.communicate(timeout=SECONDS)
    seen.out, seen.code = seen.out + (rest or b""), process.returncode
    return seen


def _never(_: list[str]) -> bool:
    return False
