"""Which live segment a declared one is: segments have no ids, only names and places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.canonical import canonical_segment
from reconciler.evaluation.rules import flag_bucketing, segments_of
from reconciler.model import Unset
from reconciler.planning.shield import without_shield

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import FlagSpec, TargetSegment

Segments = tuple["TargetSegment", ...]


def pair_segments(declared: Segments, live: Segments) -> Iterator[tuple[TargetSegment, TargetSegment | None]]:
    """Each declared segment, in order, with the live one that it is; None for a new one. The shield is none.

    That is the first free one of its name; a segment of a new name is the one in its place, if that is free.
    """
    names = {segment.name for segment in declared}
    live = without_shield(live)
    free = list(range(len(live)))
    for index, segment in enumerate(declared):
        found = next((place for place in free if live[place].name == segment.name), None)
        if found is None and index in free and live[index].name not in names:
            found = index
        if found is not None:
            free.remove(found)
        yield segment, None if found is None else live[found]


def rekeyed_segments(before: FlagSpec, after: FlagSpec) -> Iterator[tuple[TargetSegment, TargetSegment]]:
    """The segments, old and new, whose users are bucketed by something else afterwards.

    A segment of another name counts as the one in its place only where it has the same conditions.
    """
    for new, old in pair_segments(segments_of(after), segments_of(before)):
        if old is None or (old.name != new.name and not _same_conditions(old, new)):
            continue
        if _key_of(old, before) != _key_of(new, after):
            yield old, new


def _same_conditions(old: TargetSegment, new: TargetSegment) -> bool:
    return bool(canonical_segment(old)["conditions"] == canonical_segment(new)["conditions"])


def _key_of(segment: TargetSegment, spec: FlagSpec) -> str:
    return flag_bucketing(spec).key if isinstance(segment.bucketing_key, Unset) else segment.bucketing_key
