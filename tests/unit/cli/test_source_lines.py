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


def test_what_is_not_read_for_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link, a directory, a file that is too large, and the files of more findings than anyone reads."""
    (tmp_path / "a.yaml").write_text("12345678")
    (tmp_path / "b.yaml").write_text("123456789")
    (tmp_path / "c.yaml").symlink_to("a.yaml")
    (tmp_path / "d.yaml").mkdir()
    (tmp_path / "e.yaml").write_text("1")
    monkeypatch.setattr("reconciler.cli.source_lines._MOST_BYTES", 8)
    findings = [finding(f"{name}.yaml", 1) for name in "abcde"]
    assert set(source_lines(findings, tmp_path)) == {("a.yaml", 1), ("e.yaml", 1)}
    monkeypatch.setattr("reconciler.cli.source_lines._MOST_FILES", 4)
    assert set(source_lines(findings, tmp_path)) == {("a.yaml", 1)}
