"""The variants that users of some cases can have, one case of each state, as far as hashes tell users apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.hashing import RESIDUES, coordinates, hash_of
from reconciler.evaluation.rules import SegmentRule
from reconciler.evaluation.shares import joint_shares

if TYPE_CHECKING:
    from reconciler.evaluation.cases import Case

    Cell = tuple[str, ...]
    """The variants of users, of each state one."""

    Pair = tuple[Case, ...]
    """Cases, of each state one."""


def cells_of(pair: Pair) -> list[Cell]:
    """The variants that users of these cases can have on each side, the most frequent first.

    Users without what is hashed are among them.
    """
    rules = [case.rule for case in pair]
    if len(pair) == 1:
        return [(variant,) for variant in _variants_of(pair[0])]
    found = [cell for cell, _ in sorted(joint_shares(*rules).cells, key=lambda item: -item[1])]
    places = {
        (case.rule.bucketing.unit, case.rule.bucketing.key)
        for case in pair
        if case.rule.bucketing and case.can_lack_hashed
    }
    for missing in [{place} for place in sorted(places)] + ([places] if len(places) > 1 else []):
        bare = [
            SegmentRule(rule.segment)
            if rule.bucketing and (rule.bucketing.unit, rule.bucketing.key) in missing
            else rule
            for rule in rules
        ]
        found += [cell for cell, _ in joint_shares(*bare).cells if cell not in found]
    return found


def variant_of(rule: SegmentRule, value: str | None) -> str:
    """What a rule gives users with this value of what it hashes; None: without one."""
    if rule.bucketing is None or value is None:
        return rule.constant
    return rule.variant_at(*coordinates(hash_of(rule.bucketing.salt, value)))


def _variants_of(case: Case) -> list[str]:
    """The variants that a rule gives users, with and without what it hashes."""
    rule = case.rule
    given, start = [], 0
    for variant, end in rule.cuts:
        if start < end:
            given.append(variant)
        start = end
    has_others = rule.bucketing is None or rule.percentage < RESIDUES or case.can_lack_hashed
    return [*given, *([rule.constant] if has_others else [])]
