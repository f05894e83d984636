"""Management keys: whose they are, and which projects they reach."""

from __future__ import annotations

import pytest
from emulators import KEY, OTHER_USER, USER, a_live_flag, an_emulator, ask, flag_of

from reconciler.emulator import Emulator, RawRequest, RefusedError

NARROW = "a-key-for-project-8"


def two_projects() -> Emulator:
    emulator = an_emulator(
        a_live_flag("in-seven"),
        a_live_flag("in-eight", projectId="8"),
        projects={"7": {"67": "web"}, "8": {"80": "web"}},
    )
    emulator.store.add_key(NARROW, OTHER_USER, ["8"])
    return emulator


def keys_of(emulator: Emulator, path: str, key: str) -> list[str]:
    return [flag["key"] for flag in ask(emulator, "GET", path, key=key).json()["flags"]]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", KEY, f"Basic {KEY}", f"bearer {KEY}"])
def test_a_missing_or_unknown_key_is_a_401(authorization: str) -> None:
    """Nothing but `Bearer` and a known key opens the door, on every path."""
    emulator = two_projects()
    for path in ("/api/1/flags", "/api/1/nowhere"):
        assert emulator.api.answer(RawRequest(method="GET", path=path, authorization=authorization)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/flags?projectId=7", None),
        ("GET", "/flags/1001", None),
        ("GET", "/flags/1001/versions", None),
        ("GET", "/flags/1001/variants/control/users", None),
        ("PATCH", "/flags/1001", {"enabled": False}),
        ("POST", "/flags/1001/variants", {"key": "third"}),
        ("DELETE", "/flags/1001/variants/control", None),
        ("POST", "/flags", {"projectId": "7", "key": "x"}),
        ("POST", "/flags", {"projectId": "99", "key": "x"}),
        ("GET", "/deployments?projectId=7", None),
        ("GET", "/deployments/67", None),
        ("PATCH", "/deployments/67", {"label": "mine"}),
        ("GET", "/experiments?projectId=7", None),
        ("GET", "/experiments/500", None),
    ],
)
def test_a_project_out_of_reach_is_a_403(method: str, path: str, body: object) -> None:
    """A key sees and changes only flags of its own projects."""
    emulator = two_projects()
    emulator.store.seed_experiment({"projectId": "7", "key": "e", "id": "500"})
    before = emulator.dump()
    assert ask(emulator, method, path, body, key=NARROW).status == 403
    assert emulator.dump() == before


def test_the_list_shows_the_projects_of_the_key() -> None:
    """Without projectId everything in reach is listed, with it only that project."""
    emulator = two_projects()
    assert keys_of(emulator, "/flags", KEY) == ["in-eight", "in-seven"]
    assert keys_of(emulator, "/flags?projectId=7", KEY) == ["in-seven"]
    assert keys_of(emulator, "/flags", NARROW) == ["in-eight"]


def test_the_feeds_show_the_projects_of_the_key() -> None:
    """Versions and deployments of other projects are not in the feeds."""
    emulator = two_projects()
    versions = ask(emulator, "GET", "/versions", key=NARROW).json()["versions"]
    deployments = ask(emulator, "GET", "/deployments", key=NARROW).json()["deployments"]
    assert [version["flagConfig"]["key"] for version in versions] == ["in-eight"]
    assert [(item["id"], item["projectId"]) for item in deployments] == [("80", "8")]


def test_the_feed_shows_project_by_project() -> None:
    """In the order of their ids, whatever the order in which they came to be."""
    projects = ["5", "9", "8", "3", "6", "1", "7", "4", "2"]
    emulator = an_emulator(projects={project: {f"d{project}": "web"} for project in projects})
    shown = ask(emulator, "GET", "/deployments").json()["deployments"]
    assert [item["id"] for item in shown] == [f"d{project}" for project in sorted(projects)]


def test_a_deployment_of_another_project_cannot_be_attached() -> None:
    """Deployments exist per project, even for a key that reaches both."""
    answer = ask(two_projects(), "POST", "/flags/1001/deployments", {"deployments": ["80"]})
    assert answer.status == 400


def test_a_key_may_reach_a_project_that_is_not_there_yet() -> None:
    """It holds nothing until a flag is made in it."""
    emulator = two_projects()
    emulator.store.add_key("early", USER, ["99"])
    body = {"projectId": "99", "key": "first"}
    refused = ask(emulator, "POST", "/flags", {**body, "deployments": ["67"]}, key="early")
    assert refused.body == b"project '99' has no deployment '67'"
    assert keys_of(emulator, "/flags", "early") == keys_of(emulator, "/flags?projectId=99", "early") == []
    assert ask(emulator, "POST", "/flags", body, key="early").status == 200
    assert keys_of(emulator, "/flags?projectId=99", "early") == ["first"]


def test_the_same_key_in_two_projects_is_no_conflict() -> None:
    """Flag keys are taken per project."""
    emulator = two_projects()
    assert ask(emulator, "POST", "/flags", {"projectId": "8", "key": "in-seven"}).status == 200


def test_edits_carry_the_name_of_the_user_of_the_key() -> None:
    """createdBy, lastModifiedBy and the versions name the user whom the key belongs to."""
    emulator = two_projects()
    created = ask(emulator, "POST", "/flags", {"projectId": "8", "key": "made"}).json()["id"]
    ask(emulator, "PATCH", f"/flags/{created}", {"enabled": True}, key=NARROW)
    flag = flag_of(emulator, "made")
    assert (flag["createdBy"], flag["lastModifiedBy"]) == (USER, OTHER_USER)
    versions = ask(emulator, "GET", f"/flags/{created}/versions").json()
    assert [(item["version"], item["createdBy"]) for item in versions] == [(2, OTHER_USER), (1, USER)]


def test_another_user_can_edit_between_our_calls() -> None:
    """An edit in process by another user changes the flag, makes a version, and is in no log."""
    emulator = two_projects()
    emulator.edit_as(OTHER_USER, "PATCH", "/flags/1001", {"rolloutPercentage": 5})
    assert flag_of(emulator, "in-seven")["rolloutPercentage"] == 5
    assert flag_of(emulator, "in-seven")["lastModifiedBy"] == OTHER_USER
    assert emulator.log == []


def test_an_edit_behind_our_back_is_checked_like_any_other() -> None:
    """What the API would refuse raises, so that no test takes a refused edit for one."""
    with pytest.raises(RefusedError, match="rolloutPercentage must be"):
        two_projects().edit_as(OTHER_USER, "PATCH", "/flags/1001", {"rolloutPercentage": 500})


def test_another_user_can_look_too() -> None:
    """With a query, in every project."""
    answer = two_projects().edit_as(OTHER_USER, "GET", "/flags?key=in-seven")
    assert [flag["key"] for flag in answer.json()["flags"]] == ["in-seven"]


def test_a_guest_reaches_every_project_unless_the_key_is_known() -> None:
    """A guest's key is no part of the state; one that is keeps its user and its projects."""
    emulator = two_projects()
    before = emulator.dump()
    emulator.store.admit("a-guest", "eve@example.com")
    emulator.store.admit(NARROW, "eve@example.com")
    assert emulator.dump() == before
    assert keys_of(emulator, "/flags", "a-guest") == ["in-eight", "in-seven"]
    assert keys_of(emulator, "/flags", NARROW) == ["in-eight"]
    assert [entry.user for entry in emulator.log] == ["eve@example.com", OTHER_USER]


def test_ids_are_given_once() -> None:
    """A seed of an id that is taken raises; the project that something is seeded into exists from then on."""
    emulator = two_projects()
    emulator.store.seed_experiment({"projectId": "9", "key": "e", "id": "5"})
    emulator.store.seed_flag({"projectId": "10", "key": "f"})
    assert list(emulator.store.projects) == ["7", "8", "9", "10"]
    assert emulator.store.projects["9"] == emulator.store.projects["10"] == {}
    for taken in ("5", "1001"):
        with pytest.raises(ValueError, match=f"the id {taken} is taken"):
            emulator.store.seed_experiment({"projectId": "7", "key": "f", "id": taken})
    with pytest.raises(ValueError, match="there already is a flag of id 1001"):
        emulator.store.seed_flag({"projectId": "7", "key": "f", "id": "1001"})


def test_a_deployment_that_is_put_into_another_project_leaves_its_own() -> None:
    """An id is that of one deployment."""
    emulator = two_projects()
    emulator.store.put_deployment(
        {"id": "67", "projectId": "8", "label": "moved", "key": "client-67", "deleted": False}
    )
    shown = ask(emulator, "GET", "/deployments").json()["deployments"]
    assert [(item["id"], item["projectId"], item["label"]) for item in shown] == [
        ("80", "8", "web"),
        ("67", "8", "moved"),
    ]
