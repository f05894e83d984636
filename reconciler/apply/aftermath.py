"""What users see of a flag that was not applied in full, by the calls that were made or may have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.apply.report import Status
from reconciler.evaluation.exposure import exposure_of
from reconciler.model.flag import Unset
from reconciler.planning.operations import ImpossibleCallError, apply_operations
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.steps import Step
    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation
    from reconciler.planning.plan import FlagPlan


def what_users_see(
    plan: FlagPlan, steps: Sequence[Step], status: Status, *, start: FlagSpec | None, seen: FlagSpec | None
) -> str:
    """What users see now of a flag that failed or is unknown, in sentences; empty for all others.

    It rests on `seen`, the flag as it was read after the last call, edits of others included; or else on `start`, the
    flag before the calls (of a new one, as it was read after its create), and on the calls that were made.
    """
    if status not in {Status.FAILED, Status.UNKNOWN} or plan.after is None:
        return ""
    made = [step.operation for step in steps if step.status is Status.APPLIED]
    doubtful = [step.order for step in steps if step.status is Status.UNKNOWN]
    now = seen or _after(plan, made, start)
    doubt = f" Call {doubtful[0]} may have taken effect beside that." if doubtful else ""
    if now is None:
        return "" if made else f"Users see nothing of it yet: the flag was not created.{doubt}"
    moved, left = exposure_of(plan.before, now).switched, exposure_of(now, plan.after).switched
    if not made and plan.before is not None and not moved:
        return f"Users see what they saw before this run: {_state(now)}.{doubt}"
    calls = f"After {len(made)} of {counted(len(steps), 'call')}"
    return (
        f"{calls} the flag is {_state(now)}: {percent(moved)} of users get another variant than before this run, and"
        f" {percent(left)} not yet the planned one.{doubt}"
    )


def _after(plan: FlagPlan, made: Sequence[Operation], start: FlagSpec | None) -> FlagSpec | None:
    """The flag after the calls; None where there is none, or where they do not fit what it was."""
    calls = [item for item in made if not (item.CREATES_FLAG and start is not None)]
    if start is None and not made:
        return plan.before
    try:
        return apply_operations(start or plan.before, calls)
    except ImpossibleCallError:
        return None


def _state(spec: FlagSpec) -> str:
    words = ["archived" if spec.archived else "on" if spec.enabled is True else "off"]
    if not isinstance(spec.rollout_percentage, Unset):
        words.append(f"rollout {spec.rollout_percentage:g}%")
    return ", ".join(words)
