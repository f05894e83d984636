"""Which flags of a plan come before which, and of which nothing may be sent where those fail."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_config, a_desired_state, a_flag, a_full_flag, a_live_flag, a_live_state, a_variant

from reconciler.model.flag import Dependencies, Weights
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import build_plan
from reconciler.planning.precedence import earlier_flags

WITHOUT = {"variants": (a_variant("control"),)}
RENAMED = {"variants": (a_variant("control"), a_variant("new", renamed_from="treatment"))}
OFF, ON = {"enabled": False}, {"enabled": True}
GONE, BACK = {"archived": True}, {"archived": False}
NEEDED, MERELY_FIRST = {"parent": {"child": True}}, {"parent": {"child": False}}


@pytest.mark.parametrize(
    ("live", "parent", "child", "options", "earlier"),
    [
        ({}, OFF, OFF, {}, NEEDED),
        ({}, GONE, OFF, {}, NEEDED),
        ({}, OFF, GONE, {}, NEEDED),
        ({}, WITHOUT, GONE, {}, NEEDED),
        ({}, RENAMED, OFF, {}, NEEDED),
        ({}, OFF, OFF, {"allow": frozenset({"dependents"})}, MERELY_FIRST),
        ({}, OFF, OFF, {"allow": frozenset({"dependents:parent"})}, MERELY_FIRST),
        ({}, OFF, OFF, {"allow": frozenset({"dependents:child"})}, NEEDED),
        (OFF, GONE, GONE, {}, MERELY_FIRST),
        ({}, {"name": "x"}, OFF, {}, {}),
        ({}, OFF, {"name": "x"}, {}, {}),
        (OFF, {"name": "x"}, {"name": "x"}, {}, {}),
        (OFF, ON, ON, {}, {"child": {"parent": False}}),
        (GONE, BACK, BACK, {}, {"child": {"parent": False}}),
        (GONE, BACK, {"archived": True}, {}, {}),
        (OFF, ON, {"name": "x"}, {}, {}),
        (OFF, {"name": "x"}, ON, {}, {}),
        (OFF, GONE, ON, {}, {}),
    ],
)
def test_what_comes_first(
    live: dict[str, Any], parent: dict[str, Any], child: dict[str, Any], options: dict[str, Any], earlier: Any
) -> None:
    """A child goes off before its parent loses what it needs, and comes on after it; the order of keys is no matter.

    Where the child stays on, nothing may be sent of the parent, unless that is allowed.
    """
    depends = Dependencies(flags=(("1", ("treatment",)),), operator="all")
    weights = Weights.of({"control": 1})
    specs = [a_full_flag(key, **{"enabled": True, "rollout_weights": weights} | live) for key in ("parent", "child")]
    state = a_live_state(a_live_flag(specs[0], id="1"), a_live_flag(specs[1], id="2", parent_dependencies=depends))
    desired = a_desired_state(a_flag("parent", **parent), a_flag("child", **child))
    plan = build_plan(desired, state, a_config(), PlanOptions(unarchive=True, **options))
    assert earlier_flags(plan, state) == earlier


@pytest.mark.parametrize("allowed", [("control",), ("control", "new")])
def test_a_variant_that_the_child_does_not_need_may_go_at_once(allowed: tuple[str, ...]) -> None:
    specs = [a_full_flag(key, enabled=True, rollout_weights=Weights.of({"control": 1})) for key in "pc"]
    depends = Dependencies(flags=(("1", allowed),), operator="all")
    state = a_live_state(a_live_flag(specs[0], id="1"), a_live_flag(specs[1], id="2", parent_dependencies=depends))
    desired = a_desired_state(a_flag("p", **WITHOUT), a_flag("c", **OFF))
    plan = build_plan(desired, state, a_config(), PlanOptions())
    assert len(plan.to_apply) == 2
    assert earlier_flags(plan, state) == {}


def test_a_child_that_comes_back_turned_off_has_no_users_to_lose() -> None:
    depends = Dependencies(flags=(("1", ()),), operator="all")
    parent, child = a_full_flag("parent"), a_full_flag("child", archived=True)
    state = a_live_state(a_live_flag(parent, id="1"), a_live_flag(child, id="2", parent_dependencies=depends))
    desired = a_desired_state(a_flag("parent", **OFF), a_flag("child", **BACK, **OFF))
    plan = build_plan(desired, state, a_config(), PlanOptions(unarchive=True))
    assert earlier_flags(plan, state) == MERELY_FIRST
