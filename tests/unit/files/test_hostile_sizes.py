"""Files made to exhaust a parser end in an error after little work and with 200 MB, in a process that lives on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from flag_projects import a_project

if TYPE_CHECKING:
    from pathlib import Path

MEASURE = """
import json, re, sys
from pathlib import Path
from reconciler.files.config_file import load_config
from reconciler.files.load import check_desired
config = load_config(Path(sys.argv[1]))
check_desired((config,), paths=[config.flags_dir / "small.yaml"])
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in {"call", "c_call"}
found = check_desired((config,)).findings
megabytes = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
sys.setprofile(count)
check_desired((config,))
sys.setprofile(None)
rules = sorted({item.rule for item in found})
files = sorted({item.position.file for item in found})
print(json.dumps({"calls": calls, "megabytes": megabytes, "rules": rules, "files": files}))
"""

MIB = 1024 * 1024
GIVEN_UP = 20_000
"""Calls of functions, at most, where reading ends early."""

READ_WHOLE = 8_000_000
"""And where a file of a million bytes is read to its end: a few for each of its values."""

# `VmHWM` rather than getrusage, whose peak a child inherits from the process that forked it. Calls rather than
# seconds: they do not depend on what else the machine does.


def filled(unit: str, size: int = 1_000_000) -> bytes:
    """A text of about a million bytes, just below the limit of a file."""
    return (unit * (size // len(unit.encode()))).encode()


def alias_bomb() -> bytes:
    """Nine levels of nine: a few hundred bytes that would expand to a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines).encode()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a million brackets": (b"[" * 1_000_000, "too-deep"),
    "a million braces": (b"{" * 1_000_000, "too-deep"),
    "brackets under a key": (b"key: " + b"[" * 1_000_000, "too-deep"),
    "nested block lists": (filled("- "), "too-deep"),
    "nested question marks": (filled("? "), "too-deep"),
    "nested mappings in braces": (filled("{a: "), "too-deep"),
    "alias bomb": (alias_bomb(), "yaml-anchor"),
    "anchors everywhere": (filled("- &a x\n"), "yaml-anchor"),
    "half a million values": (b"key: [" + filled("1,") + b"1]", "too-many-values"),
    "many empty lists": (b"key: [" + filled("[],") + b"1]", "too-many-values"),
    "a late error behind as many values as are allowed": (
        b"key: a\ntags: [" + b"x," * 99_000 + b"x]\nname: *x",
        "yaml-alias",
    ),
    "many documents": (filled("---\n"), "empty-document"),
    "many flags without a key": (filled("---\na: 1\n"), "missing-field"),
    "the same key again and again": (filled("a: 1\n"), "duplicate-key"),
    "many unknown keys": ("".join(f"k{n}: 1\n" for n in range(45_000)).encode(), "unknown-field"),
    "one quoted text without end": (b'key: "' + b"x" * 1_000_000, "yaml-syntax"),
    "one number of a million digits": (b"key: " + b"1" * 1_000_000, "number-too-long"),
    "control characters only": (b"\x01" * 1_000_000, "control-character"),
    "spaces": (b" " * 1_000_000, "empty-file"),
    "ninety thousand users": (
        b"key: a\nvariants: [{key: b, inclusions: {users: [" + ",".join(map(str, range(90_000))).encode() + b"]}}]",
        "too-many-users",
    ),
    "ninety thousand users in quotes": (
        b"key: a\nvariants: [{key: b, inclusions: {users: ["
        + ",".join(f"'{n}'" for n in range(90_000)).encode()
        + b"]}}]",
        "too-many-users",
    ),
    "the same user again and again": (
        b"key: a\nvariants: [{key: b, inclusions: {users: [" + b"x," * 90_000 + b"x]}}]",
        "duplicate-inclusion",
    ),
    "ten megabytes": (b"key: a\n# " + b"x" * 10 * MIB, "file-too-large"),
}


LONG = {
    "half a million values", "many empty lists", "a late error behind as many values as are allowed",
    "many flags without a key", "many unknown keys", "ninety thousand users", "ninety thousand users in quotes",
    "the same user again and again",
}  # fmt: skip
"""Those of which the values are counted, or the schema asked."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_neither_time_nor_memory(tmp_path: Path, name: str) -> None:
    """The process ends by itself, within the limits, and names the file and the rule."""
    content, rule = HOSTILE[name]
    file = a_project(tmp_path, {"hostile.yaml": content, "small.yaml": "key: a-flag\n"})
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, (run.returncode, run.stderr[-2000:])
    measured = json.loads(run.stdout)
    assert rule in measured["rules"]
    assert measured["files"] == ["flags/hostile.yaml"]
    assert measured["calls"] < (READ_WHOLE if name in LONG else GIVEN_UP)
    assert measured["megabytes"] < 200
