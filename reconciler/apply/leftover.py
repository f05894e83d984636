"""What a fresh look at a flag leaves of operations that were planned before it.

Planning anew says what is still missing; the order stays that of the plan, whose states in between were weighed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.apply.within import members_named, members_of, names_of
from reconciler.canonical import same_json
from reconciler.planning.operations import (
    AddCohorts,
    AddDeployments,
    AddUsers,
    ClearUsers,
    CreateVariant,
    EditFlag,
    EditVariant,
    RemoveCohorts,
    RemoveUserAt,
    RemoveUsers,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reconciler.model import Json
    from reconciler.planning.operations import Operation


def leftovers(
    planned: Sequence[Operation], left: Sequence[Operation], *, hidden: Collection[str] = ()
) -> list[Operation | None]:
    """For each planned operation, the part of it that `left` still asks for; None where it is in place.

    `hidden` are fields of an edit that the server does not show: nobody can say that they are in place. Of several
    removals of one user's copies those that come last are left: the others are in place.
    """
    copies = Counter((item.variant_key, item.user) for item in left if isinstance(item, RemoveUserAt))
    found: list[Operation | None] = []
    for operation in reversed(planned):
        if isinstance(operation, RemoveUserAt):
            found.append(_copy_left(operation, left, copies))
        else:
            found.append(_left_of(operation, left, hidden))
    return found[::-1]


def _copy_left(
    operation: RemoveUserAt, left: Sequence[Operation], copies: Counter[tuple[str, str]]
) -> RemoveUserAt | None:
    whose = operation.variant_key, operation.user
    alike = [item for item in left if isinstance(item, RemoveUserAt) and (item.variant_key, item.user) == whose]
    if not copies[whose]:
        return None
    copies[whose] -= 1
    return alike[copies[whose]]


def _left_of(operation: Operation, left: Sequence[Operation], hidden: Collection[str]) -> Operation | None:
    match operation:
        case EditFlag(body=body):
            bodies = [item.body for item in left if isinstance(item, EditFlag)]
            fields = _fields_left(body, [*bodies, {name: body[name] for name in body.keys() & hidden}])
            return replace(operation, body=fields) if fields else None
        case EditVariant():
            return _variant_edit_left(operation, left)
        case ClearUsers(variant_key=key):
            # A list that somebody added wanted users to meanwhile is not cleared any more: some of it is removed.
            removals = (item for item in left if isinstance(item, RemoveUsers) and item.variant_key == key)
            return operation if operation in left else next(removals, None)
        case CreateVariant(variant_key=key):
            return next((item for item in left if isinstance(item, CreateVariant) and item.variant_key == key), None)
        case AddUsers() | RemoveUsers():
            there = _members_left(operation, left)
            return replace(operation, users=there) if there else None
        case AddCohorts() | RemoveCohorts():
            there = _members_left(operation, left)
            return replace(operation, cohorts=there) if there else None
        case AddDeployments():
            there = _members_left(operation, left)
            return replace(operation, deployments=there) if there else None
        case _:
            return operation if operation in left else None


def _variant_edit_left(operation: EditVariant, left: Sequence[Operation]) -> EditVariant | None:
    """A variant that was renamed meanwhile is edited under its new key."""
    for item in left:
        if isinstance(item, EditVariant) and not names_of(operation).isdisjoint(names_of(item)):
            fields = _fields_left(operation.body, [item.body])
            key = operation.variant_key if "key" in item.body else item.variant_key
            return replace(operation, variant_key=key, body=fields) if fields else None
    return None


def _fields_left(body: dict[str, Json], bodies: list[dict[str, Json]]) -> dict[str, Json]:
    return {
        name: value
        for name, value in body.items()
        if any(name in other and same_json(other[name], value) for other in bodies)
    }


def _members_left(operation: Operation, left: Sequence[Operation]) -> tuple[str, ...]:
    wanted = members_named(operation, left)
    return tuple(member for member in members_of(operation) if member in wanted)
