"""What the writes do when they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulators import DEPLOYMENTS, a_live_flag, an_emulator, ask, flag_of, variant_of

if TYPE_CHECKING:
    from reconciler.emulator import Emulator

FLAG = "/flags/1001"
CONTROL = "/flags/1001/variants/control"
CONDITION = {"type": "property", "prop": "gp:plan", "op": "set is", "values": ["pro"]}


def with_members(users: list[str], cohorts: list[str] | None = None) -> Emulator:
    variants = [{"key": "control", "users": users, "cohorts": cohorts or []}, {"key": "treatment"}]
    return an_emulator(a_live_flag(variants=variants))


def users_of(emulator: Emulator) -> Any:
    return ask(emulator, "GET", f"{CONTROL}/users").json()


def test_a_create_stores_all_that_it_carries() -> None:
    """The answer is the id and the URL; the flag has every field of the body, and is off at 0 %."""
    emulator = an_emulator()
    body = {
        "projectId": "7",
        "key": "made",
        "name": "Made",
        "description": "By a test",
        "variants": [{"key": "a", "payload": [1], "name": "A", "description": "first"}, {"key": "b"}],
        "bucketingKey": "device_id",
        "rolloutWeights": {"a": 3, "b": 1},
        "targetSegments": [{"name": "Pro", "conditions": [CONDITION], "percentage": 10, "rolloutWeights": {"b": 1}}],
        "deployments": ["68"],
        "evaluationMode": "local",
    }
    created = ask(emulator, "POST", "/flags", body).json()
    assert created == {"id": "1001", "url": "http://experiment.amplitude.com/amplitude/7/config/1001"}
    details = ask(emulator, "GET", FLAG).json()
    assert {name: details[name] for name in body if name not in {"variants", "targetSegments"}} == {
        name: value for name, value in body.items() if name not in {"variants", "targetSegments"}
    }
    assert details["targetSegments"] == [{**body["targetSegments"][0], "bucketingKey": "device_id"}]
    assert (details["enabled"], details["rolloutPercentage"], details["deleted"]) == (False, 0, False)
    assert ask(emulator, "GET", f"{FLAG}/variants").json() == [
        {"key": "a", "name": "A", "description": "first", "payload": [1], "rolloutWeight": 3},
        {"key": "b", "name": "", "description": "", "payload": {}, "rolloutWeight": 1},
    ]


def test_a_bare_create_gets_what_a_flag_needs() -> None:
    """Name, modes, salt and equal weights are filled in; another flag has another salt."""
    emulator = an_emulator(a_live_flag())
    ask(emulator, "POST", "/flags", {"projectId": "7", "key": "bare", "variants": [{"key": "a"}, {"key": "b"}]})
    flag = flag_of(emulator, "bare")
    assert (flag["name"], flag["description"], flag["tags"], flag["deployments"]) == ("bare", "", [], [])
    assert (flag["evaluationMode"], flag["bucketingKey"], flag["bucketingUnit"]) == ("remote", "amplitude_id", "User")
    assert flag["rolloutWeights"] == {"a": 1, "b": 1}
    assert len(flag["bucketingSalt"]) == 8
    assert flag["bucketingSalt"] != flag_of(emulator, "new-checkout")["bucketingSalt"]


def test_an_edit_changes_its_fields_and_no_other() -> None:
    """A PATCH with everything it can carry is stored; every other field stays as it was."""
    emulator = an_emulator(
        a_live_flag(deployments=["67"], parentDependencies={"flags": {"9": ["on"]}, "operator": "any"})
    )
    before = flag_of(emulator, "new-checkout")
    body = {
        "name": "n",
        "description": "d",
        "bucketingKey": "device_id",
        "bucketingSalt": "salt",
        "bucketingUnit": "org id",
        "evaluationMode": "local",
        "rolloutPercentage": 33,
        "enabled": False,
        "tags": ["prod", "staging"],
    }
    assert ask(emulator, "PATCH", FLAG, body).status == 200
    after = flag_of(emulator, "new-checkout")
    assert {name: after[name] for name in body} == body
    touched = {*body, "lastModifiedAt", "lastModifiedBy"}
    assert {name: value for name, value in after.items() if name not in touched} == {
        name: value for name, value in before.items() if name not in touched
    }


def test_segments_are_replaced_as_a_whole() -> None:
    """A PATCH of the segments drops those it does not carry, cohort conditions with them."""
    cohort = {
        "name": "Old",
        "conditions": [{"type": "cohort", "cohortId": "c"}],
        "percentage": 1,
        "rolloutWeights": {},
    }
    emulator = an_emulator(a_live_flag(targetSegments=[cohort]))
    assert ask(emulator, "GET", FLAG).json()["targetSegments"][0]["conditions"] == cohort["conditions"]
    new = {"name": "New", "conditions": [CONDITION], "percentage": 2, "rolloutWeights": {"control": 1}}
    ask(emulator, "PATCH", FLAG, {"targetSegments": [new], "bucketingKey": "device_id"})
    assert ask(emulator, "GET", FLAG).json()["targetSegments"] == [{**new, "bucketingKey": "device_id"}]


def test_archiving_and_back() -> None:
    """`archive` takes a flag out of the list and puts it back, unchanged."""
    emulator = an_emulator(a_live_flag())
    ask(emulator, "PATCH", FLAG, {"archive": True})
    assert ask(emulator, "GET", "/flags").json()["flags"] == []
    assert ask(emulator, "GET", FLAG).json()["deleted"] is True
    ask(emulator, "PATCH", FLAG, {"archive": False})
    assert [flag["key"] for flag in ask(emulator, "GET", "/flags").json()["flags"]] == ["new-checkout"]


def test_a_new_variant_has_its_fields_and_weight() -> None:
    """A POSTed variant weighs what it says, or nothing."""
    emulator = an_emulator(a_live_flag())
    ask(emulator, "POST", f"{FLAG}/variants", {"key": "c", "name": "C", "payload": None, "rolloutWeight": 4})
    ask(emulator, "POST", f"{FLAG}/variants", {"key": "d"})
    shown = ask(emulator, "GET", f"{FLAG}/variants").json()
    assert [(item["key"], item["name"], item["payload"], item["rolloutWeight"]) for item in shown[2:]] == [
        ("c", "C", None, 4),
        ("d", "", {}, 0),
    ]
    assert ask(emulator, "GET", FLAG).json()["rolloutWeights"] == {"control": 1, "treatment": 1, "c": 4, "d": 0}


def test_an_edited_variant_keeps_what_is_not_named() -> None:
    """A PATCH of a variant changes the named fields; the payload is replaced as a whole."""
    emulator = with_members(["ada"])
    ask(emulator, "PATCH", CONTROL, {"payload": {"a": 1, "b": 2}, "description": "old"})
    ask(emulator, "PATCH", CONTROL, {"payload": {"c": 3}, "rolloutWeight": 9})
    assert ask(emulator, "GET", CONTROL).json() == {
        "key": "control",
        "name": "",
        "description": "old",
        "payload": {"c": 3},
        "rolloutWeight": 9,
    }
    assert users_of(emulator) == ["ada"]


def test_a_removed_variant_takes_weight_and_inclusions_along() -> None:
    """A variant that comes back under the same key starts empty."""
    emulator = with_members(["ada"], ["c1"])
    ask(emulator, "DELETE", CONTROL)
    assert flag_of(emulator, "new-checkout")["rolloutWeights"] == {"treatment": 1}
    ask(emulator, "POST", f"{FLAG}/variants", {"key": "control"})
    assert (users_of(emulator), ask(emulator, "GET", f"{CONTROL}/cohorts").json()) == ([], [])


def test_users_are_added_in_order_and_as_they_are() -> None:
    """Ids keep their order, case and spaces; one with a comma is one id."""
    emulator = with_members(["ada"])
    ask(emulator, "POST", f"{CONTROL}/users", {"inclusions": ["Bob", " eve ", "x,y", "é"]})
    assert users_of(emulator) == ["ada", "Bob", " eve ", "x,y", "é"]
    assert variant_of(emulator, "new-checkout", "treatment")["users"] == []


def test_users_are_removed_by_name_by_index_and_all_at_once() -> None:
    """The three removals take exactly those they name; indexes count from 0 and shift."""
    emulator = with_members(["a", "b", "c", "d", "e"])
    ask(emulator, "DELETE", f"{CONTROL}/bulk-delete-users", {"users": ["d", "a"]})
    assert users_of(emulator) == ["b", "c", "e"]
    ask(emulator, "DELETE", f"{CONTROL}/users/1")
    assert users_of(emulator) == ["b", "e"]
    ask(emulator, "DELETE", f"{CONTROL}/users/1")
    assert users_of(emulator) == ["b"]
    ask(emulator, "DELETE", f"{CONTROL}/users")
    assert users_of(emulator) == []


def test_cohorts_are_a_set() -> None:
    """A cohort is there once, however often it is added, and goes when it is removed."""
    emulator = with_members(["ada"], ["c1"])
    ask(emulator, "POST", f"{CONTROL}/cohorts", {"inclusions": ["c2", "c1", "c2"]})
    assert ask(emulator, "GET", f"{CONTROL}/cohorts").json() == ["c1", "c2"]
    ask(emulator, "DELETE", f"{CONTROL}/bulk-delete-cohorts", {"users": ["c1"]})
    assert ask(emulator, "GET", f"{CONTROL}/cohorts").json() == ["c2"]
    assert users_of(emulator) == ["ada"]


def test_deployments_are_attached_together_and_detached_one_by_one() -> None:
    """Attaching twice is once; detaching what is not attached is a 404; labels come with the list."""
    emulator = an_emulator(a_live_flag(deployments=["67"]))
    ask(emulator, "POST", f"{FLAG}/deployments", {"deployments": ["67", "68", "69"]})
    assert ask(emulator, "GET", FLAG).json()["deployments"] == ["67", "68", "69"]
    assert ask(emulator, "DELETE", f"{FLAG}/deployments/68").status == 200
    assert ask(emulator, "DELETE", f"{FLAG}/deployments/68").status == 404
    shown = ask(emulator, "GET", f"{FLAG}/deployments").json()
    assert [(item["id"], item["label"]) for item in shown] == [("67", DEPLOYMENTS["67"]), ("69", DEPLOYMENTS["69"])]


def test_an_edit_leaves_the_older_records_alone() -> None:
    """Records are never changed in place: what a test holds on to stays what it was."""
    emulator = with_members(["ada"], ["c1"])
    held = flag_of(emulator, "new-checkout")
    text = repr(held)
    for method, path, body in (
        ("PATCH", FLAG, {"name": "x", "tags": ["t"]}),
        ("PATCH", CONTROL, {"key": "base", "payload": 1, "rolloutWeight": 2}),
        ("POST", f"{FLAG}/variants/base/users", {"inclusions": ["bob"]}),
        ("POST", f"{FLAG}/variants/base/cohorts", {"inclusions": ["c2"]}),
        ("DELETE", f"{FLAG}/variants/base/users/0", None),
        ("POST", f"{FLAG}/deployments", {"deployments": ["67"]}),
        ("DELETE", f"{FLAG}/variants/treatment", None),
    ):
        assert ask(emulator, method, path, body).status == 200
    assert repr(held) == text


def test_a_seed_does_not_hold_on_to_what_it_was_given() -> None:
    """Changing the seeding test's own dictionary later changes no flag."""
    given = a_live_flag(projectId="7")
    emulator = an_emulator()
    emulator.store.seed_flag(given)
    given["rolloutWeights"]["control"] = 99
    given["variants"][0]["name"] = "changed"
    assert flag_of(emulator, "new-checkout")["rolloutWeights"]["control"] == 1
    assert variant_of(emulator, "new-checkout", "control")["name"] == "Control"


def test_a_seed_takes_a_document_of_a_flag_file() -> None:
    """Inclusions nested as in a flag file, conditions without a type, and unknown fields are understood."""
    document = a_live_flag(
        variants=[{"key": "on", "inclusions": {"users": ["ada"], "cohorts": ["c1"]}}],
        rolloutWeights={"on": 1},
        targetSegments=[
            {
                "name": "Beta",
                "conditions": [{"prop": "country", "op": "is", "values": ["US"]}],
                "percentage": 1,
                "rolloutWeights": {"on": 1},
            }
        ],
        owner="team-checkout",
    )
    emulator = an_emulator(document)
    assert variant_of(emulator, "new-checkout", "on")["users"] == ["ada"]
    assert variant_of(emulator, "new-checkout", "on")["cohorts"] == ["c1"]
    flag = flag_of(emulator, "new-checkout")
    assert flag["targetSegments"][0]["conditions"][0]["type"] == "property"
    assert "owner" not in flag
