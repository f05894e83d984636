"""Flags that depend on another one, and what they lose when that one gives less.

Rests on "parentDependencies": users who get none of the variants named there get nothing of the child.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from reconciler.evaluation.exposure import other_clients
from reconciler.evaluation.rules import flag_rules, is_on, variants_of
from reconciler.model.flag import OFF, UNSET
from reconciler.model.reads import MEMBERS
from reconciler.planning.operations import (
    AddDeployments,
    CreateFlag,
    DeleteVariant,
    EditFlag,
    EditVariant,
    MembersOperation,
)
from reconciler.planning.plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.flag import FlagSpec, LiveFlag, LiveState, MemberKind, Variant
    from reconciler.planning.plan import FlagPlan, Plan


def children_of(flag_id: str, live: LiveState) -> Iterator[tuple[LiveFlag, frozenset[str]]]:
    """The live flags and experiments that depend on one, archived ones too, and which variants let users through.

    None named: every variant does.
    """
    for child in (*live.flags.values(), *(live.experiments or ())):
        for parent, allowed in child.parent_dependencies.flags if child.parent_dependencies else ():
            if parent == flag_id:
                yield child, frozenset(allowed)


def child_name(child: LiveFlag, live: LiveState) -> str:
    """What depends on a flag, by its kind and key: `Flag "child"` or `Experiment "child"`."""
    is_flag = child.key in live.flags and live.flags[child.key].id == child.id
    return f'{"Flag" if is_flag else "Experiment"} "{child.key}"'


def switched_off(flag: FlagPlan) -> str:
    """`archived` or `disabled` where a call of the plan does that to the flag; empty otherwise."""
    bodies = [operation.body for operation in flag.operations if isinstance(operation, EditFlag)]
    if any(body.get("archive") is True for body in bodies):
        return "archived"
    return "disabled" if any(body.get("enabled") is False for body in bodies) else ""


def lost_variants(flag: FlagPlan) -> frozenset[str]:
    """The keys of variants that the plan removes or renames."""
    return frozenset(
        operation.variant_key
        for operation in flag.operations
        if isinstance(operation, DeleteVariant) or (isinstance(operation, EditVariant) and "key" in operation.body)
    )


def _with_payload(flag: FlagPlan) -> frozenset[str]:
    """The keys of variants that get another payload."""
    edits = (operation for operation in flag.operations if isinstance(operation, EditVariant))
    return frozenset(operation.variant_key for operation in edits if "payload" in operation.body)


def served_variants(spec: FlagSpec | None) -> frozenset[str]:
    """The variants that the rules of the flag can give. Those that only listed users get do not count."""
    rules = flag_rules(spec)
    return frozenset(key for rule in rules for key in (rule.constant, *(key for key, _ in rule.cuts))) - {OFF}


def may_let_others_down(plan: Plan) -> bool:
    """Whether the plan takes something away that another flag may depend on: a flag, a variant, or its users."""
    return any(
        flag.flag_id and (switched_off(flag) or lost_variants(flag) or _serves_less(flag)) for flag in plan.flags
    )


def concerns_experiments(plan: Plan) -> bool:
    """Whether the plan takes a key that an experiment may have, or something away that one may depend on."""
    return any(flag.action is Action.CREATE or switched_off(flag) or lost_variants(flag) for flag in plan.flags)


def added_deployments(flag: FlagPlan) -> frozenset[str]:
    """The ids of the deployments that the plan of a flag attaches."""
    return frozenset(
        deployment
        for operation in flag.operations
        for deployment in (
            operation.deployments
            if isinstance(operation, AddDeployments)
            else operation.body.get("deployments", ())
            if isinstance(operation, CreateFlag)
            else ()
        )
    )


def hidden_lists_that_matter(plan: Plan) -> Iterator[tuple[str, Variant, MemberKind]]:
    """Lists of inclusions that were not read, as nothing declares them, and that decide whom the plan affects.

    By the key of the flag, the live variant and the kind: all of a flag that goes on or off, leaves or gets clients,
    or has a variant that goes or is renamed; those beside a list that changes; those of a variant that gets another
    payload. Of a user in two lists the first variant wins, so lists are told together.
    """
    for flag in plan.flags:
        before, after = flag.before, flag.after
        if before is None or after is None or not (is_on(before) or is_on(after)):
            continue
        is_switched = is_on(before) != is_on(after) or any(True for _ in other_clients(before, after))
        is_whole, paid = is_switched or bool(lost_variants(flag)), _with_payload(flag)
        kinds = {item.member_kind for item in flag.operations if isinstance(item, MembersOperation)}
        for variant, kind in product(variants_of(before), MEMBERS):
            if getattr(variant, kind) is UNSET and (is_whole or kind in kinds or variant.key in paid):
                yield flag.key, variant, kind


def _serves_less(flag: FlagPlan) -> bool:
    return not served_variants(flag.before) <= served_variants(flag.after)
