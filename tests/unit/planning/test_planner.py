"""One flag's plan as a whole: the flag that it ends in."""

from __future__ import annotations

from builders import a_config, a_desired_flag, a_flag, a_full_flag, a_full_variant, a_live_flag
from msgspec.structs import replace

from reconciler.model import Variant
from reconciler.planning.effects import apply_operations
from reconciler.planning.operations import AddUsers, ClearUsers
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import Planner


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
