"""Live and desired: what a plan makes of a flag and of its parents, and what is said beside it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from builders import NOON, a_desired_flag
from emulators import a_live_flag, an_emulator
from evaluations import comparison_of, family_of, results_of
from msgspec.structs import replace
from worlds import a_world

from reconciler.errors import InvalidInputError
from reconciler.evaluation.comparison import STICKY
from reconciler.evaluation.result import Allocation, Reason
from reconciler.model.flag import UNSET, DesiredState, FlagSpec, Variant, Weights
from reconciler.planning.comparison import compare_with_plan

if TYPE_CHECKING:
    from reconciler.evaluation.comparison import Comparison

LIVE: dict[str, Any] = {"bucketingKey": "user_id", "deployments": ["67"], "id": "1"}


def sides(
    *specs: FlagSpec, key: str = "new-checkout", parents: tuple[dict[str, Any], ...] = (), **live: Any
) -> Comparison:
    """Both sides of a flag that is live so and declared so."""
    emulator = an_emulator(a_live_flag(**LIVE | live), *parents)
    return comparison_of(a_world(emulator, *specs), key)


def declared(**fields: Any) -> FlagSpec:
    """A declaration of the flag."""
    return FlagSpec(key="new-checkout", **fields)


def test_desired_is_what_the_plan_makes() -> None:
    """A change of the rollout and of a list decide on the desired side only."""
    both = sides(declared(enabled=False))
    live, desired = results_of(both, user_id="x")
    assert (live.reason, desired.reason) == (Reason.REST, Reason.DISABLED)
    both = sides(declared(variants=(Variant(key="control", users=("x",)), Variant(key="treatment"))))
    live, desired = results_of(both, user_id="x")
    assert (live.reason, desired.reason, desired.variant) == (Reason.REST, Reason.INCLUSION, "control")
    assert both.notes == (STICKY,)


def test_lists_that_are_not_declared_count() -> None:
    """Inclusions of variants that no file speaks of decide on both sides."""
    variants = [{"key": "control"}, {"key": "treatment", "users": ["x"]}]
    live, desired = results_of(sides(declared(rollout_percentage=0), variants=variants), user_id="x")
    assert (live.variant, desired.variant) == ("treatment", "treatment")


def test_a_flag_that_is_not_declared_stays() -> None:
    """Both sides are one, and that is said."""
    both = sides()
    assert both.live is both.desired
    assert not both.is_declared
    assert "No flag file declares this flag" in both.notes[0]


@pytest.mark.parametrize(("salt", "allocation"), [(UNSET, Allocation.UNKNOWN_SALT), ("s", Allocation.ALLOCATED)])
def test_a_flag_that_is_not_live(salt: Any, allocation: Allocation) -> None:
    """Nothing live; desired is known where the salt is declared, which is otherwise drawn when the flag is made."""
    new = FlagSpec(
        key="brand-new",
        enabled=True,
        rollout_percentage=100,
        bucketing_key="user_id",
        bucketing_salt=salt,
        variants=(Variant(key="a", users=("ann",)), Variant(key="b")),
        rollout_weights=Weights.of({"a": 1, "b": 1}),
    )
    both = sides(new, key="brand-new")
    live, desired = results_of(both, user_id="x")
    assert (live.variant, live.reason) == ("off", Reason.ABSENT)
    assert desired.allocation is allocation
    assert STICKY in both.notes
    assert both.flag_id is None
    assert results_of(both, user_id="ann")[1].variant == "a"


@pytest.mark.parametrize(
    ("archived", "note", "reason"),
    [
        (False, "only with --unarchive", Reason.REST),
        (UNSET, "a plan is refused", Reason.ARCHIVED),
        (True, "", Reason.ARCHIVED),
    ],
)
def test_archived_flags(archived: Any, note: str, reason: Reason) -> None:
    """Live it gives nothing; desired it comes back where the declaration says so, which needs an option."""
    both = sides(declared(archived=archived), archived=True)
    live, desired = results_of(both, user_id="x")
    assert (live.reason, desired.reason) == (Reason.ARCHIVED, reason)
    assert (note in " ".join(both.notes)) if note else both.notes == ()


def test_frozen_flags_are_said_to_be() -> None:
    """Desired is the declaration; until the freeze ends a plan does not make it."""
    world = a_world(an_emulator(a_live_flag(**LIVE)))
    frozen = replace(a_desired_flag(declared(enabled=False)), frozen_until=date(2031, 1, 1))
    desired = DesiredState(flags={"new-checkout": frozen}, files=1)
    both = compare_with_plan("new-checkout", family_of(world), desired, world.config, now=NOON)
    assert results_of(both, user_id="x")[1].reason is Reason.DISABLED
    assert any("Frozen until 2031-01-01" in note for note in both.notes)
    over = compare_with_plan("new-checkout", family_of(world), desired, world.config, now=NOON.replace(year=2031))
    assert not any("Frozen" in note for note in over.notes)


@pytest.mark.parametrize(
    ("live", "wanted", "note"),
    [
        ([], UNSET, "The flag is attached to no deployment"),
        ([], ("67",), "Live, the flag is attached to no deployment"),
        (["67"], (), "The flag is attached to no deployment"),
        (["67"], UNSET, ""),
    ],
)
def test_flags_without_a_deployment(live: list[str], wanted: Any, note: str) -> None:
    """No SDK is given a flag that no deployment has, with any result."""
    notes = sides(declared(deployments=wanted), deployments=live).notes
    found = [text for text in notes if "deployment" in text]
    assert [text.startswith(note) for text in found] == ([True] if note else [])


def test_parents_are_planned_too() -> None:
    """A parent that the plan switches off stops the flag's users on the desired side, and that is said."""
    parent = {
        "key": "parent", "id": "9", "enabled": True, "rolloutPercentage": 100, "variants": [{"key": "on"}],
    }  # fmt: skip
    both = sides(
        FlagSpec(key="parent", enabled=False),
        parents=(parent,),
        parentDependencies={"flags": {"9": ["on"]}, "operator": "ALL"},
    )
    live, desired = results_of(both, user_id="x")
    assert (live.reason, desired.reason) == (Reason.REST, Reason.DEPENDENCY)
    assert any('Flag "parent"' in note for note in both.notes)


def test_a_declaration_that_no_calls_can_meet_is_refused() -> None:
    """As in a plan."""
    with pytest.raises(InvalidInputError):
        sides(declared(rollout_weights=Weights.of({"absent": 1})))
