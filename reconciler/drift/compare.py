"""One declared flag beside the live one: the fields that differ, as planning sees them, and who made them so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.drift.attribution import attribute
from reconciler.drift.report import AttributedChange, FlagDrift
from reconciler.model.canonical import pair_variants
from reconciler.model.flag import Unset
from reconciler.planning.compare import compare_flags, with_details
from reconciler.planning.ignored import keep_ignored
from reconciler.planning.normalise import desired_for_live, live_as_renamed
from reconciler.planning.plan import ValueChange
from reconciler.planning.planner import stays_archived

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reconciler.model.flag import DesiredFlag, LiveFlag, Variant, Version
    from reconciler.planning.plan import FieldChange


class DifferingFlag(Struct, frozen=True, kw_only=True):
    """A declared flag that differs. `pairs` maps declared variant keys to the live variants they are."""

    desired: DesiredFlag
    live: LiveFlag
    changes: tuple[FieldChange, ...]
    pairs: Mapping[str, Variant]


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
        return DifferingFlag(desired=desired, live=live, changes=(archived,), pairs={})
    kept = keep_ignored(desired.spec, live.spec, desired.ignored)
    spec = desired_for_live(kept, live.spec, managed_tag, shows_tags=shows_tags)
    seen = live_as_renamed(spec, live.spec)
    changes = with_details(compare_flags(spec, seen).changes)
    if not changes:
        return None
    return DifferingFlag(desired=desired, live=live, changes=changes, pairs=pair_variants(spec, seen))


def attributed(comparison: DifferingFlag, versions: Sequence[Version], now: datetime) -> FlagDrift:
    """The flag's drift, each change with who made it. `versions` are the flag's, newest first; none will do."""
    desired, live = comparison.desired, comparison.live
    return FlagDrift(
        key=desired.key,
        flag_id=live.id,
        changes=tuple(
            AttributedChange(change=change, attribution=attribute(change, live, versions, comparison.pairs))
            for change in comparison.changes
        ),
        source=desired.source,
        frozen_until=desired.frozen_until if desired.is_frozen(now) else None,
    )
