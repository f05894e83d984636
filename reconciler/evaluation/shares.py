"""Exact shares: who gets what under a rule, and under two or three rules at once.

Two rules that hash the same thing are two partitions of one grid into rectangles, so their joint shares are
counted exactly. Rules that hash different things (another salt, key or unit) are independent: their joint shares are
products, expectations rather than counts. A rule that gives everyone the same hashes nothing and is exact beside
any other.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.hashing import DISTRIBUTIONS, HASHES, RESIDUES, count_hashes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.evaluation.rules import SegmentRule


class JointShares(Struct, frozen=True, kw_only=True):
    """Who gets what under several rules: one share per tuple of variants, positive ones only, adding up to 1.

    `is_exact` is False where rules hash different things and the shares are expectations.
    """

    cells: tuple[tuple[tuple[str, ...], Fraction], ...]
    is_exact: bool

    @property
    def switched(self) -> Fraction:
        """The share of users whose variant under the last rule is another than under the first."""
        return sum((share for variants, share in self.cells if variants[0] != variants[-1]), Fraction(0))

    def as_dict(self) -> dict[tuple[str, ...], Fraction]:
        """The shares by tuple of variants."""
        return dict(self.cells)


def variant_shares(rule: SegmentRule) -> dict[str, Fraction]:
    """The share of the rule's users that each variant gets, in variant order and `off` last, positive ones only."""
    found = {variants[0]: share for variants, share in joint_shares(rule).cells}
    order = [variant for variant, _ in rule.cuts if variant in found]
    return {variant: found[variant] for variant in (*order, *(set(found) - set(order)))}


def joint_shares(*rules: SegmentRule) -> JointShares:
    """The joint shares of the rules, each met by the same users."""
    groups = _groups_by_hash(rules)
    joint: dict[tuple[str, ...], Fraction] = {tuple(rule.constant for rule in rules): Fraction(1)}
    for positions in groups:
        counted = _count_cells(tuple(rules[position] for position in positions))
        joint = {
            _place(variants, positions, chosen): share * Fraction(count, HASHES)
            for variants, share in joint.items()
            for chosen, count in counted
        }
    return JointShares(cells=tuple(sorted(joint.items())), is_exact=len(groups) <= 1)


def unavoidable_share(before: dict[str, Fraction], after: dict[str, Fraction]) -> Fraction:
    """The least share of users that must switch to get from these shares to those."""
    kept = (min(share, after.get(variant, Fraction(0))) for variant, share in before.items())
    return 1 - sum(kept, Fraction(0))


@lru_cache(maxsize=65536)
def transient_share(before: SegmentRule, between: SegmentRule, after: SegmentRule) -> Fraction:
    """The share of users who get, under `between`, neither their variant under `before` nor the one under `after`."""
    if between in {before, after}:
        return Fraction(0)
    rules = (before, between, after)
    groups = _groups_by_hash(rules)
    if len(groups) > 1:
        return sum((share for (x, seen, y), share in joint_shares(*rules).cells if seen not in {x, y}), Fraction(0))
    constants = tuple(rule.constant for rule in rules)
    transient = 0
    positions = groups[0] if groups else []
    for chosen, count in _count_cells(tuple(rules[position] for position in positions)):
        x, seen, y = _place(constants, positions, chosen)
        transient += count if seen not in {x, y} else 0
    return Fraction(transient, HASHES)


def _groups_by_hash(rules: tuple[SegmentRule, ...]) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for position, rule in enumerate(rules):
        if rule.bucketing is not None:
            groups.setdefault(rule.bucketing, []).append(position)
    return list(groups.values())


def _place(variants: tuple[str, ...], positions: Iterable[int], chosen: tuple[str, ...]) -> tuple[str, ...]:
    placed = list(variants)
    for position, variant in zip(positions, chosen, strict=True):
        placed[position] = variant
    return tuple(placed)


@lru_cache(maxsize=4096)
def _count_cells(rules: tuple[SegmentRule, ...]) -> tuple[tuple[tuple[str, ...], int], ...]:
    """The hashes of each tuple of variants, counted over a grid; inside a cell each rule gives one variant."""
    residues = sorted({0, RESIDUES, *(rule.percentage for rule in rules)})
    ends = sorted({0, DISTRIBUTIONS, *(end for rule in rules for _, end in rule.cuts)})
    counts: dict[tuple[str, ...], int] = {}
    for r in pairwise(residues):
        for d in pairwise(ends):
            variants = tuple(rule.variant_at(r[0], d[0]) for rule in rules)
            if count := count_hashes(r, d):
                counts[variants] = counts.get(variants, 0) + count
    return tuple(counts.items())
