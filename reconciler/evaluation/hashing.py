"""The one hash that decides both whether a user is allocated and which variant they get.

A hash h of 32 bits is a point of a grid: allocation value r = h mod 100 and distribution value d = h div 100.
2^32 = 42949672 * 100 + 96, so the last row of the grid (d = 42949672) has points for r < 96 only; counting points
exactly, instead of multiplying percentages, is what makes every share here an exact fraction.
"""

from __future__ import annotations

import mmh3

HASHES = 2**32
"""How many hashes there are: the denominator of every share."""

RESIDUES = 100
"""Allocation values run from 0 to RESIDUES - 1, one for each whole percent."""

DISTRIBUTIONS = 42_949_673
"""Distribution values run from 0 to DISTRIBUTIONS - 1; cuts between variants are scaled to this."""

_FULL_ROWS = DISTRIBUTIONS - 1
_LAST_ROW = HASHES - _FULL_ROWS * RESIDUES


def hash_of(salt: str, value: str) -> int:
    """The unsigned murmur3 (x86, 32 bits, seed 0) of `salt/value` in UTF-8, neither trimmed nor case-folded."""
    hashed: int = mmh3.hash(f"{salt}/{value}".encode(errors="surrogatepass"), 0, signed=False)
    return hashed


def coordinates(hashed: int) -> tuple[int, int]:
    """The allocation value and the distribution value of a hash."""
    return hashed % RESIDUES, hashed // RESIDUES


def count_hashes(residues: tuple[int, int], distributions: tuple[int, int]) -> int:
    """How many hashes have r and d in these half-open ranges, which do not end before they start."""
    (r0, r1), (d0, d1) = residues, distributions
    rows = min(d1, _FULL_ROWS) - min(d0, _FULL_ROWS)
    last = max(0, min(r1, _LAST_ROW) - r0) if d0 <= _FULL_ROWS < d1 else 0
    return (r1 - r0) * rows + last
