"""How many requests it takes to make a plan true: the calls, and the reads around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.reads import declared_lists

if TYPE_CHECKING:
    from reconciler.model.flag import DesiredState, LiveState
    from reconciler.planning.plan import FlagPlan, Plan

_LOOKS = 2
"""Each flag is read before its first call and after its last."""


def requests_to_apply(plan: Plan, desired: DesiredState, live: LiveState) -> int:
    """At least what applying the plan sends when nothing fails; retries and late reads come on top.

    A look at a flag is one look-up, or its share of the list where reading that takes fewer requests, and one read of
    each declared list of users or cohorts.
    """
    looked_up = sum(1 for flag in plan.flags if flag.flag_id is not None)
    by_key = min(looked_up, max(live.pages, 1)) + (len(plan.flags) - looked_up)
    hydration = sum(_reads_of(flag, desired) for flag in plan.flags)
    return sum(len(flag.operations) for flag in plan.flags) + _LOOKS * (by_key + hydration)


def _reads_of(flag: FlagPlan, desired: DesiredState) -> int:
    declared = desired.flags.get(flag.key)
    return 0 if declared is None else sum(1 for _ in declared_lists(declared.spec))
