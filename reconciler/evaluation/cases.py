"""The cases of a flag: its rules in their order, lists of users among them, each with what it rests on.

What a flag does not declare is `UNSET`. A case that rests on such a field names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from reconciler.evaluation.conditions import COHORT_TYPE
from reconciler.evaluation.rules import (
    SegmentRule,
    atom_of,
    flag_bucketing,
    flag_rules,
    is_on,
    segments_of,
    variant_keys,
    variants_of,
)
from reconciler.model.fields import DEFAULT_BUCKETING_KEY, DEFAULT_BUCKETING_UNIT
from reconciler.model.flag import OFF, UNSET, Condition, Unset, Weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.evaluation.evaluate import FlagWithParents
    from reconciler.model.flag import FlagSpec, Variant


class Case(Struct, frozen=True):
    """A rule of a flag, lists of users among them, and the undeclared fields that it rests on.

    `has_hash_of_parents`: whether flags that let users through, or hold them back, do so by the same hash.
    """

    rule: SegmentRule
    path: str
    lacks: tuple[str, ...] = ()
    hash_lacks: tuple[str, ...] = ()
    is_list_of_users: bool = False
    is_local: bool = False
    has_hash_of_parents: bool = False

    @property
    def can_lack_hashed(self) -> bool:
        """Whether users can be without what the rule hashes: all but an amplitude_id, which is not known locally.

        Only for rules that hash.
        """
        hashed = self.rule.bucketing
        assert hashed is not None
        is_amplitude_id = hashed.key == DEFAULT_BUCKETING_KEY and hashed.unit == DEFAULT_BUCKETING_UNIT
        return not is_amplitude_id or self.is_local


GATE: Final = Condition(prop="dependencies", op="is", values=("not met",), type="dependencies")
"""Stands for what other flags decide: whether they hold a user back."""

GATE_NAME, GATE_PATH = "its dependencies", "dependencies"


def gated(cases: tuple[Case, ...], side: FlagWithParents, given: Mapping[str, str]) -> tuple[Case, ...]:
    """The cases behind what the flag depends on: all, none, or those of users whom it lets through."""
    dependencies = side.flag.parent_dependencies if side.flag else None
    if dependencies is None:
        return cases
    closed = Case(SegmentRule(GATE_NAME), GATE_PATH)
    operator = dependencies.operator.lower()
    if operator not in {"all", "any"}:  # one that is not known lets no user through
        return (closed,)
    if not dependencies.flags:
        return cases
    keys = {parent.id: parent.key for parent in side.parents}
    met = [
        True if not allowed else given[keys[flag_id]] in allowed if keys.get(flag_id) in given else None
        for flag_id, allowed in dependencies.flags
    ]
    decides = operator == "any"
    is_met = decides if decides in met else None if None in met else not decides
    if is_met:
        return cases
    if is_met is False:
        return (closed,)
    salts = {parent.spec.bucketing_salt for parent in side.parents if parent.key not in given} - {UNSET}
    if salts & {case.rule.bucketing.salt for case in cases if case.rule.bucketing}:
        cases = tuple(replace(case, has_hash_of_parents=True) for case in cases)
    return (Case(SegmentRule(GATE_NAME, frozenset((GATE,))), GATE_PATH), *cases)


def unknown_parents(side: FlagWithParents, given: Mapping[str, str]) -> str | None:
    """What keeps variants of flags that this one depends on from being given; None where nothing does."""
    if not given:
        return None
    names = ", ".join(sorted(given))
    is_live = side.flag is not None and side.flag.id  # a flag of files has no id
    if side.flag is None or (side.flag.parent_dependencies is None and not is_live):
        return f"Flag files do not say what a flag depends on ({names}): it takes --against live."
    parents = {parent.key: parent.spec for parent in side.parents}
    if lacking := sorted(given.keys() - parents.keys()):
        return f"The flag does not depend on {', '.join(lacking)}."
    for key, variant in given.items():
        if variant not in {OFF, *variant_keys(parents[key])}:
            return f"The flag {key} has no variant {variant}."
    return None


def filled_from(after: FlagWithParents, before: FlagWithParents) -> FlagWithParents:
    """The state after with the fields that it does not declare as they are before."""
    if after.flag is None or before.flag is None:
        return after
    old, new = before.flag.spec, after.flag.spec
    lacking: dict[str, Any] = {
        name: getattr(old, name) for name in new.__struct_fields__ if getattr(new, name) is UNSET
    }
    known = {variant.key: variant for variant in variants_of(old)}
    names = {
        item.renamed_from: item.key
        for item in variants_of(new)
        if item.renamed_from in known and item.key not in known
    }
    if isinstance(weights := lacking.get("rollout_weights"), Weights):
        lacking["rollout_weights"] = _renamed(weights, names)
    if segments := lacking.get("target_segments"):
        lacking["target_segments"] = tuple(
            replace(item, rollout_weights=_renamed(item.rollout_weights, names)) for item in segments
        )
    filled = replace(new, **lacking)
    if not isinstance(filled.variants, Unset):
        filled = replace(
            filled,
            variants=tuple(_with_lists(item, known.get(item.renamed_from or item.key)) for item in filled.variants),
        )
    if not isinstance(filled.target_segments, Unset):
        keys = {segment.name: segment.bucketing_key for segment in segments_of(old)}
        segments = tuple(
            replace(item, bucketing_key=keys.get(item.name, UNSET)) if isinstance(item.bucketing_key, Unset) else item
            for item in filled.target_segments
        )
        filled = replace(filled, target_segments=segments)
    return replace(after, flag=replace(after.flag, spec=filled))


def _renamed(weights: Weights, names: Mapping[str, str]) -> Weights:
    """The weights as they are once variants are renamed: they go along."""
    return Weights(tuple((names.get(key, key), weight) for key, weight in weights.pairs))


def _with_lists(variant: Variant, old: Variant | None) -> Variant:
    if old is None:
        return variant
    users = old.users if isinstance(variant.users, Unset) else variant.users
    return replace(
        variant, users=users, cohorts=old.cohorts if isinstance(variant.cohorts, Unset) else variant.cohorts
    )


def is_open(side: FlagWithParents) -> bool:
    """Whether it is not declared that the flag is on."""
    return side.flag is not None and isinstance(side.flag.spec.enabled, Unset) and side.flag.spec.archived is not True


def buckets_of(spec: FlagSpec | None) -> tuple[object, ...]:
    """What, beside percentages, decides about buckets."""
    if spec is None:
        return ()
    return spec.bucketing_salt, spec.bucketing_key, spec.bucketing_unit, spec.rollout_weights, variant_keys(spec)


def cases_of(spec: FlagSpec | None, *, is_open: bool, compares: bool) -> Iterator[Case]:
    """The rules of a flag in their order. `is_open`: taken as on although that is not declared.

    `compares`: with another state, which may declare what this one does not.
    """
    if spec is None:
        yield Case(SegmentRule("an absent flag"), "")
        return
    if is_open:
        spec = replace(spec, enabled=True)
    elif not is_on(spec):
        lacks = ("enabled",) if isinstance(spec.enabled, Unset) and spec.archived is not True else ()
        path, name = ("/archived", "an archived flag") if spec.archived is True else ("/enabled", "a disabled flag")
        yield Case(SegmentRule(name), path, lacks)
        return
    always = ("enabled",) if is_open else ()
    yield from _list_cases(spec)
    *targets, rest = flag_rules(spec)
    is_local = spec.evaluation_mode == "local"
    for index, (segment, rule) in enumerate(zip(segments_of(spec), targets, strict=True)):
        has_key = not isinstance(segment.bucketing_key, Unset)
        lacks, hash_lacks = (*always, *_lacks(spec, rule)), _hash_lacks(spec, has_key=has_key)
        yield Case(_keyed(rule, hash_lacks), f"/targetSegments/{index}", lacks, hash_lacks, is_local=is_local)
    has_share = spec.rollout_percentage or (compares and isinstance(spec.rollout_percentage, Unset))
    lacking = [
        name
        for name, value in (
            ("targetSegments", spec.target_segments),
            ("rolloutPercentage", spec.rollout_percentage),
            (
                "rolloutWeights",
                spec.rollout_weights if has_share and len(variants_of(spec)) != 1 else (),
            ),
        )
        if isinstance(value, Unset)
    ]
    lacks = (*always, *lacking, *_lacks(spec, rest))
    hash_lacks = _hash_lacks(spec, has_key=False)
    yield Case(_keyed(rest, hash_lacks), "/rolloutPercentage", lacks, hash_lacks, is_local=is_local)


def _lacks(spec: FlagSpec, rule: SegmentRule) -> tuple[str, ...]:
    return ("variants",) if isinstance(spec.variants, Unset) and len(rule.cuts) > 1 else ()


def _hash_lacks(spec: FlagSpec, *, has_key: bool) -> tuple[str, ...]:
    """What of the hash is not declared: it decides who is meant, not how many. Groups are hashed by their names."""
    salt = ("bucketingSalt",) if isinstance(spec.bucketing_salt, Unset) else ()
    has_groups = flag_bucketing(spec).unit != DEFAULT_BUCKETING_UNIT
    needs_key = not (has_key or has_groups) and isinstance(spec.bucketing_key, Unset)
    return (*salt, "bucketingKey") if needs_key else salt


def _keyed(rule: SegmentRule, hash_lacks: tuple[str, ...]) -> SegmentRule:
    """The rule with a key of its own in place of one that is not declared: equal to itself only, as with salts."""
    if rule.bucketing is None or "bucketingKey" not in hash_lacks:
        return rule
    return replace(rule, bucketing=replace(rule.bucketing, key=""))


def _list_cases(spec: FlagSpec) -> Iterator[Case]:
    """The lists of users and cohorts, variant after variant, as the rules that they are."""
    for index, variant in enumerate(variants_of(spec)):
        name, path = f"the inclusions of {variant.key}", f"/variants/{index}/inclusions"
        if variant.users:
            for field in ("user_id", "device_id"):
                listed = Condition(prop=field, op="is", values=variant.users)
                rule = SegmentRule(name, frozenset((atom_of(listed),)), constant=variant.key)
                yield Case(rule, f"{path}/users", is_list_of_users=True)
        if variant.cohorts:
            member = Condition(prop="userdata_cohort", op="is", values=variant.cohorts, type=COHORT_TYPE)
            yield Case(SegmentRule(name, frozenset((atom_of(member),)), constant=variant.key), f"{path}/cohorts")
