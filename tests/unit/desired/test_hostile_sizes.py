"""Files made to exhaust a parser end in an error within a second of CPU and 200 MB, in a process that lives on."""

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
import json, re, sys, time
from pathlib import Path
from reconciler.desired.config_file import load_config
from reconciler.desired.load import check_desired
config = load_config(Path(sys.argv[1]))
check_desired((config,), paths=[config.flags_dir / "small.yaml"]).findings
def idle_seconds(work):
    started = time.process_time()
    result = work()
    spent = time.process_time() - started
    started = time.process_time()
    sum(number % 7 for number in range(1_000_000))
    return result, spent / max(1, (time.process_time() - started) / 0.06)
found, seconds = idle_seconds(lambda: check_desired((config,)).findings)
megabytes = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
rules = sorted({item.rule for item in found})
files = sorted({item.position.file for item in found})
print(json.dumps({"seconds": seconds, "megabytes": megabytes, "rules": rules, "files": files}))
"""

MIB = 1024 * 1024


# `VmHWM` rather than getrusage, whose peak a child inherits from the process that forked it.
# `idle_seconds`: neighbours on the same cores slow the work and a fixed loop right behind it alike; the loop takes
# about 0.06 s on an idle core of the reference machine.


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
    assert measured["seconds"] < 1
    assert measured["megabytes"] < 200
