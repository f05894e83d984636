"""Every process that the product starts: git, by one function, without the key."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from emulators import KEY

from reconciler.cli.git import Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from conftest import Repository

PACKAGE = Path(__file__).parents[3] / "reconciler"

STARTERS = {
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell", "subprocess"},
    "click": {"edit", "launch", "echo_via_pager", "pager"},
    "ctypes": None,
    "cffi": None,
    "multiprocessing": None,
    "os": {"system", "popen", "startfile", "fork", "forkpty", "posix_spawn", "posix_spawnp"},
    "pdb": None,
    "platform": None,
    "pty": None,
    "pydoc": None,
    "concurrent": None,
    "subprocess": None,
    "_posixsubprocess": None,
    "webbrowser": None,
}
"""Modules that start processes, and what of them does; None is all of it."""

METHODS = {"subprocess_exec", "subprocess_shell", "open_process", "run_process", "pager", "__import__"}
"""What starts processes on any object, and what hides an import from this test."""


def starts_of(tree: ast.AST) -> Iterator[str]:
    """What of a module starts a process, as it is written there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names if is_starter(*item.name.split(".")))
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = ([*node.module.split("."), item.name] for item in node.names)
            yield from (".".join(name) for name in names if is_starter(*name))
        elif isinstance(node, ast.Attribute):
            if node.attr in METHODS or (isinstance(node.value, ast.Name) and is_starter(node.value.id, node.attr)):
                yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # a module that is imported by its name
            yield from (name for name in [node.value.partition(":")[0]] if name.endswith("subprocess"))
        elif isinstance(node, ast.Name) and node.id in {*METHODS, "eval", "exec", "compile"}:
            yield node.id


def is_starter(module: str, name: str = "", *_rest: str) -> bool:
    """Whether a name of a module starts processes."""
    known = STARTERS.get(module, set())
    return known is None or name in known or (module == "os" and name.startswith(("exec", "spawn")))


def test_the_search_finds_what_it_is_for() -> None:
    """Each way to start a process, however it is imported."""
    for text in (
        "import subprocess as s", "from subprocess import run", "import os\nos.execvp('a', ['a'])", "os.spawnl",
        "from os import posix_spawn", "from asyncio.subprocess import create_subprocess_exec", "asyncio.subprocess",
        "loop.subprocess_exec(f)", "from concurrent.futures import ProcessPoolExecutor", "click.launch('x')",
        "importlib.import_module('subprocess')", "__import__('os')", "console.pager()", "import multiprocessing.pool",
    ):  # fmt: skip
        assert list(starts_of(ast.parse(text))), text
    assert not list(starts_of(ast.parse("import os\nos.environ\nos.path.join('a')\nos._exit(1)\nasyncio.run(f())")))


def test_one_module_starts_git_and_another_the_commands_of_guards() -> None:
    """One other asks git, with questions that look at objects and settings only; guards run what variables name."""
    starts, asks = {}, {}
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        name = file.relative_to(PACKAGE).as_posix()
        starts[name] = set(starts_of(tree))
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        asks[name] = sum(isinstance(call.func, ast.Name) and call.func.id == "ask_git" for call in calls)
    names = {"", ".Popen", ".PIPE"}
    assert {name: calls for name, calls in starts.items() if calls} == {
        "cli/git.py": {f"subprocess{name}" for name in names},
        "rollouts/sources.py": {f"subprocess{name}" for name in ("", ".DEVNULL", ".Popen", ".TimeoutExpired")},
    }
    assert {name for name, count in asks.items() if count} == {"cli/checkout.py"}
    assert set(get_args(Question)) == {"rev-parse", "rev-list", "ls-tree", "diff-tree", "cat-file", "config"}


WATCHED = """
import json, sys
from reconciler.cli.main import run
EVENTS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
def watch(event, arguments):
    if event in EVENTS:
        print(json.dumps([event, *map(repr, arguments[:3]), dict(arguments[3] or {})]), file=trace, flush=True)
trace = open(sys.argv[1], "a")
sys.addaudithook(watch)
for arguments in json.loads(sys.argv[2]):
    run(arguments)
"""

COMMANDS = (
    ("validate",),
    ("fmt", "--check"),
    ("plan", "--changed-since", "HEAD", "--out", "plan.json"),
    ("show", "plan.json"),
    ("apply", "plan.json", "--auto-approve"),
    ("drift",),
    ("import", "--force"),
    ("history", "new-checkout"),
    ("rollback", "new-checkout", "--to", "1"),
    ("evaluate", "new-checkout", "--user-id", "1"),
    ("doctor",),
    ("schema",),
    ("init", "--config", "new/reconciler.yaml"),
    ("no-such-command",),
)


def test_commands_start_git_only_and_without_the_key(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What starts a process in them, a library's code too: git as PATH has it, with an environment of its own."""
    trace = tmp_path_factory.mktemp("trace") / "trace"
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *arguments], check=True, cwd=repository.root)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\nrolloutPercentage: 60\n")
    command = [sys.executable, "-c", WATCHED, str(trace), json.dumps(COMMANDS)]
    subprocess.run(command, check=True, capture_output=True)
    events = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    assert len(events) >= 4
    for event, program, arguments, directory, environ in events:
        assert event == "subprocess.Popen"
        assert program.endswith("/git'")
        assert directory in {repr(repository.root), repr(repository.root / "new")}
        assert "'safe.bareRepository=explicit'" in arguments
        assert KEY not in str(environ)
        foreign = {name for name in environ if name.startswith(("AMPLITUDE", "RECONCILER", "GITHUB", "PYTHON"))}
        assert not foreign
