"""Which live segment a declared one is: segments have no ids, only names, conditions and an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.rules import conditions_to_fail, flag_bucketing, segments_of
from reconciler.model.flag import Unset
from reconciler.planning.shield import without_shield

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from reconciler.model.flag import Condition, FlagSpec, TargetSegment

Segments = tuple["TargetSegment", ...]


def pair_segments(declared: Segments, live: Segments) -> Iterator[tuple[TargetSegment, TargetSegment | None]]:
    """Each declared segment, in order, with the live one that it is; None for a new one. The shield is none.

    That is the one of its name; of those left on both sides, the one with the same conditions. Several of one name,
    or of the same conditions, are paired in their order.
    """
    free = list(without_shield(live))
    found: dict[int, TargetSegment] = {}
    for identity in (_name_of, _conditions_of):
        if free and len(found) < len(declared):
            _pair(declared, free, found, identity)
    for index, segment in enumerate(declared):
        yield segment, found.get(index)


def _pair(
    declared: Segments,
    free: list[TargetSegment],
    found: dict[int, TargetSegment],
    identity: Callable[[TargetSegment], Hashable],
) -> None:
    """Move the live segments that are a declared one by this identity from `free` to `found`."""
    known = [identity(segment) for segment in free]
    for index, segment in enumerate(declared):
        if index in found or (sought := identity(segment)) not in known:
            continue
        place = known.index(sought)
        del known[place]
        found[index] = free.pop(place)


def bucketed_as_live(declared: Segments, live: Segments) -> Segments:
    """The declared segments, each that is silent about its bucketing key with that of the live one that it is."""
    return tuple(
        replace(segment, bucketing_key=found.bucketing_key)
        if found is not None and isinstance(segment.bucketing_key, Unset)
        else segment
        for segment, found in pair_segments(declared, live)
    )


def rekeyed_segments(before: FlagSpec, after: FlagSpec) -> Iterator[tuple[TargetSegment, TargetSegment]]:
    """The segments, old and new, whose users are bucketed by something else afterwards."""
    for new, old in pair_segments(segments_of(after), segments_of(before)):
        if old is not None and _key_of(old, before) != _key_of(new, after):
            yield old, new


def _name_of(segment: TargetSegment) -> str:
    return segment.name


def _conditions_of(segment: TargetSegment) -> frozenset[Condition]:
    """Whom the segment matches, as far as a declaration can say it."""
    bare = tuple(replace(item, unlisted=()) if item.unlisted else item for item in segment.conditions)
    return conditions_to_fail(replace(segment, conditions=bare))


def _key_of(segment: TargetSegment, spec: FlagSpec) -> str:
    return flag_bucketing(spec).key if isinstance(segment.bucketing_key, Unset) else segment.bucketing_key
