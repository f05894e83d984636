"""Desired and live state to a Plan. Pure: the same states, configuration and options give the same plan."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import InvalidInputError, UsageError
from reconciler.model.canonical import fingerprint
from reconciler.model.config import has_wildcard, idle_targets, matcher
from reconciler.model.flag import Unset
from reconciler.planning.compare import Differences, compare_flags, compare_new, with_details
from reconciler.planning.held import held_as_archived, held_as_duplicate, held_as_unmet
from reconciler.planning.ignored import keep_ignored
from reconciler.planning.normalise import desired_for_live, desired_for_new, live_as_renamed
from reconciler.planning.operations import ImpossibleCallError, apply_in_any_order
from reconciler.planning.ordering import order_operations
from reconciler.planning.plan import Action, FlagPlan, Plan, PlannedRollout, PlanOptions, ValueChange
from reconciler.planning.pruning import is_prunable, plan_pruned, warn_of_pruning
from reconciler.planning.remarks import (
    problem,
    problems_with,
    remark_on_order,
    remarks_on,
    remarks_on_forms,
    unaddressable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredFlag, DesiredState, FlagSpec, LiveFlag, LiveState


HOURS_OF_A_DAY = 24


class Planner(Struct, frozen=True, kw_only=True):
    """Plans one flag at a time; apply uses the same one to see what is left to do.

    Without `shows_tags` tags are not compared: the plan saw none, whatever the flags show that apply reads later.
    """

    config: Config
    options: PlanOptions
    shows_tags: bool = True

    def plan_flag(self, desired: DesiredFlag, live: LiveFlag | None) -> FlagPlan | None:
        """The plan of one declared flag; None when there is nothing to do, or nothing that may be done.

        Raises InvalidInputError when no calls can meet the declaration.
        """
        if live is None:
            return None if desired.spec.archived is True else self._plan_new(desired)
        if is_left_archived(desired, live, self.options) or stays_archived(desired, live):
            return None
        if problems := tuple(problems_with(desired, live.spec)):
            raise InvalidInputError(problems[0].message, problems)
        kept = keep_ignored(desired.start, live.spec, desired.kept_beside(live.spec))
        found = self._compared(kept, live)
        if not found.operations:
            return None
        if problems := tuple(unaddressable(desired, found.operations)):
            raise InvalidInputError(problems[0].message, problems)
        remarks = (
            *remarks_on(kept, live.spec),
            *remark_on_order(kept, live.spec),
            *remarks_on_forms(found.changes),
        )
        return self._in_order(desired, live, _action(kept, live.spec), found, remarks)

    def told_of(self, desired: DesiredFlag, live: LiveFlag) -> Iterator[str]:
        """What should be known of a flag that exists and for which nothing is planned, in sentences."""
        kept = keep_ignored(desired.start, live.spec, desired.kept_beside(live.spec))
        if not live.spec.archived:
            yield from (f'"{live.key}": {text}' for text in remark_on_order(kept, live.spec))
        elif stays_archived(desired, live) and (changes := self._compared(kept, live).changes):
            paths = ", ".join(change.path for change in changes)
            yield f'"{live.key}" stays archived, and an archived flag is not edited: {paths} is left as it is live.'

    def _compared(self, kept: FlagSpec, live: LiveFlag) -> Differences:
        spec = desired_for_live(kept, live.spec, self.config.managed_tag, shows_tags=self.shows_tags)
        return compare_flags(spec, live_as_renamed(spec, live.spec))

    def _plan_new(self, desired: DesiredFlag) -> FlagPlan:
        if isinstance(desired.spec.variants, Unset):
            message = f'The flag "{desired.key}" does not exist yet: declare `variants`, so that it can be created.'
            raise InvalidInputError(message, [problem(desired, "variants-required", message, "/variants")])
        spec = desired_for_new(desired.start, self.config.managed_tag)
        return self._in_order(desired, None, Action.CREATE, compare_new(spec, self.config.project_id))

    def _in_order(
        self,
        desired: DesiredFlag,
        live: LiveFlag | None,
        action: Action,
        found: Differences,
        remarks: tuple[str, ...] = (),
    ) -> FlagPlan:
        before = live.spec if live else None
        try:
            after = apply_in_any_order(before, found.operations)
            ordered = order_operations(
                before,
                after,
                found.operations,
                shield=self.options.shield,
                may_switch=not isinstance(desired.spec.enabled, Unset),
            )
        except ImpossibleCallError as error:
            raise InvalidInputError(str(error), [problem(desired, "no-order", str(error), "/variants")]) from error
        return FlagPlan(
            key=desired.key,
            flag_id=live.id if live else None,
            action=action,
            changes=with_details(found.changes),
            operations=ordered.operations,
            source=desired.source,
            fingerprint=fingerprint(live) if live else None,
            before=before,
            after=after,
            transient=ordered.transient,
            shield_refusal=ordered.refusal,
            warnings=(*ordered.notes, *remarks),
        )


def is_left_archived(desired: DesiredFlag, live: LiveFlag, options: PlanOptions) -> bool:
    """Whether the flag is archived live and nothing says that it may come back; a guard reports it."""
    if not live.spec.archived or desired.spec.archived is True:
        return False
    return not (desired.spec.archived is False and options.unarchive)


def stays_archived(desired: DesiredFlag, live: LiveFlag) -> bool:
    """Whether the flag is archived live, and declared so: it is not edited, since a server may refuse that."""
    return live.spec.archived is True and desired.spec.archived is True


def build_plan(
    desired: DesiredState, live: LiveState, config: Config, options: PlanOptions, *, now: datetime | None = None
) -> Plan:
    """Everything that would make the live state equal to the declared one, flag by flag, sorted by key.

    Flags that are frozen at `now` (None: no flag is) are planned, but only for the warning that says so: they refuse
    nothing, and count as unchanged. Flags for which no calls can be planned are held.

    Raises UsageError for `--prune` without a managed tag. What else is refused and exposure are added by `guards`
    and `exposure`.
    """
    if options.prune and config.managed_tag is None:
        raise UsageError("--prune archives only flags that carry `managedTag`: set it in reconciler.yaml first.")
    planner = Planner(config=config, options=options)
    is_in_scope = scope_of(options)
    in_scope = [desired.flags[key] for key in filter(is_in_scope, desired.flags)]
    frozen = {flag.key: flag for flag in in_scope if now is not None and flag.is_frozen(now)}
    considered = [flag for flag in in_scope if flag.key not in frozen]
    planned = [plan for flag in considered if (plan := _plan_declared(planner, flag, live))]
    rollouts = tuple(open_rollouts(considered, live.flags, {plan.key: plan.after for plan in planned}))
    unmanaged = _unmanaged(desired, live, is_in_scope)
    unchanged = len(in_scope) - len(planned)
    if options.prune:
        pruned = [plan_pruned(flag) for flag in unmanaged if is_prunable(flag, config)]
        planned += pruned
        unmanaged = [flag for flag in unmanaged if flag.key not in {item.key for item in pruned}]
    reads = live.requests + len({item.key for item in rollouts if item.live is not None})
    return Plan(
        project_id=config.project_id,
        region=config.region,
        environment=config.environment,
        flags=tuple(sorted(planned, key=lambda flag: flag.key)),
        unmanaged=tuple(flag.key for flag in unmanaged),
        unchanged=unchanged,
        options=options,
        rollouts=rollouts,
        warnings=(
            *_warnings(desired, live),
            *_idle_targets(desired, live, options),
            *(warn_of_pruning(desired, live, config, is_in_scope) if options.prune else ()),
            *(text for flag in frozen.values() for text in _told_of_frozen(planner, flag, live)),
            *_told_of_unplanned(planner, considered, {plan.key for plan in planned}, live),
        ),
        deployments=_names_of_deployments(planned, config),
        requests=live.requests,
        hourly_drift_requests=None if options.targets or options.shard else HOURS_OF_A_DAY * reads,
    )


def _names_of_deployments(planned: Iterable[FlagPlan], config: Config) -> dict[str, str]:
    """The configured names of the deployments that are attached or detached, by id."""
    changes = (change for flag in planned for change in flag.changes if change.path == "/deployments")
    ids = {
        item
        for change in changes
        if isinstance(change, ValueChange)
        for item in (*(change.before or ()), *change.after)
    }
    return {number: name for name, number in sorted(config.deployments.items()) if number in ids}


def open_rollouts(
    declared: Iterable[DesiredFlag], live: Mapping[str, LiveFlag], planned: Mapping[str, FlagSpec | None]
) -> Iterator[PlannedRollout]:
    """The rollouts that are still to reach their ends; `planned` is what a plan makes of flags."""
    for flag in declared:
        found, after = live.get(flag.key), planned.get(flag.key)
        for placed in flag.rollouts:
            now = None if found is None else placed.percentage_in(found.spec)
            then = None if now is None or after is None else placed.percentage_in(after)
            if now != placed.end and flag.spec.archived is not True:
                yield PlannedRollout(
                    key=flag.key,
                    path=placed.path,
                    live=now,
                    steps=tuple(
                        (step.percentage, None if step.hold is None else int(step.hold.total_seconds()))
                        for step in placed.rollout.steps
                    ),
                    guards=placed.rollout.guards,
                    on_fail=placed.rollout.on_fail,
                    window=placed.rollout.window,
                    start=None if then == now else then,
                )


def _idle_targets(desired: DesiredState, live: LiveState, options: PlanOptions) -> tuple[str, ...]:
    """What is said of targets that match nothing; of a key outside the shard another shard says it."""
    is_in_scope = scope_of(options)
    targets = [target for target in options.targets if has_wildcard(target) or is_in_scope(target)]
    return idle_targets(targets, desired.flags.keys() | live.flags.keys() | live.duplicates.keys())


def _plan_declared(planner: Planner, flag: DesiredFlag, live: LiveState) -> FlagPlan | None:
    """The plan of a declared flag, where it needs one; of one that cannot be planned the plan that says why."""
    if flag.key in live.duplicates:
        return held_as_duplicate(flag, live.duplicates[flag.key])
    found = live.flags.get(flag.key)
    if found is not None and is_left_archived(flag, found, planner.options):
        return held_as_archived(flag, found)
    try:
        return planner.plan_flag(flag, found)
    except InvalidInputError as error:
        return held_as_unmet(flag, found, error.diagnostics)


def _told_of_unplanned(
    planner: Planner, declared: Iterable[DesiredFlag], planned: Container[str], live: LiveState
) -> Iterator[str]:
    for flag in declared:
        if flag.key not in planned and (found := live.flags.get(flag.key)) is not None:
            yield from planner.told_of(flag, found)


def _told_of_frozen(planner: Planner, flag: DesiredFlag, live: LiveState) -> Iterator[str]:
    """What is the matter with a frozen flag, in a sentence; nothing where nothing is."""
    found = live.flags.get(flag.key)
    until = f'"{flag.key}" is frozen until {flag.frozen_until}'
    if flag.key in live.duplicates:
        yield f"{until}: several live flags carry its key (ids {', '.join(live.duplicates[flag.key])})."
        return
    if found is not None and is_left_archived(flag, found, planner.options):
        yield f"{until}: it is archived live, and that is left as it is."
    try:
        plan = planner.plan_flag(flag, found)
    except InvalidInputError as error:
        yield f"{until}, and as it is now it could not be applied: {error}"
        return
    if plan is not None:
        paths = ", ".join(change.path for change in plan.changes)
        yield f"{until}: it differs in {paths}, and that is left as it is."
    if found is not None:
        yield from planner.told_of(flag, found)


def scope_of(options: PlanOptions) -> Callable[[str], bool]:
    """Tells whether a key is among the targets and in the shard. Shards go by a stable hash of the key."""
    is_target, shard = matcher(options.targets), options.shard
    if shard is None:
        return is_target
    index, count = shard
    return lambda key: is_target(key) and int.from_bytes(sha256(key.encode()).digest()[:8]) % count == index - 1


def _unmanaged(desired: DesiredState, live: LiveState, is_in_scope: Callable[[str], bool]) -> list[LiveFlag]:
    return [
        flag
        for key, flag in sorted(live.flags.items())
        if key not in desired.flags and not flag.spec.archived and is_in_scope(key)
    ]


def _action(desired: FlagSpec, live: FlagSpec) -> Action:
    if isinstance(desired.archived, Unset) or desired.archived == live.archived:
        return Action.UPDATE
    return Action.ARCHIVE if desired.archived else Action.UNARCHIVE


def _warnings(desired: DesiredState, live: LiveState) -> Iterator[str]:
    yield from live.warnings
    if not live.shows_tags and any(not isinstance(flag.spec.tags, Unset) for flag in desired.flags.values()):
        yield "The server does not show tags: they cannot be compared and are left alone on flags that exist."
    for key, ids in sorted(live.duplicates.items()):
        if key not in desired.flags:
            yield f'Two live flags carry the key "{key}" (ids {", ".join(ids)}): one of them should be archived.'
