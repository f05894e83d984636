"""What is accepted of an answer's JSON."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import InvalidResponseError
from reconciler.model.fields import FIELD, is_path_segment, why_no_segment
from reconciler.model.flag import UNSET, Condition, Dependencies, TargetSegment, Variant, Weights
from reconciler.model.wire import Request, decode_flag, decode_variants, encode_field, losses_of


def test_a_variant_that_comes_twice_is_refused() -> None:
    """Two variants of one key are no flag that anything could be planned for."""
    assert [variant.key for variant in decode_variants([{"key": "a"}, {"key": "b"}])] == ["a", "b"]
    with pytest.raises(InvalidResponseError, match="twice at variants"):
        decode_variants([{"key": "a"}, {"key": "b"}, {"key": "a"}])


@pytest.mark.parametrize(
    ("shown", "operator"), [({"operator": "any"}, "any"), ({}, "all"), ({"operator": None}, "all")]
)
def test_whether_all_parents_are_needed_is_as_the_server_says(shown: dict[str, str | None], operator: str) -> None:
    """All of them where it does not say."""
    parents = {"flags": {"7": ["on"]}, **shown}
    flag = decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})
    assert flag.parent_dependencies == Dependencies(flags=(("7", ("on",)),), operator=operator)


@pytest.mark.parametrize("operator", [1, ["any"], {}])
def test_an_operator_of_another_type_is_refused(operator: object) -> None:
    """The error names the place."""
    parents = {"flags": {"7": ["on"]}, "operator": operator}
    with pytest.raises(InvalidResponseError, match="flag/parentDependencies/operator"):
        decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})


@pytest.mark.parametrize("parent", ["", "..", "../x", "a b", "7" * 600])
def test_a_parent_that_no_path_can_name_is_refused(parent: str) -> None:
    """It would be asked for by its id."""
    parents = {"flags": {parent: ["on"]}}
    with pytest.raises(InvalidResponseError, match="the id at flag/parentDependencies/flags cannot be used"):
        decode_flag({"id": 1, "projectId": 7, "key": "a", "parentDependencies": parents})


SEGMENT = TargetSegment(
    name="s",
    conditions=(
        Condition(prop="p", op="is", values=("b", "a"), unlisted=(("x", "1"), ("y", "2"))),
        Condition(prop="c", op="is", values=(), type="cohort", unlisted=(("x", "3"),)),
    ),
    percentage=5,
    rollout_weights=Weights.of({"on": 1}),
    bucketing_key="user_id",
    unlisted=(("z", "4"),),
)
WRITTEN = {
    "name": "s",
    "conditions": [
        {"type": "property", "prop": "p", "op": "is", "values": ["b", "a"]},
        {"type": "cohort", "prop": "c", "op": "is", "values": []},
    ],
    "percentage": 5,
    "bucketingKey": "user_id",
    "rolloutWeights": {"on": 1},
}


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("name", "N", "N"),
        ("enabled", False, False),
        ("rollout_percentage", 2.5, 2.5),
        ("rollout_weights", Weights.of({"b": 1, "a": 0}), {"b": 1, "a": 0}),
        ("deployments", ("2", "1"), ["2", "1"]),
        ("tags", ("t",), ["t"]),
        ("target_segments", (SEGMENT, replace(SEGMENT, bucketing_key=UNSET, conditions=())),
         [WRITTEN, {"name": "s", "conditions": [], "percentage": 5, "rolloutWeights": {"on": 1}}]),
        ("variants",
         (Variant(key="a", name="", description="d", payload=None, users=(), cohorts=("c",), renamed_from="z"),
          Variant(key="b", users=("u",)), Variant(key="c")),
         [{"key": "a", "name": "", "description": "d", "payload": None,
           "inclusions": {"users": [], "cohorts": ["c"]}},
          {"key": "b", "inclusions": {"users": ["u"]}}, {"key": "c"}]),
    ],
)  # fmt: skip
def test_a_field_is_written_as_it_is_read(name: str, value: Any, written: Any) -> None:
    """What is not said is not written."""
    assert encode_field(FIELD[name], value) == written


def test_what_is_lost_of_a_segment_that_is_sent_back() -> None:
    """Each once: types of conditions, then fields of conditions; not those of the segment itself."""
    assert losses_of(SEGMENT) == ("cohort conditions", "x", "y")
    assert losses_of(replace(SEGMENT, conditions=())) == ()


def test_a_request_has_a_path() -> None:
    request = Request(method="GET", segments=("flags", "7"))
    assert (request.path, request.body, request.is_repeatable) == ("/api/1/flags/7", None, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", None),
        ("A-z_0.9~", None),
        ("a" * 512, None),
        ("...", None),
        ("a" * 513, "it has 513 characters, more than 512"),
        ("", "it is empty"),
        ("a" * 511 + "/", 'it is no word of letters, digits, ".", "_", "~" and "-"'),
        (".", 'it is no word of letters, digits, ".", "_", "~" and "-"'),
        ("..", 'it is no word of letters, digits, ".", "_", "~" and "-"'),
    ],
)
def test_what_may_stand_in_a_path(text: str, why: str | None) -> None:
    """What it says of what may not be there quotes nothing of it."""
    assert is_path_segment(text) is (why is None)
    assert why is None or why_no_segment(text) == why
