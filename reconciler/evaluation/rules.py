"""A flag as the list of rules its users meet, first match first: the target segments, then everyone else.

What a spec does not say counts as what the API gives a new flag: disabled, at 0 %, bucketed per user by
amplitude_id. Two things have no such default. A salt that is not shown is an unknown salt: equal to itself only.
Variants that are not shown are those that the weights name, in their order.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.evaluation.hashing import DISTRIBUTIONS, RESIDUES
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF, Condition, Unset, Weights, or_else

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec, Number, TargetSegment, Variant


ALL_OTHER_USERS: Final = "All Other Users"
"""The name of the rule for users whom no segment matches."""

ALWAYS_TRUE: Final = Condition(prop="gp:reconciler-never-set", op="is not", values=("reconciler",))
"""True for everyone: no application sets the property. For segments whose conditions must not be empty."""


class Bucketing(Struct, frozen=True):
    """What is hashed. Users have equal hashes under two bucketings exactly when the bucketings are equal."""

    salt: str
    key: str = DEFAULT_BUCKETING_KEY
    unit: str = DEFAULT_BUCKETING_UNIT


class SegmentRule(Struct, frozen=True):
    """What becomes of the users whom one segment, or nothing before the rest, matches.

    `conditions` are those that a user can fail: none for the rest. With `bucketing` None everyone gets `constant`,
    users without a bucketing value too. Otherwise users with r < `percentage` get the variant of the first cut
    above their d, all others `constant` (which is then `off`). `cuts` are the exclusive ends of the variants'
    intervals, rising; variants without weight have none.
    """

    segment: str
    conditions: frozenset[Condition] = frozenset()
    constant: str = OFF
    percentage: int = 0
    cuts: tuple[tuple[str, int], ...] = ()
    bucketing: Bucketing | None = None

    def variant_at(self, residue: int, distribution: int) -> str:
        """The variant of a user with this allocation value and distribution value."""
        if self.bucketing is not None and residue < self.percentage:
            for variant, end in self.cuts:
                if distribution < end:
                    return variant
        return self.constant


def flag_rules(spec: FlagSpec | None) -> tuple[SegmentRule, ...]:
    """The rules of a flag in the order in which they are tried. The last one matches everyone.

    A flag that is disabled, archived or absent (None) has one rule: off. Inclusions come before all rules and are
    not here.
    """
    if spec is None or not is_on(spec):
        return (SegmentRule(ALL_OTHER_USERS),)
    variants = variant_keys(spec)
    bucketing = flag_bucketing(spec)
    rest = _rule(
        ALL_OTHER_USERS,
        frozenset(),
        or_else(spec.rollout_percentage, 0),
        cuts_of(variants, spec.rollout_weights or Weights()),
        bucketing,
    )
    return (*(segment_rule(segment, variants, bucketing) for segment in segments_of(spec)), rest)


def segment_rule(segment: TargetSegment, variants: tuple[str, ...], bucketing: Bucketing) -> SegmentRule:
    """The rule of one segment: bucketed by its own key where it has one; salt and unit are always the flag's."""
    return _rule(
        segment.name,
        conditions_to_fail(segment),
        segment.percentage,
        cuts_of(variants, segment.rollout_weights),
        Bucketing(bucketing.salt, or_else(segment.bucketing_key, bucketing.key), bucketing.unit),
    )


def conditions_to_fail(segment: TargetSegment) -> frozenset[Condition]:
    """What a user has to meet to be in the segment: conditions, and the values of each, in no order."""
    return frozenset(item for item in map(atom_of, segment.conditions) if item != ALWAYS_TRUE)


def is_on(spec: FlagSpec) -> bool:
    """Whether the flag gives variants at all: enabled and not archived."""
    return spec.enabled is True and spec.archived is not True


def variants_of(spec: FlagSpec | None) -> tuple[Variant, ...]:
    """The variants in the order that decides bucketing; none where they are not shown."""
    return () if spec is None or isinstance(spec.variants, Unset) else spec.variants


def segments_of(spec: FlagSpec) -> tuple[TargetSegment, ...]:
    """The target segments in order; none where they are not shown."""
    return spec.target_segments or ()


def variant_keys(spec: FlagSpec) -> tuple[str, ...]:
    """The keys of the variants in the order that decides bucketing."""
    if not isinstance(spec.variants, Unset):
        return tuple(variant.key for variant in spec.variants)
    return tuple(spec.rollout_weights or ())


def flag_bucketing(spec: FlagSpec) -> Bucketing:
    """What the flag hashes for users whom no segment with a key of its own matches."""
    return Bucketing(
        or_else(spec.bucketing_salt, ""),
        or_else(spec.bucketing_key, DEFAULT_BUCKETING_KEY),
        or_else(spec.bucketing_unit, DEFAULT_BUCKETING_UNIT) or DEFAULT_BUCKETING_UNIT,
    )


def has_no_weight(variants: tuple[str, ...], weights: Weights) -> bool:
    """Whether no variant weighs anything: the engine then splits evenly over all of them."""
    numbers = weights.as_dict()
    return bool(variants) and not any(numbers.get(variant, 0) > 0 for variant in variants)


def cuts_of(variants: tuple[str, ...], weights: Weights) -> tuple[tuple[str, int], ...]:
    """The exclusive upper ends ceil(C_i * 42949673 / W) of the intervals of those variants that have one.

    Only ratios count; weights of unknown variants do not; all weights 0 is an even split.
    """
    numbers = weights.as_dict()
    weighed: list[tuple[str, Number]] = [(variant, numbers.get(variant, 0)) for variant in variants]
    if not any(weight > 0 for _, weight in weighed):
        weighed = [(variant, 1) for variant in variants]
    positive = [
        (variant, weight if isinstance(weight, int) else Fraction(weight))
        for variant, weight in weighed
        if weight > 0
    ]
    total = sum(weight for _, weight in positive)
    cuts: list[tuple[str, int]] = []
    reached: int | Fraction = 0
    for variant, weight in positive:
        reached += weight
        cuts.append((variant, -(-reached * DISTRIBUTIONS // total)))
    return tuple(cuts)


def _rule(
    name: str,
    conditions: frozenset[Condition],
    percentage: Number,
    cuts: tuple[tuple[str, int], ...],
    bucketing: Bucketing,
) -> SegmentRule:
    whole = max(0, min(RESIDUES, floor(percentage)))
    if whole == 0 or not cuts:
        return SegmentRule(name, conditions)
    if whole == RESIDUES and len(cuts) == 1:
        return SegmentRule(name, conditions, constant=cuts[0][0])
    return SegmentRule(name, conditions, percentage=whole, cuts=cuts, bucketing=bucketing)


_COUNTED = frozenset({"set contains", "set does not contain"})
"""Operations for which a value that is listed twice counts twice: a list with fewer elements never contains it."""


def atom_of(condition: Condition) -> Condition:
    """The condition with its values in one order, as often as they count: equal for conditions that say the same."""
    values = condition.values if condition.op in _COUNTED else set(condition.values)
    return Condition(
        prop=condition.prop,
        op=condition.op,
        values=tuple(sorted(values)),
        type=condition.type,
        unlisted=condition.unlisted,
    )
