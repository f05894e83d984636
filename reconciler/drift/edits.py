"""Edits outside git: what was changed live to something that git did not say then, declared or not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.drift.attribution import reading
from reconciler.drift.cause import place_of
from reconciler.files.decode import with_field
from reconciler.files.past import comparable
from reconciler.model.flag import Unset
from reconciler.model.versions import parse_time
from reconciler.planning.compare import compare_flags, with_details
from reconciler.planning.normalise import desired_for_live
from reconciler.planning.plan import MembersChange
from reconciler.planning.segments import is_shielded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from reconciler.model.flag import DesiredFlag, FlagSpec, Version
    from reconciler.model.versions import Place, Timeline
    from reconciler.planning.plan import FieldChange
    from reconciler.strict_json import Json

_ONE_GO: Final = timedelta(seconds=60)
"""Versions of one editor that follow each other so closely are one edit: an apply takes several calls."""


class Edit(Struct, frozen=True, kw_only=True):
    """An edit of a live flag: the fields that it changed (`before` is older) to what git did not declare.

    `version` is the last one that it made. No changes: the flag was created.
    """

    key: str
    flag_id: str
    is_declared: bool
    version: int
    at: str
    by: str | None
    changes: tuple[FieldChange, ...] = ()


def edits_of(
    versions: Sequence[Version],
    desired: DesiredFlag | None,
    start: datetime,
    timelines: Mapping[Place, Timeline],
    managed_tag: str | None,
    *,
    after: int,
) -> tuple[Edit, ...]:
    """The edits of one flag since a time, oldest first. `versions` are newest first; `desired` None: not declared.

    Versions up to `after` were reported before, also where they are of the second at which the time begins.
    `timelines` are those of `places_of`, back to that time: what git said then counts as its own.
    """
    found = []
    for old, new in _steps(versions, start, after):
        changes = () if old is None else compare(old.flag.spec, new.flag.spec)
        if desired is not None:
            changes = tuple(
                item for item in changes if not _is_of_git(item, desired, new.flag.spec, timelines, managed_tag)
            )
        if changes or (new.version <= 1 and desired is None):
            found.append(
                Edit(
                    key=new.flag.key,
                    flag_id=new.flag.id,
                    is_declared=desired is not None,
                    version=new.version,
                    at=new.created_at,
                    by=new.created_by,
                    changes=changes,
                )
            )
    return tuple(found)


def places_of(versions: Sequence[Version], key: str, start: datetime) -> Iterator[Place]:
    """Where what was changed since a time would be declared."""
    for old, new in _steps(versions, start):
        if old is not None:
            yield from (place_of(key, change) for change in compare(old.flag.spec, new.flag.spec))


def compare(before: FlagSpec, after: FlagSpec) -> tuple[FieldChange, ...]:
    """What differs between two versions of a flag."""
    return with_details(compare_flags(after, before).changes)


def _steps(
    versions: Sequence[Version], start: datetime, reported: int = 0
) -> Iterator[tuple[Version | None, Version]]:
    """The edits since a time, oldest first, each as the version before it and the last one that it made.

    Those up to the version `reported` are left out.
    """
    oldest_first = list(reversed(versions))
    times = [parse_time(version.created_at) for version in oldest_first]
    first: int | None = None
    for index, version in enumerate(oldest_first):
        at = times[index]
        if version.version <= reported or (at is not None and at < start):
            continue
        first = index if first is None else first
        if index + 1 < len(oldest_first) and _is_one_go(version, oldest_first[index + 1]):
            continue
        yield oldest_first[first - 1] if first else None, version
        first = None


def _is_one_go(one: Version, other: Version) -> bool:
    before, after = parse_time(one.created_at), parse_time(other.created_at)
    is_close = before is not None and after is not None and after - before <= _ONE_GO
    return is_close and one.created_by is not None and one.created_by == other.created_by


def _is_of_git(
    change: FieldChange,
    desired: DesiredFlag,
    spec: FlagSpec,
    timelines: Mapping[Place, Timeline],
    managed_tag: str | None,
) -> bool:
    """Whether git says what the change made of the field, or said it since the time that is looked at.

    `spec` is the flag after the change.
    """

    def says(declared: FlagSpec) -> bool:
        said = value_in(desired_for_live(declared, spec, managed_tag, shows_tags=True))
        return not isinstance(said, Unset) and said == value_in(spec)

    value_in = reading(change.path, {})
    declares_weights = not isinstance(desired.spec.rollout_weights, Unset)
    declares_variants = not isinstance(desired.spec.variants, Unset)
    if says(desired.spec):
        return True
    if change.path == "/rolloutWeights" and declares_variants and not declares_weights:
        return True  # they come and go with the variants
    if change.path == "/targetSegments" and is_shielded(spec):
        return True
    if isinstance(change, MembersChange):
        return False
    place = place_of(desired.key, change)
    timeline = timelines.get(place)
    return any(
        comparable(change.path, item.value) == comparable(change.path, change.after)
        or any(map(says, _with_value(desired.spec, place, item.value)))
        for item in (timeline.values if timeline else ())
    )


def _with_value(spec: FlagSpec, place: Place, value: Json | Unset) -> Iterator[FlagSpec]:
    """The declaration with a value that git said earlier; none where that is no value of a whole field."""
    earlier = None if isinstance(value, Unset) else with_field(spec, place[1].removeprefix("/"), value)
    if earlier is not None:
        yield earlier
