"""Deployments in imported files have names, made of their labels and put into reconciler.yaml."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
import yaml
from emulators import KEY, OTHER_PROJECT, PROJECT, USER, seeded

from reconciler.emulator.requests import text_response
from reconciler.files.config_file import load_config

if TYPE_CHECKING:
    from conftest import Repository

    from reconciler.emulator import ApiResponse, RawRequest

LABELS = {"67": "Web shop (EU)", "68": "Web shop (EU)", "69": "2024"}
PLAIN = f'# ours\nversion: 1\nprojectId: "{PROJECT}"  # the shop\n'


def with_flag(repository: Repository, config: str = PLAIN) -> None:
    """A live flag on three deployments, two of one label."""
    repository.write("reconciler.yaml", config)
    (repository.root / "flags/new-checkout.yaml").unlink()
    repository.emulator.store.add_project(PROJECT, LABELS)
    seeded(repository.emulator, [{"key": "f", "variants": [{"key": "on"}], "deployments": list(LABELS)}])


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (PLAIN, {"Web-shop-EU": "67", "Web-shop-EU-2": "68", "deployment-2024": "69"}),
        (PLAIN.rstrip(), {"Web-shop-EU": "67", "Web-shop-EU-2": "68", "deployment-2024": "69"}),
        (PLAIN + 'deployments: {web: "68"} # known\n', {"Web-shop-EU": "67", "web": "68", "deployment-2024": "69"}),
        (PLAIN + 'deployments: {Web-shop-EU: "1"}\n',
         {"Web-shop-EU": "1", "Web-shop-EU-2": "67", "Web-shop-EU-3": "68", "deployment-2024": "69"}),
    ],
)  # fmt: skip
def test_labels_become_names(repository: Repository, config: str, names: dict[str, str]) -> None:
    """Each its own, known ones stay; the files use them, comments stay, and nothing is left to plan."""
    with_flag(repository, config)
    (repository.root / "reconciler.yaml").chmod(0o640)
    ran = repository.run("import", "--target", "f")
    assert ran.code == 0
    assert stat.S_IMODE((repository.root / "reconciler.yaml").stat().st_mode) == 0o640
    known = yaml.safe_load(config).get("deployments", {})
    named = ", ".join(f"{name} ({number})" for name, number in names.items() if name not in known)
    assert ran.out.splitlines()[0] == f"~ reconciler.yaml  deployments: {named}"
    text = (repository.root / "reconciler.yaml").read_text()
    assert load_config(repository.root / "reconciler.yaml").deployments == names
    assert text.startswith("# ours\n")
    assert "# the shop" in text
    used = yaml.safe_load((repository.root / "flags/f.yaml").read_text())["deployments"]
    assert {names[name] for name in used} == {"67", "68", "69"}
    assert repository.run("plan").out.splitlines()[-1] == "No changes."
    before = len(repository.emulator.log)
    assert "reconciler.yaml" not in repository.run("import", "--target", "f", "--force").out
    assert not [entry for entry in repository.emulator.log[before:] if entry.path.endswith("/api/1/deployments")]


def test_names_go_to_the_environment(repository: Repository) -> None:
    """Each project has its own ids; one file fits both, and names from above are not lost."""
    config = (
        f'version: 1\ndeployments: {{tv: "5"}}\nenvironments:\n  staging: {{projectId: "{PROJECT}"}} # s\n'
        f'  prod: {{projectId: "{OTHER_PROJECT}"}}\n'
    )
    store = repository.emulator.store
    store.add_project(OTHER_PROJECT, {"81": "web"})
    store.add_project(PROJECT, {"67": "web"})
    store.add_key(KEY, USER, [PROJECT, OTHER_PROJECT])
    repository.write("reconciler.yaml", config)
    (repository.root / "flags/new-checkout.yaml").unlink()
    for project, deployment in ((PROJECT, "67"), (OTHER_PROJECT, "81")):
        store.seed_flag({"projectId": project, "key": "f", "variants": [{"key": "on"}], "deployments": [deployment]})
    for name in ("staging", "prod"):
        assert repository.run("import", "--env", name, "--target", "f").code == 0
    loaded = {
        name: load_config(repository.root / "reconciler.yaml", name).deployments for name in ("staging", "prod")
    }
    assert loaded == {"staging": {"tv": "5", "web": "67"}, "prod": {"tv": "5", "web": "81"}}
    assert yaml.safe_load((repository.root / "flags/f.yaml").read_text())["deployments"] == ["web"]
    assert "# s" in (repository.root / "reconciler.yaml").read_text()
    for name in ("staging", "prod"):
        assert repository.run("plan", "--env", name).out.splitlines()[-1] == "No changes."


def test_without_labels_ids_stay(repository: Repository) -> None:
    """A deployment that the project does not show any more has no label to be named by."""
    repository.write("reconciler.yaml", PLAIN)
    (repository.root / "flags/new-checkout.yaml").unlink()
    seeded(repository.emulator, [{"key": "f", "variants": [{"key": "on"}], "deployments": ["4711"]}])
    assert repository.run("import", "--target", "f").code == 0
    assert (repository.root / "reconciler.yaml").read_text() == PLAIN
    assert yaml.safe_load((repository.root / "flags/f.yaml").read_text())["deployments"] == ["4711"]


def test_labels_that_cannot_be_read_leave_ids(repository: Repository) -> None:
    """The flags are imported all the same, and it is said why they have no names."""
    with_flag(repository)
    real = repository.emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        return text_response(422, "not today") if request.path == "/api/1/deployments" else real(request)

    repository.emulator.api.answer = answer  # type: ignore[method-assign]
    ran = repository.run("import", "--target", "f")
    assert ran.code == 0
    assert "Warning: The labels of deployments cannot be read, so files name them by id: " in ran.err
    assert "not today" in ran.err
    assert (repository.root / "reconciler.yaml").read_text() == PLAIN
    assert yaml.safe_load((repository.root / "flags/f.yaml").read_text())["deployments"] == list(LABELS)


def test_names_that_cannot_be_kept_are_not_used(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files would name deployments that no configuration knows: nothing is written."""
    full = iter([OSError(28, "No space left on device")])  # for the first file, which is the configuration

    def fail_once(_: int) -> None:
        for error in full:
            raise error

    with_flag(repository, PLAIN)
    monkeypatch.setattr("os.fsync", fail_once)
    ran = repository.run("import", "--target", "f")
    file = repository.root / "reconciler.yaml"
    said = f"Error: Nothing was imported. {file} cannot be written: No space left on device.\n"
    assert (ran.code, ran.out, ran.err) == (1, "", said)
    assert file.read_text() == PLAIN
    assert list((repository.root / "flags").iterdir()) == []


def test_plans_show_the_name_with_the_id(repository: Repository) -> None:
    """In every form for people, of a saved plan too; documents keep the ids."""
    with_flag(repository, PLAIN + 'deployments: {web: "67", tv: "70"}\n')
    repository.emulator.store.add_project(PROJECT, {"70": "tv"})
    repository.write("flags/f.yaml", "key: f\ndeployments: [tv]\n")
    for form in ("text", "markdown", "html"):
        out = repository.run("plan", "-v", "--format", form).out
        assert "web (67)" in out
        assert "tv (70)" in out
    assert repository.run("plan", "--out", "plan.json").code == 0
    assert "tv (70)" in repository.run("show", "plan.json").out
    document = json.loads((repository.root / "plan.json").read_text())
    assert document["flags"][0]["changes"][0]["after"] == ["70"]
    assert document["deployments"] == {"67": "web", "70": "tv"}
    assert repository.run("apply", "plan.json", "--auto-approve").code == 0
