"""Which phase each call belongs to, and which calls can change what users see."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from reconciler.fields import FIELDS
from reconciler.planning.operations import (
    AddCohorts,
    AddDeployments,
    AddUsers,
    CreateFlag,
    CreateVariant,
    DeleteVariant,
    EditFlag,
    EditVariant,
)

if TYPE_CHECKING:
    from reconciler.planning.operations import Operation

EXPOSURE_FIELDS = frozenset(field.edit for field in FIELDS if field.moves_users)
"""Fields of "Edit" that decide who gets which variant."""


class Phase(IntEnum):
    """The order of calls among which exposure does not choose."""

    UNARCHIVE = 0
    DISABLE = 1
    CREATE_FLAG = 2
    VARIANTS = 3
    SEGMENTS = 4
    INCLUSIONS = 5
    DEPLOYMENTS = 6
    REMOVALS = 7
    ENABLE = 8
    ARCHIVE = 9


def phase_of(operation: Operation) -> Phase:
    """The phase of a call. A PATCH of the flag that switches it on or off belongs where the switch belongs."""
    match operation:
        case EditFlag(body=body):
            return _edit_phase(body)
        case CreateFlag():
            return Phase.CREATE_FLAG
        case CreateVariant() | EditVariant():
            return Phase.VARIANTS
        case AddUsers() | AddCohorts():
            return Phase.INCLUSIONS
        case AddDeployments():
            return Phase.DEPLOYMENTS
        case _:
            return Phase.REMOVALS


def moves_exposure(operation: Operation) -> bool:
    """Whether the call can change the rules of a flag. Inclusions are no rules: they touch listed users only."""
    match operation:
        case EditFlag(body=body):
            return not EXPOSURE_FIELDS.isdisjoint(body)
        case EditVariant(body=body):
            return "key" in body or "rolloutWeight" in body
        case _:
            return isinstance(operation, CreateFlag | CreateVariant | DeleteVariant)


def _edit_phase(body: dict[str, object]) -> Phase:
    switches = (
        ("archive", False, Phase.UNARCHIVE),
        ("archive", True, Phase.ARCHIVE),
        ("enabled", False, Phase.DISABLE),
        ("enabled", True, Phase.ENABLE),
    )
    return next((phase for name, value, phase in switches if body.get(name) is value), Phase.SEGMENTS)
