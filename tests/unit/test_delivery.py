"""What SDKs get of a flag, to the letter."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from builders import a_condition, a_flag, a_live_flag, a_segment, a_variant
from msgspec.structs import replace

from reconciler.delivery import condition_of, deliver, flag_config, is_off_unsaid, pattern_of, variants_of
from reconciler.model.flag import UNSET, Dependencies, FlagSpec, LiveFlag, Weights

NAMED = Weights.of({"a": 1, "b": 3})
VARIANTS = (
    a_variant("a", payload={"x": 1}, users=("u", "v"), cohorts=("c",)),
    a_variant("b", payload={}, cohorts=("d",)),
)
FLAG = a_flag(
    "f",
    enabled=True,
    evaluation_mode="local",
    bucketing_key="gp:team",
    bucketing_salt="s",
    bucketing_unit="User",
    rollout_percentage=50,
    rollout_weights=NAMED,
    variants=VARIANTS,
    target_segments=(a_segment("Beta", percentage=100, bucketing_key="device_id", rollout_weights=NAMED),),
    deployments=("67",),
)
ROWS = 42_949_673
QUARTERS = [
    {"variant": "a", "range": [0, -(-ROWS // 4)]},
    {"variant": "b", "range": [(ROWS - 1) // 4, ROWS]},
]
DEFAULT = {"metadata": {"segmentName": "default"}, "variant": "off"}


def in_user(*path: str) -> list[str]:
    return ["context", "user", *path]


def listed(name: str, values: list[str], op: str = "is") -> list[dict[str, Any]]:
    return [{"selector": in_user(name), "op": op, "values": values}]


def test_a_flag() -> None:
    """Metadata, variants with what they carry, inclusions, segments in their order, and all others."""
    assert flag_config(a_live_flag(FLAG), {}) == {
        "key": "f",
        "metadata": {"deployed": True, "evaluationMode": "local", "flagType": "release"},
        "variants": {
            "a": {"key": "a", "value": "a", "payload": {"x": 1}},
            "b": {"key": "b", "value": "b"},
            "off": {"key": "off", "metadata": {"default": True}},
        },
        "segments": [
            {
                "metadata": {"segmentName": "inclusions a"},
                "conditions": [
                    listed("user_id", ["u", "v"]),
                    listed("device_id", ["u", "v"]),
                    listed("cohort_ids", ["c"], "set contains any"),
                ],
                "variant": "a",
            },
            {
                "metadata": {"segmentName": "inclusions b"},
                "conditions": [listed("cohort_ids", ["d"], "set contains any")],
                "variant": "b",
            },
            {
                "metadata": {"segmentName": "Beta"},
                "conditions": [listed("country", ["US", "CA"])],
                "bucket": {
                    "selector": in_user("device_id"),
                    "salt": "s",
                    "allocations": [{"range": [0, 100], "distributions": QUARTERS}],
                },
                "variant": "off",
            },
            {
                "metadata": {"segmentName": "All Other Users"},
                "bucket": {
                    "selector": in_user("user_properties", "team"),
                    "salt": "s",
                    "allocations": [{"range": [0, 50], "distributions": QUARTERS}],
                },
                "variant": "off",
            },
        ],
    }


@pytest.mark.parametrize(
    ("fields", "local", "mode"),
    [
        ({"enabled": False}, False, "local"),
        ({"enabled": UNSET}, False, "local"),
        ({"archived": True}, False, "local"),
        ({"evaluation_mode": "remote"}, True, "remote"),
        ({"evaluation_mode": UNSET}, True, "remote"),
    ],
)
def test_a_flag_that_gives_nothing(fields: dict[str, Any], local: bool, mode: str) -> None:
    """Off, archived, or of the other mode: one segment, and nothing that it depends on."""
    found = flag_config(a_live_flag(replace(FLAG, **fields)), {"9": "p"}, deployed=False, local=local)
    assert found["segments"] == [DEFAULT]
    assert found["metadata"] == {"deployed": False, "evaluationMode": mode, "flagType": "release"}
    assert "dependencies" not in found


def rest_of(**fields: Any) -> dict[str, Any]:
    """The last segment, without its name."""
    spec = replace(FLAG, target_segments=(), **fields)
    segment: dict[str, Any] = flag_config(a_live_flag(spec), {})["segments"][-1]
    assert segment.pop("metadata") == {"segmentName": "All Other Users"}
    return segment


@pytest.mark.parametrize(
    ("fields", "variant"),
    [
        ({"rollout_percentage": 0}, "off"),
        ({"rollout_percentage": UNSET}, "off"),
        ({"rollout_percentage": 0.9}, "off"),
        ({"rollout_percentage": -5}, "off"),
        ({"variants": (), "rollout_percentage": 100}, "off"),
        ({"rollout_percentage": 100, "rollout_weights": Weights.of({"b": 2})}, "b"),
        ({"rollout_percentage": 170, "rollout_weights": Weights.of({"b": 2})}, "b"),
        ({"rollout_percentage": 100, "variants": UNSET, "rollout_weights": Weights.of({"z": 1})}, "z"),
    ],
)
def test_rules_that_hash_nothing(fields: dict[str, Any], variant: str) -> None:
    assert rest_of(**fields) == {"variant": variant}


@pytest.mark.parametrize(
    ("fields", "part", "expected"),
    [
        ({"rollout_percentage": 99.9}, "range", [0, 99]),
        ({"rollout_percentage": 1}, "range", [0, 1]),
        ({"rollout_percentage": 100, "rollout_weights": NAMED}, "range", [0, 100]),
        ({"rollout_weights": Weights.of({"a": 0.25, "b": 0.75})}, "distributions", QUARTERS),
        ({"rollout_weights": Weights.of({"a": 0, "b": 3})}, "distributions", [{"variant": "b", "range": [0, ROWS]}]),
        ({"rollout_weights": UNSET}, "distributions", [
            {"variant": "a", "range": [0, -(-ROWS // 2)]}, {"variant": "b", "range": [(ROWS - 1) // 2, ROWS]}]),
        ({"bucketing_key": UNSET}, "selector", in_user("amplitude_id")),
        ({"bucketing_key": "user_id", "bucketing_unit": ""}, "selector", in_user("user_id")),
        ({"bucketing_unit": "org id"}, "selector", ["context", "groups", "org id", "group_name"]),
        ({"bucketing_salt": ""}, "salt", ""),
        ({"bucketing_salt": UNSET}, "salt", sha256(b"salt of f").hexdigest()[:8]),
    ],
)  # fmt: skip
def test_what_is_hashed_and_who_gets_what(fields: dict[str, Any], part: str, expected: Any) -> None:
    bucket = rest_of(**fields)["bucket"]
    (allocation,) = bucket["allocations"]
    assert (bucket | allocation)[part] == expected


@pytest.mark.parametrize(
    ("prop", "op", "selector", "said", "values"),
    [
        *(("country", op, in_user("country"), op, ["x/*"]) for op in (
            "is", "is not", "contains", "does not contain", "set is", "set is not", "set contains",
            "set does not contain", "less", "less or equal", "greater", "greater or equal")),
        ("gp:n", "less", in_user("user_properties", "n"), "less", ["x/*"]),
        ("gp:App Version", "less", in_user("user_properties", "App Version"), "version less", ["x/*"]),
        ("version", "is", in_user("version"), "is", ["x/*"]),
        ("country", "glob match", in_user("country"), "regex match", ["^x/[^/]*$"]),
        ("country", "glob does not match", in_user("country"), "regex does not match", ["^x/[^/]*$"]),
        ("country", "matches regex", in_user("user_id"), "is", []),
    ],
)  # fmt: skip
def test_conditions(prop: str, op: str, selector: list[str], said: str, values: list[str]) -> None:
    """One that SDKs do not know is one that no user meets."""
    assert condition_of(a_condition(prop, op, ("x/*",))) == {"selector": selector, "op": said, "values": values}


@pytest.mark.parametrize(
    ("type_", "op", "said"),
    [
        ("cohort", "is", listed("cohort_ids", ["c"], "set contains any")),
        ("cohort", "is not", listed("cohort_ids", ["c"], "set does not contain any")),
        ("cohort", "contains", listed("user_id", [])),
        ("weather", "is", listed("user_id", [])),
    ],
)
def test_conditions_of_other_types(type_: str, op: str, said: list[dict[str, Any]]) -> None:
    assert [condition_of(replace(a_condition("x", op, ("c",)), type=type_))] == said


@pytest.mark.parametrize(
    ("glob", "pattern"),
    [
        ("a*b", "^a[^/]*b$"),
        ("**", r"^[\s\S]*$"),
        ("/a.b/***", r"^/a\.b/[\s\S]*[^/]*$"),
        ("", "^$"),
        ("(x)", r"^\(x\)$"),
    ],
)
def test_patterns(glob: str, pattern: str) -> None:
    assert pattern_of(glob) == pattern


def a_child(operator: str, *parents: tuple[str, tuple[str, ...]], spec: FlagSpec = FLAG) -> LiveFlag:
    return a_live_flag(spec, id="1", parent_dependencies=Dependencies(flags=parents, operator=operator))


def stop(key: str, *allowed: str) -> dict[str, Any]:
    return {"selector": ["result", key, "key"], "op": "is not", "values": [*allowed]}


@pytest.mark.parametrize(
    ("operator", "parents", "conditions"),
    [
        ("ALL", [("8", ("on", "off")), ("9", ("x",))], [[stop("p8", "on", "off")], [stop("p9", "x")]]),
        ("any", [("8", ("on",)), ("9", ("x",))], [[stop("p8", "on"), stop("p9", "x")]]),
        ("all", [("8", ()), ("gone", ("x",))], None),
        ("any", [("8", ("on",)), ("9", ())], None),
        ("any", [("8", ("on",)), ("gone", ("x",))], None),
        ("some", [("8", ("on",))], []),
    ],
)
def test_what_parents_stop(operator: str, parents: list[Any], conditions: list[Any] | None) -> None:
    """A segment before all others; what is not delivered counts as met, and an unknown operator stops all users."""
    found = flag_config(a_child(operator, *parents), {"8": "p8", "9": "p9"})
    assert found["dependencies"] == ["p8", "p9"]
    first: dict[str, Any] = {"metadata": {"segmentName": "flag-dependencies"}, "variant": "off"}
    if conditions is None:
        assert found["segments"][0]["metadata"] == {"segmentName": "inclusions a"}
    else:
        assert found["segments"][0] == (first | {"conditions": conditions} if conditions else first)


def test_which_flags_are_delivered() -> None:
    """Those of the deployment that are not archived, and what these depend on, sorted by key."""
    parent = a_live_flag(replace(FLAG, key="z-parent", deployments=("68",), archived=True), id="9")
    flags = [
        parent,
        a_child("all", ("9", ("a",)), ("gone", ("a",))),
        a_live_flag(replace(FLAG, key="a-other", deployments=()), id="2"),
        a_live_flag(replace(FLAG, key="archived", archived=True), id="3"),
    ]
    found = deliver(flags, deployment="67")
    assert [(item["key"], item["metadata"]["deployed"]) for item in found] == [("f", True), ("z-parent", False)]
    assert found[0]["dependencies"] == ["z-parent"]
    assert [item["key"] for item in deliver(flags)] == ["a-other", "f", "z-parent"]
    assert [item["key"] for item in deliver([replace(flags[2], spec=replace(FLAG, deployments=UNSET))])] == ["f"]
    assert deliver(flags, deployment="69") == []
    assert deliver([a_live_flag(replace(FLAG, deployments=UNSET))], deployment="67") == []
    assert deliver([a_live_flag(FLAG)], local=True) == deliver([a_live_flag(FLAG)])
    remote = a_live_flag(replace(FLAG, evaluation_mode="remote"))
    assert [deliver([remote], local=True)[0]["segments"], deliver([remote])[0]["segments"][1:]] == [
        [DEFAULT],
        deliver([a_live_flag(FLAG)])[0]["segments"][1:],
    ]


def test_flags_that_depend_on_each_other_in_many_ways() -> None:
    """Forty layers of two flags, each on both of the layer before: more ways than could be walked."""
    layers = [[f"{layer}-{place}" for place in range(2)] for layer in range(40)]
    flags = [
        a_live_flag(a_flag(key, enabled=True), id=key, parent_dependencies=Dependencies(
            flags=tuple((parent, ("a",)) for parent in above), operator="all",
        ))
        for above, layer in zip([[], *layers], layers, strict=False)
        for key in layer
    ]  # fmt: skip
    found = {config["key"]: config.get("dependencies") for config in deliver(flags)}
    assert (found["0-0"], found["39-1"]) == (None, ["38-0", "38-1"])


def test_a_dependency_in_a_circle_counts_as_met() -> None:
    """The one that would close it, however many flags are between; others stay."""
    parents = {"a": "b", "b": "c", "c": "a", "d": "b", "e": "e"}
    flags = [
        a_live_flag(a_flag(key, enabled=True), id=key, parent_dependencies=Dependencies(
            flags=((parent, ("x",)),), operator="all",
        ))
        for key, parent in parents.items()
    ]  # fmt: skip
    found = {config["key"]: config.get("dependencies") for config in deliver(flags)}
    assert found == {"a": None, "b": ["c"], "c": ["a"], "d": ["b"], "e": None}


@pytest.mark.parametrize(
    ("fields", "is_unsaid", "keys"),
    [
        ({}, False, ["a", "b"]),
        ({"enabled": UNSET}, True, ["a", "b"]),
        ({"enabled": UNSET, "archived": True}, False, ["a", "b"]),
        ({"enabled": False, "variants": UNSET, "rollout_weights": UNSET}, False, []),
        ({"variants": UNSET, "rollout_weights": UNSET}, True, []),
        ({"variants": UNSET}, False, ["a", "b"]),
        ({"variants": UNSET, "rollout_weights": Weights.of({"z": 1})}, False, ["z"]),
        ({"variants": ()}, False, []),
    ],
)
def test_what_is_off_because_it_is_not_said(fields: dict[str, Any], is_unsaid: bool, keys: list[str]) -> None:
    """Whether the flag is on, or which variants there are; weights name variants too."""
    spec = replace(FLAG, **fields)
    assert (is_off_unsaid(spec), [variant.key for variant in variants_of(spec)]) == (is_unsaid, keys)


def test_a_variant_that_lists_nobody_has_no_inclusions() -> None:
    """Ids alone or cohorts alone are enough; a payload that is not shown is none."""
    variants = (a_variant("a", users=("u",)), a_variant("b", cohorts=("c",)), a_variant("c", users=(), cohorts=()))
    found = flag_config(a_live_flag(replace(FLAG, variants=(*variants, a_variant("d")), target_segments=())), {})
    names = [segment["metadata"]["segmentName"] for segment in found["segments"]]
    assert names == ["inclusions a", "inclusions b", "All Other Users"]
    assert found["variants"]["d"] == {"key": "d", "value": "d"}
