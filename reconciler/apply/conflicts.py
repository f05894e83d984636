"""Reading each flag right before its first write, to see that it is still what the plan was made from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.api.listing import FEW_KEYS, find_including_archived
from reconciler.api.live import find_flag, refetch
from reconciler.apply.context import ends_the_run
from reconciler.apply.steps import NEVER, is_old, loop_time, timed
from reconciler.errors import ApiError
from reconciler.model.canonical import fields_that_moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.flag_run import FlagRun
    from reconciler.model.flag import LiveFlag

CHANGED_SINCE = "The flag changed after the plan was made: nothing was sent. Plan again."
EXISTS_SINCE = "A flag with this key appeared after the plan was made: nothing was sent. Plan again."
GONE_SINCE = "The flag is not there any more: nothing was sent. Plan again."

MOST_AT_ONCE = 100
"""So many flags are looked at together at most; and no more than requests may be sent in a second, since each flag
takes some: what is seen is to be used within seconds."""


class ConflictChecker:
    """The flags of a plan as they are when their turn comes, seen with few requests and shortly before.

    Where the list is fewer requests than one for each flag, it shows the next flags together, and the keys of all
    that are still to be made.
    """

    def __init__(self, context: ApplyContext, runs: Sequence[FlagRun]) -> None:
        self._context = context
        existing = {run.plan.key: run.stub() for run in runs if run.flag_id is not None}
        self._waiting = existing if len(existing) > context.live.pages else {}
        self._at_once = min(MOST_AT_ONCE, context.planner.config.requests.per_second)
        self._seen: dict[str, LiveFlag | None] = {}
        self._seen_at = NEVER
        self._new = {run.plan.key for run in runs if run.flag_id is None}
        self._taken: dict[str, LiveFlag] = {}
        self._taken_at = NEVER
        self._turn = asyncio.Lock()

    async def conflict(self, run: FlagRun) -> str | None:
        """Why the flag must not be touched: it is not what the plan was made from. None where it is.

        Raises ApiErrors of the reads, which then say nothing of any other flag.
        """
        planned = self._context.live.flags.get(run.plan.key)
        if planned is None:
            return EXISTS_SINCE if await self._holder(run) else None
        now = await self._now(run, planned)
        if now is None:
            return GONE_SINCE
        return CHANGED_SINCE if fields_that_moved(planned, now) else None

    async def _now(self, run: FlagRun, planned: LiveFlag) -> LiveFlag | None:
        key = run.plan.key
        async with self._turn:
            if key in self._waiting:
                await self._look_at_next(key)
            if key in self._seen and not is_old(self._seen_at):
                run.seen_at = self._seen_at
                return self._seen.pop(key)
        found, run.seen_at = await timed(lambda: self._reread([planned]))
        return found[key]

    async def _look_at_next(self, key: str) -> None:
        """See the flag and those that come next. What fails for all of them is left for each to try on its own."""
        later = (other for other in self._waiting if other != key)
        batch = [key, *(other for other, _ in zip(later, range(self._at_once - 1), strict=False))]
        stubs = [self._waiting.pop(other) for other in batch]
        self._seen_at = loop_time()
        try:
            self._seen |= await self._reread(stubs)
        except ApiError as error:
            if ends_the_run(error):
                raise

    async def _holder(self, run: FlagRun) -> LiveFlag | None:
        """The flag that has the key by now."""
        key = run.plan.key
        async with self._turn:
            if key in self._new and is_old(self._taken_at):
                await self._look_at_new()
            if key in self._new:
                self._new.remove(key)
                run.seen_at = self._taken_at
                return self._taken.get(key)
        found, run.seen_at = await timed(lambda: find_flag(self._context.client, key))
        return found

    async def _look_at_new(self) -> None:
        """See which keys are taken; where they are few, or this fails, each is looked up when its turn comes."""
        most = max(self._context.live.pages, FEW_KEYS)
        keys, self._taken_at = sorted(self._new), loop_time()
        try:
            found = await find_including_archived(self._context.client, keys, most=most) if len(keys) > most else None
        except ApiError as error:
            if ends_the_run(error):
                raise
            found = None
        if found is None:
            self._new.clear()
        else:
            self._taken = {flag.key: flag for flag in found}

    async def _reread(self, flags: list[LiveFlag]) -> dict[str, LiveFlag | None]:
        context = self._context
        return dict(await refetch(context.client, flags, context.desired, pages=context.live.pages))
