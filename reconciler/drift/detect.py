"""Looking for drift: list, choose the reads, compare, attribute. Only reads are sent.

The reads are those that planning would make, plus one for each flag that differs: its versions. `since` leaves out
the flags without edits; a budget leaves out what it has no room for, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.hydration import hydrate
from reconciler.api.versions import read_feed, read_versions
from reconciler.drift.cause import place_of
from reconciler.drift.compare import DifferingFlag, compare_with_live, explained, told_of_orders, with_unsent
from reconciler.drift.edits import edits_of, places_of
from reconciler.drift.report import DriftReport, FieldOfFlag, Sweep
from reconciler.drift.state import compare_with, not_looked_at
from reconciler.drift.view import Choice, View, allocate_budget, keys_in_scope, view_by_list, view_of_edits
from reconciler.errors import BudgetError
from reconciler.model.config import matcher
from reconciler.model.reads import paths_of, reads_needed
from reconciler.progress import Progress
from reconciler.text import time_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.api.versions import Feed
    from reconciler.drift.edits import Edit
    from reconciler.drift.state import DriftState
    from reconciler.drift.view import DriftOptions
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, FlagSpec, LiveFlag, Version
    from reconciler.model.reads import Read
    from reconciler.model.versions import History, Place, Timeline
    from reconciler.planning.plan import PlannedRollout

    RolloutLook = Callable[[Mapping[str, LiveFlag], int | None], Awaitable[tuple[PlannedRollout, ...]]]


async def detect_drift(
    client: Client,
    desired: DesiredState,
    config: Config,
    options: DriftOptions,
    *,
    now: datetime,
    memory: DriftState | None = None,
    progress: Progress | None = None,
    history: History | None = None,
    rollouts: RolloutLook | None = None,
) -> DriftReport:
    """What differs live from the declaration, and who made it so.

    Requests are counted from the client's first; where there is a budget, the client's own `requests.dailyBudget`
    should be no more, because repetitions count. With `memory`, what differed last time is looked at first, a sweep
    goes on where it ended, and `notice` says how the two looks compare. `history` tells since when git declares what
    differs; without it no cause is known. `rollouts` tells where those of the flags that are compared stand,
    given their live flags and for how many there is room. Raises ApiErrors: what cannot be read is neither drift nor
    its absence. BudgetError where the budget does not even show which flags there are.
    """
    look = DriftDetector(
        client=client,
        desired=desired,
        config=config,
        options=options,
        now=now,
        memory=memory,
        progress=progress or Progress(),
        history=history,
        rollouts=rollouts,
    )
    report = await look.report()
    if memory is None:
        return report
    scope = keys_in_scope(desired, options.targets)
    report = replace(report, remembered=not_looked_at(memory, report.checked, report.unchecked, scope))
    return replace(report, notice=compare_with(memory, report, scope))


class DriftDetector(Struct, frozen=True, kw_only=True):
    """One look; its methods are its steps, in order."""

    client: Client
    desired: DesiredState
    config: Config
    options: DriftOptions
    now: datetime
    memory: DriftState | None
    progress: Progress
    history: History | None
    rollouts: RolloutLook | None

    async def report(self) -> DriftReport:
        """Read what the options ask for, compare, and name who changed what."""
        view = await self._view()
        choice, found = await self._compare(view)
        versions = await self._versions(found)
        found = self._with_unsent(found, versions)
        compared = tuple(item for item in found if item.changes)
        warnings = _untold(compared, versions)
        timelines = self._timelines(compared)
        edits, complaints, newest = await self._edits(view, versions)
        rollouts = await self._rollouts(view)
        scope = self.options
        return DriftReport(
            project_id=self.config.project_id,
            region=self.config.region,
            environment=self.config.environment,
            flags=tuple(
                explained(item, versions.get(item.desired.key, ()), timelines, self.now) for item in compared
            ),
            missing=tuple(key for key in view.missing if self._spec(key).archived is not True),
            unmanaged=view.unmanaged,
            duplicates={key: ids for key, ids in view.live.duplicates.items() if key in view.keys},
            known=frozenset(key for key, flag in self.desired.flags.items() if flag.is_known(self.now)),
            checked=frozenset(view.keys),
            unchecked=tuple(sorted(self._unchecked(view, choice))),
            since=scope.since,
            looked_at=self.now,
            gaps=tuple(dict.fromkeys(item.gap for item in timelines.values() if item.gap)),
            stored=tuple(sorted(place for item in found for place in item.stored)),
            sweep=None if scope.budget is None else _sweep(choice),
            requests=self.client.requests,
            rollouts=rollouts,
            edits=edits,
            newest=newest,
            edits_since=self._edits_since if edits is not None else None,
            last_look=self.memory.looked_at if self.memory else None,
            warnings=(*view.warnings, *told_of_orders(found), *warnings, *complaints),
        )

    async def _view(self) -> View:
        """Which declared flags are compared, and what the list shows of them."""
        options, known = self.options, self._known
        try:
            if options.since is None:
                return await view_by_list(self.client, self.desired, options, self.progress)
            feed = await read_feed(self.client, time_text(min(options.since, self._edits_since or options.since)))
            recent = None if feed is None else feed.later(options.since)
            edited = None if recent is None else recent.keys_but_experiments(self.desired.flags.keys())
            if edited is None or self._sweeps:
                listed = await view_by_list(self.client, self.desired, options, self.progress)
                if edited is None:
                    return replace(listed.edited_since(options.since, known), feed=feed)
                return replace(listed, urgent=edited, feed=feed)
            view = await view_of_edits(self.client, self.desired, options.targets, edited, known)
            return replace(view, feed=feed)
        except BudgetError as error:
            if not self._is_spent:
                raise
            raise BudgetError(
                f"--budget {options.budget} does not show which flags there are, so nothing was checked: allow more.",
            ) from error

    async def _compare(self, view: View) -> tuple[Choice, tuple[DifferingFlag, ...]]:
        """Read what the list hides, as far as there is room, and compare."""
        needed = [read for key, live in view.existing for read in reads_needed(self._spec(key), live.spec)]
        listed, none = [live for _, live in view.existing], allocate_budget(needed, 0, first=(), after=None)
        left = self._left
        room = None if left is None else left - min(len(self._compared(view, listed)), left // 2)
        after = self.memory.swept_to if self.memory else None
        choice = allocate_budget(needed, room, first=self._known | view.urgent, after=after)
        try:
            return choice, self._compared(view, await self._hydrated(view, choice))
        except BudgetError:
            if not self._is_spent:
                raise
            return none, self._compared(view, listed)

    async def _hydrated(self, view: View, choice: Choice) -> list[LiveFlag]:
        skipped = frozenset(choice.skipped)

        def needs(live: LiveFlag) -> list[Read]:
            return [read for read in reads_needed(self._spec(live.key), live.spec) if read not in skipped]

        self.progress.start("Reading variants and inclusions")
        return await hydrate(self.client, [live for _, live in view.existing], needs, progress=self.progress)

    def _compared(self, view: View, flags: Iterable[LiveFlag]) -> tuple[DifferingFlag, ...]:
        """The flags that differ in what is shown of them: what was not read is not compared."""
        tag, shows_tags = self.config.managed_tag, view.live.shows_tags
        found = (
            compare_with_live(self.desired.flags[live.key], live, managed_tag=tag, shows_tags=shows_tags)
            for live in flags
        )
        return tuple(comparison for comparison in found if comparison)

    async def _versions(self, found: Sequence[DifferingFlag]) -> dict[str, tuple[Version, ...]]:
        """The versions of the flags that differ, then of those that may, as far as there is room."""
        differing = sorted(
            (item for item in found if item.changes or item.doubtful), key=lambda item: not item.changes
        )
        ids = {item.desired.key: item.live.id for item in differing}
        try:
            return await read_versions(self.client, dict(list(ids.items())[: self._left]), progress=self.progress)
        except BudgetError:
            if not self._is_spent:
                raise
            return {}

    @property
    def _edits_since(self) -> datetime | None:
        """Since when edits are reported: the last run that is remembered, or `since`."""
        return (self.memory.looked_at if self.memory else None) or self.options.since

    async def _edits(
        self, view: View, known: Mapping[str, Sequence[Version]]
    ) -> tuple[tuple[Edit, ...] | None, tuple[str, ...], Mapping[str, int]]:
        """What was edited outside git, or why that is not known, and the newest version of each flag that was edited.

        `known` are versions that were read before.
        """
        start = self._edits_since
        if start is None:
            return None, (), {}
        try:
            feed = view.feed if self.options.since else await read_feed(self.client, time_text(start))
            if feed is None:
                return None, ("Edits outside git are not known: the server does not show the feed of versions.",), {}
            found = await self._edited(feed.later(start), known)
        except BudgetError:
            if not self._is_spent:
                raise
            return None, ("The request budget left no room to look for edits outside git.",), {}
        declared = self.desired.flags
        places = [place for key in found.keys() & declared.keys() for place in places_of(found[key], key, start)]
        timelines = self.history(places, start) if self.history else {}
        tag = self.config.managed_tag
        reported = self.memory.newest if self.memory else {}
        edits = (
            item
            for key, shown in found.items()
            for item in edits_of(
                shown, declared.get(key), start, timelines, tag, after=reported.get(shown[0].flag.id, 0)
            )
        )
        return tuple(edits), (), {shown[0].flag.id: shown[0].version for shown in found.values()}

    async def _edited(self, feed: Feed, known: Mapping[str, Sequence[Version]]) -> dict[str, Sequence[Version]]:
        """The versions, newest first, of the flags that the feed names, by key; read where it does not show all."""
        is_target, experiments = matcher(self.options.targets), feed.experiments - self.desired.flags.keys()
        shown: dict[str, list[Version]] = {}
        for version in sorted(feed.versions, key=lambda version: version.version, reverse=True):
            if is_target(version.flag.key) and version.flag.key not in experiments:
                shown.setdefault(version.flag.key, []).append(version)
        missing = {key: found[-1].flag.id for key, found in shown.items() if found[-1].version > 1}
        missing = {key: flag_id for key, flag_id in missing.items() if not known.get(key)}
        read = await read_versions(self.client, missing)
        return {key: known.get(key) or read.get(key) or shown[key] for key in sorted(shown)}

    async def _rollouts(self, view: View) -> tuple[PlannedRollout, ...]:
        """Where the rollouts of the flags that are compared stand, as far as there is room."""
        if self.rollouts is None:
            return ()
        return await self.rollouts(dict(view.existing), self._left)

    def _with_unsent(
        self, found: Sequence[DifferingFlag], versions: Mapping[str, Sequence[Version]]
    ) -> tuple[DifferingFlag, ...]:
        """What only looks as if the server kept it in another form, told apart by git and by versions."""
        places = [place_of(item.desired.key, change) for item in found for change in item.doubtful]
        timelines = self.history(places, None) if self.history else {}
        return tuple(
            with_unsent(item, timelines, versions.get(item.desired.key, ())) if item.doubtful else item
            for item in found
        )

    def _timelines(self, compared: Iterable[DifferingFlag]) -> Mapping[Place, Timeline]:
        """Since when git declares what differs."""
        places = [place_of(item.desired.key, change) for item in compared for change in item.changes]
        return self.history(places, None) if self.history else {}

    def _unchecked(self, view: View, choice: Choice) -> Iterable[FieldOfFlag]:
        yield from (FieldOfFlag(key=key) for key in view.unseen)
        listed = dict(view.existing)
        for read in choice.skipped:
            for path in paths_of(read, self._spec(read.key), listed[read.key].spec):
                yield FieldOfFlag(key=read.key, path=path)

    def _spec(self, key: str) -> FlagSpec:
        return self.desired.flags[key].spec

    @property
    def _known(self) -> frozenset[str]:
        """The flags that differed last time."""
        return frozenset(place.key for place in self.memory.differences) if self.memory else frozenset()

    @property
    def _sweeps(self) -> bool:
        """Whether the requests that `since` saves are used for the sweep."""
        return self.memory is not None and bool(self._left)

    @property
    def _is_spent(self) -> bool:
        return self._left == 0

    @property
    def _left(self) -> int | None:
        """The requests that are left of the budget; None where there is none."""
        budget = self.options.budget
        return None if budget is None else max(budget - self.client.requests, 0)


def _untold(compared: Sequence[DifferingFlag], versions: Mapping[str, Sequence[Version]]) -> tuple[str, ...]:
    """That versions of flags that differ could not be read, in a warning; or none."""
    left = sum(not versions.get(item.desired.key) for item in compared)
    which = f"{left} of {len(compared)} flags that differ"
    return (f"Could not read the version history of {which}; their last edit is shown.",) if left else ()


def _sweep(choice: Choice) -> Sweep:
    return Sweep(
        total=choice.waiting, done=len(choice.turn), last=choice.turn[-1] if choice.turn and choice.skipped else None
    )
