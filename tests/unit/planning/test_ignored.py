"""A declaration with live values at ignored places: payloads, variants, weights, segments, members; to the value."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_condition, a_flag, a_segment, a_variant

from reconciler.model.config import NOTHING, Ignored
from reconciler.model.flag import UNSET, Weights
from reconciler.planning.ignored import keep_ignored, kept_segments
from reconciler.strict_json import split_pointer


def ignoring(*pointers: str) -> Ignored:
    """These places are left to others."""
    return Ignored(tuple(map(split_pointer, pointers)))


@pytest.mark.parametrize(
    ("wanted", "live", "paths", "made"),
    [
        (
            {"a": 1, "in": {"x": 1}},
            {"a": 9, "in": {"x": 5, "y": {"z": 1, "w": 2}}, "by": "ops", "no": 1},
            ["/by", "/in/y/z"],
            {"a": 1, "in": {"x": 1, "y": {"z": 1}}, "by": "ops"},
        ),
        (None, {"x": 1, "y": 2}, ["/x"], {"x": 1}),
        (None, {"y": 2}, ["/x"], None),
        ({}, {"y": 2}, ["/x"], {}),
        ({}, {"in": 5, "other": {"x": 1}}, ["/in/y", "/other/y"], {}),
        ([1], {"x": 1}, ["/x"], [1]),
        ({"a": 1}, [1], ["/x"], {"a": 1}),
        ({"in": {"x": 1}}, {"in": 3}, ["/in/y"], {"in": {"x": 1}}),
        ({"in": 5}, {"in": {"y": 2}}, ["/in/y"], {"in": 5}),
        ({"in": {"x": 1}}, {"in": {"x": 2, "y": 2}, "z": {"y": 3}}, ["/*/y"],
         {"in": {"x": 1, "y": 2}, "z": {"y": 3}}),
    ],
)  # fmt: skip
def test_members_of_payloads(wanted: Any, live: Any, paths: list[str], made: Any) -> None:
    """Objects are merged as deep as a path goes; what is no object on either side stays as declared."""
    found = keep_ignored(
        a_flag(variants=(a_variant("on", payload=wanted),)),
        a_flag(variants=(a_variant("on", payload=live),)),
        ignoring(*(f"/variants/on/payload{path}" for path in paths)),
    )
    assert found == a_flag(variants=(a_variant("on", payload=made),))


WANTED = a_variant("on", name="On", description="d", payload=1, users=("a",), cohorts=("c",))
LIVE = a_variant("on", name="Live", description="l", payload=2, users=("b", "a", "x"), cohorts=("e",))


@pytest.mark.parametrize(
    ("paths", "fields"),
    [
        (["/name"], {"name": UNSET}),
        (["/description"], {"description": UNSET}),
        (["/payload"], {"payload": UNSET}),
        (["/inclusions"], {"users": UNSET, "cohorts": UNSET}),
        (["/inclusions/users"], {"users": UNSET}),
        (["/inclusions/cohorts"], {"cohorts": UNSET}),
        (["/inclusions/users/x"], {"users": ("a", "x")}),
        (["/inclusions/users/*"], {"users": ("a", "b", "x")}),
        (["/inclusions/cohorts/e", "/inclusions/users/none"], {"cohorts": ("c", "e")}),
    ],
)
def test_fields_of_variants(paths: list[str], fields: dict[str, Any]) -> None:
    """What is ignored as a whole is not managed; members that others keep come behind the declared ones."""
    ignored = ignoring(*(f"/variants/on{path}" for path in paths))
    assert keep_ignored(a_flag(variants=(WANTED,)), a_flag(variants=(LIVE,)), ignored) == a_flag(
        variants=(a_variant(**{"key": "on", "name": "On", "description": "d", "payload": 1, "users": ("a",),
                               "cohorts": ("c",)} | fields),)
    )  # fmt: skip


def test_members_that_one_side_does_not_show() -> None:
    """Stay as they are declared, or undeclared."""
    ignored = ignoring("/variants/on/inclusions/users/x", "/variants/on/payload/y")
    for wanted, live in ((WANTED, a_variant("on")), (a_variant("on"), LIVE)):
        assert keep_ignored(a_flag(variants=(wanted,)), a_flag(variants=(live,)), ignored).variants == (wanted,)
    new = a_flag(variants=(WANTED,))
    assert keep_ignored(new, a_flag(variants=()), ignored) == new


def test_variants_that_stay() -> None:
    """Each behind the one that it follows live, or in front, and nothing of it is managed; others go."""
    live = a_flag(variants=tuple(a_variant(key, name=key) for key in ("x", "control", "y", "z", "treatment", "gone")))
    wanted = a_flag(variants=(a_variant("treatment"), a_variant("control", name="C")))
    kept = keep_ignored(wanted, live, ignoring("/variants/x", "/variants/y", "/variants/z"))
    assert kept.variants == (
        a_variant("x"), a_variant("treatment"), a_variant("control", name="C"), a_variant("y"), a_variant("z"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "made"),
    [
        (["/rolloutWeights/theirs"], {"on": 1, "theirs": 3}),
        (["/variants/theirs"], {"on": 1, "theirs": 3}),
        (["/rolloutWeights/on"], {"on": 1}),
        (["/variants/theirs/name"], {"on": 1}),
        (["/rolloutWeights/new"], {"on": 1, "new": 5}),
        (["/rolloutWeights/old"], {"on": 1}),
        (["/rolloutWeights/*"], {"on": 1, "theirs": 3, "new": 5}),
    ],
)
def test_weights_that_stay(paths: list[str], made: dict[str, int]) -> None:
    """Those of ignored variants and ignored numbers, under new names; declared ones are as declared."""
    live = a_flag(
        rollout_weights=Weights.of({"on": 2, "theirs": 3, "old": 5}),
        variants=(a_variant("on"), a_variant("theirs"), a_variant("old")),
    )
    wanted = a_flag(
        rollout_weights=Weights.of({"on": 1}), variants=(a_variant("on"), a_variant("new", renamed_from="old"))
    )
    found = keep_ignored(wanted, live, ignoring(*paths)).rollout_weights
    assert found == Weights.of(made)


SEGMENT = a_segment("mine", percentage=10, rollout_weights=Weights.of({"on": 1}), bucketing_key="user_id")
THEIRS = a_segment(
    "mine", percentage=70, rollout_weights=Weights.of({"on": 5, "off-color": 2, "x": 3}), bucketing_key="device_id",
    conditions=(a_condition("plan"),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/percentage", {"percentage": 70}),
        ("/conditions", {"conditions": (a_condition("plan"),)}),
        ("/bucketingKey", {"bucketing_key": "device_id"}),
        ("/rolloutWeights", {"rollout_weights": Weights.of({"on": 5, "off-color": 2, "x": 3})}),
        ("/rolloutWeights/x", {"rollout_weights": Weights.of({"x": 3, "on": 1})}),
        ("/rolloutWeights/on", {"rollout_weights": Weights.of({"on": 1})}),
    ],
)
def test_fields_of_segments(path: str, fields: dict[str, Any]) -> None:
    """Live where they are ignored, and declared beside that; a new segment is as declared."""
    defaults = {"percentage": 10, "rollout_weights": Weights.of({"on": 1}), "bucketing_key": "user_id"}
    wanted, ignored = a_flag(target_segments=(SEGMENT,)), ignoring(f"/targetSegments/mine{path}")
    found = keep_ignored(wanted, a_flag(target_segments=(THEIRS,)), ignored)
    assert found == a_flag(target_segments=(a_segment("mine", **defaults | fields),))
    assert keep_ignored(wanted, a_flag(target_segments=()), ignored) == wanted


def test_segments_that_stay() -> None:
    """Each behind the one that it follows live; one that the file declares is no longer theirs."""
    first, second, mine = (a_segment(name, percentage=1) for name in ("first", "second", "mine"))
    new = a_segment("new", conditions=(a_condition("plan"),))
    live, ignored = (
        a_flag(target_segments=(first, mine, second)),
        ignoring("/targetSegments/first", "/targetSegments/second"),
    )
    changed = a_segment("mine", percentage=9)
    wanted = a_flag(target_segments=(new, changed))
    assert keep_ignored(wanted, live, ignored).target_segments == (first, new, changed, second)
    renamed = a_segment("renamed", conditions=(a_condition("plan"),))
    old = a_flag(target_segments=(a_segment("old", conditions=(a_condition("plan"),), percentage=7), first))
    assert keep_ignored(a_flag(target_segments=(renamed,)), old, ignored).target_segments == (renamed, first)
    assert keep_ignored(a_flag(target_segments=(renamed,)), old, ignoring("/targetSegments/*/percentage")) == a_flag(
        target_segments=(renamed,)
    )
    declared = a_flag(target_segments=(a_segment("second", percentage=9), changed))
    assert keep_ignored(declared, live, ignored).target_segments == (first, second, changed)
    assert kept_segments(wanted, live, ignored) == (first, second)
    assert kept_segments(a_flag(target_segments=(second,)), live, ignored) == (first,)
    assert kept_segments(a_flag(), live, ignored) == ()
    assert kept_segments(wanted, a_flag(), ignored) == ()
    assert kept_segments(wanted, live, NOTHING) == ()


def test_fields_of_flags() -> None:
    """Undeclared ones stay so, whole ones are not managed, members stay; what is not shown live is as declared."""
    wanted = a_flag(description="d", tags=("mine",), deployments=("67",), enabled=True)
    live = a_flag(description="x", tags=("ops", "mine", "x"), deployments=("68",), name="live")
    ignored = ignoring("/description", "/tags/ops", "/deployments", "/name")
    assert keep_ignored(wanted, live, ignored) == a_flag(tags=("mine", "ops"), enabled=True)
    assert keep_ignored(wanted, a_flag(), ignoring("/tags/ops")) == wanted
    assert keep_ignored(wanted, live, NOTHING) is wanted
