"""The closed set of things that can be done to a project: one frozen class each, and what holds for all of them.

A class knows its request, what the flag is after it, where it stands among others, what is left of it after a fresh
look, and its JSON. A new one is a class here, a place in `compare` that asks for it, and the emulator's endpoint.

Together the effects are a pure model of the Management API. Where the reference is silent, operations take the
likeliest server; the read-back after an apply finds out where a real one differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.planning.operations.base import (
    UNKNOWN_ID,
    VARIANT_ORDER,
    ImpossibleCallError,
    Operation,
    Part,
    Phase,
)
from reconciler.planning.operations.flag import (
    AddDeployments,
    CreateFlag,
    EditFlag,
    RemoveDeployment,
    without_inclusions,
)
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
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json

__all__ = [
    "BULK_REMOVAL_LIMIT",
    "KINDS",
    "UNKNOWN_ID",
    "VARIANT_ORDER",
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
    "Part",
    "Phase",
    "RemoveDeployment",
    "RemoveMembers",
    "RemoveUserAt",
    "apply_in_any_order",
    "apply_operations",
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
    plan, whose intermediate states were compared.
    """
    edits = (item for item in planned if isinstance(item, EditFlag))
    unseen = (replace(item, body={name: item.body[name] for name in item.body.keys() & hidden}) for item in edits)
    pool, found = [*left, *unseen], list[Operation | None]()
    for operation in reversed(planned):
        rest = operation.remaining(pool)
        if rest is not None and rest.copy:
            pool.remove(rest)
        found.append(rest)
    return found[::-1]


def apply_operations(spec: FlagSpec | None, operations: Iterable[Operation]) -> FlagSpec:
    """The flag after the calls, one after another; `spec` is None before it exists.

    Raises ImpossibleCallError at the first that cannot be made, or when there is no flag in the end.
    """
    state = spec
    for operation in operations:
        state = operation.effect(state)
    if state is None:
        raise ImpossibleCallError("There is no flag, and no call creates it.")
    return state


def apply_in_any_order(spec: FlagSpec | None, operations: Iterable[Operation]) -> FlagSpec:
    """The flag once all calls are made, for calls that are not in order yet.

    A list is cleared before it is added to, and calls wait for what they name. Raises ImpossibleCallError when
    no order makes all of them possible.
    """
    state = spec
    waiting = sorted(operations, key=_rank)
    while waiting:
        state, waiting = _settle_one(state, waiting)
    return apply_operations(state, ())


def _settle_one(state: FlagSpec | None, waiting: list[Operation]) -> tuple[FlagSpec, list[Operation]]:
    """Make the first call of the first one's rank that can be made."""
    refused: ImpossibleCallError | None = None
    for place, operation in enumerate(waiting):
        if operation.RANK != waiting[0].RANK:
            break
        try:
            return operation.effect(state), waiting[:place] + waiting[place + 1 :]
        except ImpossibleCallError as error:
            refused = refused or error
    raise refused or ImpossibleCallError("No call can be made.")


def _rank(operation: Operation) -> int:
    return operation.RANK
