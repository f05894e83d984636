"""Who is affected: said of everyone who is, and "no user" only where there is none."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from builders import (
    NOON,
    a_condition,
    a_config,
    a_desired_state,
    a_flag,
    a_full_flag,
    a_full_variant,
    a_live_flag,
    a_segment,
    a_variant,
)
from msgspec.structs import replace

from reconciler.model.flag import Dependencies, FlagSpec, LiveState, Weights
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import build_plan
from reconciler.planning.warnings import with_exposure
from reconciler.reports.affected import NO_USER
from reconciler.reports.effects import effect_rows
from reconciler.reports.registry import PLAN, render

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan

LISTED = (a_full_variant("control"), a_full_variant("treatment", payload={"a": 1}, users=("u1",)))
WITH_ANOTHER = (a_variant("control"), a_variant("treatment", users=("u2",)))


def planned(desired: FlagSpec, live: FlagSpec | None, *, child_of: tuple[str, ...] | None = None) -> Plan:
    """The plan of one flag; a live flag that is on depends on it, or on these variants of it."""
    lives = [a_live_flag(live, id="1")] if live else []
    if child_of is not None:
        needs = Dependencies(flags=(("1", child_of),), operator="all")
        lives.append(a_live_flag(a_full_flag("child"), id="2", parent_dependencies=needs))
    state = LiveState(project_id="7", flags={item.key: item for item in lives})
    plan = build_plan(a_desired_state(desired), state, a_config(), PlanOptions(), now=NOON)
    return with_exposure(plan, state)


def words(desired: FlagSpec, live: FlagSpec | None, **fields: tuple[str, ...]) -> str:
    """Who is affected, of the one row of the plan."""
    (row,) = effect_rows(planned(desired, live, **fields))
    return row.affected


@pytest.mark.parametrize(
    ("live", "desired", "said"),
    [
        ({"variants": LISTED, "rollout_percentage": 0}, {"enabled": False}, "1 listed user: treatment → off"),
        ({"variants": LISTED, "rollout_percentage": 0}, {"archived": True}, "1 listed user: treatment → off"),
        ({"variants": LISTED, "rollout_percentage": 0, "enabled": False}, {"enabled": True}, "off → treatment"),
        (
            {"variants": LISTED, "rollout_percentage": 0},
            {"variants": (a_variant("control"), a_variant("treatment", payload={"a": 2}))},
            "1 listed user get a new payload of treatment",
        ),
        (
            {"variants": LISTED, "rollout_weights": Weights.of({"control": 1})},
            {"variants": (a_variant("control"),)},
            "1 listed user: treatment → their segment",
        ),
        ({"variants": LISTED, "enabled": False}, {"variants": WITH_ANOTHER}, NO_USER),
        ({"enabled": False}, {"rollout_percentage": 70}, f"{NO_USER}: the flag gives no variant"),
        ({}, {"name": "Other"}, NO_USER),
        ({"rollout_percentage": 50}, {"evaluation_mode": "local"}, "clients of the other evaluation mode"),
        ({"rollout_percentage": 0}, {"evaluation_mode": "local"}, f"{NO_USER}: the flag gives no variant"),
        ({"deployments": ("1",)}, {"deployments": ()}, "10% of All Other Users of deployment 1: "),
    ],
)  # fmt: skip
def test_no_user_is_said_only_where_none_is_affected(
    live: dict[str, object], desired: dict[str, object], said: str
) -> None:
    """A listed user, a payload, clients of a deployment: each is named where it is affected."""
    found = words(a_flag(**desired), a_full_flag(**live))
    assert said in found
    assert (NO_USER in found) is (NO_USER in said)


@pytest.mark.parametrize(
    ("needs", "after", "is_affected"),
    [
        (("treatment",), {"rollout_weights": Weights.of({"control": 1})}, True),
        (("control", "treatment"), {"rollout_weights": Weights.of({"control": 1})}, False),
        ((), {"rollout_percentage": 5}, True),
        ((), {"rollout_weights": Weights.of({"control": 1})}, False),
        (("control",), {"name": "Other"}, False),
    ],
)
def test_users_of_a_flag_that_depends_on_it_are_named(
    needs: tuple[str, ...], after: dict[str, object], *, is_affected: bool
) -> None:
    """Where they are let through now and not then, or the other way; then the level is high."""
    (row,) = effect_rows(planned(a_flag(**after), a_full_flag(), child_of=needs))
    assert ("users of child, which depends on it" in row.affected) is is_affected
    assert (row.level == "high") is is_affected


def test_an_excluded_way_and_an_unchanged_segment_are_not_drawn() -> None:
    """`country is` that gets a country more loses no user, and the other segment stays out of it."""
    beta, same = a_segment(), a_segment("Same", conditions=(a_condition("plan", values=("pro",)),))
    wider = replace(beta, conditions=(a_condition(values=("US", "CA", "MX")),))
    live, desired = a_full_flag(target_segments=(beta, same)), a_flag(target_segments=(wider, same))
    (row,) = effect_rows(planned(desired, live))
    assert row.change == "targeting widened"
    text = render(PLAN, "text", planned(desired, live))
    assert "All Other Users → Beta: " in text
    assert "Beta → All Other Users" not in text
    assert "      Same: " not in text
    (row,) = effect_rows(planned(a_flag(target_segments=(beta, same)), a_full_flag(target_segments=(wider, same))))
    assert row.change == "targeting narrowed"


@pytest.mark.parametrize(
    ("more", "words_of_rest"), [(1, "; 25% of All Other Users"), (2, "; at most 50% of 2 more segments")]
)
def test_one_more_segment_of_a_new_flag_is_named(more: int, words_of_rest: str) -> None:
    """A count of one says less than its name; users of a flag that did not exist come from nowhere."""
    segments = tuple(
        a_segment(f"S{number}", conditions=(a_condition(values=(str(number),)),), percentage=100 // (number + 1))
        for number in range(more)
    )
    new = a_full_flag(rollout_percentage=25, target_segments=segments)
    assert words(new, None) == f"reaches 100% of S0{words_of_rest}"
    text = render(PLAN, "text", planned(new, None))
    assert "      S0: reaches 100%" in text
    assert "→ S0" not in text


def test_a_new_flag_is_no_headline() -> None:
    """Its reach is in its row; the largest exposure change is that of flags that exist."""
    plan = planned(a_full_flag(rollout_percentage=100), None)
    assert plan.summary.max_exposure_change == 0
    assert words(a_full_flag(rollout_percentage=100), None) == "reaches 100% of All Other Users"
    assert render(PLAN, "text", plan).splitlines()[-1].endswith("max exposure change 0%")
    assert "Widest" not in render(PLAN, "markdown", plan)
    moving = planned(a_flag(rollout_percentage=100), a_full_flag())
    assert moving.summary.max_exposure_change > Fraction(89, 100)
