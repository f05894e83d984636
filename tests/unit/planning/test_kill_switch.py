"""Which disables count as kill switches, over the versions that real edits leave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from emulators import USER, a_live_flag
from looks import ADA, BOB, a_declaration, edit, flag_id_of
from worlds import World, a_world, an_emulator

from reconciler.api.versions import read_versions
from reconciler.model.flag import Condition, FlagSpec, TargetSegment, Weights
from reconciler.planning.kill_switch import KillSwitch, find_kill_switches, flags_switched_on

if TYPE_CHECKING:
    from reconciler.model.flag import Version

KEY = "new-checkout"


def applied(**fields: Any) -> World:
    """A flag that was off, and was then applied as declared by our key's user."""
    emulator = an_emulator(a_live_flag(enabled=False))
    world = a_world(emulator, a_declaration(**fields))
    assert world.apply().report is not None
    return world


def kill_switches(world: World) -> tuple[KillSwitch, ...]:
    """Those that a plan of now would undo."""
    plan = world.plan()
    ids = {flag.key: flag.flag_id or "" for flag in flags_switched_on(plan)}

    async def read() -> dict[str, tuple[Version, ...]]:
        async with world.client(read_only=True) as client:
            return await read_versions(client, ids)

    return find_kill_switches(plan, world.desired, asyncio.run(read()))


def redeclared(world: World, **fields: Any) -> World:
    """The same project under another declaration."""
    return a_world(world.emulator, a_declaration(**fields))


def test_a_disable_by_hand_after_an_apply_counts() -> None:
    """Who, when and in which version it was switched off is said."""
    world = applied()
    version = edit(world.emulator, BOB, KEY, enabled=False)
    (found,) = kill_switches(world)
    assert (found.key, found.disabled_by, found.version) == (KEY, BOB, version)
    assert BOB in found.message


def test_it_counts_whatever_was_edited_since() -> None:
    """Later edits of other fields, by whomever, do not hide who switched it off."""
    world = applied()
    edit(world.emulator, BOB, KEY, enabled=False)
    edit(world.emulator, ADA, KEY, description="later", rolloutPercentage=7)
    (found,) = kill_switches(world)
    assert found.disabled_by == BOB


def test_it_counts_when_the_declaration_has_changed_since() -> None:
    """A new rollout in git is no reason to switch a killed flag on again unseen."""
    world = applied()
    edit(world.emulator, BOB, KEY, enabled=False)
    (found,) = kill_switches(redeclared(world, rollout_percentage=50))
    assert found.disabled_by == BOB


def test_it_counts_with_segments_that_are_silent_about_bucketing() -> None:
    """What the server fills in beside the declaration does not make the applied version another one."""
    condition = Condition(prop="country", op="is", values=("US",))
    segment = TargetSegment(
        name="Beta", conditions=(condition,), percentage=5, rollout_weights=Weights.of({"treatment": 1})
    )
    world = applied(target_segments=(segment,))
    edit(world.emulator, BOB, KEY, enabled=False)
    assert len(kill_switches(world)) == 1


def test_a_disable_that_we_applied_does_not_count() -> None:
    """Off by git, then on by git: the same user made both versions."""
    world = applied()
    off = redeclared(world, enabled=False)
    assert off.apply().report is not None
    assert kill_switches(redeclared(world, enabled=True)) == ()


def test_a_disable_by_the_keys_own_user_does_not_count() -> None:
    """Who owns the key cannot be told from the key."""
    world = applied()
    edit(world.emulator, USER, KEY, enabled=False)
    assert kill_switches(world) == ()


def test_a_flag_that_was_never_applied_does_not_count() -> None:
    """A flag that was off from the start is simply to be switched on."""
    world = a_world(an_emulator(a_live_flag(enabled=False)), a_declaration())
    assert flags_switched_on(world.plan())
    assert kill_switches(world) == ()


def test_a_disable_before_the_apply_does_not_count() -> None:
    """What was switched off and on again by an apply is as declared; a later disable by us is ours."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    world = a_world(emulator, a_declaration())
    assert world.apply().report is not None
    assert flags_switched_on(world.plan()) == ()


@pytest.mark.parametrize(
    "declared", [a_declaration(enabled=False), FlagSpec(key=KEY, rollout_percentage=1), a_declaration("other")]
)
def test_only_plans_that_switch_on_are_asked(declared: FlagSpec) -> None:
    """Nothing is read for flags that stay off, do not declare `enabled`, or are new."""
    emulator = an_emulator(a_live_flag(enabled=False))
    assert flags_switched_on(a_world(emulator, declared).plan()) == ()


def test_without_versions_nothing_is_inferred() -> None:
    """A server that shows no versions refuses no plan."""
    world = applied()
    edit(world.emulator, BOB, KEY, enabled=False)
    assert find_kill_switches(world.plan(), world.desired, {}) == ()
    assert find_kill_switches(world.plan(), world.desired, {KEY: ()}) == ()


def test_a_rename_of_the_key_owner_is_no_issue() -> None:
    """A flag whose id is known by another key is not mistaken for this one."""
    world = applied()
    edit(world.emulator, BOB, KEY, enabled=False)
    assert flag_id_of(world.emulator, KEY) == flags_switched_on(world.plan())[0].flag_id


def test_it_counts_beside_the_managed_tag() -> None:
    """An apply adds that tag to the declared ones; a version without a declared tag is not as declared."""
    emulator = an_emulator(a_live_flag(enabled=False))
    world = a_world(emulator, a_declaration(tags=("checkout",)), managed_tag="managed")
    assert world.apply().report is not None
    assert set(emulator.store.flags[flag_id_of(emulator, KEY)]["tags"]) == {"checkout", "managed"}
    edit(emulator, BOB, KEY, tags=["managed"])
    version = edit(emulator, BOB, KEY, enabled=False)
    (found,) = kill_switches(world)
    assert (found.disabled_by, found.version) == (BOB, version)
