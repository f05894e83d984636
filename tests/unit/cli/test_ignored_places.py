"""`ignore`: a place that is left to others keeps its live value in every call, and makes no difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import OTHER_USER, an_emulator, flag_of, seeded

from reconciler.emulator import Behaviour
from reconciler.emulator.server import serve
from reconciler.files.yaml.reader import read_documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Repository

COUNTRY = {"type": "property", "prop": "country", "op": "is", "values": ["US"]}
OPS = {"name": "ops", "conditions": [COUNTRY], "percentage": 5, "rolloutWeights": {"treatment": 1}}
MINE = {
    "name": "mine",
    "conditions": [{**COUNTRY, "values": ["FR"]}],
    "percentage": 50,
    "rolloutWeights": {"control": 1},
}
LIVE = {
    "key": "f",
    "enabled": True,
    "rolloutPercentage": 100,
    "rolloutWeights": {"control": 1, "treatment": 1},
    "variants": [
        {"key": "control", "payload": {"layout": "a", "limits": {"max": 5, "min": 1}, "by": "ops"}},
        {
            "key": "treatment",
            "name": "Theirs",
            "payload": {"x": 1},
            "users": ["ada@example.com", "grace@example.com"],
        },
    ],
    "targetSegments": [OPS, MINE],
    "tags": ["managed", "ops", "mine"],
    "deployments": ["67", "68"],
}
SEGMENT = (
    "targetSegments: [{name: mine, conditions: [{prop: country, op: is, values: [FR]}], percentage: %s, "
    "rolloutWeights: %s}]\n"
)


def ignoring(repository: Repository, declared: str, *paths: str, live: dict[str, Any] | None = None) -> None:
    """A project with one flag, a file that declares it, and a rule that ignores some of it."""
    repository.write(
        "reconciler.yaml",
        'version: 1\nprojectId: "7"\nmanagedTag: managed\ndeployments: {web: "67", mobile: "68"}\n'
        + (
            f'ignore: [{{flags: "*", paths: {json.dumps(paths)}}}]\n'
            if paths
            else "ignore: [{flags: x, paths: [/name]}]\n"
        ),
    )
    repository.write("flags/new-checkout.yaml", f"key: f\n{declared}")
    seeded(repository.emulator, [live or LIVE])


CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a variant": ("variants: [{key: control}]\n", ("/variants/treatment",)),
    "its weight": ("variants: [{key: control}]\nrolloutWeights: {control: 1}\n", ("/variants/treatment",)),
    "all variants": ("variants: [{key: control}]\n", ("/variants/*",)),
    "a segment": (SEGMENT % (50, "{control: 1}"), ("/targetSegments/ops",)),
    "a segment of an odd name": (SEGMENT % (50, "{control: 1}"), ("/targetSegments/*",)),
    "a weight": ("rolloutWeights: {control: 1}\n", ("/rolloutWeights/treatment",)),
    "a member of a payload": (
        "variants: [{key: control, payload: {layout: a, limits: {max: 5, min: 1}}}, {key: treatment}]\n",
        ("/variants/control/payload/by",),
    ),
    "a member far inside": (
        "variants: [{key: control, payload: {layout: a, by: ops, limits: {min: 1}}}, {key: treatment}]\n",
        ("/variants/control/payload/limits/max",),
    ),
    "the only members": (
        "variants: [{key: control}, {key: treatment, payload: {}}]\n",
        ("/variants/*/payload/x",),
    ),
    "a user": (
        "variants: [{key: control}, {key: treatment, inclusions: {users: [grace@example.com]}}]\n",
        ("/variants/treatment/inclusions/users/ada@example.com",),
    ),
    "a tag": ("tags: [mine]\n", ("/tags/ops",)),
    "a deployment by name": ("deployments: [web]\n", ("/deployments/mobile",)),
    "a deployment by id": ("deployments: [web]\n", ("/deployments/68",)),
    "the percentage of a segment": (
        SEGMENT % (10, "{control: 1}"), ("/targetSegments/ops", "/targetSegments/mine/percentage"),
    ),
    "the weights of a segment": (
        SEGMENT % (50, "{treatment: 1}"), ("/targetSegments/ops", "/targetSegments/mine/rolloutWeights"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_ignored_place_is_no_difference(repository: Repository, case: str) -> None:
    """Below declared lists and maps too: nothing to plan, no drift, valid."""
    declared, paths = CASES[case]
    ignoring(repository, declared, *paths)
    assert repository.run("validate").code == 0
    assert repository.run("plan").out.splitlines()[-1] == "No changes."
    assert repository.run("drift").code == 0


CHANGES: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "a variant": (
        "variants: [{key: control, name: New}]\nrolloutWeights: {control: 3}\n", ("/variants/treatment",),
        {"rolloutWeights": {"control": 3, "treatment": 1}},
    ),
    "a weight": ("rolloutWeights: {control: 3}\n", ("/rolloutWeights/treatment",),
                 {"rolloutWeights": {"control": 3, "treatment": 1}}),
    "a segment": (SEGMENT % (60, "{control: 1}"), ("/targetSegments/ops",), {"percentages": [5, 60]}),
    "a segment beside a new one": (
        SEGMENT.replace("name: mine", "name: other").replace("[FR]", "[DE]") % (60, "{control: 1}"),
        ("/targetSegments/ops",), {"percentages": [5, 60]},
    ),
    "the percentage of a segment": (
        SEGMENT % (60, "{treatment: 1}"), ("/targetSegments/ops", "/targetSegments/mine/percentage"),
        {"percentages": [5, 50]},
    ),
    "a member of a payload": (
        "variants: [{key: control, payload: {layout: b}}, {key: treatment}]\n",
        ("/variants/control/payload/by", "/variants/*/payload/limits/max"),
        {"payload": {"layout": "b", "by": "ops", "limits": {"max": 5}}},
    ),
    "a user": (
        "variants: [{key: control}, {key: treatment, inclusions: {users: [eve@example.com]}}]\n",
        ("/variants/treatment/inclusions/users/ada@example.com",),
        {"users": ["ada@example.com", "eve@example.com"]},
    ),
    "a tag": ("tags: [new]\n", ("/tags/ops",), {"tags": ["managed", "new", "ops"]}),
    "a deployment": ("deployments: ['69']\n", ("/deployments/mobile",), {"deployments": ["68", "69"]}),
    "all other variants": (
        "variants: [{key: control, payload: {layout: b}}]\nrolloutWeights: {control: 3}\n", ("/variants/*",),
        {"rolloutWeights": {"control": 3, "treatment": 1}, "payload": {"layout": "b"}},
    ),
    "all other fields of a variant": (
        "variants: [{key: control, payload: {layout: b}}, {key: treatment, inclusions: {users: [eve]}}]\n",
        ("/variants/control/*", "/variants/treatment/*", "/variants/treatment/inclusions/*"),
        {"payload": {"layout": "b"}, "users": ["eve"]},
    ),
    "all other members of a payload, and one inside": (
        "variants: [{key: control, payload: {layout: b, limits: {min: 2}}}, {key: treatment}]\n",
        ("/variants/control/payload/*", "/variants/control/payload/limits/max"),
        {"payload": {"layout": "b", "limits": {"max": 5, "min": 2}, "by": "ops"}},
    ),
    "all other users": (
        "variants: [{key: control}, {key: treatment, inclusions: {users: [eve@example.com]}}]\n",
        ("/variants/*/inclusions/users/*",),
        {"users": ["ada@example.com", "eve@example.com", "grace@example.com"]},
    ),
    "all other segments": (SEGMENT % (0, "{control: 1}"), ("/targetSegments/*",), {"percentages": [5, 0]}),
    "all else of a segment": (
        SEGMENT % (60, "{control: 1}"), ("/targetSegments/ops", "/targetSegments/mine/*"), {"percentages": [5, 60]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_an_ignored_place_stays_where_what_is_beside_it_changes(repository: Repository, case: str) -> None:
    """The calls carry the live value, and the plan afterwards is empty."""
    declared, paths, expected = CHANGES[case]
    ignoring(repository, declared, *paths)
    ran = repository.run("apply", "--auto-approve", "--allow", "transient")
    assert ran.code == 0, ran.err
    live = flag_of(repository.emulator, "f")
    seen = {
        "rolloutWeights": live["rolloutWeights"],
        "percentages": [item["percentage"] for item in live["targetSegments"]],
        "payload": live["variants"][0]["payload"],
        "users": sorted(live["variants"][1]["users"]),
        "tags": sorted(live["tags"]),
        "deployments": sorted(live["deployments"]),
    }
    assert {name: seen[name] for name in expected} == expected
    assert live["variants"][1]["name"] == "Theirs"
    assert repository.run("plan").out.splitlines()[-1] == "No changes."


def test_a_kept_segment_stays_behind_what_it_follows(repository: Repository) -> None:
    """Segments are asked in order: one that is left to others keeps its place among the declared ones."""
    live = {**LIVE, "targetSegments": [MINE, OPS]}
    ignoring(repository, SEGMENT % (60, "{control: 1}"), "/targetSegments/ops", live=live)
    assert repository.run("apply", "--auto-approve").code == 0
    assert [item["name"] for item in flag_of(repository.emulator, "f")["targetSegments"]] == ["mine", "ops"]


def test_an_archived_flag_stays_archived_where_that_is_ignored(repository: Repository) -> None:
    """Neither a refusal nor a drift."""
    ignoring(repository, "rolloutPercentage: 100\n", "/archived", live={**LIVE, "archived": True})
    assert repository.run("plan").out.splitlines()[-1] == "No changes."
    assert repository.run("drift").code == 0


@pytest.mark.parametrize("options", [(), ("--no-verify",)])
@pytest.mark.parametrize("paths", [("/enabled", "/rolloutPercentage"), ("/enabled",), ("/rolloutPercentage",)])
def test_a_new_flag_begins_off_where_its_switches_are_ignored(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """On a server that begins with it on too; from then on they are left to others."""
    emulator = an_emulator(behaviour=Behaviour(new_flag="on"))
    ignoring(repository, "variants: [{key: a}]\nrolloutWeights: {a: 1}\n", *paths)
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        assert repository.run("apply", "--auto-approve", *options).code == 0
        live = flag_of(emulator, "f")
        assert (live["enabled"], live["rolloutPercentage"]) == (False, 0)
        emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{live['id']}", {"enabled": True, "rolloutPercentage": 9})
        assert repository.run("plan").out.splitlines()[-1] == "No changes."


@pytest.mark.parametrize("shard", [(), ("--shard", "1/2"), ("--shard", "2/2")])
def test_prune_leaves_a_flag_of_which_the_archive_is_ignored(repository: Repository, shard: tuple[str, ...]) -> None:
    """Declared or not: it neither is archived nor counts as an archive of another shard."""
    ignoring(repository, "rolloutPercentage: 100\n", "/archived")
    rules = 'safety: {maxArchives: 0}\nignore: [{flags: "ops-*", paths: [/archived]}]\n'
    config = (repository.root / "reconciler.yaml").read_text().partition("ignore:")[0]
    repository.write("reconciler.yaml", config + rules)
    seeded(repository.emulator, [{"key": f"ops-{number}", "tags": ["managed"]} for number in range(4)])
    repository.write("flags/other.yaml", "key: new-checkout\nenabled: true\n")
    ran = repository.run("plan", "--prune", *shard)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes."), ran.out
    seeded(repository.emulator, [{"key": "gone", "tags": ["managed"]}])
    assert "gone: archived" in repository.run("plan", "--prune").out


@pytest.mark.parametrize(
    ("path", "declared", "rule"),
    [
        ("/variants/on/key", "name: x\n", "unkept-place"),
        ("/targetSegments/ops/name", "name: x\n", "unkept-place"),
        ("/targetSegments/ops/conditions/0", "name: x\n", "unkept-place"),
        ("/tags/managed", "name: x\n", "unkept-place"),
        ("/variants/control/payload/list/0", "variants: [{key: control, payload: {list: [1]}}]\n", "unkept-member"),
        ("/variants/*/payload/x", "variants: [{key: control, payload: text}]\n", "unkept-member"),
        ("/variants/control", "variants: [{key: control}]\n", "ignored-field"),
        ("/variants/old", "variants: [{key: new, renamedFrom: old}]\n", "ignored-field"),
        ("/tags/mine", "tags: [mine]\n", "ignored-field"),
        ("/deployments/web", "deployments: ['67']\n", "ignored-field"),
        ("/rolloutWeights/a", "rolloutWeights: {a: 1}\n", "ignored-field"),
        ("/variants/a/payload/x", "variants: [{key: a, payload: {x: 1}}]\n", "ignored-field"),
        ("/variants/a/inclusions/users/u1", "variants: [{key: a, inclusions: {users: [u1]}}]\n", "ignored-field"),
    ],
)
def test_validate_refuses_what_cannot_be_kept(repository: Repository, path: str, declared: str, rule: str) -> None:
    """A rule about a place that no call could keep, and one about what the file declares."""
    ignoring(repository, declared, path)
    ran = repository.run("validate")
    assert (ran.code, ran.out.count(f"[{rule}]")) == (3, 1), ran.out + ran.err


@pytest.mark.parametrize("case", CASES)
def test_import_leaves_ignored_places_out(repository: Repository, case: str) -> None:
    """And them alone: what stands beside them is declared."""
    _, paths = CASES[case]
    ignoring(repository, "name: x\n", *paths)
    (repository.root / "flags/new-checkout.yaml").unlink()
    assert repository.run("import", "--target", "f").code == 0
    text = (repository.root / "flags/f.yaml").read_text()
    assert repository.run("validate").code == 0
    assert repository.run("plan").out.splitlines()[-1] == "No changes."
    name = paths[0].split("/")[1]
    assert (name in text) is (case != "all variants")


def test_a_rollout_of_a_segment_stands_beside_a_rule_about_all_others(repository: Repository) -> None:
    """What the file declares is not what `*` in the end of a path leaves to others."""
    rolled = SEGMENT % (60, "{control: 1}, rollout: {steps: [5% 1h, 60%]}")
    ignoring(repository, rolled, "/targetSegments/*")
    assert repository.run("validate").code == 0
    ignoring(repository, rolled, "/targetSegments/*/percentage")
    assert repository.run("validate").code == 3


def payload_of(variants: list[dict[str, Any]]) -> tuple[list[str], Any]:
    return [item["key"] for item in variants], variants[0]["payload"]


STARRED: dict[str, tuple[str, str, Callable[[Any], Any], Any]] = {
    "segments": (
        "/targetSegments/*", SEGMENT % (60, "{control: 1}"),
        lambda found: [(item["name"], item["percentage"]) for item in found], [("mine", 50)],
    ),
    "variants": (
        "/variants/*", "variants: [{key: control, payload: {by: me}}]\n", payload_of,
        (["control"], {"layout": "a", "limits": {"max": 5, "min": 1}, "by": "ops"}),
    ),
    "members": (
        "/variants/control/payload/*", "variants: [{key: control, payload: {by: me}}, {key: treatment}]\n",
        payload_of, (["control", "treatment"], {"by": "ops"}),
    ),
    "tags": ("/tags/*", "tags: [mine, new]\n", list, ["mine"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "command"),
    [
        *((case, ("import", "--force", "--target", "f")) for case in STARRED),
        ("segments", ("rollback", "f", "--to", "1")),
        ("tags", ("rollback", "f", "--to", "1")),
    ],
)
def test_what_a_file_declares_stays_declared_beside_a_rule_about_all_others(
    repository: Repository, case: str, command: tuple[str, ...]
) -> None:
    """With its live value, or that of a version; what it does not declare does not come in."""
    path, declared, shown, expected = STARRED[case]
    ignoring(repository, declared, path)
    assert repository.run("plan").out.splitlines()[-1] != "No changes."
    assert repository.run(*command).code == 0
    (document,) = read_documents((repository.root / "flags/new-checkout.yaml").read_bytes(), "")
    assert shown(document.value[declared.partition(":")[0]]) == expected
    assert repository.run("plan").out.splitlines()[-1] == "No changes."


def test_rollback_leaves_ignored_places_alone(repository: Repository) -> None:
    """A version's values for what the file declares, without what is left to others."""
    ignoring(repository, "variants: [{key: control}]\nrolloutWeights: {control: 2}\n", "/variants/treatment")
    assert repository.run("rollback", "f", "--to", "1").code == 0
    text = (repository.root / "flags/new-checkout.yaml").read_text()
    assert "treatment" not in text
    assert repository.run("validate").code == 0


@pytest.mark.parametrize("case", CASES)
def test_import_mends_what_a_rule_makes_invalid(repository: Repository, case: str) -> None:
    """Files that declare what is ignored since are refused; with --force they declare it no longer."""
    _, paths = CASES[case]
    ignoring(repository, "name: x\n")
    (repository.root / "flags/new-checkout.yaml").unlink()
    assert repository.run("import", "--target", "f").code == 0
    path = repository.root / "flags/f.yaml"
    path.write_text("# ours\n" + path.read_text())
    config = (
        (repository.root / "reconciler.yaml")
        .read_text()
        .replace("{flags: x, paths: [/name]}", f'{{flags: "*", paths: {json.dumps(paths)}}}')
    )
    repository.write("reconciler.yaml", config)
    if not paths[0].endswith("*"):
        refused = repository.run("validate")
        assert (refused.code, "`import --target KEY --force` removes it" in refused.out) == (3, "unkept" not in case)
        assert repository.run("import", "--target", "f").code == 3
    assert repository.run("import", "--force", "--target", "f").code == 0
    assert repository.run("validate").code == 0
    assert path.read_text().startswith("# ours\n")
    assert repository.run("plan").out.splitlines()[-1] == "No changes."
