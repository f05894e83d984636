"""Exposure of a plan: adds to each flag who is moved, and warnings about what its changes do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.exposure import FlagExposure, exposure_of
from reconciler.planning.segments import is_shielded
from reconciler.planning.warnings import alarms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.flag import FlagSpec, LiveFlag, LiveState
    from reconciler.planning.plan import FlagPlan, Plan


def with_exposure(plan: Plan, live: LiveState | None = None) -> Plan:
    """The same plan with the exposure of every flag, and its alarms among the flag's warnings.

    `live` is the refresh that the plan was made from: with it, dependencies are noted too.
    """
    return replace(plan, flags=tuple(_exposed(flag, live) for flag in plan.flags))


def preview(flag_plan: FlagPlan, live_flag: LiveFlag | None = None) -> FlagExposure:
    """What the plan of one flag does to its users.

    A plan read from a file has no flags to compare: it keeps the exposure it was saved with.
    """
    if flag_plan.after is None:
        return flag_plan.exposure or FlagExposure()
    exposure = exposure_of(flag_plan.before, flag_plan.after)
    return replace(exposure, notes=(*exposure.notes, *_notes(flag_plan.before, live_flag)))


def _exposed(flag: FlagPlan, live: LiveState | None) -> FlagPlan:
    live_flag = live.flags.get(flag.key) if live else None
    warnings = dict.fromkeys((*flag.warnings, *alarms(flag, live)))
    return replace(flag, exposure=preview(flag, live_flag), warnings=tuple(warnings))


def _notes(before: FlagSpec | None, live_flag: LiveFlag | None) -> Iterator[str]:
    if before is not None and is_shielded(before):
        yield "The shield of an earlier plan that did not come to its end is still up; this plan takes it down."
    parents = live_flag.parent_dependencies if live_flag else None
    if parents is not None and parents.flags:
        ids = ", ".join(flag_id for flag_id, _ in parents.flags)
        yield f"Shares are of users whom the flags this one depends on let through (ids {ids})."
