"""The declaration as it is compared with one live flag: what the files say, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.model.config import Ignored
from reconciler.model.fields import FIELDS
from reconciler.model.flag import UNSET, Unset, Weights
from reconciler.planning.segments import pair_segments, with_bucketing_keys, without_shield

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.flag import DesiredFlag, FlagSpec, TargetSegment


_OF_A_NEW_FLAG = tuple(field for field in FIELDS if field.new in (False, 0, ()) and field.name != "variants")
"""The fields that a new flag has off, at 0 % or empty, with any server's defaults."""


_SWITCHES = frozenset((field.public,) for field in FIELDS if field.may_start_on)


def declared_whole(desired: DesiredFlag) -> DesiredFlag:
    """The declaration of a flag that this run made, with what it leaves out as a new flag has it: off, 0 %, none.

    Switches are so even where they are ignored: what a server sets in a new flag is no choice of a person.
    """
    spec = desired.start
    ignored = Ignored(tuple(path for path in desired.ignored.paths if path not in _SWITCHES))
    left_out = {
        field.name: field.new
        for field in _OF_A_NEW_FLAG
        if isinstance(getattr(spec, field.name), Unset) and not ignored.covers(field.public)
    }
    return replace(desired, spec=replace(spec, **left_out), ignored=ignored, rollouts=())


def desired_for_new(desired: FlagSpec, managed_tag: str | None) -> FlagSpec:
    """The declaration of a flag that does not exist yet: with the managed tag."""
    if managed_tag is None:
        return desired
    tags = () if isinstance(desired.tags, Unset) else desired.tags
    return replace(desired, tags=_with_tag(tags, managed_tag))


def desired_for_live(desired: FlagSpec, live: FlagSpec, managed_tag: str | None, *, shows_tags: bool) -> FlagSpec:
    """The declaration as it applies to a live flag.

    With the managed tag beside the declared (or the live) tags; without tags where the server shows none; each
    segment that is silent about its bucketing key with that of the flag, if declared, or else with the one that it
    has live (`pair_segments`), since a PATCH replaces all. Two things that an earlier run may have left are put right
    even where they are not declared: a shield, and the old key of a renamed variant in weights or segments.
    """
    return replace(
        desired,
        tags=_tags(desired, live, managed_tag) if shows_tags and not isinstance(live.tags, Unset) else UNSET,
        target_segments=_segments(desired, live),
        rollout_weights=_weights(desired, live),
    )


def live_as_renamed(desired: FlagSpec, live: FlagSpec) -> FlagSpec:
    """The live flag with the segments it has once pending renames are made: the server moves them along.

    A live segment without a name takes the name of the declared one that it is: no file can say that it has none.
    """
    if isinstance(live.target_segments, Unset):
        return live
    names = {old: new for old, new, is_pending in _renames(desired, live) if is_pending}
    segments = _with_names(live.target_segments, names) if names else live.target_segments
    if not isinstance(desired.target_segments, Unset) and not all(segment.name.strip() for segment in segments):
        segments = _named_as_declared(desired.target_segments, segments)
    return live if segments is live.target_segments else replace(live, target_segments=segments)


def _named_as_declared(
    declared: tuple[TargetSegment, ...], live: tuple[TargetSegment, ...]
) -> tuple[TargetSegment, ...]:
    names = {id(found): segment.name for segment, found in pair_segments(declared, live)}
    return tuple(
        segment if segment.name.strip() else replace(segment, name=names.get(id(segment), segment.name))
        for segment in live
    )


def _renames(desired: FlagSpec, live: FlagSpec) -> Iterator[tuple[str, str, bool]]:
    """Old key, new key, and whether the rename is still to be made (rather than was)."""
    if isinstance(desired.variants, Unset) or isinstance(live.variants, Unset):
        return
    keys = {variant.key for variant in live.variants}
    for variant in desired.variants:
        old = variant.renamed_from
        if old is None or (old in keys) == (variant.key in keys):
            continue
        yield old, variant.key, old in keys


def _left_behind(desired: FlagSpec, live: FlagSpec) -> dict[str, str]:
    return {old: new for old, new, is_pending in _renames(desired, live) if not is_pending}


def _weights(desired: FlagSpec, live: FlagSpec) -> Weights | Unset:
    if not isinstance(desired.rollout_weights, Unset) or isinstance(live.rollout_weights, Unset):
        return desired.rollout_weights
    names = _left_behind(desired, live)
    if not any(live.rollout_weights.get(old) and not live.rollout_weights.get(new) for old, new in names.items()):
        return UNSET
    return _named(live.rollout_weights, names)


def _named(weights: Weights, names: dict[str, str]) -> Weights:
    return Weights(tuple((names.get(key, key), weight) for key, weight in weights.pairs))


def _with_names(segments: tuple[TargetSegment, ...], names: dict[str, str]) -> tuple[TargetSegment, ...]:
    return tuple(replace(item, rollout_weights=_named(item.rollout_weights, names)) for item in segments)


def _tags(desired: FlagSpec, live: FlagSpec, managed_tag: str | None) -> tuple[str, ...] | Unset:
    if managed_tag is None:
        return desired.tags
    tags = live.tags if isinstance(desired.tags, Unset) else desired.tags
    return UNSET if isinstance(tags, Unset) else _with_tag(tags, managed_tag)


def _with_tag(tags: tuple[str, ...], tag: str) -> tuple[str, ...]:
    return tags if tag in tags else (*tags, tag)


def _segments(desired: FlagSpec, live: FlagSpec) -> tuple[TargetSegment, ...] | Unset:
    if isinstance(live.target_segments, Unset):
        return desired.target_segments
    if isinstance(desired.target_segments, Unset):
        bare = _with_names(without_shield(live.target_segments), _left_behind(desired, live))
        return UNSET if bare == live.target_segments else bare
    return with_bucketing_keys(desired.target_segments, live.target_segments, desired.bucketing_key)
