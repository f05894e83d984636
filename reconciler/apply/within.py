"""Whether an operation does nothing that a list of planned operations would not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.canonical import same_json
from reconciler.planning.operations import (
    AddCohorts,
    AddDeployments,
    AddUsers,
    ClearUsers,
    CreateFlag,
    CreateVariant,
    EditFlag,
    EditVariant,
    RemoveCohorts,
    RemoveUserAt,
    RemoveUsers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.planning.operations import Operation

_MEMBERS = {
    AddUsers: "users",
    RemoveUsers: "users",
    AddCohorts: "cohorts",
    RemoveCohorts: "cohorts",
    AddDeployments: "deployments",
}


def is_within(operation: Operation, planned: Iterable[Operation]) -> bool:
    """Whether the planned operations together cover this one.

    A PATCH is covered when every field of it is in a planned PATCH (or POST) of the same thing with the same value;
    members when each is in a planned operation of the same kind; all else only by an equal operation.
    """
    planned = list(planned)
    if operation in planned:
        return True
    if isinstance(operation, EditFlag):
        return _covered(operation.body, [item.body for item in planned if isinstance(item, EditFlag | CreateFlag)])
    if isinstance(operation, EditVariant):
        bodies = [
            item.body
            for item in planned
            if isinstance(item, EditVariant | CreateVariant) and _same_variant(operation, item)
        ]
        return _covered(operation.body, bodies)
    if isinstance(operation, RemoveUserAt):
        return any(
            isinstance(item, RemoveUserAt)
            and (item.variant_key, item.user) == (operation.variant_key, operation.user)
            for item in planned
        )
    return _members_covered(operation, planned)


def _same_variant(operation: EditVariant, item: EditVariant | CreateVariant) -> bool:
    return not names_of(operation).isdisjoint(names_of(item))


def names_of(operation: EditVariant | CreateVariant) -> set[object]:
    """The keys that the operation knows its variant by: the one it has, and the one it gets."""
    return {operation.variant_key, operation.body.get("key", operation.variant_key)}


def _covered(body: dict[str, object], bodies: list[dict[str, object]]) -> bool:
    return all(
        any(name in other and same_json(other[name], value) for other in bodies) for name, value in body.items()
    )


def _members_covered(operation: Operation, planned: list[Operation]) -> bool:
    if not members_of(operation):
        return False
    if isinstance(operation, RemoveUsers) and any(
        isinstance(item, ClearUsers) and item.variant_key == operation.variant_key for item in planned
    ):
        return True
    return set(members_of(operation)) <= members_named(operation, planned)


def members_of(operation: Operation) -> tuple[str, ...]:
    """The users, cohorts or deployments that an operation adds or removes; nothing of other kinds."""
    name = _MEMBERS.get(type(operation))
    found: tuple[str, ...] = getattr(operation, name) if name else ()
    return found


def members_named(operation: Operation, others: Iterable[Operation]) -> set[str]:
    """The members that operations of the same kind on the same thing name."""
    return {member for item in others if _target(item) == _target(operation) for member in members_of(item)}


def _target(operation: Operation) -> tuple[type, str]:
    return type(operation), getattr(operation, "variant_key", "")
