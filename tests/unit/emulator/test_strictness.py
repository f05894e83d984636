"""Every body that the reference does not allow is a 400 in words, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from emulators import KEY, a_live_flag, an_emulator, ask, flag_of

from reconciler.emulator import Behaviour, RawRequest

SEGMENT: dict[str, Any] = {
    "name": "Beta",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "percentage": 50,
    "bucketingKey": "amplitude_id",
    "rolloutWeights": {"control": 1},
}
CREATE: dict[str, Any] = {"projectId": "7", "key": "second"}
CONDITION: dict[str, Any] = SEGMENT["conditions"][0]
FLAG = "/flags/1001"
VARIANT = "/flags/1001/variants/control"


def with_segment(**changes: Any) -> dict[str, Any]:
    return {"targetSegments": [{**SEGMENT, **changes}]}


def with_condition(**changes: Any) -> dict[str, Any]:
    return with_segment(conditions=[{**CONDITION, **changes}])


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


REFUSED: list[tuple[str, str, Any, str]] = [
    # Edit
    ("PATCH", FLAG, {}, "nothing to edit"),
    ("PATCH", FLAG, {"key": "other"}, "key is not a documented field"),
    ("PATCH", FLAG, {"variants": []}, "variants is not a documented field"),
    ("PATCH", FLAG, {"rolloutWeights": {"control": 1}}, "rolloutWeights is not a documented field"),
    ("PATCH", FLAG, {"deployments": []}, "deployments is not a documented field"),
    ("PATCH", FLAG, {"parentDependencies": {}}, "parentDependencies is not a documented field"),
    ("PATCH", FLAG, {"archived": True}, "archived is not a documented field"),
    ("PATCH", FLAG, {"projectId": "7"}, "projectId is not a documented field"),
    ("PATCH", FLAG, {"name": None}, "name must be a string"),
    ("PATCH", FLAG, {"name": 5}, "name must be a string"),
    ("PATCH", FLAG, {"description": []}, "description must be a string"),
    ("PATCH", FLAG, {"bucketingKey": ""}, "bucketingKey must be a string that is not empty"),
    ("PATCH", FLAG, {"bucketingSalt": 1}, "bucketingSalt must be"),
    ("PATCH", FLAG, {"bucketingUnit": 1}, "bucketingUnit must be"),
    ("PATCH", FLAG, {"evaluationMode": "both"}, "one of remote, local"),
    ("PATCH", FLAG, {"rolloutPercentage": -1}, "from 0 to 100"),
    ("PATCH", FLAG, {"rolloutPercentage": 101}, "from 0 to 100"),
    ("PATCH", FLAG, {"rolloutPercentage": 12.5}, "whole number"),
    ("PATCH", FLAG, {"rolloutPercentage": True}, "whole number"),
    ("PATCH", FLAG, {"rolloutPercentage": "50"}, "whole number"),
    ("PATCH", FLAG, {"enabled": 1}, "true or false"),
    ("PATCH", FLAG, {"archive": "true"}, "true or false"),
    ("PATCH", FLAG, {"tags": "prod"}, "tags must be an array"),
    ("PATCH", FLAG, {"tags": [1]}, "tags[0] must be"),
    ("PATCH", FLAG, {"targetSegments": {}}, "targetSegments must be an array"),
    ("PATCH", FLAG, {"targetSegments": ["all"]}, "targetSegments[0] must be an object"),
    ("PATCH", FLAG, with_segment(rollout=1), "targetSegments[0].rollout is not a documented field"),
    *[
        ("PATCH", FLAG, {"targetSegments": [without(SEGMENT, name)]}, f"targetSegments[0].{name} is required")
        for name in ("name", "conditions", "percentage", "rolloutWeights")
    ],
    ("PATCH", FLAG, with_segment(percentage=100.5), "whole number from 0 to 100"),
    ("PATCH", FLAG, with_segment(percentage=101), "whole number from 0 to 100"),
    ("PATCH", FLAG, with_segment(bucketingKey=None), "bucketingKey must be"),
    ("PATCH", FLAG, with_segment(rolloutWeights={"absent": 1}), "the flag has no variant 'absent'"),
    ("PATCH", FLAG, with_segment(rolloutWeights={"off": 1}), "the flag has no variant 'off'"),
    ("PATCH", FLAG, with_segment(rolloutWeights=["control"]), "rolloutWeights must be an object"),
    ("PATCH", FLAG, with_segment(rolloutWeights={"control": -1}), "whole number of 0 or more"),
    ("PATCH", FLAG, with_segment(rolloutWeights={"control": 0.5}), "whole number of 0 or more"),
    ("PATCH", FLAG, with_segment(conditions="everyone"), "conditions must be an array"),
    ("PATCH", FLAG, with_condition(type="cohort"), "type must be one of property"),
    ("PATCH", FLAG, with_condition(op="equals"), "op must be one of is, is not"),
    ("PATCH", FLAG, with_condition(op="IS"), "op must be one of is, is not"),
    ("PATCH", FLAG, with_condition(prop=""), "prop must be"),
    ("PATCH", FLAG, with_condition(values="US"), "values must be an array"),
    ("PATCH", FLAG, with_condition(values=[1]), "values[0] must be a string"),
    ("PATCH", FLAG, with_condition(negate=True), "conditions[0].negate is not a documented field"),
    *[
        ("PATCH", FLAG, with_segment(conditions=[without(CONDITION, name)]), f"{name} is required")
        for name in ("type", "prop", "op", "values")
    ],
    # Create
    ("POST", "/flags", {"key": "second"}, "projectId is required"),
    ("POST", "/flags", {"projectId": "7"}, "key is required"),
    ("POST", "/flags", {**CREATE, "projectId": 7}, "projectId must be a string"),
    ("POST", "/flags", {**CREATE, "key": "Second"}, "key must be"),
    ("POST", "/flags", {**CREATE, "key": "two words"}, "key must be"),
    ("POST", "/flags", {**CREATE, "key": "second\n"}, "key must be"),
    ("POST", "/flags", {**CREATE, "key": ""}, "key must be"),
    *[
        ("POST", "/flags", {**CREATE, name: value}, f"{name} is not a documented field")
        for name, value in {
            "enabled": True, "rolloutPercentage": 1, "bucketingSalt": "s", "bucketingUnit": "User", "tags": [],
            "archive": False, "archived": False, "inclusions": {},
        }.items()
    ],
    ("POST", "/flags", {**CREATE, "variants": [{"name": "On"}]}, "variants[0].key is required"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "off"}]}, "'off' is reserved"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "a.b"}]}, "variants[0].key must be"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "a"}, {"key": "a"}]}, "two variants have the same key"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "a", "rolloutWeight": 1}]}, "rolloutWeight is not a"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "a", "inclusions": {}}]}, "inclusions is not a"),
    ("POST", "/flags", {**CREATE, "variants": [{"key": "a"}], "rolloutWeights": {"b": 1}}, "no variant 'b'"),
    ("POST", "/flags", {**CREATE, "rolloutWeights": {"b": 1}}, "no variant 'b'"),
    ("POST", "/flags", {**CREATE, "targetSegments": [SEGMENT]}, "no variant 'control'"),
    ("POST", "/flags", {**CREATE, "deployments": ["99"]}, "has no deployment '99'"),
    ("POST", "/flags", {**CREATE, "deployments": [67]}, "deployments[0] must be a string"),
    ("POST", "/flags", {**CREATE, "key": "new-checkout"}, "already exists"),
    # Variants
    ("POST", FLAG + "/variants", {"name": "x"}, "key is required"),
    ("POST", FLAG + "/variants", {"key": "off"}, "reserved"),
    ("POST", FLAG + "/variants", {"key": "a b"}, "key must be"),
    ("POST", FLAG + "/variants", {"key": "control"}, "already has a variant 'control'"),
    ("POST", FLAG + "/variants", {"key": "third", "rolloutWeight": -1}, "whole number of 0 or more"),
    ("POST", FLAG + "/variants", {"key": "third", "rolloutWeight": 0.5}, "whole number of 0 or more"),
    ("POST", FLAG + "/variants", {"key": "third", "inclusions": []}, "inclusions is not a documented field"),
    ("PATCH", VARIANT, {}, "nothing to edit"),
    ("PATCH", VARIANT, {"key": "treatment"}, "already has a variant 'treatment'"),
    ("PATCH", VARIANT, {"key": "off"}, "reserved"),
    ("PATCH", VARIANT, {"rolloutWeight": "1"}, "whole number of 0 or more"),
    ("PATCH", VARIANT, {"weight": 1}, "weight is not a documented field"),
    ("DELETE", VARIANT, {"users": []}, "takes no body"),
    # Inclusions
    ("POST", VARIANT + "/users", {"users": ["a"]}, "users is not a documented field"),
    ("POST", VARIANT + "/users", {}, "inclusions is required"),
    ("POST", VARIANT + "/users", {"inclusions": []}, "inclusions must not be empty"),
    ("POST", VARIANT + "/users", {"inclusions": "a"}, "inclusions must be an array"),
    ("POST", VARIANT + "/users", {"inclusions": [1]}, "inclusions[0] must be"),
    ("POST", VARIANT + "/users", {"inclusions": [""]}, "inclusions[0] must be"),
    ("POST", VARIANT + "/users", {"inclusions": [f"u{n}" for n in range(2001)]}, "at most 2000 inclusions"),
    ("POST", VARIANT + "/cohorts", {"inclusions": [f"c{n}" for n in range(11)]}, "at most 10 cohorts"),
    ("DELETE", VARIANT + "/bulk-delete-users", {"inclusions": ["a"]}, "inclusions is not a documented field"),
    ("DELETE", VARIANT + "/bulk-delete-users", {}, "users is required"),
    ("DELETE", VARIANT + "/bulk-delete-users", {"users": []}, "users must not be empty"),
    ("DELETE", VARIANT + "/bulk-delete-users", {"users": [f"u{n}" for n in range(101)]}, "at most 100"),
    ("DELETE", VARIANT + "/bulk-delete-cohorts", {"cohorts": ["a"]}, "cohorts is not a documented field"),
    ("DELETE", VARIANT + "/bulk-delete-cohorts", {"users": [f"c{n}" for n in range(101)]}, "at most 100"),
    ("DELETE", VARIANT + "/users", {"users": ["a"]}, "takes no body"),
    ("DELETE", VARIANT + "/users/0", {"users": ["a"]}, "takes no body"),
    ("DELETE", VARIANT + "/users/1", None, "no user at index 1"),
    ("DELETE", VARIANT + "/users/-1", None, "userIndex must be a whole number"),
    ("DELETE", VARIANT + "/users/ada", None, "userIndex must be a whole number"),
    # Deployments
    ("POST", FLAG + "/deployments", {}, "deployments is required"),
    ("POST", FLAG + "/deployments", {"deployments": []}, "deployments must not be empty"),
    ("POST", FLAG + "/deployments", {"deployments": ["67", "99"]}, "has no deployment '99'"),
    ("POST", FLAG + "/deployments", {"deployments": ["80"]}, "has no deployment '80'"),
    ("DELETE", FLAG + "/deployments/67", {"deployments": []}, "takes no body"),
    # A body where one is needed
    ("PATCH", FLAG, [], "the body must be an object"),
    ("POST", "/flags", None, "Content-Type"),
    ("DELETE", VARIANT + "/bulk-delete-users", None, "Content-Type"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "reason"), REFUSED)
def test_an_undocumented_body_is_a_400_that_says_why(method: str, path: str, body: Any, reason: str) -> None:
    """The answer is a 400 whose text names the reason, and the state is the same to the byte."""
    projects = {"7": {"67": "web"}, "8": {"80": "elsewhere"}}
    flag = a_live_flag(variants=[{"key": "control", "users": ["ada"]}, {"key": "treatment"}], deployments=["67"])
    emulator = an_emulator(flag, projects=projects)
    before = emulator.dump()
    answer = ask(emulator, method, path, body)
    assert (answer.status, answer.media_type) == (400, "text/plain")
    assert reason in answer.body.decode()
    assert emulator.dump() == before


@pytest.mark.parametrize(
    ("raw", "content_type", "reason"),
    [
        (b'{"enabled": true', "application/json", "not valid JSON"),
        (b"\xff", "application/json", "not valid JSON"),
        (b'{"rolloutPercentage": NaN}', "application/json", "NaN is not JSON"),
        (b'{"rolloutPercentage": 1e999}', "application/json", "whole number from 0 to 100"),
        (b'{"enabled": true, "enabled": false}', "application/json", "names a key twice"),
        (b"[" * 100_000, "application/json", "not valid JSON"),
        (b'{"enabled": true}', "text/plain", "Content-Type must be application/json"),
    ],
)
def test_what_is_not_json_is_refused(raw: bytes, content_type: str, reason: str) -> None:
    """A body that is not strict JSON, or does not say that it is JSON, is a 400."""
    emulator = an_emulator(a_live_flag())
    request = RawRequest(
        method="PATCH",
        path="/api/1/flags/1001",
        authorization=f"Bearer {KEY}",
        content_type=content_type,
        body=raw,
    )
    answer = emulator.api.answer(request)
    assert answer.status == 400
    assert reason in answer.body.decode()


@pytest.mark.parametrize("op", [
    "is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal",
    "set is", "set is not", "set contains", "set does not contain", "glob match", "glob does not match",
])  # fmt: skip
def test_every_documented_operation_is_taken(op: str) -> None:
    """Each of the 14 operations of the reference can be stored in a condition."""
    emulator = an_emulator(a_live_flag())
    assert ask(emulator, "PATCH", FLAG, with_condition(op=op)).status == 200
    assert flag_of(emulator, "new-checkout")["targetSegments"][0]["conditions"][0]["op"] == op


def test_the_limits_themselves_are_allowed() -> None:
    """2,000 users, 10 cohorts, 100 removals, 0 % and 100 % are inside their limits."""
    emulator = an_emulator(a_live_flag())
    users = [f"user-{number}" for number in range(2000)]
    assert ask(emulator, "POST", VARIANT + "/users", {"inclusions": users}).status == 200
    assert ask(emulator, "POST", VARIANT + "/users", {"inclusions": ["one-more"]}).status == 400
    assert ask(emulator, "DELETE", VARIANT + "/bulk-delete-users", {"users": users[:100]}).status == 200
    assert ask(emulator, "POST", VARIANT + "/cohorts", {"inclusions": [f"c{n}" for n in range(10)]}).status == 200
    assert ask(emulator, "POST", VARIANT + "/cohorts", {"inclusions": ["c10"]}).status == 400
    assert ask(emulator, "PATCH", FLAG, with_segment(percentage=0)).status == 200
    assert ask(emulator, "PATCH", FLAG, with_segment(percentage=100)).status == 200


@pytest.mark.parametrize("payload", [None, True, 0, 1.5, "text", "é\ud83d", [], {"a": [1, {"b": None}]}])
def test_a_payload_is_any_json_value(payload: Any) -> None:
    """Every JSON value comes back as it went in."""
    emulator = an_emulator(a_live_flag())
    assert ask(emulator, "PATCH", VARIANT, {"payload": payload}).status == 200
    assert ask(emulator, "GET", VARIANT).json()["payload"] == payload


def test_a_deleted_deployment_takes_no_more_flags() -> None:
    """A deployment that is marked as deleted cannot be attached."""
    emulator = an_emulator(a_live_flag())
    emulator.store.projects["7"]["67"]["deleted"] = True
    assert ask(emulator, "POST", FLAG + "/deployments", {"deployments": ["67"]}).status == 400


def test_the_last_variant_stays() -> None:
    """A flag cannot lose its only variant."""
    emulator = an_emulator(a_live_flag(variants=[{"key": "on"}], rolloutWeights={"on": 1}))
    answer = ask(emulator, "DELETE", "/flags/1001/variants/on")
    assert answer.status == 400
    assert "last variant" in answer.body.decode()


@pytest.mark.parametrize("path", [
    "/flags/9999", "/flags/9999/variants", "/flags/1001/variants/absent", "/flags/1001/versions/9",
    "/flags/1001/variants/absent/users", "/flags/", "/flags//variants", "/flags/1001/variants//users",
    "/flags/1001/variants/control/users/", "/flags/1001%2Fvariants", "/elsewhere",
])  # fmt: skip
def test_what_is_not_there_is_a_404(path: str) -> None:
    """Unknown ids, keys and paths, empty segments among them, are not found."""
    assert ask(an_emulator(a_live_flag()), "GET", path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/users", {"inclusions": ["a"]}),
        ("POST", "/cohorts", {"inclusions": ["a"]}), ("DELETE", "/users/0", None), ("DELETE", "/users", None),
        ("DELETE", "/bulk-delete-users", {"users": ["a"]}), ("DELETE", "/bulk-delete-cohorts", {"users": ["a"]}),
    ],
)  # fmt: skip
def test_a_variant_that_is_not_there_cannot_be_edited(method: str, path: str, body: Any) -> None:
    for behaviour in (Behaviour(), Behaviour(delete_body="ignored")):
        answer = ask(
            an_emulator(a_live_flag(), behaviour=behaviour), method, f"/flags/1001/variants/absent{path}", body
        )
        assert (answer.status, answer.body) == (404, b"variant 'absent' not found")


@pytest.mark.parametrize(("method", "path"), [
    ("PUT", "/flags/1001"), ("DELETE", "/flags/1001"), ("POST", VARIANT), ("GET", VARIANT + "/bulk-delete-users"),
    ("PATCH", VARIANT + "/users"), ("GET", VARIANT + "/users/0"),
])  # fmt: skip
def test_a_method_that_is_not_documented_is_a_405(method: str, path: str) -> None:
    """A known path with another method says which methods it takes."""
    answer = ask(an_emulator(a_live_flag()), method, path)
    assert answer.status == 405
    assert "only" in answer.body.decode()
