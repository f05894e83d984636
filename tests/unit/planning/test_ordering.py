"""The order of a flag's calls, case by case."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from random_flags import without_order

from reconciler.evaluation.rules import ALWAYS_TRUE
from reconciler.model.flag import SHIELD_NAME, Condition, FlagSpec, TargetSegment, Variant, Weights
from reconciler.model.wire import encode_segments
from reconciler.planning.compare import compare_flags, compare_new
from reconciler.planning.operations import (
    AddDeployments,
    AddMembers,
    ClearUsers,
    DeleteVariant,
    EditFlag,
    EditVariant,
    ImpossibleCallError,
    RemoveMembers,
    RemoveUserAt,
    apply_in_any_order,
    apply_operations,
)
from reconciler.planning.ordering import EVEN_SPLIT, SHIELD_REFUSED, Ordered, order_operations
from reconciler.planning.schedule import LOSES_INCLUSION, SEES_RULES_EARLY, SEES_RULES_LATE
from reconciler.planning.segments import is_shielded, shielded_segments, without_shield

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation


def a_flag(percentage: int = 100, *, enabled: bool = True, users: Any = None, **weights: int) -> FlagSpec:
    """A live flag without segments, with these weights and, by variant, these listed users."""
    listed = users or {}
    return FlagSpec(
        key="f",
        name="F",
        enabled=enabled,
        archived=False,
        bucketing_key="user_id",
        bucketing_salt="salt",
        bucketing_unit="User",
        rollout_percentage=percentage,
        rollout_weights=Weights.of(weights),
        variants=tuple(
            Variant(key=key, name="", description="", payload=None, users=tuple(listed.get(key, ())), cohorts=())
            for key in weights
        ),
        target_segments=(),
        deployments=(),
        tags=(),
    )


def a_segment(name: str = "US", percentage: int = 100, **weights: int) -> TargetSegment:
    """A segment for those in the United States."""
    conditions = (Condition(prop="country", op="is", values=("US",)),)
    return TargetSegment(name=name, conditions=conditions, percentage=percentage, rollout_weights=Weights.of(weights))


def plan(live: FlagSpec, desired: FlagSpec, *, shield: bool = False) -> Ordered:
    """The ordered calls from one flag to the other; in any order they end in the same flag."""
    calls = compare_flags(desired, live).operations
    after = apply_in_any_order(live, calls)
    ordered = order_operations(live, after, calls, shield=shield)
    assert without_order(apply_operations(live, ordered.operations)) == without_order(after)
    return ordered


def words(ordered: Ordered) -> list[str]:
    """The calls as `kind target`, with the fields of a PATCH of the flag."""
    return [f"{item.kind} {_target(item)}" for item in ordered.operations]


def _target(operation: Operation) -> str:
    if isinstance(operation, EditFlag):
        return ",".join(operation.body)
    return getattr(operation, "variant_key", "")


TABLE = [
    ((1, 1), (90, 10), "ab", 8.90),
    ((1, 1), (100, 100), "ab", 49.01),
    ((1, 1), (2, 2), "ab", 16.67),
    ((50, 50), (90, 10), "ab", 0),
    ((90, 10), (10, 90), "ab", 0),
    ((34, 33, 33), (20, 40, 40), "abc", 0),
    ((10, 20, 70), (70, 20, 10), "ac", 12.5),
    ((50, 50, 0), (34, 33, 33), "cba", 0),
    ((80, 10, 10), (10, 80, 10), "ba", 4.12),
]


def weight_calls(new: dict[str, int], old: dict[str, int]) -> tuple[Operation, ...]:
    """One PATCH per weight that differs."""
    return tuple(
        EditVariant(flag_key="f", variant_key=key, body={"rolloutWeight": weight})
        for key, weight in new.items()
        if weight != old[key]
    )


@pytest.mark.parametrize(("old", "new", "order", "percent"), TABLE)
def test_weights(old: tuple[int, ...], new: tuple[int, ...], order: str, percent: float) -> None:
    """Weights change in the order with the least transient, which is the known one; at a tie in the given order."""
    live = a_flag(**dict(zip("abc", old, strict=False)))
    calls = weight_calls(dict(zip("abc", new, strict=False)), dict(zip("abc", old, strict=False)))

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    assert "".join(words(found)).replace("edit-variant ", "") == order
    assert float(found.transient * 100) == pytest.approx(percent, abs=0.005)


def test_equal_ratios_plan_nothing() -> None:
    """1:1 to 50:50 is no change."""
    assert compare_flags(a_flag(a=50, b=50), a_flag(a=1, b=1)).operations == ()


def test_a_shield_hides_weight_changes() -> None:
    """1:1 to 90:10 with a shield: up, both weights, down; no user sees a third variant."""
    live = a_flag(30, a=1, b=1)

    found = plan(live, a_flag(60, a=90, b=10), shield=True)

    assert words(found) == [
        "edit-flag targetSegments",
        "edit-variant a",
        "edit-variant b",
        "edit-flag rolloutPercentage,targetSegments",
    ]
    assert found.transient == 0
    assert len(found.notes) == 1
    shield = found.operations[0]
    assert isinstance(shield, EditFlag)
    assert shield.body["targetSegments"] == [
        {
            "name": SHIELD_NAME,
            "conditions": [
                {"type": "property", "prop": ALWAYS_TRUE.prop, "op": "is not", "values": list(ALWAYS_TRUE.values)}
            ],
            "percentage": 30,
            "bucketingKey": "user_id",
            "rolloutWeights": {"a": 1, "b": 1},
        }
    ]


def test_a_shield_keeps_the_segments() -> None:
    """The live segments stay before the shield, and come back, or are replaced, when it goes."""
    live = replace(a_flag(a=1, b=1), target_segments=(a_segment(a=1),))

    found = plan(live, replace(a_flag(a=90, b=10), target_segments=(a_segment("Other", b=1),)), shield=True)

    assert found.transient == 0
    states = [apply_operations(live, found.operations[:count]) for count in range(1, len(found.operations))]
    assert all([item.name for item in state.target_segments or ()] == ["US", SHIELD_NAME] for state in states)


def test_new_variants_come_in_their_declared_order() -> None:
    """That order decides bucketing ever after, so that it counts more than who strays meanwhile."""
    found = plan(a_flag(a=1), a_flag(a=1, b=1, c=2))

    assert words(found) == ["create-variant b", "create-variant c"]
    assert found.transient > 0


def test_no_shield_without_need() -> None:
    """Where no order shows anything wrong, a shield that is asked for is not put up."""
    assert words(plan(a_flag(a=50, b=50), a_flag(a=90, b=10), shield=True)) == ["edit-variant a", "edit-variant b"]


def test_a_shield_that_betters_nothing_is_not_put_up() -> None:
    """Where variants are left without weights, users stray behind it as they do without it."""
    live, desired = a_flag(a=1, b=1, c=0), a_flag(a=0, b=0)
    found = plan(live, desired, shield=True)
    assert found.transient > 0
    assert found == plan(live, desired)


def test_a_shield_and_a_removed_variant() -> None:
    """A variant that goes weighs nothing before the shield that names it comes down, and goes after it."""
    found = plan(a_flag(a=1, b=1, c=1), a_flag(a=90, b=10), shield=True)

    assert words(found)[-2:] == ["edit-flag targetSegments", "delete-variant c"]
    assert EditVariant(flag_key="f", variant_key="c", body={"rolloutWeight": 0}) in found.operations
    assert found.transient == 0
    assert "one call more for each" in found.notes[1]


def test_a_shield_is_refused_beside_cohorts() -> None:
    """Segments with cohorts cannot be sent back: no shield, the plain order, and the reason."""
    cohort = Condition(prop="userdata_cohort", op="is", values=("c",), type="cohort")
    live = replace(a_flag(a=1, b=1), target_segments=(replace(a_segment(a=1), conditions=(cohort,)),))

    found = plan(live, replace(a_flag(a=90, b=10), target_segments=live.target_segments), shield=True)

    assert found.refusal == SHIELD_REFUSED
    assert plan(live, replace(live, name="N"), shield=True).refusal is None
    assert words(found) == ["edit-variant a", "edit-variant b"]
    assert found.transient > 0


@pytest.mark.parametrize("made", range(1, 4))
@pytest.mark.parametrize("shield", [True, False])
def test_recovery_behind_a_shield(made: int, *, shield: bool) -> None:
    """Wherever a shielded plan stopped, the next one ends declared and without shield, and shows no user a third."""
    live, desired = a_flag(a=1, b=1), a_flag(a=90, b=10)
    stopped = apply_operations(live, plan(live, desired, shield=True).operations[:made])
    assert is_shielded(stopped)

    rest = replace(desired, target_segments=without_shield(stopped.target_segments or ()))
    found = plan(stopped, rest, shield=shield)

    assert found.transient == 0
    assert without_order(apply_operations(stopped, found.operations)) == without_order(desired)


def test_a_shield_is_put_up_once() -> None:
    """Segments that have a shield already get no second one."""
    live = a_flag(a=1, b=1)
    up = replace(live, target_segments=shielded_segments(live))

    assert shielded_segments(up) == up.target_segments
    assert [item.name for item in shielded_segments(live)] == [SHIELD_NAME]


def test_rollout_grows_after_the_weights() -> None:
    """Growing, the rollout comes last, and the transient stays that of the small rollout."""
    found = plan(a_flag(10, a=1, b=1), a_flag(50, a=90, b=10))

    assert words(found) == ["edit-variant a", "edit-variant b", "edit-flag rolloutPercentage"]
    assert float(found.transient) == pytest.approx(0.0089, abs=1e-4)


def test_rollout_shrinks_before_the_weights() -> None:
    """Shrinking, the rollout comes first."""
    found = plan(a_flag(50, a=1, b=1), a_flag(10, a=90, b=10))

    assert words(found)[0] == "edit-flag rolloutPercentage"
    assert float(found.transient) == pytest.approx(0.0089, abs=1e-4)


def test_enabling_comes_last() -> None:
    """With any other change, no user sees it before the flag is switched on."""
    live = a_flag(enabled=False, a=1, b=1)
    desired = replace(a_flag(50, a=90, b=10, c=1, users={"c": ["u"]}), deployments=("9",), name="New")

    found = plan(live, desired)

    assert words(found)[-1] == "edit-flag name,enabled,rolloutPercentage"
    assert found.transient == 0


def test_disabling_comes_first() -> None:
    """With any other change, no user sees it once the flag is switched off."""
    found = plan(a_flag(a=1, b=1), a_flag(50, enabled=False, a=90, b=10, c=5))

    assert words(found)[0] == "edit-flag enabled,rolloutPercentage"
    assert found.transient == 0


def test_archiving_comes_last_with_anything_to_hide() -> None:
    """An archived flag may refuse edits: the rule holds also where users see less the other way round."""
    live = replace(a_flag(a=1, b=1), archived=False)
    archiving = EditFlag(flag_key="f", body={"archive": True})
    calls = (archiving, *weight_calls({"a": 90, "b": 10}, {"a": 1, "b": 1}))

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    assert found.operations[-1] == archiving
    assert found.transient > 0


def test_disabling_with_a_new_variant_in_the_segments() -> None:
    """One call more: off first, so that the new variant's weight moves no user; then its segments."""
    desired = replace(a_flag(enabled=False, a=1, b=1, c=2), target_segments=(a_segment(c=1),))

    found = plan(a_flag(a=1, b=1), desired)

    assert words(found) == ["edit-flag enabled", "create-variant c", "edit-flag targetSegments"]
    assert found.transient == 0
    assert "One call more" in found.notes[0]


def test_disabling_with_a_weightless_variant_in_the_segments() -> None:
    """No call more where the new variant moves no user by being made."""
    desired = replace(a_flag(enabled=False, a=1, b=1, c=0), target_segments=(a_segment(c=1),))

    found = plan(a_flag(a=1, b=1), desired)

    assert words(found) == ["create-variant c", "edit-flag enabled,targetSegments"]
    assert found.transient == 0


def test_enabling_while_a_named_variant_goes() -> None:
    """One call more: segments first, then the variant they named goes, on last."""
    live = replace(a_flag(enabled=False, a=1, b=1, c=1), target_segments=(a_segment(c=1),))

    found = plan(live, replace(a_flag(a=1, b=1), target_segments=(a_segment(a=1),)))

    assert words(found) == ["edit-flag targetSegments", "delete-variant c", "edit-flag enabled"]
    assert found.transient == 0
    assert "One call more" in found.notes[0]


def test_enabling_while_a_weightless_named_variant_goes() -> None:
    """No call more where the variant that goes has no users by then."""
    live = replace(a_flag(enabled=False, a=1, b=1, c=0), target_segments=(a_segment(c=1),))

    found = plan(live, replace(a_flag(a=1, b=1), target_segments=(a_segment(a=1),)))

    assert words(found) == ["edit-flag enabled,targetSegments", "delete-variant c"]
    assert found.transient == 0


def test_segments_wait_for_their_variant() -> None:
    """A variant is made before segments name it and goes after they have stopped."""
    live = replace(a_flag(a=1, b=0), target_segments=(a_segment(b=1),))

    found = plan(live, replace(a_flag(a=1, c=0), target_segments=(a_segment(c=1),)))

    assert words(found) == ["create-variant c", "edit-flag targetSegments", "delete-variant b"]


def test_the_last_variant_stays_until_another_is_there() -> None:
    """A flag is never left without variants."""
    assert words(plan(a_flag(a=1), a_flag(b=1))) == ["create-variant b", "delete-variant a"]


def test_a_key_is_free_before_it_is_taken() -> None:
    """A variant is renamed to another's key after that one is gone."""
    live, desired = a_flag(a=1, b=1, c=1), a_flag(b=1, c=1)
    calls = compare_flags(replace(desired), live).operations
    calls = (EditVariant(flag_key="f", variant_key="b", body={"key": "a"}), *calls)

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    assert words(found) == ["delete-variant a", "edit-variant b"]


def test_exchanged_keys_are_refused() -> None:
    """Two variants cannot exchange their keys, in no order."""
    live = a_flag(a=1, b=1)
    calls: tuple[Operation, ...] = (
        EditVariant(flag_key="f", variant_key="a", body={"key": "b"}),
        EditVariant(flag_key="f", variant_key="b", body={"key": "a"}),
    )

    with pytest.raises(ImpossibleCallError):
        order_operations(live, live, calls)


def test_renames_come_before_inclusions() -> None:
    """Calls on a renamed variant's list use its new key, so the rename comes first."""
    live = a_flag(a=1, b=1, users={"b": ["old"]})
    desired = replace(
        a_flag(a=1, b=1), variants=(Variant(key="a"), Variant(key="z", renamed_from="b", users=("new",)))
    )
    desired = replace(desired, rollout_weights=Weights.of({"a": 1, "z": 1}))

    assert words(plan(live, desired)) == ["edit-variant b", "add-users z", "remove-users z"]


def test_no_all_zero_state() -> None:
    """Where weights swap places, one rises before the other falls to 0."""
    for weights in ({"a": 0, "b": 1}, {"b": 1, "a": 0}):
        found = plan(a_flag(a=1, b=0), a_flag(**weights))
        assert words(found) == ["edit-variant b", "edit-variant a"]
        assert found.transient == 0


def test_phases() -> None:
    """Calls that show users the same in any order come phase by phase."""
    live = a_flag(a=1, b=1, users={"a": ["gone"]})
    desired = replace(
        a_flag(a=1, b=1, c=0, users={"b": ["new"]}), name="New", deployments=("9",), target_segments=(a_segment(c=1),)
    )
    live = replace(live, deployments=("8",), enabled=False)

    found = plan(live, replace(desired, enabled=False))

    assert words(found) == [
        "create-variant c",
        "edit-flag name,targetSegments",
        "add-users b",
        "add-deployments ",
        "clear-users a",
        "remove-deployment ",
    ]


def test_a_new_flag() -> None:
    """Created, listed, and switched on last."""
    desired = a_flag(20, a=1, users={"a": ["u"]})
    calls = compare_new(replace(desired, bucketing_unit="org"), "7").operations

    found = order_operations(None, apply_in_any_order(None, calls), calls)

    assert [item.kind for item in found.operations] == ["create-flag", "add-users", "edit-flag"]
    assert found.transient == 0
    assert found.notes == ()


def test_moves_between_variants() -> None:
    """Who moves is added to the new variant before leaving the old, each time."""
    live = a_flag(a=1, b=1, users={"a": ["u1", "stays"], "b": ["u2"]})

    found = plan(live, a_flag(a=1, b=1, users={"a": ["stays", "u2"], "b": ["u1"]}))

    assert words(found) == ["add-users a", "add-users b", "remove-users a", "remove-users b"]
    assert found.notes == ()


def test_a_clear_comes_before_what_is_added() -> None:
    """A list is cleared before it gets its new users, or it would lose them."""
    live = a_flag(a=1, b=1, users={"a": ["u1"]})
    calls: tuple[Operation, ...] = (
        AddMembers(flag_key="f", variant_key="a", members=("u2",)),
        ClearUsers(flag_key="f", variant_key="a"),
    )

    assert words(order_operations(live, live, calls)) == ["clear-users a", "add-users a"]


def test_room_is_made_at_the_limit() -> None:
    """In a full list old users go before new ones come; below it they stay until the new ones are there."""
    full = [f"u{number}" for number in range(2000)]

    crowded = plan(a_flag(a=1, users={"a": full}), a_flag(a=1, users={"a": [*full[1:], "new"]}))
    roomy = plan(a_flag(a=1, users={"a": full[1:]}), a_flag(a=1, users={"a": [*full[2:], "new"]}))

    assert words(crowded) == ["remove-users a", "add-users a"]
    assert words(roomy) == ["add-users a", "remove-users a"]


def test_full_lists_exchange_users() -> None:
    """Where two full lists exchange users, one of them must be without for a moment, and that is said."""
    one, two = ([f"{name}{number}" for number in range(2000)] for name in "xy")
    live = a_flag(a=1, b=1, users={"a": one, "b": two})

    found = plan(live, a_flag(a=1, b=1, users={"a": [*one[1:], two[0]], "b": [*two[1:], one[0]]}))

    assert LOSES_INCLUSION in found.notes
    sizes = [
        max(len(item.users or ()) for item in apply_operations(live, found.operations[:count]).variants or ())
        for count in range(5)
    ]
    assert max(sizes) <= 2000


def test_cohorts_have_a_limit_too() -> None:
    """With 10 cohorts, old ones go before new ones come."""
    old = tuple(f"c{number}" for number in range(10))
    live, desired = (
        replace(a_flag(a=1), variants=(Variant(key="a", users=(), cohorts=cohorts),))
        for cohorts in (old, (*old[1:], "n"))
    )

    assert words(plan(live, desired)) == ["remove-cohorts a", "add-cohorts a"]


def test_listed_users_see_no_third_variant() -> None:
    """While rules change, users are listed before anything moves and taken off after everything has."""
    live = a_flag(a=1, b=1, c=1, users={"b": ["leaves"]})

    found = plan(live, a_flag(a=60, b=30, c=10, users={"a": ["comes"]}))

    assert words(found)[0] == "add-users a"
    assert words(found)[-1] == "clear-users b"
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["users", "cohorts"])
def test_a_listed_user_of_a_heavy_new_variant(kind: str) -> None:
    """A variant that moves others by being made cannot list its users first: that is said."""
    desired = a_flag(a=1, b=1, c=1)
    *others, new = desired.variants or ()

    found = plan(a_flag(a=1, b=1), replace(desired, variants=(*others, replace(new, **{kind: ("u",)}))))

    assert words(found) == ["create-variant c", f"add-{kind} c"]
    assert found.notes == (SEES_RULES_EARLY,)


@pytest.mark.parametrize("off", [{"enabled": False}, {"archived": True}])
@pytest.mark.parametrize("kind", ["users", "cohorts"])
def test_who_is_listed_in_a_flag_that_is_turned_off_has_nothing_to_wait_for(kind: str, off: Any) -> None:
    """Nobody gets a variant in the end, so there is nothing to be told of the way there."""
    desired = a_flag(a=1, b=1, c=1)
    *others, new = desired.variants or ()
    listed = replace(new, **{kind: ("u",)})

    found = plan(a_flag(a=1, b=1), replace(desired, variants=(*others, listed), **off))

    assert f"add-{kind} c" in words(found)
    assert found.notes == ()


def test_room_before_rules() -> None:
    """Where room must be made before the rules have changed, that is said."""
    full = [f"u{number}" for number in range(2000)]
    live = a_flag(a=1, b=1, users={"a": full})

    found = plan(live, a_flag(a=90, b=10, users={"a": [*full[1:], "new"]}))

    assert words(found)[:2] == ["remove-users a", "add-users a"]
    assert SEES_RULES_LATE in found.notes


def test_a_home_before_the_old_one_goes() -> None:
    """Users of a variant that is removed are listed in their new one, itself new, before."""
    live = a_flag(a=1, old=1, users={"old": ["u"]})

    found = plan(live, a_flag(a=1, new=1, users={"new": ["u"]}))

    assert words(found) == ["create-variant new", "add-users new", "delete-variant old"]


@pytest.mark.parametrize(
    ("live", "declared", "order"),
    [
        ({}, {}, "delete old, create new, edit b"),
        ({"old": ["u", "w"]}, {"new": ["u", "v"]}, "create new, add new, edit b, delete old"),
        ({"old": ["u"]}, {"new": ["v"]}, "delete old, create new, add new, edit b"),
        ({"old": ["u"], "b": ["v"]}, {"new": ["v"]}, "delete old, create new, add new, edit b, clear b"),
    ],
)
@pytest.mark.parametrize("kind", ["users", "cohorts"])
def test_a_home_is_made_although_other_users_see_more(live: Any, declared: Any, order: str, kind: str) -> None:
    """Where the old variant would go first, it waits for the new one where those listed in it go there."""
    before, after = a_flag(a=20, b=20, old=1), a_flag(a=20, b=0, new=2)
    before, after = (
        replace(
            flag,
            variants=tuple(replace(item, **{kind: tuple(listed.get(item.key, ()))}) for item in flag.variants or ()),
        )
        for flag, listed in ((before, live), (after, declared))
    )

    found = [word.replace("-variant", "").replace(f"-{kind}", "") for word in words(plan(before, after))]

    assert ", ".join(found) == (order if kind == "users" else order.replace("clear b", "remove b"))


@pytest.mark.parametrize(
    ("kind", "left", "stays", "leaving"),
    [
        ("users", "a", ["u", "stays"], "remove-users a"),
        ("users", "a", ["u"], "clear-users a"),
        ("users", "renamed", ["u"], "clear-users renamed"),
        ("users", "gone", ["u"], "delete-variant a"),
        ("cohorts", "a", ["u", "stays"], "remove-cohorts a"),
        ("cohorts", "gone", ["u"], "delete-variant a"),
    ],
)
@pytest.mark.parametrize("renamed", [False, True])
def test_who_moves_to_a_full_list_waits_for_room_there(
    kind: str, left: str, stays: list[str], leaving: str, *, renamed: bool
) -> None:
    """Room is made in the full list first, and the old list is left last, also where either variant is renamed."""
    full = [f"m{number}" for number in range(2000 if kind == "users" else 10)]
    new, name = "z" if renamed else "b", {"a": "a", "renamed": "r", "gone": ""}[left]
    live = replace(
        a_flag(a=1, b=1), variants=(Variant(key="a", **{kind: tuple(stays)}), Variant(key="b", **{kind: tuple(full)}))
    )
    there = Variant(key=new, renamed_from="b", **{kind: (*full[1:], "u")})
    here = Variant(key=name, renamed_from="a", **{kind: tuple(stays[1:])})
    desired = replace(
        live,
        rollout_weights=Weights.of({key: 1 for key in (name, new) if key}),
        variants=(here, there) if name else (there,),
    )

    found = plan(live, desired)

    assert [word.replace("renamed", "r") for word in words(found) if not word.startswith("edit")] == [
        f"remove-{kind} {new}", f"add-{kind} {new}", leaving.replace("renamed", "r")
    ]  # fmt: skip
    if left != "renamed":
        assert found.notes == ((SEES_RULES_LATE,) if left == "gone" else ())


def test_copies_go_by_index_first() -> None:
    """Surplus copies go before users by name, while their indices are those of the list as it was read."""
    live = a_flag(a=1, users={"a": ["u", "u", "gone", "v"]})

    found = plan(live, a_flag(a=1, users={"a": ["u", "v"]}))

    assert [type(item) for item in found.operations] == [RemoveUserAt, RemoveMembers]


@pytest.mark.parametrize("kind", ["users", "cohorts"])
def test_a_variant_waits_for_room_that_a_new_one_makes(kind: str) -> None:
    """Its users go to a full list, of which one goes to a new variant first."""
    full = [f"m{number}" for number in range(2000 if kind == "users" else 10)]
    live, desired = (
        replace(flag, variants=tuple(Variant(key=key, **{kind: tuple(members)}) for key, members in listed.items()))
        for flag, listed in (
            (a_flag(a=1, b=1), {"a": ["u"], "b": full}),
            (a_flag(b=1, c=1), {"b": [*full[1:], "u"], "c": full[:1]}),
        )
    )

    found = plan(live, desired)

    lists = [f"add-{kind} c", f"remove-{kind} b", f"add-{kind} b"]
    assert words(found) == ["create-variant c", *lists, "delete-variant a"]
    assert found.notes[:1] == (SEES_RULES_EARLY,)
    assert SEES_RULES_LATE in found.notes


def test_copies_in_one_list_do_not_wait_for_another() -> None:
    """The lists of different variants have indices of their own."""
    live = a_flag(a=1, b=1, users={"a": ["gone", "v"], "b": ["u", "u"]})

    assert words(plan(live, a_flag(a=1, b=1, users={"a": ["v"], "b": ["u"]}))) == [
        "remove-users a",
        "remove-user-at b",
    ]


def test_a_flag_that_is_switched_shows_listed_users_nothing_else() -> None:
    """While it is off, lists and rules may change in any order: there is nothing to be told."""
    on, off = a_flag(a=1, b=1, users={"b": ["leaves"]}), a_flag(50, enabled=False, a=9, b=1, users={"a": ["comes"]})

    disabled = plan(on, off)
    enabled = plan(replace(on, enabled=False), replace(off, enabled=True))

    assert words(disabled) == [
        "edit-flag enabled,rolloutPercentage",
        "edit-variant a",
        "add-users a",
        "clear-users b",
    ]
    assert words(enabled) == ["edit-variant a", "add-users a", "clear-users b", "edit-flag enabled,rolloutPercentage"]
    assert disabled.notes == enabled.notes == ()


def test_a_call_that_changes_no_rules_waits_for_no_list() -> None:
    """A variant of weight 0 is made in its place, before users are listed and after which they leave."""
    live = a_flag(a=1, b=1, users={"b": ["leaves"]})

    found = plan(live, a_flag(a=1, b=1, c=0, users={"a": ["comes"]}))

    assert words(found) == ["create-variant c", "add-users a", "clear-users b"]


def test_an_even_split_that_no_order_avoids_is_told() -> None:
    """A variant that is to take the key of the only one with a weight waits until that one is gone."""
    live = a_flag(a=1, b=0, c=0)
    calls = (
        EditVariant(flag_key="f", variant_key="b", body={"key": "a", "rolloutWeight": 1}),
        DeleteVariant(flag_key="f", variant_key="a"),
    )

    found = order_operations(live, apply_in_any_order(live, calls), calls)

    assert words(found) == ["delete-variant a", "edit-variant b"]
    assert found.notes == (EVEN_SPLIT,)


def test_unarchiving() -> None:
    """Back first, everything else behind it, on last; a flag that stays off needs one PATCH."""
    live = replace(a_flag(enabled=False, a=1, b=1), archived=True)

    found = plan(live, a_flag(50, a=90, b=10))
    quiet = plan(live, a_flag(50, enabled=False, a=90, b=10))

    assert words(found) == [
        "edit-flag archive,rolloutPercentage",
        "edit-variant a",
        "edit-variant b",
        "edit-flag enabled",
    ]
    assert found.transient == 0
    assert words(quiet)[0] == "edit-flag archive,rolloutPercentage"
    assert len(quiet.operations) == 3


def test_unarchiving_what_was_on() -> None:
    """A flag archived while on comes back off until its weights are right; with nothing to show, it comes back on."""
    live = replace(a_flag(a=1, b=1), archived=True)

    changed = plan(live, a_flag(a=90, b=10))
    same = plan(live, replace(a_flag(a=1, b=1), deployments=("9",)))

    assert words(changed)[0] == "edit-flag archive,enabled"
    assert words(changed)[-1] == "edit-flag enabled"
    assert changed.transient == 0
    assert words(same) == ["edit-flag archive", "add-deployments "]


def test_unarchiving_with_new_names() -> None:
    """Unarchiving stays first even where its PATCH would name a variant that is not there yet."""
    live = replace(a_flag(enabled=False, a=1), archived=True)

    found = plan(live, replace(a_flag(enabled=False, a=1, c=1), target_segments=(a_segment(c=1),)))

    assert words(found) == ["edit-flag archive", "create-variant c", "edit-flag targetSegments"]
    assert found.notes == ("One call more than the fewest: the flag is unarchived first.",)


def test_unarchiving_what_names_a_new_variant_and_is_turned_on() -> None:
    """The variant is there before the PATCH that names it, and that one turns the flag on."""
    live = replace(a_flag(enabled=False, a=1), archived=True)

    found = plan(live, replace(a_flag(a=1, c=1), target_segments=(a_segment(c=1),)))

    assert words(found) == ["edit-flag archive", "create-variant c", "edit-flag targetSegments,enabled"]
    assert found.operations[2].body["enabled"] is True  # type: ignore[union-attr]


def test_unarchiving_what_is_turned_on_once_a_named_variant_is_gone() -> None:
    """Two calls more: back first, then the new segments between the new variant and the old one, on last."""
    live = replace(a_flag(enabled=False, a=1, c=1), archived=True, target_segments=(a_segment(c=1),))

    found = plan(live, replace(a_flag(a=1, d=1), target_segments=(a_segment(d=1),)))

    assert words(found) == [
        "edit-flag archive",
        "create-variant d",
        "edit-flag targetSegments",
        "delete-variant c",
        "edit-flag enabled",
    ]
    assert found.transient == 0
    assert found.notes == ("Two calls more than the fewest: the flag is unarchived first and switched on last.",)


def test_unarchiving_what_was_on_and_is_declared_off() -> None:
    """It never comes back on."""
    live = replace(a_flag(30, a=1, b=1), archived=True)

    found = plan(live, a_flag(60, enabled=False, a=1, b=1))

    assert [call.body for call in found.operations] == [  # type: ignore[union-attr]
        {"archive": False, "enabled": False, "rolloutPercentage": 60}
    ]


def test_archiving_comes_last() -> None:
    """After archiving no call may be taken."""
    live = a_flag(enabled=False, a=1, b=1)

    found = plan(
        live, replace(a_flag(enabled=False, a=9, b=1, users={"a": ["u"]}), archived=True, deployments=("9",))
    )

    assert words(found)[-1] == "edit-flag archive"


def test_the_given_order_decides_nothing_but_ties() -> None:
    """In any order of calls that differ in phase or effect, they come out the same."""
    live = replace(a_flag(30, a=1, b=1, c=1), target_segments=(a_segment(c=1),))
    desired = replace(a_flag(60, a=50, b=49, d=1, users={"d": ["u"]}), target_segments=(a_segment(d=1),))
    calls = compare_flags(desired, live).operations

    orders = {
        tuple(order_operations(live, apply_in_any_order(live, calls), given).transient for _ in "x")
        for given in permutations(calls)
    }

    assert len(orders) == 1


def test_more_calls_than_the_search_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of the exact search orders are complete, never better than exact, and mostly near it."""
    ratios = []
    for seed in range(8):
        random = Random(seed)
        keys = [f"v{number}" for number in range(7)]
        old, new = ({key: random.randint(1, 20) for key in keys} for _ in "xy")
        calls = weight_calls(new, old)
        live = a_flag(**old)
        exact = order_operations(live, apply_in_any_order(live, calls), calls)
        with monkeypatch.context() as patch:
            patch.setattr("reconciler.planning.order_search.EXACT_LIMIT", 1)
            found = order_operations(live, apply_in_any_order(live, calls), calls)
        assert sorted(map(repr, found.operations)) == sorted(map(repr, calls))
        assert found.transient >= exact.transient
        ratios.append(found.transient / exact.transient)

    assert sum(ratios) / len(ratios) < 1.3


def test_a_shield_of_many_calls() -> None:
    """Fourteen weights are hidden as well as two."""
    keys = [f"v{number}" for number in range(14)]
    live = a_flag(**dict.fromkeys(keys, 7))

    found = plan(live, a_flag(**{key: 2 + 3 * number for number, key in enumerate(keys)}), shield=True)

    assert (found.transient, len(found.operations)) == (0, 16)


def test_calls_that_move_no_user_keep_their_place() -> None:
    """A single call is a plan."""
    live = a_flag(a=1)
    call = AddDeployments(flag_key="f", deployments=("1",))

    assert order_operations(live, replace(live, deployments=("1",)), (call,)) == Ordered(operations=(call,))


def test_the_shield_segments_are_encodable() -> None:
    """The shield is a segment like any other to the API: conditions that are not empty, whole numbers."""
    for segment in encode_segments(shielded_segments(a_flag(30, a=1, b=1))):
        assert segment["conditions"]
        assert isinstance(segment["percentage"], int)


def test_an_even_split_is_no_harm_where_the_flag_has_one_anyway() -> None:
    """All weights 0 are avoided on the way only where neither side has them: else the least exposure decides."""
    split, settled = a_flag(100, a=0, b=0), a_flag(50, a=0, b=0, c=1)
    assert words(plan(settled, split)) == ["delete-variant c", "edit-flag rolloutPercentage"]
    assert words(plan(split, settled)) == ["edit-flag rolloutPercentage", "create-variant c"]


def test_calls_that_better_nothing_are_not_spent() -> None:
    """An archive with what else the flag's edit carries is one call where two would show users the same."""
    live = a_flag(a=1, b=1)
    found = plan(live, replace(a_flag(a=2, b=5), name="N", archived=True))
    assert found.transient > 0
    assert words(found) == ["edit-variant a", "edit-variant b", "edit-flag name,archive"]
    assert found.notes == ()


def test_what_cannot_hold_is_told_once() -> None:
    """Of several pairs of full lists whose users change places."""
    kept = tuple(f"u{number:04}" for number in range(1999))
    weights = dict.fromkeys("abcd", 1)
    now, then = (dict(zip("abcd", names, strict=True)) for names in ("wxyz", "xwzy"))
    live, desired = (
        a_flag(**weights, users={key: (*kept, user) for key, user in who.items()}) for who in (now, then)
    )
    assert plan(live, desired).notes == (LOSES_INCLUSION,)
