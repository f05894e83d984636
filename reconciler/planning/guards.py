"""What refuses a plan, or holds one flag of it. A guard sees everything and changes nothing.

Guards of the run judge the plan as a whole: nothing is sent. Guards of a flag judge that flag alone: it is held, and
the others go on. Each is named, and each name is what `--allow` takes, save those that nothing may override.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.rules import variants_of
from reconciler.model.canonical import pair_variants
from reconciler.model.fields import FIELDS
from reconciler.model.flag import Unset
from reconciler.model.wire import losses_of
from reconciler.planning.dependents import added_deployments, child_name, children_of, lost_variants, switched_off
from reconciler.planning.held import HELD_UNPLANNED, hold
from reconciler.planning.operations import EditFlag
from reconciler.planning.plan import Action, Refusal
from reconciler.planning.run_guards import RUN_GUARDS, Facts
from reconciler.planning.segments import rekeyed_segments, without_shield
from reconciler.text import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model.config import Config
    from reconciler.model.flag import DesiredState, FlagSpec, LiveState
    from reconciler.planning.kill_switch import KillSwitch
    from reconciler.planning.plan import FlagPlan, Plan


def check_guards(
    plan: Plan, desired: DesiredState, live: LiveState, config: Config, kill_switches: tuple[KillSwitch, ...] = ()
) -> Plan:
    """The plan with every guard asked that is not overridden, in the order of the tables.

    First each flag gets the refusals that hold it, beside those that it has already; then the run is judged by the
    flags that are left. `plan` carries its exposure already; `kill_switches` are those that it would undo.
    """
    facts = Facts(plan=plan, desired=desired, live=live, config=config, kill_switches=kill_switches)
    flags = tuple(_checked(flag, facts, FLAG_GUARDS) for flag in plan.flags)
    facts = replace(facts, plan=_with_dependents(replace(facts, plan=replace(plan, flags=flags))))
    refusals = (
        Refusal(guard=name, message=message, override=f"--allow {name}")
        for name, guard in RUN_GUARDS
        if not plan.options.allows(name)
        for message in guard(facts)
    )
    return replace(facts.plan, refusals=tuple(refusals))


def _checked(flag: FlagPlan, facts: Facts, guards: tuple[FlagGuard, ...]) -> FlagPlan:
    held = [
        hold(flag.key, guard.name, message, guard.alternatives, is_allowable=guard.is_allowable)
        for guard in guards
        if not (guard.is_allowable and facts.plan.options.allows(guard.name, flag.key))
        for message in guard.check(flag, facts)
    ]
    return replace(flag, held=(*flag.held, *held)) if held else flag


def _with_dependents(facts: Facts) -> Plan:
    """The plan with flags held that others depend on: a flag that is held keeps what it has, and needs all."""
    while True:
        plan = facts.plan
        flags = tuple(flag if flag.held else _checked(flag, facts, (DEPENDENTS,)) for flag in plan.flags)
        if flags == plan.flags:
            return plan
        facts = replace(facts, plan=replace(plan, flags=flags))


def _rebucket(flag: FlagPlan, _: Facts) -> Iterator[str]:
    if flag.before is None or flag.before.enabled is not True or flag.before.archived:
        return
    body = _patched(flag)
    names = [field.edit for field in FIELDS if field.rebuckets and field.edit in body]
    if "targetSegments" in body and "bucketingKey" not in body and flag.after is not None:
        names += [f"bucketingKey of {new.name}" for _, new in rekeyed_segments(flag.before, flag.after)]
    if names:
        yield f'"{flag.key}" is enabled, and a change of {", ".join(names)} re-buckets its users.'


def _cohort_conditions(flag: FlagPlan, _: Facts) -> Iterator[str]:
    if "targetSegments" not in _patched(flag) or flag.before is None:
        return
    segments = without_shield(flag.before.target_segments or ())
    lost = [f"{', '.join(losses)} (in {item.name})" for item in segments if (losses := losses_of(item))]
    if lost:
        yield f'Replacing the segments of "{flag.key}" would lose what the API cannot carry: {"; ".join(lost)}.'


def _dependents(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    off, variants = switched_off(flag), lost_variants(flag)
    after = {item.key: item.after for item in facts.plan.to_apply if item.after is not None}
    for child, allowed in children_of(flag.flag_id, facts.live) if flag.flag_id else ():
        spec = after.get(child.key, child.spec)
        if spec.archived or spec.enabled is False:
            continue
        name = child_name(child, facts.live)
        if off:
            yield f'{name} depends on "{flag.key}", which would be {off}: its users would get nothing.'
        elif named := sorted(variants & allowed):
            yield f'{name} depends on variant {", ".join(named)} of "{flag.key}", which would go.'


def _experiment(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    if flag.action is Action.CREATE and flag.key in (facts.live.taken or ()):
        yield (
            f'"{flag.key}" is an experiment; its flag was perhaps converted. Flags and experiments share their keys.'
        )


def _deployments(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    known = facts.live.deployments
    lost = sorted(added_deployments(flag) - known) if known is not None else []
    if lost:
        noun = "Deployment" if len(lost) == 1 else "Deployments"
        yield (
            f'{noun} {", ".join(lost)} cannot be attached to "{flag.key}": project {facts.plan.project_id} has none '
            "of this id that is not deleted."
        )


def _kill_switch(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    return (switch.message for switch in facts.kill_switches if switch.key == flag.key)


def _unread_file(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    file = facts.desired.unread.get(flag.key)
    if flag.action is Action.ARCHIVE and flag.source is None and file is not None:
        yield f'"{flag.key}" would be archived, but {file} may declare it, and that is not read as a flag file.'


def _patched(flag: FlagPlan) -> dict[str, object]:
    body: dict[str, object] = {}
    for operation in flag.operations:
        if isinstance(operation, EditFlag):
            body |= operation.body
    return body


def _renames(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    """New variants that the declaration, or their spelling, says are live ones of another key."""
    declared = facts.desired.flags.get(flag.key)
    if declared is None or flag.before is None or isinstance(declared.spec.variants, Unset):
        return
    live = [variant.key for variant in variants_of(flag.before)]
    kept = {variant.key for variant in pair_variants(declared.spec, flag.before).values()}
    gone = [key for key in live if key not in kept]
    for variant in declared.spec.variants:
        if variant.key in live and variant.renamed_from in gone:
            yield (
                f'Variant "{variant.key}" of "{flag.key}" is renamed from "{variant.renamed_from}", but both are '
                f'live: "{variant.renamed_from}" would be deleted, with its listed users.'
            )
        if variant.key in live or variant.renamed_from in kept:
            continue
        alike = [key for key in gone if key.casefold() == variant.key.casefold()]
        if variant.renamed_from is not None:
            near = get_close_matches(variant.renamed_from, gone, cutoff=0)
            hint = f' Is it "{near[0]}"?' if near else ""
            yield (
                f'Variant "{variant.key}" of "{flag.key}" is renamed from "{variant.renamed_from}", which the live '
                f"flag does not have.{hint}"
            )
        elif alike:
            yield (
                f'Variant "{variant.key}" of "{flag.key}" would be created and "{alike[0]}" deleted, with its listed '
                "users: the two keys differ by case alone."
            )


def _exposure(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    limit = facts.config.safety.max_exposure_change
    if flag.exposure and flag.action is not Action.CREATE and flag.exposure.switched > limit:
        share, allowed = percent(flag.exposure.switched), percent(limit)
        yield f'"{flag.key}" moves {share} of users; safety.maxExposureChange is {allowed}.'


def _zero_weights(flag: FlagPlan, _: Facts) -> Iterator[str]:
    if flag.before and flag.after and _weighs_nothing(flag.after) and not _weighs_nothing(flag.before):
        yield (
            f'"{flag.key}" would be left with weights that are all 0, which splits its users evenly: declare '
            "`rolloutWeights` with at least one above 0."
        )


def _weighs_nothing(spec: FlagSpec) -> bool:
    if isinstance(spec.rollout_weights, Unset):
        return False
    weights = spec.rollout_weights
    return not any(weights.get(variant.key) for variant in spec.variants or ())


def _shield(flag: FlagPlan, _: Facts) -> Iterator[str]:
    if flag.shield_refusal:
        yield f'"{flag.key}": {flag.shield_refusal}'


def _transient(flag: FlagPlan, facts: Facts) -> Iterator[str]:
    limit = facts.config.safety.max_transient
    if flag.transient > limit:
        yield (
            f'"{flag.key}" shows {percent(flag.transient)} of users, between two calls, a variant that is '
            f"neither the old nor the new one; safety.maxTransient is {percent(limit)}."
        )


class FlagGuard(Struct, frozen=True, kw_only=True):
    """A guard of one flag: what it sees, and what is safer than to override it (`{key}` is the flag's)."""

    name: str
    check: Callable[[FlagPlan, Facts], Iterator[str]]
    alternatives: tuple[str, ...] = ()
    is_allowable: bool = True


FLAG_GUARDS: tuple[FlagGuard, ...] = (
    FlagGuard(
        name="experiment",
        check=_experiment,
        alternatives=("take its file away", "give the flag another key"),
        is_allowable=False,
    ),
    FlagGuard(
        name="unread-file", check=_unread_file, alternatives=("rename the file, so that it is read, or take it away",)
    ),
    FlagGuard(name="deployments", check=_deployments, alternatives=("see `reconciler doctor -v` for what there is",)),
    FlagGuard(
        name="rebucket",
        check=_rebucket,
        alternatives=("declare the live value", "create a flag of another key", "change it while the flag is off"),
    ),
    FlagGuard(
        name="renames",
        check=_renames,
        alternatives=("name the live variant in `renamedFrom`", "declare the live key"),
    ),
    FlagGuard(
        name="cohort-conditions",
        check=_cohort_conditions,
        alternatives=("leave `targetSegments` undeclared", "edit the segments in Amplitude"),
    ),
    FlagGuard(
        name="kill-switch",
        check=_kill_switch,
        alternatives=("keep it off with `reconciler import --target {key} --force`", "pause it with `frozenUntil`"),
    ),
    FlagGuard(name="exposure", check=_exposure, alternatives=("go there in smaller steps",)),
    FlagGuard(name="zero-weights", check=_zero_weights, is_allowable=False),
    FlagGuard(name="shield", check=_shield, alternatives=("leave out --shield",), is_allowable=False),
    FlagGuard(name="transient", check=_transient, alternatives=("use --shield, for two calls more",)),
)
"""Asked of each flag, in this order."""

DEPENDENTS = FlagGuard(
    name="dependents", check=_dependents, alternatives=("turn off, or change, the flags that depend on it first",)
)
"""Asked after the others: which flags are held decides what the rest may do."""

ALLOWABLE_BY_FLAG = frozenset(guard.name for guard in (*FLAG_GUARDS, DEPENDENTS) if guard.is_allowable)
"""What `--allow` takes with the key of a flag, too."""

WINDOW = "window"
"""The guard of the run that knows the time: nothing is written outside of an environment's windows."""

ALLOWABLE = ALLOWABLE_BY_FLAG | {name for name, _ in RUN_GUARDS} | {WINDOW}
"""What `--allow` takes."""

GUARDS = (
    *(name for name, _ in RUN_GUARDS),
    WINDOW,
    *HELD_UNPLANNED,
    *(guard.name for guard in (*FLAG_GUARDS, DEPENDENTS)),
)
"""The name of every guard."""
