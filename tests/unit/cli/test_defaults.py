"""`defaults` of reconciler.yaml: what a document leaves out is taken from there, and managed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from emulators import KEY, OTHER_PROJECT, PROJECT, USER, ask, flag_of, seeded

if TYPE_CHECKING:
    from conftest import Repository

CONFIG = 'version: 1\nprojectId: "7"\nmanagedTag: managed\ndefaults: %s\n'
DEFAULTS = "{enabled: false, rolloutPercentage: 0, targetSegments: [], tags: [team]}"
LIVE: dict[str, Any] = {"key": "f", "variants": [{"key": "on"}], "tags": ["managed", "team"]}
COHORT = {"type": "cohort", "prop": "userdata_cohort", "op": "set contains", "values": ["abc"]}


def with_defaults(repository: Repository, declared: str, defaults: str = DEFAULTS, **live: Any) -> None:
    """A project with one flag, its file, and defaults."""
    repository.write("reconciler.yaml", CONFIG % defaults)
    repository.write("flags/new-checkout.yaml", f"key: f\n{declared}")
    seeded(repository.emulator, [{**LIVE, **live}])


def last_line(repository: Repository, *options: str) -> str:
    return repository.run("plan", *options).out.splitlines()[-1]


def test_what_a_document_leaves_out_is_managed(repository: Repository) -> None:
    """A switch that was turned on by hand is drift, although no document names it."""
    with_defaults(repository, "name: f\n", enabled=True)
    ran = repository.run("drift")
    assert (ran.code, "enabled" in ran.out) == (2, True)
    assert repository.run("apply", "--auto-approve").code == 0
    assert flag_of(repository.emulator, "f")["enabled"] is False
    assert last_line(repository) == "No changes."


def test_what_a_document_says_counts_more(repository: Repository) -> None:
    """Also where it sets the field to null: then nothing manages it."""
    with_defaults(repository, "enabled: true\ntags: null\n", enabled=True, tags=["managed", "other"])
    assert repository.run("validate").out.startswith("No findings")
    assert last_line(repository) == "No changes."


def test_null_without_a_default_stays_an_error(repository: Repository) -> None:
    """There is nothing that it could take away."""
    with_defaults(repository, "description: null\n")
    assert repository.run("validate").code == 3


def test_an_environments_defaults_replace_those_above(repository: Repository) -> None:
    """As all keys of an environment do; overlays lie over them."""
    store = repository.emulator.store
    store.add_project(OTHER_PROJECT)
    store.add_key(KEY, USER, [PROJECT, OTHER_PROJECT])
    with_defaults(repository, "environments: {prod: {enabled: true}}\n", tags=["team"])
    seeded(repository.emulator, [{**LIVE, "projectId": OTHER_PROJECT, "enabled": True, "rolloutPercentage": 5}])
    repository.write(
        "reconciler.yaml",
        f'version: 1\ndefaults: {DEFAULTS}\nenvironments:\n  staging: {{projectId: "7"}}\n'
        f'  prod: {{projectId: "{OTHER_PROJECT}", defaults: {{rolloutPercentage: 5}}}}\n',
    )
    for name in ("staging", "prod"):
        assert repository.run("drift", "--env", name, "--target", "f").code == 0
    repository.write("flags/new-checkout.yaml", "key: f\n")
    assert last_line(repository, "--env", "prod") == "No changes."


def test_a_new_flag_is_made_with_them(repository: Repository) -> None:
    """It is created as its document and the defaults say."""
    with_defaults(repository, "variants: [{key: 'on'}]\n", defaults="{rolloutPercentage: 5, tags: [team]}")
    repository.write("flags/new.yaml", "key: new\nvariants: [{key: 'on'}]\n")
    assert repository.run("apply", "--auto-approve", "--target", "new").code == 0
    made = flag_of(repository.emulator, "new")
    assert (made["rolloutPercentage"], sorted(made["tags"])) == (5, ["managed", "team"])


def test_import_and_fmt_leave_out_what_they_say(repository: Repository) -> None:
    """A short file and full control go together; what differs is written."""
    with_defaults(repository, "name: f\n", rolloutPercentage=5)
    path = repository.root / "flags/new-checkout.yaml"
    path.unlink()
    assert repository.run("import", "--target", "f").code == 0
    path = repository.root / "flags/f.yaml"
    text = path.read_text()
    assert "rolloutPercentage: 5\n" in text
    assert not [name for name in ("enabled", "targetSegments", "tags") if f"{name}:" in text]
    assert last_line(repository) == "No changes."
    path.write_text(text + "tags: [team] # ours\n")
    assert repository.run("fmt", "--check").code == 2
    assert repository.run("fmt").code == 0
    assert path.read_text() == text + "# ours\n"
    assert repository.run("fmt", "--check").code == 0
    assert last_line(repository) == "No changes."


def test_a_minimal_import_says_what_differs_from_them(repository: Repository) -> None:
    """A new flag's value is said where the default is another one."""
    with_defaults(repository, "name: f\n", defaults="{enabled: true}")
    (repository.root / "flags/new-checkout.yaml").unlink()
    assert repository.run("import", "--target", "f", "--minimal").code == 0
    assert "enabled: false\n" in (repository.root / "flags/f.yaml").read_text()
    assert last_line(repository) == "No changes."


def test_what_no_file_can_hold_is_not_managed_by_a_default(repository: Repository) -> None:
    """Segments with conditions on cohorts are null in the file: the default would take them away."""
    segment = {"name": "s", "conditions": [COHORT], "percentage": 5, "rolloutWeights": {"on": 1}}
    with_defaults(repository, "name: f\n", targetSegments=[segment])
    (repository.root / "flags/new-checkout.yaml").unlink()
    assert repository.run("import", "--target", "f").code == 0
    assert "targetSegments: null\n" in (repository.root / "flags/f.yaml").read_text()
    assert last_line(repository) == "No changes."
    assert repository.run("import", "--target", "f", "--force").out.endswith("0 new, 0 updated, 1 unchanged.\n")


def test_an_ignored_field_has_no_default(repository: Repository) -> None:
    """What is left to others stays with them."""
    with_defaults(repository, "name: f\n", name="f", enabled=True)
    repository.write("reconciler.yaml", CONFIG % DEFAULTS + 'ignore: [{flags: "*", paths: [/enabled]}]\n')
    assert repository.run("validate").out.startswith("No findings")
    assert last_line(repository) == "No changes."


@pytest.mark.parametrize(
    ("defaults", "rule"),
    [
        ("{enabeld: true}", "unknown-field"),
        ("{enabled: 5}", "wrong-type"),
        ("{key: f}", "unknown-field"),
        ("{archived: true}", "unknown-field"),
        ("{environments: {}}", "unknown-field"),
        ("{rolloutWeights: {gone: 1}}", "unknown-variant"),
        ("[]", "wrong-type"),
    ],
)
def test_defaults_are_a_part_of_a_flag_document(repository: Repository, defaults: str, rule: str) -> None:
    """They are checked as one, and with each document that they complete."""
    with_defaults(repository, "variants: [{key: 'on'}]\n", defaults=defaults)
    ran = repository.run("validate")
    assert (ran.code, f"[{rule}]" in ran.out) == (3, True), ran.out


@pytest.mark.parametrize(
    ("declared", "left"),
    [
        ("name: x\n", "enabled, rolloutPercentage and targetSegments"),
        ("enabled: true\nrolloutPercentage: 5\n", "targetSegments"),
        ("enabled: true\nrolloutPercentage: 5\ntargetSegments: []\n", None),
        ("archived: true\n", None),
    ],
)
def test_validate_warns_of_switches_that_are_left_out(
    repository: Repository, declared: str, left: str | None
) -> None:
    """With no default and no rule of `ignore`, an edit of them elsewhere would not be seen; not on every plan."""
    repository.write("flags/new-checkout.yaml", f"key: f\n{declared}")
    ran = repository.run("validate")
    assert (ran.code, "[unmanaged-switch]" in ran.out) == (0, left is not None)
    assert left is None or f"leaves {left} out" in ran.out
    assert "unmanaged-switch" not in repository.run("plan").err
    repository.write("reconciler.yaml", CONFIG % DEFAULTS)
    assert "[unmanaged-switch]" not in repository.run("validate").out


MAPS = "{rolloutWeights: {control: 1, treatment: 1}, enabled: true}"
OTHER_MAPS = "{rolloutWeights: {only: 1, b: 2}, enabled: false}"


def variants(weights: dict[str, int]) -> dict[str, Any]:
    return {"variants": [{"key": key} for key in weights], "rolloutWeights": weights}


@pytest.mark.parametrize("order", [("staging", "prod"), ("prod", "staging")])
@pytest.mark.parametrize(
    ("staging", "prod"),
    [
        ({"control": 1, "treatment": 1}, {"control": 3, "treatment": 1}),
        ({"control": 1, "treatment": 1}, {"only": 1, "b": 2}),
        ({"x": 1, "y": 3}, {"only": 1}),
        ({"control": 1, "treatment": 1, "c": 1}, {"control": 1}),
    ],
)
@pytest.mark.parametrize("where", ["top", "each", "one"])
def test_environments_join_by_import_over_defaults_that_are_maps(
    repository: Repository, where: str, staging: dict[str, int], prod: dict[str, int], order: tuple[str, str]
) -> None:
    """An overlay's map is merged with the default below it: each environment gets exactly what it has live."""
    (repository.root / "flags/new-checkout.yaml").unlink()
    store = repository.emulator.store
    store.add_project(OTHER_PROJECT)
    store.add_key(KEY, USER, [PROJECT, OTHER_PROJECT])
    seeded(repository.emulator, [{"key": "a", **variants(staging), "enabled": True}])
    seeded(repository.emulator, [{"key": "a", **variants(prod), "projectId": OTHER_PROJECT}])
    top, ours, theirs = {
        "top": (f"defaults: {MAPS}\n", "", ""),
        "each": ("", f", defaults: {MAPS}", f", defaults: {OTHER_MAPS}"),
        "one": (f"defaults: {MAPS}\n", "", f", defaults: {OTHER_MAPS}"),
    }[where]
    repository.write(
        "reconciler.yaml",
        f'version: 1\n{top}environments:\n  staging: {{projectId: "7"{ours}}}\n'
        f'  prod: {{projectId: "{OTHER_PROJECT}"{theirs}}}\n',
    )
    for name in order:
        ran = repository.run("import", "--env", name, "--target", "a")
        assert ran.code == 0, ran.err
    text = (repository.root / "flags/a.yaml").read_text()
    assert [last_line(repository, "--env", name) for name in order] == ["No changes."] * 2, text
    for name in order:
        ran = repository.run("import", "--env", name, "--target", "a", "--force")
        assert ran.out.endswith("0 new, 0 updated, 1 unchanged.\n"), (repository.root / "flags/a.yaml").read_text()


@pytest.mark.parametrize(
    "declared",
    [
        "environments: {prod: null, staging: {rolloutWeights: {treatment: 3}}}",
        "onlyIn: [staging]\nenvironments: {staging: {rolloutWeights: null}}",
        "onlyIn: [staging]\nrolloutWeights: null",
        "onlyIn: [staging]\nrolloutWeights: {treatment: 4, control: 1}",
    ],
)
def test_a_join_leaves_the_others_what_they_declare_over_defaults(repository: Repository, declared: str) -> None:
    """Also where an overlay completes a default, or takes it away."""
    (repository.root / "flags/new-checkout.yaml").unlink()
    store = repository.emulator.store
    store.add_project(OTHER_PROJECT)
    store.add_key(KEY, USER, [PROJECT, OTHER_PROJECT])
    seeded(repository.emulator, [{"key": "a", **variants({"control": 5, "treatment": 1}), "enabled": True}])
    other = {"key": "a", **variants({"control": 1, "treatment": 2}), "projectId": OTHER_PROJECT}
    seeded(repository.emulator, [other])
    repository.write(
        "reconciler.yaml",
        f'version: 1\ndefaults: {MAPS}\nenvironments:\n  staging: {{projectId: "7"}}\n'
        f'  prod: {{projectId: "{OTHER_PROJECT}"}}\n',
    )
    repository.write("flags/a.yaml", f"key: a\n{declared}\n")
    before = repository.run("plan", "--env", "staging", "--format", "json", "--target", "a").out
    assert repository.run("import", "--env", "prod", "--target", "a").code == 0
    after = repository.run("plan", "--env", "staging", "--format", "json", "--target", "a").out
    assert json.loads(before)["flags"] == json.loads(after)["flags"]
    assert last_line(repository, "--env", "prod") == "No changes."


def test_rollback_says_what_differs_from_a_default(repository: Repository) -> None:
    """A field that only the defaults declare is written where the version has another value, and only there."""
    with_defaults(repository, "name: f\n", name="f", enabled=True, rolloutPercentage=0)
    flag = flag_of(repository.emulator, "f")
    assert ask(repository.emulator, "PATCH", f"/flags/{flag['id']}", {"enabled": False}).status == 200
    assert last_line(repository) == "No changes."
    ran = repository.run("rollback", "f", "--to", "1")
    assert ran.code == 0, ran.err
    assert "  ~ enabled\n" in ran.out
    path = repository.root / "flags/new-checkout.yaml"
    assert path.read_text() == "key: f\nname: f\nenabled: true\n"
    assert repository.run("rollback", "f", "--to", "2").code == 0
    assert last_line(repository) == "No changes."
    path.write_text("key: f\nenabled: null\n")
    assert repository.run("rollback", "f", "--to", "1").out.endswith("declares these values already.\n")
    assert path.read_text() == "key: f\nenabled: null\n"


def test_rollback_of_an_environment_changes_a_default_there(repository: Repository) -> None:
    """In the overlay, which lies over the defaults; other environments keep what they have."""
    live = {"key": "f", **variants({"control": 3, "treatment": 1}), "enabled": True, "tags": ["managed"]}
    seeded(repository.emulator, [live])
    repository.write(
        "reconciler.yaml",
        f'version: 1\ndefaults: {MAPS}\nenvironments:\n  staging: {{projectId: "7"}}\n  prod: {{projectId: "8"}}\n',
    )
    repository.write("flags/new-checkout.yaml", "key: f\nvariants: [{key: control}, {key: treatment}]\n")
    assert repository.run("rollback", "f", "--to", "1", "--env", "staging").code == 0
    text = (repository.root / "flags/new-checkout.yaml").read_text()
    assert text.endswith("environments:\n  staging: {rolloutWeights: {control: 3}}\n"), text
    assert last_line(repository, "--env", "staging", "--target", "f") == "No changes."


def test_acknowledging_drift_keeps_what_an_overlay_takes_away(repository: Repository) -> None:
    """Only the day is added."""
    store = repository.emulator.store
    store.add_project(OTHER_PROJECT)
    repository.write(
        "reconciler.yaml",
        f'version: 1\ndefaults: {MAPS}\nenvironments:\n  staging: {{projectId: "7"}}\n  prod: {{projectId: "8"}}\n',
    )
    path = repository.write(
        "flags/new-checkout.yaml", "key: new-checkout\nenvironments:\n  staging: {rolloutWeights: null}\n"
    )
    ran = repository.run(
        "drift", "--env", "staging", "--acknowledge", "new-checkout", "--until", "2999-01-01", "--reason", "r"
    )
    assert ran.code == 0, ran.err
    found = yaml.safe_load(path.read_text())
    assert "rolloutWeights" not in found
    assert found["environments"]["staging"]["rolloutWeights"] is None
