"""Transients by the book: every order tried, every state counted by its own arithmetic, no code of the product."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Weighing = dict[str, int]
"""Weights by variant, in variant order."""

ROWS, TOP, SCALE = 42_949_672, 96, 42_949_673


def hashes_below(residue: int, distribution: int) -> int:
    """How many 32 bit hashes h have h mod 100 < residue and h div 100 < distribution."""
    return min(distribution, ROWS) * residue + (min(residue, TOP) if distribution > ROWS else 0)


def variant_of(weights: Weighing, percentage: int, residue: int, distribution: int) -> str:
    """The variant at one point of the grid, by cumulative weights."""
    if residue >= percentage:
        return "off"
    total, reached = sum(weights.values()), 0
    for variant, weight in weights.items():
        reached += weight
        if distribution * total < reached * SCALE:
            return variant
    raise AssertionError(weights)


def stray(states: tuple[tuple[Weighing, int], ...]) -> Fraction:
    """The share of users whose variant in any inner state is neither that of the first nor of the last."""
    ends = sorted({0, SCALE, *(end for weights, _ in states for end in _ends(weights))})
    edges = sorted({0, 100, *(percentage for _, percentage in states)})
    count = 0
    for d0, d1 in pairwise(ends):
        for r0, r1 in pairwise(edges):
            seen = [variant_of(weights, percentage, r0, d0) for weights, percentage in states]
            if not set(seen[1:-1]) <= {seen[0], seen[-1]}:
                count += hashes_below(r1, d1) - hashes_below(r0, d1) - hashes_below(r1, d0) + hashes_below(r0, d0)
    return Fraction(count, 2**32)


def path_of(old: Weighing, new: Weighing, order: Iterable[str]) -> Iterator[Weighing]:
    """The weights before the first change of an order and after each."""
    weights = dict(old)
    yield dict(weights)
    for variant in order:
        weights[variant] = new[variant]
        yield dict(weights)


def least_transient(old: Weighing, new: Weighing, percentage: int = 100) -> Fraction:
    """The least, over all orders that avoid all-zero weights if any does, of the largest stray share of a state."""
    known: dict[tuple[int, ...], Fraction] = {}

    def share(weights: Weighing) -> Fraction:
        key = tuple(weights.values())
        if key not in known:
            known[key] = stray(((old, percentage), (weights, percentage), (new, percentage)))
        return known[key]

    changed = [variant for variant in old if old[variant] != new[variant]]
    paths = [list(path_of(old, new, order))[1:-1] for order in permutations(changed)]
    paths = [path for path in paths if all(any(weights.values()) for weights in path)]
    return min(max(map(share, path), default=Fraction(0)) for path in paths)


def _ends(weights: Weighing) -> list[int]:
    total, reached, ends = sum(weights.values()), 0, []
    for weight in weights.values():
        reached += weight
        ends.append(-(-reached * SCALE // total))
    return ends
