"""planning.md's table of calls, row by row, with the exact requests."""

from __future__ import annotations

import pytest
from builders import a_config

from reconciler.diagnostics import SourcePosition
from reconciler.model.flag import DesiredFlag, FlagSpec, LiveFlag, TargetSegment, Variant, Weights
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import Planner

SHOWN = {"name": "", "description": "", "payload": None, "users": (), "cohorts": ()}
A, B, C = Variant(key="a", **SHOWN), Variant(key="b", **SHOWN), Variant(key="c")
EVEN = Weights.of({"a": 1, "b": 1})


def live(**fields: object) -> LiveFlag:
    """A live flag of two variants, enabled at 50 %."""
    known = {
        "enabled": True,
        "archived": False,
        "rollout_percentage": 50,
        "rollout_weights": EVEN,
        "variants": (A, B),
        "target_segments": (),
        "deployments": ("1",),
        "tags": ("x",),
        "name": "F",
        "description": "",
        "bucketing_key": "user_id",
        "bucketing_salt": "s",
        "bucketing_unit": "User",
        "evaluation_mode": "remote",
    }
    return LiveFlag(id="9", project_id="7", spec=FlagSpec(key="f", **known | fields))


def calls(desired: dict[str, object], flag: LiveFlag | None) -> list[tuple[str, str, object]]:
    """Method, path below the flag, and body of every planned call, in order."""
    position = SourcePosition(file="f.yaml", line=1, column=1)
    declared = DesiredFlag(spec=FlagSpec(key="f", **desired), source=position)
    planner = Planner(config=a_config(), options=PlanOptions(unarchive=True))
    plan = planner.plan_flag(declared, flag)
    if plan is None:
        return []
    requests = [operation.request("9" if flag else "{id}") for operation in plan.operations]
    return [(item.method, item.path.removeprefix("/api/1/flags").removeprefix("/9"), item.body) for item in requests]


def users(*ids: str) -> dict[str, object]:
    return {"variants": (Variant(key="a", users=ids), Variant(key="b"))}


def with_users(*ids: str) -> LiveFlag:
    return live(variants=(Variant(key="a", users=ids), B))


def numbered(count: int, start: int = 0) -> tuple[str, ...]:
    return tuple(f"u{index:04}" for index in range(start, start + count))


SEGMENT = TargetSegment(name="S", conditions=(), percentage=100, rollout_weights=Weights.of({"a": 1}))
SEGMENT_BODY = {"name": "S", "conditions": [], "percentage": 100, "rolloutWeights": {"a": 1}}

ROWS = {
    "fields that a PATCH carries go in one PATCH with only what differs": (
        {
            "name": "G",
            "description": "",
            "rollout_percentage": 60,
            "tags": ("y", "x"),
            "target_segments": (SEGMENT,),
            "enabled": True,
        },
        live(),
        [
            (
                "PATCH",
                "",
                {"name": "G", "rolloutPercentage": 60, "tags": ["y", "x"], "targetSegments": [SEGMENT_BODY]},
            )
        ],
    ),
    "every PATCH-able field": (
        {
            "bucketing_key": "device_id",
            "bucketing_salt": "t",
            "bucketing_unit": "org",
            "evaluation_mode": "local",
            "description": "d",
        },
        live(),
        [
            (
                "PATCH",
                "",
                {
                    "description": "d",
                    "bucketingKey": "device_id",
                    "bucketingSalt": "t",
                    "bucketingUnit": "org",
                    "evaluationMode": "local",
                },
            )
        ],
    ),
    "equal ratios plan nothing": ({"rollout_weights": Weights.of({"a": 50, "b": 50})}, live(), []),
    "sets in another order plan nothing": ({"tags": ("z", "x")}, live(tags=("x", "z")), []),
    "a new flag is one POST when a new flag is all that is declared": (
        {"variants": (Variant(key="a"),), "enabled": False, "rollout_percentage": 0, "tags": (), "archived": False},
        None,
        [("POST", "", {"projectId": "7", "key": "f", "variants": [{"key": "a"}]})],
    ),
    "a new flag takes POST, inclusions, and last the PATCH that enables": (
        {
            "name": "F",
            "variants": (Variant(key="a", payload={"x": 1}, users=("u",), cohorts=("c",)), Variant(key="b")),
            "rollout_weights": EVEN,
            "deployments": ("1",),
            "enabled": True,
            "rollout_percentage": 5,
            "tags": ("t",),
            "bucketing_salt": "s",
        },
        None,
        [
            (
                "POST",
                "",
                {
                    "projectId": "7",
                    "key": "f",
                    "name": "F",
                    "rolloutWeights": {"a": 1, "b": 1},
                    "deployments": ["1"],
                    "variants": [{"key": "a", "payload": {"x": 1}}, {"key": "b"}],
                },
            ),
            ("POST", "/{id}/variants/a/users", {"inclusions": ["u"]}),
            ("POST", "/{id}/variants/a/cohorts", {"inclusions": ["c"]}),
            ("PATCH", "/{id}", {"bucketingSalt": "s", "rolloutPercentage": 5, "enabled": True, "tags": ["t"]}),
        ],
    ),
    "a new variant is one POST with weight and all fields, then its inclusions": (
        {
            "variants": (A, B, Variant(key="c", name="C", payload=1, users=("u",))),
            "rollout_weights": Weights.of({"a": 1, "b": 1, "c": 0}),
        },
        live(),
        [
            ("POST", "/variants", {"key": "c", "name": "C", "payload": 1, "rolloutWeight": 0}),
            ("POST", "/variants/c/users", {"inclusions": ["u"]}),
        ],
    ),
    "variant fields and weight share one PATCH": (
        {
            "variants": (Variant(key="a", name="A", description="d"), B),
            "rollout_weights": Weights.of({"a": 3, "b": 1}),
        },
        live(),
        [("PATCH", "/variants/a", {"name": "A", "description": "d", "rolloutWeight": 3})],
    ),
    "weights need no declared variants": (
        {"rollout_weights": Weights.of({"a": 1, "b": 3})},
        live(),
        [("PATCH", "/variants/b", {"rolloutWeight": 3})],
    ),
    "only the zero is sent where it alone spoils the ratio": (
        {"rollout_weights": Weights.of({"a": 100, "b": 0})},
        live(rollout_weights=Weights.of({"a": 50, "b": 50})),
        [("PATCH", "/variants/b", {"rolloutWeight": 0})],
    ),
    "a rename is the key in that variant's PATCH": (
        {"variants": (A, Variant(key="c", renamed_from="b"))},
        live(),
        [("PATCH", "/variants/b", {"key": "c"})],
    ),
    "a rename that was made is not made again": (
        {"variants": (A, Variant(key="b", renamed_from="z"))},
        live(),
        [],
    ),
    "a removed variant is one DELETE, its inclusions need no calls": (
        {"variants": (Variant(key="a"),)},
        live(variants=(A, Variant(key="b", users=("u",), cohorts=("c",)))),
        [("DELETE", "/variants/b", None)],
    ),
    "users added are one POST": (
        users("u1", "u2", "u3"),
        with_users("u2"),
        [("POST", "/variants/a/users", {"inclusions": ["u1", "u3"]})],
    ),
    "users removed are one bulk removal up to 100": (
        users("keep"),
        with_users("keep", *numbered(100)),
        [("DELETE", "/variants/a/bulk-delete-users", {"users": list(numbered(100))})],
    ),
    "and one more for each further 100": (
        users("keep"),
        with_users("keep", *numbered(101)),
        [
            ("DELETE", "/variants/a/bulk-delete-users", {"users": list(numbered(100))}),
            ("DELETE", "/variants/a/bulk-delete-users", {"users": ["u0100"]}),
        ],
    ),
    "an emptied list is one clear": (users(), with_users("u1", "u2"), [("DELETE", "/variants/a/users", None)]),
    "no live user of more than 100 stays: one clear, then the new ones": (
        users("new"),
        with_users(*numbered(101)),
        [
            ("DELETE", "/variants/a/users", None),
            ("POST", "/variants/a/users", {"inclusions": ["new"]}),
        ],
    ),
    "all of few users replaced: the new ones come before the old ones go": (
        users("new"),
        with_users("old"),
        [
            ("POST", "/variants/a/users", {"inclusions": ["new"]}),
            ("DELETE", "/variants/a/bulk-delete-users", {"users": ["old"]}),
        ],
    ),
    "a surplus copy is one removal by index, highest index first": (
        users("u1", "u2"),
        with_users("u1", "u2", "u1", "u2"),
        [("DELETE", "/variants/a/users/3", None), ("DELETE", "/variants/a/users/2", None)],
    ),
    "at the limit removals come before additions": (
        users(*numbered(2000)),
        with_users(*numbered(2000, start=50)),
        [
            ("DELETE", "/variants/a/bulk-delete-users", {"users": list(numbered(50, start=2000))}),
            ("POST", "/variants/a/users", {"inclusions": list(numbered(50))}),
        ],
    ),
    "cohorts: one POST, one bulk removal whose key is users": (
        {"variants": (Variant(key="a", cohorts=("c2",)), Variant(key="b"))},
        live(variants=(Variant(key="a", cohorts=("c1",)), B)),
        [
            ("POST", "/variants/a/cohorts", {"inclusions": ["c2"]}),
            ("DELETE", "/variants/a/bulk-delete-cohorts", {"users": ["c1"]}),
        ],
    ),
    "deployments: one POST for all new ones, one DELETE each": (
        {"deployments": ("3", "2")},
        live(deployments=("1", "4")),
        [
            ("POST", "/deployments", {"deployments": ["2", "3"]}),
            ("DELETE", "/deployments/1", None),
            ("DELETE", "/deployments/4", None),
        ],
    ),
    "archiving is in the PATCH": (
        {"archived": True, "name": "G"},
        live(),
        [("PATCH", "", {"name": "G", "archive": True})],
    ),
    "unarchiving is in the PATCH": ({"archived": False}, live(archived=True), [("PATCH", "", {"archive": False})]),
    "what is not declared is never sent": ({}, live(), []),
}


@pytest.mark.parametrize("row", ROWS)
def test_table_of_calls(row: str) -> None:
    """Each change takes exactly the calls of its row."""
    desired, flag, expected = ROWS[row]
    assert calls(desired, flag) == expected


def test_payload_numbers_by_value() -> None:
    """1 and 1.0 are one payload, true and 1 are two."""
    shown = live(variants=(Variant(key="a", payload={"n": 1.0, "t": 1}), B))
    assert calls({"variants": (Variant(key="a", payload={"n": 1, "t": 1}), B)}, shown) == []
    patch = calls({"variants": (Variant(key="a", payload={"n": 1, "t": True}), B)}, shown)
    assert patch == [("PATCH", "/variants/a", {"payload": {"n": 1, "t": True}})]
