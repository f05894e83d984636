"""Where rollouts stand, from what git declares and the versions of their flags. No guard is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.versions import read_versions
from reconciler.errors import ApiError
from reconciler.model.versions import Timeline
from reconciler.planning.plan import RolloutStanding
from reconciler.rollouts.levels import attempt_since, levels_of
from reconciler.rollouts.position import Position, held, position
from reconciler.rollouts.standing import why_not_moved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.api.client import Client
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, LiveFlag, Version
    from reconciler.model.rollout import PlacedRollout
    from reconciler.model.versions import History
    from reconciler.planning.plan import PlannedRollout
    from reconciler.progress import Progress

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one rollout: declared, live, and in the past of both."""

    flag: DesiredFlag
    placed: PlacedRollout
    live: LiveFlag | None
    versions: Sequence[Version]
    timeline: Timeline

    @property
    def since(self) -> datetime | None:
        """Since when the attempt is declared."""
        return attempt_since(self.timeline, self.placed.rollout.attempt)


class RolloutReader(Struct, frozen=True, kw_only=True):
    """Reads where rollouts stand: by a client that reads versions, what git declares since when, and the time."""

    client: Client
    config: Config
    history: History
    now: datetime
    progress: Progress | None

    async def positions(
        self, flags: Collection[DesiredFlag], live: Mapping[str, LiveFlag]
    ) -> list[tuple[Facts, Position]]:
        """Each rollout of the flags and where it stands: a read of versions for each live flag. Raises ApiErrors."""
        ids = {flag.key: live[flag.key].id for flag in flags if flag.key in live}
        versions = await read_versions(self.client, ids, progress=self.progress)
        places = [(flag.key, placed.declared_at) for flag in flags for placed in flag.rollouts]
        timelines = self.history(places, _EVER)
        found = [
            Facts(
                flag=flag,
                placed=placed,
                live=live.get(flag.key),
                versions=versions.get(flag.key, ()),
                timeline=timelines.get((flag.key, placed.declared_at), Timeline()),
            )
            for flag in flags
            for placed in flag.rollouts
        ]
        return [(facts, self._position(facts)) for facts in found]

    def _position(self, facts: Facts) -> Position:
        placed, live = facts.placed, facts.live
        if why := why_not_moved(facts.flag, self.now):
            return held(why)
        if live is None:
            return held("the flag does not exist yet, or its key is not the only one")
        if live.spec.archived:
            return held("the flag is archived live")
        if facts.since is None:
            return held(f"it is not known since when it is declared. {facts.timeline.gap or 'It is not committed.'}")
        segments = live.spec.target_segments or ()
        if placed.segment is not None and [item.name for item in segments].count(placed.segment) != 1:
            return held("there is not exactly one live segment of this name")
        known = levels_of(placed, live, facts.versions, facts.since)
        if known.gap:
            return held(known.gap)
        window = self.config.windows.get(placed.rollout.window) if placed.rollout.window else None
        return position(placed.rollout, known.levels, facts.since, self.now, window)

    async def standings(
        self,
        rollouts: Sequence[PlannedRollout],
        declared: Mapping[str, DesiredFlag],
        live: Mapping[str, LiveFlag],
        most: int | None = None,
    ) -> tuple[PlannedRollout, ...]:
        """The rollouts with where they stand, those of the first `most` live flags; of all where that is None.

        They go without it where versions cannot be read, or this checkout does not tell since when they are declared,
        as a shallow clone: it tells, and decides nothing.
        """
        keys = dict.fromkeys(item.key for item in rollouts if item.key in live)
        flags = [declared[key] for key in [*keys][:most]]
        try:
            found = await self.positions(flags, live) if flags else []
        except ApiError:
            return tuple(rollouts)
        known = {(facts.flag.key, facts.placed.path): standing_of(where) for facts, where in found if facts.since}
        return tuple(replace(item, standing=known.get((item.key, item.path))) for item in rollouts)


def standing_of(found: Position) -> RolloutStanding:
    """A position as plans and reports show it."""
    upcoming = found.next_step
    return RolloutStanding(
        phase=found.phase.value,
        step=found.step,
        since=found.since,
        upcoming=None if upcoming is None else upcoming.percentage,
        due_at=None if upcoming is None else found.due_at,
        why=found.why,
    )
