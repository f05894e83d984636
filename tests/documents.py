"""Runs what documentation says: its `sh` blocks line by line, and its files where it says what is in them.

A fenced block `sh` holds commands; one that ends in `# exit code N` has to end with N, every other with 0. A block
with a file's name behind its language (`yaml reconciler.yaml`) is that file; with `+` before the name it is added to
the file's end. `<!-- live: KEY {...} -->` is an edit of a live flag by hand at that point. Everything else is words.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PART = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<body>.*?)^(?P=indent)```$"
    r"|^<!-- live: (?P<key>[\w-]+) (?P<edit>\{.*\}) -->$",
    re.MULTILINE | re.DOTALL,
)
_EXPECTED = re.compile(r"\s+# exit code (?P<code>\d+)$")
_INSTALL = re.compile(r"pip install '?amplitude-flag-reconciler(\[(emulator|serve)\])?'?$")
_EXPORT = re.compile(r"export (?P<name>[A-Z_]+)=(?P<value>\S+)$")


@dataclass(slots=True, kw_only=True)
class Reader:
    """A reader who follows a document, in a directory, with a key."""

    directory: Path
    environ: dict[str, str]
    key: str
    edit_by_hand: Callable[[str, dict[str, Any]], None]

    def follow(self, text: str) -> int:
        """Do everything that the document says; the number of commands run. AssertionError where it is wrong."""
        count = 0
        for part in _PART.finditer(text):
            if part["key"]:
                self.edit_by_hand(part["key"], json.loads(part["edit"]))
            elif part["file"]:
                self.write(part["file"], part["body"])
            elif part["language"] == "sh":
                for command in commands(part["body"]):
                    self.run(command)
                    count += 1
        return count

    def write(self, name: str, text: str) -> None:
        """Write a file of that name; where the name begins with `+`, add to it."""
        file = self.directory / name.removeprefix("+")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if name.startswith("+") else "w", encoding="utf-8") as stream:
            stream.write(text)

    def run(self, command: str) -> str:
        """Run one line of shell; what it prints on stdout."""
        if _INSTALL.match(command):
            return ""
        if export := _EXPORT.match(command):
            value = export["value"]
            self.environ[export["name"]] = self.key if value == "..." else shlex.split(value)[0]
            return ""
        expected = _EXPECTED.search(command)
        done = subprocess.run(
            ["bash", "-c", _EXPECTED.sub("", command)],
            cwd=self.directory, env=self.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        code = int(expected["code"]) if expected else 0
        assert done.returncode == code, f"$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


def commands(body: str) -> Iterator[str]:
    """The lines of a block, those that end in a backslash joined, comments left out."""
    for line in body.replace("\\\n", " ").splitlines():
        command = line.strip()
        if command and not command.startswith("#"):
            yield command
