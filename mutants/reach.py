"""Which test reaches which lines: learned by running all of them once, and again those whose code has changed."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from mutants.changes import Change, bits, function_lines, lines_of_function

if TYPE_CHECKING:
    from pathlib import Path

    from mutants.copies import Copy


@dataclass(slots=True)
class Test:
    """What one test, with all its rows, takes and runs: the lines of each file, as the bits of a number.

    `has_passed`: without any fault, and if not while it was watched, then at least by itself.
    """

    __test__ = False

    seconds: float
    has_passed: bool
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Reach:
    """Which tests reach what, and the state of the files for which that was learned."""

    tests: dict[str, Test] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Reach:
        """What was kept; nothing where nothing was."""
        if not file.exists():
            return cls()
        kept = json.loads(file.read_text())
        tests = {
            name: Test(seconds, has_passed, {path: int(lines, 16) for path, lines in reached.items()})
            for name, (seconds, has_passed, reached) in kept["tests"].items()
        }
        return cls(tests, kept["files"])

    def write(self, file: Path) -> None:
        """Keep it for the next time."""
        tests = {
            name: (test.seconds, test.has_passed, {path: hex(lines) for path, lines in test.lines.items()})
            for name, test in list(self.tests.items())
        }
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"tests": tests, "files": dict(self.files)}))

    def forget_changed(self, files: dict[str, str]) -> list[str]:
        """Drop the tests that ran a file which is no longer the same; the files of tests that have to be run."""
        changed = {name for name, state in self.files.items() if files.get(name) != state}
        unknown = {name for name in files if name not in self.files}
        again = {
            name for name in files if name.rsplit("/", 1)[-1].startswith("test_") and name in changed | unknown
        } | {file_of(name) for name, test in self.tests.items() if changed & test.lines.keys()}
        self.tests = {
            name: test for name, test in self.tests.items() if file_of(name) not in again | (changed - files.keys())
        }
        self.files = {name: state for name, state in files.items() if name not in again}
        return sorted(again & files.keys())

    def learn(self, copy: Copy, folders: list[str], test_files: list[str]) -> None:
        """Run these files of tests in a copy and note what they reach in these folders."""
        states = states_of(copy.root, folders)
        room = copy.environment / "reach"
        room.mkdir()
        (room / "sources").write_text("\n".join(str(copy.root / folder) for folder in folders))
        copy.test(test_files, "--maxfail=1000000", "-p", "mutants_inside")
        results = room / "results.json"
        if not results.exists():
            raise RuntimeError(f"pytest did not run:\n{copy.said()}")
        found = {name: Test(*result) for name, result in json.loads(results.read_text()).items()}
        for data in room.glob("data.*"):
            _add(found, data, copy.root)
        shutil.rmtree(room)
        for name, test in found.items():
            test.has_passed = test.has_passed or copy.test([name]) == 0
        self.tests |= found
        self.files |= {name: states[name] for name in test_files}

    def of(self, change: Change, name: str, root: Path) -> list[str]:
        """The tests that reach a change, the fastest first.

        A function may run on after its lines are no longer seen: after a RecursionError, or after a coroutine that an
        error was thrown into. So those that run its function come after those that were seen to reach the line.
        What is done while a module is imported reaches the tests that run a function of it, and after them those that
        run one of a module that imports it.
        """
        if not change.at_import:
            function = lines_of_function((root / name).read_bytes(), change.first)
            seen = self._running({name: bits(change.first, change.last)})
            return list(dict.fromkeys(seen + self._running({name: function})))
        inside = self._running({name: function_lines((root / name).read_bytes())})
        users = self._running({user: function_lines((root / user).read_bytes()) for user in _users(name, root)})
        return list(dict.fromkeys(inside + users))

    def _running(self, lines: dict[str, int]) -> list[str]:
        found = [
            name
            for name, test in self.tests.items()
            if test.has_passed and any(test.lines.get(path, 0) & wanted for path, wanted in lines.items())
        ]
        return sorted(found, key=lambda name: (self.tests[name].seconds, name))


def states_of(root: Path, folders: list[str]) -> dict[str, str]:
    """Every file of Python in these folders, and what tells one state of it from another."""
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in folders
        for file in sorted((root / folder).rglob("*.py"))
    }


def file_of(test: str) -> str:
    """The file of a test."""
    return test.split("::", 1)[0]


def _add(tests: dict[str, Test], file: Path, root: Path) -> None:
    """Add what one process ran for these tests. Coverage keeps lines as bits of bytes, from the lowest bit on.

    Of a process that was killed while it wrote, nothing is known.
    """
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as kept:
        rows = kept.execute(
            "SELECT path, context, numbits FROM line_bits"
            " JOIN file ON file.id = file_id JOIN context ON context.id = context_id"
        )
        for path, context, lines in rows:
            if test := tests.get(context.strip("|").split("|")[-1]):
                name = path.removeprefix(f"{root}/")
                test.lines[name] = test.lines.get(name, 0) | int.from_bytes(lines, "little")


def _users(name: str, root: Path) -> list[str]:
    """The modules of the package that import this one."""
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return [
        str(file.relative_to(root))
        for file in sorted((root / name.split("/", 1)[0]).rglob("*.py"))
        if module in _imports(file)
    ]


@cache
def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
