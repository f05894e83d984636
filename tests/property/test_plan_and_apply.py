"""Random pairs of live and declared projects: what plan promises is what apply does, and nothing else moves."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from worlds import a_world, an_emulator, is_declared, random_live_flag, random_spec

from reconciler.model.canonical import weight_ratio
from reconciler.model.flag import FlagSpec, Weights

PAIRS, BLOCKS = 500, 20
PATCHED = {
    "name": "name",
    "description": "description",
    "enabled": "enabled",
    "evaluation_mode": "evaluationMode",
    "bucketing_key": "bucketingKey",
    "bucketing_salt": "bucketingSalt",
    "rollout_percentage": "rolloutPercentage",
}


def stored(emulator: Any) -> dict[str, dict[str, Any]]:
    """The flags of the server by key, without what every write moves."""
    flags = json.loads(json.dumps(list(emulator.store.flags.values())))
    return {flag["key"]: {k: v for k, v in flag.items() if not k.startswith("lastModified")} for flag in flags}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_plan_and_apply(block: int) -> None:
    """The declared state is reached, nothing else moves, the calls are the plan's, and the second plan is empty."""
    for seed in range(block * PAIRS // BLOCKS, (block + 1) * PAIRS // BLOCKS):
        _one_pair(Random(seed))


def _one_pair(random: Random) -> None:
    live = [random_live_flag(random, f"flag-{index}") for index in range(random.randint(1, 3))]
    specs = [random_spec(random, flag["key"], flag) for flag in live if random.random() < 0.7]
    specs += [random_spec(random, f"new-{index}", None) for index in range(random.randint(0, 1))]
    emulator = an_emulator(*live)
    world = a_world(emulator, *specs)
    before = stored(emulator)

    planned = world.look()
    assert {refusal.guard for refusal in planned.plan.every_refusal} <= {"zero-weights"}
    if planned.plan.every_refusal:
        return
    run = world.carry_out(planned)

    assert run.report is not None
    assert run.report.exit_code == 0, run.report
    assert run.report.verified is not False
    after = stored(emulator)
    declared = {spec.key: spec for spec in specs}
    for key, flag in before.items():
        if key not in declared:
            assert after[key] == flag, f"foreign flag {key} was touched"
    for key, spec in declared.items():
        _check_flag(spec, before.get(key), after[key])
    assert len(emulator.writes) == run.plan.summary.operations
    assert [entry.method for entry in emulator.log[: run.plan.requests]] == ["GET"] * run.plan.requests
    assert world.plan().is_empty


def _check_flag(spec: FlagSpec, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    for name, public in PATCHED.items():
        if is_declared(getattr(spec, name)):
            assert after[public] == getattr(spec, name)
        elif before is not None:
            assert after[public] == before[public], f"undeclared {public} was touched"
    for name, public in {"tags": "tags", "deployments": "deployments"}.items():
        if is_declared(getattr(spec, name)):
            assert sorted(after[public]) == sorted(getattr(spec, name))
        elif before is not None:
            assert after[public] == before[public]
    if is_declared(spec.rollout_weights):
        keys = [variant["key"] for variant in after["variants"]]
        found = Weights.of({key: after["rolloutWeights"].get(key, 0) for key in keys})
        assert weight_ratio(found) == weight_ratio(spec.rollout_weights)
    if is_declared(spec.target_segments):
        assert [segment["percentage"] for segment in after["targetSegments"]] == [
            segment.percentage for segment in spec.target_segments
        ]
        for found, wanted in zip(after["targetSegments"], spec.target_segments, strict=True):
            assert weight_ratio(Weights.of(found["rolloutWeights"])) == weight_ratio(wanted.rollout_weights)
    elif before is not None:
        assert after["targetSegments"] == before["targetSegments"]
    _check_variants(spec, before, after)


def _check_variants(spec: FlagSpec, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    old = {variant["key"]: variant for variant in before["variants"]} if before else {}
    new = {variant["key"]: variant for variant in after["variants"]}
    if not is_declared(spec.variants):
        assert new == old
        return
    assert set(new) == {variant.key for variant in spec.variants}
    for variant in spec.variants:
        found = new[variant.key]
        for name in ("name", "description", "payload"):
            wanted = getattr(variant, name)
            if is_declared(wanted):
                assert found[name] == wanted or (name == "payload" and wanted in ({}, None) and not found[name])
            elif variant.key in old:
                assert found[name] == old[variant.key][name]
        for name in ("users", "cohorts"):
            wanted = getattr(variant, name)
            if is_declared(wanted):
                assert sorted(found[name]) == sorted(wanted)
            elif variant.key in old:
                assert found[name] == old[variant.key][name]
