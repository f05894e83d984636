"""Experiments share keys with flags and may depend on them; deployments are checked where the server lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import PROJECT, seeded
from jsonschema import Draft202012Validator

from reconciler.emulator.server import serve
from reconciler.files.schema import load_schema

if TYPE_CHECKING:
    from conftest import Ran, Repository

NEW = "key: pricing\nvariants: [{key: control}]\n"
CHANGES = {
    "creates": ("flags/pricing.yaml", NEW),
    "archives": ("flags/new-checkout.yaml", "key: new-checkout\narchived: true\n"),
    "turns off": ("flags/new-checkout.yaml", "key: new-checkout\nenabled: false\n"),
    "removes a variant": ("flags/new-checkout.yaml", "key: new-checkout\nvariants: [{key: control}]\n"),
    "renames a variant": (
        "flags/new-checkout.yaml",
        "key: new-checkout\nvariants: [{key: control}, {key: new, renamedFrom: treatment}]\n",
    ),
}


def asked(repository: Repository, path: str) -> int:
    """How many requests went to a path."""
    return sum(entry.path.endswith(path) for entry in repository.emulator.log)


def planned(repository: Repository, *options: str) -> tuple[Ran, Any]:
    """A plan as JSON, which is as its schema says, with all that is no matter here allowed."""
    allow = ("--allow", "transient", "--allow", "exposure")
    ran = repository.run("plan", "--format", "json", *allow, *options)
    document = json.loads(ran.out)
    Draft202012Validator(load_schema("plan")).validate(document)
    return ran, document


def guards(document: Any) -> list[str]:
    """The guards that hold flags."""
    return [item["guard"] for flag in document["flags"] for item in flag.get("held", [])]


@pytest.mark.parametrize("why", CHANGES)
def test_experiments_are_read_where_they_matter(repository: Repository, why: str) -> None:
    """One request for a plan that takes a key, or takes something away; it is counted."""
    repository.write(*CHANGES[why])
    _, document = planned(repository)
    assert asked(repository, "/experiments") == 1
    assert document["requests"] == len(repository.emulator.log)
    assert guards(document) == []
    assert not any("experiments" in warning for warning in document["warnings"])


def test_experiments_are_not_read_where_they_do_not(repository: Repository) -> None:
    """A rollout, a name, a new variant, nothing at all: none of it concerns an experiment."""
    for text in ("rolloutPercentage: 50", "name: New", "variants: [{key: control}, {key: treatment}, {key: b}]", ""):
        repository.write("flags/new-checkout.yaml", f"key: new-checkout\n{text}\n")
        planned(repository)
    assert asked(repository, "/experiments") == 0


def test_a_key_that_an_experiment_has_is_held(repository: Repository) -> None:
    """Before any write; the others go on."""
    repository.emulator.store.seed_experiment({"projectId": PROJECT, "key": "pricing"})
    repository.write("flags/pricing.yaml", NEW)
    ran, document = planned(repository)
    assert (ran.code, guards(document)) == (0, ["experiment"])
    assert "is an experiment; its flag was perhaps converted" in ran.out
    ran = repository.run("apply", "--auto-approve")
    assert (ran.code, repository.live("new-checkout")["rolloutPercentage"]) == (7, 50)
    assert not [entry for entry in repository.emulator.writes if entry.method == "POST"]


@pytest.mark.parametrize("why", [why for why in CHANGES if why != "creates"])
@pytest.mark.parametrize(
    ("fields", "is_held"), [({}, True), ({"enabled": False}, False), ({"archived": True}, False)]
)
def test_experiments_that_depend_on_a_flag_hold_it(
    repository: Repository, why: str, fields: dict[str, Any], *, is_held: bool
) -> None:
    """As flags do, while they run."""
    parents = {"flags": {repository.live("new-checkout")["id"]: ["treatment"]}, "operator": "all"}
    child = {"projectId": PROJECT, "key": "pricing", "enabled": True, "parentDependencies": parents}
    repository.emulator.store.seed_experiment(child | fields)
    repository.write(*CHANGES[why])
    ran, document = planned(repository)
    assert guards(document) == (["dependents"] if is_held else [])
    assert ('Experiment \\"pricing\\" depends on' in ran.out) is is_held


@pytest.mark.parametrize("status", ["403", "404"])
def test_a_key_that_sees_no_experiments_plans_as_before(
    repository: Repository, status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and nothing is held for it; deployments that are not listed are not checked either."""

    async def closed(scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].endswith(("/experiments", "/api/1/deployments")):
            await repository.emulator.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": int(status), "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    repository.write("flags/pricing.yaml", NEW + "deployments: ['999']\n")
    repository.write("flags/other.yaml", NEW.replace("pricing", "other"))
    with serve(closed) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        ran, document = planned(repository)
    assert (ran.code, guards(document)) == (0, [])
    assert len([warning for warning in document["warnings"] if "experiments" in warning]) == 1


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(("deployment", "is_held"), [("999", True), ("80", True), ("81", True), ("67", False)])
def test_deployments_are_checked_before_anything_is_sent(
    repository: Repository, deployment: str, *, is_new: bool, is_held: bool
) -> None:
    """One that is not there, another project's, one that is deleted: the flag is held, with its id."""
    repository.emulator.store.add_project("8", {"80": "elsewhere"})
    repository.emulator.store.add_project(PROJECT, {"81": "gone"})
    repository.emulator.store.projects[PROJECT]["81"]["deleted"] = True
    text = f"key: d\nvariants: [{{key: control}}]\ndeployments: ['{deployment}']\n"
    if not is_new:
        seeded(repository.emulator, [{"key": "d", "variants": [{"key": "control"}], "tags": ["managed"]}])
    repository.write("flags/d.yaml", text)
    ran, document = planned(repository)
    assert (ran.code, guards(document)) == (0, ["deployments"] if is_held else [])
    assert asked(repository, "/deployments") == 1
    if is_held:
        assert f"Deployment {deployment} cannot be attached" in ran.out
        assert "see `reconciler doctor -v` for what there is" in ran.out
        assert "web (67)" in repository.run("doctor", "-v").out
        assert repository.run("apply", "--auto-approve").code == 7
        assert repository.live("new-checkout")["rolloutPercentage"] == 50


def test_parents_that_are_no_flags_are_named_as_groups(repository: Repository) -> None:
    """Mutual exclusion groups and holdouts have ids as flags have, and are none."""
    flag_id = repository.live("other-flag")["id"]
    parents = {"flags": {flag_id: [], "4711": ["slot-1"]}, "operator": "all"}
    seeded(repository.emulator, [{"key": "child", "enabled": True, "parentDependencies": parents}])
    repository.write("flags/child.yaml", "key: child\nrolloutPercentage: 50\n")
    ran = repository.run("plan", "--format", "json")
    assert f"(ids {flag_id}; groups or experiments, no flags of this project: ids 4711)" in ran.out
