"""Reading back what was changed, until it is shown, or until the looks are used up.

A server may show writes late, so a difference is looked at again before it counts. A server may also do less than
was asked (a rename that leaves weights behind, a new flag that is on): what planning then asks for is sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.api.live import refetch
from reconciler.apply.ambiguous import segments_lost
from reconciler.apply.context import ends_the_run
from reconciler.apply.differences import differences
from reconciler.apply.report import Status
from reconciler.errors import ApiError, InterruptedRunError, InvalidInputError
from reconciler.planning.operations import remaining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.flag_run import FlagRun
    from reconciler.apply.steps import Step
    from reconciler.model.flag import LiveFlag
    from reconciler.planning.operations import Operation

TWICE = "Several live flags carry this key now (ids {}): another client made one as well. Archive all but one."
ARCHIVED_MEANWHILE = "The flag was archived by hand meanwhile; all calls were made. Plan again."
ARCHIVED_MIDWAY = "The flag was archived by hand meanwhile."
_PATIENCE = 1.0
"""Seconds of a pause after which a difference of the form alone is no write that shows late."""

NOT_SHOWN = (
    "The server said that it was done, but reading the flag back does not show it: it may wait for an approval, or"
    " was ignored."
)


class Verifier:
    """The flags that are still to be confirmed, and what the last look at each of them left."""

    def __init__(self, context: ApplyContext, runs: Sequence[FlagRun]) -> None:
        self._context = context
        self._waiting = [run for run in runs if run.status in {Status.APPLIED, Status.FAILED} and run.made]
        self._failed = [run for run in self._waiting if run.status is Status.FAILED]
        for run in set(runs) - set(self._waiting):
            context.progress.read_back(run.plan.key)
        self._left: dict[str, list[Operation]] = {}
        self._live: Mapping[str, LiveFlag | None] = {}
        self._duplicates: dict[str, tuple[str, ...]] = {}
        self._mended: set[str] = set()
        self._failure: ApiError | None = None
        self.verified: dict[str, bool] = {}

    async def run(self) -> dict[str, bool]:
        """By flag key, whether what was applied is in place. Flags that are not get a status and an error."""
        try:
            looks = list(self._delays)
            while looks and self._waiting:
                delay = looks.pop(0)
                await self._context.pause(delay)
                if await self._look() and delay and await self._mend():
                    looks = list(self._delays)
                elif ends_the_run(self._failure):
                    break
                elif delay >= _PATIENCE:
                    self._learn()
        except InterruptedRunError:
            return self.verified
        self._learn()
        for run in self._waiting:
            self._give_up(run)
        for run in self._failed:
            if _is_archived_by_others(run, run.seen):
                run.leave(f"{run.error} {ARCHIVED_MIDWAY}", Status.FAILED)
        return self.verified

    async def _look(self) -> bool:
        """Look at every waiting flag once; False where nothing could be read."""
        try:
            self._left = await self._context.cancellation.run_unless_cancelled(self._read())
        except ApiError as error:
            self._failure = error
            if ends_the_run(error):
                self._context.cancellation.stop(error)
            return False
        self._failure = None
        done = [run for run in self._waiting if not self._left[run.plan.key] or run.plan.key in self._duplicates]
        for run in done:
            if ids := self._duplicates.get(run.plan.key):
                run.duplicates = ids
                run.leave(f"{TWICE.format(', '.join(ids))}", Status.FAILED)
                self.verified[run.plan.key] = False
            elif run.status is Status.APPLIED:
                self.verified[run.plan.key] = True
        self._waiting = [run for run in self._waiting if run not in done]
        for run in done:
            self._context.progress.read_back(run.plan.key)
        return True

    async def _read(self) -> dict[str, list[Operation]]:
        context, runs = self._context, self._waiting
        live = await refetch(
            context.client,
            [run.stub() for run in runs],
            context.desired,
            pages=context.live.pages,
            progress=context.progress.reads(),
            duplicates=self._duplicates,
        )
        self._live = live
        for run in runs:
            run.seen = live.get(run.plan.key)
        return {run.plan.key: _operations_left(run, live.get(run.plan.key)) for run in runs}

    def _learn(self) -> None:
        """Take what the server keeps in a form of its own for what was declared: no call would change it."""
        for run in [run for run in self._waiting if run.status is Status.APPLIED]:
            live = self._live.get(run.plan.key)
            if self._failure is None and live is not None and (stored := run.stored_otherwise(live)):
                run.stored = stored
                self.verified[run.plan.key] = True
                self._waiting.remove(run)
                self._context.progress.read_back(run.plan.key)

    @property
    def _delays(self) -> tuple[float, ...]:
        """Seconds before each look, after the last call."""
        return (0.0, *self._context.options.read_back_delays)

    async def _mend(self) -> bool:
        """Send what this run's calls left undone, once for each flag; what others did is left as it is.

        True where something was sent. A look that does not show all that was made is an old one, and nothing follows
        from it.
        """
        mended = len(self._mended)
        for run in [run for run in self._waiting if run.status is Status.APPLIED]:
            left = self._left[run.plan.key]
            extra = [item for item in left if not item.is_covered_by(run.made)]
            if not extra or run.plan.key in self._mended or _missing(run, left):
                continue
            if self._conflict(run) or self._losses(run):
                continue
            if all(any(made.may_leave(item) for made in run.made) for item in extra):
                self._mended.add(run.plan.key)
                run.extend(extra)
                await run.make_all()
        return len(self._mended) > mended

    def _give_up(self, run: FlagRun) -> None:
        if run.status is not Status.APPLIED:
            self._note_what_is_not_shown(run)
            return
        self.verified[run.plan.key] = False
        if self._failure is not None:
            run.leave(f"What was applied could not be read back: {self._failure}", Status.UNKNOWN)
            return
        if _is_archived_by_others(run, self._live.get(run.plan.key)):
            run.leave(ARCHIVED_MEANWHILE, Status.UNKNOWN)
            return
        self._note_what_is_not_shown(run)
        reason = f"Read back, the flag is not as declared: {self._differences(run)}."
        if conflict := self._conflict(run):
            reason += f" {conflict}"
        elif losses := self._losses(run):
            reason += (
                f" Sending its segments again would lose what the API cannot carry ({', '.join(losses)}): nothing"
                " more was sent. Edit them in Amplitude."
            )
        run.leave(reason, Status.UNKNOWN)

    def _differences(self, run: FlagRun) -> str:
        live = self._live.get(run.plan.key)
        changes = () if live is None else run.changes_left(live)
        return differences(changes) if changes else _named(self._left[run.plan.key])

    def _conflict(self, run: FlagRun) -> str | None:
        return run.conflict(self._live.get(run.plan.key))

    def _losses(self, run: FlagRun) -> list[str]:
        """What sending the rest would lose of the flag's segments, although no plan said so."""
        live = self._live.get(run.plan.key)
        unplanned = [item for item in self._left[run.plan.key] if not item.is_covered_by(run.made)]
        return [name for item in unplanned for name in segments_lost(run, item, live)]

    def _note_what_is_not_shown(self, run: FlagRun) -> None:
        missing = _missing(run, self._left.get(run.plan.key, []))
        copies = {step.operation.copy for step in missing} - {None}
        for step in run.steps:
            # Copies of one user are alike: which of them did not go cannot be told.
            if step in missing or (step.status is Status.APPLIED and step.operation.copy in copies):
                step.end(Status.UNKNOWN, http_status=step.http_status, error=NOT_SHOWN)


def _missing(run: FlagRun, left: list[Operation]) -> list[Step]:
    """The steps that were made and that reads do not show."""
    rests = remaining([step.operation for step in run.steps], left)
    pairs = zip(run.steps, rests, strict=True)
    return [step for step, rest in pairs if rest is not None and step.status is Status.APPLIED]


def _operations_left(run: FlagRun, live: LiveFlag | None) -> list[Operation]:
    """What the flag still lacks; of a flag that failed half-way, only what was sent counts."""
    if live is None:
        return list(run.plan.operations)
    if run.status is Status.FAILED and _is_archived_by_others(run, live):
        live = replace(live, spec=replace(live.spec, archived=False))
    try:
        left = run.operations_left_of_whole(live)
    except InvalidInputError:
        return list(run.plan.operations)
    if run.status is Status.APPLIED:
        return left
    return [step.operation for step in _missing(run, left)]


def _is_archived_by_others(run: FlagRun, live: LiveFlag | None) -> bool:
    """Whether the flag is archived although it was not, and neither the plan nor the declaration says so."""
    states = (run.plan.before, run.plan.after)
    was_or_is_to_be = any(state is not None and state.archived is True for state in states)
    return live is not None and live.spec.archived is True and not was_or_is_to_be


def _named(operations: Sequence[Operation]) -> str:
    """The fields and the things that calls are about, for a person to look at."""
    return ", ".join(dict.fromkeys(name for operation in operations for name in operation.subjects))
