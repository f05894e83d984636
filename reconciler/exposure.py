"""Who is moved by a plan: shares before and after, per flag and segment, and what else moves people unseen.

Pure: reads a plan, and the live state beside it for dependencies; adds figures, notes and warnings, changes no call.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.evaluation.combinations import feasible_matches
from reconciler.evaluation.rules import DEFAULT_BUCKETING_UNIT, OFF, is_on, segments_of, variants_of
from reconciler.evaluation.shares import overlay, unavoidable_share, variant_shares
from reconciler.model import Unset
from reconciler.planning.alarms import alarms
from reconciler.planning.plan import FlagExposure, SegmentTransition
from reconciler.planning.shield import is_shielded
from reconciler.planning.transients import rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from reconciler.evaluation.rules import SegmentRule
    from reconciler.model import FlagSpec, LiveFlag, LiveState
    from reconciler.planning.plan import FlagPlan, Plan

_BY_RULES = "their segment's variant"


def with_exposure(plan: Plan, live: LiveState | None = None) -> Plan:
    """The same plan with the exposure of every flag, and its alarms among the flag's warnings.

    `live` is the refresh that the plan was made from: with it, dependencies are told of too.
    """
    return replace(plan, flags=tuple(_exposed(flag, live) for flag in plan.flags))


def preview(flag_plan: FlagPlan, live_flag: LiveFlag | None = None) -> FlagExposure:
    """What the plan of one flag does to its users: one transition per pair of segments that users can go through.

    Pairs come in segment order, the rest last; shares in variant order, `off` last, those that are nothing left
    out. A flag that does not exist yet gives nobody a variant before. A plan read from a file has no flags to
    compare: it keeps the exposure it was saved with.
    """
    if flag_plan.after is None:
        return flag_plan.exposure or FlagExposure()
    before, after = rules_of(flag_plan.before), rules_of(flag_plan.after)
    pairs = [(before[i], after[k]) for i, k in feasible_matches(before, after)]
    shares = {rule: variant_shares(rule) for rule in (*before, *after)}
    transitions = tuple(_transition(old, new, shares) for old, new in pairs)
    exposure = FlagExposure(transitions=transitions)
    notes = (*_notes(flag_plan, exposure, pairs), *_dependency_notes(live_flag))
    return replace(exposure, notes=notes)


def _exposed(flag: FlagPlan, live: LiveState | None) -> FlagPlan:
    live_flag = live.flags.get(flag.key) if live else None
    warnings = dict.fromkeys((*flag.warnings, *alarms(flag, live)))
    return replace(flag, exposure=preview(flag, live_flag), warnings=tuple(warnings))


def _transition(
    before: SegmentRule, after: SegmentRule, shares: dict[SegmentRule, dict[str, Fraction]]
) -> SegmentTransition:
    joint = overlay(before, after)
    old, new = shares[before], shares[after]
    return SegmentTransition(
        before_segment=before.segment,
        after_segment=after.segment,
        before=tuple(old.items()),
        after=tuple(new.items()),
        matrix=tuple((x, y, share) for (x, y), share in joint.cells),
        switched=joint.switched,
        unavoidable=unavoidable_share(old, new),
        is_exact=joint.is_exact,
    )


def _notes(
    flag_plan: FlagPlan, exposure: FlagExposure, pairs: list[tuple[SegmentRule, SegmentRule]]
) -> Iterator[str]:
    before, after = flag_plan.before, flag_plan.after
    assert after is not None, "the caller has compared"
    if len(exposure.transitions) > 1:
        yield "Figures are per segment: how many users each segment has, the API does not say."
    if not exposure.is_exact:
        yield "Expected rather than exact: users are dealt out anew, independently of what they have now."
    if exposure.switched:
        yield "With sticky bucketing, an experiment's setting that the flags API does not show, fewer users switch."
    yield from _condition_notes(before, after)
    yield from _bucketing_notes(after, pairs)
    yield from _listed_notes(before, after)
    if before is not None and is_shielded(before):
        yield "The shield of an earlier plan that did not come to its end is still up; this plan takes it down."


def _condition_notes(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    segments = (*(segments_of(before) if before else ()), *segments_of(after))
    if any(condition.type != "property" for segment in segments for condition in segment.conditions):
        yield "Segments with cohorts: who is in a cohort is not known here and changes by itself."
    if names := sorted({name for segment in segments for name in segment.unlisted_names}):
        yield f"Segments with fields that are not known here ({', '.join(names)}): they may match other users."


def _bucketing_notes(after: FlagSpec, pairs: list[tuple[SegmentRule, SegmentRule]]) -> Iterator[str]:
    if not isinstance(after.bucketing_unit, Unset) and after.bucketing_unit not in {"", DEFAULT_BUCKETING_UNIT}:
        yield f"Bucketed by {after.bucketing_unit}: shares are of these groups, not of users."
    keys = {
        bucketed.bucketing.key
        for pair in pairs
        for bucketed, whole in (pair, pair[::-1])
        if bucketed.bucketing is not None and whole.constant != OFF
    }
    for key in sorted(keys):
        yield f"Users without {key} get no variant while users are bucketed, and get it when one variant is at 100 %."


def _listed_notes(before: FlagSpec | None, after: FlagSpec) -> Iterator[str]:
    old, new = _listed_variants(before), _listed_variants(after)
    nobody = before is None or not is_on(before)
    moves = Counter(
        (OFF if nobody else old.get(user, _BY_RULES), new.get(user, _BY_RULES) if is_on(after) else OFF)
        for user in old.keys() | new.keys()
    )
    changed = sorted((pair, count) for pair, count in moves.items() if pair[0] != pair[1])
    if changed:
        texts = ", ".join(f"{count} from {x} to {y}" for (x, y), count in changed)
        yield f"Listed users, beside the shares: {texts}."


def _listed_variants(spec: FlagSpec | None) -> dict[str, str]:
    """The variant of each listed user; who is in two lists gets the first."""
    found: dict[str, str] = {}
    for variant in variants_of(spec):
        for user in () if isinstance(variant.users, Unset) else variant.users:
            found.setdefault(user, variant.key)
    return found


def _dependency_notes(live_flag: LiveFlag | None) -> Iterator[str]:
    parents = live_flag.parent_dependencies if live_flag else None
    if parents is not None and parents.flags:
        ids = ", ".join(flag_id for flag_id, _ in parents.flags)
        yield f"Shares are of users whom the flags this one depends on let through (ids {ids})."
