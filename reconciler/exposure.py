"""Who is moved by a plan: shares before and after, per flag and segment. Pure; reads plans, changes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planning.plan import FlagExposure

if TYPE_CHECKING:
    from reconciler.planning.plan import FlagPlan, Plan


def preview(flag_plan: FlagPlan) -> FlagExposure:
    """What the plan of one flag does to its users."""
    return flag_plan.exposure or FlagExposure()


def with_exposure(plan: Plan) -> Plan:
    """The same plan with the exposure of every flag."""
    return plan
