"""Answers in every form that servers give, and what is said of those that are none: the place and the kind."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import InvalidResponseError
from reconciler.model.flag import UNSET, Condition, Dependencies, TargetSegment, Weights
from reconciler.model.wire import (
    check_field,
    decode_flag,
    decode_ids,
    decode_strings,
    decode_variant,
    decode_variants,
)

FLAG: dict[str, Any] = {"id": 7, "projectId": "9", "key": "f"}
CONDITION = {"prop": "p", "op": "is", "values": ["x"]}


def segment(**fields: Any) -> dict[str, Any]:
    """A flag with one segment."""
    return {"targetSegments": [{"name": "s", "conditions": [CONDITION], "percentage": 5} | fields]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": None}, "flag/id is missing"),
        ({"id": True}, "expected an id at flag/id, got true"),
        ({"id": [1]}, "expected an id at flag/id, got a list"),
        ({"id": ""}, "the id at flag/id cannot be used: "),
        ({"id": "a/b"}, "the id at flag/id cannot be used: "),
        ({"projectId": 1.5}, "expected an id at flag/projectId, got a number"),
        ({"deployments": ["2", ""]}, "expected an id at flag/deployments/1, got a string"),
        ({"projectId": ""}, "expected an id at flag/projectId, got a string"),
        ({"key": 5}, "expected a string at flag/key, got a number"),
        ({"key": ".."}, "the key at flag/key cannot be used: "),
        ({"enabled": "yes"}, "expected true or false at flag/enabled, got a string"),
        ({"enabled": 1}, "expected true or false at flag/enabled, got a number"),
        ({"archived": 1}, "expected true or false at flag/archived, got a number"),
        ({"rolloutPercentage": -1}, "expected a number of 0 or more at flag/rolloutPercentage, got a number"),
        ({"rolloutPercentage": True}, "expected a number of 0 or more at flag/rolloutPercentage, got true"),
        ({"rolloutPercentage": "5"}, "expected a number of 0 or more at flag/rolloutPercentage, got a string"),
        ({"rolloutWeights": []}, "expected an object at flag/rolloutWeights, got a list"),
        ({"rolloutWeights": {"a": -1}}, "expected a number of 0 or more at flag/rolloutWeights/a, got a number"),
        ({"rolloutWeights": {"a": None}}, "expected a number of 0 or more at flag/rolloutWeights/a, got null"),
        ({"variants": {}}, "expected a list at flag/variants, got an object"),
        ({"variants": ["a"]}, "expected an object at flag/variants/0, got a string"),
        ({"variants": [{"key": "a"}, {"name": "x"}]}, "flag/variants/1/key is missing"),
        ({"variants": [{"key": "a"}, {"key": "a"}]}, "a variant is named twice at flag/variants"),
        ({"variants": [{"key": "a", "name": 5}]}, "expected a string at flag/variants/0/name, got a number"),
        ({"targetSegments": {}}, "expected a list at flag/targetSegments, got an object"),
        ({"targetSegments": [5]}, "expected an object at flag/targetSegments/0, got a number"),
        (segment(name=5), "expected a string at flag/targetSegments/0/name, got a number"),
        (segment(percentage="5"), "expected a number of 0 or more at flag/targetSegments/0/percentage, got a string"),
        (segment(conditions={}), "expected a list at flag/targetSegments/0/conditions, got an object"),
        (segment(conditions=[5]), "expected an object at flag/targetSegments/0/conditions/0, got a number"),
        (segment(conditions=[CONDITION | {"op": None}]), "flag/targetSegments/0/conditions/0/op is missing"),
        (segment(conditions=[CONDITION | {"prop": 5}]),
         "expected a string at flag/targetSegments/0/conditions/0/prop, got a number"),
        (segment(conditions=[CONDITION | {"values": "x"}]),
         "expected a list at flag/targetSegments/0/conditions/0/values, got a string"),
        (segment(conditions=[CONDITION | {"values": [None]}]),
         "expected a string at flag/targetSegments/0/conditions/0/values, got null"),
        (segment(conditions=[CONDITION | {"type": 5}]),
         "expected a string at flag/targetSegments/0/conditions/0/type, got a number"),
        (segment(bucketingKey=5), "expected a string at flag/targetSegments/0/bucketingKey, got a number"),
        (segment(rolloutWeights=[]), "expected an object at flag/targetSegments/0/rolloutWeights, got a list"),
        ({"deployments": 5}, "expected a list at flag/deployments, got a number"),
        ({"deployments": ["1", [2]]}, "expected an id at flag/deployments/1, got a list"),
        ({"deployments": ["1", ""]}, "expected an id at flag/deployments/1, got a string"),
        ({"deployments": [{"id": ""}]}, "expected an id at flag/deployments/0/id, got a string"),
        ({"deployments": [{"name": "x"}]}, "flag/deployments/0/id is missing"),
        ({"tags": ["a", 5]}, "expected a string at flag/tags/1, got a number"),
        ({"createdBy": [1]}, "expected an id at flag/createdBy, got a list"),
        ({"parentDependencies": []}, "expected an object at flag/parentDependencies, got a list"),
        ({"parentDependencies": {"flags": []}}, "expected an object at flag/parentDependencies/flags, got a list"),
        ({"parentDependencies": {"flags": {"a/b": []}}}, "the id at flag/parentDependencies/flags cannot be used: "),
        ({"parentDependencies": {"flags": {"1": [5]}}},
         "expected a string at flag/parentDependencies/flags/1/0, got a number"),
        ({"parentDependencies": {"flags": {"1": []}, "operator": 5}},
         "expected a string at flag/parentDependencies/operator, got a number"),
    ],
)  # fmt: skip
def test_malformed_flags(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        decode_flag(FLAG | fields)
    assert str(caught.value).startswith(f"Invalid response from the API: {said}")


def test_forms_of_flags() -> None:
    """Ids as numbers, null for what is empty, numbers without a fraction as whole ones, marks of the archive."""
    found = decode_flag(
        FLAG
        | {
            "name": None,
            "description": "",
            "enabled": None,
            "rolloutPercentage": 5.0,
            "rolloutWeights": {"a": 2.0, "b": 0.5, "c": 0},
            "deployments": [1, "2", {"id": 3, "name": "x"}],
            "tags": None,
            "createdBy": 12,
            "createdAt": "",
            "lastModifiedBy": "ada",
            "lastModifiedAt": "2026-11-01",
            "parentDependencies": {"flags": {"9": None, "10": ["on"]}},
        }
    )
    spec = found.spec
    assert (found.id, found.project_id, spec.name, spec.description) == ("7", "9", "", "")
    assert (spec.enabled, spec.archived, spec.tags) == (UNSET, False, UNSET)
    assert (repr(spec.rollout_percentage), repr(spec.rollout_weights)) == (
        "5", "Weights(pairs=(('a', 2), ('b', 0.5), ('c', 0)))",
    )  # fmt: skip
    assert spec.deployments == ("1", "2", "3")
    assert (found.created_by, found.created_at) == ("12", None)
    assert (found.last_modified_by, found.last_modified_at) == ("ada", "2026-11-01")
    assert found.parent_dependencies == Dependencies(flags=(("10", ("on",)), ("9", ())), operator="all")
    assert decode_flag(FLAG | {"parentDependencies": {"flags": {}}}).parent_dependencies is None
    operator = decode_flag(FLAG | {"parentDependencies": {"flags": {"1": []}, "operator": "any"}})
    assert operator.parent_dependencies == Dependencies(flags=(("1", ()),), operator="any")


@pytest.mark.parametrize(
    ("fields", "assumed", "is_archived"),
    [
        ({}, False, False), ({}, True, True), ({"archived": None}, True, True), ({"archived": False}, True, False),
        ({"deleted": True}, False, True), ({"archived": False, "deleted": True}, False, True),
        ({"archived": True, "deleted": False}, False, True), ({"archive": True}, False, True),
        ({"archive": False}, True, False),
    ],
)  # fmt: skip
def test_whether_a_flag_is_archived(fields: dict[str, Any], assumed: bool, is_archived: bool) -> None:
    """Either mark says so; without any it is what was asked for."""
    assert decode_flag(FLAG | fields, archived=assumed).spec.archived is is_archived


def test_forms_of_segments() -> None:
    """What the reference does not list is kept where it says something; values are texts."""
    condition = CONDITION | {
        "values": [True, False, 1, 1.5, "x"],
        "zz": 0,
        "aa": {"b": 1, "a": 2},
        "no": "",
        "n": False,
    }
    (spec,) = decode_flag(FLAG | segment(conditions=[condition], extra=[1], none=None)).spec.target_segments or ()
    (bare,) = decode_flag(FLAG | {"targetSegments": [{"name": None, "percentage": 2.0}]}).spec.target_segments or ()
    assert spec == TargetSegment(
        name="s",
        conditions=(
            Condition(
                prop="p", op="is", values=("true", "false", "1", "1.5", "x"), type="property",
                unlisted=(("aa", '{"a": 2, "b": 1}'), ("zz", "0")),
            ),
        ),
        percentage=5,
        rollout_weights=Weights.of({}),
        unlisted=(("extra", "[1]"),),
    )  # fmt: skip
    assert bare == TargetSegment(name="", conditions=(), percentage=2, rollout_weights=Weights.of({}))
    assert repr(bare.percentage) == "2"
    nothing = dict.fromkeys(("id", "description", "createdBy", "createdAt", "lastModifiedBy", "lastModifiedAt"), "x")
    told = decode_flag(FLAG | segment(conditions=[CONDITION | nothing], **nothing)).spec.target_segments or ()
    assert (told[0].unlisted, told[0].conditions[0].unlisted) == ((), ())
    (without,) = decode_flag(FLAG | {"targetSegments": [{"name": "x"}]}).spec.target_segments or ()
    assert (without.percentage, without.bucketing_key) == (0, UNSET)


@pytest.mark.parametrize(
    ("decode", "answer", "said"),
    [
        (decode_variants, {}, "expected a list at variants, got an object"),
        (decode_variants, [5], "expected an object at variants/0, got a number"),
        (decode_variant, {"name": "x"}, "variant/key is missing"),
        (decode_strings, [5], "expected a string at list/0, got a number"),
        (decode_ids, {}, "expected a list at list, got an object"),
        (decode_flag, [], "expected an object at flag, got a list"),
    ],
)
def test_places_have_names(decode: Any, answer: Any, said: str) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        decode(answer)
    assert str(caught.value) == f"Invalid response from the API: {said}."


def test_variants_hold_what_is_shown() -> None:
    assert decode_variant({"key": "a"}).payload is UNSET
    shown = decode_variant({"key": "a", "name": None, "payload": None})
    assert (shown.name, shown.description, shown.payload) == ("", UNSET, None)
    assert (decode_strings(None), decode_ids(None)) == ((), ())


def test_values_of_fields_are_checked_by_their_names() -> None:
    check_field("enabled", value=True)
    with pytest.raises(InvalidResponseError, match="expected true or false at enabled, got a number"):
        check_field("enabled", 5)
    with pytest.raises(KeyError):
        check_field("nothing", 5)
