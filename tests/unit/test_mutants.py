"""The faults that `make mutants` puts into code, and what it says of those that no test notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mutants.changes import bits, changes_in, is_sound
from mutants.copies import Processes, make_copy
from mutants.reach import Reach, Test, states_of

ROOT = Path(__file__).parents[2]
CODE = """\
LIMIT = 10

def price(amount: int) -> int:
    if amount > LIMIT:
        return 9 * amount
    return 10 * amount

def unused() -> int:
    return 1
"""
TESTS = """\
import subprocess
import sys

from shop.price import price

def test_many() -> None:
    assert price(20) == 180

def test_few() -> None:
    code = "from shop.price import price; print(price(2))"
    done = subprocess.run([sys.executable, "-I", "-c", code], env={}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("20\\n", "")
"""


def shop(root: Path) -> Path:
    """A project with one module, which tests call here and in another process, less than exactly."""
    for name, text in {"shop/__init__.py": "", "shop/price.py": CODE, "tests/test_price.py": TESTS}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def mutants(root: Path, *options: str) -> str:
    """What the command prints about the project."""
    command = [sys.executable, "-m", "mutants", "--root", str(root), "--package", "shop", "--jobs", "1", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_what_no_test_notices_is_listed_and_the_rest_is_killed(tmp_path: Path) -> None:
    """Also where the code runs in another process, which is given no variable of the environment."""
    project = shop(tmp_path)
    said = mutants(project, "--seed", "2")
    *listed, table = said.split("\n\n")
    assert "\n\n".join(listed).splitlines() == [
        "shop/price.py:9: constant",
        "    -    return 1",
        "    +    return 2",
        "    not reached; 0 of 0 tests",
        "shop/price.py:1: constant",
        "    -LIMIT = 10",
        "    +LIMIT = 9",
        "    survived; 2 of 2 tests",
    ]
    assert table.splitlines()[-1].split() == ["all", "5", "3", "0", "1", "1", "60%"]
    assert mutants(project, "--seed", "2", "--tests", "tests/test_price.py", "--", "shop/price.py") == said
    with pytest.raises(subprocess.CalledProcessError):
        mutants(project, "shop/price.py", "shop/none")
    assert (project / "shop/price.py").read_text() == CODE


def test_lines_that_were_not_seen_to_run_are_reached_by_who_runs_their_function(tmp_path: Path) -> None:
    """Where something ends the tracing, lines are no longer seen: not those after it, not those of later tests."""
    project = shop(tmp_path)
    unseen = CODE.replace("    if amount", "    import sys\n    sys.settrace(None)\n    if amount")
    (project / "shop/price.py").write_text(unseen)
    said = mutants(project, "--seed", "2", "--", "shop/price.py")
    assert said.count("not reached;") == 1, said
    assert "return 2" in said


def test_those_that_run_the_function_come_after_those_that_were_seen_to_reach_the_line(tmp_path: Path) -> None:
    """For of some tests a line is seen, and of others it is not, though all of them run it."""
    project = shop(tmp_path)
    lines = {"fast": bits(4, 4), "slow": bits(4, 6), "other": bits(9, 9), "failing": bits(4, 6)}
    tests = {
        name: Test(0.1 * at, has_passed=name != "failing", lines={"shop/price.py": seen})
        for at, (name, seen) in enumerate(lines.items())
    }
    change = next(item for item in changes_in(CODE.encode()) if item.first == 6)
    assert Reach(tests).of(change, "shop/price.py", project) == ["slow", "fast"]


def test_what_a_killed_process_left_is_passed_over(tmp_path: Path) -> None:
    """Half a file of what it ran keeps nothing from being learned of the others."""
    project = shop(tmp_path)
    leaving = "import sys\nfrom pathlib import Path\n\ndef test_it() -> None:\n    assert sys.path\n"
    leaving += "    Path(sys.prefix, 'reach', 'data.half').write_bytes(b'SQLite format 3\\0' * 99)\n"
    (project / "tests/test_leaving.py").write_text(leaving)
    mutants(project, "--count", "0")
    kept = Reach.read(project / ".mutants/reach.json")
    assert kept.tests["tests/test_price.py::test_many"].lines["shop/price.py"]
    assert kept.tests["tests/test_leaving.py::test_it"].has_passed


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = b < c", ["a = (b <= c)", "a = (b >= c)"]),
        ("a = b is None", ["a = (b is not None)"]),
        ("a = b and c", ["a = (b or c)", "a = (c)", "a = (b)"]),
        ("a = not b", ["a = (b)"]),
        ("a = b - c", ["a = (b + c)"]),
        ("a += b", ["a -= b", "pass"]),
        ("a = 5", ["a = 6", "a = 4"]),
        ("a = True", ["a = False"]),
        ("a = 'b'", ["a = 'b~'"]),
        ("a = 'A sentence is for people.'", []),
        ("f(a, b=c)", ["(f(a))", "pass"]),
        ("f(a, b)", ["(f(a))", "pass"]),
        ("a = min(b)", ["a = max(b)"]),
        ("a = b.startswith(c)", ["a = (b).endswith(c)"]),
        ("a.b = c", ["pass"]),
        ("a = [b for b in c if b]", ["a = [b for b in c if True]"]),
        ("a = b if c else d", ["a = b if (not (c)) else d"]),
        ("if a:\n    raise b", ["if (not (a)):\n    raise b", "if a:\n    pass"]),
        ("for a in b:\n    continue", ["for a in b:\n    pass"]),
        ("try: a\nexcept (b, c): d", ["try: a\nexcept (c,): d", "try: a\nexcept (b,): d"]),
        ("@a\ndef b(): ...", ["\ndef b(): ..."]),
        ("def a():\n    if b:\n        return c\n    return None", [
            "def a():\n    if (not (b)):\n        return c\n    return None",
            "def a():\n    if b:\n        pass\n    return None",
            "def a():\n    if b:\n        return None\n    return None",
        ]),
        ("match a:\n    case b if c:\n        d", ["match a:\n    case b if True:\n        d"]),
        ("# é\na = ('é', b == c)", ["# é\na = ('é~', b == c)", "# é\na = ('é', (b != c))"]),
        ("a: b | c", []),
        ("def a(b: c | d) -> e | f: ...", []),
        ("if TYPE_CHECKING:\n    a = 1", []),
        ("A = TypeVar('A')", []),
        ("class A(Protocol):\n    b: int = 1\n    @property\n    def c(self) -> int: ...", []),
        ("'''b'''", []),
        ("@dataclass(frozen=True)\nclass A: ...", ["\nclass A: ..."]),
        ("assert a == b", []),
        ("a = zip(b, c, strict=True)", ["a = (zip(b, strict=True))"]),
        ("a = cast('b', c)", ["a = (cast('b'))"]),
        ("a = f'{b + 1}'", []),
    ],
)  # fmt: skip
def test_each_fault_replaces_one_node_and_leaves_the_rest(code: str, expected: list[str]) -> None:
    source = code.encode()
    changes = changes_in(source)
    assert sorted(change.applied_to(source).decode() for change in changes) == sorted(expected)
    assert all(is_sound(source, change) for change in changes)


def test_a_fault_knows_the_lines_that_show_it() -> None:
    """Of a statement, without the statements in it; what a module does by itself is done when it is imported."""
    source = b"A = 1\ndef f(a=2):\n    if (a and\n        b):\n        c = 3\n"
    found = {(change.first, change.last, change.at_import) for change in changes_in(source)}
    assert found == {(1, 1, True), (2, 2, True), (3, 4, False), (5, 5, False)}


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    copy = make_copy(shop(tmp_path / "project"), tmp_path / "place", Processes())
    copy.write("tests/test_price.py", b"import time\ndef test_it():\n    time.sleep(3600)\n")
    began = time.monotonic()
    assert copy.test(["tests/test_price.py"], seconds=1) is None
    assert time.monotonic() - began < 600


def test_what_is_known_is_forgotten_with_the_files_that_it_was_learned_from(tmp_path: Path) -> None:
    """Tests run again where they, or what they ran, have changed."""
    project = shop(tmp_path)
    (project / "tests/test_other.py").write_text("def test_other():\n    pass\n")
    mutants(project, "--count", "0", "--tests", "tests/test_price.py")
    kept = project / ".mutants/reach.json"

    def to_run() -> list[str]:
        return Reach.read(kept).forget_changed(states_of(project, ["shop", "tests"]))

    assert to_run() == ["tests/test_other.py"]
    mutants(project, "--count", "0")
    assert to_run() == []
    (project / "shop/new.py").write_text("")
    assert to_run() == []
    (project / "shop/price.py").write_text(CODE + "\n")
    assert to_run() == ["tests/test_price.py"]
    (project / "shop/price.py").write_text(CODE)
    (project / "tests/test_other.py").write_text("")
    assert to_run() == ["tests/test_other.py"]
    (project / "tests/test_other.py").unlink()
    assert to_run() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_tests_of_the_copies_too(tmp_path: Path, number: signal.Signals) -> None:
    """They have sessions of their own. Those that wait for their turn are not started."""
    project, begun = shop(tmp_path / "project"), tmp_path / "begun"
    waits = (
        f"import os, time\ndef test_waits() -> None:\n    open({str(begun)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
    )
    for name in ("a", "b", "c"):
        (project / f"tests/test_{name}.py").write_text(f"{waits}    time.sleep(600)\n")
    command = [sys.executable, "-m", "mutants", "--root", str(project), "--package", "shop", "--jobs", "2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (begun.exists() and begun.read_text().count("\n") == 2):
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(number)
    assert run.returncode == 128 + number
    for process in begun.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
    assert begun.read_text().count("\n") == 2
