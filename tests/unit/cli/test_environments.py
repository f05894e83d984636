"""Several environments: each has its own project, and what one of them has says nothing of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from emulators import KEY, OTHER_PROJECT, PROJECT, USER, seeded

if TYPE_CHECKING:
    from conftest import Repository

CONFIG = (
    f'version: 1\nenvironments:\n  staging: {{projectId: "{PROJECT}", deployments: {{web: "67"}}}}\n'
    f'  prod: {{projectId: "{OTHER_PROJECT}", deployments: {{web: "81"}}}}\n  test: {{projectId: "9"}}\n'
)
VARIANTS = [{"key": "control", "payload": 1}, {"key": "treatment", "name": "New", "payload": 2}]
NO_CHANGES = "No changes."


@pytest.fixture(autouse=True)
def projects(repository: Repository) -> None:
    """Staging has `a` on and `only-staging`; prod has `a` off."""
    store = repository.emulator.store
    (repository.root / "flags/new-checkout.yaml").unlink()
    repository.write("reconciler.yaml", CONFIG)
    store.replace(projects={}, keys={}, flags=(), versions=())
    store.add_project(PROJECT, {"67": "web"})
    store.add_project(OTHER_PROJECT, {"81": "web"})
    store.add_project("9")
    store.add_key(KEY, USER, [PROJECT, OTHER_PROJECT, "9"])
    on = {"key": "a", "name": "A", "enabled": True, "rolloutPercentage": 100, "variants": VARIANTS}
    off = {"enabled": False, "rolloutPercentage": 0, "deployments": ["81"], "projectId": OTHER_PROJECT}
    only = {"key": "only-staging", "enabled": True, "variants": [{"key": "on"}]}
    seeded(repository.emulator, [{**on, "deployments": ["67"]}, only, {**on, **off}])


def last_line(repository: Repository, environment: str) -> str:
    return repository.run("plan", "--env", environment).out.splitlines()[-1]


def document(repository: Repository, key: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((repository.root / f"flags/{key}.yaml").read_text())
    return found


def test_an_import_from_one_environment_declares_nothing_for_another(repository: Repository) -> None:
    """Nothing is turned on or made elsewhere, and nothing is left to do where it came from."""
    assert repository.run("import", "--env", "staging").code == 0
    assert document(repository, "a")["onlyIn"] == ["staging"]
    assert repository.run("validate").code == 0
    assert [last_line(repository, name) for name in ("staging", "prod", "test")] == [NO_CHANGES] * 3
    assert repository.run("drift", "--env", "prod").code == 0


@pytest.mark.parametrize("order", [("staging", "prod"), ("prod", "staging")])
def test_an_import_into_several_environments_writes_what_is_common_on_top(
    repository: Repository, order: tuple[str, str]
) -> None:
    """And the rest for each environment, in any order, without --force; comments stay."""
    assert repository.run("import", "--env", order[0]).code == 0
    path = repository.root / "flags/a.yaml"
    path.write_text(
        "# about a\n"
        + path.read_text().replace("name: A\n", "name: A  # ours\n").replace("onlyIn:", "owner: team\nonlyIn:")
    )
    assert repository.run("import", "--env", order[1]).code == 0
    found = document(repository, "a")
    assert {name: found[name] for name in ("name", "variants", "owner", "deployments")} == {
        "name": "A", "variants": VARIANTS, "owner": "team", "deployments": ["web"],
    }  # fmt: skip
    assert found["onlyIn"] == ["staging", "prod"]
    assert "enabled" not in found
    overlays = found["environments"]
    assert isinstance(overlays, dict)
    assert {name: item["rolloutPercentage"] for name, item in overlays.items()} == {"staging": 100, "prod": 0}
    assert "# about a\n" in path.read_text()
    assert "name: A  # ours\n" in path.read_text()
    assert [last_line(repository, name) for name in ("staging", "prod", "test")] == [NO_CHANGES] * 3
    assert document(repository, "only-staging")["onlyIn"] == ["staging"]
    before = path.read_text()
    repository.run("fmt")
    assert path.read_text() == before


def test_a_flag_in_all_environments_needs_no_list_of_them(repository: Repository) -> None:
    """`onlyIn` goes with the last one."""
    repository.emulator.store.seed_flag({"projectId": "9", "key": "a", "variants": VARIANTS})
    for name in ("staging", "prod", "test"):
        assert repository.run("import", "--env", name, "--target", "a").code == 0
    assert "onlyIn" not in document(repository, "a")
    assert [last_line(repository, name) for name in ("staging", "prod", "test")] == [NO_CHANGES] * 3


@pytest.mark.parametrize("said", ["onlyIn: [staging]", "environments: {prod: null, test: null}"])
def test_a_flag_can_be_absent_in_an_environment(repository: Repository, said: str) -> None:
    """There it is not declared: neither made nor checked against its deployments; elsewhere it is."""
    repository.write("flags/new.yaml", f"key: new\nvariants: [{{key: 'on'}}]\ndeployments: [web]\n{said}\n")
    assert repository.run("validate").code == 0
    assert last_line(repository, "staging").startswith("Plan: 1 create")
    assert [last_line(repository, name) for name in ("prod", "test")] == [NO_CHANGES] * 2


def test_an_absent_flag_joins_by_import(repository: Repository) -> None:
    """Where its overlay was null, it gets one; other nulls stay."""
    repository.write("flags/a.yaml", "key: a\nname: Other\nenvironments: {prod: null, test: null}\n")
    assert repository.run("import", "--env", "prod", "--target", "a").code == 0
    found = document(repository, "a")
    overlays = found["environments"]
    assert isinstance(overlays, dict)
    assert overlays["test"] is None
    assert overlays["staging"] == {"name": "Other"}
    assert [last_line(repository, name) for name in ("prod", "test")] == [NO_CHANGES] * 2


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("onlyIn: [stagin]", "unknown-environment"),
        ("onlyIn: [staging]\nenvironments: {prod: {name: x}}", "unused-overlay"),
        ("onlyIn: []", "empty-value"),
        ("onlyIn: staging", "wrong-type"),
    ],
)
def test_what_is_said_of_environments_must_be_so(repository: Repository, said: str, rule: str) -> None:
    """An environment that does not exist, or that the flag is not in."""
    repository.write("flags/new.yaml", f"key: new\nvariants: [{{key: 'on'}}]\n{said}\n")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count(f"[{rule}]")) == (3, 1), ran.out


def test_rollback_of_an_absent_flag_says_so(repository: Repository) -> None:
    """There is nothing to rewrite where no file declares the flag for the environment."""
    assert repository.run("import", "--env", "staging").code == 0
    ran = repository.run("rollback", "a", "--to", "1", "--env", "prod")
    assert ran.code == 1
    assert "No file declares" in ran.err


def test_an_environment_with_files_of_its_own_is_not_named_in_them(repository: Repository) -> None:
    """No other environment reads them."""
    own = CONFIG.replace('projectId: "7"', 'flags: staging, projectId: "7"')
    repository.write("reconciler.yaml", own)
    assert repository.run("import", "--env", "staging").code == 0
    assert "onlyIn" not in (repository.root / "staging/a.yaml").read_text()
    assert last_line(repository, "staging") == NO_CHANGES


def test_a_repository_of_one_environment_may_get_another(repository: Repository) -> None:
    """What was imported from the first is not turned on, or made, in the second."""
    one, _, rest = CONFIG.partition("  prod:")
    repository.write("reconciler.yaml", one)
    assert repository.run("import", "--env", "staging").code == 0
    assert document(repository, "a")["onlyIn"] == ["staging"]
    assert last_line(repository, "staging") == NO_CHANGES
    assert repository.run("import", "--env", "staging", "--force").out.endswith("0 updated, 2 unchanged.\n")
    repository.write("reconciler.yaml", f"{one}  prod:{rest}")
    assert [last_line(repository, name) for name in ("staging", "prod", "test")] == [NO_CHANGES] * 3
    assert repository.run("import", "--env", "prod").code == 0
    assert document(repository, "a")["onlyIn"] == ["staging", "prod"]
