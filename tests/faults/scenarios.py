"""Forty things that a run may have to do, each a live project, a declaration, and what is allowed.

Together they send every kind of operation, alone and in the company that decides its place in the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from emulators import a_live_flag
from msgspec import structs
from worlds import UNGUARDED

from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Variant, Weights

if TYPE_CHECKING:
    from reconciler.planning.plan import PlanOptions


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is live, what is declared, and how the plan is made. A flag that is not declared is always beside it."""

    name: str
    live: tuple[dict[str, Any], ...] = ()
    specs: tuple[FlagSpec, ...] = ()
    options: PlanOptions = UNGUARDED
    config: dict[str, Any] = field(default_factory=dict)


FOREIGN = {**a_live_flag("foreign"), "description": "another's", "tags": ["theirs"]}
MANAGED = "managed-by:reconciler"


def users(count: int, start: int = 0) -> list[str]:
    return [f"user-{number:04}" for number in range(start, start + count)]


def live_variants(**inclusions: list[str]) -> list[dict[str, Any]]:
    """The two variants of the live flag, with users."""
    return [{"key": key, "name": key.title(), "users": inclusions.get(key, [])} for key in ("control", "treatment")]


def segment(name: str = "Beta", percentage: int = 100, **weights: int) -> TargetSegment:
    return TargetSegment(
        name=name,
        conditions=(Condition(prop="country", op="is", values=(name,)),),
        percentage=percentage,
        rollout_weights=Weights.of(weights or {"treatment": 1}),
    )


def live_segment(name: str = "Beta", percentage: int = 100, **weights: int) -> dict[str, Any]:
    condition = {"type": "property", "prop": "country", "op": "is", "values": [name]}
    return {
        "name": name,
        "conditions": [condition],
        "percentage": percentage,
        "rolloutWeights": weights or {"treatment": 1},
    }


def both(control: tuple[str, ...] | None = None, treatment: tuple[str, ...] | None = None) -> tuple[Variant, ...]:
    """The two variants declared, users where they are said."""
    said = {"control": control, "treatment": treatment}
    return tuple(Variant(key=key) if ids is None else Variant(key=key, users=ids) for key, ids in said.items())


def everything(key: str) -> FlagSpec:
    """A new flag of which all is said."""
    return FlagSpec(
        key=key,
        name="Everything",
        description="All of it",
        enabled=True,
        evaluation_mode="local",
        bucketing_key="user_id",
        bucketing_salt="salty",
        rollout_percentage=40,
        rollout_weights=Weights.of({"control": 1, "treatment": 3}),
        variants=(
            Variant(key="control", name="Control", payload={"a": 1}, users=("ada", "grace"), cohorts=("c1",)),
            Variant(key="treatment", description="New", payload=[1, 2], users=("alan",)),
        ),
        target_segments=(segment("Beta", 50), segment("Gamma", 100, control=1, treatment=1)),
        deployments=("67", "68"),
        tags=("x",),
    )


def _existing(name: str, spec: dict[str, Any], **live: Any) -> Scenario:
    return Scenario(name=name, live=(a_live_flag("a", **live),), specs=(FlagSpec(key="a", **spec),))


def _creates() -> list[Scenario]:
    bare = FlagSpec(key="new", variants=(Variant(key="on"),))
    return [
        Scenario(name="create-bare", specs=(bare,)),
        Scenario(name="create-everything", specs=(everything("new"),)),
        Scenario(name="create-enabled", specs=(structs.replace(bare, enabled=True, rollout_percentage=10),)),
        Scenario(
            name="create-with-users", specs=(structs.replace(bare, variants=(Variant(key="on", users=("ada",)),)),)
        ),
        Scenario(name="create-two", specs=(bare, structs.replace(bare, key="newer", tags=("x",)))),
        Scenario(name="create-with-managed-tag", specs=(bare,), config={"managed_tag": MANAGED}),
    ]


def _weights() -> list[Scenario]:
    three = [{"key": key} for key in "abc"]
    return [
        _existing("weights-two", {"rollout_weights": Weights.of({"control": 1, "treatment": 9})}),
        _existing(
            "weights-three",
            {"rollout_weights": Weights.of({"a": 20, "b": 30, "c": 50})},
            variants=three,
            rolloutWeights={"a": 50, "b": 30, "c": 20},
        ),
        _existing("weights-to-one", {"rollout_weights": Weights.of({"control": 0, "treatment": 1})}),
        replace(
            _existing(
                "weights-behind-a-shield",
                {"rollout_weights": Weights.of({"a": 10, "b": 20, "c": 70}), "description": "shielded"},
                variants=three,
                rolloutWeights={"a": 70, "b": 20, "c": 10},
            ),
            options=structs.replace(UNGUARDED, shield=True),
        ),
        _existing("rollout-up", {"rollout_percentage": 80}, rolloutPercentage=20),
        _existing("rollout-down-and-weights", {
            "rollout_percentage": 20, "rollout_weights": Weights.of({"control": 1, "treatment": 3}),
        }),
    ]  # fmt: skip


def _variants() -> list[Scenario]:
    renamed = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    weights = Weights.of({"control": 1, "new": 2})
    third = (*both(), Variant(key="third", payload={"x": 1}))
    only = (Variant(key="treatment"),)
    segments = [live_segment(treatment=1)]
    return [
        _existing("rename", {"variants": renamed}),
        _existing("rename-and-weigh", {"variants": renamed, "rollout_weights": weights}),
        _existing("rename-with-users", {
            "variants": (Variant(key="control"), Variant(key="new", renamed_from="treatment", users=("x", "y"))),
        }, variants=live_variants(treatment=["x"])),
        _existing("rename-in-a-segment", {"variants": renamed, "target_segments": (segment("Beta", new=1),)},
                  targetSegments=segments),
        _existing("new-variant", {"variants": third,
                                  "rollout_weights": Weights.of({"control": 1, "treatment": 1, "third": 1})}),
        _existing("new-variant-in-a-segment", {
            "variants": third, "target_segments": (segment("Beta", third=1),),
        }, targetSegments=segments),
        _existing("removed-variant", {"variants": only, "rollout_weights": Weights.of({"treatment": 1})},
                  variants=live_variants(control=["x"])),
        _existing("removed-variant-of-a-segment", {
            "variants": only, "rollout_weights": Weights.of({"treatment": 1}), "target_segments": (segment(),),
        }, targetSegments=[live_segment(control=1, treatment=1)]),
        _existing("variant-fields", {"name": "Other", "variants": (
            Variant(key="control", name="C", payload={"__x": [1, {"y": None}]}),
            Variant(key="treatment", description="T"),
        )}),
        _existing("variants-exchanged", {
            "variants": (Variant(key="control"), Variant(key="other")),
            "rollout_weights": Weights.of({"control": 1, "other": 1}),
        }),
    ]  # fmt: skip


def _segments() -> list[Scenario]:
    two = [live_segment("Beta"), live_segment("Gamma", control=1)]
    return [
        _existing("segment-new", {"target_segments": (segment("Beta", 30),)}),
        _existing("segments-reordered", {"target_segments": (segment("Gamma", control=1), segment("Beta"))},
                  targetSegments=two),
        _existing("segments-emptied", {"target_segments": ()}, targetSegments=two),
        _existing("disable-with-new-variant-in-a-segment", {
            "enabled": False,
            "variants": (*both(), Variant(key="third")),
            "target_segments": (segment("Beta", third=1),),
        }),
        _existing("enable-while-removing-a-variant", {
            "enabled": True, "variants": (Variant(key="treatment"),),
            "rollout_weights": Weights.of({"treatment": 1}), "target_segments": (segment("Beta"),),
        }, enabled=False, targetSegments=[live_segment(control=1)]),
    ]  # fmt: skip


def _inclusions() -> list[Scenario]:
    many, wanted = users(250), tuple(users(3))
    full = users(2000)
    cohorts = [{"key": "control", "cohorts": ["c1", "c2"]}, {"key": "treatment"}]
    copied = live_variants(control=["x", "y", "x", "z", "x"])
    return [
        _existing("users-added", {"variants": both(("x", "y", "z"))}, variants=live_variants(control=["x"])),
        _existing("users-removed", {"variants": both(wanted)}, variants=live_variants(control=many)),
        _existing("users-cleared", {"variants": both(())}, variants=live_variants(control=many)),
        _existing("users-replaced", {"variants": both(("p", "q"))}, variants=live_variants(control=many)),
        _existing("users-moved", {"variants": both(("x",), ("y", "z"))},
                  variants=live_variants(control=["x", "y"], treatment=["z"])),
        _existing("users-at-the-limit", {"variants": both((*full[1:], "late"))},
                  variants=live_variants(control=full)),
        _existing("copies", {"variants": both(("x", "y", "z"))}, variants=copied),
        _existing("copies-and-others", {"variants": both(("x", "w"))}, variants=copied),
        _existing("cohorts", {"variants": (Variant(key="control", cohorts=("c2", "c3")), Variant(key="treatment"))},
                  variants=cohorts),
    ]  # fmt: skip


def _rest() -> list[Scenario]:
    grown = tuple(FlagSpec(key=f"flag-{number}", rollout_percentage=60) for number in range(4))
    return [
        _existing("deployments", {"deployments": ("67", "69")}, deployments=["68", "67"]),
        _existing("archive", {"archived": True}),
        _existing("unarchive", {"archived": False, "rollout_percentage": 10}, archived=True, enabled=False),
        Scenario(
            name="prune",
            live=(a_live_flag("gone", tags=[MANAGED]), a_live_flag("a", tags=[MANAGED])),
            specs=(FlagSpec(key="a", description="kept"),),
            options=structs.replace(UNGUARDED, prune=True),
            config={"managed_tag": MANAGED},
        ),
        _existing("rebucket", {"bucketing_salt": "other", "bucketing_key": "user_id", "tags": ("x",)}),
        Scenario(
            name="several",
            live=tuple(a_live_flag(spec.key, rolloutPercentage=50) for spec in grown),
            specs=(*grown, FlagSpec(key="new", variants=(Variant(key="on"),), enabled=True)),
        ),
        _everything_at_once(),
    ]


def _everything_at_once() -> Scenario:
    variants = (
        Variant(key="control", users=("x", "w"), cohorts=("c9",)),
        Variant(key="new", renamed_from="treatment", payload={"v": 2}),
        Variant(key="third", users=("t",)),
    )
    spec = FlagSpec(
        key="a",
        enabled=True,
        rollout_percentage=70,
        rollout_weights=Weights.of({"control": 2, "new": 1, "third": 1}),
        variants=variants,
        target_segments=(segment("Beta", 80, new=1, third=1),),
        deployments=("69",),
        tags=("x", "y"),
    )
    live = a_live_flag(
        "a",
        variants=[*live_variants(control=["x", "y"], treatment=["u"]), {"key": "old", "users": ["o"]}],
        rolloutWeights={"control": 1, "treatment": 1, "old": 1},
        targetSegments=[live_segment("Beta", 50, treatment=1)],
        deployments=["67"],
    )
    return Scenario(name="everything-at-once", live=(live,), specs=(spec,))


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for group in (_creates, _weights, _variants, _segments, _inclusions, _rest)
    for scenario in group()
}
