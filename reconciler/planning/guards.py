"""What refuses a plan: one function per guard, one table. A guard sees everything and changes nothing.

Each is named, and each name is what `--allow` takes, save those that nothing may override.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.model.reads import declared_lists
from reconciler.model.wire import losses_of
from reconciler.planning.dependents import children_of, lost_variants, switched_off
from reconciler.planning.operations import EditFlag
from reconciler.planning.plan import Action, Refusal
from reconciler.planning.planner import is_left_archived, scope_of
from reconciler.planning.segments import rekeyed_segments, without_shield
from reconciler.text import counted, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model.config import Config, Limit
    from reconciler.model.flag import DesiredState, FlagSpec, LiveFlag, LiveState
    from reconciler.planning.kill_switch import KillSwitch
    from reconciler.planning.plan import FlagPlan, Plan

_LOOKS_PER_FLAG = 2
"""Each flag is read before its first call and after its last."""


class Facts(Struct, frozen=True, kw_only=True):
    """What guards decide on."""

    plan: Plan
    desired: DesiredState
    live: LiveState
    config: Config
    kill_switches: tuple[KillSwitch, ...] = ()


def check_guards(
    plan: Plan, desired: DesiredState, live: LiveState, config: Config, kill_switches: tuple[KillSwitch, ...] = ()
) -> Plan:
    """The plan with a Refusal for every guard that refuses it and is not overridden, in the table's order.

    `plan` carries its exposure already; `kill_switches` are those that it would undo.
    """
    facts = Facts(plan=plan, desired=desired, live=live, config=config, kill_switches=kill_switches)
    refusals = [
        Refusal(guard=name, message=message, override=override)
        for name, guard, override in GUARDS
        if not (name in plan.options.allow and name in ALLOWABLE)
        for message in guard(facts)
    ]
    return replace(plan, refusals=tuple(refusals))


def _empty(facts: Facts) -> Iterator[str]:
    if not facts.desired.flags and facts.live.flags:
        yield (
            f"No flag is declared, but {len(facts.live.flags)} are live: a wrong directory, or an empty checkout? "
            "`reconciler import` writes live flags as files."
        )


def _duplicates(facts: Facts) -> Iterator[str]:
    is_considered = _considered(facts)
    for key, ids in sorted(facts.live.duplicates.items()):
        if key in facts.desired.flags and is_considered(key):
            yield f'Several live flags carry the key "{key}" (ids {", ".join(ids)}): archive all but one.'


def _archived(facts: Facts) -> Iterator[str]:
    for flag in _left_archived(facts):
        declared = facts.desired.flags[flag.key]
        if isinstance(declared.spec.archived, Unset) and not declared.ignored.covers("archived"):
            yield (
                f'"{flag.key}" is declared, but archived live. Remove its file, declare `archived: true`, or declare '
                "`archived: false` and use --unarchive."
            )


def _unarchive(facts: Facts) -> Iterator[str]:
    for flag in _left_archived(facts):
        if facts.desired.flags[flag.key].spec.archived is False:
            yield f'"{flag.key}" declares `archived: false`, but is archived live: bring it back with --unarchive.'


def _left_archived(facts: Facts) -> Iterator[LiveFlag]:
    is_considered, desired = _considered(facts), facts.desired.flags
    for key, flag in facts.live.flags.items():
        is_asked = flag.spec.archived and key in desired and is_considered(key)
        if is_asked and is_left_archived(desired[key], flag, facts.plan.options):
            yield flag


def _considered(facts: Facts) -> Callable[[str], bool]:
    """Tells whether the plan is about the flag of a key at all: in its scope, and not frozen."""
    is_in_scope = scope_of(facts.plan.options)
    return lambda key: key not in facts.plan.frozen and is_in_scope(key)


def _updates(facts: Facts) -> Iterator[str]:
    changed = [flag for flag in facts.plan.flags if flag.action in {Action.UPDATE, Action.UNARCHIVE}]
    yield from _over(facts, len(changed), facts.config.safety.max_updates, "maxUpdates", "updates")


def _archives(facts: Facts) -> Iterator[str]:
    """Archives of all shards together: the list shows them, and none of them is for one shard alone to judge."""
    own = sum(flag.action is Action.ARCHIVE for flag in facts.plan.flags)
    others = sum(1 for _ in _archived_by_other_shards(facts))
    whole = replace(facts, plan=replace(facts.plan, options=replace(facts.plan.options, shard=None)))
    what = f"archives in all shards, {own} of them in this one" if others else "archives"
    yield from _over(whole, own + others, facts.config.safety.max_archives, "maxArchives", what)


def _archived_by_other_shards(facts: Facts) -> Iterator[str]:
    options, tag = facts.plan.options, facts.config.managed_tag
    if options.shard is None:
        return
    is_own, is_target = scope_of(options), scope_of(replace(options, shard=None))
    for key, flag in facts.live.flags.items():
        if flag.spec.archived or is_own(key) or not is_target(key):
            continue
        declared = facts.desired.flags.get(key)
        is_pruned = options.prune and declared is None and tag in (flag.spec.tags or ())
        if is_pruned or (declared is not None and declared.spec.archived is True):
            yield key


def _over(facts: Facts, count: int, limit: Limit, setting: str, what: str) -> Iterator[str]:
    """Whether more than a limit allows, of which a shard has its part, by its flags: a number is rounded up."""
    shard, safety = facts.plan.options.shard, facts.config.safety
    if limit.count is not None:
        part = Fraction(_live(facts), _live_in_all(facts) or 1) if shard else Fraction(1)
        allowed = ceil(limit.count * part)
        shared = "" if allowed == limit.count else f", {allowed} of them in this shard"
        if count > allowed:
            yield f"{count} {what}, more than safety.{setting} allows ({limit}{shared})."
    elif limit.share is not None and count and _live_in_all(facts) >= safety.min_flags:
        declared = _live(facts)
        # A share of a few flags is less than one of them: where all shards together are many, one is let through.
        most = limit.share * declared if declared >= safety.min_flags else ceil(limit.share * declared)
        if count > most:
            yield f"{count} {what} of {declared} declared live flags, more than safety.{setting} allows ({limit})."


def _live_in_all(facts: Facts) -> int:
    """The declared flags that a percentage counts against, those of all shards."""
    options = replace(facts.plan.options, shard=None)
    return _live(replace(facts, plan=replace(facts.plan, options=options)))


def _live(facts: Facts) -> int:
    """The declared flags that a percentage counts against: of a shard its own; targets do not make them fewer.

    Where targets alone were read, a declared flag outside of them is taken for a live one.
    """
    live, options = facts.live, facts.plan.options
    is_in_scope, is_in_shard = scope_of(options), scope_of(replace(options, targets=()))
    declared = facts.desired.flags if options.shard is None else filter(is_in_shard, facts.desired.flags)
    if live.is_complete:
        return sum(key in live.flags for key in declared)
    return sum(key in live.flags or not is_in_scope(key) for key in declared)


def _rebucket(facts: Facts) -> Iterator[str]:
    for flag in facts.plan.flags:
        if flag.before is None or flag.before.enabled is not True or flag.before.archived:
            continue
        body = _patched(flag)
        names = [field.edit for field in FIELDS if field.rebuckets and field.edit in body]
        if "targetSegments" in body and "bucketingKey" not in body and flag.after is not None:
            names += [f"bucketingKey of {new.name}" for _, new in rekeyed_segments(flag.before, flag.after)]
        if names:
            yield f'"{flag.key}" is enabled, and a change of {", ".join(names)} deals its users out anew.'


def _cohort_conditions(facts: Facts) -> Iterator[str]:
    for flag in facts.plan.flags:
        if "targetSegments" not in _patched(flag) or flag.before is None:
            continue
        segments = without_shield(flag.before.target_segments or ())
        lost = [f"{', '.join(losses)} (in {item.name})" for item in segments if (losses := losses_of(item))]
        if lost:
            yield (
                f'Replacing the segments of "{flag.key}" would lose what the API cannot carry: {"; ".join(lost)}. '
                "Leave `targetSegments` undeclared, or edit them in Amplitude."
            )


def _dependents(facts: Facts) -> Iterator[str]:
    archived = {flag.key for flag in facts.plan.flags if flag.action is Action.ARCHIVE}
    returning = {flag.key for flag in facts.plan.flags if flag.action is Action.UNARCHIVE}
    for plan in facts.plan.flags:
        off, variants = switched_off(plan), lost_variants(plan)
        for child, allowed in children_of(plan.flag_id, facts.live) if plan.flag_id else ():
            if (child.spec.archived and child.key not in returning) or child.key in archived:
                continue
            if off:
                yield f'"{child.key}" depends on "{plan.key}", which would be {off}: its users would get nothing.'
            elif named := sorted(variants & allowed):
                yield f'"{child.key}" depends on variant {", ".join(named)} of "{plan.key}", which would go.'


def _kill_switch(facts: Facts) -> Iterator[str]:
    for switch in facts.kill_switches:
        yield switch.message


def _patched(flag: FlagPlan) -> dict[str, object]:
    body: dict[str, object] = {}
    for operation in flag.operations:
        if isinstance(operation, EditFlag):
            body |= operation.body
    return body


def _exposure(facts: Facts) -> Iterator[str]:
    limit = facts.config.safety.max_exposure_change
    for flag in facts.plan.flags:
        if flag.exposure and flag.exposure.switched > limit:
            share, allowed = percent(flag.exposure.switched), percent(limit)
            yield f'"{flag.key}" moves {share} of users; safety.maxExposureChange is {allowed}.'


def _zero_weights(facts: Facts) -> Iterator[str]:
    for flag in facts.plan.flags:
        if flag.before and flag.after and _weighs_nothing(flag.after) and not _weighs_nothing(flag.before):
            yield (
                f'"{flag.key}" would be left with weights that are all 0, which deals its users out evenly: declare '
                "`rolloutWeights` with at least one above 0."
            )


def _weighs_nothing(spec: FlagSpec) -> bool:
    if isinstance(spec.rollout_weights, Unset):
        return False
    weights = spec.rollout_weights
    return not any(weights.get(variant.key) for variant in spec.variants or ())


def _shield(facts: Facts) -> Iterator[str]:
    for flag in facts.plan.flags:
        if flag.shield_refusal:
            yield f'"{flag.key}": {flag.shield_refusal}'


def _transient(facts: Facts) -> Iterator[str]:
    limit = facts.config.safety.max_transient
    for flag in facts.plan.flags:
        if flag.transient > limit:
            yield (
                f'"{flag.key}" shows {percent(flag.transient)} of users, between two calls, a variant that is '
                f"neither the old nor the new one; safety.maxTransient is {percent(limit)}. --shield avoids it "
                "for two calls more."
            )


def _quota(facts: Facts) -> Iterator[str]:
    budget, spent = facts.config.requests.daily_budget, facts.plan.requests
    needed = _requests_to_apply(facts.plan, facts.desired, facts.live)
    if facts.plan.flags and spent + needed > budget:
        yield (
            f"Applying takes about {counted(needed, 'request')} after the {spent} of the refresh, more than"
            f" requests.dailyBudget leaves ({budget}): it would end half-way. Use --target for a part of it, or raise"
            " the budget."
        )


def _requests_to_apply(plan: Plan, desired: DesiredState, live: LiveState) -> int:
    """At least what applying the plan sends when nothing fails; retries and late reads come on top.

    A look at a flag is one look-up, or its share of the list where reading that takes fewer requests, and one read of
    each declared list of users or cohorts.
    """
    looked_up = sum(1 for flag in plan.flags if flag.flag_id is not None)
    by_key = min(looked_up, max(live.pages, 1)) + (len(plan.flags) - looked_up)
    hydration = sum(_reads_of(flag, desired) for flag in plan.flags)
    return sum(len(flag.operations) for flag in plan.flags) + _LOOKS_PER_FLAG * (by_key + hydration)


def _reads_of(flag: FlagPlan, desired: DesiredState) -> int:
    declared = desired.flags.get(flag.key)
    return 0 if declared is None else sum(1 for _ in declared_lists(declared.spec))


GUARDS: tuple[tuple[str, Callable[[Facts], Iterator[str]], str], ...] = (
    ("empty", _empty, "--allow empty"),
    ("duplicates", _duplicates, ""),
    ("archived", _archived, ""),
    ("unarchive", _unarchive, "--unarchive"),
    ("updates", _updates, "--allow updates"),
    ("archives", _archives, "--allow archives"),
    ("rebucket", _rebucket, "--allow rebucket"),
    ("cohort-conditions", _cohort_conditions, "--allow cohort-conditions"),
    ("dependents", _dependents, "--allow dependents"),
    ("kill-switch", _kill_switch, "--allow kill-switch"),
    ("exposure", _exposure, "--allow exposure"),
    ("zero-weights", _zero_weights, ""),
    ("shield", _shield, ""),
    ("transient", _transient, "--allow transient"),
    ("quota", _quota, "--allow quota"),
)
"""Name, guard, and what overrides it ("" where nothing does: the state itself has to be put right)."""

ALLOWABLE = frozenset(name for name, _, override in GUARDS if override == f"--allow {name}")
"""What `--allow` takes."""
