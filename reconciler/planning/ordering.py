"""The order of a flag's calls: the one in which the fewest users see a variant that is neither old nor new.

`candidates` says which sets of calls come into question, `order_search` orders those calls of a set that move
exposure, `schedule` fits the others around them. Here the best is chosen and its notes are put together.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.rules import flag_rules, is_on
from reconciler.planning.candidates import plain_candidates, shielded_candidate
from reconciler.planning.operations import AddMembers, CreateVariant, DeleteVariant, ImpossibleCallError, Phase
from reconciler.planning.order_search import FREE, OrderSearch, Route, Transients
from reconciler.planning.schedule import SEES_RULES_EARLY, creating_operation, fit_operations, listed_members
from reconciler.planning.segments import can_shield

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model.flag import FlagSpec
    from reconciler.planning.candidates import Candidate
    from reconciler.planning.operations import Operation

EVEN_SPLIT = "Between two calls all weights are 0, which splits users evenly: no order of these calls avoids it."
SHIELD_REFUSED = (
    "A shield replaces the segments, and a live one holds what cannot be sent back: conditions on cohorts, or fields "
    "that the API reference does not list."
)


class Ordered(Struct, frozen=True, kw_only=True):
    """The calls in order.

    `transient` is the largest share of users, over all states between two calls and over every segment and the
    rest, whose variant then is neither the one before nor the one after. `notes` says what a reader of the plan
    should know of the order. `refusal` says why a shield that was asked for and needed is not possible.
    """

    operations: tuple[Operation, ...]
    transient: Fraction = Fraction(0)
    notes: tuple[str, ...] = ()
    refusal: str | None = None


class _Solution(Struct, frozen=True, kw_only=True):
    """A candidate with the best order of its exposure-moving calls, which stand at the positions `moving`."""

    candidate: Candidate
    moving: tuple[int, ...]
    search: OrderSearch
    route: Route

    def states(self) -> list[tuple[int, FlagSpec | None, FlagSpec | None]]:
        """Each exposure-moving call in order: its position, the flag before it and the flag after it."""
        positions = (self.moving[place] for place in self.route.order)
        states = pairwise(self.search.states_along(self.route.order))
        return [(position, old, new) for position, (old, new) in zip(positions, states, strict=True)]


def order_operations(
    before: FlagSpec | None,
    after: FlagSpec,
    operations: tuple[Operation, ...],
    *,
    shield: bool = False,
    may_switch: bool = True,
) -> Ordered:
    """The calls of one flag in the order of planning.md, with at most the extra calls that it allows.

    `before` is the live flag (None: a CreateFlag is among the calls), `after` the flag once all calls are made,
    `operations` the fewest calls that get there, at most one EditFlag among them; `may_switch`: whether `enabled` is
    declared, so that it may be sent. The same input gives the same order. Raises ImpossibleCallError when no order
    keeps the API's rules (two variants exchanging keys).
    """
    solution = _best_of(before, after, plain_candidates(before, after, operations, may_switch=may_switch))
    if shield and before is not None and solution.route.cost.transient:
        if not can_shield(before):
            return replace(_arranged(before, after, solution), refusal=SHIELD_REFUSED)
        shielded = _solve(before, after, shielded_candidate(before, after, operations))
        if shielded is not None and shielded.route.cost < solution.route.cost:
            solution = shielded
    return _arranged(before, after, solution)


def _best_of(before: FlagSpec | None, after: FlagSpec, candidates: Iterable[Candidate]) -> _Solution:
    """The candidate whose worst state is the best; the first of equals, which has the fewest calls."""
    best: _Solution | None = None
    for candidate in candidates:
        found = _solve(before, after, candidate)
        if found is not None and (best is None or found.route.cost < best.route.cost):
            best = found
        if best is not None and best.route.cost == FREE:
            break
    if best is None:
        message = f"No order of the calls for {after.key} keeps every variant in existence while it is named."
        raise ImpossibleCallError(message)
    return best


def _solve(before: FlagSpec | None, after: FlagSpec, candidate: Candidate) -> _Solution | None:
    operations = candidate.operations
    moving = tuple(index for index, item in enumerate(operations) if item.moves_exposure)
    place = {index: position for position, index in enumerate(moving)}
    precedence = [
        (place[first], place[then])
        for first, then in (*candidate.precedence, *_standing_precedence(before, operations))
        if first in place and then in place
    ]
    search = OrderSearch(before, after, tuple(operations[index] for index in moving), precedence)
    route = search.find_route()
    return None if route is None else _Solution(candidate=candidate, moving=moving, search=search, route=route)


def _standing_precedence(before: FlagSpec | None, operations: tuple[Operation, ...]) -> Iterator[tuple[int, int]]:
    """What holds in every plan, before exposure decides.

    New variants come in the order that decides bucketing, unarchiving first, archiving last, and a variant is
    made before the one goes whose users or cohorts move there.
    """
    yield from pairwise(index for index, item in enumerate(operations) if isinstance(item, CreateVariant))
    for index, operation in enumerate(operations):
        others = (other for other in range(len(operations)) if other != index)
        match operation.phase:
            case Phase.UNARCHIVE:
                yield from ((index, other) for other in others)
            case Phase.ARCHIVE:
                yield from ((other, index) for other in others)
            case _:
                pass
        if isinstance(operation, DeleteVariant):
            yield from ((maker, index) for maker in _makers_of_new_homes(before, operations, operation.variant_key))


def _makers_of_new_homes(before: FlagSpec | None, operations: tuple[Operation, ...], key: str) -> Iterator[int]:
    for operation in operations:
        if isinstance(operation, AddMembers):
            maker = creating_operation(operations, operation.variant_key)
            leaving = listed_members(before, operations, key, operation.member_kind)
            if maker is not None and not set(leaving).isdisjoint(operation.members):
                yield maker


def _arranged(before: FlagSpec | None, after: FlagSpec, solution: _Solution) -> Ordered:
    operations, states = solution.candidate.operations, solution.states()
    is_seen = before is not None and is_on(before) and is_on(after)
    visible = frozenset(place for place, old, new in states if is_seen and flag_rules(old) != flag_rules(new))
    order, notes = fit_operations(before, operations, tuple(place for place, _, _ in states), visible)
    reached = {place: new for place, _, new in states}
    if _meets_rules_before_listed(before, after, operations, reached):
        notes = (*notes, SEES_RULES_EARLY)
    if solution.route.cost.splits_evenly:
        notes = (EVEN_SPLIT, *notes)
    return Ordered(
        operations=tuple(operations[index] for index in order),
        transient=solution.route.cost.transient,
        notes=tuple(dict.fromkeys((*solution.candidate.notes, *notes))),
    )


def _meets_rules_before_listed(
    before: FlagSpec | None,
    after: FlagSpec,
    operations: tuple[Operation, ...],
    reached: dict[int, FlagSpec | None],
) -> bool:
    """Whether users added to a variant can get a third one when it is made, before they are added.

    Where the flag is off in the end, it gives them none.
    """
    transients = Transients(before, after)
    return is_on(after) and any(
        transients.can_stray_before_listed(reached[maker], operation.variant_key)
        for operation in operations
        if isinstance(operation, AddMembers)
        and (maker := creating_operation(operations, operation.variant_key)) is not None
    )
