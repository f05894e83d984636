"""One declared flag beside the live one: the fields that differ, as planning sees them, and who made them so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.drift.attribution import attribute, reading
from reconciler.drift.cause import cause_of, place_of
from reconciler.drift.report import AttributedChange, Attribution, Cause, FlagDrift, StoredOtherwise
from reconciler.model.canonical import pair_variants
from reconciler.model.flag import Unset
from reconciler.model.versions import parse_time
from reconciler.planning.compare import compare_flags, with_details
from reconciler.planning.ignored import keep_ignored
from reconciler.planning.normalise import desired_for_live, live_as_renamed
from reconciler.planning.plan import ValueChange
from reconciler.planning.planner import stays_archived
from reconciler.planning.remarks import orders_of
from reconciler.planning.stored import how_stored, moves_users
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from reconciler.model.flag import DesiredFlag, FlagSpec, LiveFlag, Variant, Version
    from reconciler.model.versions import Place, Timeline
    from reconciler.planning.plan import FieldChange

_MOST_ORDERS = 5

_DECIDING: Final = {"/rolloutWeights": "rollout_weights", "/targetSegments": "target_segments"}
"""What decides who gets which variant, of that of which servers may keep another form."""


class DifferingFlag(Struct, frozen=True, kw_only=True):
    """A declared flag that differs. `pairs` maps declared variant keys to the live variants they are.

    `wanted` is what is declared as it is compared. `stored` are the fields that differ by the form alone in which the
    server keeps them; `changes` are the others. `doubtful` are those of `stored` that move users: no question of form
    where they were not sent yet. `orders` are those of the variants, live and declared, where no call
    makes them equal: that is no change.
    """

    desired: DesiredFlag
    live: LiveFlag
    wanted: FlagSpec
    changes: tuple[FieldChange, ...]
    pairs: Mapping[str, Variant]
    stored: tuple[StoredOtherwise, ...] = ()
    doubtful: tuple[FieldChange, ...] = ()
    orders: tuple[Sequence[str], Sequence[str]] | None = None


def compare_with_live(
    desired: DesiredFlag, live: LiveFlag, *, managed_tag: str | None, shows_tags: bool
) -> DifferingFlag | None:
    """The declared fields that differ; None where none does.

    Of a flag that is archived live and does not declare `archived`, just that: a declared flag is meant to live. One
    that is declared as archived is not compared further.
    """
    if stays_archived(desired, live):
        return None
    if live.spec.archived and isinstance(desired.spec.archived, Unset):
        if desired.ignored.covers("archived"):
            return None
        archived = ValueChange(path="/archived", before=True, after=False)
        return DifferingFlag(desired=desired, live=live, wanted=desired.spec, changes=(archived,), pairs={})
    kept = keep_ignored(desired.start, live.spec, desired.kept)
    spec = desired_for_live(kept, live.spec, managed_tag, shows_tags=shows_tags)
    seen = live_as_renamed(spec, live.spec)
    changes = with_details(compare_flags(spec, seen).changes)
    orders = None if live.spec.archived else orders_of(kept, live.spec)
    if not changes and orders is None:
        return None
    forms = {change.path: how for change in changes if (how := how_stored(change))}
    return DifferingFlag(
        desired=desired,
        live=live,
        wanted=spec,
        changes=tuple(change for change in changes if change.path not in forms),
        pairs=pair_variants(spec, seen),
        stored=tuple(StoredOtherwise(key=desired.key, path=path, how=how) for path, how in forms.items()),
        doubtful=tuple(change for change in changes if change.path in forms and _moves_users(change, spec, seen)),
        orders=orders,
    )


def _moves_users(change: FieldChange, spec: FlagSpec, seen: FlagSpec) -> bool:
    name = _DECIDING.get(change.path)
    return name is not None and moves_users(seen, replace(seen, **{name: getattr(spec, name)}))


def with_unsent(
    found: DifferingFlag, timelines: Mapping[Place, Timeline], versions: Sequence[Version]
) -> DifferingFlag:
    """The flag with what moves users, and is no form of the server's own, among its changes.

    That is what was not edited since it is declared, for it was never sent; and what a version shows as it is
    declared, for so the server can keep it.
    """
    edited = parse_time(found.live.last_modified_at)

    def is_unsent(change: FieldChange) -> bool:
        timeline = timelines.get(place_of(found.desired.key, change))
        declared_at = timeline.begins_at if timeline else None
        return edited is not None and declared_at is not None and edited <= declared_at

    def was_kept(change: FieldChange) -> bool:
        wanted, value_in = reading(change.path, {})(found.wanted), reading(change.path, found.pairs)
        return any(value_in(version.flag.spec) == wanted for version in versions)

    unsent = tuple(change for change in found.doubtful if is_unsent(change) or was_kept(change))
    paths = {change.path for change in unsent}
    stored = tuple(item for item in found.stored if item.path not in paths)
    return replace(found, changes=(*found.changes, *unsent), stored=stored)


def told_of_orders(compared: Iterable[DifferingFlag]) -> tuple[str, ...]:
    """What is to be known of variants that stand in another order than declared, in one warning; or none."""
    found = [(item.desired.key, *item.orders) for item in compared if item.orders is not None]
    if not found:
        return ()
    flags = [f'"{key}": {", ".join(live)}, declared is {", ".join(declared)}' for key, live, declared in found]
    more = f"; and {counted(len(flags) - _MOST_ORDERS, 'flag')} more" if len(flags) > _MOST_ORDERS else ""
    named = "; ".join(flags[:_MOST_ORDERS])
    return (f"The order of variants decides bucketing and cannot be changed by the API: {named}{more}.",)


def explained(
    comparison: DifferingFlag, versions: Sequence[Version], timelines: Mapping[Place, Timeline], now: datetime
) -> FlagDrift:
    """The flag's drift, each change with its cause and who made it. `versions` are the flag's, newest first.

    None of them will do, and no timelines either: then less is known.
    """
    desired = comparison.desired
    return FlagDrift(
        key=desired.key,
        flag_id=comparison.live.id,
        changes=tuple(_explained(change, comparison, versions, timelines) for change in comparison.changes),
        source=desired.source,
        frozen_until=desired.frozen_until if desired.is_frozen(now) else None,
        known_until=desired.known_until if desired.is_known(now) else None,
        known_reason=desired.known_reason,
        is_archived_unasked=comparison.live.spec.archived is True and isinstance(desired.spec.archived, Unset),
    )


def _explained(
    change: FieldChange, comparison: DifferingFlag, versions: Sequence[Version], timelines: Mapping[Place, Timeline]
) -> AttributedChange:
    timeline = timelines.get(place_of(comparison.desired.key, change))
    cause = cause_of(change, comparison, versions, timeline)
    return AttributedChange(
        change=change,
        # What was never applied has no author: the live value is only older than the declared one.
        attribution=Attribution()
        if cause is Cause.NOT_APPLIED
        else attribute(change, comparison.live, versions, comparison.pairs),
        cause=cause,
        declared=timeline.since if timeline else None,
    )
