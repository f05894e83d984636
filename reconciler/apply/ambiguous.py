"""After an ambiguous answer: read the flag until it is clear whether the call took effect.

A server may show writes late. So the first look that shows a call in place settles it; that it is not in place, only
the last one.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from reconciler.apply.context import ends_the_run
from reconciler.apply.report import Status
from reconciler.apply.steps import NEVER
from reconciler.errors import ApiError, InterruptedRunError, InvalidInputError
from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.model.versions import parse_time
from reconciler.model.wire import losses_of
from reconciler.planning.operations import remaining

if TYPE_CHECKING:
    from reconciler.apply.flag_run import FlagRun
    from reconciler.apply.steps import Step
    from reconciler.model.flag import LiveFlag
    from reconciler.planning.operations import Operation

LOOKS = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each look."""

LOOKS_FOR_CREATE = (*LOOKS, 3.0, 3.0)
"""A flag that is created twice cannot be deleted: after a lost create it is looked for longer."""


_CLOCK_SKEW = timedelta(seconds=2)
"""How far the times of one server may differ: `Date` has whole seconds, and several machines may answer."""


class WriteOutcome(Enum):
    """What the looks at a flag have shown of one call."""

    APPLIED = "it took effect"
    NOT_APPLIED = "it did not"
    UNKNOWN = "reads do not show it; the flag has failed"


async def resolve_ambiguous(run: FlagRun, step: Step, error: Exception) -> WriteOutcome:
    """What became of a step whose call ended in `error`. Open steps are cut down to what is still missing.

    UNKNOWN when reads fail, or the flag is not what the plan could have made of it: then the step is noted as
    unknown, and the flag with it.
    """
    is_create = step.operation.CREATES_FLAG
    sight, failure = WriteOutcome.UNKNOWN, None
    for delay in LOOKS_FOR_CREATE if is_create else LOOKS:
        try:
            await run.context.pause(delay)
            live = await run.context.cancellation.run_unless_cancelled(run.look())
        except (ApiError, InterruptedRunError) as caught:
            failure = caught
            if ends_the_run(caught):
                break
            continue
        failure = None
        if live is None:
            sight = WriteOutcome.NOT_APPLIED if is_create else WriteOutcome.UNKNOWN
            run.seen_at = run.looked_at if is_create else run.seen_at
            continue
        sight = _compare(run, step, live)
        if sight is WriteOutcome.APPLIED:
            return sight
    if failure is None and sight is not WriteOutcome.UNKNOWN:
        return sight
    _give_up(run, step, error, failure)
    return WriteOutcome.UNKNOWN


def _give_up(run: FlagRun, step: Step, error: Exception, failure: Exception | None) -> None:
    run.fail(step, failure or error, Status.UNKNOWN, is_of_call=failure is None)
    if failure is None:
        run.error = f"{error} Afterwards the flag was not as planned: another client may be editing it."
    else:
        run.error = f"{error} Reading the flag afterwards failed as well: {failure}"


def _compare(run: FlagRun, step: Step, live: LiveFlag) -> WriteOutcome:
    """What one read of the flag says of the step; a flag that was found gives the run its id."""
    left = _operations_left(run, live, as_whole=step.is_added)
    pending = [item for item in run.steps if item.is_open]
    planned = [item.operation for item in pending]
    extra = [] if left is None else [item for item in left if not item.is_covered_by(planned)]
    done = [step.operation, *run.made]
    if left is None or not all(any(made.may_entail(item) for made in done) for item in extra):
        return WriteOutcome.UNKNOWN
    if any(segments_lost(run, item, live) for item in extra):
        return WriteOutcome.UNKNOWN
    if step.operation.CREATES_FLAG and any(item.is_covered_by([step.operation]) for item in left):
        return WriteOutcome.UNKNOWN  # A create makes all of a flag at once: one that lacks some of it is another.
    run.flag_id = live.id
    rest = remaining(planned, left, hidden=_hidden(live))
    is_disturbed = run.conflict(live, also=[step.operation]) is not None
    is_taken_back = remaining(planned, left)[0] is not None and _was_written_since(step, live)
    if rest[0] is not None and (is_disturbed or is_taken_back):
        return WriteOutcome.UNKNOWN
    run.seen_at = NEVER if is_disturbed else run.looked_at
    if rest[0] is not None:
        step.to_send = rest[0]
        return WriteOutcome.NOT_APPLIED
    for item, part in zip(pending[1:], rest[1:], strict=True):
        if part is None:
            item.end(Status.SKIPPED, error="It was in place already: nothing was sent.")
        else:
            item.to_send = part
    run.extend(extra, after=step)
    return WriteOutcome.APPLIED


def _was_written_since(step: Step, live: LiveFlag) -> bool:
    """Whether a flag that lacks the call was written after it was sent: by the call, which others have taken back."""
    written = parse_time(live.last_modified_at)
    return step.sent_at is not None and written is not None and written > step.sent_at + _CLOCK_SKEW


def _hidden(live: LiveFlag) -> set[str]:
    """What an edit can carry and the server does not show."""
    return {field.edit for field in FIELDS if field.edit and isinstance(getattr(live.spec, field.name), Unset)}


def _operations_left(run: FlagRun, live: LiveFlag, *, as_whole: bool) -> list[Operation] | None:
    """What is left to do; a call that no plan showed may be about what the file of a new flag leaves out."""
    try:
        return run.operations_left_of_whole(live) if as_whole else run.operations_left(live)
    except InvalidInputError:
        return None


def segments_lost(run: FlagRun, operation: Operation, live: LiveFlag | None) -> tuple[str, ...]:
    """What a call that no plan showed would lose of live segments, by name: guards never saw it.

    Empty where the loss was allowed. Rests on "Edit", as `losses_of`.
    """
    if (
        live is None
        or ("target_segments",) not in operation.sets
        or "cohort-conditions" in run.context.planner.options.allow
    ):
        return ()
    segments = live.spec.target_segments or ()
    names = (name for item in segments for name in (*losses_of(item), *(name for name, _ in item.unlisted)))
    return tuple(dict.fromkeys(names))
