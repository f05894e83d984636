"""The declaration as it is compared with one live flag: what the files say, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import UNSET, Unset
from reconciler.planning.shield import without_shield

if TYPE_CHECKING:
    from reconciler.model import FlagSpec, TargetSegment


def desired_for_new(desired: FlagSpec, managed_tag: str | None) -> FlagSpec:
    """The declaration of a flag that does not exist yet: with the managed tag."""
    if managed_tag is None:
        return desired
    tags = () if isinstance(desired.tags, Unset) else desired.tags
    return replace(desired, tags=_with_tag(tags, managed_tag))


def desired_for_live(desired: FlagSpec, live: FlagSpec, managed_tag: str | None, *, shows_tags: bool) -> FlagSpec:
    """The declaration as it applies to a live flag.

    With the managed tag beside the declared (or the live) tags; without tags where the server shows none; each
    segment that is silent about its bucketing key with the one its live namesake has, since a PATCH replaces
    all; and where segments are not declared but the live flag still carries a shield of an earlier run, the
    live segments without it.
    """
    return replace(
        desired,
        tags=_tags(desired, live, managed_tag) if shows_tags and not isinstance(live.tags, Unset) else UNSET,
        target_segments=_segments(desired, live),
    )


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
        bare = without_shield(live.target_segments)
        return UNSET if bare == live.target_segments else bare
    keys = {segment.name: segment.bucketing_key for segment in live.target_segments}
    return tuple(
        replace(segment, bucketing_key=keys.get(segment.name, UNSET))
        if isinstance(segment.bucketing_key, Unset)
        else segment
        for segment in desired.target_segments
    )
