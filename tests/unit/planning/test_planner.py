"""One flag's plan as a whole: the flag that it ends in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import (
    a_condition,
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

from reconciler.errors import InvalidInputError, UsageError
from reconciler.model.flag import UNSET, FlagSpec, Unset, Variant, Weights
from reconciler.model.rollout import PlacedRollout, Rollout, Step
from reconciler.model.wire import encode_segments
from reconciler.planning.compare import weights_to_send
from reconciler.planning.normalise import desired_for_live
from reconciler.planning.operations import (
    AddMembers,
    ClearUsers,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveUserAt,
    apply_operations,
)
from reconciler.planning.plan import LeafChange, MembersChange, PlannedRollout, PlanOptions, ValueChange
from reconciler.planning.planner import Planner, build_plan, open_rollouts
from reconciler.planning.segments import shielded_segments

if TYPE_CHECKING:
    from reconciler.planning.plan import FlagPlan


def test_a_list_that_is_cleared_ends_with_those_who_are_added() -> None:
    """The state after the plan is that after its calls in their order: cleared first, then added to."""
    listed = a_full_variant("treatment", users=("a", "a", "b"))
    live = a_live_flag(replace(a_full_flag(), variants=(a_full_variant("control"), listed)))
    declared = a_flag(variants=(Variant(key="control"), Variant(key="treatment", users=("c",))))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    assert plan.after is not None
    assert [type(operation) for operation in plan.operations] == [ClearUsers, AddMembers]
    assert [variant.users for variant in plan.after.variants or ()] == [(), ("c",)]
    assert plan.after == apply_operations(live.spec, plan.operations)


def test_copies_are_removed_even_if_they_are_declared() -> None:
    """A list is a set: a user who is listed twice, in the file and live, is to be listed once."""
    users = ("a", "b", "a")
    live = a_live_flag(replace(a_full_flag(), variants=(a_full_variant("treatment", users=users),)))
    declared = a_flag(variants=(Variant(key="treatment", users=users),))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    (removal,) = plan.operations
    assert removal == RemoveUserAt(flag_key="new-checkout", variant_key="treatment", user="a", index=2)


def test_who_comes_to_a_list_and_leaves_it_is_named_in_order() -> None:
    """Those whose copy goes among them."""
    live = a_live_flag(replace(a_full_flag(), variants=(a_full_variant("treatment", users=tuple("hgfedcbaa")),)))
    declared = a_flag(variants=(Variant(key="treatment", users=tuple("aponmlkji")),))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    (change,) = plan.changes
    assert isinstance(change, MembersChange)
    assert (change.added, change.removed) == (tuple("ijklmnop"), tuple("abcdefgh"))


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
    """Without `managedTag` it is unknown which flags are ours: that is wrong usage, not an empty prune."""
    with pytest.raises(UsageError, match="managedTag"):
        build_plan(a_desired_state(), a_live_state(a_full_flag()), a_config(), PlanOptions(prune=True))


def test_a_payload_is_described_with_any_keys() -> None:
    """Keys that look private in Python are keys like any other."""
    live = a_live_flag(a_full_flag(variants=(a_full_variant("a", payload={"__x": {"y": 1}}),)))
    declared = a_flag(variants=(Variant(key="a", payload={"__x": {"y": 2}}),))

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    (change,) = plan.changes
    assert isinstance(change, ValueChange)
    assert change.details == (LeafChange(path="/__x/y", before=1, after=2),)


def test_a_payload_is_described_as_deep_as_it_differs() -> None:
    """However little of two values is alike; what comes and what goes stand there whole."""
    before = {"a": 1, "in": {"x": 1, "same": 1}, "list": [1, 2], "gone": {"z": 1}, "was": {"b": 1}, "one": [1]}
    after = {"a": 1, "in": {"y": 1, "same": 1}, "list": [1, 3], "new": {"z": 1}, "was": {"c": 1}, "one": {"d": 1}}
    live = a_live_flag(a_full_flag(variants=(a_full_variant("a", payload=before),)))
    declared = a_flag(variants=(Variant(key="a", payload=after),))
    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)
    assert plan is not None
    (change,) = plan.changes
    assert isinstance(change, ValueChange)
    assert [(leaf.path, leaf.before, leaf.after) for leaf in change.details] == [
        ("/gone", {"z": 1}, None),
        ("/in/x", 1, None),
        ("/in/y", None, 1),
        ("/list/1", 2, 3),
        ("/new", None, {"z": 1}),
        ("/one", [1], {"d": 1}),
        ("/was/b", 1, None),
        ("/was/c", None, 1),
    ]


def a_plan_of(declared: FlagSpec, live: FlagSpec) -> FlagPlan | None:
    """The plan of one flag."""
    return Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), a_live_flag(live))


BOTH = (Variant(key="control"), Variant(key="treatment"))


def test_a_segment_lets_go_of_a_variant_before_it_goes() -> None:
    """Segments that mean the declared ones, and still name at weight 0 what is to go, are sent again first."""
    named = a_segment(rollout_weights=Weights.of({"treatment": 1, "control": 0}))
    live = a_full_flag(target_segments=(named,), rollout_weights=Weights.of({"control": 0, "treatment": 1}))
    declared = a_flag(target_segments=(a_segment(),), variants=(Variant(key="treatment"),))
    plan = a_plan_of(declared, live)
    assert plan is not None
    assert [type(operation) for operation in plan.operations] == [EditFlag, DeleteVariant]
    assert plan.operations[0].body == {  # type: ignore[union-attr]
        "targetSegments": encode_segments((a_segment(rollout_weights=Weights.of({"treatment": 1})),))
    }


def test_segments_that_do_not_name_what_goes_are_not_sent() -> None:
    """Nor those of which the flag has none."""
    for segments in ((a_segment(rollout_weights=Weights.of({"treatment": 1})),), ()):
        live = a_full_flag(target_segments=segments, rollout_weights=Weights.of({"control": 0, "treatment": 1}))
        declared = a_flag(target_segments=segments, variants=(Variant(key="treatment"),))
        plan = a_plan_of(declared, live)
        assert plan is not None
        assert plan.operations == (DeleteVariant(flag_key="new-checkout", variant_key="control"),)


def test_a_variant_that_undeclared_segments_name_cannot_go() -> None:
    """It is not declared what those segments are to be instead: each is told, with each variant that it names."""
    keys = ("zeta", "control", "beta", "eta", "alpha", "delta", "gamma")
    named = [a_segment(name, rollout_weights=Weights.of(dict.fromkeys(keys, 1))) for name in ("Beta", "Alpha")]
    live = a_full_flag(target_segments=tuple(named), variants=tuple(map(a_full_variant, keys)))
    with pytest.raises(InvalidInputError) as caught:
        a_plan_of(a_flag(variants=(Variant(key="control"),)), live)
    found = caught.value.diagnostics
    assert {(item.rule, item.path) for item in found} == {("variant-in-use", "/variants")}
    assert [item.message for item in found] == [
        f'Variant "{key}" cannot be removed: the live segment "{name}" of "new-checkout" names it. '
        "Declare `targetSegments` without it as well."
        for name in ("Beta", "Alpha")
        for key in ("alpha", "beta", "delta", "eta", "gamma", "zeta")
    ]


@pytest.mark.parametrize(
    ("name", "prop", "is_kept"),
    [("Known", "city", True), ("Renamed", "country", True), ("New", "city", False)],
    ids=["of its name", "of its conditions", "of neither"],
)
def test_a_segment_keeps_its_bucketing_key_where_it_is_the_same_one(name: str, prop: str, *, is_kept: bool) -> None:
    """A file that says no key leaves the live one; a new segment has none, in whose place it may stand."""
    live = a_segment(name="Known", bucketing_key="device_id", conditions=(a_condition(prop="country"),))
    declared = a_segment(name=name, conditions=(a_condition(prop=prop),), percentage=7)
    plan = a_plan_of(a_flag(target_segments=(declared,)), a_full_flag(target_segments=(live,)))
    assert plan is not None
    (edit,) = plan.operations
    assert isinstance(edit, EditFlag)
    (sent,) = edit.body["targetSegments"]
    assert sent.get("bucketingKey") == ("device_id" if is_kept else None)


@pytest.mark.parametrize(
    ("live", "declared", "sent"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, {}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2, "new": 0}, {"new": 0}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2, "new": 2}, {"new": 2, "a": 2, "b": 2}),
        ({"a": 2, "b": 2}, {"a": 2, "b": 2, "new": 2}, {"new": 2}),
        ({"a": 1, "b": 3}, {"a": 1, "b": 4}, {"b": 4}),
        ({"a": 1, "b": 3}, {"a": 2, "b": 0}, {"b": 0}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 0, "new": 0}, {"new": 0, "b": 0}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 0, "new": 1}, {"new": 1, "a": 2, "b": 0}),
        ({"a": 0, "b": 0}, {"a": 0, "b": 0}, {}),
        ({"a": 0, "b": 0}, {"a": 1, "b": 1}, {"a": 1, "b": 1}),
        ({"a": 1, "b": 2}, {"a": 0, "b": 0}, {"a": 0, "b": 0}),
    ],
)
def test_weights_that_are_sent(live: dict[str, int], declared: dict[str, int], sent: dict[str, int]) -> None:
    """As few as give the declared shares, as they are declared."""
    before = a_full_flag(variants=tuple(map(a_full_variant, live)), rollout_weights=Weights.of(live))
    wanted = a_flag(variants=tuple(Variant(key=key) for key in declared), rollout_weights=Weights.of(declared))
    pairs = {key: a_full_variant(key) for key in live}
    assert weights_to_send(wanted, before, pairs) == sent


def test_a_rename_is_one_call() -> None:
    """The server moves weights and segments along: they are not sent beside it."""
    renamed = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    weights = Weights.of({"new": 1})
    declared = a_flag(variants=renamed, target_segments=(a_segment(rollout_weights=weights),))
    plan = a_plan_of(declared, a_full_flag(target_segments=(a_segment(),)))
    assert plan is not None
    assert plan.operations == (EditVariant(flag_key="new-checkout", variant_key="treatment", body={"key": "new"}),)
    assert any("Renaming" in warning for warning in plan.warnings)


def test_a_rename_of_long_ago_is_none_where_both_keys_are_in_use() -> None:
    """The old key stands for a variant of its own by now, in segments too."""
    variants = (Variant(key="control"), Variant(key="treatment", renamed_from="control"))
    segment = a_segment(rollout_weights=Weights.of({"control": 1}))
    declared = a_flag(variants=variants, target_segments=(segment,))
    assert a_plan_of(declared, a_full_flag(target_segments=(segment,))) is None


@pytest.mark.parametrize("payload", [None, {}])
def test_no_payload_has_two_forms(payload: dict[str, int] | None) -> None:
    """A variant without a payload is as declared, whether the file says null or an empty object."""
    assert a_plan_of(a_flag(variants=(Variant(key="control", payload=payload), BOTH[1])), a_full_flag()) is None


def test_what_no_order_of_calls_reaches_is_told() -> None:
    """A flag keeps one variant at least: to be left without any is no state that calls lead to."""
    with pytest.raises(InvalidInputError) as caught:
        a_plan_of(a_flag(variants=()), a_full_flag(rollout_weights=Weights()))
    message = "No order of the calls for new-checkout keeps every variant in existence while it is named."
    (found,) = caught.value.diagnostics
    assert (found.rule, found.message, found.path) == ("no-order", message, "/variants")
    assert str(caught.value) == message


def test_an_order_that_cannot_be_had_is_told() -> None:
    """The API moves no variant; who declares another order, and changes something, is told what it will be."""
    plan = a_plan_of(a_flag(variants=BOTH[::-1], name="Other"), a_full_flag())
    assert plan is not None
    assert [type(operation) for operation in plan.operations] == [EditFlag]
    assert any("it will be control, treatment, declared is treatment, control" in item for item in plan.warnings)


def test_what_is_archived_is_not_unmanaged() -> None:
    """A flag that is archived and declared no more is done with: neither listed nor archived again."""
    live = a_live_state(a_full_flag("old", archived=True, tags=("ours",)), a_full_flag("kept"))
    for prune in (False, True):
        options = PlanOptions(prune=prune)
        plan = build_plan(a_desired_state(a_flag("kept")), live, a_config(managed_tag="ours"), options)
        assert plan.unmanaged == ()
        assert [flag.key for flag in plan.flags] == ["kept"]  # it gets the tag


def test_a_target_that_matches_nothing_is_told() -> None:
    """A misspelt target must not look like nothing to do; a key that is nowhere is wrong usage."""
    options = PlanOptions(targets=("new-*", "gone-*"))
    plan = build_plan(a_desired_state(a_flag()), a_live_state(a_full_flag()), a_config(), options)
    assert plan.warnings == ('The target "gone-*" matches no flag, neither declared nor live.',)
    with pytest.raises(UsageError, match=r'no flag "gone", neither declared nor live\.$'):
        build_plan(a_desired_state(a_flag()), a_live_state(), a_config(), PlanOptions(targets=("gone",)))


def test_a_target_in_another_shard_is_not_missed() -> None:
    """Only its own shard looks it up."""
    for shard in ((1, 2), (2, 2)):
        options = PlanOptions(targets=tuple(f"gone-{number}" for number in range(20)), shard=shard)
        with pytest.raises(UsageError) as refused:
            build_plan(a_desired_state(), a_live_state(), a_config(), options)
        named = str(refused.value).split('"')[1]
        live = a_live_state(a_full_flag(key=named))
        build_plan(a_desired_state(), live, a_config(), PlanOptions(targets=(named,), shard=shard))


def test_targets_that_spell_a_key_mean_that_key() -> None:
    """Many of them, of which one is not there: it is named."""
    flags = a_live_state(*(a_full_flag(key=f"flag-{number}") for number in range(40)))
    options = PlanOptions(targets=tuple(f"flag-{number}" for number in range(1, 40)))
    assert len(build_plan(a_desired_state(), flags, a_config(), options).unmanaged) == 39
    with pytest.raises(UsageError, match='no flag "flag-40"'):
        build_plan(a_desired_state(), flags, a_config(), replace(options, targets=(*options.targets, "flag-40")))


@pytest.mark.parametrize("enabled", [UNSET, True])
def test_an_undeclared_switch_is_never_sent(enabled: bool | Unset) -> None:
    """A flag that comes back on with other weights is switched off meanwhile only where `enabled` is declared."""
    live = a_full_flag(archived=True, enabled=True, rollout_weights=Weights.of({"control": 1, "treatment": 1}))
    spec = FlagSpec(
        key=live.key, archived=False, enabled=enabled, rollout_weights=Weights.of({"control": 90, "treatment": 10})
    )
    plan = build_plan(
        a_desired_state(spec),
        a_live_state(live),
        a_config(),
        PlanOptions(unarchive=True, allow=frozenset({"transient"})),
    )
    (flag,) = plan.flags
    sent = [name for item in flag.operations for name in getattr(item, "body", {})]
    assert sent.count("archive") == 1
    assert ("enabled" in sent) is (enabled is True)


def test_names_of_deployments_are_those_that_the_plan_moves() -> None:
    """Attached or detached; of several names of one the last counts."""
    config = a_config(deployments={"web": "67", "also": "67", "tv": "68", "app": "69"})
    live = a_live_state(a_full_flag("f", deployments=("68",)), a_full_flag("g", deployments=("69",)))
    desired = a_desired_state(a_flag("f", deployments=("67",)), a_flag("g", name="x"))

    plan = build_plan(desired, live, config, PlanOptions())

    assert plan.deployments == {"67": "web", "68": "tv"}


def test_what_the_server_does_not_show_is_left_alone() -> None:
    """And said, for each declared field but tags, which are asked for by every plan."""
    live = a_live_flag(replace(a_full_flag("f"), evaluation_mode=UNSET, bucketing_salt=UNSET, tags=UNSET))
    declared = a_flag("f", evaluation_mode="local", bucketing_salt="s", tags=("x",), name="new")

    plan = Planner(config=a_config(), options=PlanOptions()).plan_flag(a_desired_flag(declared), live)

    assert plan is not None
    assert plan.warnings == (
        "The server does not show `evaluationMode`: it cannot be compared and is left alone.",
        "The server does not show `bucketingSalt`: it cannot be compared and is left alone.",
    )
    assert [operation.body for operation in plan.operations] == [{"name": "new"}]  # type: ignore[union-attr]


def test_what_is_told_of_the_live_state() -> None:
    """What was read says it first; tags that are declared and not shown, and copies of what is not declared."""
    live = a_live_state(
        a_full_flag("f", tags=UNSET), shows_tags=False, warnings=("seen",),
        duplicates={"z": ("8", "9"), "b": ("3", "4", "5"), "f": ("1", "2")},
    )  # fmt: skip
    copies = (
        'Two live flags carry the key "b" (ids 3, 4, 5): one of them should be archived.',
        'Two live flags carry the key "z" (ids 8, 9): one of them should be archived.',
    )
    hidden = "The server does not show tags: they cannot be compared and are left alone on flags that exist."
    for tags, said in ((UNSET, ()), (("t",), (hidden,))):
        plan = build_plan(a_desired_state(a_flag("f", tags=tags)), live, a_config(), PlanOptions())
        assert plan.warnings == ("seen", *said, *copies)
    shown = replace(live, shows_tags=True)
    plan = build_plan(a_desired_state(a_flag("f", tags=("t",))), shown, a_config(), PlanOptions())
    assert plan.warnings == ("seen", *copies)


def test_segments_that_are_not_shown_are_as_declared() -> None:
    declared = a_flag(target_segments=(a_segment(),))
    assert desired_for_live(declared, a_flag(), None, shows_tags=True) == declared


STEPS = (Step(10, timedelta(hours=1, seconds=1)), Step(50))
OWN = PlacedRollout(rollout=Rollout(steps=STEPS, guards=("errors",), on_fail="hold", window="office"), end=50)
OF_BETA = PlacedRollout(rollout=Rollout(steps=STEPS), end=50, segment="Beta")


@pytest.mark.parametrize(
    ("declared", "live", "after", "shares"),
    [
        ({}, {"rollout_percentage": 10}, None, (10, None)),
        ({}, {"rollout_percentage": 10}, {"rollout_percentage": 10}, (10, None)),
        ({}, {"rollout_percentage": 10}, {"rollout_percentage": 0}, (10, 0)),
        ({}, {"rollout_percentage": 10}, {"rollout_percentage": UNSET}, (10, None)),
        ({}, {"rollout_percentage": 50}, {"rollout_percentage": 10}, None),
        ({}, {"rollout_percentage": UNSET}, {"rollout_percentage": 10}, (None, None)),
        ({}, None, {"rollout_percentage": 10}, (None, None)),
        ({"archived": True}, {"rollout_percentage": 10}, None, None),
        ({"archived": False}, {"rollout_percentage": 10}, None, (10, None)),
    ],
)
def test_rollouts_that_are_still_to_reach_their_ends(
    declared: dict[str, Any], live: dict[str, Any] | None, after: dict[str, Any] | None, shares: Any
) -> None:
    """With the live percentage, and that of after the plan where it is another; none of a flag that is to go."""
    flag = a_desired_flag(a_flag("f", **declared), rollouts=(OWN,))
    found = open_rollouts(
        [flag],
        {} if live is None else {"f": a_live_flag(a_full_flag("f", **live))},
        {} if after is None else {"f": a_full_flag("f", **after)},
    )
    planned = [] if shares is None else [
        PlannedRollout(
            key="f", path="/rolloutPercentage", live=shares[0], start=shares[1], steps=((10, 3601), (50, None)),
            guards=("errors",), on_fail="hold", window="office",
        )
    ]  # fmt: skip
    assert list(found) == planned


@pytest.mark.parametrize(
    ("options", "live", "requests"),
    [
        ({}, ("f", "g"), 24 * (5 + 2)),
        ({}, ("f",), 24 * (5 + 1)),
        ({}, (), 24 * 5),
        ({"targets": ("f",)}, ("f", "g"), None),
        ({"shard": (1, 1)}, ("f", "g"), None),
    ],
)
def test_what_a_drift_every_hour_costs(options: dict[str, Any], live: tuple[str, ...], requests: int | None) -> None:
    """The reads of this plan, and the versions of each live flag with rollouts; of a part it is not known."""
    segment = a_segment("Beta", percentage=0)
    flags = [a_desired_flag(a_flag(key), rollouts=(OWN, OF_BETA)) for key in "fg"]
    state = a_live_state(*(a_full_flag(key, target_segments=(segment,)) for key in live), requests=5)
    plan = build_plan(a_desired_state(*flags), state, a_config(), PlanOptions(**options))
    assert plan.hourly_drift_requests == requests
