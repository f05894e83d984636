"""What users see of a flag that was not applied in full, by the calls that were made or may have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.apply.report import Status
from reconciler.evaluation.exposure import exposure_of
from reconciler.evaluation.rules import variants_of
from reconciler.model.flag import Unset
from reconciler.model.reads import MEMBERS
from reconciler.planning.operations import ImpossibleCallError, apply_operations
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.steps import Step
    from reconciler.evaluation.exposure import FlagExposure
    from reconciler.model.flag import FlagSpec, Variant
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
    now = seen or _after(made, start)
    doubt = f" Call {doubtful[0]} may have taken effect beside that." if doubtful else ""
    if now is None:
        return "" if made else f"Users see nothing of it yet: the flag was not created.{doubt}"
    now = _with_known_lists(now, plan.before)
    moved, left = exposure_of(plan.before, now), exposure_of(now, plan.after)
    if not made and plan.before is not None and not (moved.switched or moved.listed):
        return f"Users see what they saw before this run: {_state(now)}.{doubt}"
    calls = f"After {len(made)} of {counted(len(steps), 'call')}"
    return (
        f"{calls} the flag is {_state(now)}: {percent(moved.switched)} of users{_listed(moved)} get another variant"
        f" than before this run, and {percent(left.switched)}{_listed(left)} not yet the planned one.{doubt}"
    )


def _listed(exposure: FlagExposure) -> str:
    """Who is listed and gets another variant: ` and 2 listed users`; empty where there is none."""
    counts = ((kind, sum(item.count for item in exposure.listed if item.kind == kind)) for kind in MEMBERS)
    return "".join(f" and {counted(count, f'listed {kind[:-1]}')}" for kind, count in counts if count)


def _with_known_lists(now: FlagSpec, before: FlagSpec | None) -> FlagSpec:
    """The flag with the lists that only the plan's reads showed: no call of the run is about these."""
    known = {variant.key: variant for variant in variants_of(before)}
    if isinstance(now.variants, Unset):
        return now

    def filled(variant: Variant) -> Variant:
        old = known.get(variant.key, variant)
        hidden = (kind for kind in MEMBERS if isinstance(getattr(variant, kind), Unset))
        return replace(variant, **{kind: getattr(old, kind) for kind in hidden})

    return replace(now, variants=tuple(map(filled, now.variants)))


def _after(made: Sequence[Operation], start: FlagSpec | None) -> FlagSpec | None:
    """The flag after the calls; None where there is none, or where they do not fit what it was."""
    calls = [item for item in made if not (item.CREATES_FLAG and start is not None)]
    try:
        return apply_operations(start, calls)
    except ImpossibleCallError:
        return None


def _state(spec: FlagSpec) -> str:
    words = ["archived" if spec.archived else "on" if spec.enabled is True else "off"]
    if not isinstance(spec.rollout_percentage, Unset):
        words.append(f"rollout {spec.rollout_percentage:g}%")
    return ", ".join(words)
