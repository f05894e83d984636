"""The exposure of the flags of a plan, and warnings about what its changes do not show."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final, TypeGuard

from msgspec.structs import replace

from reconciler.evaluation.exposure import BY_RULES, FlagExposure, exposure_of, lacks_value
from reconciler.evaluation.rules import (
    flag_bucketing,
    flag_rules,
    is_on,
    segment_rule,
    segments_of,
    variant_keys,
    variants_of,
)
from reconciler.model.flag import OFF, SHIELD_NAME, UNSET
from reconciler.model.reads import MEMBERS
from reconciler.planning.dependents import child_name, children_of, served_variants
from reconciler.planning.order_search import splits_evenly
from reconciler.planning.segments import is_shielded, pair_segments, rekeyed_segments
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model.flag import FlagSpec, LiveState, MemberKind, TargetSegment
    from reconciler.planning.plan import FlagPlan, Plan


_REBUCKETS, _WHILE_OFF = "this re-buckets all", "its users get nothing while this one is off"
_TOLD_BY_GUARDS: Final = {"rebucket": _REBUCKETS, "dependents": _WHILE_OFF}
"""What a safety check says of a flag that it holds, by its name."""

UNSEEN_LISTS = (
    "Who is listed is not shown while the flag is archived: listed users and cohorts, if there are any, get their"
    " variants again."
)


def warnings_beside(flag: FlagPlan) -> tuple[str, ...]:
    """The warnings of a flag, without those that say again why a safety check holds it."""
    told = [_TOLD_BY_GUARDS[item.guard] for item in flag.held if item.guard in _TOLD_BY_GUARDS]
    return tuple(text for text in flag.warnings if not any(words in text for words in told))


def with_exposure(plan: Plan, live: LiveState | None = None) -> Plan:
    """The same plan with the exposure of every flag, and what `warnings_of` says among the flag's warnings.

    `live` is the refresh that the plan was made from: with it, dependencies are noted too.
    """
    return replace(plan, flags=tuple(_exposed(flag, live) for flag in plan.flags))


def exposure_of_flag(flag_plan: FlagPlan, live: LiveState | None = None) -> FlagExposure:
    """What the plan of one flag does to its users; with `live`, to those of flags that depend on it too.

    A plan read from a file has no flags to compare: it keeps the exposure it was saved with.
    """
    if flag_plan.after is None:
        return flag_plan.exposure or FlagExposure()
    exposure = exposure_of(flag_plan.before, flag_plan.after)
    return replace(
        exposure,
        dependents=tuple(dict.fromkeys(_affected_dependents(flag_plan, exposure, live))),
        notes=(*exposure.notes, *_notes(flag_plan, exposure, live)),
    )


def _exposed(flag: FlagPlan, live: LiveState | None) -> FlagPlan:
    warnings = dict.fromkeys((*flag.warnings, *warnings_of(flag, live)))
    return replace(flag, exposure=exposure_of_flag(flag, live), warnings=tuple(warnings))


def _affected_dependents(flag: FlagPlan, exposure: FlagExposure, live: LiveState | None) -> Iterator[str]:
    """The flags some of whose users this one lets through no more, or lets through now."""
    moves = {(old, new) for item in exposure.transitions for old, new, _ in item.matrix}
    moves |= {(item.before, item.after) for item in exposure.listed}
    for child, allowed in children_of(flag.flag_id, live) if live and flag.flag_id else ():
        if is_on(child.spec) and any(BY_RULES in pair or _lets(*pair, allowed) for pair in moves):
            yield child.key


def _lets(old: str, new: str, allowed: frozenset[str]) -> bool:
    """Whether one of two variants lets users through, the other not; where none is named, every variant does."""
    return (old in allowed) != (new in allowed) if allowed else (old == OFF) != (new == OFF)


def _notes(flag_plan: FlagPlan, exposure: FlagExposure, live: LiveState | None) -> Iterator[str]:
    before = flag_plan.before
    is_asked = live is None or live.is_complete or flag_plan.flag_id is None
    if not is_asked and (exposure.switched or exposure.listed):
        yield "Only the targets were read: whether users of flags that depend on them are affected is not known."
    if before is not None and is_shielded(before):
        yield "The shield of an earlier plan, which did not finish, is still there; this plan removes it."
    live_flag = live.flags.get(flag_plan.key) if live else None
    parents = live_flag.parent_dependencies if live_flag else None
    if live is None or parents is None or not parents.flags:
        return
    known = {flag.id for flag in (*live.flags.values(), *(live.experiments or ()))}
    flags = [flag_id for flag_id, _ in parents.flags if flag_id in known or not live.is_complete]
    groups = [flag_id for flag_id, _ in parents.flags if flag_id not in flags]
    named = [f"ids {', '.join(flags)}"] if flags else []
    if groups:
        kinds = "groups" if live.experiments is not None else "groups or experiments"
        named.append(f"{kinds}, no flags of this project: ids {', '.join(groups)}")
    yield f"Shares are of users whom what this flag depends on lets through ({'; '.join(named)})."


def warnings_of(flag_plan: FlagPlan, live: LiveState | None = None) -> tuple[str, ...]:
    """What the plan of one flag moves that its changes do not show, in the table's order.

    With `live`, flags that depend on this one are named when it goes off, or no longer gives the variants they need.
    """
    before, after = flag_plan.before, flag_plan.after
    if after is None:
        return ()
    found = [text for warning in WARNINGS for text in warning(before, after)] if is_on(after) else []
    if is_on(after) and _hides_lists(before):
        found.append(UNSEEN_LISTS)
    return (*found, *_lost_fields(before, after), *_dependents(flag_plan, live))


def _hides_lists(before: FlagSpec | None) -> bool:
    """Whether a flag is archived, and its server does not show who is listed in such a one."""
    lists = (getattr(variant, kind) for variant in variants_of(before) for kind in MEMBERS)
    return before is not None and before.archived is True and any(members is UNSET for members in lists)


def _salt(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if _was_on(before) and flag_bucketing(before).salt != flag_bucketing(after).salt:
        yield f"The bucketing salt changes: {_REBUCKETS} users."


def _bucketing_key(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if not _was_on(before):
        return
    old, new = flag_bucketing(before), flag_bucketing(after)
    if old.key != new.key:
        yield f"The bucketing key changes from {old.key} to {new.key}: {_REBUCKETS} users."
    if old.unit != new.unit:
        yield f"The bucketing unit changes from {old.unit} to {new.unit}: {_REBUCKETS} users."


def _segment_bucketing_key(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if not _was_on(before) or flag_bucketing(before) != flag_bucketing(after):
        return
    for old, new in rekeyed_segments(before, after):
        if _is_bucketed(old, before) and _is_bucketed(new, after):
            yield f'The bucketing key of segment "{new.name}" changes: {_REBUCKETS} its users.'


def _is_bucketed(segment: TargetSegment, spec: FlagSpec) -> bool:
    return segment_rule(segment, variant_keys(spec), flag_bucketing(spec)).bucketing is not None


def _variant_order(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if not _was_on(before):
        return
    old, new = variant_keys(before), variant_keys(after)
    if [key for key in old if key in new] != [key for key in new if key in old]:
        yield "The order of variants changes: users switch although the weights stay."


def _evaluation_mode(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if _was_on(before) and before.evaluation_mode != after.evaluation_mode:
        yield (
            f"The evaluation mode becomes {after.evaluation_mode}: clients of the other kind get no variant, "
            "and local evaluation knows neither amplitude_id nor cohorts it has not fetched."
        )


def _local_without_id(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if _was_on(before) and before.evaluation_mode != after.evaluation_mode:
        return  # said of the mode
    known = _unreached(before) if before else {}
    if names := [name for name in _unreached(after) if name not in known]:
        yield (
            f"Local evaluation has no amplitude_id, by which users of {' and '.join(names)} are bucketed: they get "
            "no variant. Set bucketingKey to user_id or device_id."
        )


def _unreached(spec: FlagSpec) -> dict[str, None]:
    """The names of segments whose users local evaluation gives nothing, for want of what is hashed."""
    if spec.evaluation_mode != "local":
        return {}
    return dict.fromkeys(rule.segment for rule in flag_rules(spec) if lacks_value(rule))


def _captures_everyone(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    old = {rule.segment for rule in flag_rules(before)[:-1] if not rule.conditions} if before else set()
    for rule in flag_rules(after)[:-1]:
        if not rule.conditions and rule.segment not in {*old, SHIELD_NAME}:
            yield f'Segment "{rule.segment}" has no conditions: it captures everyone who reaches it.'


def _no_weights(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    if splits_evenly(after) and not splits_evenly(before):
        yield "All weights are 0, so users are split evenly over all variants."


def _lost_fields(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    """What an edit of the segments drops of those that stay; what conditions hold, a guard keeps."""
    for new, old in pair_segments(segments_of(after), segments_of(before) if before else ()):
        if old is not None and old.unlisted and not new.unlisted:
            lost = ", ".join(name for name, _ in old.unlisted)
            yield (
                f'Segment "{old.name}" holds what the API reference does not list ({lost}): it is not sent, so '
                "replacing the segments may lose it."
            )


def _dependents(flag_plan: FlagPlan, live: LiveState | None) -> Iterator[str]:
    before, after = flag_plan.before, flag_plan.after
    if live is None or flag_plan.flag_id is None or after is None or not _was_on(before):
        return
    for child, allowed in children_of(flag_plan.flag_id, live):
        if child.spec.archived or child.spec.enabled is False:
            continue
        name = child_name(child, live)
        if not is_on(after):
            yield f"{name} depends on this one: {_WHILE_OFF}."
        elif _serves(before, allowed) and not _serves(after, allowed):
            named = f"variant {', '.join(sorted(allowed))} of this one" if allowed else "this one"
            yield f"{name} depends on {named}, which only listed users get any more: others get nothing."


def _serves(spec: FlagSpec, allowed: frozenset[str]) -> bool:
    served = served_variants(spec)
    return bool(served & allowed if allowed else served)


def _listed_twice(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    """Users and cohorts that are put into two lists: the first variant of the two wins."""
    for kind in MEMBERS:
        old = _in_two_lists(before, kind) if _was_on(before) else {}
        for (first, second), members in _in_two_lists(after, kind).items():
            if more := len(members - old.get((first, second), set())):
                yield (
                    f'{counted(more, kind.removesuffix("s"))} would be listed for "{first}" and for "{second}": '
                    f'"{first}" comes first and wins. Keep each in one of the two lists.'
                )


def _in_two_lists(spec: FlagSpec, kind: MemberKind) -> dict[tuple[str, str], set[str]]:
    """By each pair of variants, in their order, the users or cohorts that both list."""
    lists = [(item.key, set(found)) for item in variants_of(spec) if (found := getattr(item, kind)) is not UNSET]
    pairs = (((first, second), one & other) for (first, one), (second, other) in combinations(lists, 2))
    return dict(pairs)


def _was_on(before: FlagSpec | None) -> TypeGuard[FlagSpec]:
    return before is not None and is_on(before)


WARNINGS: tuple[Callable[[FlagSpec | None, FlagSpec], Iterator[str]], ...] = (
    _salt,
    _bucketing_key,
    _segment_bucketing_key,
    _variant_order,
    _listed_twice,
    _evaluation_mode,
    _local_without_id,
    _captures_everyone,
    _no_weights,
)
"""Every warning that two states of a flag can give, in the order of the report."""
