"""Which variant one user gets from a flag, and why.

The order is that of the engine: off when the flag is off; dependencies; inclusions in variant order; the first
target segment that matches, whether or not it allocates the user; everyone else. Sticky bucketing belongs to
experiments and is not evaluated: the flags API does not show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.evaluation.conditions import (
    COHORT_TYPE,
    is_any_of,
    matches_condition,
    property_of,
    text_list,
    text_of,
)
from reconciler.evaluation.hashing import coordinates, hash_of
from reconciler.evaluation.rules import (
    ALL_OTHER_USERS,
    DEFAULT_BUCKETING_UNIT,
    OFF,
    flag_rules,
    is_on,
    segments_of,
    variants_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.evaluation.rules import Bucketing, SegmentRule
    from reconciler.model import Dependencies, FlagSpec, TargetSegment

GATE_AND_INCLUSION = (
    "The user is listed, but a flag this one depends on does not let them through; "
    "Amplitude's own pages disagree on which of the two wins."
)


class Reason(StrEnum):
    """Why a user gets what they get."""

    DISABLED = "disabled"
    DEPENDENCY = "dependency"
    INCLUSION = "inclusion"
    SEGMENT = "segment"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The variant of one user (`off`: none), and why.

    `segment` is the name of the rule that matched, if it came to that, and `rule` the rule. `allocation` (0..99) and
    `distribution` (0..42949672) are the user's place in that rule; None where nothing was hashed: the rule gives
    everyone the same, or the user has no bucketing value. `notes` name what cannot be known.
    """

    variant: str
    reason: Reason
    segment: str | None = None
    allocation: int | None = None
    distribution: int | None = None
    notes: tuple[str, ...] = ()
    rule: SegmentRule | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parents:
    """The flags that a flag depends on, and what the user gets from each: variants by flag id, `off` included."""

    dependencies: Dependencies
    variants: Mapping[str, str]

    def let_through(self) -> bool:
        """Whether the user may be evaluated. A flag that allows no variant by name lets everybody through."""
        passed = [not allowed or self.variants.get(flag) in allowed for flag, allowed in self.dependencies.flags]
        match self.dependencies.operator.lower():
            case "all":
                return all(passed)
            case "any":
                return any(passed) or not passed
            case _:
                return False


class Evaluator:
    """One flag, prepared once for any number of users."""

    def __init__(self, spec: FlagSpec) -> None:
        self._is_on = is_on(spec)
        self._rules = flag_rules(spec)
        self._segments = segments_of(spec) if self._is_on else ()
        self._listed = tuple(
            (variant.key, frozenset(variant.users or ()), frozenset(variant.cohorts or ()))
            for variant in variants_of(spec)
        )

    def assign(self, user: Mapping[str, Any], *, parents: Parents | None = None) -> Assignment:
        """The user's variant and its reason. `user` is as the SDKs describe one; see conditions."""
        if not self._is_on:
            return Assignment(variant=OFF, reason=Reason.DISABLED)
        included = self._inclusion_of(user)
        if parents is not None and not parents.let_through():
            doubts = () if included is None else (GATE_AND_INCLUSION,)
            return Assignment(variant=OFF, reason=Reason.DEPENDENCY, notes=doubts)
        if included is not None:
            return Assignment(variant=included, reason=Reason.INCLUSION)
        notes = tuple(_unknowns(self._segments, user))
        for segment, rule in zip(self._segments, self._rules, strict=False):
            if all(matches_condition(condition, user) for condition in segment.conditions):
                return _bucketed(rule, user, Reason.SEGMENT, notes)
        return _bucketed(self._rules[-1], user, Reason.REST, notes)

    def _inclusion_of(self, user: Mapping[str, Any]) -> str | None:
        names = [text_of(user[name]) for name in ("user_id", "device_id") if user.get(name)]
        cohorts = text_list(user.get("cohort_ids") or []) or []
        for variant, users, cohort_ids in self._listed:
            if any(_is_listed(name, users) for name in names) or not cohort_ids.isdisjoint(cohorts):
                return variant
        return None


def evaluate(spec: FlagSpec, user: Mapping[str, Any], *, parents: Parents | None = None) -> Assignment:
    """The variant that the flag gives one user, and why; for many users prepare an Evaluator."""
    return Evaluator(spec).assign(user, parents=parents)


def bucketing_value(bucketing: Bucketing, user: Mapping[str, Any]) -> str | None:
    """What of the user is hashed: a property, or under another unit the name of their first group of that type."""
    if bucketing.unit == DEFAULT_BUCKETING_UNIT:
        value = property_of(bucketing.key, user)
    else:
        groups = user.get("groups")
        names = groups.get(bucketing.unit) if isinstance(groups, dict) else None
        value = (names[0] if names else None) if isinstance(names, list) else names
    return None if value is None else text_of(value) or None


def _bucketed(rule: SegmentRule, user: Mapping[str, Any], reason: Reason, notes: tuple[str, ...]) -> Assignment:
    segment = ALL_OTHER_USERS if reason is Reason.REST else rule.segment
    value = None if rule.bucketing is None else bucketing_value(rule.bucketing, user)
    if rule.bucketing is None or value is None:
        return Assignment(variant=rule.constant, reason=reason, segment=segment, notes=notes, rule=rule)
    allocation, distribution = coordinates(hash_of(rule.bucketing.salt, value))
    return Assignment(
        variant=rule.variant_at(allocation, distribution),
        reason=reason,
        segment=segment,
        allocation=allocation,
        distribution=distribution,
        notes=notes,
        rule=rule,
    )


def _is_listed(name: str, users: frozenset[str]) -> bool:
    return name in users or (name.lower() in {"true", "false"} and is_any_of(name, tuple(users)))


def _unknowns(segments: tuple[TargetSegment, ...], user: Mapping[str, Any]) -> list[str]:
    kinds = {condition.type for segment in segments for condition in segment.conditions} - {"property"}
    found = [f"Conditions of type {kind} are taken as not met." for kind in sorted(kinds - {COHORT_TYPE})]
    if COHORT_TYPE in kinds and "cohort_ids" not in user:
        found.append("Cohorts decide here, and the user's cohort_ids are not given: taken as none.")
    if names := sorted({name for segment in segments for name in segment.unlisted_names}):
        found.append(f"Segments hold fields that are not known here, and left out of account: {', '.join(names)}.")
    return found
