"""Looks for drift in a world: a declaration, an emulator, and the requests that it took."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from builders import NOON
from msgspec import structs
from worlds import FAST, World, a_world, run_now

from reconciler.drift import (
    DriftOptions,
    DriftReport,
    DriftState,
    detect_drift,
    empty_state,
    keys_in_scope,
    updated_state,
)
from reconciler.drift.history import history_entries
from reconciler.model.flag import FlagSpec, Variant, Weights

if TYPE_CHECKING:
    from reconciler.drift import FlagDrift, HistoryEntry
    from reconciler.emulator import Emulator

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


def look(world: World, memory: DriftState | None = None, **options: Any) -> DriftReport:
    """One look for drift; the emulator's log then holds its requests alone."""
    wanted = DriftOptions(**options)
    if wanted.budget is not None:
        world = replace(
            world, config=structs.replace(world.config, requests=structs.replace(FAST, daily_budget=wanted.budget))
        )

    async def run() -> DriftReport:
        async with world.client(read_only=True) as client:
            return await detect_drift(
                client, world.desired, world.config, wanted, now=NOON, memory=memory, history=world.history
            )

    world.emulator.log.clear()
    report: DriftReport = run_now(run())
    assert report.requests == len(world.emulator.log)
    assert {entry.method for entry in world.emulator.log} <= {"GET"}
    return report


class Cron:
    """Looks that leave a memory to the next one."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world, self.options = world, options
        self.memory = empty_state(world.config)

    def run(self, **options: Any) -> DriftReport:
        """One more look, with other options where they are given."""
        chosen = self.options | options
        report = look(self.world, self.memory, **chosen)
        scope = keys_in_scope(self.world.desired, chosen.get("targets", ()))
        self.memory = updated_state(self.memory, report, scope, self.world.desired.flags.keys())
        return report


def history_of(emulator: Emulator, key: str) -> tuple[HistoryEntry, ...]:
    """The history of a flag, read through the client."""
    world = a_world(emulator)

    async def run() -> tuple[HistoryEntry, ...]:
        async with world.client(read_only=True) as client:
            return history_entries(await client.list_versions(flag_id_of(emulator, key)))

    entries: tuple[HistoryEntry, ...] = run_now(run())
    return entries


def flag_id_of(emulator: Emulator, key: str) -> str:
    """The id of the only flag of that key."""
    (found,) = [flag["id"] for flag in emulator.store.flags.values() if flag["key"] == key]
    return found


def edit(emulator: Emulator, editor: str, key: str, **fields: Any) -> int:
    """Another client's PATCH of a flag; the number of the version that it made."""
    flag_id = flag_id_of(emulator, key)
    emulator.edit_as(editor, "PATCH", f"/flags/{flag_id}", fields)
    return len(emulator.store.versions_of(flag_id))


def include(emulator: Emulator, editor: str, key: str, variant: str, *users: str) -> None:
    """Another client's addition of users to a variant."""
    path = f"/flags/{flag_id_of(emulator, key)}/variants/{variant}/users"
    emulator.edit_as(editor, "POST", path, {"inclusions": list(users)})


def a_declaration(key: str = "new-checkout", **fields: Any) -> FlagSpec:
    """What `emulators.a_live_flag` is, declared; `fields` replace the rest."""
    defaults: dict[str, Any] = {
        "name": "New checkout",
        "enabled": True,
        "rollout_percentage": 100,
        "rollout_weights": Weights.of({"control": 1, "treatment": 1}),
        "variants": (Variant(key="control", users=()), Variant(key="treatment", users=())),
    }
    return FlagSpec(key=key, **defaults | fields)


def changed_paths(drift: FlagDrift) -> list[str]:
    """The fields that differ."""
    return [item.change.path for item in drift.changes]
