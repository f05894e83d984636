"""What a plan does to users: the exposure of its flags, and both sides of one flag for evaluating users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.comparison import compare
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.evaluation.exposure import FlagExposure, exposure_of
from reconciler.model.flag import LiveFlag, Unset
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import Planner, is_left_archived
from reconciler.planning.segments import is_shielded
from reconciler.planning.warnings import alarms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconciler.evaluation.comparison import Comparison
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec, LiveState
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


_OPTIONS = PlanOptions(unarchive=True)


def compare_with_plan(
    key: str, live: FlagWithParents, desired: DesiredState, config: Config, *, now: datetime
) -> Comparison:
    """Both sides of a flag that exists or is declared.

    The desired side is what the plan's calls make of the live flag, and of those it depends on. Guards are not
    checked, and an archived flag that declares `archived: false` comes back. Without a declaration nothing is
    planned. Raises InvalidInputError where no calls can meet the declaration.
    """
    declared = desired.flags.get(key)

    def planned(flag: LiveFlag) -> LiveFlag:
        return replace(flag, spec=_planned(desired.flags.get(flag.key), flag, config) or flag.spec)

    if live.flag is not None:
        flag: LiveFlag | None = planned(live.flag)
    else:
        spec = _planned(declared, None, config)
        flag = LiveFlag(id="", project_id=config.project_id, spec=spec) if spec else None
    return compare(
        key,
        live,
        FlagWithParents(flag=flag, parents=tuple(map(planned, live.parents))),
        is_declared=declared is not None,
        notes=_plan_notes(live.flag, declared, now),
    )


def _planned(declared: DesiredFlag | None, live: LiveFlag | None, config: Config) -> FlagSpec | None:
    """The flag after its plan; None where there is nothing to plan."""
    if declared is None:
        return None
    shows_tags = live is None or not isinstance(live.spec.tags, Unset)
    plan = Planner(config=config, options=_OPTIONS, shows_tags=shows_tags).plan_flag(declared, live)
    return plan.after if plan else None


def _plan_notes(flag: LiveFlag | None, declared: DesiredFlag | None, now: datetime) -> Iterator[str]:
    if declared is None:
        yield "No flag file declares this flag: a plan leaves it as it is."
        return
    if declared.is_frozen(now):
        yield f"Frozen until {declared.frozen_until}: until then a plan leaves the flag as it is live."
    if flag is None or not flag.spec.archived:
        return
    if is_left_archived(declared, flag, _OPTIONS):
        yield "The flag is archived, and its declaration does not say `archived`: a plan is refused."
    elif declared.spec.archived is False:
        yield "The flag is archived: a plan brings it back only with --unarchive."
