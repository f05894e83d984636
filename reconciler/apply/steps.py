"""One operation of a flag while it is being made: what is still to be sent of it, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.apply.report import OperationOutcome, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.planning.operations import Operation


class Step(Struct, kw_only=True):
    """`operation` is the plan's, `to_send` what is left of it. `status` is None until the step has ended.

    `is_added`: no plan showed it. `is_in_flight`: its call was abandoned before there was an answer.
    """

    order: int
    operation: Operation
    to_send: Operation
    is_added: bool = False
    status: Status | None = None
    attempts: int = 0
    is_in_flight: bool = False
    http_status: int | None = None
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be made."""
        return self.status is None

    def end(self, status: Status, *, http_status: int | None = None, error: str | None = None) -> None:
        """Note how it ended."""
        self.status, self.http_status, self.error = status, http_status, error

    def outcome(self) -> OperationOutcome:
        """The step for the report; one that was never reached was skipped."""
        return OperationOutcome(
            order=self.order,
            operation=self.operation,
            is_added=self.is_added,
            status=self.status or Status.SKIPPED,
            attempts=self.attempts,
            http_status=self.http_status,
            error=self.error,
        )


def steps_of(operations: Sequence[Operation], *, first: int = 1, is_added: bool = False) -> list[Step]:
    """The operations as steps, in their order, counted from `first`."""
    return [
        Step(order=order, operation=item, to_send=item, is_added=is_added)
        for order, item in enumerate(operations, start=first)
    ]
