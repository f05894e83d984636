"""What the reference leaves open: under each behaviour, the declared state is reached and stays reached."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import each_behaviour, pairwise_behaviours
from msgspec import structs
from worlds import a_world, an_emulator, is_declared, random_live_flag, random_spec

from reconciler.emulator import Behaviour

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec

# A server that knows no PATCH of variants, loses the bodies of removals, forbids an edit, or shows something else
# than it was sent, cannot meet every declaration: of it no more is asked than that nothing untrue is said.
MEETS = {
    "edit_variant_verb": "PATCH",
    "delete_body": "honoured",
    "approvals": "none",
    "disable_without_deployment": "accept",
    "no_payload": "stored",
    "null_members": "kept",
    "weights_shown": "stored",
}
ALONE = [item for item in each_behaviour() if all(getattr(item, name) == value for name, value in MEETS.items())]
PAIRED = [structs.replace(item, **MEETS) for item in pairwise_behaviours()]
ANY = pairwise_behaviours()


def name_of(behaviour: Behaviour) -> str:
    """What is not as expected of a server."""
    expected = Behaviour()
    odd = [name for name in Behaviour.alternatives() if getattr(behaviour, name) != getattr(expected, name)]
    return ",".join(f"{name}={getattr(behaviour, name)}" for name in odd) or "expected"


def halves(seeds: range) -> list[Any]:
    """The first half, and the other one for the long form."""
    half = len(seeds) // 2
    return [pytest.param(seeds[:half], id="short"), pytest.param(seeds[half:], id="rest", marks=pytest.mark.long)]


@pytest.mark.parametrize("seeds", halves(range(12)))
@pytest.mark.parametrize("behaviour", ALONE, ids=name_of)
def test_each_behaviour_alone(behaviour: Behaviour, seeds: range) -> None:
    """With one behaviour other than expected, random pairs are applied in at most two further runs."""
    for seed in seeds:
        _converges(behaviour, Random(seed))


@pytest.mark.parametrize("seeds", halves(range(100, 108)))
@pytest.mark.parametrize("number", range(len(PAIRED)))
def test_behaviours_in_pairs(number: int, seeds: range) -> None:
    """With every two behaviours together, random pairs are applied in at most two further runs."""
    for seed in seeds:
        _converges(PAIRED[number], Random(seed))


@pytest.mark.parametrize("seeds", halves(range(200, 204)))
@pytest.mark.parametrize("number", range(len(ANY)))
def test_no_server_makes_an_apply_say_what_is_not_so(number: int, seeds: range) -> None:
    """Under each behaviour of a server: where all is said to be done and verified, nothing is left.

    Only the fields that the report names as stored otherwise differ, by their form.
    """
    for seed in seeds:
        random = Random(seed)
        live = [random_live_flag(random, "flag")]
        emulator = an_emulator(*live, behaviour=ANY[number])
        world = a_world(emulator, random_spec(random, "flag", live[0]), random_spec(random, "new", None))
        for _ in range(3):
            planned = world.look()
            if planned.plan.refusals:
                break
            report = world.carry_out(planned).report
            assert report is not None
            if report.exit_code == 0:
                for _ in range(ANY[number].read_lag + 1):
                    plan = world.plan()
                left = {(flag.key, change.path) for flag in plan.flags for change in flag.changes}
                named = {(item.key, field.path) for item in report.outcomes for field in item.stored}
                assert left == named, (name_of(ANY[number]), plan.flags, report)
                break


def _converges(behaviour: Behaviour, random: Random) -> None:
    live = [random_live_flag(random, f"flag-{index}") for index in range(random.randint(1, 2))]
    specs = [_with_rename(random, random_spec(random, flag["key"], flag)) for flag in live]
    specs.append(random_spec(random, "new", None))
    emulator = an_emulator(*live, behaviour=behaviour)
    world = a_world(emulator, *specs)
    planned = world.look()
    if planned.plan.every_refusal:  # weights that would all be 0
        return
    run = world.carry_out(planned)
    for _ in range(2):
        assert run.report is not None
        if run.report.exit_code == 0:
            break
        run = world.apply()
    for _ in range(behaviour.read_lag + 1):
        plan = world.plan()
    assert plan.is_empty, (name_of(behaviour), plan.flags, run.report)
    keys = [flag["key"] for flag in emulator.store.flags.values()]
    assert len(keys) == len(set(keys)), "a flag was made twice"


def _with_rename(random: Random, spec: FlagSpec) -> FlagSpec:
    if not is_declared(spec.variants) or random.random() < 0.5:
        return spec
    old = random.choice(spec.variants).key
    names = {old: "renamed"}

    def named(item: Any) -> Any:
        pairs = tuple((names.get(key, key), weight) for key, weight in item.pairs)
        return structs.replace(item, pairs=pairs)

    return structs.replace(
        spec,
        variants=tuple(
            structs.replace(v, key="renamed", renamed_from=old) if v.key == old else v for v in spec.variants
        ),
        rollout_weights=named(spec.rollout_weights) if is_declared(spec.rollout_weights) else spec.rollout_weights,
        target_segments=tuple(
            structs.replace(item, rollout_weights=named(item.rollout_weights)) for item in spec.target_segments
        )
        if is_declared(spec.target_segments)
        else spec.target_segments,
    )
