"""A project's life as files, by the command as it is installed, over HTTP."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, PROJECT, an_emulator, ask

from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.emulator import Emulator

LIVE: dict[str, Any] = {
    "key": "new-checkout",
    "name": "New checkout: on",
    "enabled": True,
    "rolloutPercentage": 25,
    "rolloutWeights": {"control": 1, "treatment": 3},
    "variants": [
        {"key": "control", "payload": {"layout": "classic"}},
        {"key": "treatment", "users": ["ada@example.com", "00123"], "cohorts": ["abc"]},
    ],
    "targetSegments": [
        {
            "name": "Beta",
            "conditions": [{"type": "property", "prop": "gp:plan", "op": "is", "values": ["on", "1:30"]}],
            "percentage": 100,
            "bucketingKey": "amplitude_id",
            "rolloutWeights": {"treatment": 1},
        }
    ],
    "deployments": ["67"],
    "tags": ["checkout"],
}


class Shell:
    """A directory in which commands run against an emulator."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-I", "-W", "error", "-m", "reconciler", *arguments],
            cwd=self.directory,
            env={"RECONCILER_API_URL": self.url, "AMPLITUDE_MANAGEMENT_API_KEY": KEY},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def succeed(self, *arguments: str) -> str:
        """Run a command that has to end well; what it wrote."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def text(self) -> str:
        """The flag's file."""
        return (self.directory / "flags" / "new-checkout.yaml").read_text(encoding="utf-8")


@pytest.fixture
def emulator() -> Emulator:
    """A project with one flag that holds a bit of everything."""
    return an_emulator(LIVE)


@pytest.fixture
def shell(tmp_path: Path, emulator: Emulator) -> Iterator[Shell]:
    """An empty repository for that project."""
    with serve(emulator.app) as url:
        shell = Shell(tmp_path, url)
        shell.succeed("init", "--ci", "none")
        (tmp_path / "flags" / "example.yaml").unlink()
        (tmp_path / "reconciler.yaml").write_text(f'version: 1\nprojectId: "{PROJECT}"\ndeployments: {{web: "67"}}\n')
        yield shell


def test_a_project_is_adopted_changed_and_rolled_back(shell: Shell, emulator: Emulator) -> None:
    """Import, plan, a change behind our back, import again, rollback, apply: comments stay, and plans end empty."""
    assert "+ flags/new-checkout.yaml" in shell.succeed("import")
    assert shell.succeed("plan").splitlines()[-1] == "No changes."
    assert shell.run("fmt", "--check").returncode == 0
    path = shell.directory / "flags" / "new-checkout.yaml"
    path.write_text(shell.text.replace("rolloutPercentage: 25", "rolloutPercentage: 25  # careful"))

    (flag_id,) = emulator.store.flags
    assert ask(emulator, "PATCH", f"/flags/{flag_id}", {"rolloutPercentage": 80}).status == 200
    assert shell.run("plan", "--detailed-exitcode").returncode == 2
    assert shell.run("import").returncode == 1
    shell.succeed("import", "--force")
    assert "rolloutPercentage: 80  # careful\n" in shell.text
    assert shell.succeed("plan").splitlines()[-1] == "No changes."

    assert "~ rolloutPercentage" in shell.succeed("rollback", "new-checkout", "--to", "1")
    assert "rolloutPercentage: 25  # careful\n" in shell.text
    shell.succeed("apply", "--auto-approve")
    assert next(iter(emulator.store.flags.values()))["rolloutPercentage"] == 25


def test_an_empty_project_becomes_the_same_again(shell: Shell, emulator: Emulator) -> None:
    """Imported, wiped, applied and imported once more, the file has the same bytes."""
    shell.succeed("import")
    before = shell.text
    emulator.store.replace(projects=emulator.store.projects, keys=emulator.store.keys, flags=[], versions=[])
    shell.succeed("apply", "--auto-approve")
    (shell.directory / "flags" / "new-checkout.yaml").unlink()
    shell.succeed("import")
    assert shell.text == before
