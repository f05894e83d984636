"""Checkouts that others changed, and a program that tells whether it was run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from emulators import KEY, PROJECT, an_emulator
from looks import edit

from reconciler.cli.main import run
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = str(Path(sys.executable).parent / "reconciler")
CONFIG = f'version: 1\nprojectId: "{PROJECT}"\n'
FLAG = "key: new-checkout\nrolloutPercentage: 50\n"
SWITCH = "key: night-switch\nenabled: true\n"
"""Of a flag that was turned off live: where it is declared, git is asked since when."""

LIVE = {"key": "new-checkout", "rolloutPercentage": 10, "variants": [{"key": "a"}], "enabled": True}

PROGRAMS = """
[core]
    repositoryformatversion = 1
    fsmonitor = {spy}
    hooksPath = {hooks}
    pager = {spy}
    editor = {spy}
    askPass = {spy}
    sshCommand = {spy}
    gitProxy = {spy}
    alternateRefsCommand = {spy}
[extensions]
    partialClone = origin
[remote "origin"]
    url = ext::{spy}
    uploadpack = {spy}
    promisor = true
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[credential]
    helper = !{spy}
[diff]
    external = {spy}
[diff "spy"]
    command = {spy}
    textconv = {spy}
[filter "spy"]
    clean = {spy}
    smudge = {spy}
    process = {spy}
    required = true
[merge "spy"]
    driver = {spy}
[gpg]
    program = {spy}
[alias]
    rev-parse = !{spy}
    rev-list = !{spy}
    ls-tree = !{spy}
    diff-tree = !{spy}
    cat-file = !{spy}
[include]
    path = {included}
"""
ATTRIBUTES = "* filter=spy diff=spy merge=spy text\n*.yaml filter=spy diff=spy\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A checkout at `top`, a configuration in `sub`, a place `outside` of it, and a program that leaves a trace."""

    top: Path
    outside: Path
    spy: Path
    environ: dict[str, str]

    @property
    def sub(self) -> Path:
        """The directory of the configuration."""
        return self.top / "sub"

    def git(self, directory: Path, *arguments: str) -> str:
        """Run git as the maker of the checkout does, before it names programs."""
        done = subprocess.run(
            ["git", *arguments], cwd=directory, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, directory: Path) -> str:
        """Make a repository of a directory and commit all of it; the commit."""
        self.git(directory, "init", "--quiet", "--initial-branch", "main")
        self.git(directory, "add", "--all")
        self.git(directory, "commit", "--quiet", "--message", "all")
        return self.git(directory, "rev-parse", "HEAD")

    def a_repository(self, config: str = "") -> Path:
        """A `.git` that holds the files of `sub` in another commit, and names the program where one can be named."""
        files = self.outside / "files"
        shutil.copytree(self.sub, files)
        (files / "notes.md").write_text("not of the checkout")
        self.commit(files)
        self.arm(files / ".git", config)
        return files / ".git"

    def arm(self, git_dir: Path, config: str = "") -> None:
        """Name the program wherever a repository can name one; its hooks are programs too."""
        hooks = self.outside / "hooks"
        hooks.mkdir(exist_ok=True)
        for name in ("post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"):
            shutil.copy(self.spy, hooks / name)
            shutil.copy(self.spy, git_dir / "hooks" / name)
        included = self.outside / "included"
        included.write_text(f"[core]\nfsmonitor = {self.spy}\n")
        text = PROGRAMS.format(spy=self.spy, hooks=hooks, included=included)
        with (git_dir / "config").open("a", encoding="utf-8") as stream:
            stream.write(text + config)
        (git_dir / "info/attributes").write_text(ATTRIBUTES)

    def run(self, *arguments: str, directory: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command, at the top or in a directory."""
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=directory or self.top,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def call(
        self, *arguments: str, directory: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """The same within this process: git is asked in processes of its own either way."""
        out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with (
            patch.dict(os.environ, self.environ | environ, clear=True),
            chdir(directory or self.top),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run([*arguments])
        said = (stream.buffer.getvalue().decode() for stream in (out, err))
        return subprocess.CompletedProcess(arguments, code, *said)

    def traces(self) -> str:
        """What the program left: the environment that it found."""
        trace = self.outside / "trace"
        return trace.read_text() if trace.exists() else ""


@contextmanager
def a_ground(directory: Path, **files: str) -> Iterator[Ground]:
    """A checkout in a directory, with everything committed, beside an emulator; `files` are further flag files."""
    outside = directory / "outside"
    (outside / "home").mkdir(parents=True)
    spy = outside / "spy"
    spy.write_text(f"#!/bin/sh\nenv >> {outside / 'trace'}\n")
    spy.chmod(0o755)
    emulator = an_emulator(LIVE, {"key": "night-switch", "enabled": True, "variants": [{"key": "a"}]})
    edit(emulator, "bob@example.com", "night-switch", enabled=False)
    with serve(emulator.app) as url:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(outside / "home"),
            "AMPLITUDE_MANAGEMENT_API_KEY": KEY,
            "RECONCILER_API_URL": url,
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
            "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
        }  # fmt: skip
        ground = Ground(top=directory / "top", outside=outside, spy=spy, environ=environ)
        (ground.sub / "flags").mkdir(parents=True)
        (ground.sub / "reconciler.yaml").write_text(CONFIG)
        (ground.sub / "flags/new-checkout.yaml").write_text(FLAG)
        for name, text in files.items():
            (ground.sub / f"flags/{name}.yaml").write_text(text)
        ground.commit(ground.top)
        yield ground


def settings(*pairs: tuple[str, str]) -> dict[str, str]:
    """Settings of git as an environment gives them."""
    environ = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environ
