"""`emulator` and `demo`: they need no key, and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.cli import signals
from reconciler.cli.commands.emulator import _configs
from reconciler.cli.emulation import DEFAULT_PROJECT, EMULATOR_KEY, create_emulator
from reconciler.cli.main import run
from reconciler.cli.options import Settings
from reconciler.errors import UsageError
from reconciler.files.config_file import load_configs

if TYPE_CHECKING:
    from conftest import Repository


def test_the_demo_tells_the_whole_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plan, apply, no changes, a difference after an edit by hand; no key, no trace, nothing on stderr."""
    monkeypatch.delenv("AMPLITUDE_MANAGEMENT_API_KEY", raising=False)
    monkeypatch.delenv("RECONCILER_API_URL", raising=False)
    monkeypatch.setenv("RECONCILER_ENV", "production")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    here = Path.cwd()
    assert run(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    steps = [
        "No findings;",
        "Plan: 1 create, 2 update, 1 archive;",
        "4 applied, 0 failed",
        "No changes.",
        "100 → 50",
    ]
    told = [line for line in out.splitlines() if re.match(r"\d\. |\$ ", line)]
    assert told == [
        "1. Four flags are declared in YAML. Are the files right? (No network is needed for this.)",
        "$ reconciler validate",
        "2. What differs between git and the live project, which calls would change it, and who would notice?",
        "$ reconciler plan --out plan.json --quiet",
        "3. Apply exactly the plan that was reviewed and saved, or nothing. Then read it back.",
        "$ reconciler apply plan.json --auto-approve --format markdown --quiet",
        "4. Is anything left to do?",
        "$ reconciler plan",
        "5. Meanwhile another.user@example.com sets new-checkout to 100 percent by hand.",
        "$ reconciler plan --target new-checkout --detailed-exitcode",
    ]
    assert out.endswith(
        "\n\nThe emulator is stopped and its directory is gone. Next: `reconciler --help`, README.md.\n"
    )
    places = [out.index(step) for step in steps]
    assert places == sorted(places)
    assert "All Other Users: 40% reassigned" in out
    assert "\x1b" not in out
    assert list(tmp_path.iterdir()) == []
    assert (Path.cwd(), os.environ["RECONCILER_ENV"]) == (here, "production")
    assert os.environ.keys().isdisjoint({"AMPLITUDE_MANAGEMENT_API_KEY", "RECONCILER_API_URL"})


def test_a_signal_that_a_command_of_the_demo_met_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code of the signal, whatever the command made of it."""
    commands: list[list[str]] = []

    def interrupted(arguments: list[str]) -> int:
        commands.append(arguments)
        monkeypatch.setattr(signals._state, "first", signal.SIGTERM)
        return 0

    monkeypatch.setattr("reconciler.cli.commands.demo.run", interrupted)
    assert (run(["demo"]), commands) == (143, [["validate"]])
    assert capsys.readouterr().err == "Error: Terminated.\n"


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (None, ""),
        ("validate", "Error: The demo's `reconciler validate` ended with exit code 7.\n"),
        ("--detailed-exitcode", "Error: The demo's `reconciler plan` ended with exit code 7.\n"),
    ],
)
def test_the_demo_runs_its_commands_in_surroundings_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failing: str | None, said: str
) -> None:
    """Each without colour where that is wanted; one that ends otherwise than it should ends the demo."""
    monkeypatch.setenv("RECONCILER_ENV", "production")
    monkeypatch.setenv("AMPLITUDE_MANAGEMENT_API_KEY", "mine")
    here = Path.cwd()
    commands: list[list[str]] = []
    places: set[Path] = set()

    def note(arguments: list[str]) -> int:
        commands.append(arguments)
        places.add(Path.cwd())
        assert (os.environ["RECONCILER_ENV"], os.environ["AMPLITUDE_MANAGEMENT_API_KEY"]) == ("", EMULATOR_KEY)
        assert os.environ["RECONCILER_API_URL"].startswith("http://127.0.0.1:")
        return 7 if failing in arguments else 2 * ("--detailed-exitcode" in arguments)

    monkeypatch.setattr("reconciler.cli.commands.demo.run", note)
    assert run(["demo", "--no-color"]) == bool(said)
    out, err = capsys.readouterr()
    assert (
        err,
        out.endswith(
            "\n\nThe emulator is stopped and its directory is gone. Next: `reconciler --help`, README.md.\n"
        ),
    ) == (said, not said)
    assert [arguments[0] for arguments in commands] == (
        ["validate"] if failing == "validate" else ["validate", "plan", "apply", "plan", "plan"]
    )
    assert {arguments[-1] for arguments in commands} == {"--no-color"}
    (place,) = places
    assert (place.name.startswith("reconciler-demo-"), place.exists()) == (True, False)
    assert Path.cwd() == here
    assert (os.environ["RECONCILER_ENV"], os.environ["AMPLITUDE_MANAGEMENT_API_KEY"]) == ("production", "mine")


def test_an_emulator_serves_what_the_configuration_names(repository: Repository) -> None:
    """Projects and deployments come from reconciler.yaml, the key from nowhere but the emulator."""
    repository.write("reconciler.yaml", 'version: 1\nprojectId: "7"\ndeployments: {web: "67"}\n')
    command = [sys.executable, "-m", "reconciler", "emulator", "--state", "state.json", "--quiet"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=20)
    assert lines[1] == f"export AMPLITUDE_MANAGEMENT_API_KEY={EMULATOR_KEY}\n"
    state = json.loads((repository.root / "state.json").read_text())
    assert [item["id"] for item in state["projects"]["7"]["deployments"]] == ["67"]


def test_an_emulator_without_a_configuration_has_a_project() -> None:
    """So that one can begin with nothing."""
    emulator = create_emulator()
    assert list(emulator.store.projects) == [DEFAULT_PROJECT]
    assert emulator.store.keys[EMULATOR_KEY]["projects"] == [DEFAULT_PROJECT]


def test_an_emulator_is_as_slow_and_as_strict_as_wanted() -> None:
    """Without a wish neither slow nor strict."""
    found = [create_emulator(**given).limits for given in ({}, {"latency": 0.25}, {"rate": 3})]
    assert [(limits.latency, limits.rate) for limits in found] == [(0.0, None), (0.25, None), (0.0, 3)]


def test_a_file_that_is_no_state_is_wrong_usage(tmp_path: Path) -> None:
    """Nothing is overwritten then."""
    state = tmp_path / "state.json"
    state.write_text("[]")
    with pytest.raises(UsageError, match=f"^--state {str(state)!r}: .+[^.]\\.$"):
        create_emulator(state=state)
    assert state.read_text() == "[]"


def test_an_emulator_of_one_environment_has_its_project(repository: Repository) -> None:
    """Flags need not be there; without a choice it has the projects of all."""
    text = 'version: 1\nenvironments: {a: {projectId: "8"}, b: {projectId: "9", flags: none}}\n'
    file = repository.write("sub/reconciler.yaml", text)
    for environment, projects in ((None, ["8", "9"]), ("a", ["8"]), ("b", ["9"])):
        found = _configs(Settings(config=file, environment=environment))
        assert [config.project_id for config in found] == projects


def test_an_emulator_of_several_configurations_has_all_their_projects(tmp_path: Path) -> None:
    """Each with its own deployments, by their names; what its state has already stays as it is there."""
    text = 'version: 1\nenvironments:\n  a: {projectId: "8", deployments: {web: "81"}}\n  b: {projectId: "9"}\n'
    (tmp_path / "flags").mkdir()
    (tmp_path / "reconciler.yaml").write_text(text)
    configs = load_configs(tmp_path / "reconciler.yaml", None)
    state = tmp_path / "state.json"
    for _ in range(2):
        store = create_emulator(configs=configs, state=state).store
        labels = {
            name: {number: item["label"] for number, item in known.items()} for name, known in store.projects.items()
        }
        assert labels == {"8": {"81": "web"}, "9": {}}
        assert {key: held["projects"] for key, held in store.keys.items()} == {EMULATOR_KEY: ["8", "9"]}
        assert store.keys[EMULATOR_KEY]["user"] == "you@example.com"
