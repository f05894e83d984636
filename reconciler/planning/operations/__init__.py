"""The closed set of things that can be done to a project: one frozen class each, and what holds for all of them.

A class knows its request, what the flag is after it, where it stands among others, what is left of it after a fresh
look, and its JSON. A new one is a class here, a place in `calls` that asks for it, and the emulator's endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.planning.operations.base import UNKNOWN_ID, ImpossibleCallError, Operation, Phase
from reconciler.planning.operations.deployments import AddDeployments, RemoveDeployment
from reconciler.planning.operations.flag import CreateFlag, EditFlag, without_inclusions
from reconciler.planning.operations.members import (
    BULK_REMOVAL_LIMIT,
    AddMembers,
    ClearUsers,
    MembersOperation,
    RemoveMembers,
    RemoveUserAt,
)
from reconciler.planning.operations.variant import CreateVariant, DeleteVariant, EditVariant

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reconciler.model.flag import Json

__all__ = [
    "BULK_REMOVAL_LIMIT",
    "KINDS",
    "UNKNOWN_ID",
    "AddDeployments",
    "AddMembers",
    "ClearUsers",
    "CreateFlag",
    "CreateVariant",
    "DeleteVariant",
    "EditFlag",
    "EditVariant",
    "ImpossibleCallError",
    "MembersOperation",
    "Operation",
    "Phase",
    "RemoveDeployment",
    "RemoveMembers",
    "RemoveUserAt",
    "decode_operation",
    "remaining",
    "without_inclusions",
]

_CLASSES: tuple[type[Operation], ...] = (
    CreateFlag,
    EditFlag,
    CreateVariant,
    EditVariant,
    DeleteVariant,
    AddMembers,
    RemoveMembers,
    RemoveUserAt,
    ClearUsers,
    AddDeployments,
    RemoveDeployment,
)

KINDS = {kind: operation for operation in _CLASSES for kind in operation.KINDS}
"""The class of each kind of contract.md."""


def decode_operation(document: dict[str, Json], flag_key: str) -> Operation:
    """The operation of a plan's JSON. Raises LookupError, TypeError or ValueError for what is none."""
    return KINDS[document["kind"]].from_json(document, flag_key)


def remaining(
    planned: Sequence[Operation], left: Sequence[Operation], *, hidden: Collection[str] = ()
) -> list[Operation | None]:
    """For each planned operation, the part of it that `left` still asks for; None where it is in place.

    `hidden` are fields of "Edit" that the server does not show: nothing says that they are in place. Of several
    removals of one user's copies those that come last are left: the others are in place. The order stays that of the
    plan, whose states in between were weighed.
    """
    edits = (item for item in planned if isinstance(item, EditFlag))
    unseen = (replace(item, body={name: item.body[name] for name in item.body.keys() & hidden}) for item in edits)
    pool, found = [*left, *unseen], list[Operation | None]()
    for operation in reversed(planned):
        rest = operation.remaining(pool)
        if isinstance(rest, RemoveUserAt):
            pool.remove(rest)
        found.append(rest)
    return found[::-1]
