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
    from reconciler.planning.plan import FlagPlan


def what_users_see(plan: FlagPlan, steps: Sequence[Step], status: Status) -> str:
    """What users see now of a flag that failed or is unknown, in sentences; empty for all others.

    It rests on the flag as it was planned from and on the calls that were made. Where other edits came in between,
    nothing is said: the error tells of them.
    """
    if status not in {Status.FAILED, Status.UNKNOWN} or plan.after is None:
        return ""
    made = [step.operation for step in steps if step.status is Status.APPLIED]
    doubtful = [step.order for step in steps if step.status is Status.UNKNOWN]
    try:
        now = apply_operations(plan.before, made) if made or plan.before is not None else None
    except ImpossibleCallError:
        return ""
    doubt = f" Call {doubtful[0]} may have taken effect beside that." if doubtful else ""
    if now is None:
        return f"Users see nothing of it yet: the flag was not created.{doubt}"
    if not made:
        return f"Users see what they saw before this run: {_state(now)}.{doubt}"
    moved, left = exposure_of(plan.before, now).switched, exposure_of(now, plan.after).switched
    calls = f"After {len(made)} of {counted(len(steps), 'call')}"
    return (
        f"{calls} the flag is {_state(now)}: {percent(moved)} of users get another variant than before this run, and"
        f" {percent(left)} not yet the planned one.{doubt}"
    )


def _state(spec: FlagSpec) -> str:
    words = ["archived" if spec.archived else "on" if spec.enabled is True else "off"]
    if not isinstance(spec.rollout_percentage, Unset):
        words.append(f"rollout {spec.rollout_percentage:g}%")
    return ", ".join(words)
