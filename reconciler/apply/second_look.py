"""What every flag is right before its first write: whether it is still what the plan was made from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.api.listing import FEW_KEYS, look_up_hidden
from reconciler.api.live import find_flag, reread
from reconciler.apply.context import ends_the_run
from reconciler.canonical import fields_that_moved
from reconciler.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.flag_run import FlagRun
    from reconciler.model import LiveFlag

CHANGED_SINCE = "The flag changed after the plan was made: nothing was sent. Plan again."
EXISTS_SINCE = "A flag with this key appeared after the plan was made: nothing was sent. Plan again."
GONE_SINCE = "The flag is not there any more: nothing was sent. Plan again."

MOST_AT_ONCE = 100
"""So many flags are looked at together at most; and no more than requests may be sent in a second, since each flag
takes some: what is seen is to be used within seconds."""

SECONDS = 5.0
"""What was seen longer ago is not believed any more, however long the server kept the run waiting: the flag is looked
at again, alone."""


class SecondLook:
    """The flags of a plan as they are when their turn comes, seen with few requests and at most `SECONDS` before.

    Where the list is fewer requests than one for each flag, it shows the next flags together. Keys of flags that are
    to be made are looked up together once, before the first write: a key that is taken later the server refuses.
    """

    def __init__(self, context: ApplyContext, runs: Sequence[FlagRun]) -> None:
        self._context = context
        pages = context.live.pages
        existing = {run.plan.key: run.stub() for run in runs if run.flag_id is not None}
        self._waiting = existing if len(existing) > pages else {}
        self._at_once = max(1, min(MOST_AT_ONCE, context.planner.config.requests.per_second))
        self._seen_at = 0.0
        new = [run.plan.key for run in runs if run.flag_id is None]
        self._new = new if len(new) > max(pages, FEW_KEYS) else []
        self._seen: dict[str, LiveFlag | None] = {}
        self._turn = asyncio.Lock()

    async def conflict(self, run: FlagRun) -> str | None:
        """Why the flag must not be touched: it is not what the plan was made from. None where it is.

        Raises ApiErrors of the reads, which then say nothing of any other flag.
        """
        key = run.plan.key
        planned = self._context.live.flags.get(key)
        if planned is None:
            return EXISTS_SINCE if await self._holder(key) else None
        now = await self._now(key, planned)
        if now is None:
            return GONE_SINCE
        return CHANGED_SINCE if fields_that_moved(planned, now) else None

    async def _now(self, key: str, planned: LiveFlag) -> LiveFlag | None:
        async with self._turn:
            if key in self._waiting:
                await self._look_at_next(key)
            if key in self._seen and asyncio.get_running_loop().time() - self._seen_at <= SECONDS:
                return self._seen.pop(key)
        return (await self._reread([planned]))[key]

    async def _look_at_next(self, key: str) -> None:
        """See the flag and those that come next. What fails for all of them is left for each to try on its own."""
        later = (other for other in self._waiting if other != key)
        batch = [key, *(other for other, _ in zip(later, range(self._at_once - 1), strict=False))]
        stubs = [self._waiting.pop(other) for other in batch]
        self._seen_at = asyncio.get_running_loop().time()
        try:
            self._seen |= await self._reread(stubs)
        except ApiError as error:
            if ends_the_run(error):
                raise

    async def _holder(self, key: str) -> LiveFlag | None:
        """Whoever carries the key by now."""
        async with self._turn:
            if self._new:
                await self._look_at_new()
        return self._seen.pop(key) if key in self._seen else await find_flag(self._context.client, key)

    async def _look_at_new(self) -> None:
        keys, self._new = self._new, []
        most = max(self._context.live.pages, FEW_KEYS)
        try:
            found = await look_up_hidden(self._context.client, keys, most=most)
        except ApiError as error:
            if ends_the_run(error):
                raise
        else:
            self._seen |= dict.fromkeys(keys) | {flag.key: flag for flag in found}

    async def _reread(self, flags: list[LiveFlag]) -> dict[str, LiveFlag | None]:
        context = self._context
        return dict(await reread(context.client, flags, context.desired, pages=context.live.pages))
