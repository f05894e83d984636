"""Who is affected by a plan: listed users, clients of deployments and new payloads count, and are never "no user"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import DEPLOYMENTS, an_emulator, seeded

from reconciler.emulator import Behaviour
from reconciler.emulator.server import serve

if TYPE_CHECKING:
    from conftest import Repository

LOCAL = {"evaluationMode": "local", "bucketingKey": "amplitude_id", "rolloutPercentage": 50}
NOBODY = "no user is affected"
REST = "All Other Users"
FORMS = ("text", "markdown", "html")
LISTED = [
    {"key": "control"},
    {"key": "treatment", "users": ["ada@example.com", "bob@example.com"], "cohorts": ["c1"]},
]
LIVE: dict[str, Any] = {
    "key": "f",
    "enabled": True,
    "rolloutPercentage": 0,
    "rolloutWeights": {"control": 1, "treatment": 0},
    "variants": LISTED,
    "deployments": [],
}
ATTACHED, SERVED = [*DEPLOYMENTS][:1], {"rolloutPercentage": 100}
LOST = [("users", "treatment", "off", 2), ("cohorts", "treatment", "off", 1)]
GAINED = [("users", "off", "treatment", 2), ("cohorts", "off", "treatment", 1)]


@pytest.mark.parametrize(
    ("live", "declared", "listed", "switched"),
    [
        (
            {},
            "variants: [{key: control}, {key: treatment, inclusions: {users: [ada@example.com]}}]",
            [("users", "treatment", "their segment", 1)],
            0,
        ),
        ({}, "enabled: false", LOST, 0),
        ({}, "archived: true", LOST, 0),
        ({"enabled": False}, "enabled: true", GAINED, 0),
        (
            {},
            "variants: [{key: control}]",
            [
                ("users", "treatment", "their segment", 2),
                ("cohorts", "treatment", "their segment", 1),
            ],
            0,
        ),
        (
            {},
            "variants: [{key: control, inclusions: {users: [ada@example.com]}}, {key: treatment}]",
            [("users", "treatment", "control", 1)],
            0,
        ),
        (
            {"variants": [*LISTED[::-1]]},
            "variants: [{key: control, inclusions: {users: [ada@example.com, eve@example.com]}}, {key: treatment}]",
            [("users", "their segment", "control", 1)],
            0,
        ),
        (
            {"variants": [{"key": "control", "users": ["ada@example.com", "eve@example.com"]}, LISTED[1]]},
            "variants: [{key: control, inclusions: {users: []}}, {key: treatment}]",
            [("users", "control", "their segment", 1), ("users", "control", "treatment", 1)],
            0,
        ),
        (
            {"variants": [{"key": "control", "users": ["ada@example.com"]}, LISTED[1], {"key": "x"}]},
            "variants: [{key: treatment}, {key: x}]\nrolloutWeights: {x: 1}",
            [("users", "control", "treatment", 1)],
            0,
        ),
        (
            {"variants": [{"key": "control", "users": ["ada@example.com"]}, LISTED[1]]},
            "variants: [{key: control}, {key: new, renamedFrom: treatment}]",
            [("users", "treatment", "new", 1), ("cohorts", "treatment", "new", 1)],
            0,
        ),
        (SERVED | {"deployments": ATTACHED}, "deployments: []", LOST, 100),
        (SERVED, f"deployments: ['{ATTACHED[0]}']", GAINED, 100),
        (SERVED | {"deployments": ATTACHED}, f"deployments: {[*DEPLOYMENTS][:2]}", GAINED, 100),
        (SERVED | {"deployments": ATTACHED, "enabled": False}, "deployments: []", [], 0),
        ({"deployments": ATTACHED}, "deployments: []", LOST, 0),
        ({"deployments": ATTACHED}, f"deployments: {[*DEPLOYMENTS][1:2]}", [*LOST, *GAINED], 0),
        ({"deployments": ATTACHED, "enabled": False}, "enabled: true\ndeployments: []", GAINED, 0),
        ({"deployments": ATTACHED}, "enabled: false\ndeployments: []", LOST, 0),
        ({}, "name: New", [], 0),
        (SERVED | LOCAL, "rolloutPercentage: 0", [], 0),
        (SERVED | LOCAL | {"bucketingKey": "user_id"}, "rolloutPercentage: 0", [], 50),
        (SERVED | LOCAL | {"rolloutPercentage": 100}, "rolloutPercentage: 0", [], 100),  # everyone: nothing is hashed
    ],
)
def test_who_is_affected_is_counted(
    repository: Repository,
    live: dict[str, Any],
    declared: str,
    listed: list[tuple[str, str, str, int]],
    switched: int,
) -> None:
    """Listed users and cohorts by where they go, whether their lists are declared or not; deployments as shares."""
    seeded(repository.emulator, [LIVE | live])
    repository.write("flags/f.yaml", f"key: f\n{declared}\n")
    ran = repository.run("plan", "--target", "f", "--format", "json", "--allow", "transient")
    document = json.loads(ran.out)
    (flag,) = document["flags"]
    found = [(item["kind"], item["from"], item["to"], item["count"]) for item in flag["exposure"].get("listed", [])]
    assert found == listed
    assert (flag["exposure"]["switched"], document["summary"]["maxExposureChange"]) == (switched, switched)
    assert document["requests"] == len(repository.emulator.log)
    for form in FORMS:
        text = repository.run("plan", "--target", "f", "--format", form).out
        assert (NOBODY in text) is (not listed and not switched)
        assert "ada@example.com" not in text


@pytest.mark.parametrize("mode", ["remote", "local"])
def test_listed_users_of_clients_of_the_other_mode_are_counted(repository: Repository, mode: str) -> None:
    """Clients of the mode that the flag leaves lose what their users are listed for; a saved plan says so too."""
    other = {"remote": "local", "local": "remote"}[mode]
    seeded(repository.emulator, [LIVE | {"evaluationMode": other}])
    repository.write("flags/f.yaml", f"key: f\nevaluationMode: {mode}\n")
    options = ("--target", "f", "--allow", "rebucket", "--format", "json")
    (flag,) = json.loads(repository.run("plan", *options, "--out", "plan.json").out)["flags"]
    found = {
        (item["mode"], item["kind"], item["from"], item["to"], item["count"]) for item in flag["exposure"]["listed"]
    }
    assert found == {(other, *item) for item in LOST} | {(mode, *item) for item in GAINED}
    assert (
        f"2 listed users of clients that evaluate {other}ly: treatment → off"
        in repository.run("show", "plan.json").out
    )


@pytest.mark.parametrize(
    ("live", "behaviour", "told"),
    [
        ({}, {}, "2 listed users: off → treatment, 1 listed cohort: off → treatment"),
        ({}, {"archived_details": "hidden"}, "listed users, who are not shown while it is archived"),
        ({"enabled": False}, {"archived_details": "hidden"}, NOBODY),
        ({"variants": [{"key": "control"}]}, {}, NOBODY),
    ],
)
def test_listed_users_of_a_flag_that_comes_back_are_counted(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    live: dict[str, Any],
    behaviour: dict[str, Any],
    told: str,
) -> None:
    """An archived flag that is on serves them from its unarchive on; where its lists are hidden, that is said."""
    emulator = an_emulator(LIVE | {"archived": True} | live, behaviour=Behaviour(**behaviour))
    repository.write("flags/f.yaml", "key: f\narchived: false\n")
    with serve(emulator.app) as url:
        monkeypatch.setenv("RECONCILER_API_URL", url)
        for form in FORMS:
            text = repository.run("plan", "--target", "f", "--unarchive", "--format", form).out
            assert told in text
            assert (NOBODY in text) is (told == NOBODY)


def test_a_change_of_the_evaluation_mode_is_counted(repository: Repository) -> None:
    """Clients of the mode that the flag leaves get nothing any more: a guard of the exposure sees that."""
    seeded(repository.emulator, [LIVE | SERVED])
    config = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", config + "safety: {maxExposureChange: 10%}\n")
    repository.write("flags/f.yaml", "key: f\nevaluationMode: local\n")
    options = ("--target", "f", "--allow", "rebucket:f")
    ran = repository.run("plan", *options, "--format", "json")
    (flag,) = json.loads(ran.out)["flags"]
    assert flag["exposure"]["switched"] == 100
    assert {item.get("mode") for item in flag["exposure"]["transitions"]} == {None, "remote", "local"}
    assert [item["guard"] for item in flag["held"]] == ["exposure"]
    assert ran.code == 5
    text = repository.run("plan", *options, "--allow", "exposure").out
    assert "of clients that evaluate remotely" in text
    assert "high" in text
    assert repository.run("plan", *options, "--allow", "exposure", "--out", "plan.json").code == 0
    assert "of clients that evaluate remotely" in repository.run("show", "plan.json").out


def test_the_limit_of_exposure_is_about_flags_that_exist(repository: Repository) -> None:
    """A new flag moves no user of another one."""
    config = (repository.root / "reconciler.yaml").read_text()
    repository.write("reconciler.yaml", config + "safety: {maxExposureChange: 10%}\n")
    repository.write(
        "flags/n.yaml",
        "key: n\nenabled: true\nrolloutPercentage: 100\nvariants: [{key: a}]\nrolloutWeights: {a: 1}\n",
    )
    assert repository.run("plan", "--target", "n").code == 0


def test_a_new_payload_is_told_with_the_share_that_gets_it(repository: Repository) -> None:
    """Half of the users keep their variant and get another payload with it."""
    seeded(repository.emulator, [LIVE | SERVED | {"rolloutWeights": {"control": 1, "treatment": 1}}])
    repository.write("flags/f.yaml", "key: f\nvariants: [{key: control}, {key: treatment, payload: {a: 1}}]\n")
    (flag,) = json.loads(repository.run("plan", "--target", "f", "--format", "json").out)["flags"]
    (payload,) = flag["exposure"]["payloads"]
    assert (payload["variant"], flag["exposure"]["switched"]) == ("treatment", 0)
    for form in FORMS:
        text = repository.run("plan", "--target", "f", "--format", form).out
        assert "50% of users and 2 listed users and 1 listed cohort get a new payload of treatment" in text
        assert NOBODY not in text


@pytest.mark.parametrize(
    ("kind", "listed", "other"), [("users", "ada@example.com", "eve@example.com"), ("cohorts", "c1", "c2")]
)
def test_a_user_in_a_list_that_is_not_managed_is_warned_of(
    repository: Repository, kind: str, listed: str, other: str
) -> None:
    """The first variant wins: the warning names both, another user is nothing to warn of. Cohorts likewise."""
    seeded(repository.emulator, [LIVE])
    for member, is_told in ((listed, True), (other, False)):
        variants = f"[{{key: control, inclusions: {{{kind}: [{member}]}}}}, {{key: treatment}}]"
        repository.write("flags/f.yaml", f"key: f\nvariants: {variants}\n")
        (flag,) = json.loads(repository.run("plan", "--target", "f", "--format", "json").out)["flags"]
        told = [text for text in flag["warnings"] if '"control"' in text and '"treatment"' in text]
        assert bool(told) is is_told


def test_lists_that_share_a_user_are_warned_of_when_the_flag_goes_on(repository: Repository) -> None:
    """While it was off, no user saw which variant wins."""
    lists = [{"key": "control", "users": ["ada@example.com"]}, {"key": "treatment", "users": ["ada@example.com"]}]
    seeded(repository.emulator, [{**LIVE, "variants": lists, "enabled": False}])
    repository.write("flags/f.yaml", "key: f\nenabled: true\n")
    assert '1 user would be listed for "control" and for "treatment"' in repository.run("plan", "--target", "f").out
    repository.write("flags/f.yaml", "key: f\nname: New\n")
    assert "would be listed" not in repository.run("plan", "--target", "f").out


def test_lists_are_read_only_where_they_matter(repository: Repository) -> None:
    """A change of the rollout asks for no list that nothing declares."""
    seeded(repository.emulator, [LIVE])
    repository.write("flags/f.yaml", "key: f\nrolloutPercentage: 50\n")
    repository.emulator.log.clear()
    repository.run("plan", "--target", "f")
    assert not [entry for entry in repository.emulator.log if "users" in entry.path or "cohorts" in entry.path]


def _segment(name: str, *countries: str) -> dict[str, Any]:
    """Everyone of some countries gets the variant of this name."""
    condition = {"type": "property", "prop": "country", "op": "is", "values": list(countries)}
    return {"name": name, "conditions": [condition], "percentage": 100, "rolloutWeights": {name: 1}}


@pytest.mark.parametrize(
    ("live", "declared", "transitions"),
    [
        (
            [_segment("control", "US"), _segment("treatment", "CA")],
            [_segment("treatment", "CA"), _segment("control", "US")],
            {("control", "control"): 0, ("treatment", "treatment"): 0, (REST, REST): 0},
        ),
        (
            [_segment("treatment", "US")],
            [_segment("treatment", "US", "CA")],
            {("treatment", "treatment"): 0, (REST, "treatment"): 100, (REST, REST): 0},
        ),
        (
            [_segment("control", "US"), _segment("treatment", "US", "CA")],
            [_segment("treatment", "US", "CA"), _segment("control", "US")],
            {("control", "treatment"): 100, ("treatment", "treatment"): 0, (REST, REST): 0},
        ),
    ],
    ids=["reordered", "widened", "hidden"],
)
def test_conditions_that_exclude_each_other(
    repository: Repository, live: list[Any], declared: list[Any], transitions: dict[tuple[str, str], float]
) -> None:
    """No user is in two countries: a plan shows only the transitions that some user can go through."""
    both = {"control": 1, "treatment": 1}
    seeded(repository.emulator, [{**LIVE, "rolloutWeights": both, "targetSegments": live}])
    repository.write("flags/new-checkout.yaml", json.dumps({"key": "f", "targetSegments": declared}))

    (flag,) = json.loads(repository.run("plan", "--format", "json", "--allow", "exposure").out)["flags"]

    shown = flag["exposure"]["transitions"]
    found = {(item["beforeSegment"], item["afterSegment"]): item["switched"] for item in shown}
    assert found == transitions


OWN_KEY = (
    "targetSegments: [{{everyone: true, name: S, percentage: 50, bucketingKey: {}, rolloutWeights: {{a: 1}}}}]\n"
)
LOCAL_LACKS = {
    "a new flag without a key": ("", {"All Other Users"}),
    "a new flag with the key": ("bucketingKey: amplitude_id\n", {"All Other Users"}),
    "a key that there is": ("bucketingKey: user_id\n", set()),
    "groups": ("bucketingKey: org\nbucketingUnit: org\n", set()),
    "all or nothing": ("rolloutPercentage: 100\n", set()),
    "a segment's own key": (f"bucketingKey: user_id\n{OWN_KEY.format('amplitude_id')}", {"S"}),
    "a segment's own key that there is": (OWN_KEY.format("device_id"), {"All Other Users"}),
}


@pytest.mark.parametrize("case", LOCAL_LACKS)
def test_a_local_flag_by_amplitude_id_reaches_no_user(repository: Repository, case: str) -> None:
    """The plan of a create says so and reaches no user by it; once the flag is live, an edit of its name does not."""
    declared, lacking = LOCAL_LACKS[case]
    text = "key: new\nenabled: true\nevaluationMode: local\nrolloutWeights: {a: 1}\nvariants: [{key: a}]\n"
    text += declared if "rolloutPercentage" in declared else declared + "rolloutPercentage: 50\n"
    repository.write("flags/new-checkout.yaml", text)
    (flag,) = json.loads(repository.run("plan", "--format", "json").out)["flags"]
    warnings = [item for item in flag["warnings"] if "Local evaluation has no amplitude_id" in item]
    assert len(warnings) == bool(lacking)
    assert all(f"users of {name} " in warnings[0] for name in lacking)
    for item in flag["exposure"]["transitions"]:
        assert (item["switched"] == 0) == (item["afterSegment"] in lacking)
    assert repository.run("apply", "--auto-approve").code == 0
    repository.write("flags/new-checkout.yaml", text + "name: Other\n")
    assert "no amplitude_id" not in repository.run("plan").out


@pytest.mark.parametrize(
    ("declared", "defaults", "warns"),
    [
        ("", "", True),
        ("bucketingKey: amplitude_id\n", "", True),
        ("bucketingKey: user_id\n", "", False),
        ("", "defaults: {bucketingKey: user_id}\n", False),
        ("", 'ignore: [{flags: "*", paths: [/bucketingKey]}]\n', False),
        ("archived: true\n", "", False),
        ("bucketingUnit: org\n", "", False),
    ],
)
def test_validate_warns_of_a_local_flag_without_its_key(
    repository: Repository, declared: str, defaults: str, warns: bool
) -> None:
    """The server's own choice for a new flag is amplitude_id. Warnings do not fail."""
    repository.write("reconciler.yaml", f'version: 1\nprojectId: "7"\n{defaults}')
    repository.write("flags/new-checkout.yaml", f"key: f\nevaluationMode: local\n{declared}")
    ran = repository.run("validate")
    assert (ran.code, ran.out.count("[local-amplitude-id]")) == (0, warns)


@pytest.mark.parametrize("declared", ["rolloutPercentage: 40", "name: New"])
def test_what_targets_alone_do_not_show_is_said(repository: Repository, declared: str) -> None:
    """Flags that depend on a target are not read for every change: a plan that moves users says so, once."""
    parent = LIVE | SERVED | {"id": "500"}
    child = {
        "key": "child",
        "enabled": True,
        "parentDependencies": {"flags": {"500": ["control"]}, "operator": "all"},
    }
    seeded(repository.emulator, [parent, child])
    repository.write("flags/f.yaml", f"key: f\n{declared}\n")
    moves = declared.startswith("rollout")
    for form in FORMS:
        text = repository.run("plan", "--target", "f", "--format", form, "--verbose").out
        assert text.count("whether users of flags that depend on them are affected is not known") == moves
        whole = repository.run("plan", "--target", "f*", "--format", form).out
        assert ("users of child, which depends on it" in whole, "is not known" in whole) == (moves, False)
