"""One flag of a plan, from its first call to its last.

Calls of a flag go out in the plan's order, one at a time. After an answer that leaves open whether the call took
effect, the flag is read and planned again: what is then left must lie within what the plan still had to do, or the
flag is left as it is and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.api.answers import CreatedFlag
from reconciler.api.live import find_flag, reread
from reconciler.apply.perform import perform
from reconciler.apply.report import FlagOutcome, OperationOutcome, Status
from reconciler.apply.within import is_within
from reconciler.errors import (
    AccessError,
    AmbiguousError,
    ApiError,
    BudgetError,
    InterruptedRunError,
    NotSentError,
    RejectedError,
)
from reconciler.model import FlagSpec, LiveFlag
from reconciler.planning.operations import UNKNOWN_ID, CreateFlag, RemoveUserAt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FlagPlan

RESENDS = 2
"""How often one operation is sent again after the flag was read and seen not to have it."""

LOOK_UPS = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each look-up of a flag whose create had no clear answer: it may show late."""


class FlagRun:
    """The outcomes of one flag as they come in."""

    def __init__(self, context: ApplyContext, plan: FlagPlan) -> None:
        self.context = context
        self.plan = plan
        self.flag_id = plan.flag_id
        self.outcomes: list[OperationOutcome] = []
        self.error: str | None = None
        self.status = Status.APPLIED
        self.resent = 0

    def outcome(self, verified: bool | None = None) -> FlagOutcome:  # noqa: FBT001 - the one fact that comes later
        """The flag's outcome as far as it is known."""
        return FlagOutcome(
            key=self.plan.key,
            action=self.plan.action,
            status=self.status,
            operations=tuple(self.outcomes),
            flag_id=self.flag_id,
            error=self.error,
            verified=verified,
        )

    def stub(self) -> LiveFlag:
        """The flag as something to be read again."""
        spec = self.plan.before or FlagSpec(key=self.plan.key)
        return LiveFlag(id=self.flag_id or UNKNOWN_ID, project_id=self.context.client.project_id, spec=spec)

    def skip(self, operations: Sequence[Operation], reason: str | None = None) -> None:
        """Note operations that were never sent."""
        for operation in operations:
            self._note(operation, Status.SKIPPED, attempts=0)
        if reason:
            self.status, self.error = Status.SKIPPED, reason

    async def send_all(self, operations: Sequence[Operation]) -> None:
        """Send operations in order until one fails; the rest are skipped."""
        pending = list(operations)
        while pending and self.status is Status.APPLIED:
            if self.context.halt.is_set:
                break
            operation = pending.pop(0)
            try:
                await self._send(operation)
            except AmbiguousError as error:
                pending = await self._after_ambiguity(operation, pending, error)
            except InterruptedRunError as error:
                self._fail(operation, error, Status.UNKNOWN)
            except ApiError as error:
                self._fail(operation, error, Status.FAILED)
                if isinstance(error, AccessError | BudgetError) or self.context.options.on_error_abort:
                    self.context.halt.stop(error)
        self._close(pending)

    def _close(self, pending: Sequence[Operation]) -> None:
        if pending and self.status is Status.APPLIED:
            self.status = Status.FAILED if self.outcomes else Status.SKIPPED
            self.error = str(self.context.halt.reason)
        self.skip(pending)

    async def _send(self, operation: Operation) -> None:
        halt, client = self.context.halt, self.context.client
        if isinstance(operation, RemoveUserAt) and not await self._copy_is_there(operation):
            raise RejectedError(
                f'The list of users of "{operation.variant_key}" has changed: copy {operation.index} is another now.'
            )
        answer = await halt.race(perform(client, self.flag_id or UNKNOWN_ID, operation))
        if isinstance(answer, CreatedFlag):
            self.flag_id = answer.id
        self._note(operation, Status.APPLIED, attempts=answer.attempts, http_status=answer.status)

    async def _copy_is_there(self, operation: RemoveUserAt) -> bool:
        users = await self.context.client.list_users(self.flag_id or UNKNOWN_ID, operation.variant_key)
        there = operation.index < len(users) and users[operation.index] == operation.user
        return there and users.count(operation.user) > 1

    async def _after_ambiguity(
        self, operation: Operation, pending: list[Operation], error: AmbiguousError
    ) -> list[Operation]:
        """What to send next once the flag was read again; what was already in place is noted as applied."""
        left = await self._what_is_left(operation, pending, error)
        if left is None:
            return pending
        if operation not in left:
            self._note(operation, Status.APPLIED, attempts=error.attempts, http_status=error.status)
            return left
        self.resent += 1
        if self.resent > RESENDS:
            self._fail(operation, error, Status.FAILED)
            return pending
        return left

    async def _what_is_left(
        self, operation: Operation, pending: Sequence[Operation], error: AmbiguousError
    ) -> list[Operation] | None:
        """What a fresh look at the flag still asks for; None when that is unclear, and the flag has failed."""
        try:
            live = await self.context.halt.race(self.look(operation))
        except (ApiError, InterruptedRunError) as failure:
            self._fail(operation, error, Status.UNKNOWN)
            if isinstance(failure, AccessError | BudgetError):
                self.context.halt.stop(failure)
            return None
        if live is None:
            if isinstance(operation, CreateFlag):
                return [operation, *pending]
            self._fail(operation, error, Status.UNKNOWN)
            return None
        self.flag_id = live.id
        left = self.operations_left(live)
        if all(is_within(item, [operation, *pending]) for item in left):
            return left
        self._fail(operation, error, Status.UNKNOWN)
        self.error = f"{error} Afterwards the flag was not as planned: somebody else may be editing it."
        return None

    def operations_left(self, live: LiveFlag) -> list[Operation]:
        """What planning asks for, given the flag as it is now."""
        declared = self.context.desired.flags.get(self.plan.key)
        if declared is None:
            return [] if live.spec.archived else list(self.plan.operations)
        plan = self.context.planner.plan_flag(declared, live)
        return list(plan.operations) if plan else []

    async def look(self, operation: Operation | None = None) -> LiveFlag | None:
        """The flag as it is now; after a create without a clear answer it is waited for."""
        context = self.context
        if not isinstance(operation, CreateFlag) and self.flag_id is not None:
            found = await reread(context.client, [self.stub()], context.desired, pages=context.live.pages)
            return found.get(self.plan.key)
        for delay in LOOK_UPS:
            await context.sleep(delay)
            live = await find_flag(context.client, self.plan.key)
            if live is not None:
                again = await reread(context.client, [live], context.desired, pages=context.live.pages)
                return again.get(self.plan.key)
        return None

    def _fail(self, operation: Operation, error: Exception, status: Status) -> None:
        attempts = 0 if isinstance(error, NotSentError) else getattr(error, "attempts", 1)
        http_status = getattr(error, "status", None)
        self._note(operation, status, attempts=attempts, http_status=http_status, error=str(error))
        self.status, self.error = status, str(error)

    def _note(
        self,
        operation: Operation,
        status: Status,
        *,
        attempts: int,
        http_status: int | None = None,
        error: str | None = None,
    ) -> None:
        self.outcomes.append(
            OperationOutcome(
                order=len(self.outcomes) + 1,
                operation=operation,
                status=status,
                attempts=attempts,
                http_status=http_status,
                error=error,
            )
        )
