"""A pure model of the Management API: what a flag is after calls. Each operation says what it does by itself.

Where the reference is silent, operations take the likeliest server; the read-back after an apply finds out where a
real one differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planning.operations import ImpossibleCallError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation


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
