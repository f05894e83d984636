"""A repository in git beside an emulator and a stand-in of GitHub, for what runs whole commands."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from answered_steps import AnsweredSteps, run_here
from emulators import KEY, OTHER_USER, PROJECT, an_emulator, flag_of
from github_server import GithubState, a_github
from workflow_runner import Runner, bare_environ

from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.emulator import Emulator

FLAG = """key: new-checkout
enabled: true
rolloutPercentage: 10
rolloutWeights: {control: 1, treatment: 1}
variants:
  - key: control
  - key: treatment
"""
LIVE = {
    "key": "new-checkout",
    "enabled": True,
    "rolloutPercentage": 10,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [{"key": "control"}, {"key": "treatment"}],
}


@dataclass(slots=True, kw_only=True)
class World:
    """A project with one flag, whose file is committed on `main` and in place live."""

    root: Path
    emulator: Emulator
    github: GithubState
    environ: dict[str, str]
    runner: Runner

    def git(self, *arguments: str) -> str:
        """Run git in the repository; what it prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def commit(self, message: str = "change") -> str:
        """Commit everything; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def edit_by_hand(self, **fields: Any) -> None:
        """Change the live flag as a colleague would."""
        flag_id = flag_of(self.emulator, "new-checkout")["id"]
        self.emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{flag_id}", fields)

    def live_rollout(self) -> int:
        """The rollout percentage of the live flag."""
        return int(flag_of(self.emulator, "new-checkout")["rolloutPercentage"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The world before anything happens."""
    emulator = an_emulator(LIVE)
    with serve(emulator.app) as url, a_github() as github:
        environ = {**bare_environ(tmp_path), "RECONCILER_API_URL": url}
        root, jobs = tmp_path / "repository", tmp_path / "jobs"
        jobs.mkdir()
        token = github.environ["GITHUB_TOKEN"]
        runner = Runner(
            directory=jobs,
            checkout=root,
            environ={**environ, **{k: v for k, v in github.environ.items() if k != "GITHUB_TOKEN"}},
            contexts={
                "secrets.AMPLITUDE_MANAGEMENT_API_KEY": KEY,
                "github.token": token,
                "github.repository": github.environ["GITHUB_REPOSITORY"],
            },
            deploy=github.deploy,
        )
        world = World(root=root, emulator=emulator, github=github, environ=environ, runner=runner)
        world.write("reconciler.yaml", f'version: 1\nprojectId: "{PROJECT}"\n')
        world.write("flags/new-checkout.yaml", FLAG)
        world.git("init", "--quiet", "--initial-branch", "main")
        runner.environ["GITHUB_SHA"] = world.commit("begin")
        yield world


@pytest.fixture
def commands_in_process(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of steps run in this process: a tenth of the time, for what other tests show with processes."""
    monkeypatch.chdir(world.root)
    steps = AnsweredSteps(tmp_path / "steps", run_here)
    steps.put_tools(tmp_path / "tools")
    world.runner.call = steps.call
