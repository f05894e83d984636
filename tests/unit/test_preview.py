"""From a client to a plan: nothing that is known of a plan is left out on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag
from looks import BOB, a_declaration, edit
from refreshes import log
from worlds import World, a_world, an_emulator

from reconciler.emulator.requests import json_response
from reconciler.model.config import Requests, Safety
from reconciler.model.flag import FlagSpec, Variant, Weights
from reconciler.planning.plan import PlanOptions

if TYPE_CHECKING:
    from reconciler.emulator import ApiResponse, RawRequest

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


def test_which_deployments_may_be_attached() -> None:
    """Those that are not deleted, and those of which but the id can be read; any row may be flawed."""
    emulator = an_emulator(
        a_live_flag(KEY, deployments=[]), projects={"7": dict.fromkeys(("67", "68", "69", "70", "71"), "web")}
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
    plan = a_world(emulator, FlagSpec(key=KEY, deployments=("67", "68", "69", "71")), options=PlanOptions()).plan()
    assert [refusal.message for refusal in plan.every_refusal] == [
        f'Deployment 69 cannot be attached to "{KEY}": project 7 has none of this id that is not deleted.'
    ]


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
