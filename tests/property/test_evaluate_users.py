"""Counts over users beside Amplitude's own engine: of the live flag, and of what an apply really makes of it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from evaluations import comparison_of, counted, matrix_of
from msgspec.structs import replace
from official_engine import FastEngine, OfficialFlag
from random_flags import a_random_user
from worlds import a_world, an_emulator, random_live_flag, random_spec

from reconciler.model.flag import OFF, Condition, FlagSpec, TargetSegment, Variant, Weights

PAIRS, BLOCKS, USERS = 180, 6, 150
KEY, PARENT = "flag-0", "parent"


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_matrix_is_what_apply_makes(block: int) -> None:
    """Every count, live and desired, is the engine's, before an apply and after it; dependencies included."""
    compared = sum(_one_pair(Random(seed)) for seed in range(block * PAIRS // BLOCKS, (block + 1) * PAIRS // BLOCKS))
    assert compared > PAIRS // BLOCKS // 2


def _one_pair(random: Random) -> bool:
    is_new, has_parent = random.random() < 0.15, random.random() < 0.5
    parent = random_live_flag(random, PARENT) | {"id": "900", "enabled": True, "rolloutPercentage": 50}
    live = None if is_new else random_live_flag(random, KEY) | {"enabled": random.random() < 0.8}
    allowed = random.sample([*(item["key"] for item in parent["variants"]), OFF], random.randint(0, 2))
    dependencies = {"flags": {"900": allowed}, "operator": random.choice(["ALL", "ANY"])}
    if live is not None and has_parent:
        live["parentDependencies"] = dependencies
    emulator = an_emulator(parent, *([live] if live else []))
    specs = [random_spec(random, KEY, live)]
    if is_new:
        specs = [_salted(specs[0])]
    specs += [random_spec(random, PARENT, parent)] if random.random() < 0.5 else []
    world = a_world(emulator, *specs)
    planned = world.look()
    if planned.plan.every_refusal:
        return False
    people = [_a_user(random, number) for number in range(USERS)]
    summary = counted(comparison_of(world, KEY), people)

    before = _official(emulator, people)
    run = world.carry_out(planned)
    assert run.report is not None
    assert run.report.exit_code == 0
    after = _official(emulator, people)

    assert matrix_of(summary) == Counter(zip(before, after, strict=True))
    assert summary.moved.count == sum(x != y for x, y in zip(before, after, strict=True))
    assert summary.total == USERS
    return True


def _salted(spec: FlagSpec) -> FlagSpec:
    """The declaration of a new flag with a salt: only then is it known who gets what."""
    return replace(spec, bucketing_salt="salt")


def _a_user(random: Random, number: int) -> dict[str, Any]:
    """A user; some are listed in variants, some are in the segments' plan."""
    user = a_random_user(random, number)
    if random.random() < 0.2:
        user["user_id"] = f"{random.choice('abcd')}-{random.randrange(6)}"
    if random.random() < 0.3:
        user["user_properties"] = {"plan": "US"}
    return user


def _official(emulator: Any, people: list[dict[str, Any]]) -> list[str]:
    """The engine's variants from what the server stores now; a parent first, by the rule of dependencies."""
    records = {flag["key"]: flag for flag in emulator.store.flags.values()}
    if KEY not in records:
        return [OFF] * len(people)
    given = _engine(records[KEY], people)
    dependencies = records[KEY]["parentDependencies"]
    (allowed,) = dependencies["flags"].values() if dependencies else [[]]
    if not allowed:
        return given
    parents = _engine(records[PARENT], people)
    return [variant if parent in allowed else OFF for variant, parent in zip(given, parents, strict=True)]


def _engine(record: dict[str, Any], people: list[dict[str, Any]]) -> list[str]:
    official = OfficialFlag(_spec(record), engine=FastEngine())
    return [official.assign(user)[0] for user in people]


def _spec(record: dict[str, Any]) -> FlagSpec:
    """The stored flag in the words that the engine's converter takes."""
    return FlagSpec(
        key=record["key"],
        enabled=record["enabled"],
        archived=record["archived"],
        bucketing_key=record["bucketingKey"],
        bucketing_salt=record["bucketingSalt"],
        bucketing_unit=record["bucketingUnit"],
        rollout_percentage=record["rolloutPercentage"],
        rollout_weights=Weights.of(record["rolloutWeights"]),
        variants=tuple(
            Variant(key=item["key"], users=tuple(item["users"]), cohorts=tuple(item["cohorts"]))
            for item in record["variants"]
        ),
        target_segments=tuple(
            TargetSegment(
                name=item["name"],
                conditions=tuple(
                    Condition(prop=c["prop"], op=c["op"], values=tuple(c["values"]), type=c["type"])
                    for c in item["conditions"]
                ),
                percentage=item["percentage"],
                rollout_weights=Weights.of(item["rolloutWeights"]),
                bucketing_key=item["bucketingKey"],
            )
            for item in record["targetSegments"]
        ),
    )
