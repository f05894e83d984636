"""Every call in its place, beside those whose order is found: to the index, with what could not be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from builders import a_full_flag, a_full_variant

from reconciler.planning.operations import (
    AddMembers,
    ClearUsers,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveDeployment,
    RemoveMembers,
    RemoveUserAt,
)
from reconciler.planning.schedule import LOSES_INCLUSION, SEES_RULES_LATE, fit_operations

if TYPE_CHECKING:
    from reconciler.model.flag import MemberKind
    from reconciler.planning.operations import Operation

F: dict[str, Any] = {"flag_key": "new-checkout"}
CONTROL, TREATMENT = F | {"variant_key": "control"}, F | {"variant_key": "treatment"}
LIVE = a_full_flag(
    variants=(a_full_variant("control", users=("u", "v"), cohorts=("c",)), a_full_variant("treatment", users=("w",)))
)
ADD, DROP = AddMembers(**TREATMENT, members=("u",)), RemoveMembers(**CONTROL, members=("u",))
WIDER, WEIGHT = EditFlag(**F, body={"rolloutPercentage": 50}), EditVariant(**CONTROL, body={"rolloutWeight": 2})
OFF, ON = EditFlag(**F, body={"enabled": False}), EditFlag(**F, body={"enabled": True})
GONE, DETACH = DeleteVariant(**CONTROL), RemoveDeployment(**F, deployment="1")
CLEAR, NEW = ClearUsers(**CONTROL), AddMembers(**CONTROL, members=("x",))
BY_PLACE = RemoveUserAt(**CONTROL, user="v", index=1)
RENAMED = EditVariant(**CONTROL, body={"key": "new"})
TO_NEW = AddMembers(**F, variant_key="new", members=("x",))


@pytest.mark.parametrize(
    ("operations", "route", "moving", "order", "notes"),
    [
        ((DROP, ADD), (), (), (1, 0), ()),
        ((DETACH, DROP, WIDER, ADD), (2,), (), (2, 3, 0, 1), ()),
        ((DROP, WIDER, ADD), (1,), (1,), (2, 1, 0), ()),
        ((WIDER, WEIGHT), (0, 1), (0, 1), (0, 1), ()),
        ((WEIGHT, WIDER, NEW), (0, 1), (1,), (0, 2, 1), ()),
        ((ADD, GONE, OFF), (1, 2), (), (1, 2, 0), (LOSES_INCLUSION,)),
        ((NEW, GONE, OFF), (1, 2), (), (1, 2, 0), ()),
        ((ON, DETACH, WEIGHT), (2, 0), (0,), (2, 1, 0), ()),
        ((NEW, CLEAR), (), (), (1, 0), ()),
        ((NEW, CLEAR, WIDER), (2,), (2,), (1, 0, 2), (SEES_RULES_LATE,)),
        ((DROP, BY_PLACE), (), (), (1, 0), ()),
        ((TO_NEW, RENAMED), (1,), (1,), (1, 0), ()),
        ((TO_NEW, RENAMED, WIDER), (1, 2), (1, 2), (1, 0, 2), ()),
        ((TO_NEW, RENAMED, WIDER), (2, 1), (1, 2), (2, 1, 0), ()),
        ((ADD, CLEAR), (), (), (0, 1), ()),
        ((GONE, AddMembers(**TREATMENT, member_kind="cohorts", members=("c",))), (0,), (0,), (1, 0), ()),
    ],
)
def test_where_calls_go(
    operations: tuple[Operation, ...],
    route: tuple[int, ...],
    moving: tuple[int, ...],
    order: tuple[int, ...],
    notes: tuple[str, ...],
) -> None:
    """By phase, but people are added before they are taken off elsewhere, and neither while rules move."""
    assert fit_operations(LIVE, operations, route, frozenset(moving)) == (order, notes)


@pytest.mark.parametrize(("kind", "most"), [("users", 2000), ("cohorts", 10)])
@pytest.mark.parametrize("more", [0, 1])
def test_room_is_made_where_a_list_would_overflow(kind: MemberKind, most: int, more: int) -> None:
    """Up to the limit they are added first."""
    listed = tuple(f"m{number}" for number in range(most - 1))
    live = a_full_flag(variants=(a_full_variant("treatment", **{kind: listed}),))
    added = AddMembers(**TREATMENT, member_kind=kind, members=("x", "y")[: 1 + more])
    removed = RemoveMembers(**TREATMENT, member_kind=kind, members=("m0",))
    other = RemoveMembers(**CONTROL, member_kind=kind, members=("m0",))
    order, notes = fit_operations(live, (added, removed, other), (), frozenset())
    assert (order, notes) == (((1, 0, 2) if more else (0, 1, 2)), ())
