"""What git is started with: a program, arguments and an environment that no checkout has a say in."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.cli.git import GitFailedError, OversizedAnswerError, _chunks, ask_git
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GIVEN = {
    "HOME": "/h",
    "TMPDIR": "/tmp",
    "SUDO_UID": "7",
    "XDG_CONFIG_HOME": "/x",
    "GIT_CONFIG_GLOBAL": "/g",
    "GIT_CONFIG_SYSTEM": "/s",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TEST_ASSUME_DIFFERENT_OWNER": "0",
    "DEVELOPER_DIR": "/d",
}
DROPPED = {
    "GIT_DIR": "/elsewhere",
    "GIT_WORK_TREE": "/elsewhere",
    "GIT_SSH_COMMAND": "touch /x",
    "GIT_EXTERNAL_DIFF": "touch /x",
    "LD_PRELOAD": "/x.so",
    "AMPLITUDE_MANAGEMENT_API_KEY": "k" * 32,
}
FIXED = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
SETTINGS = {
    "safe.bareRepository=explicit", "protocol.allow=never", f"core.attributesFile={os.devnull}",
    "core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.pager=cat", "core.editor=false",
    "core.askPass=false", "core.sshCommand=false", "core.alternateRefsCommand=false", "credential.helper=",
    "diff.external=", "gpg.program=false",
}  # fmt: skip


def a_git(directory: Path, script: str) -> str:
    """A program called git that does this; the PATH in which it is, behind places that are not looked at."""
    directory.mkdir()
    program = directory / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    (directory.parent / "none" / "git").mkdir(parents=True)
    (directory.parent / "plain").mkdir()
    (directory.parent / "plain" / "git").write_text("")
    return f".:bin:{directory.parent}/none:{directory.parent}/plain:{directory}"


def environment_of(answer: bytes) -> dict[str, str]:
    """The variables that `env` prints; without those that the shell sets itself."""
    pairs = dict(line.split("=", 1) for line in answer.decode().splitlines())
    return {name: value for name, value in pairs.items() if name not in {"PWD", "_", "SHLVL", "OLDPWD"}}


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"git_dir": None}, {}),
        ({"git_dir": "r"}, {"GIT_DIR": "r", "GIT_WORK_TREE": "top"}),
        ({"git_dir": "r", "work_tree": False}, {"GIT_DIR": "r"}),
    ],
)
def test_the_environment_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], more: dict[str, str]
) -> None:
    """What is kept, what is set, directories that are trusted, and nothing else."""
    path = a_git(tmp_path / "bin", "/usr/bin/env")
    for name in os.environ:
        monkeypatch.delenv(name)
    config = {"GIT_CONFIG_COUNT": "4", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": "touch /x"}
    config |= {
        "GIT_CONFIG_KEY_1": "Safe.Directory",
        "GIT_CONFIG_VALUE_1": "/one",
        "GIT_CONFIG_KEY_3": "safe.directory",
    }
    for name, value in {**GIVEN, **DROPPED, **config, "PATH": path}.items():
        monkeypatch.setenv(name, value)
    top = tmp_path / "top"
    top.mkdir()
    paths = {name: tmp_path / value if name == "git_dir" and value else value for name, value in options.items()}
    found = environment_of(ask_git("rev-parse", top=top, **paths))  # type: ignore[arg-type]
    trusted = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "/one"}
    trusted |= {"GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": ""}
    own = {"GIT_CEILING_DIRECTORIES": str(tmp_path), "PATH": path.removeprefix(".:bin:")}
    places = {name: str(tmp_path / value) for name, value in more.items()}
    assert found == {**GIVEN, **FIXED, **trusted, **own, **places}


@pytest.mark.parametrize("count", ["", "x", "\u0665", "-1", "0"])
def test_settings_of_the_environment_that_cannot_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", "/usr/bin/env"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    found = environment_of(ask_git("rev-parse", top=tmp_path, git_dir=None))
    assert found["GIT_CONFIG_COUNT"] == "0"
    assert "GIT_CONFIG_KEY_0" not in found


def test_the_arguments_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings over those of any configuration, then the question; what is given goes to stdin, at the top."""
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", 'for each; do echo "$each"; done; pwd; exec /bin/cat'))
    lines = ask_git("cat-file", "--batch", top=tmp_path, git_dir=None, given=b"id\n").decode().splitlines()
    assert lines[:3] == ["--no-pager", "--no-optional-locks", "--literal-pathspecs"]
    assert lines[-4:] == ["cat-file", "--batch", str(tmp_path), "id"]
    settings = lines[3:-4]
    assert set(settings[::2]) == {"-c"}
    assert (set(settings[1::2]), len(settings)) == (SETTINGS, 2 * len(SETTINGS))


def test_what_is_said_where_git_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words are kept and not shown; a program that cannot be started is said to be that."""
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", "echo said; echo why >&2; exit 3"))
    with pytest.raises(GitFailedError) as caught:
        ask_git("ls-tree", top=tmp_path, git_dir=None)
    assert (str(caught.value), caught.value.words) == (f"git ls-tree failed in {tmp_path}.", b"why\n")
    (tmp_path / "bin" / "git").write_text("#!/does/not/exist\n")
    with pytest.raises(ReconcilerError, match=r"^git cannot be started: No such file or directory\.$"):
        ask_git("ls-tree", top=tmp_path, git_dir=None)


@pytest.mark.parametrize("size", [10, 11, 12])
def test_how_much_git_may_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """So many bytes, and not one more, however they come; it is ended where it goes on."""
    monkeypatch.setattr("reconciler.cli.git._MOST_BYTES", 10)
    monkeypatch.setattr("reconciler.cli.git._CHUNK", 4)
    monkeypatch.setenv(
        "PATH", a_git(tmp_path / "bin", f"printf %0{size}d 1" + "; exec /bin/sleep 600" * (size == 12))
    )
    if size == 10:
        assert ask_git("rev-list", top=tmp_path, git_dir=None) == b"0000000001"
    else:
        with pytest.raises(ReconcilerError, match="a commit holds more than flag files"):
            ask_git("rev-list", top=tmp_path, git_dir=None)


@pytest.mark.parametrize("over", [b"", b"x"])
def test_the_most_that_git_may_say(over: bytes) -> None:
    """256 MiB, in pieces of which one is kept at a time."""
    pieces = iter([bytes(1024 * 1024)] * 256 + [over])
    process: Any = SimpleNamespace(stdout=SimpleNamespace(read=lambda _: next(pieces, b"")), wait=lambda: None)
    if not over:
        assert sum(map(len, _chunks(process))) == 256 * 1024 * 1024
    else:
        said = r"^git found more than 256 MiB: a commit holds more than flag files\.$"
        with pytest.raises(OversizedAnswerError, match=said):
            sum(map(len, _chunks(process)))


def test_a_git_that_has_said_all_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is its own, also where it ends after its answer."""
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", "echo id; exec >&- 2>&-; exec /bin/sleep 0.05"))
    assert ask_git("rev-parse", top=tmp_path, git_dir=None) == b"id\n"


def test_a_git_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After thirty seconds, which are over at once here; what it said until then is no answer."""
    patience = []

    class Over:
        """A timer whose time is over when it starts."""

        def __init__(self, seconds: float, act: Callable[[], None]) -> None:
            patience.append(seconds)
            self.start, self.cancel, self.join = act, lambda: None, lambda: None

    monkeypatch.setattr("reconciler.cli.git.Timer", Over)
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", "exec /bin/sleep 600"))
    with pytest.raises(ReconcilerError, match=r"^git did not answer within 30 seconds\.$"):
        ask_git("rev-list", top=tmp_path, git_dir=None)
    assert patience == [30]


def test_the_usual_places_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names none; of settings that it counts a thousand are looked at."""
    monkeypatch.setattr("os.defpath", a_git(tmp_path / "bin", "/usr/bin/env"))
    monkeypatch.delenv("PATH")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1002")
    for number in (999, 1000):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", "safe.directory")
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", f"/{number}")
    found = environment_of(ask_git("rev-parse", top=tmp_path, git_dir=None))
    assert (found["GIT_CONFIG_COUNT"], found["GIT_CONFIG_VALUE_0"]) == ("1", "/999")
    assert found["PATH"].endswith(f"{tmp_path}/bin")


def test_of_what_git_says_of_a_failure_the_beginning_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read to its end, so that git does not wait for a reader."""
    monkeypatch.setenv("PATH", a_git(tmp_path / "bin", "echo why >&2; /usr/bin/head -c 200000 /dev/zero >&2; exit 3"))
    with pytest.raises(GitFailedError) as caught:
        ask_git("ls-tree", top=tmp_path, git_dir=None)
    assert caught.value.words == b"why\n" + bytes(64 * 1024 - 4)
