"""One flag's plan as a whole: the flag that it ends in."""

from __future__ import annotations

import pytest
from builders import (
    a_config,
    a_desired_flag,
    a_desired_state,
    a_flag,
    a_full_flag,
    a_full_variant,
    a_live_flag,
    a_live_state,
    a_segment,
)
from msgspec.structs import replace

from reconciler.errors import UsageError
from reconciler.model import Variant
from reconciler.planning.effects import apply_operations
from reconciler.planning.operations import AddUsers, ClearUsers, EditFlag
from reconciler.planning.plan import LeafChange, PlanOptions, ValueChange
from reconciler.planning.planner import Planner, build_plan
from reconciler.planning.shield import shielded_segments
from reconciler.wire import encode_segments


def test_a_list_that_is_cleared_ends_with_those_who_are_added() -> None:
    """The state after the plan is that after its calls in their order: cleared first, then added to."""
    listed = a_full_variant("treatment", users=("a", "a", "b"))
    live = a_live_flag(replace(a_full_flag(), variants=(a_full_variant("control"), listed)))
    declared = a_flag(variants=(Variant(key="control"), Variant(key="treatment", users=("c",))))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    assert plan.after is not None
    assert [type(operation) for operation in plan.operations] == [ClearUsers, AddUsers]
    assert [variant.users for variant in plan.after.variants or ()] == [(), ("c",)]
    assert plan.after == apply_operations(live.spec, plan.operations)


def test_a_shield_that_was_left_is_taken_away() -> None:
    """Also by a declaration that says nothing about segments: those that are not the shield stay."""
    before = a_full_flag(target_segments=(a_segment(),))
    live = a_live_flag(replace(before, target_segments=shielded_segments(before)))
    planner = Planner(config=a_config(), options=PlanOptions())

    plan = planner.plan_flag(a_desired_flag(a_flag(rollout_percentage=10)), live)

    assert plan is not None
    body = {"targetSegments": encode_segments((a_segment(),))}
    assert plan.operations == (EditFlag(flag_key="new-checkout", body=body),)
    assert plan.after is not None
    assert planner.plan_flag(a_desired_flag(a_flag()), replace(live, spec=plan.after)) is None


def test_pruning_needs_a_tag_to_go_by() -> None:
    """Without `managedTag` nobody can say which flags are ours: that is wrong usage, not an empty prune."""
    with pytest.raises(UsageError, match="managedTag"):
        build_plan(a_desired_state(), a_live_state(a_full_flag()), a_config(), PlanOptions(prune=True))


def test_a_payload_is_described_whatever_its_keys_are() -> None:
    """Keys that look private in Python are keys like any other."""
    live = a_live_flag(a_full_flag(variants=(a_full_variant("a", payload={"__x": {"y": 1}}),)))
    declared = a_flag(variants=(Variant(key="a", payload={"__x": {"y": 2}}),))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    (change,) = plan.changes
    assert isinstance(change, ValueChange)
    assert change.details == (LeafChange(path="/__x/y", before=1, after=2),)
