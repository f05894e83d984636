"""One flag of a plan, from its first call to its last.

Calls of a flag go out in the plan's order, one at a time. After an answer that leaves open whether the call took
effect, `ambiguous` looks at the flag: what is then left must lie within what the plan still had to do, or the flag is
left as it is and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.api.live import find_flag, refetch
from reconciler.api.responses import CreatedFlag
from reconciler.apply.aftermath import what_users_see
from reconciler.apply.ambiguous import LOOKS_FOR_CREATE, WriteOutcome, resolve_ambiguous
from reconciler.apply.context import ends_the_run
from reconciler.apply.meanwhile import moved_meanwhile
from reconciler.apply.report import FlagOutcome, Status, StoredField
from reconciler.apply.steps import NEVER, ChangedMeanwhileError, FreshLook, steps_of, timed
from reconciler.errors import (
    NOT_FOUND,
    AccessError,
    AmbiguousError,
    ApiError,
    InterruptedRunError,
    InvalidInputError,
    RejectedError,
    WithheldError,
)
from reconciler.model.canonical import fields_that_moved
from reconciler.model.fields import FIELD
from reconciler.model.flag import UNSET, FlagSpec, LiveFlag
from reconciler.planning.normalise import declared_whole
from reconciler.planning.operations import UNKNOWN_ID, RemoveUserAt, without_inclusions
from reconciler.planning.planner import is_left_archived, stays_archived
from reconciler.planning.stored import how_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.steps import Step
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FieldChange, FlagPlan

SENDS = 3
"""How often one operation is sent at most, each time after the flag was read and seen not to have it."""

SENDS_OF_CREATE = 2
"""A create that was lost is sent once more, not twice: each may still arrive late and make a flag of its own."""

CHANGED_WHILE = (
    "The flag changed after the plan was made: it was edited meanwhile ({}), not by this run. Nothing more was sent."
    " Plan again."
)
EXISTS_WHILE = "A flag with this key appeared after the plan was made: nothing more was sent. Plan again."
GONE_WHILE = "The flag is not there any more: nothing more was sent. Plan again."

OTHER_ID = (
    "The create was answered with the id {}, which is {}: nothing more was sent. Look in Amplitude what became of it;"
    " the next plan reads what is there."
)

SHARED_KEYS = " A key is unique over flags, experiments, mutual exclusion groups and holdouts."

LAG = (0.25, 0.5, 1.0, 2.0)
"""Seconds before each further try of a call that meets a 404 although this run made the flag: it may show late."""


class FlagRun:
    """The steps of one flag and their outcomes.

    `before` is the flag as it was before this run's calls, `seen` as it was read after the last of them; `seen_at` is
    when it was last seen to be what they explain, `looked_at` when it was last read. `duplicates` are the ids of all
    flags of the key where the read-back shows several.
    """

    def __init__(self, context: ApplyContext, plan: FlagPlan) -> None:
        self.context = context
        self.plan = plan
        self.flag_id = plan.flag_id
        self.steps = steps_of(plan.operations)
        self.status = Status.APPLIED
        self.error: str | None = None
        self.before = context.live.flags.get(plan.key)
        self.seen: LiveFlag | None = None
        self.seen_at = NEVER
        self.looked_at = NEVER
        self.duplicates: tuple[str, ...] = ()
        self.stored: tuple[StoredField, ...] = ()
        self.editors: tuple[str, ...] = ()
        self.is_conflict = False

    @property
    def is_new(self) -> bool:
        """Whether this run made the flag, or tries to."""
        return self.plan.flag_id is None

    @property
    def target_id(self) -> str:
        """The id that its calls go to."""
        return self.flag_id or UNKNOWN_ID

    @property
    def made(self) -> list[Operation]:
        """The operations that were made so far."""
        return [step.operation for step in self.steps if step.status is Status.APPLIED]

    def outcome(self, verified: bool | None = None) -> FlagOutcome:  # noqa: FBT001 - the one fact that comes later
        """The flag's outcome as far as it is known."""
        return FlagOutcome(
            key=self.plan.key,
            action=self.plan.action,
            status=self.status,
            operations=tuple(step.outcome() for step in sorted(self.steps, key=lambda step: step.order)),
            flag_id=self.flag_id,
            error=self.error,
            verified=verified,
            duplicates=self.duplicates,
            stored=self.stored,
            editors=self.editors,
            users_see="" if self.is_conflict else self._users_see(),
        )

    def _users_see(self) -> str:
        start, seen = (None if flag is None else flag.spec for flag in (self.before, self.seen))
        return what_users_see(self.plan, self.steps, self.status, start=start, seen=seen)

    def stub(self) -> LiveFlag:
        """The flag as something to be read again."""
        spec = self.plan.before or FlagSpec(key=self.plan.key)
        return LiveFlag(id=self.target_id, project_id=self.context.client.project_id, spec=spec)

    def leave(self, reason: str, status: Status = Status.SKIPPED) -> None:
        """Send nothing more of it, for a reason."""
        self.status, self.error = status, reason

    def extend(self, operations: Sequence[Operation], *, after: Step | None = None) -> None:
        """Add operations that turned out to be needed: after a step, or last."""
        place = len(self.steps) if after is None else self.steps.index(after) + 1
        self.steps[place:place] = steps_of(operations, first=len(self.steps) + 1, is_added=True)

    async def make_all(self) -> None:
        """Make the open steps in order until one does not succeed or the run ends."""
        for step in self.steps:
            if not step.is_open:
                continue
            if self.context.cancellation.is_set:
                sent = any(step.attempts for step in self.steps)
                self.leave(self.context.cancellation.why, Status.FAILED if sent else Status.SKIPPED)
                return
            if self.before is None and not step.operation.CREATES_FLAG:
                await self._see_what_was_made(step)
            if self.status is Status.APPLIED:
                await self._make(step)
            self.context.progress.operations_ended(self.plan.key, sum(not step.is_open for step in self.steps))
            if self.status is not Status.APPLIED:
                return

    async def _see_what_was_made(self, step: Step) -> None:
        """Read the id that a create was answered with, before `step` goes to it: it may be another flag's."""
        error: ApiError | InterruptedRunError | None = None
        for delay in LOOKS_FOR_CREATE:
            try:
                await self.context.pause(delay)
                flag, seen_at = await self.context.cancellation.run_unless_cancelled(
                    timed(lambda: self.context.client.get_flag(self.target_id))
                )
            except (ApiError, InterruptedRunError) as caught:
                error = caught
                if self._may_show_late(error):
                    continue
                break
            if flag.key == self.plan.key:
                self.before, self.seen_at = replace(flag, spec=without_inclusions(flag.spec)), seen_at
                return
            self._disown(f'that of "{flag.key}"')
            return
        if self._may_show_late(error):
            self._disown("no flag's of this project")
        elif error is not None:
            self.fail(step, error, Status.SKIPPED)

    def _disown(self, whose: str) -> None:
        """What became of the create is unknown: its answer names something else."""
        reason = OTHER_ID.format(self.flag_id, whose)
        for step in self.steps:
            if step.operation.CREATES_FLAG:
                step.end(Status.UNKNOWN, http_status=step.http_status, error=reason)
        self.flag_id = None
        self.leave(reason, Status.UNKNOWN)

    async def _make(self, step: Step) -> None:
        """Send a step until it is in place, surely is not, or its outcome stays unknown."""
        in_doubt, error = False, None
        for _ in range(SENDS_OF_CREATE if step.operation.CREATES_FLAG else SENDS):
            error = await self._send(step)
            if error is None:
                return
            in_doubt = in_doubt or isinstance(error, AmbiguousError)
            if not in_doubt or ends_the_run(error):
                break
            sight = await resolve_ambiguous(self, step, error)
            if sight is WriteOutcome.UNKNOWN:
                return
            if sight is WriteOutcome.APPLIED:
                step.end(Status.APPLIED, http_status=getattr(error, "status", None))
                return
            if not isinstance(error, AmbiguousError):
                break
        if error is not None:
            if isinstance(error, AmbiguousError):
                error = error.settled("Reading the flag afterwards shows that it had no effect.")
            self.fail(step, error, Status.SKIPPED if isinstance(error, ChangedMeanwhileError) else Status.FAILED)

    async def _send(self, step: Step) -> ApiError | InterruptedRunError | None:
        """What went wrong with a step, if anything. It is sent again while a flag of this run does not show yet."""
        error: ApiError | InterruptedRunError | None = None
        for delay in LAG:
            error = await self._send_once(step)
            if not self._may_show_late(error):
                return error
            try:
                await self.context.pause(delay)
            except InterruptedRunError as interruption:
                return interruption
        return error

    def _may_show_late(self, error: Exception | None) -> bool:
        is_known = self.is_new and self.flag_id is not None
        return is_known and isinstance(error, RejectedError) and error.status == NOT_FOUND

    async def _send_once(self, step: Step) -> ApiError | InterruptedRunError | None:
        try:
            await self.check_copy(step.to_send)
            await self._perform(step)
        except (ApiError, InterruptedRunError) as error:
            return error
        return None

    async def _perform(self, step: Step) -> None:
        request = step.to_send.request(self.target_id)
        call = self.context.client.write(request, look=FreshLook(self, step))
        answer = await self.context.cancellation.run_unless_cancelled(call)
        if isinstance(answer, CreatedFlag):
            self.flag_id = answer.id
        step.end(Status.APPLIED, http_status=answer.status)

    async def check_copy(self, operation: Operation) -> None:
        """See that a place in a list still is the surplus copy. Raises RejectedError where it is not."""
        if not isinstance(operation, RemoveUserAt):
            return
        listing = self.context.client.list_users(self.target_id, operation.variant_key)
        try:
            users = await self.context.cancellation.run_unless_cancelled(listing)
        except AmbiguousError as error:
            raise RejectedError(f"Nothing was sent, because reading before it failed: {error}") from error
        there = operation.index < len(users) and users[operation.index] == operation.user
        if not there or users.count(operation.user) == 1:
            raise RejectedError(
                f'The list of users of "{operation.variant_key}" has changed: copy {operation.index} is another now.'
            )

    def fail(self, step: Step, error: Exception, status: Status, *, is_of_call: bool = True) -> None:
        """End a step, and with it the flag, without success; where the failure concerns all flags, end the run.

        `is_of_call`: the error is that of the step's call, and not of a read after it.
        """
        if isinstance(error, InterruptedRunError) and step.is_in_flight:
            status = Status.UNKNOWN
        elif isinstance(error, InterruptedRunError | AccessError) and not step.attempts:
            status = Status.SKIPPED
        if isinstance(error, WithheldError):
            # The flag that was refused ends the run, and says why.
            reason = self.context.cancellation.why if self.context.cancellation.is_set else str(error)
            step.end(status, error=reason)
            self.leave(reason, Status.FAILED if any(item.attempts for item in self.steps) else status)
            return
        reason = f"{error}{self._refused(step, error)}" if is_of_call else str(error)
        step.end(status, http_status=getattr(error, "status", None), error=reason)
        self.is_conflict = isinstance(error, ChangedMeanwhileError)
        sent = self.made if self.is_conflict else any(item.attempts for item in self.steps)
        self.leave(reason, Status.FAILED if sent and status is Status.SKIPPED else status)
        if ends_the_run(error) or (self.context.options.on_error_abort and self.status is not Status.SKIPPED):
            self.context.cancellation.stop(error, self.plan.key)  # type: ignore[arg-type] # both are ReconcilerErrors

    def _refused(self, step: Step, error: Exception) -> str:
        """What the server refused, in sentences; empty where it refused nothing."""
        if not (isinstance(error, RejectedError) and step.attempts):
            return ""
        body = step.to_send.request(self.target_id).body
        carried = f" The call carried {', '.join(body)}." if isinstance(body, dict) else ""
        return carried + (SHARED_KEYS if step.operation.CREATES_FLAG else "")

    async def look(self) -> LiveFlag | None:
        """The flag as it is now, found by its key while its id is not known. Raises ApiError."""
        self.seen, self.looked_at = await timed(self._read)
        return self.seen

    async def _read(self) -> LiveFlag | None:
        context = self.context
        if self.flag_id is not None:
            found = await refetch(context.client, [self.stub()], context.desired, pages=context.live.pages)
        else:
            live = await find_flag(context.client, self.plan.key)
            if live is None:
                return None
            found = await refetch(context.client, [live], context.desired, pages=context.live.pages)
        return found.get(self.plan.key)

    def conflict(self, live: LiveFlag | None, *, also: Sequence[Operation] = ()) -> str | None:
        """Why nothing more must be sent, given the flag as it is now: others edited it. None otherwise.

        `also` are calls that may have been made besides those that were.
        """
        if live is None:
            return None if self.is_new else GONE_WHILE
        if self.before is None:
            return EXISTS_WHILE if self.flag_id is None else None
        made = [*self.made, *also]
        if made:
            moved = moved_meanwhile(self.before, made, live, self._left(live))
        else:
            moved = fields_that_moved(self.before, live)
        names = (FIELD[name].public if name in FIELD else name for name in moved)
        return CHANGED_WHILE.format(", ".join(names)) if moved else None

    def _left(self, live: LiveFlag) -> list[Operation]:
        try:
            return self.operations_left(live)
        except InvalidInputError:
            return []

    def operations_left(self, live: LiveFlag) -> list[Operation]:
        """What planning asks for, given the flag as it is now. Raises InvalidInputError."""
        plan = self._plan_left(live)
        return list(plan.operations) if plan else []

    def operations_left_of_whole(self, live: LiveFlag) -> list[Operation]:
        """The same; of a flag that this run made, what its file leaves out is declared as off, 0 % and none."""
        plan = self._plan_left(live, as_whole=self.is_new)
        return list(plan.operations) if plan else []

    def stored_otherwise(self, live: LiveFlag) -> tuple[StoredField, ...]:
        """The fields that differ from the declaration by the form alone in which they are kept; none if others do."""
        found = [StoredField(path=change.path, how=how_stored(change)) for change in self.changes_left(live)]
        return tuple(found) if all(item.how for item in found) else ()

    def changes_left(self, live: LiveFlag) -> tuple[FieldChange, ...]:
        """The fields that differ from the declaration; none where they cannot be told."""
        try:
            plan = self._plan_left(live, as_whole=self.is_new)
        except InvalidInputError:
            return ()
        return plan.changes if plan else ()

    def _plan_left(self, live: LiveFlag, *, as_whole: bool = False) -> FlagPlan | None:
        declared = self.context.desired.flags.get(self.plan.key)
        if declared is not None and as_whole:
            declared = declared_whole(declared)
        if declared is None:
            return None if live.spec.archived else self.plan
        planner = self.context.planner
        if is_left_archived(declared, live, planner.options):
            raise InvalidInputError(f'"{live.key}" was archived meanwhile: nothing is known to be left to do.')
        if stays_archived(declared, live):  # by this run: planning would not look at what its other calls did
            declared = replace(declared, spec=replace(declared.spec, archived=UNSET))
            live = replace(live, spec=replace(live.spec, archived=False))
        return planner.plan_flag(declared, live)
