"""Archived flags whose details the server hides: what could not be seen is said, and never taken for equal."""

from __future__ import annotations

from typing import Any

import pytest
from builders import a_flag_plan, a_full_flag, a_full_variant
from emulators import a_live_flag
from msgspec.structs import replace
from worlds import World, a_world, an_emulator

from reconciler.emulator import Behaviour
from reconciler.model.flag import UNSET, FlagSpec, Variant
from reconciler.planning.operations import EditFlag
from reconciler.planning.plan import PlanOptions
from reconciler.planning.warnings import UNSEEN_LISTS, warnings_of

KEY = "new-checkout"
UNSEEN = "/variants/control/payload, /variants/control/inclusions/users"


def an_archived_project(*, users: tuple[str, ...] = ("ada",), payload: Any = 2, **behaviour: Any) -> World:
    """A flag that comes back, of which payload and users are declared and cannot be read while it is archived."""
    variants = [{"key": "control", "payload": 1, "users": ["bob"]}, {"key": "treatment"}]
    emulator = an_emulator(
        a_live_flag(KEY, archived=True, variants=variants),
        behaviour=Behaviour(archived_details="hidden", **behaviour),
    )
    declared = Variant(key="control", payload=payload, users=users, cohorts=UNSET)
    spec = FlagSpec(key=KEY, archived=False, variants=(declared, Variant(key="treatment")))
    return a_world(emulator, spec, options=PlanOptions(unarchive=True))


@pytest.mark.parametrize("edits", ["accepted", "refused"])
@pytest.mark.parametrize("shows", ["key", "key-name"])
def test_what_could_not_be_seen(edits: str, shows: str) -> None:
    """The plan names it; apply reads it once the flag is back, and does not call the flag verified; then it shows."""
    world = an_archived_project(archived_edits=edits, list_shows=shows)
    run = world.apply()
    (flag,) = run.plan.flags
    assert flag.operations == (EditFlag(flag_key=KEY, body={"archive": False}),)
    assert flag.warnings[0] == (
        f"While the flag is archived the server does not show {UNSEEN}: that cannot be compared. Once the flag is "
        "back, a second plan shows whether it differs."
    )
    assert len(flag.warnings) == 2
    assert run.report is not None
    assert run.report.verified is False
    assert run.report.exit_code == 7
    (again,) = world.plan().flags
    assert [change.path for change in again.changes] == [
        "/variants/control/payload",
        "/variants/control/inclusions/users",
    ]
    assert not [warning for warning in again.warnings if "second plan" in warning]
    assert world.apply().report.ok  # type: ignore[union-attr] # an apply has a report
    assert world.plan().is_empty


def test_what_turns_out_to_be_equal() -> None:
    """Apply reads what the plan could not see: a flag that is as declared after all is verified."""
    run = an_archived_project(users=("bob",), payload=1).apply()
    assert run.report is not None
    assert run.report.ok
    assert run.report.verified is True


def test_what_is_seen_is_not_named() -> None:
    """What the list shows of an archived flag is compared, and planned."""
    (flag,) = an_archived_project(list_shows="all").plan().flags
    assert [change.path for change in flag.changes] == ["/archived", "/variants/control/payload"]
    (warning,) = [item for item in flag.warnings if "second plan" in item]
    assert "/variants/control/inclusions/users" in warning
    assert "payload" not in warning


@pytest.mark.parametrize(
    ("after", "lists", "is_told"),
    [
        ({"archived": False, "enabled": True}, UNSET, True),
        ({"archived": False, "enabled": False}, UNSET, False),
        ({"name": "x"}, UNSET, False),
        ({"archived": False, "enabled": True}, (), False),
    ],
)
def test_lists_that_come_back_with_the_flag(after: dict[str, Any], lists: Any, *, is_told: bool) -> None:
    """Who is listed gets a variant again, and is not shown before; of a flag that stays off nobody does."""
    variants = tuple(replace(a_full_variant(key), cohorts=lists) for key in ("control", "treatment"))
    before = a_full_flag(archived=True, variants=variants)
    plan = a_flag_plan(before=before, after=replace(before, **after))
    assert (UNSEEN_LISTS in warnings_of(plan)) is is_told
    assert UNSEEN_LISTS not in warnings_of(a_flag_plan(before=None, after=replace(before, **after)))
    there = replace(before, archived=False)
    assert UNSEEN_LISTS not in warnings_of(a_flag_plan(before=there, after=replace(there, **after)))
