"""Every call in its place: the calls that move exposure in the order found, all others fitted around them.

Some edges between calls must hold (a list exists before it is added to; room is made before the limit is met).
Others keep people who are listed from seeing a third variant on the way: they are added before anything else
moves and removed after it, and someone who changes variants is added to the new one before leaving the old.
Where such an edge cannot hold, it is dropped and the reader is told.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from reconciler.evaluation.rules import variants_of
from reconciler.planning.operations import (
    AddMembers,
    ClearUsers,
    DeleteVariant,
    EditVariant,
    MembersOperation,
    Phase,
    RemoveMembers,
    RemoveUserAt,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model.flag import FlagSpec, MemberKind
    from reconciler.planning.operations import Operation

LIMITS: dict[MemberKind, int] = {"users": 2000, "cohorts": 10}
"""Members in one variant ("Add users to variant", "Add cohorts to variant")."""

Removal = RemoveMembers | RemoveUserAt | ClearUsers

LOSES_INCLUSION = "Users who change variants are in neither list for a moment: there is no room to add them first."
SEES_RULES_EARLY = "Users who are newly listed can meet the changed rules before they are added."
SEES_RULES_LATE = (
    "Users who are taken off a list can meet the old rules after they are removed: room is needed first."
)


class Edge(NamedTuple):
    """`first` before `then`, as indices; `note` is what to tell where a wished edge cannot hold."""

    first: int
    then: int
    note: str = ""


def fit_operations(
    before: FlagSpec | None,
    operations: tuple[Operation, ...],
    route: tuple[int, ...],
    moving: frozenset[int],
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The order of all calls, as indices, and the notes of wishes that could not be kept.

    `route` orders the calls that move exposure; `moving` are those of them after which the rules of a flag that
    is on differ from what they were.
    """
    graph = _Graph(len(operations))
    for edge in (*_chain(route), *_demands(before, operations)):
        graph.add(edge)
    notes = [edge.note for edge in _wishes(before, operations, route, moving) if not graph.add(edge)]
    priorities = [(operation.phase, index) for index, operation in enumerate(operations)]
    return graph.sorted_by(priorities), tuple(notes)


def creating_operation(operations: tuple[Operation, ...], variant_key: str) -> int | None:
    """The call after which the variant has this key: its creation or its renaming; None when it has it already."""
    return next((index for index, item in enumerate(operations) if item.makes_variant(variant_key)), None)


def _chain(route: tuple[int, ...]) -> Iterator[Edge]:
    return (Edge(first, then) for first, then in pairwise(route))


def _demands(before: FlagSpec | None, operations: tuple[Operation, ...]) -> Iterator[Edge]:
    others = range(len(operations))
    for index, operation in enumerate(operations):
        match operation.phase:
            case Phase.CREATE_FLAG | Phase.UNARCHIVE | Phase.DISABLE:
                yield from (Edge(index, other) for other in others)
            case Phase.ENABLE | Phase.ARCHIVE:
                yield from (Edge(other, index) for other in others)
            case _:
                pass
        if isinstance(operation, MembersOperation):
            maker = creating_operation(operations, operation.variant_key)
            if maker is not None:
                yield Edge(maker, index)
        if isinstance(operation, AddMembers):
            yield from _room(before, operations, index, operation)


def _room(
    before: FlagSpec | None, operations: tuple[Operation, ...], index: int, addition: AddMembers
) -> Iterator[Edge]:
    """What must be removed from a list before more is added: everything if it is cleared, or if it would overflow."""
    listed = listed_members(before, operations, addition.variant_key, addition.member_kind)
    overflows = len(listed) + len(addition.members) > LIMITS[addition.member_kind]
    for other, removal in enumerate(operations):
        if not isinstance(removal, Removal) or not removal.is_on_same_list(addition):
            continue
        if overflows or isinstance(removal, ClearUsers):
            yield Edge(other, index)


def _wishes(
    before: FlagSpec | None,
    operations: tuple[Operation, ...],
    route: tuple[int, ...],
    moving: frozenset[int],
) -> Iterator[Edge]:
    """What should hold, most wanted first."""
    additions = {index: item for index, item in enumerate(operations) if isinstance(item, AddMembers)}
    removals = [index for index, operation in enumerate(operations) if isinstance(operation, Removal)]
    yield from _copies_first(operations, removals)
    yield from _moves(before, operations, additions)
    moves = [index for index in route if index in moving]
    for index, addition in additions.items():
        yield from (
            Edge(index, move, SEES_RULES_EARLY) for move in _moves_after_maker(operations, addition, route, moves)
        )
    if moves:
        yield from (Edge(moves[-1], index, SEES_RULES_LATE) for index in removals)


def _moves_after_maker(
    operations: tuple[Operation, ...], addition: AddMembers, route: tuple[int, ...], moves: list[int]
) -> Iterable[int]:
    maker = creating_operation(operations, addition.variant_key)
    start = 0 if maker is None else route.index(maker) + 1
    return [move for move in moves if move in route[start:]][:1]


def _copies_first(operations: tuple[Operation, ...], removals: list[int]) -> Iterator[Edge]:
    """Removals by index before those by name, so that the indices are those of the list as it was read."""
    for first in removals:
        for then in removals:
            by_index, by_name = operations[first], operations[then]
            if (
                isinstance(by_index, RemoveUserAt)
                and isinstance(by_name, RemoveMembers)
                and by_index.is_on_same_list(by_name)
            ):
                yield Edge(first, then)


def _moves(
    before: FlagSpec | None, operations: tuple[Operation, ...], additions: dict[int, AddMembers]
) -> Iterator[Edge]:
    """A member that moves from one variant to another is added before it is removed."""
    for then, leaving in enumerate(operations):
        gone = _members_leaving(before, operations, leaving)
        for first, addition in additions.items():
            if not gone.isdisjoint(addition.members):
                yield Edge(first, then, LOSES_INCLUSION)


def _members_leaving(
    before: FlagSpec | None, operations: tuple[Operation, ...], operation: Operation
) -> frozenset[str]:
    match operation:
        case RemoveMembers(members=members):
            return frozenset(members)
        case ClearUsers(variant_key=key):
            return frozenset(listed_members(before, operations, key, "users"))
        case DeleteVariant(variant_key=key):
            listed = (listed_members(before, operations, key, kind) for kind in LIMITS)
            return frozenset(chain.from_iterable(listed))
        case _:
            return frozenset()


def listed_members(
    before: FlagSpec | None, operations: tuple[Operation, ...], key: str, kind: MemberKind
) -> tuple[str, ...]:
    """The members of a list of the variant that has this key after the calls; empty where it was not read."""
    maker = creating_operation(operations, key)
    made_by = None if maker is None else operations[maker]
    if isinstance(made_by, EditVariant):
        key = made_by.variant_key
    return next((getattr(variant, kind) for variant in variants_of(before) if variant.key == key), None) or ()


class _Graph:
    """Calls and what must come before what; never cyclic."""

    def __init__(self, size: int) -> None:
        self._later: list[set[int]] = [set() for _ in range(size)]

    def add(self, edge: Edge) -> bool:
        """Add the edge unless it would close a circle; whether it holds now."""
        if self._reaches(edge.then, edge.first):
            return False
        self._later[edge.first].add(edge.then)
        return True

    def _reaches(self, start: int, goal: int) -> bool:
        stack, seen = [start], {start}
        while stack:
            node = stack.pop()
            if node == goal:
                return True
            stack.extend(self._later[node] - seen)
            seen |= self._later[node]
        return False

    def sorted_by(self, priorities: list[tuple[Phase, int]]) -> tuple[int, ...]:
        """All calls, each after what it waits for, otherwise by priority."""
        waits = [0] * len(self._later)
        for index in (index for later in self._later for index in later):
            waits[index] += 1
        ready = [priorities[index] for index, count in enumerate(waits) if not count]
        heapify(ready)
        order: list[int] = []
        while ready:
            index = heappop(ready)[1]
            order.append(index)
            for later in self._later[index]:
                waits[later] -= 1
                if not waits[later]:
                    heappush(ready, priorities[later])
        return tuple(order)
