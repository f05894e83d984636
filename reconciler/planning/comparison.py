"""A flag live beside what a plan makes of it, for evaluating users on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.comparison import compare
from reconciler.evaluation.evaluate import FlagWithParents
from reconciler.model.flag import LiveFlag
from reconciler.planning.plan import PlanOptions
from reconciler.planning.planner import Planner, is_left_archived

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconciler.evaluation.comparison import Comparison
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec

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
    return compare(
        key,
        live,
        planned_with_parents(key, live, desired, config),
        is_declared=declared is not None,
        notes=_plan_notes(live.flag, declared, now),
    )


def planned_with_parents(key: str, live: FlagWithParents, desired: DesiredState, config: Config) -> FlagWithParents:
    """A flag and those that it depends on as plans leave them. Raises InvalidInputError where no calls can."""

    def planned(flag: LiveFlag) -> LiveFlag:
        return replace(flag, spec=planned_spec(desired.flags.get(flag.key), flag, config) or flag.spec)

    if live.flag is not None:
        flag: LiveFlag | None = planned(live.flag)
    else:
        spec = planned_spec(desired.flags.get(key), None, config)
        flag = LiveFlag(id="", project_id=config.project_id, spec=spec) if spec else None
    return FlagWithParents(flag=flag, parents=tuple(map(planned, live.parents)))


def planned_spec(declared: DesiredFlag | None, live: LiveFlag | None, config: Config) -> FlagSpec | None:
    """The flag after its plan; None where there is nothing to plan. Raises InvalidInputError where that cannot be."""
    if declared is None:
        return None
    plan = Planner(config=config, options=_OPTIONS).plan_flag(declared, live)
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
