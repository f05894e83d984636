"""From a client to a plan that says all that is known of it: refresh, compare, exposure, kill switches, guards.

Commands and tests that plan go through here, so that none of them misses a step. Nothing but GET is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.api.hydration import hydrate
from reconciler.api.live import fetch_live_state
from reconciler.api.versions import read_versions
from reconciler.model.reads import reads_of
from reconciler.planning.dependents import (
    added_deployments,
    concerns_experiments,
    hidden_lists_that_matter,
    may_let_others_down,
)
from reconciler.planning.guards import check_guards
from reconciler.planning.kill_switch import find_kill_switches, turned_on
from reconciler.planning.planner import build_plan, scope_of
from reconciler.planning.review import hold_unreviewed
from reconciler.planning.stored import without_settled
from reconciler.planning.warnings import with_exposure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.api.member_cache import MemberCache
    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, LiveState, MemberKind, Variant
    from reconciler.model.versions import History
    from reconciler.planning.kill_switch import KillSwitch
    from reconciler.planning.plan import Plan, PlanOptions
    from reconciler.planning.review import ReviewRecord
    from reconciler.progress import Progress


EXPERIMENTS_NOT_SHOWN = (
    "The experiments of the project cannot be read with this key: whether one has the key of a new flag, or depends "
    "on a flag, is not known."
)


async def read_and_plan(
    client: Client,
    desired: DesiredState,
    config: Config,
    options: PlanOptions,
    *,
    now: datetime,
    progress: Progress | None = None,
    cache: MemberCache | None = None,
    review: ReviewRecord | None = None,
    only: frozenset[str] | None = None,
    history: History | None = None,
) -> tuple[Plan, LiveState]:
    """The plan of now, with exposure, warnings and refusals, and the live state that it was made from.

    More is read only where the plan makes it matter: the whole project, where targets alone were read and other flags
    may depend on what goes; lists of inclusions that nothing declares, of flags and variants that come or go;
    experiments, where the plan takes a key or takes something away; deployments, where it attaches any; and versions
    of flags that are off, or at 0, and would be turned on. `history` tells since when git says so; without it each of
    these that was turned off live is held. `requests` of the plan counts all reads. With a `review`, flags that are
    not planned as they were reviewed are held; with `only`, the plan is of the flags of these keys. Raises ApiErrors,
    UsageError, StalePlanError, as the refresh and planning do.
    """
    sent = client.requests

    def planned(live: LiveState) -> Plan:
        plan = without_settled(build_plan(desired, live, config, options, now=now), live, history)
        return plan if only is None else replace(plan, flags=tuple(flag for flag in plan.flags if flag.key in only))

    async def look(*, whole_project: bool = False) -> tuple[Plan, LiveState]:
        live = await fetch_live_state(
            client,
            desired,
            targets=options.targets,
            is_wanted=scope_of(options),
            whole_project=whole_project,
            progress=progress,
            cache=cache,
        )
        return planned(live), live

    plan, live = await look()
    if not live.is_complete and may_let_others_down(plan):
        plan, live = await look(whole_project=True)
    if lists := [*hidden_lists_that_matter(plan)]:
        live = await _with_lists(client, live, lists, progress, cache)
        plan = planned(live)
    live = await _with_surroundings(client, live, plan)
    plan = with_exposure(plan, live)
    if live.experiments is None and concerns_experiments(plan):
        plan = replace(plan, warnings=(*plan.warnings, EXPERIMENTS_NOT_SHOWN))
    switches = await _kill_switches(client, plan, history, progress)
    if cache is not None:
        plan = replace(plan, hourly_drift_requests=None)  # drift has no cache: what was saved here tells nothing
    plan = replace(plan, requests=client.requests - sent)
    if review is not None:
        plan = hold_unreviewed(plan, review, live)
    return check_guards(plan, desired, live, config, switches), live


async def _with_surroundings(client: Client, live: LiveState, plan: Plan) -> LiveState:
    """The state with experiments and deployments, each as far as the plan concerns them and they are to be had."""
    if concerns_experiments(plan) and (page := await client.list_experiments()) is not None:
        unread = {item.key for item in page.unread if item.key is not None}
        taken = frozenset({experiment.key for experiment in page.flags} | unread)
        live = replace(live, experiments=page.flags, taken=taken)
    if any(map(added_deployments, plan.flags)) and (known := await client.list_all_deployments()) is not None:
        usable = frozenset(item.id for item in known.deployments if not item.deleted)
        live = replace(live, deployments=usable | {item.id for item in known.unread if item.id is not None})
    return live


async def _with_lists(
    client: Client,
    live: LiveState,
    lists: Sequence[tuple[str, Variant, MemberKind]],
    progress: Progress | None,
    cache: MemberCache | None,
) -> LiveState:
    needed = {key: [(variant, kind) for owner, variant, kind in lists if owner == key] for key, _, _ in lists}
    flags = await hydrate(
        client,
        [live.flags[key] for key in needed],
        lambda flag: reads_of(flag.spec, needed[flag.key]),
        progress=progress,
        cache=cache,
    )
    return replace(live, flags={**live.flags, **{flag.key: flag for flag in flags}})


async def _kill_switches(
    client: Client, plan: Plan, history: History | None, progress: Progress | None
) -> tuple[KillSwitch, ...]:
    """What was turned off live and the plan would turn on again: one read for each flag that it may be true of."""
    turned = turned_on(plan)
    versions = await read_versions(client, {item.key: item.flag_id for item in turned}, progress=progress)
    return find_kill_switches(turned, versions, history)
