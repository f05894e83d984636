"""Which flags of a plan come before which: what depends on a flag goes off before it, and comes on after it.

Amplitude keeps a flag from being archived, and its variants from being removed, while others depend on it, and a flag
from starting before those that it depends on. In the other order its users would get nothing for a while.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from reconciler.planning.dependents import children_of, lost_variants, switched_off
from reconciler.planning.operations import EditFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.flag import LiveState
    from reconciler.planning.plan import FlagPlan, Plan


def earlier_flags(plan: Plan, live: LiveState) -> Mapping[str, Mapping[str, bool]]:
    """By the key of a flag, the keys of those that come before it, without circles.

    True: where that one fails, nothing may be sent of this one, since its dependents guard was asked with it done.
    """
    planned = {flag.key: flag for flag in plan.to_apply}
    found: dict[str, dict[str, bool]] = {}
    for parent in plan.to_apply:
        for item, allowed in children_of(parent.flag_id, live) if parent.flag_id else ():
            child = planned.get(item.key)
            if child is None or child.flag_id != item.id:
                continue
            if switched_off(child) and (switched_off(parent) or lost_variants(parent) & allowed):
                is_on = not item.spec.archived and item.spec.enabled is not False
                needed = is_on and not plan.options.allows("dependents", parent.key)
                found.setdefault(parent.key, {})[child.key] = needed
            elif _comes_on(child) and _comes_on(parent):
                found.setdefault(child.key, {})[parent.key] = False
    return _without_circles(found)


def _comes_on(flag: FlagPlan) -> bool:
    bodies = [operation.body for operation in flag.operations if isinstance(operation, EditFlag)]
    return any(body.get("enabled") is True or body.get("archive") is False for body in bodies)


def _without_circles(found: dict[str, dict[str, bool]]) -> dict[str, dict[str, bool]]:
    """Flags that wait for each other would wait for ever: one of them does not."""
    while True:
        try:
            TopologicalSorter(found).prepare()
        except CycleError as error:
            earlier, later = error.args[1][:2]
            del found[later][earlier]
        else:
            return found
