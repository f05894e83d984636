"""What depends on a flag goes off before it and comes on after it, on servers that ask for that and on others."""

from __future__ import annotations

from typing import Any

import pytest
from emulators import a_live_flag, flag_of, seeded
from msgspec import structs
from worlds import World, a_world, an_emulator

from reconciler.apply import ApplyOptions
from reconciler.emulator import Behaviour
from reconciler.model.flag import FlagSpec, Variant
from reconciler.planning.plan import PlanOptions

GUARDED = PlanOptions(unarchive=True, allow=frozenset({"kill-switch", "transient", "archives", "updates"}))
OFF = {"enabled": False}
ARCHIVED = {"archived": True}
WITHOUT = {"variants": (Variant(key="control"),)}
RENAMED = {"variants": (Variant(key="control"), Variant(key="new", renamed_from="treatment"))}


def a_family(live: dict[str, dict[str, Any]], parents: dict[str, str], wanted: dict[str, Any], **more: Any) -> World:
    """Live flags by key, which of them depends on which, and what is declared of each."""
    emulator = an_emulator(behaviour=Behaviour(dependents="enforced"))
    order = [*dict.fromkeys([*parents.values(), *live])]
    for key in sorted(order, key=lambda key: key in parents):
        depends = {}
        if key in parents:
            named = {flag_of(emulator, parents[key])["id"]: ["treatment"]}
            depends = {"parentDependencies": {"flags": named, "operator": "all"}}
        seeded(emulator, [a_live_flag(key, **live[key], **depends)])
    specs = (FlagSpec(key=key, **fields) for key, fields in wanted.items())
    return a_world(emulator, *specs, **{"options": GUARDED} | more)


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("aborts", [False, True])
@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({}, {"a": ARCHIVED, "z": ARCHIVED}),
        ({}, {"a": OFF, "z": OFF}),
        ({}, {"a": ARCHIVED | OFF, "z": ARCHIVED | {"name": "Old"}}),
        (OFF, {"a": ARCHIVED, "z": ARCHIVED}),
        ({}, {"a": WITHOUT, "z": ARCHIVED}),
        ({}, {"a": RENAMED, "z": ARCHIVED}),
        (OFF, {"a": {"enabled": True}, "z": {"enabled": True}}),
    ],
)
@pytest.mark.parametrize("names", ["az", "za"])
def test_both_reach_what_is_declared(
    live: dict[str, Any], wanted: dict[str, Any], names: str, *, aborts: bool, concurrency: int
) -> None:
    """For any keys, one at a time or side by side: each call has its turn once the other flag is done."""
    parent, child = names
    named = {parent: wanted["a"], child: wanted["z"]}
    options = ApplyOptions(on_error_abort=aborts, concurrency=concurrency)
    world = a_family({parent: live, child: live}, {child: parent}, named, apply_options=options)
    report = world.apply().report
    assert report is not None
    assert (report.exit_code, report.verified) == (0, True), report
    assert world.plan().is_empty


@pytest.mark.parametrize("field", ["archived", "enabled"])
def test_three_generations(field: str) -> None:
    """From the youngest to the oldest where they go."""
    wanted = dict.fromkeys("abc", ARCHIVED if field == "archived" else OFF)
    world = a_family({"a": {}, "b": {}, "c": {}}, {"b": "a"}, wanted)
    named = {flag_of(world.emulator, "b")["id"]: []}
    flag_of(world.emulator, "c")["parentDependencies"] = {"flags": named, "operator": "all"}
    assert world.apply().report.exit_code == 0  # type: ignore[union-attr]
    assert [flag_of(world.emulator, key)[field] for key in "abc"] == [field == "archived"] * 3


@pytest.mark.parametrize("wanted", [ARCHIVED, OFF, WITHOUT])
@pytest.mark.parametrize("is_allowed", [False, True])
def test_nothing_is_taken_from_users_of_a_flag_that_stays_on(wanted: dict[str, Any], *, is_allowed: bool) -> None:
    """The guard let it pass because its child was to go off first: where that fails, the parent keeps what it has."""
    options = structs.replace(GUARDED, allow=GUARDED.allow | ({"dependents:a"} if is_allowed else set()))
    world = a_family({"a": {}, "z": {}}, {"z": "a"}, {"a": wanted, "z": OFF}, options=options)
    planned = world.look()
    world.emulator.store.remove([flag_of(world.emulator, "z")["id"]])
    report = world.carry_out(planned).report
    assert report is not None
    (parent,) = [outcome for outcome in report.outcomes if outcome.key == "a"]
    skipped = ("skipped", "Skipped: what depends on it was to be turned off first, and was not (z).")
    assert (parent.status.value, parent.error) == (("applied", None) if is_allowed else skipped)
    assert len(world.emulator.writes) == is_allowed


@pytest.mark.parametrize("wanted", [{"rollout_percentage": 10}, {"name": "New"}])
def test_a_flag_that_takes_nothing_away_waits_for_none(wanted: dict[str, Any]) -> None:
    """It is changed although its child, which was to go off, is gone."""
    world = a_family({"a": {}, "z": {}}, {"z": "a"}, {"a": wanted, "z": OFF})
    planned = world.look()
    world.emulator.store.remove([flag_of(world.emulator, "z")["id"]])
    report = world.carry_out(planned).report
    assert report is not None
    assert [outcome.status.value for outcome in report.outcomes if outcome.key == "a"] == ["applied"]


def test_flags_that_depend_on_each_other_do_not_wait_for_ever() -> None:
    """Amplitude makes no circles; where a server shows one, every flag has its turn."""
    world = a_family({"a": {}, "z": {}}, {"z": "a"}, {"a": OFF, "z": OFF})
    named = {flag_of(world.emulator, "z")["id"]: []}
    flag_of(world.emulator, "a")["parentDependencies"] = {"flags": named, "operator": "all"}
    assert world.apply().report.exit_code == 0  # type: ignore[union-attr]
    assert world.plan().is_empty
