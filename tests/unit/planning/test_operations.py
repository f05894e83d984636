"""What a fresh look leaves of planned calls, and what lies within a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from reconciler.files.schema import load_schema
from reconciler.planning.operations import (
    KINDS,
    AddDeployments,
    AddMembers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
    RemoveDeployment,
    RemoveMembers,
    RemoveUserAt,
    remaining,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.flag import MemberKind
    from reconciler.planning.operations import Operation

F, V = {"flag_key": "f"}, {"flag_key": "f", "variant_key": "a"}
ONE_OF_EACH: list[Operation] = [
    EditFlag(**F, body={"name": "n", "enabled": True}),
    CreateVariant(**V, body={"key": "a"}),
    EditVariant(**V, body={"rolloutWeight": 2}),
    DeleteVariant(**V),
    AddMembers(**V, members=("x", "y")),
    RemoveMembers(**V, members=("x", "y")),
    RemoveUserAt(**V, user="x", index=1),
    ClearUsers(**V),
    AddMembers(**V, member_kind="cohorts", members=("c",)),
    RemoveMembers(**V, member_kind="cohorts", members=("c",)),
    AddDeployments(**F, deployments=("1", "2")),
    RemoveDeployment(**F, deployment="1"),
]


@pytest.mark.parametrize("operation", ONE_OF_EACH, ids=lambda item: type(item).__name__)
def test_a_call_is_left_whole_or_not_at_all(operation: Operation) -> None:
    """What planning still asks for is left, what it no longer asks for is in place."""
    others = [item for item in ONE_OF_EACH if item != operation and not isinstance(item, RemoveMembers)]
    assert remaining([operation], [operation, *others]) == [operation]
    if not isinstance(operation, ClearUsers | RemoveMembers):
        assert remaining([operation], others) == [None]
    assert operation.is_covered_by([operation])
    assert not operation.is_covered_by([])


def test_a_create_is_in_place_when_the_flag_is_there() -> None:
    """A flag that can be planned for exists: nothing is left of its create."""
    assert remaining([CreateFlag(**F, body={"key": "f"})], [EditFlag(**F, body={"enabled": True})]) == [None]


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
        (AddMembers(**V, members=("x", "y")), AddMembers(**V, members=("y", "z")), AddMembers(**V, members=("y",))),
        (
            RemoveMembers(**V, member_kind="cohorts", members=("c", "d")),
            RemoveMembers(**V, member_kind="cohorts", members=("d",)),
            RemoveMembers(**V, member_kind="cohorts", members=("d",)),
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
    assert remaining([planned], [left]) == [rest]


def test_a_renamed_variant_is_edited_under_its_new_key() -> None:
    """After the rename took effect, the other fields of the same call go to the new key."""
    planned = EditVariant(**V, body={"key": "b", "name": "n"})
    left = EditVariant(flag_key="f", variant_key="b", body={"name": "n"})
    assert remaining([planned], [left]) == [left]
    assert left.is_covered_by([planned])
    made = CreateVariant(flag_key="f", variant_key="b", body={"key": "b", "name": "n"})
    assert left.is_covered_by([made])
    assert not left.is_covered_by([replace(made, variant_key="c")])


def test_an_edit_lies_within_the_calls_that_set_its_fields() -> None:
    """In one or several edits, or in the call that makes the flag; with the same values."""
    edit = EditFlag(**F, body={"name": "n", "tags": ["t"]})
    parts: list[Operation] = [EditFlag(**F, body={"name": "n"}), EditFlag(**F, body={"tags": ["t"], "enabled": True})]
    assert edit.is_covered_by(parts)
    assert edit.is_covered_by([CreateFlag(**F, body={"key": "f", "name": "n", "tags": ["t"]})])
    assert not edit.is_covered_by(parts[:1])
    assert not edit.is_covered_by([parts[0], EditFlag(**F, body={"tags": ["u"]})])


def test_a_value_that_differs_is_not_the_planned_one() -> None:
    """An edit that undoes a step in between is no part of that step."""
    shield, final = EditFlag(**F, body={"targetSegments": [1]}), EditFlag(**F, body={"targetSegments": []})
    assert remaining([shield, final], [final]) == [None, final]
    assert remaining([shield, final], [shield, final]) == [shield, final]


def test_copies_that_are_left_come_last() -> None:
    """Of three removals of one user's copies with one copy left, the first two are in place."""
    planned = [RemoveUserAt(**V, user="x", index=index) for index in (5, 3, 1)]
    left = RemoveUserAt(**V, user="x", index=2)
    assert remaining(planned, [left]) == [None, None, left]
    assert remaining(planned, [left, AddMembers(**V, members=("x",))]) == [None, None, left]
    other = RemoveUserAt(**V, user="z", index=1)
    assert remaining(planned, [left, other]) == [None, None, left]
    assert remaining(planned, [other]) == [None, None, None]
    assert planned[0].remaining([planned[0], planned[1], left, other]) == left


def test_what_is_hidden_is_never_in_place() -> None:
    """A field that the server does not show is sent again, because it is unknown whether it is there."""
    planned = EditFlag(**F, body={"tags": ["t"], "name": "n"})
    assert remaining([planned], [], hidden={"tags"}) == [EditFlag(**F, body={"tags": ["t"]})]


def test_a_list_that_may_not_be_cleared_any_more() -> None:
    """Where removals by name took the place of a clear, the clear is not sent."""
    removal = RemoveMembers(**V, members=("x",))
    assert remaining([ClearUsers(**V)], [removal]) == [removal]
    assert remaining([ClearUsers(**V)], [AddMembers(**V, members=("x",)), removal]) == [removal]


def test_members_of_others_are_not_within() -> None:
    """Users that were not planned, or of another variant, are another client's."""
    planned = AddMembers(**V, members=("x",))
    assert not AddMembers(**V, members=("x", "z")).is_covered_by([planned])
    assert not AddMembers(flag_key="f", variant_key="b", members=("x",)).is_covered_by([planned])
    assert RemoveMembers(**V, members=("x",)).is_covered_by([ClearUsers(**V)])
    assert not RemoveMembers(**V, members=("x", "z")).is_covered_by([RemoveMembers(**V, members=("x",))])


@pytest.mark.parametrize("kind", ["users", "cohorts"])
def test_a_request_holds_what_a_server_takes(kind: MemberKind) -> None:
    """Nothing to add or to remove, more than 100 removals, a place before the first: there is no such operation."""
    many = tuple(str(number) for number in range(101))
    impossible: list[Callable[[], Operation]] = [
        lambda: AddMembers(**V, member_kind=kind, members=()),
        lambda: RemoveMembers(**V, member_kind=kind, members=()),
        lambda: RemoveMembers(**V, member_kind=kind, members=many),
        lambda: RemoveUserAt(**V, user="x", index=-1),
        lambda: AddDeployments(**F, deployments=()),
    ]
    for make in impossible:
        with pytest.raises(ValueError, match=r"request|place"):
            make()
    assert len(AddMembers(**V, member_kind=kind, members=many).members) == 101
    assert len(RemoveMembers(**V, member_kind=kind, members=many[:100]).members) == 100


def test_only_copies_of_its_own_users_are_what_a_call_left() -> None:
    """Users that it did not name, and other lists, are another client's doing."""
    added, removed = AddMembers(**V, members=("x",)), RemoveMembers(**V, members=("x",))
    for made in (added, removed):
        assert made.may_leave(RemoveUserAt(**V, user="x", index=1))
        assert made.may_leave(RemoveMembers(**V, members=("x",)))
        assert not made.may_leave(RemoveUserAt(**V, user="z", index=1))
        assert not made.may_leave(RemoveMembers(**V, members=("x", "z")))
        assert not made.may_leave(RemoveMembers(flag_key="f", variant_key="b", members=("x",)))
        assert not made.may_leave(RemoveMembers(**V, member_kind="cohorts", members=("x",)))
        assert not made.may_leave(AddMembers(**V, members=("x",)))


RENAME = EditVariant(**V, body={"key": "b"})
SEGMENTS = EditFlag(**F, body={"targetSegments": []})
WEIGHT = EditVariant(flag_key="f", variant_key="b", body={"rolloutWeight": 1})
COPY = RemoveUserAt(**V, user="x", index=1)
USERS, NO_USERS = AddMembers(**V, members=("x",)), RemoveMembers(**V, members=("x",))
COHORTS, NO_COHORTS = replace(USERS, member_kind="cohorts"), replace(NO_USERS, member_kind="cohorts")
CREATE = CreateFlag(**F, body={"key": "f"})
SWITCH = EditFlag(**F, body={"enabled": False, "rolloutPercentage": 0})
AT_ONCE = [(CREATE, SWITCH), (RENAME, SEGMENTS), (RENAME, WEIGHT)]
SEEN_LATER = [
    (CREATE, DeleteVariant(**V)),
    (DeleteVariant(**V), SEGMENTS),
    (DeleteVariant(**V), WEIGHT),
    (USERS, COPY),
    (USERS, NO_USERS),
    (NO_USERS, COPY),
    (NO_USERS, NO_USERS),
]


@pytest.mark.parametrize(("made", "other"), [*AT_ONCE, *SEEN_LATER])
def test_what_a_server_may_have_done_besides(made: Operation, other: Operation) -> None:
    """A read-back may show it after this call; of few calls it is known at once."""
    assert made.may_leave(other)
    assert made.may_entail(other) is ((made, other) in AT_ONCE)


@pytest.mark.parametrize(
    ("made", "other"),
    [
        (CREATE, EditFlag(**F, body={"enabled": False, "name": "n"})),
        (CREATE, SEGMENTS),
        (EditVariant(**V, body={"name": "n"}), SEGMENTS),
        (RENAME, EditVariant(**V, body={"rolloutWeight": 1})),
        (RENAME, EditVariant(flag_key="f", variant_key="b", body={"rolloutWeight": 1, "name": "n"})),
        (RENAME, EditFlag(**F, body={"targetSegments": [], "name": "n"})),
        (DeleteVariant(**V), SWITCH),
        (DeleteVariant(**V), RENAME),
        (SEGMENTS, SEGMENTS),
        (SEGMENTS, WEIGHT),
        (CreateVariant(**V, body={"key": "a"}), WEIGHT),
        (USERS, USERS),
        (USERS, NO_COHORTS),
        (COHORTS, COPY),
        (COHORTS, NO_COHORTS),
        (NO_COHORTS, NO_COHORTS),
        (COPY, USERS),
        (COPY, COHORTS),
        (COPY, COPY),
        (ClearUsers(**V), NO_USERS),
        (AddDeployments(**F, deployments=("1",)), RemoveDeployment(**F, deployment="1")),
    ],
)
def test_what_no_server_may_have_done_by_itself(made: Operation, other: Operation) -> None:
    """Of anything else that is asked for afterwards, another client did it."""
    assert not made.may_leave(other)
    assert not made.may_entail(other)


def test_the_schema_of_plans_names_every_kind() -> None:
    """A saved plan with any operation can be read again."""
    call = load_schema("plan")["$defs"]["operation"]["properties"]
    assert set(call["kind"]["enum"]) == set(KINDS)
