"""The example files as a user who copies them finds them: in form, and fit for an empty project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from emulators import KEY, USER, seeded

from reconciler.files.config_file import load_config
from reconciler.files.load import load_desired

if TYPE_CHECKING:
    from conftest import Repository

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def copy(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A copy of the examples, beside a server that has their projects and deployments, and no flag in them."""
    projects = {}
    for environment in ("staging", "production"):
        config = load_config(EXAMPLES / "reconciler.yaml", environment)
        projects[config.project_id] = {number: name for name, number in config.deployments.items()}
    for project, deployments in projects.items():
        repository.emulator.store.add_project(project, deployments)
    repository.emulator.store.add_key(KEY, USER, projects)
    shutil.copytree(EXAMPLES, repository.root / "copy")
    monkeypatch.chdir(repository.root / "copy")
    return repository


def test_they_are_formatted(copy: Repository) -> None:
    """`fmt --check` finds nothing to do."""
    ran = copy.run("fmt", "--check")
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_they_can_be_applied_to_an_empty_project(copy: Repository, environment: str) -> None:
    """Every flag is created but the one that is to be gone, and a second plan finds nothing to do."""
    ran = copy.run("apply", "--auto-approve", "--env", environment)
    assert ran.code == 0, ran.err
    declared = load_desired(load_config(Path("reconciler.yaml"), environment)).flags
    live = {flag["key"] for flag in copy.emulator.store.flags.values()}
    assert live >= declared.keys() - {"old-cart"}
    assert "old-cart" not in live
    again = copy.run("plan", "--env", environment, "--detailed-exitcode")
    assert again.code == 0, again.out + again.err


def test_their_tests_are_proved(copy: Repository) -> None:
    """Offline and against the main branch; those about live flags against a project where the parent is live."""
    commit = "git init -q -b main && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm x"
    subprocess.run(commit, shell=True, check=True)
    ran = copy.run("test", "flags/tests/invoices.test.yaml", "--coverage")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "10 proved.")
    assert "invoices" not in ran.out

    project = {"projectId": load_config(Path("reconciler.yaml"), "production").project_id}
    index = {"key": "search-index", "id": "9001", "enabled": True, "variants": [{"key": "on"}], **project}
    needs = {"operator": "ALL", "flags": {"9001": ["on"]}}
    search = {
        "key": "new-search",
        "enabled": True,
        "variants": [{"key": "on"}],
        "parentDependencies": needs,
        **project,
    }
    seeded(copy.emulator, [index, search])
    ran = copy.run("test", "flags/tests/live.test.yaml", "--env", "production", "--against", "live")
    assert (ran.code, ran.out) == (0, "2 proved.\n")
