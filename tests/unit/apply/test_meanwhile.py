"""What is taken for an edit by another client, and what cannot be."""

from __future__ import annotations

import time
from typing import Any

import pytest
from builders import a_live_flag
from msgspec.structs import replace

from reconciler.apply import steps
from reconciler.apply.meanwhile import moved_meanwhile
from reconciler.model.flag import UNSET, FlagSpec, LiveFlag, Variant
from reconciler.planning.operations import AddMembers, CreateFlag, EditFlag, EditVariant, Operation, RemoveMembers


@pytest.mark.parametrize(("clock", "slept"), [(None, 0), (7, 90)])
def test_how_long_the_machine_has_slept(monkeypatch: pytest.MonkeyPatch, clock: int | None, slept: int) -> None:
    """What a clock that goes on meanwhile is ahead, where the system has one."""
    monkeypatch.setattr(steps, "_WAKING_CLOCK", clock)
    monkeypatch.setattr(steps.time, "clock_gettime", {7: 1089.7}.__getitem__)
    monkeypatch.setattr(steps.time, "monotonic", lambda: 1000.0)
    assert steps.seconds_asleep() == slept


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="a clock of Linux")
def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    """And so may be ahead of the usual one."""
    assert steps._WAKING_CLOCK == time.CLOCK_BOOTTIME


CALLS: dict[str, tuple[Operation, Any]] = {
    "variants.description": (EditVariant(flag_key="a", variant_key="on", body={"description": "new"}), "old"),
    "variants.payload": (EditVariant(flag_key="a", variant_key="on", body={"payload": {"x": 2}}), {"x": 1}),
    "variants.users": (AddMembers(flag_key="a", variant_key="on", members=("ada",)), ("zoe",)),
    "tags": (EditFlag(flag_key="a", body={"tags": ["t"]}), ("u",)),
    "rollout_percentage": (EditFlag(flag_key="a", body={"rolloutPercentage": 50}), 20),
}


def a_flag_that_shows(name: str, value: Any) -> LiveFlag:
    """A flag whose field, or whose variant's, is this."""
    field, _, of_variant = name.partition(".")
    variant = Variant(key="on", **{of_variant: value}) if of_variant else Variant(key="on")
    spec = FlagSpec(key="a", variants=(variant,))
    return a_live_flag(spec if of_variant else replace(spec, **{field: value}))


@pytest.mark.parametrize("name", CALLS)
def test_what_was_hidden_before_may_have_been_anything(name: str) -> None:
    """A flag that did not show a value was not edited because it now shows another than a call of ours meant."""
    call, other = CALLS[name]
    now = a_flag_that_shows(name, other)
    assert moved_meanwhile(a_flag_that_shows(name, UNSET), [call], now, [call]) == ()
    empty = a_flag_that_shows(name, type(other)())
    assert moved_meanwhile(empty, [call], now, [call]) == (name.partition(".")[0],)


ADD = AddMembers(flag_key="a", variant_key="on", members=("cat",))
REMOVE = RemoveMembers(flag_key="a", variant_key="on", members=("ada",))


@pytest.mark.parametrize("calls", [(ADD, REMOVE), (REMOVE, ADD)])
@pytest.mark.parametrize(
    ("shown", "moved"),
    [
        (("ada", "bea"), False),
        (("bea",), False),
        (("ada", "bea", "cat"), False),
        (("bea", "cat"), False),
        (("ada",), True),
        ((), True),
        (("ada", "bea", "cat", "eve"), True),
        (("bea", "eve"), True),
    ],
)
def test_a_list_may_show_any_of_the_calls_made(
    calls: tuple[Operation, ...], shown: tuple[str, ...], *, moved: bool
) -> None:
    """Whichever of them a late reading shows; what none of them adds or removes was edited by others."""
    before, now = (a_flag_that_shows("variants.users", users) for users in (("ada", "bea"), shown))
    assert moved_meanwhile(before, calls, now, calls) == (("variants",) if moved else ())


def test_a_flag_of_another_id_is_another_flag() -> None:
    before = a_flag_that_shows("rollout_percentage", 20)
    assert moved_meanwhile(before, [], replace(before, id="99"), []) == ("id",)
    assert moved_meanwhile(before, [], before, []) == ()


def test_variants_in_another_order_were_edited() -> None:
    """Which variant comes first decides who gets it."""
    before = a_live_flag(FlagSpec(key="a", variants=(Variant(key="on"), Variant(key="off"))))
    now = replace(before, spec=FlagSpec(key="a", variants=(Variant(key="off"), Variant(key="on"))))
    assert moved_meanwhile(before, [], now, []) == ("variants",)


def test_what_comes_after_a_call_that_does_not_fit_explains_nothing() -> None:
    """The flag as it was has no such variant: what the calls behind it make of the flag is not known."""
    before = a_flag_that_shows("rollout_percentage", 20)
    lost = EditVariant(flag_key="a", variant_key="gone", body={"name": "n"})
    (grown, _) = CALLS["rollout_percentage"]
    now = a_flag_that_shows("rollout_percentage", 50)
    assert moved_meanwhile(before, [grown], now, [grown]) == ()
    assert moved_meanwhile(before, [lost, grown], now, [grown]) == ("rollout_percentage",)


@pytest.mark.parametrize(("ago", "is_old"), [(4.999, False), (5.0, False), (5.001, True)])
def test_from_when_on_a_read_is_old(monkeypatch: pytest.MonkeyPatch, ago: float, *, is_old: bool) -> None:
    monkeypatch.setattr(steps, "loop_time", lambda: 1000.0)
    assert steps.is_old(1000.0 - ago) is is_old


def test_what_was_made_by_the_create_is_where_the_calls_begin() -> None:
    """The create itself explains nothing behind it, and hides nothing."""
    before, (grown, _) = a_flag_that_shows("rollout_percentage", 20), CALLS["rollout_percentage"]
    now = a_flag_that_shows("rollout_percentage", 50)
    create = CreateFlag(flag_key="a", body={"key": "a", "rolloutPercentage": 20})
    assert moved_meanwhile(before, [create, grown], now, [grown]) == ()
    assert moved_meanwhile(before, [create], now, []) == ("rollout_percentage",)


def test_all_fields_that_were_edited_are_named_in_order() -> None:
    fields = {"tags": ("u",), "name": "n", "enabled": True, "description": "d", "rollout_percentage": 7}
    before = a_live_flag(
        FlagSpec(key="a", variants=(Variant(key="on"), Variant(key="off")), **dict.fromkeys(fields, ()))
    )
    now = replace(before, spec=FlagSpec(key="a", variants=(Variant(key="on"),), **fields))
    moved = moved_meanwhile(before, [], now, [])
    assert moved == ("description", "enabled", "name", "rollout_percentage", "tags", "variants")
