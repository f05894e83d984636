"""Which variant users get of a flag, and why.

The order is the engine's: off when the flag is off; dependencies; inclusions in variant order; the first target
segment that matches, whether or not it allocates the user; all other users. Sticky bucketing, which flags and
experiments have that are evaluated remotely, is left out: the flags API does not show it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.conditions import (
    BOOLEANS,
    COHORT_TYPE,
    matches_condition,
    property_of,
    text_list,
    text_of,
)
from reconciler.evaluation.hashing import hash_of
from reconciler.evaluation.result import Allocation, Bucket, Dependency, Reason, Result
from reconciler.evaluation.rules import flag_rules, is_on, segments_of, variants_of
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF, LiveFlag, Unset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.evaluation.rules import Bucketing, SegmentRule
    from reconciler.model.flag import FlagSpec

DEPENDENCY_OR_INCLUSION = (
    "The user is listed, but a flag this one depends on does not let them through; "
    "Amplitude's own pages disagree on which of the two wins."
)
COHORTS_LISTED = "Variants list cohorts, and the user's cohort_ids are not given: taken as none."
NO_AMPLITUDE_ID = (
    "Bucketed by amplitude_id, which is not given. Evaluated remotely, Amplitude knows it and the user may get "
    "a variant: give it as the property amplitude_id."
)


class FlagWithParents(Struct, frozen=True, kw_only=True):
    """A flag (None: there is none of that key), and the flags that it depends on, directly or not.

    Each of `parents` comes after those that it depends on itself, unless they form a circle.
    """

    flag: LiveFlag | None
    parents: tuple[LiveFlag, ...] = ()


def in_order(flag: LiveFlag, flags: Mapping[str, LiveFlag]) -> list[LiveFlag]:
    """Those of the flags, by id, that this one depends on, each after its own; the order within a cycle is open."""
    ordered: dict[str, LiveFlag] = {}
    entered = {flag.id}

    def enter(item: LiveFlag) -> None:
        for flag_id in parent_ids(item):
            if flag_id in flags and flag_id not in entered:
                entered.add(flag_id)
                enter(flags[flag_id])
                ordered[flag_id] = flags[flag_id]

    enter(flag)
    return list(ordered.values())


def parent_ids(flag: LiveFlag) -> list[str]:
    """The ids of the flags that this one depends on directly."""
    return [flag_id for flag_id, _ in flag.parent_dependencies.flags] if flag.parent_dependencies else []


class Evaluator:
    """A flag with its parents, prepared when the first user is evaluated. `spec` is the flag; None: there is none.

    A dependency on a flag that does not come earlier (it was not read, or depends on this one in turn) counts as
    met, and is noted.
    """

    def __init__(self, family: FlagWithParents) -> None:
        self._flags = (*family.parents, *([family.flag] if family.flag else []))
        self.spec = family.flag.spec if family.flag else None

    @cached_property
    def _prepared(self) -> list[_PreparedFlag]:
        keys = {flag.id: flag.key for flag in self._flags}
        return [_PreparedFlag(flag, keys) for flag in self._flags]

    def evaluate(self, user: Mapping[str, Any], given: Mapping[str, str] | None = None) -> Result:
        """The user's variant and why. `user` is as the SDKs describe one; see evaluation.conditions.

        `given` fixes the variants of flags that this one depends on, by their keys.
        """
        if self.spec is None:
            return Result(variant=OFF, reason=Reason.ABSENT)
        *parents, own = self._prepared
        variants: dict[str, str] = {}
        inherited: list[str] = []
        for parent in parents:
            if given and parent.key in given:
                variants[parent.flag_id] = given[parent.key]
                continue
            result = parent.evaluate(user, variants)
            inherited += [f'Flag "{parent.key}", which it depends on: {note}' for note in result.notes]
            if result.variant is not None:
                variants[parent.flag_id] = result.variant
        result = own.evaluate(user, variants)
        return replace(result, notes=(*result.notes, *inherited)) if inherited else result


class _PreparedFlag:
    """One flag, evaluated given the variants of its parents."""

    def __init__(self, flag: LiveFlag, keys: Mapping[str, str]) -> None:
        spec = flag.spec
        self.flag_id, self.key = flag.id, flag.key
        self._keys = keys
        self._dependencies = flag.parent_dependencies
        self._off = None
        if not is_on(spec):
            self._off = Reason.ARCHIVED if spec.archived is True else Reason.DISABLED
        self._rules = flag_rules(spec)
        self._segments = segments_of(spec)
        self._salt_is_known = not isinstance(spec.bucketing_salt, Unset)
        self._included = tuple(
            (variant.key, frozenset(map(_folded, variant.users or ())), frozenset(variant.cohorts or ()))
            for variant in variants_of(spec)
        )
        self._notes = {given: tuple(_unknowns(spec, cohorts_are_given=given)) for given in (True, False)}

    def evaluate(self, user: Mapping[str, Any], variants: Mapping[str, str]) -> Result:
        """The user's variant, given those of the parents by flag id; a parent that is missing is unknown."""
        if self._off is not None:
            return Result(variant=OFF, reason=self._off)
        dependencies = self._evaluated_dependencies(variants)
        notes = _dependency_notes(dependencies)
        included = self._inclusion_of(user)
        if not self._lets_through(dependencies):
            doubts = () if included is None else (DEPENDENCY_OR_INCLUSION,)
            return Result(variant=OFF, reason=Reason.DEPENDENCY, dependencies=dependencies, notes=(*doubts, *notes))
        if included is not None:
            return Result(variant=included, reason=Reason.INCLUSION, dependencies=dependencies, notes=notes)
        result = self._by_rules(user)
        return replace(result, dependencies=dependencies, notes=(*result.notes, *notes)) if dependencies else result

    def _evaluated_dependencies(self, variants: Mapping[str, str]) -> tuple[Dependency, ...]:
        if self._dependencies is None:
            return ()
        return tuple(
            Dependency(flag_id=flag_id, key=self._keys.get(flag_id), allowed=allowed, variant=variants.get(flag_id))
            for flag_id, allowed in self._dependencies.flags
        )

    def _lets_through(self, dependencies: tuple[Dependency, ...]) -> bool:
        if self._dependencies is None:
            return True
        met = [dependency.is_met for dependency in dependencies]
        match self._dependencies.operator.lower():
            case "all":
                return all(met)
            case "any":
                return any(met) or not met
            case _:
                return False

    def _inclusion_of(self, user: Mapping[str, Any]) -> str | None:
        names = [_folded(text_of(user[name])) for name in ("user_id", "device_id") if user.get(name)]
        cohorts = text_list(user.get("cohort_ids")) or []
        for variant, users, cohort_ids in self._included:
            if not users.isdisjoint(names) or not cohort_ids.isdisjoint(cohorts):
                return variant
        return None

    def _by_rules(self, user: Mapping[str, Any]) -> Result:
        notes = self._notes["cohort_ids" in user]
        for index, segment in enumerate(self._segments):
            if all(matches_condition(condition, user) for condition in segment.conditions):
                return self._bucketed(Reason.SEGMENT, self._rules[index], user, notes)
        return self._bucketed(Reason.REST, self._rules[-1], user, notes)

    def _bucketed(self, reason: Reason, rule: SegmentRule, user: Mapping[str, Any], notes: tuple[str, ...]) -> Result:
        bucketing, variant = rule.bucketing, rule.constant
        if bucketing is None:
            allocation = Allocation.NOBODY if variant == OFF else Allocation.EVERYONE
            return Result(variant=variant, reason=reason, rule=rule, allocation=allocation, notes=notes)
        value = bucketing_value(bucketing, user)
        if value is None:
            if (bucketing.unit, bucketing.key) == (DEFAULT_BUCKETING_UNIT, DEFAULT_BUCKETING_KEY):
                notes = (*notes, NO_AMPLITUDE_ID)
            return Result(variant=variant, reason=reason, rule=rule, allocation=Allocation.NO_VALUE, notes=notes)
        if not self._salt_is_known:
            return Result(variant=None, reason=reason, rule=rule, allocation=Allocation.UNKNOWN_SALT, notes=notes)
        bucket = Bucket(bucketing=bucketing, value=value, hashed=hash_of(bucketing.salt, value))
        return Result(
            variant=rule.variant_at(bucket.allocation, bucket.distribution),
            reason=reason,
            rule=rule,
            allocation=Allocation.ALLOCATED if bucket.allocation < rule.percentage else Allocation.NOT_ALLOCATED,
            bucket=bucket,
            notes=notes,
        )


def bucketing_value(bucketing: Bucketing, user: Mapping[str, Any]) -> str | None:
    """The text that is hashed: a property of the user, or under another unit their first group of that type."""
    if bucketing.unit == DEFAULT_BUCKETING_UNIT:
        value = property_of(bucketing.key, user)
    else:
        groups = user.get("groups")
        names = groups.get(bucketing.unit) if isinstance(groups, dict) else None
        value = (names[0] if names else None) if isinstance(names, list) else names
    return None if value is None else text_of(value) or None


def _folded(name: str) -> str:
    """A listed name, or a user's: true and false are in any case the same."""
    return name.lower() if name.lower() in BOOLEANS else name


def _unknowns(spec: FlagSpec, *, cohorts_are_given: bool) -> Iterator[str]:
    """What the rules of a flag rest on that is unknown of a user who comes as far as the rules."""
    segments = segments_of(spec)
    kinds = {condition.type for segment in segments for condition in segment.conditions} - {"property"}
    for kind in sorted(kinds - {COHORT_TYPE}):
        yield f"Conditions of type {kind} are taken as not met."
    if COHORT_TYPE in kinds and not cohorts_are_given:
        yield "Cohorts decide here, and the user's cohort_ids are not given: taken as none."
    if names := sorted({name for segment in segments for name in segment.unlisted_names}):
        yield f"Segments hold fields that are not known here, and left out of account: {', '.join(names)}."
    if not cohorts_are_given and any(variant.cohorts for variant in variants_of(spec)):
        yield COHORTS_LISTED


def _dependency_notes(dependencies: tuple[Dependency, ...]) -> tuple[str, ...]:
    return tuple(
        f"Depends on {dependency.name}, which is not evaluated: taken as one that lets everybody through."
        for dependency in dependencies
        if dependency.allowed and dependency.variant is None
    )
