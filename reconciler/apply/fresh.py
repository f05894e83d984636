"""No call of a flag goes out on a look that is older than was promised, whatever kept it waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reconciler.errors import AmbiguousError, ApiError, RejectedError

if TYPE_CHECKING:
    from reconciler.apply.flag_run import FlagRun
    from reconciler.apply.steps import Step

SECONDS = 5.0
"""What was seen longer ago is not believed any more, however long the server kept the run waiting."""

NEVER = float("-inf")
"""When a flag was seen that was not looked at yet."""


class ChangedMeanwhileError(ApiError):
    """The flag is not what the plan was made from and this run made of it: nothing more of it is sent."""


def moment() -> float:
    """Now, in seconds of the event loop's clock."""
    return asyncio.get_running_loop().time()


def is_old(seen_at: float) -> bool:
    """Whether what was seen then is too old to be believed."""
    return moment() - seen_at > SECONDS


class FreshLook:
    """The look that one step of a flag rests on; the transport asks for it before each attempt."""

    def __init__(self, run: FlagRun, step: Step) -> None:
        self._run = run
        self._step = step

    @property
    def is_old(self) -> bool:
        """Whether the flag must be looked at again before anything is sent."""
        return is_old(self._run.seen_at)

    async def renew(self) -> None:
        """Look at the flag again.

        Raises ChangedMeanwhileError where somebody else had a hand in it, and ApiErrors of the read, none of which
        is an AmbiguousError: the write was not sent.
        """
        run = self._run
        try:
            live = await run.look()
        except AmbiguousError as error:
            raise RejectedError(f"Nothing was sent, because reading before it failed: {error}") from error
        if why := run.conflict(live):
            raise ChangedMeanwhileError(why)
        await run.check_copy(self._step.to_send)
        run.seen_at = moment()

    def attempt_started(self) -> None:
        """Count an attempt of the step."""
        self._step.attempts += 1
        self._step.is_in_flight = True

    def attempt_ended(self) -> None:
        """Note that its end is known."""
        self._step.is_in_flight = False
