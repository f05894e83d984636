"""`fmt`: which files, what is written, exit codes."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Repository

UGLY = "name:   A # n\nkey: a\n"
PRETTY = "key: a\nname: A  # n\n"


def test_fmt_rewrites_what_is_not_formatted(repository: Repository) -> None:
    """Changed files are named on stdout and keep their mode; a second run changes nothing."""
    path = repository.write("flags/deep/a.yml", UGLY)
    path.chmod(0o600)
    ran = repository.run("fmt")
    assert (ran.code, ran.out) == (0, "flags/deep/a.yml\n")
    assert path.read_text() == PRETTY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert repository.run("fmt").out == ""


def test_check_writes_nothing(repository: Repository) -> None:
    """With --check unformatted files are named, exit code 2; formatted ones are exit code 0."""
    path = repository.write("flags/a.yaml", UGLY)
    ran = repository.run("fmt", "--check")
    assert (ran.code, ran.out) == (2, "flags/a.yaml\n")
    assert path.read_text() == UGLY
    assert repository.run("fmt", "--check", "flags/new-checkout.yaml").code == 0


def test_line_ends_become_lf(repository: Repository) -> None:
    """A file with CRLF is unformatted even where nothing else is."""
    path = repository.write("flags/a.yaml", "")
    path.write_bytes(PRETTY.replace("\n", "\r\n").encode())
    assert repository.run("fmt", "--check").code == 2
    assert repository.run("fmt").code == 0
    assert path.read_bytes() == PRETTY.encode()


def test_one_invalid_file_keeps_all_as_they_are(repository: Repository) -> None:
    """Findings of every file on stderr with file and line, exit code 3, nothing written."""
    path = repository.write("flags/a.yaml", UGLY)
    repository.write("flags/b.yaml", "key: b\nkey: b\n")
    repository.write("flags/c.yaml", "key: c\nrolloutPercentge: 1\n")
    for arguments in ((), ("--check",)):
        ran = repository.run("fmt", *arguments)
        assert (ran.code, ran.out) == (3, "")
        assert "flags/b.yaml:2:1: error:" in ran.err
        assert "Fix these errors first; no file was written.\n" in ran.err
        assert "flags/c.yaml:2:1: error:" in ran.err
        assert path.read_text() == UGLY


@pytest.mark.parametrize("given", ["flags/sub", "flags/sub/a.yaml", "./flags/sub/"])
def test_paths_choose_files(repository: Repository, given: str) -> None:
    """Files and directories limit what is looked at; names are as seen from here."""
    repository.write("flags/sub/a.yaml", UGLY)
    repository.write("flags/b.yaml", UGLY.replace("key: a", "key: b"))
    assert repository.run("fmt", "--check", given).out == "flags/sub/a.yaml\n"


def test_a_directory_above_means_its_flag_files(repository: Repository) -> None:
    """`fmt .` formats flag files and leaves reconciler.yaml and other YAML alone."""
    repository.write("flags/a.yaml", UGLY)
    repository.write("compose.yaml", "services:   {}\n")
    ran = repository.run("fmt", ".")
    assert (ran.code, ran.out) == (0, "flags/a.yaml\n")
    assert repository.run("fmt", "reconciler.yaml", "flags/a.yaml").code == 0
    assert (repository.root / "compose.yaml").read_text() == "services:   {}\n"


def test_a_directory_of_no_configuration_means_all_yaml_below_it(repository: Repository) -> None:
    """With and without a configuration beside it."""
    for name in ("elsewhere/sub/a.yaml", "elsewhere/b.yml", "elsewhere/notes.txt"):
        repository.write(name, "enabled:   true\nkey: a\n")
    for _ in range(2):
        assert repository.run("fmt", "--check", "elsewhere").out == "elsewhere/b.yml\nelsewhere/sub/a.yaml\n"
        (repository.root / "reconciler.yaml").unlink(missing_ok=True)


def test_without_a_configuration_paths_are_needed(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file outside any repository can be formatted; without a path there is nothing to look at."""
    directory = tmp_path_factory.mktemp("bare")
    (directory / "a.yaml").write_text(UGLY)
    monkeypatch.chdir(directory)
    assert repository.run("fmt", "a.yaml").code == 0
    assert (directory / "a.yaml").read_text() == PRETTY
    assert repository.run("fmt").code == 3
    assert repository.run("fmt", "missing.yaml").code == 64


def test_environments_share_their_files(repository: Repository) -> None:
    """Without --env all environments are looked at, their directories included, each file once."""
    repository.write(
        "reconciler.yaml",
        'version: 1\nenvironments:\n  a: {projectId: "1"}\n  b: {projectId: "2"}\n'
        '  c: {projectId: "3", flags: other}\n',
    )
    repository.write("flags/a.yaml", UGLY)
    repository.write("other/a.yaml", UGLY)
    assert repository.run("fmt", "--check").out == "flags/a.yaml\nother/a.yaml\n"
    assert repository.run("fmt", "--check", "--env", "c").out == "other/a.yaml\n"
    assert repository.run("fmt", "--check", "--env", "d").code == 64


def test_defaults_are_those_of_the_directory(repository: Repository) -> None:
    """A field may be null, to leave a default out, only where there is that default."""
    repository.write(
        "reconciler.yaml",
        'version: 1\nenvironments:\n  a: {projectId: "1", defaults: {description: x}}\n'
        '  c: {projectId: "3", flags: other}\n',
    )
    text = "key: a\ndescription: null\n"
    repository.write("flags/a.yaml", text)
    repository.write("flags/new-checkout.yaml", "key: new-checkout\n")
    repository.write("other/a.yaml", "key: a\n")
    assert repository.run("fmt").code == 0
    repository.write("other/a.yaml", text)
    ran = repository.run("fmt")
    assert (ran.code, "other/a.yaml:2:14: error" in ran.err, "flags/a.yaml" in ran.err) == (3, True, False)


def test_a_directory_above_of_refused_files_alone_means_these(repository: Repository) -> None:
    """Other YAML below it stays as it is."""
    for file in (repository.root / "flags").iterdir():
        file.unlink()
    (repository.root / "flags" / "a.yaml").symlink_to("nowhere.yaml")
    compose = repository.write("compose.yaml", "services:   {}\n")
    ran = repository.run("fmt", ".")
    assert (ran.code, ran.out, ran.err.count(": error: ")) == (3, "", 1)
    assert "flags/a.yaml:1:1: error: " in ran.err
    assert compose.read_text() == "services:   {}\n"


def test_links_are_not_followed(repository: Repository) -> None:
    """A symbolic link is refused, not formatted through."""
    target = repository.root / "outside.yaml"
    target.write_text(UGLY)
    (repository.root / "flags" / "a.yaml").symlink_to(target)
    assert repository.run("fmt").code == 3
    ran = repository.run("fmt", "flags/a.yaml")
    assert (ran.code, "it is a symbolic link" in ran.err) == (3, True)
    assert target.read_text() == UGLY


def test_a_file_that_cannot_be_written_stays_and_is_said(repository: Repository) -> None:
    """The disk is full for one of them: it is as it was, the rest is formatted, and the code is 1."""
    large = repository.write("flags/a-large.yaml", f"name: {'n' * 20_000}\nkey: a-large\n")
    small = repository.write("flags/b-small.yaml", "name:   x\nkey: b-small\n")
    before = large.read_text()
    command = 'ulimit -f 16; exec "$0" -B -m reconciler fmt'
    ran = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], cwd=repository.root, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "flags/b-small.yaml\n")
    assert "1 of 3 files formatted." in ran.stderr
    assert "flags/a-large.yaml cannot be written: " in ran.stderr
    assert large.read_text() == before
    assert small.read_text() == "key: b-small\nname: x\n"
    assert len(list((repository.root / "flags").iterdir())) == 3


def test_files_that_cannot_be_written_are_all_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them counts as formatted, and nothing goes to stdout."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    for name in ("a", "b"):
        repository.write(f"flags/{name}.yaml", f"name:   x\nkey: {name}\n")
    monkeypatch.setattr("os.fsync", fail)
    ran = repository.run("fmt")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "0 of 3 files formatted.\nError: Some files were left as they were:\n"
        "flags/a.yaml cannot be written: No space left on device.\n"
        "flags/b.yaml cannot be written: No space left on device.\n"
    )
    assert repository.run("fmt", "--check", "flags/a.yaml").err == "1 of 1 file would be formatted.\n"
