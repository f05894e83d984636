"""Reading back what was touched, until it is there, or is seen not to come.

A server may show writes late, so a difference is looked at again before it counts. A server may also do less than
was asked (a rename that leaves weights behind, a new flag that is on): what planning then asks for is sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.api.live import reread
from reconciler.apply.report import Status
from reconciler.errors import ApiError, InvalidInputError
from reconciler.planning.operations import CreateFlag, DeleteVariant, EditVariant, RemoveUsers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.apply.context import ApplyContext
    from reconciler.apply.flag_run import FlagRun
    from reconciler.model import LiveFlag
    from reconciler.planning.operations import Operation


async def read_back(context: ApplyContext, runs: Sequence[FlagRun]) -> dict[str, bool]:
    """By flag key, whether what was applied is in place. Flags that are not get a status and an error."""
    waiting = [run for run in runs if run.status is Status.APPLIED and run.outcomes and run.flag_id is not None]
    verified: dict[str, bool] = {}
    mended: set[str] = set()
    for delay in (0.0, *context.options.read_back_delays):
        if not waiting or context.halt.is_set:
            break
        if delay:
            await context.sleep(delay)
        left = await _left(context, waiting)
        if left is None:
            break
        verified |= {key: True for key, operations in left.items() if not operations}
        waiting = [run for run in waiting if left.get(run.plan.key)]
        for run in waiting:
            operations = left[run.plan.key]
            if delay and run.plan.key not in mended and _is_mending(run, operations):
                mended.add(run.plan.key)
                await run.send_all(operations)
        waiting = [run for run in waiting if run.status is Status.APPLIED]
    for run in waiting:
        verified[run.plan.key] = False
        run.status = Status.UNKNOWN
        run.error = "Read back, the flag is not as declared."
    return verified


async def _left(context: ApplyContext, runs: Sequence[FlagRun]) -> Mapping[str, list[Operation]] | None:
    """By flag key, what planning still asks for; None when nothing could be read."""
    try:
        live = await reread(context.client, [run.stub() for run in runs], context.desired, pages=context.live.pages)
    except ApiError:
        return None
    return {run.plan.key: _operations_left(run, live.get(run.plan.key)) for run in runs}


def _operations_left(run: FlagRun, live: LiveFlag | None) -> list[Operation]:
    if live is None:
        return list(run.plan.operations)
    try:
        return run.operations_left(live)
    except InvalidInputError:
        return list(run.plan.operations)


def _is_mending(run: FlagRun, operations: Sequence[Operation]) -> bool:
    """Whether these calls are new ones, asked for because a create, a rename or a removal did less than it should."""
    sent = [item.operation for item in run.outcomes]
    if any(operation in sent for operation in operations):
        return False
    return any(
        isinstance(operation, CreateFlag | DeleteVariant | RemoveUsers)
        or (isinstance(operation, EditVariant) and "key" in operation.body)
        for operation in sent
    )
