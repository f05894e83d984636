"""From a client to a plan: nothing that is known of a plan is left out on the way."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from builders import NOON
from emulators import a_live_flag
from looks import BOB, a_declaration, edit
from msgspec.structs import replace
from refreshes import log
from worlds import World, a_world, an_emulator, run_now

from reconciler.emulator.requests import json_response, text_response
from reconciler.model.config import Requests, Safety
from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.planning.plan import PlanOptions
from reconciler.preview import EXPERIMENTS_NOT_SHOWN, read_and_plan

if TYPE_CHECKING:
    from reconciler.emulator import ApiResponse, RawRequest
    from reconciler.planning.plan import Plan

KEY = "new-checkout"


def a_family(spec: FlagSpec) -> World:
    """A parent that is planned alone, and a child that depends on its variant `treatment`."""
    parents = {"flags": {"1": ["treatment"]}, "operator": "all"}
    emulator = an_emulator(a_live_flag(KEY, id="1"), a_live_flag("child", id="2", parentDependencies=parents))
    return a_world(emulator, spec, options=PlanOptions(targets=(KEY,), allow=frozenset({"transient"})))


def test_a_plan_carries_its_exposure_and_alarms() -> None:
    """Figures and warnings are there, and guards have seen them."""
    world = a_world(an_emulator(a_live_flag(KEY)), FlagSpec(key=KEY, rollout_percentage=50, bucketing_salt="new"))
    world.options, world.config = PlanOptions(), a_world(world.emulator, safety=Safety(max_exposure_change=0)).config
    plan = world.plan()
    (flag,) = plan.flags
    assert flag.exposure is not None
    assert flag.exposure.switched > 0
    assert any(warning.startswith("The bucketing salt changes") for warning in flag.warnings)
    assert {refusal.guard for refusal in plan.every_refusal} == {"exposure", "rebucket"}


def test_a_kill_switch_refuses() -> None:
    """The versions of a flag that would be switched on are read, and who switched it off is respected."""
    emulator = an_emulator(a_live_flag(enabled=False))
    world = a_world(emulator, a_declaration())
    world.apply()
    edit(emulator, BOB, KEY, enabled=False)
    world.options = PlanOptions()
    emulator.log.clear()
    plan = world.plan()
    assert [refusal.guard for refusal in plan.every_refusal] == ["kill-switch"]
    assert plan.requests == len(emulator.log)


@pytest.mark.parametrize(
    ("change", "guards"),
    [
        ({"enabled": False}, ["dependents"]),
        ({"variants": (Variant(key="control"),)}, ["dependents"]),
        ({"rollout_percentage": 0}, []),
        ({"rollout_weights": Weights.of({"control": 1, "treatment": 0})}, []),
    ],
)
def test_the_whole_project_is_read_where_others_may_be_let_down(change: dict[str, Any], guards: list[str]) -> None:
    """A target alone does not show who depends on it: then the list is read as well, and the child is told of."""
    world = a_family(FlagSpec(key=KEY, **change))
    plan = world.plan()
    assert "list" in log(world.emulator)
    assert [refusal.guard for refusal in plan.every_refusal] == guards
    told = (*plan.flags[0].warnings, *(refusal.message for refusal in plan.every_refusal))
    assert any('"child" depends on' in text for text in told)


@pytest.mark.parametrize("change", [{"rollout_percentage": 50}, {"name": "Other"}])
def test_targets_alone_are_read_otherwise(change: dict[str, Any]) -> None:
    """Where no dependent flag can be affected, nothing but the target is read."""
    world = a_family(FlagSpec(key=KEY, **change))
    assert world.plan().every_refusal == ()
    assert log(world.emulator) == [f"key={KEY}"]


@pytest.mark.parametrize(("only", "planned"), [(None, ["a", "b"]), ({"b", "c"}, ["b"]), (set(), [])])
def test_a_plan_may_be_of_some_flags_alone(only: set[str] | None, planned: list[str]) -> None:
    """Of those that are not frozen at the time of the plan."""
    world = a_world(an_emulator(*map(a_live_flag, "abc")), *(FlagSpec(key=key, enabled=False) for key in "abc"))
    flags = dict(world.desired.flags)
    flags["c"] = replace(flags["c"], frozen_until=date(2030, 1, 3))

    async def plan() -> Plan:
        async with world.client(read_only=True) as client:
            found, _ = await read_and_plan(
                client,
                replace(world.desired, flags=flags),
                world.config,
                PlanOptions(),
                now=NOON,
                only=None if only is None else frozenset(only),
            )
            return found

    assert [flag.key for flag in run_now(plan()).flags] == planned


def test_which_deployments_may_be_attached() -> None:
    """Those that are not deleted, and those of which but the id can be read; any row may be flawed."""
    emulator = an_emulator(
        a_live_flag(KEY, deployments=[]),
        a_live_flag("other"),
        projects={"7": dict.fromkeys(("67", "68", "69", "70", "71"), "web")},
    )
    emulator.store.put_deployment({**emulator.store.projects["7"]["69"], "deleted": True})
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        answered = real(request)
        if not request.path.endswith("/deployments"):
            return answered
        rows = {row["id"]: row for row in answered.json()["deployments"]}
        rows["68"]["projectId"] = []
        rows["70"]["id"] = None
        return json_response({"deployments": [*rows.values()], "nextCursor": None})

    emulator.api.answer = answer  # type: ignore[method-assign]
    other = FlagSpec(key="other", enabled=False)
    plan = a_world(
        emulator, other, FlagSpec(key=KEY, deployments=("67", "68", "69", "71")), options=PlanOptions()
    ).plan()
    assert [refusal.message for refusal in plan.every_refusal] == [
        f'Deployment 69 cannot be attached to "{KEY}": project 7 has none of this id that is not deleted.'
    ]


@pytest.mark.parametrize("spoiled", [{}, {"evaluationMode": []}])
def test_an_experiment_has_its_key(spoiled: dict[str, Any]) -> None:
    """Also one of which nothing else can be read."""
    emulator = an_emulator()
    emulator.store.seed_experiment({"projectId": "7", "key": KEY})
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        answered = real(request)
        if not request.path.endswith("/experiments"):
            return answered
        (row,) = answered.json()["experiments"]
        return json_response({"experiments": [row | spoiled], "nextCursor": None})

    emulator.api.answer = answer  # type: ignore[method-assign]
    plan = a_world(emulator, a_declaration(), options=PlanOptions()).plan()
    assert [refusal.guard for refusal in plan.every_refusal] == ["experiment"]


@pytest.mark.parametrize(
    ("declared", "is_shown", "is_told"),
    [
        ({"name": "Other"}, False, False),
        ({"enabled": False}, False, True),
        ({"enabled": False}, True, False),
        ({"key": "new"}, False, True),
        ({"key": "new"}, True, False),
    ],
)
def test_where_experiments_matter_it_is_told_that_they_are_not_shown(
    declared: dict[str, Any], is_shown: bool, is_told: bool
) -> None:
    """Of a key that is taken, and of a flag on which one may depend; the whole project is read once."""
    emulator = an_emulator(a_live_flag(KEY))
    real = emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        is_refused = request.path.endswith("/experiments") and not is_shown
        return text_response(403, "no") if is_refused else real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    found = a_world(emulator, a_declaration(**{"key": KEY, **declared})).plan()
    assert (EXPERIMENTS_NOT_SHOWN in found.warnings) is is_told
    assert log(emulator).count("list") == 1


def test_the_requests_of_a_plan_are_its_own() -> None:
    """Of several plans by one client too: the lists of the flags in scope are read, of targets or of a shard."""
    world = a_world(an_emulator(*map(a_live_flag, "ad")), *map(a_declaration, "ad"))

    async def plans() -> list[int]:
        async with world.client(read_only=True) as client:
            return [
                (await read_and_plan(client, world.desired, world.config, options, now=NOON))[0].requests
                for options in (PlanOptions(), PlanOptions(targets=("a*",)), PlanOptions(shard=(2, 2)))
            ]

    assert run_now(plans()) == [5, 3, 3]


def test_the_budget_counts_every_read_of_the_plan() -> None:
    """The first look, the second and the versions: all of it is gone when the apply begins."""
    world = a_family(FlagSpec(key=KEY, rollout_percentage=0))
    needed = world.plan().requests + 3
    for budget, guards in ((needed, []), (needed - 1, ["quota"])):
        world.config = a_world(world.emulator, requests=Requests(per_second=1000, daily_budget=budget)).config
        assert [refusal.guard for refusal in world.plan().every_refusal] == guards


@pytest.mark.parametrize(
    "lists",
    [{}, {"users": ("a",)}, {"cohorts": ("c1",)}, {"users": ("a",), "cohorts": ("c1",)}],
    ids=["none", "users", "cohorts", "both"],
)
def test_the_budget_counts_what_an_apply_sends(lists: dict[str, tuple[str, ...]]) -> None:
    """To the request: each declared list of a variant is read before the first call and after the last."""
    variants = (Variant(key="control", **lists), Variant(key="treatment"))
    emulator = an_emulator(a_live_flag(KEY, rolloutPercentage=50))
    world = a_world(emulator, FlagSpec(key=KEY, rollout_percentage=60, variants=variants))
    plan = world.plan()
    emulator.log.clear()
    assert world.apply().report is not None
    sent = len(emulator.log)
    fresh = an_emulator(a_live_flag(KEY, rolloutPercentage=50))
    for budget, guards in ((sent, []), (sent - 1, ["quota"])):
        tight = a_world(
            fresh, *(flag.spec for flag in world.desired.flags.values()),
            requests=Requests(per_second=1000, daily_budget=budget),
        )  # fmt: skip
        assert [refusal.guard for refusal in tight.plan().every_refusal] == guards
    assert plan.every_refusal == ()
