"""Guards of the run: what refuses a plan as a whole, so that nothing is sent."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.reads import declared_lists
from reconciler.planning.plan import Action
from reconciler.planning.planner import scope_of
from reconciler.planning.pruning import is_prunable
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model.config import Config, Limit
    from reconciler.model.flag import DesiredState, LiveState
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


def _empty(facts: Facts) -> Iterator[str]:
    is_meant = facts.desired.elsewhere and not facts.plan.options.prune
    if not facts.desired.flags and facts.live.flags and not is_meant:
        yield (
            f"No flag is declared, but {len(facts.live.flags)} are live: a wrong directory, or an empty checkout? "
            "`reconciler import` writes live flags as files."
        )


def _updates(facts: Facts) -> Iterator[str]:
    tag = facts.config.managed_tag
    changed = [
        flag
        for flag in facts.plan.to_apply
        if flag.action in {Action.UPDATE, Action.UNARCHIVE} and not _is_taken_in(flag, tag)
    ]
    yield from _over(facts, len(changed), facts.config.safety.max_updates, "maxUpdates", "updates")


def _is_taken_in(flag: FlagPlan, tag: str | None) -> bool:
    """Whether all that happens to a flag is that it gets the managed tag: no update that limits are about."""
    if tag is None or len(flag.changes) != 1 or flag.before is None or flag.after is None:
        return False
    return flag.changes[0].path == "/tags" and {tag, *(flag.before.tags or ())} == set(flag.after.tags or ())


def _archives(facts: Facts) -> Iterator[str]:
    """Archives of all shards together, as the list shows them: the limit holds for the whole project."""
    own = sum(flag.action is Action.ARCHIVE for flag in facts.plan.to_apply)
    others = sum(1 for _ in _archived_by_other_shards(facts))
    whole = replace(facts, plan=replace(facts.plan, options=replace(facts.plan.options, shard=None)))
    what = f"archives in all shards, {own} of them in this one" if others else "archives"
    yield from _over(whole, own + others, facts.config.safety.max_archives, "maxArchives", what)


def _archived_by_other_shards(facts: Facts) -> Iterator[str]:
    options = facts.plan.options
    is_own, is_target = scope_of(options), scope_of(replace(options, shard=None))
    for key, flag in facts.live.flags.items():
        if flag.spec.archived or is_own(key) or not is_target(key):
            continue
        declared = facts.desired.flags.get(key)
        is_pruned = options.prune and declared is None and is_prunable(flag, facts.config)
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
    elif limit.share is not None and _live_in_all(facts) >= safety.min_flags:
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


def _quota(facts: Facts) -> Iterator[str]:
    budget, spent = facts.config.requests.daily_budget, facts.plan.requests
    needed = _requests_to_apply(facts.plan, facts.desired, facts.live)
    if facts.plan.to_apply and spent + needed > budget:
        yield (
            f"Applying takes about {counted(needed, 'request')} after the {spent} of the refresh, more than"
            f" requests.dailyBudget leaves ({budget} for each run): it would end half-way. Use --target for a part of"
            f" it, or raise the budget to {spent + needed} at least."
        )


def _requests_to_apply(plan: Plan, desired: DesiredState, live: LiveState) -> int:
    """At least what applying the plan sends when nothing fails; retries and late reads come on top.

    A look at a flag is one look-up, or its share of the list where reading that takes fewer requests, and one read of
    each declared list of users or cohorts.
    """
    flags = plan.to_apply
    looked_up = sum(1 for flag in flags if flag.flag_id is not None)
    by_key = min(looked_up, max(live.pages, 1)) + (len(flags) - looked_up)
    hydration = sum(_reads_of(flag, desired) for flag in flags)
    feed = any(len(flag.operations) > 1 for flag in flags)  # who else edited a flag between its calls
    return sum(len(flag.operations) for flag in flags) + _LOOKS_PER_FLAG * (by_key + hydration) + feed


def _reads_of(flag: FlagPlan, desired: DesiredState) -> int:
    declared = desired.flags.get(flag.key)
    return 0 if declared is None else sum(1 for _ in declared_lists(declared.spec))


RUN_GUARDS: tuple[tuple[str, Callable[[Facts], Iterator[str]]], ...] = (
    ("empty", _empty),
    ("updates", _updates),
    ("archives", _archives),
    ("quota", _quota),
)
"""Name and guard; `--allow` with the name overrides it."""
