"""What a plan takes away from others, and which lists of inclusions decide whom it affects."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_config, a_desired_state, a_flag, a_full_flag, a_full_variant, a_live_state, a_variant
from msgspec.structs import replace

from reconciler.model.flag import UNSET, FlagSpec, Variant, Weights
from reconciler.planning.dependents import (
    added_deployments,
    child_name,
    concerns_experiments,
    hidden_lists_that_matter,
    may_let_others_down,
    served_variants,
)
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import build_plan
from reconciler.planning.review import review_digest

HIDDEN = tuple(replace(a_full_variant(key), users=UNSET, cohorts=UNSET) for key in ("control", "treatment"))
ALL = {(key, kind) for key in ("control", "treatment") for kind in ("users", "cohorts")}


def planned(declared: FlagSpec, **live: Any) -> Plan:
    """The plan of one flag whose live lists were not read."""
    spec = a_full_flag("f", **{"enabled": True, "variants": HIDDEN} | live)
    return build_plan(a_desired_state(declared), a_live_state(spec), a_config(), PlanOptions(unarchive=True))


def with_variants(*variants: Variant, **fields: Any) -> FlagSpec:
    return a_flag("f", variants=variants, **fields)


CONTROL, TREATMENT = a_variant("control"), a_variant("treatment")


@pytest.mark.parametrize(
    ("declared", "live", "lists"),
    [
        (a_flag("f", rollout_percentage=50), {}, set()),
        (a_flag("f", name="x"), {}, set()),
        (a_flag("f", enabled=False), {}, ALL),
        (a_flag("f", enabled=True), {"enabled": False}, ALL),
        (a_flag("f", name="x"), {"enabled": False}, set()),
        (a_flag("f", archived=True), {}, ALL),
        (a_flag("f", deployments=("67",)), {}, ALL),
        (a_flag("f", evaluation_mode="local"), {}, ALL),
        (
            with_variants(CONTROL, a_variant("treatment", payload=1)), {},
            {("treatment", "users"), ("treatment", "cohorts")},
        ),
        (with_variants(CONTROL, a_variant("treatment", description="x")), {}, set()),
        (with_variants(CONTROL, a_variant("new", renamed_from="treatment")), {}, ALL),
        (with_variants(CONTROL), {"rollout_weights": Weights.of({"control": 1})}, ALL),
        (with_variants(CONTROL, TREATMENT, a_variant("new")), {}, set()),
        (
            with_variants(CONTROL, a_variant("treatment", users=("a",))),
            {"variants": (HIDDEN[0], replace(HIDDEN[1], users=()))},
            {("control", "users")},
        ),
    ],
)  # fmt: skip
def test_lists_that_matter(declared: FlagSpec, live: dict[str, Any], lists: set[tuple[str, str]]) -> None:
    """All where users of the whole flag come or go, those of a variant with another payload, those beside a list."""
    found = list(hidden_lists_that_matter(planned(declared, **live)))
    assert {(variant.key, kind) for _, variant, kind in found} == lists
    assert len(found) == len(lists)
    assert {key for key, _, _ in found} <= {"f"}


@pytest.mark.parametrize(
    ("declared", "live", "lets_down", "concerns"),
    [
        (a_flag("f", name="x"), {}, False, False),
        (a_flag("f", enabled=False), {}, True, True),
        (a_flag("f", archived=True), {}, True, True),
        (a_flag("f", enabled=True), {"enabled": False}, False, False),
        (with_variants(CONTROL), {"rollout_weights": Weights.of({"control": 1})}, True, True),
        (with_variants(CONTROL, a_variant("new", renamed_from="treatment")), {}, True, True),
        (a_flag("f", rollout_percentage=0), {}, True, False),
        (a_flag("f", rollout_percentage=5), {}, False, False),
        (with_variants(CONTROL, TREATMENT, a_variant("new")), {}, False, False),
        (a_flag("g", variants=(CONTROL,)), {}, False, True),
    ],
)
def test_what_is_taken_from_others(declared: FlagSpec, live: dict[str, Any], lets_down: bool, concerns: bool) -> None:
    """A flag that goes off, a variant that goes or is renamed, and all users of it; a new key may be taken."""
    plan = planned(declared, **live)
    assert (may_let_others_down(plan), concerns_experiments(plan)) == (lets_down, concerns)


def test_deployments_that_are_attached() -> None:
    """By a call of its own, or by the call that makes the flag."""
    (edited,) = planned(a_flag("f", deployments=("1", "2")), deployments=("2", "3")).flags
    (made,) = planned(a_flag("g", variants=(CONTROL,), deployments=("4",))).flags
    (plain,) = planned(a_flag("g", variants=(CONTROL,))).flags
    assert [added_deployments(flag) for flag in (edited, made, plain)] == [{"1"}, {"4"}, frozenset()]


def test_variants_that_rules_give() -> None:
    """Those with a share; one that only listed users get is none, and a flag that is not there gives none."""
    spec = a_full_flag("f", enabled=True, variants=(a_full_variant("a", users=("u",)), a_full_variant("b")))
    assert served_variants(replace(spec, rollout_weights=Weights.of({"b": 1}))) == {"b"}
    assert served_variants(replace(spec, rollout_percentage=0)) == frozenset()
    assert served_variants(None) == frozenset()


def test_a_digest_of_a_review_is_read_by_other_versions() -> None:
    """Its form is written in records: where it changes, flags that were reviewed count as not reviewed."""
    (flag,) = planned(a_flag("f", rollout_percentage=50)).flags
    assert review_digest(flag) == "sha256:373bed4a6370fc936593c7a39791723378dacd1625af915bf2b44f87773a8f55"


def test_an_experiment_may_have_the_key_of_a_flag() -> None:
    """Which of them depends on another is told by its id."""
    live = a_live_state(a_full_flag("child"))
    assert child_name(live.flags["child"], live) == 'Flag "child"'
    assert child_name(replace(live.flags["child"], id="99"), live) == 'Experiment "child"'
    assert child_name(live.flags["child"], a_live_state()) == 'Experiment "child"'
