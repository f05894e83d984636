"""`defaults` of reconciler.yaml: what a document leaves out is taken from there, and managed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, OTHER_PROJECT, PROJECT, USER, flag_of, seeded

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
