"""What a fresh look leaves of planned calls, and what lies within a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.apply.leftover import leftovers
from reconciler.apply.within import is_within
from reconciler.planning.operations import (
    AddCohorts,
    AddDeployments,
    AddUsers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveCohorts,
    RemoveDeployment,
    RemoveUserAt,
    RemoveUsers,
)

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation

F, V = {"flag_key": "f"}, {"flag_key": "f", "variant_key": "a"}
ONE_OF_EACH: list[Operation] = [
    EditFlag(**F, body={"name": "n", "enabled": True}),
    CreateVariant(**V, body={"key": "a"}),
    EditVariant(**V, body={"rolloutWeight": 2}),
    DeleteVariant(**V),
    AddUsers(**V, users=("x", "y")),
    RemoveUsers(**V, users=("x", "y")),
    RemoveUserAt(**V, user="x", index=1),
    ClearUsers(**V),
    AddCohorts(**V, cohorts=("c",)),
    RemoveCohorts(**V, cohorts=("c",)),
    AddDeployments(**F, deployments=("1", "2")),
    RemoveDeployment(**F, deployment="1"),
]


@pytest.mark.parametrize("operation", ONE_OF_EACH, ids=lambda item: type(item).__name__)
def test_a_call_is_left_whole_or_not_at_all(operation: Operation) -> None:
    """What planning still asks for is left, what it no longer asks for is in place."""
    others = [item for item in ONE_OF_EACH if item != operation and not isinstance(item, RemoveUsers)]
    assert leftovers([operation], [operation, *others]) == [operation]
    if not isinstance(operation, ClearUsers | RemoveUsers):
        assert leftovers([operation], others) == [None]
    assert is_within(operation, [operation])
    assert not is_within(operation, [])


def test_a_create_is_in_place_when_the_flag_is_there() -> None:
    """A flag that can be planned for exists: nothing is left of its create."""
    assert leftovers([CreateFlag(**F, body={"key": "f"})], [EditFlag(**F, body={"enabled": True})]) == [None]


@pytest.mark.parametrize(
    ("planned", "left", "rest"),
    [
        (
            EditFlag(**F, body={"name": "n", "tags": ["t"]}),
            EditFlag(**F, body={"name": "n", "enabled": True}),
            EditFlag(**F, body={"name": "n"}),
        ),
        (
            EditVariant(**V, body={"name": "n", "rolloutWeight": 1}),
            EditVariant(**V, body={"rolloutWeight": 1}),
            EditVariant(**V, body={"rolloutWeight": 1}),
        ),
        (AddUsers(**V, users=("x", "y")), AddUsers(**V, users=("y", "z")), AddUsers(**V, users=("y",))),
        (
            RemoveCohorts(**V, cohorts=("c", "d")),
            RemoveCohorts(**V, cohorts=("d",)),
            RemoveCohorts(**V, cohorts=("d",)),
        ),
        (
            AddDeployments(**F, deployments=("1", "2")),
            AddDeployments(**F, deployments=("2",)),
            AddDeployments(**F, deployments=("2",)),
        ),
        (
            RemoveUserAt(**V, user="x", index=4),
            RemoveUserAt(**V, user="x", index=2),
            RemoveUserAt(**V, user="x", index=2),
        ),
    ],
)
def test_a_part_of_a_call_is_left(planned: Operation, left: Operation, rest: Operation) -> None:
    """What was done of a call is not sent again."""
    assert leftovers([planned], [left]) == [rest]


def test_a_renamed_variant_is_edited_under_its_new_key() -> None:
    """After the rename took effect, the other fields of the same call go to the new key."""
    planned = EditVariant(**V, body={"key": "b", "name": "n"})
    left = EditVariant(flag_key="f", variant_key="b", body={"name": "n"})
    assert leftovers([planned], [left]) == [left]
    assert is_within(left, [planned])


def test_a_value_that_differs_is_not_the_planned_one() -> None:
    """An edit that undoes a step in between is no part of that step."""
    shield, final = EditFlag(**F, body={"targetSegments": [1]}), EditFlag(**F, body={"targetSegments": []})
    assert leftovers([shield, final], [final]) == [None, final]
    assert leftovers([shield, final], [shield, final]) == [shield, final]


def test_copies_that_are_left_come_last() -> None:
    """Of three removals of one user's copies with one copy left, the first two are in place."""
    planned = [RemoveUserAt(**V, user="x", index=index) for index in (5, 3, 1)]
    left = RemoveUserAt(**V, user="x", index=2)
    assert leftovers(planned, [left]) == [None, None, left]


def test_what_is_hidden_is_never_in_place() -> None:
    """A field that the server does not show is sent again, because nobody can say that it is there."""
    planned = EditFlag(**F, body={"tags": ["t"], "name": "n"})
    assert leftovers([planned], [], hidden={"tags"}) == [EditFlag(**F, body={"tags": ["t"]})]


def test_a_list_that_may_not_be_cleared_any_more() -> None:
    """Where removals by name took the place of a clear, the clear is not sent."""
    removal = RemoveUsers(**V, users=("x",))
    assert leftovers([ClearUsers(**V)], [removal]) == [removal]


def test_members_of_others_are_not_within() -> None:
    """Users that were not planned, or of another variant, are somebody else's."""
    planned = AddUsers(**V, users=("x",))
    assert not is_within(AddUsers(**V, users=("x", "z")), [planned])
    assert not is_within(AddUsers(flag_key="f", variant_key="b", users=("x",)), [planned])
    assert is_within(RemoveUsers(**V, users=("x",)), [ClearUsers(**V)])
