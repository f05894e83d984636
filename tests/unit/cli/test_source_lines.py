"""The lines of files that are shown below findings, and those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.cli.source_lines import source_lines
from reconciler.diagnostics import Diagnostic, Severity, SourcePosition

if TYPE_CHECKING:
    from pathlib import Path


def finding(file: str, line: int, *, path: str = "/enabled", column: int = 1) -> Diagnostic:
    """What is wrong at a place."""
    place = SourcePosition(file=file, line=line, column=column)
    return Diagnostic(severity=Severity.ERROR, rule="type", message="No.", position=place, path=path)


def test_lines_by_file_and_number(tmp_path: Path) -> None:
    """As YAML counts them; none for what has no place, no such line or no such file."""
    (tmp_path / "a.yaml").write_bytes(b"one\ntwo\nthree\n\xff")
    (tmp_path / "b.yaml").write_bytes("one\r\ntwo\rthree\nfour\x85five\u2028six\u2029é".encode())
    nowhere = Diagnostic(severity=Severity.ERROR, rule="type", message="No.")
    wanted = [finding("b.yaml", number) for number in range(1, 9)]
    assert source_lines([nowhere, *wanted, finding("none.yaml", 1)], tmp_path) == {
        ("b.yaml", number): text for number, text in enumerate(("one", "two", "three", "four", "five", "six", "é"), 1)
    }
    assert source_lines([finding("a.yaml", 3)], tmp_path) == {("a.yaml", 3): "three"}
    assert source_lines([finding("a\0.yaml", 1), finding("", 1)], tmp_path) == {}


@pytest.mark.parametrize(
    ("path", "line", "column", "is_shown"),
    [
        ("", 1, 1, False), ("", 1, 2, True), ("", 2, 1, True), ("/key", 1, 1, True),
        ("/variants/0/inclusions", 2, 1, False), ("/variants/0/inclusions/users/0", 2, 1, False),
        ("/variants/0/inclusionsx", 2, 1, True),
    ],
)  # fmt: skip
def test_findings_of_a_whole_file_or_of_users_show_none(
    tmp_path: Path, path: str, line: int, column: int, *, is_shown: bool
) -> None:
    (tmp_path / "a.yaml").write_text("one\ntwo\n")
    found = source_lines([finding("a.yaml", line, path=path, column=column)], tmp_path)
    assert (("a.yaml", line) in found) is is_shown


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        ("users: [ada]", False), ("values: [ada@x]", False), ("prop: user_id", False), ("prop: device_id", False),
        ("prop: userid", True), ("superusers: 1", True), ("enabled: yes", True),
    ],
)  # fmt: skip
def test_lines_that_may_name_users_are_left_out(tmp_path: Path, text: str, *, is_shown: bool) -> None:
    (tmp_path / "a.yaml").write_text(f"key: a\n{text}\n")
    assert source_lines([finding("a.yaml", 2)], tmp_path) == ({("a.yaml", 2): text} if is_shown else {})


def test_what_is_not_read_for_a_line(tmp_path: Path) -> None:
    """A link, a directory, a name that no file can have, and more than two megabytes."""
    for name, size in (("a", 2 * 1024 * 1024), ("b", 2 * 1024 * 1024 + 1)):
        (tmp_path / f"{name}.yaml").write_bytes(b"1\n" + b"#" * (size - 2))
    (tmp_path / "c.yaml").symlink_to("a.yaml")
    (tmp_path / "d.yaml").mkdir()
    findings = [finding(f"{name}.yaml", 1) for name in ("n" * 300, *"abcd")]
    assert source_lines(findings, tmp_path) == {("a.yaml", 1): "1"}


def test_of_how_many_files_lines_are_shown(tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"{number}.yaml").write_text("1")
    found = source_lines([finding(f"{number}.yaml", 1) for number in range(101)], tmp_path)
    assert found.keys() == {(f"{number}.yaml", 1) for number in range(100)}
