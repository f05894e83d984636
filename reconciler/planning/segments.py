"""Segments: which live one a declared one is, for they have no ids; and the shield, a temporary one of this tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.populations import segment_combinations
from reconciler.evaluation.rules import (
    ALL_OTHER_USERS,
    ALWAYS_TRUE,
    SegmentRule,
    conditions_to_fail,
    flag_bucketing,
    segment_rule,
    segments_of,
    variant_keys,
)
from reconciler.model.flag import SHIELD_NAME, UNSET, TargetSegment, Unset, Weights
from reconciler.model.wire import losses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from reconciler.model.flag import Condition, FlagSpec


def is_shielded(spec: FlagSpec) -> bool:
    """Whether the flag still has the shield of a plan that did not come to its end."""
    return any(segment.name == SHIELD_NAME for segment in segments_of(spec))


def without_shield(segments: tuple[TargetSegment, ...]) -> tuple[TargetSegment, ...]:
    """The segments that are not the shield, in order."""
    return tuple(segment for segment in segments if segment.name != SHIELD_NAME)


def shielded_segments(spec: FlagSpec) -> tuple[TargetSegment, ...]:
    """The flag's segments and, last, the shield: the rollout of everyone else as it is now, for everyone else."""
    shield = TargetSegment(
        name=SHIELD_NAME,
        conditions=(ALWAYS_TRUE,),
        percentage=0 if isinstance(spec.rollout_percentage, Unset) else spec.rollout_percentage,
        rollout_weights=spec.rollout_weights or Weights(),
        bucketing_key=flag_bucketing(spec).key,
    )
    return (*without_shield(segments_of(spec)), shield)


def can_shield(spec: FlagSpec) -> bool:
    """Whether the flag's segments can be sent back whole, to the last field: a PATCH replaces all of them."""
    return not any(segment.unlisted or losses_of(segment) for segment in segments_of(spec))


Segments = tuple["TargetSegment", ...]


def pair_segments(declared: Segments, live: Segments) -> Iterator[tuple[TargetSegment, TargetSegment | None]]:
    """Each declared segment, in order, with the live one that it is; None for a new one. The shield is none.

    That is the one of its name and conditions; of those left on both sides the one of its name, and then the one with
    its conditions. Several that are alike are paired in their order.
    """
    free = list(without_shield(live))
    found: dict[int, TargetSegment] = {}
    for identity in (_name_and_conditions_of, _name_of, _conditions_of):
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


def with_bucketing_keys(declared: Segments, live: Segments, flag_key: str | Unset) -> Segments:
    """The declared segments, each that is silent about its bucketing key with that of the flag, where it is declared.

    Where it is not, a segment keeps the key of the live one that it is; and where none is shown, none is said.
    """
    if not any(isinstance(segment.bucketing_key, Unset) for segment in declared):
        return declared

    def bucketed(segment: TargetSegment, found: TargetSegment | None) -> TargetSegment:
        if not isinstance(segment.bucketing_key, Unset):
            return segment
        shown = UNSET if found is None else found.bucketing_key
        if found is None or not isinstance(shown, Unset):
            shown = shown if isinstance(flag_key, Unset) else flag_key
        return replace(segment, bucketing_key=shown)

    return tuple(bucketed(segment, found) for segment, found in pair_segments(declared, live))


def rekeyed_segments(before: FlagSpec, after: FlagSpec) -> Iterator[tuple[TargetSegment, TargetSegment]]:
    """The segments, old and new, whose users are bucketed by something else afterwards.

    A new segment takes users over from one that goes, or that matches others than before, where both ask about the
    same property, or one matches everyone, and a user can be in both: so a segment is split, or renamed and narrowed.
    """
    pairs = [*pair_segments(segments_of(after), segments_of(before))]
    kept = {id(old) for new, old in pairs if old is not None and _conditions_of(old) == _conditions_of(new)}
    given_up = [old for old in without_shield(segments_of(before)) if id(old) not in kept]
    for new, old in pairs:
        if old is not None:
            source = old if _key_of(old, before) != _key_of(new, after) else None
        else:
            source = next((item for item in given_up if _rekeys(_rule_of(item, before), _rule_of(new, after))), None)
        if source is not None:
            yield source, new


def _rule_of(segment: TargetSegment, spec: FlagSpec) -> SegmentRule:
    return segment_rule(segment, variant_keys(spec), flag_bucketing(spec))


def _rekeys(old: SegmentRule, new: SegmentRule) -> bool:
    """Whether users of one rule can come under the other, and are bucketed under both, by another key."""
    if old.bucketing is None or new.bucketing is None or old.bucketing.key == new.bucketing.key:
        return False
    asked, asked_before = ({item.prop for item in rule.conditions} for rule in (new, old))
    if asked and asked_before and asked.isdisjoint(asked_before):
        return False
    rest = SegmentRule(ALL_OTHER_USERS)
    return (0, 0) in segment_combinations((old, rest), (new, rest))


def _name_and_conditions_of(segment: TargetSegment) -> tuple[str, frozenset[Condition]]:
    return segment.name, _conditions_of(segment)


def _name_of(segment: TargetSegment) -> str:
    return segment.name


def _conditions_of(segment: TargetSegment) -> frozenset[Condition]:
    """Whom the segment matches, as far as a declaration can say it."""
    bare = tuple(replace(item, unlisted=()) if item.unlisted else item for item in segment.conditions)
    return conditions_to_fail(replace(segment, conditions=bare))


def _key_of(segment: TargetSegment, spec: FlagSpec) -> str:
    return flag_bucketing(spec).key if isinstance(segment.bucketing_key, Unset) else segment.bucketing_key
