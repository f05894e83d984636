"""One flag as it is or will be, with the flags it depends on, prepared for any number of users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from reconciler.evaluation.evaluate import Evaluator, Parents, Reason, bucketing_value
from reconciler.evaluation.result import Bucket, Gate, Ground, Standing, Verdict
from reconciler.evaluation.rules import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT, OFF, is_on, variants_of
from reconciler.model import Dependencies, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.evaluation.evaluate import Assignment
    from reconciler.model import FlagSpec

COHORTS_LISTED = "Variants list cohorts, and the user's cohort_ids are not given: taken as none."
NO_AMPLITUDE_ID = (
    "Bucketed by amplitude_id, which is not given. Evaluated remotely, Amplitude knows it and the user may get "
    "a variant: give it as the property amplitude_id."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A flag of a family: the evaluated flag, or one that it depends on. `spec` None: there is no such flag."""

    flag_id: str
    key: str
    spec: FlagSpec | None
    dependencies: Dependencies | None = None


class FlagState:
    """A family of flags in one state, evaluated together for one user after the other.

    `members` come after those they depend on, the flag itself last. A dependency on a flag that does not come
    before (it was not read, or depends on this one in turn) counts as one that lets everybody through, and is noted.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._keys = {member.flag_id: member.key for member in members}
        self._members = tuple(_Prepared(member) for member in members)

    def judge(self, user: Mapping[str, Any]) -> Verdict:
        """The user's variant and why. `user` is as the SDKs describe one; see evaluation.conditions."""
        variants: dict[str, str] = {}
        inherited: list[str] = []
        for member in self._members[:-1]:
            verdict = member.judge(user, variants, self._keys)
            inherited += [f'Flag "{member.key}", which it depends on: {note}' for note in verdict.notes]
            if verdict.variant is not None:
                variants[member.flag_id] = verdict.variant
        verdict = self._members[-1].judge(user, variants, self._keys)
        return replace(verdict, notes=(*verdict.notes, *inherited)) if inherited else verdict


class _Prepared:
    """One member, prepared."""

    def __init__(self, member: Member) -> None:
        self.flag_id, self.key = member.flag_id, member.key
        self._spec = member.spec
        self._evaluator = None if member.spec is None else Evaluator(member.spec)
        self._dependencies = member.dependencies
        self._lists_cohorts = any(variant.cohorts for variant in variants_of(member.spec))
        self._salt_is_known = member.spec is not None and not isinstance(member.spec.bucketing_salt, Unset)

    def judge(self, user: Mapping[str, Any], variants: Mapping[str, str], keys: Mapping[str, str]) -> Verdict:
        if self._evaluator is None or self._spec is None:
            return Verdict(variant=OFF, ground=Ground.ABSENT)
        if not is_on(self._spec):
            ground = Ground.ARCHIVED if self._spec.archived is True else Ground.DISABLED
            return Verdict(variant=OFF, ground=ground)
        if self._dependencies is None:
            return self._verdict(self._evaluator.assign(user), user)
        gates = _gates(self._dependencies, variants, keys)
        parents = Parents(dependencies=_known(self._dependencies, variants), variants=variants)
        verdict = self._verdict(self._evaluator.assign(user, parents=parents), user)
        return replace(verdict, gates=gates, notes=(*verdict.notes, *_gate_notes(gates)))

    def _verdict(self, assignment: Assignment, user: Mapping[str, Any]) -> Verdict:
        ground = Ground(assignment.reason.value)
        if assignment.reason in {Reason.DISABLED, Reason.DEPENDENCY, Reason.INCLUSION}:
            return Verdict(variant=assignment.variant, ground=ground, notes=assignment.notes)
        standing = self._standing(assignment)
        is_unknown = standing is Standing.UNKNOWN_SALT
        return Verdict(
            variant=None if is_unknown else assignment.variant,
            ground=ground,
            segment=assignment.segment,
            rule=assignment.rule,
            standing=standing,
            bucket=None if is_unknown else _bucket(assignment, user),
            notes=self._notes(assignment, standing, user),
        )

    def _standing(self, assignment: Assignment) -> Standing:
        rule = assignment.rule
        if rule is None or rule.bucketing is None:
            return Standing.NOBODY if assignment.variant == OFF else Standing.EVERYONE
        if assignment.allocation is None:
            return Standing.NO_VALUE
        if not self._salt_is_known:
            return Standing.UNKNOWN_SALT
        return Standing.ALLOCATED if assignment.allocation < rule.percentage else Standing.NOT_ALLOCATED

    def _notes(self, assignment: Assignment, standing: Standing, user: Mapping[str, Any]) -> tuple[str, ...]:
        notes = assignment.notes
        if self._lists_cohorts and "cohort_ids" not in user:
            notes = (*notes, COHORTS_LISTED)
        bucketing = assignment.rule.bucketing if assignment.rule else None
        if standing is not Standing.NO_VALUE or bucketing is None:
            return notes
        by_default = (bucketing.unit, bucketing.key) == (DEFAULT_BUCKETING_UNIT, DEFAULT_BUCKETING_KEY)
        return (*notes, NO_AMPLITUDE_ID) if by_default else notes


def _bucket(assignment: Assignment, user: Mapping[str, Any]) -> Bucket | None:
    rule, allocation, distribution = assignment.rule, assignment.allocation, assignment.distribution
    if rule is None or rule.bucketing is None or allocation is None or distribution is None:
        return None
    value = bucketing_value(rule.bucketing, user) or ""
    return Bucket(bucketing=rule.bucketing, value=value, allocation=allocation, distribution=distribution)


def _known(dependencies: Dependencies, variants: Mapping[str, str]) -> Dependencies:
    """The dependencies, those on flags of which nothing is known letting everybody through."""
    flags = tuple((flag_id, allowed if flag_id in variants else ()) for flag_id, allowed in dependencies.flags)
    return structs.replace(dependencies, flags=flags)


def _gates(dependencies: Dependencies, variants: Mapping[str, str], keys: Mapping[str, str]) -> tuple[Gate, ...]:
    return tuple(
        Gate(flag_id=flag_id, key=keys.get(flag_id), allowed=allowed, variant=variants.get(flag_id))
        for flag_id, allowed in dependencies.flags
    )


def _gate_notes(gates: tuple[Gate, ...]) -> list[str]:
    return [
        f"Depends on {gate.name}, which is not evaluated: taken as one that lets everybody through."
        for gate in gates
        if gate.allowed and gate.variant is None
    ]
