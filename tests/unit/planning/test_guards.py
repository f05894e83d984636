"""Every guard refuses what it is for, names itself and its override, and lets pass what is below its threshold."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from builders import a_config, a_desired_flag, a_desired_state, a_live_state, a_position
from msgspec.structs import replace

from reconciler.model.config import Ignored, Limit, Requests, Safety
from reconciler.model.flag import (
    UNSET,
    Condition,
    Dependencies,
    DesiredFlag,
    DesiredState,
    FlagSpec,
    LiveFlag,
    LiveState,
    TargetSegment,
    Variant,
    Weights,
)
from reconciler.planning.guards import ALLOWABLE, GUARDS, WINDOW, check_guards
from reconciler.planning.kill_switch import KillSwitch
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import build_plan, scope_of
from reconciler.planning.warnings import with_exposure

COHORT = Condition(prop="userdata_cohort", op="is", values=("c1",), type="cohort")


def a_live(key: str = "f", flag_id: str = "9", parents: Dependencies | None = None, **fields: Any) -> LiveFlag:
    """A live flag that is on for everyone, 1:1."""
    known = {
        "enabled": True,
        "archived": False,
        "rollout_percentage": 100,
        "rollout_weights": Weights.of({"a": 1, "b": 1}),
        "variants": (Variant(key="a"), Variant(key="b")),
        "target_segments": (),
        "deployments": (),
        "tags": (),
        "name": "",
        "bucketing_key": "user_id",
        "bucketing_salt": "s",
        "bucketing_unit": "User",
        "evaluation_mode": "remote",
    }
    spec = FlagSpec(key=key, **known | fields)
    return LiveFlag(id=flag_id, project_id="7", spec=spec, parent_dependencies=parents)


def plan_of(
    desired: list[FlagSpec],
    live: list[LiveFlag],
    *,
    duplicates: Any = None,
    safety: Safety | None = None,
    kill_switches: tuple[KillSwitch, ...] = (),
    requests: Requests | None = None,
    seen: dict[str, Any] | None = None,
    unread: dict[str, str] | None = None,
    **options: Any,
) -> Plan:
    """The plan of these flags, guards asked; `seen` is what else was read of the project, `unread` of the files."""
    config = a_config(safety=safety or Safety(), managed_tag="managed", requests=requests or Requests())
    flags = {spec.key: DesiredFlag(spec=spec, source=a_position()) for spec in desired}
    state = DesiredState(flags=flags, unread=unread or {})
    live_state = LiveState(project_id="7", flags={flag.key: flag for flag in live}, duplicates=duplicates or {})
    live_state = replace(live_state, **(seen or {}))
    plan = with_exposure(build_plan(state, live_state, config, PlanOptions(**options)))
    return check_guards(plan, state, live_state, config, kill_switches)


def off(key: str) -> FlagSpec:
    return FlagSpec(key=key, tags=("managed",), name="new")


def many(count: int) -> list[LiveFlag]:
    return [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(count)]


SWITCH = KillSwitch(key="f", message='"f" was turned off live.')
PARENT = Dependencies(flags=(("9", ("b",)),), operator="all")
SEGMENT = TargetSegment(name="Cohort", conditions=(COHORT,), percentage=100, rollout_weights=Weights.of({"a": 1}))
TAGS: dict[str, Any] = {"tags": ("managed",)}
LIVE_TAGS: dict[str, Any] = {"tags": ("managed",)}

CASES: dict[str, tuple[list[FlagSpec], list[LiveFlag], dict[str, Any]]] = {
    "empty": ([], [a_live()], {}),
    "duplicates": ([FlagSpec(key="f")], [], {"duplicates": {"f": ("1", "2")}}),
    "archived": ([FlagSpec(key="f", name="x")], [a_live(archived=True)], {}),
    "unmet-declaration": ([FlagSpec(key="f", rollout_weights=Weights.of({"gone": 1}))], [a_live()], {}),
    "unarchive": ([FlagSpec(key="f", archived=False)], [a_live(archived=True)], {}),
    "renames": ([FlagSpec(key="f", variants=(Variant(key="a"), Variant(key="B")))], [a_live()], {}),
    "updates": (
        [off(f"f{index}") for index in range(4)] + [FlagSpec(key=f"f{i}") for i in range(4, 10)],
        many(10),
        {},
    ),
    "archives": ([FlagSpec(key=f"f{index}", archived=True) for index in range(6)], many(6), {}),
    "rebucket": ([FlagSpec(key="f", bucketing_salt="t")], [a_live(**LIVE_TAGS)], {}),
    "cohort-conditions": ([FlagSpec(key="f", target_segments=())], [a_live(target_segments=(SEGMENT,))], {}),
    "unread-file": (
        [FlagSpec(key="g")],
        [a_live(**LIVE_TAGS), a_live("g", "8", **LIVE_TAGS)],
        {"prune": True, "unread": {"f": "flags/f.ymal"}},
    ),
    "deployments": ([FlagSpec(key="f", deployments=("999",))], [a_live()], {"seen": {"deployments": frozenset("1")}}),
    "experiment": ([FlagSpec(key="f", variants=(Variant(key="a"),))], [], {"seen": {"taken": frozenset("f")}}),
    "dependents": ([FlagSpec(key="f", enabled=False)], [a_live(), a_live("child", "10", PARENT)], {}),
    "kill-switch": ([FlagSpec(key="f", enabled=True)], [a_live(enabled=False)], {"kill_switches": (SWITCH,)}),
    "exposure": (
        [FlagSpec(key="f", rollout_percentage=0)],
        [a_live()],
        {"safety": Safety(max_exposure_change=Fraction(1, 2))},
    ),
    "zero-weights": (
        [FlagSpec(key="f", variants=(Variant(key="a"),))],
        [a_live(rollout_weights=Weights.of({"a": 0, "b": 1}))],
        {},
    ),
    "shield": (
        [FlagSpec(key="f", rollout_weights=Weights.of({"a": 90, "b": 10}))],
        [a_live(target_segments=(SEGMENT,))],
        {"shield": True, "allow": frozenset({"transient"})},
    ),
    "transient": ([FlagSpec(key="f", rollout_weights=Weights.of({"a": 90, "b": 10}))], [a_live()], {}),
    "quota": ([FlagSpec(key="f", name="new")], [a_live()], {"requests": Requests(daily_budget=2)}),
}


MAY_BE_ALLOWED = {
    "archives", "cohort-conditions", "dependents", "deployments", "empty", "exposure", "kill-switch", "quota",
    "rebucket", "renames", "transient", "unread-file", "updates",
}  # fmt: skip
HOLD_ALWAYS = {"archived", "duplicates", "experiment", "shield", "unarchive", "unmet-declaration", "zero-weights"}
OF_THE_RUN = {"archives", "empty", "quota", "updates"}


def test_what_may_be_overridden_is_decided_here() -> None:
    """`--allow` takes these names and no other: one more or less of them is a decision about safety."""
    assert {*ALLOWABLE} - {WINDOW} == MAY_BE_ALLOWED
    assert set(GUARDS) == MAY_BE_ALLOWED | HOLD_ALWAYS | {WINDOW}
    assert CASES.keys() == MAY_BE_ALLOWED | HOLD_ALWAYS


@pytest.mark.parametrize("name", sorted({*GUARDS} - {WINDOW}))
def test_each_guard_refuses(name: str) -> None:
    """The guard's own case is refused by it, and by no other."""
    desired, live, settings = CASES[name]
    plan = plan_of(desired, live, **settings)
    assert {refusal.guard for refusal in plan.every_refusal} == {name}
    assert all(refusal.message for refusal in plan.every_refusal)


@pytest.mark.parametrize("name", sorted(MAY_BE_ALLOWED))
def test_allow_overrides_exactly_its_guard(name: str) -> None:
    """`--allow NAME` lifts the refusal; another name does not."""
    desired, live, settings = CASES[name]
    other = min(MAY_BE_ALLOWED - {name})
    assert not plan_of(desired, live, **settings | {"allow": frozenset({name})}).every_refusal
    assert plan_of(desired, live, **settings | {"allow": frozenset({other})}).every_refusal


@pytest.mark.parametrize("name", sorted(HOLD_ALWAYS))
def test_some_guards_nothing_allows(name: str) -> None:
    """`--allow` with the name of a guard that it does not lift leaves the refusal, however it got there."""
    desired, live, settings = CASES[name]
    allow = settings.get("allow", frozenset()) | {name}
    assert [item.guard for item in plan_of(desired, live, **settings | {"allow": allow}).every_refusal] == [name]


@pytest.mark.parametrize("name", ["duplicates", "archived", "unarchive", "unmet-declaration"])
def test_a_flag_that_is_left_is_neither_planned_nor_unchanged(name: str) -> None:
    """What a guard holds is no change and no flag that needs none; out of scope, it is not its concern."""
    desired, live, settings = CASES[name]
    plan = plan_of(desired, live, **settings)
    assert plan.to_apply == ()
    assert plan.unchanged == 0
    assert plan_of(desired, live, **settings | {"targets": ("other*",)}).every_refusal == ()


HOLDS = sorted(CASES.keys() - OF_THE_RUN)


@pytest.mark.parametrize("name", HOLDS)
def test_what_one_flag_does_wrong_holds_that_flag_alone(name: str) -> None:
    """The flag of the case is held, and no guard of the run refuses: another flag goes on."""
    desired, live, settings = CASES[name]
    plan = plan_of([*desired, FlagSpec(key="z", name="new")], [*live, a_live("z", "99", **LIVE_TAGS)], **settings)
    assert [flag.key for flag in plan.held] == ["f"]
    assert [flag.key for flag in plan.to_apply] == ["z"]
    assert plan.refusals == ()
    assert (plan.summary.held, plan.summary.update, plan.summary.operations) == (1, 1, 1)
    assert plan.summary.max_exposure_change == 0


@pytest.mark.parametrize("name", sorted(OF_THE_RUN))
def test_guards_of_the_run_hold_no_flag(name: str) -> None:
    """They refuse the plan as a whole."""
    desired, live, settings = CASES[name]
    plan = plan_of(desired, live, **settings)
    assert [refusal.guard for refusal in plan.refusals] == [name]
    assert plan.held == ()


def test_held_flags_do_not_count_for_guards_of_the_run() -> None:
    """Four updates of ten are one too many, unless one of them is held anyway."""
    desired, live, _ = CASES["updates"]
    salted = replace(desired[0], bucketing_salt="t")
    plan = plan_of([salted, *desired[1:]], live)
    assert (plan.refusals, [flag.key for flag in plan.held]) == ((), ["f0"])
    assert [item.guard for item in plan_of([salted, *desired[1:]], live, allow=frozenset({"rebucket"})).refusals]


@pytest.mark.parametrize("name", sorted(MAY_BE_ALLOWED - OF_THE_RUN))
def test_allow_may_name_one_flag(name: str) -> None:
    """`--allow KIND:KEY` lifts the refusal of that flag, and of no other."""
    desired, live, settings = CASES[name]
    assert not plan_of(desired, live, **settings | {"allow": frozenset({f"{name}:f"})}).every_refusal
    assert plan_of(desired, live, **settings | {"allow": frozenset({f"{name}:other"})}).held


CHILD_OF_F = ("child", "10", Dependencies(flags=(("9", ("b",)),), operator="all"))


@pytest.mark.parametrize(
    ("child", "live_child", "is_held"),
    [
        (None, {}, True),
        (None, {"enabled": False}, False),
        ({"enabled": False}, {}, False),
        ({"archived": True}, {}, False),
        ({"enabled": True}, {"enabled": False}, True),
        ({"enabled": False, "bucketing_salt": "t"}, {}, True),  # the child is held itself, and so stays on
    ],
)
def test_a_child_that_is_off_in_the_end_needs_no_parent(
    child: dict[str, Any] | None, live_child: dict[str, Any], *, is_held: bool
) -> None:
    """Switching off a parent is held while a child gives variants, live or after this plan."""
    desired = [FlagSpec(key="f", enabled=False)] + ([FlagSpec(key="child", **child)] if child else [])
    plan = plan_of(desired, [a_live(), a_live(*CHILD_OF_F, **live_child)])
    assert ("dependents" in {item.guard for flag in plan.held if flag.key == "f" for item in flag.held}) is is_held


def test_variants_that_a_child_needs_are_named_in_their_order() -> None:
    """All that would go, and no other."""
    keys = ("c", "a", "b", "d")
    live = a_live(variants=tuple(Variant(key=key) for key in keys), rollout_weights=Weights.of({"d": 1}))
    needs = Dependencies(flags=(("9", ("d", "c", "b")),), operator="all")
    plan = plan_of([FlagSpec(key="f", variants=(Variant(key="d"),))], [live, a_live("child", "10", needs)])
    assert [item.message for flag in plan.held for item in flag.held if item.guard == "dependents"] == [
        'Flag "child" depends on variant b, c of "f", which would go.'
    ]


def test_a_held_parent_holds_its_own_parents() -> None:
    """A chain goes off from its last child on: one that stays keeps all above it."""
    live = [
        a_live(),
        a_live(*CHILD_OF_F),
        a_live("grandchild", "11", Dependencies(flags=(("10", ()),), operator="all")),
    ]
    desired = [FlagSpec(key=key, enabled=False) for key in ("f", "child")]
    assert [flag.key for flag in plan_of(desired, live).held] == ["child", "f"]
    off = [*desired, FlagSpec(key="grandchild", enabled=False)]
    assert plan_of(off, live).held == ()


def test_a_tombstone_of_what_is_not_there_is_done() -> None:
    """`archived: true` for a flag that is not in the project asks for nothing, with any other declaration."""
    for fields in ({}, {"variants": (Variant(key="a"),)}):
        plan = plan_of([FlagSpec(key="f", archived=True, **fields)], [a_live("z")])
        assert (plan.is_empty, plan.unchanged) == (True, 1)


def test_unarchive_is_the_override_of_its_guard() -> None:
    """`--unarchive` brings a flag back that declares `archived: false`."""
    desired, live, _ = CASES["unarchive"]
    plan = plan_of(desired, live, unarchive=True)
    assert not plan.every_refusal
    assert [flag.action for flag in plan.flags] == ["unarchive"]


def test_percentages_count_from_min_flags_on() -> None:
    """Below minFlags a percentage refuses nothing; a plain number always counts."""
    desired, live, _ = CASES["updates"]
    assert not plan_of(desired[:9], live[:9]).every_refusal
    strict = Safety(max_updates=Limit(count=3))
    assert [item.guard for item in plan_of(desired[:9], live[:9], safety=strict).every_refusal] == ["updates"]
    assert not plan_of(desired[:9], live[:9], safety=Safety(max_updates=Limit(count=4))).every_refusal


def test_a_shards_updates_count_against_its_own_flags() -> None:
    """Another shard's flags do not make the share smaller: 5 of 15, not of 30."""
    live = [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(30)]
    keys = [flag.key for flag in live if scope_of(PlanOptions(shard=(1, 3)))(flag.key)]
    desired = [off(flag.key) if flag.key in keys[:5] else FlagSpec(key=flag.key) for flag in live]
    assert 5 / len(keys) > 0.3 > 5 / len(live)
    assert [item.guard for item in plan_of(desired, live, shard=(1, 3)).every_refusal] == ["updates"]
    assert not plan_of(desired, live).every_refusal


SHARDS = [(index, 4) for index in range(1, 5)]


def guards_of_shards(desired: list[FlagSpec], live: list[LiveFlag], **settings: Any) -> list[list[str]]:
    """What refuses in each of four shards."""
    return [
        [item.guard for item in plan_of(desired, live, shard=shard, **settings).every_refusal] for shard in SHARDS
    ]


@pytest.mark.parametrize("prune", [True, False], ids=["gone from the files", "declared as archived"])
def test_archives_of_all_shards_count_together(prune: bool) -> None:
    """Six archives are six in every shard, where five are allowed; five are five."""
    live = [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(30)]
    for count, refused in ((6, ["archives"]), (5, [])):
        gone = {flag.key for flag in live[:count]}
        desired = [FlagSpec(key=flag.key) for flag in live if flag.key not in gone]
        desired += [] if prune else [FlagSpec(key=key, archived=True) for key in gone]
        assert guards_of_shards(desired, live, prune=prune) == [refused] * 4
    refusal = plan_of(desired[5:], live, shard=(1, 4), prune=True).every_refusal[0]
    assert "archives in all shards" in refusal.message


def test_archives_outside_of_the_targets_are_no_shards() -> None:
    """What a run is not about is not counted."""
    live = [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(30)]
    assert guards_of_shards([FlagSpec(key="f0")], live, prune=True, targets=("f1*",)) == [["archives"]] * 4
    assert guards_of_shards([FlagSpec(key="f0")], live, prune=True, targets=("f2",)) == [[]] * 4


def test_a_number_of_updates_is_shared_out() -> None:
    """Of eight updates that are allowed each of four shards has about two: together they are no thirty-two."""
    live = [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(40)]
    all_change, none_changes = [off(flag.key) for flag in live], [FlagSpec(key=flag.key) for flag in live]
    safety = Safety(max_updates=Limit(count=8))
    assert guards_of_shards(all_change, live, safety=safety) == [["updates"]] * 4
    assert guards_of_shards(none_changes, live, safety=safety) == [[]] * 4
    shards = [[flag.key for flag in live if scope_of(PlanOptions(shard=shard))(flag.key)] for shard in SHARDS]
    parts = [ceil(8 * len(keys) / 40) for keys in shards]
    for more, refused in ((0, []), (1, ["updates"])):
        changed = {key for keys, part in zip(shards, parts, strict=True) for key in keys[: part + more]}
        desired = [off(flag.key) if flag.key in changed else FlagSpec(key=flag.key) for flag in live]
        assert guards_of_shards(desired, live, safety=safety) == [refused] * 4
    assert sum(parts) <= 8 + 4


def test_small_shards_of_many_flags_are_guarded() -> None:
    """`minFlags` counts the flags of all shards: splitting a project does not take its guards away."""
    live = [a_live(f"f{index}", str(index), tags=("managed",)) for index in range(20)]
    desired = [off(flag.key) for flag in live]
    assert all(len([flag for flag in live if scope_of(PlanOptions(shard=shard))(flag.key)]) < 10 for shard in SHARDS)
    assert guards_of_shards(desired, live) == [["updates"]] * 4
    assert guards_of_shards(desired[:9], live[:9]) == [[]] * 4


def test_flags_that_are_not_live_yet_are_no_share_of_the_live_ones() -> None:
    """Twenty new flags beside ten do not let twice as many of the ten change; targets or not."""
    desired, live, _ = CASES["updates"]
    new = [FlagSpec(key=f"new-{index}", variants=(Variant(key="a"),)) for index in range(20)]
    assert [item.guard for item in plan_of([*desired, *new], live).every_refusal] == ["updates"]
    assert [item.guard for item in plan_of([*desired, *new], live, targets=("f*",)).every_refusal] == ["updates"]


def test_the_budget_may_be_used_up_to_its_end() -> None:
    """A look before, one call and a look after fit into three requests, and into no fewer."""
    desired, live, _ = CASES["quota"]
    assert not plan_of(desired, live, requests=Requests(daily_budget=3)).every_refusal
    assert not plan_of([], [], requests=Requests(daily_budget=0)).every_refusal


def test_thresholds_are_inclusive() -> None:
    """Three of ten flags are the 30 % that is allowed."""
    desired, live, _ = CASES["updates"]
    fewer = [spec if index < 3 else FlagSpec(key=spec.key) for index, spec in enumerate(desired)]
    assert not plan_of(fewer, live).every_refusal


@pytest.mark.parametrize(
    "change",
    [
        {"bucketing_salt": "t"},
        {"bucketing_key": "device_id"},
        {"bucketing_unit": "org"},
        {"evaluation_mode": "local"},
    ],
)
def test_rebucketing_fields(change: dict[str, Any]) -> None:
    """Each field that re-buckets users is refused on a flag that is on, and not on one that is off."""
    desired = [FlagSpec(key="f", **change)]
    assert [item.guard for item in plan_of(desired, [a_live(**LIVE_TAGS)]).every_refusal] == ["rebucket"]
    assert not plan_of(desired, [a_live(enabled=False)]).every_refusal


def a_keyed(name: str = "US", bucketing_key: Any = "user_id", **fields: Any) -> TargetSegment:
    """A segment for half of a country, with a bucketing key of its own."""
    condition = Condition(prop="country", op="is", values=("US",))
    known = {"conditions": (condition,), "percentage": 50, "rollout_weights": Weights.of({"a": 1})}
    return TargetSegment(name=name, bucketing_key=bucketing_key, **known | fields)


@pytest.mark.parametrize(
    ("live", "declared", "is_refused"),
    [
        (a_keyed(), a_keyed(bucketing_key="device_id"), True),
        (a_keyed(), a_keyed("Renamed", bucketing_key="device_id"), True),
        (a_keyed(bucketing_key=UNSET), a_keyed(bucketing_key="device_id"), True),
        (a_keyed(bucketing_key=UNSET), a_keyed(bucketing_key="user_id"), False),  # the flag's own key
        (a_keyed(), a_keyed(percentage=60), False),
        (a_keyed(), a_keyed(bucketing_key=UNSET, percentage=60), False),
        (
            a_keyed(),
            a_keyed("New", "device_id", conditions=(Condition(prop="city", op="is", values=("Rome",)),)),
            False,
        ),
    ],
)
def test_a_segment_that_is_re_bucketed(live: TargetSegment, declared: TargetSegment, *, is_refused: bool) -> None:
    """Another bucketing key of a segment is refused like the flag's own, under any name of the segment."""
    spec = FlagSpec(key="f", target_segments=(declared,))
    guards = ["rebucket"] if is_refused else []
    assert [item.guard for item in plan_of([spec], [a_live(target_segments=(live,))]).every_refusal] == guards
    assert not plan_of([spec], [a_live(target_segments=(live,))], allow=frozenset({"rebucket"})).every_refusal
    assert not plan_of([spec], [a_live(target_segments=(live,), enabled=False)]).every_refusal


def a_country(name: str, bucketing_key: str, *countries: str, **fields: Any) -> TargetSegment:
    """A segment of some countries; of all users where there are none."""
    conditions = (Condition(prop="country", op="is", values=countries),) if countries else ()
    return a_keyed(name, bucketing_key, **{"conditions": conditions} | fields)


WEST = a_country("west", "user_id", "US", "CA")


@pytest.mark.parametrize(
    ("live", "declared", "rekeyed"),
    [
        (WEST, (a_country("us", "device_id", "US"), a_country("ca", "device_id", "CA")), ["us", "ca"]),
        (WEST, (a_country("west", "user_id", "US"), a_country("ca", "device_id", "CA")), ["ca"]),
        (WEST, (a_country("all", "device_id", "US", "CA", "MX"),), ["all"]),
        (WEST, (a_country("all", "device_id"),), ["all"]),
        (a_country("all", "user_id"), (a_country("us", "device_id", "US"),), ["us"]),
        (WEST, (a_country("us", "user_id", "US"), a_country("ca", "user_id", "CA")), []),
        (WEST, (a_country("ca", "device_id", "CA"), WEST), []),  # what is new beside it moves users, but is no split
        (WEST, (a_country("de", "device_id", "DE"),), []),  # no user can be in both
        (WEST, (a_country("us", "device_id", "US", percentage=100),), []),  # all get one variant: nothing is hashed
    ],
)
def test_a_segment_that_is_split_or_narrowed_under_another_name_keeps_its_key(
    live: TargetSegment, declared: tuple[TargetSegment, ...], rekeyed: list[str]
) -> None:
    """A new segment that takes over users of one that goes, or lets them go, counts as that one."""
    plan = plan_of([FlagSpec(key="f", target_segments=declared)], [a_live(target_segments=(live,))])
    told = ", ".join(f"bucketingKey of {name}" for name in rekeyed)
    messages = [item.message for item in plan.every_refusal if item.guard == "rebucket"]
    assert messages == ([f'"f" is enabled, and a change of {told} re-buckets its users.'] if rekeyed else [])
    (flag,) = plan.flags
    assert [text for text in flag.warnings if text.startswith("The bucketing key of segment")] == [
        f'The bucketing key of segment "{name}" changes: this re-buckets all its users.' for name in rekeyed
    ]


IN = Condition(prop="country", op="is", values=("US", "CA"))
ON = Condition(prop="platform", op="is", values=("iOS",))
SINCE = Condition(prop="version", op="greater", values=("4",))


@pytest.mark.parametrize(
    "conditions",
    [(IN, ON), (ON, IN), (ON, replace(IN, values=("CA", "US", "CA"))), (IN, ON, ON)],
    ids=["as they were", "in another order", "values in another order", "one said twice"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_renamed_segment_is_known_by_its_conditions(conditions: tuple[Condition, ...], place: int) -> None:
    """A new name does not hide a new bucketing key: not with conditions said otherwise, not in another place."""
    others = [a_keyed("A", UNSET), a_keyed("B", UNSET, conditions=(SINCE,))]
    live = a_live(target_segments=(a_keyed("Old", conditions=(IN, ON)), *others))
    declared = [*others[:place], a_keyed("New", "device_id", conditions=conditions), *others[place:]]
    (refusal,) = plan_of([FlagSpec(key="f", target_segments=tuple(declared))], [live]).every_refusal
    assert (refusal.guard, "New" in refusal.message) == ("rebucket", True)


def test_segments_of_the_same_conditions_are_paired_in_their_order() -> None:
    """Renamed twins keep their keys, whichever place they move to."""
    live = a_live(target_segments=(a_keyed("Old 1", "user_id"), a_keyed("Old 2", "device_id"), a_keyed("A", UNSET)))
    renamed = (a_keyed("A", UNSET), a_keyed("New 1", "user_id"), a_keyed("New 2", "device_id"))
    plan = plan_of([FlagSpec(key="f", target_segments=renamed)], [live])
    assert not plan.is_empty
    assert not plan.every_refusal


def test_segments_of_one_name_are_told_apart_by_their_conditions() -> None:
    """Two of one name change places: each takes its bucketing key along."""
    france = Condition(prop="country", op="is", values=("FR",))
    live = (a_keyed("A", "user_id"), a_keyed("A", "device_id", conditions=(france,)))
    declared = tuple(replace(segment, bucketing_key=UNSET) for segment in reversed(live))
    plan = plan_of([FlagSpec(key="f", target_segments=declared)], [a_live(target_segments=live)])
    assert not plan.every_refusal
    (flag,) = plan.flags
    assert flag.after is not None
    assert flag.after.target_segments == tuple(reversed(live))


@pytest.mark.parametrize(
    ("flag_key", "live_key", "reached", "is_held"),
    [
        ("device_id", "user_id", "device_id", True),  # the flag's own key changes, and the segment's with it
        ("user_id", "device_id", "user_id", True),  # the segment alone has another key
        ("user_id", "user_id", "user_id", False),
        ("user_id", UNSET, UNSET, False),  # the server shows no keys of segments
        (UNSET, "device_id", "device_id", False),
    ],
)
def test_a_segment_without_a_key_follows_the_declared_one(
    flag_key: Any, live_key: Any, reached: Any, *, is_held: bool
) -> None:
    """The key that the flag declares is that of its silent segments; the guard counts it, until it is in place."""
    live = a_live(target_segments=(a_keyed(bucketing_key=live_key),))
    declared = FlagSpec(
        key="f",
        name="n",
        bucketing_key=flag_key,
        target_segments=(a_keyed(bucketing_key=UNSET), a_keyed("New", UNSET)),
    )
    (flag,) = plan_of([declared], [live]).flags
    assert ("rebucket" in {item.guard for item in flag.held}) is is_held, flag.held
    assert flag.after is not None
    first, second = flag.after.target_segments
    assert (first.bucketing_key, second.bucketing_key) == (reached, flag_key)
    again = plan_of([declared], [replace(live, spec=flag.after)], allow=frozenset({"rebucket"}))
    assert again.is_empty


def test_segments_that_change_places_keep_their_keys() -> None:
    """Segments are told apart by their names, those of one name by their order."""
    first, second = a_keyed("A", "user_id"), a_keyed("B", "device_id")
    twins = a_keyed("A", "user_id", percentage=10), a_keyed("A", "device_id", percentage=20)
    for live in ((first, second), twins):
        same = tuple(reversed(live)) if live is not twins else (replace(twins[0], percentage=30), twins[1])
        plan = plan_of([FlagSpec(key="f", target_segments=same)], [a_live(target_segments=live)])
        assert not plan.is_empty
        assert not plan.every_refusal


@pytest.mark.parametrize(
    "spec",
    [
        FlagSpec(key="f", archived=True),
        FlagSpec(key="f", variants=(Variant(key="a"),)),
        FlagSpec(key="f", variants=(Variant(key="a"), Variant(key="c", renamed_from="b"))),
    ],
)
def test_dependents_guard_what_a_child_needs(spec: FlagSpec) -> None:
    """Archiving a parent, and removing or renaming a variant that a child lets through, is refused."""
    plan = plan_of([spec], [a_live(), a_live("child", "10", PARENT)])
    assert "dependents" in {item.guard for item in plan.every_refusal}


def test_a_child_that_goes_too_does_not_hold_its_parent() -> None:
    """Parent and child may be archived in one plan."""
    desired = [FlagSpec(key="f", archived=True), FlagSpec(key="child", archived=True)]
    assert not plan_of(desired, [a_live(), a_live("child", "10", PARENT)]).every_refusal


def test_prune_archives_only_what_carries_the_tag() -> None:
    """A live flag that is declared no more is archived when it is ours, and is unmanaged when it is not."""
    ours, foreign = a_live("ours", "1", tags=("managed",)), a_live("foreign", "2")
    kept = a_live("kept", "3", tags=("managed",))
    plan = plan_of([FlagSpec(key="kept")], [ours, foreign, kept], prune=True)
    assert [(flag.key, flag.action) for flag in plan.flags] == [("ours", "archive")]
    assert plan.unmanaged == ("foreign",)
    assert plan_of([FlagSpec(key="kept")], [ours, foreign, kept]).unmanaged == ("foreign", "ours")


def test_refusals_say_what_overrides_them() -> None:
    """The option that lifts it, and none where the state itself has to be put right."""
    found = {
        name: plan_of(desired, live, **settings).every_refusal[0] for name, (desired, live, settings) in CASES.items()
    }
    expected = {name: f"--allow {name}:f" for name in MAY_BE_ALLOWED - OF_THE_RUN} | dict.fromkeys(HOLD_ALWAYS, "")
    expected |= {name: f"--allow {name}" for name in OF_THE_RUN}
    assert {name: refusal.override for name, refusal in found.items()} == expected | {"unarchive": "--unarchive"}


def test_guards_leave_the_plan_itself_alone() -> None:
    """Asking the guards changes nothing but the refusals."""
    desired, live, settings = CASES["transient"]
    plan = plan_of(desired, live, **settings)
    allowed = plan_of(desired, live, allow=frozenset({"transient"}))
    flags = tuple(replace(flag, held=()) for flag in plan.flags)
    assert replace(plan, flags=flags) == replace(allowed, options=plan.options)


FROZEN_UNTIL = datetime(2030, 1, 2, tzinfo=UTC)


def plan_of_frozen(spec: FlagSpec, live: list[LiveFlag], now: datetime, **fields: Any) -> Plan:
    """The plan at a time of one flag that is frozen until 2030-01-02, guards asked."""
    desired = DesiredFlag(spec=spec, source=a_position(), frozen_until=FROZEN_UNTIL)
    state = DesiredState(flags={"f": desired})
    live_state = LiveState(project_id="7", flags={flag.key: flag for flag in live}, **fields)
    plan = build_plan(state, live_state, a_config(), PlanOptions(), now=now)
    return check_guards(with_exposure(plan), state, live_state, a_config())


@pytest.mark.parametrize(
    ("spec", "live", "fields", "told"),
    [
        (FlagSpec(key="f", name="new"), [a_live()], {}, "/name"),
        (FlagSpec(key="f", name="new"), [a_live(archived=True)], {}, "archived"),
        (FlagSpec(key="f", archived=False), [a_live(archived=True)], {}, "archived"),
        (FlagSpec(key="f", rollout_weights=Weights.of({"gone": 1})), [a_live()], {}, 'no variant "gone"'),
        (FlagSpec(key="f", name="new"), [], {}, "does not exist yet"),
        (FlagSpec(key="f", name="new"), [], {"duplicates": {"f": ("1", "2")}}, "ids 1, 2"),
        (FlagSpec(key="f", bucketing_salt="t"), [a_live()], {}, "/bucketingSalt"),
    ],
)
def test_a_frozen_flag_is_told_of_and_refuses_nothing(
    spec: FlagSpec, live: list[LiveFlag], fields: dict[str, Any], told: str
) -> None:
    """What is wrong with a frozen flag is a warning that names it; from its time on it counts."""
    plan = plan_of_frozen(spec, live, datetime(2030, 1, 1, tzinfo=UTC), **fields)
    assert plan.is_empty
    assert plan.every_refusal == ()
    assert plan.unchanged == 1
    (warning,) = plan.warnings
    assert warning.startswith('"f" is frozen until 2030-01-02')
    assert told in warning
    assert not plan_of_frozen(spec, live, FROZEN_UNTIL, **fields).is_empty


def test_a_flag_whose_archive_is_left_to_others_stays_archived() -> None:
    """Neither planned nor held, although its declaration says otherwise, or nothing."""
    for spec in (FlagSpec(key="f", name="new"), FlagSpec(key="f", archived=False)):
        desired = a_desired_flag(spec, ignored=Ignored((("archived",),)))
        plan = build_plan(a_desired_state(desired), a_live_state(a_live(archived=True)), a_config(), PlanOptions())
        assert (plan.flags, plan.unchanged, plan.warnings) == ((), 1, ())


def test_a_frozen_flag_that_does_not_differ_is_not_told_of() -> None:
    """Nothing to say, nothing said."""
    assert plan_of_frozen(FlagSpec(key="f"), [a_live()], datetime(2030, 1, 1, tzinfo=UTC)).warnings == ()


@pytest.mark.parametrize(
    ("key", "renamed_from", "told"),
    [
        ("c", "bb", 'Is it "b"?'),
        ("B", None, '"B" of "f" would be created and "b" deleted'),
        ("B", "bb", 'Is it "b"?'),
        ("B", "b", None),
        ("c", "b", None),
        ("c", None, None),
        ("b", "bb", None),  # renamed long ago
    ],
)
def test_a_rename_that_matches_nothing_is_held(key: str, renamed_from: str | None, told: str | None) -> None:
    """What looks like a rename, and would be a removal and a new variant, is held with the key that may be meant."""
    spec = FlagSpec(key="f", name="n", variants=(Variant(key="a"), Variant(key=key, renamed_from=renamed_from)))
    (flag,) = plan_of([spec], [a_live()], allow=frozenset({"transient", "exposure"})).flags
    assert [told in item.message for item in flag.held] == [True] * (told is not None) if told else not flag.held


def test_what_is_said_of_a_rename() -> None:
    """Each to the word: both keys live, a key that no live variant has, and one that differs by its case alone."""

    def said(*variants: Variant) -> list[str]:
        (flag,) = plan_of([FlagSpec(key="f", variants=variants)], [a_live()], allow=frozenset({"exposure"})).flags
        assert {item.guard for item in flag.held} <= {"renames"}
        return [item.message for item in flag.held]

    lacks = 'Variant "c" of "f" is renamed from "bb", which the live flag does not have.'
    assert said(Variant(key="a", renamed_from="b")) == [
        'Variant "a" of "f" is renamed from "b", but both are live: "b" would be deleted, with its listed users.'
    ]
    assert said(Variant(key="a", renamed_from="x")) == []
    assert said(Variant(key="a"), Variant(key="c", renamed_from="bb")) == [f'{lacks} Is it "b"?']
    assert said(Variant(key="a"), Variant(key="b"), Variant(key="c", renamed_from="bb")) == [lacks]
    assert said(Variant(key="a"), Variant(key="b"), Variant(key="c", renamed_from="b")) == []


@pytest.mark.parametrize("live", [{}, {"archived": True}, {"enabled": False}])
def test_only_a_flag_that_has_users_can_be_rebucketed(live: dict[str, Any]) -> None:
    """One that is archived or off gives no user anything that would change."""
    spec = FlagSpec(key="f", archived=False, bucketing_salt="another")
    (flag,) = plan_of([spec], [a_live(**live)], unarchive=True, allow=frozenset({"exposure", "transient"})).flags
    assert [item.guard for item in flag.held] == ([] if live else ["rebucket"])
