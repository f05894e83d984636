"""Whether a variant fails more often than another, asked as often as one likes.

An ordinary test that is looked at again and again stops nearly every healthy rollout. This is a mixture sequential
probability ratio test for the difference of two shares: however often it is asked, the chance that it ever calls a
variant worse that is not is about ALPHA / 2, and below ALPHA where counts are small. The mixture is normal; the
variance is that of the pooled share. A simulation holds both (tests/unit/rollouts).
"""

from __future__ import annotations

from enum import StrEnum
from math import log
from typing import Final

from msgspec import Struct

ALPHA: Final = 0.02
"""Twice the chance that a variant which is not worse is ever called so: one of two sides counts."""

SCALE: Final = 1.0
"""The differences that the test is made for, as a multiple of the share that fails: 1 is a doubled rate."""

LEAST: Final = 100
"""Fewer requests of a variant say nothing."""

LEAST_FAILED: Final = 5
"""Below so many failures in both variants together, the normal approximation says nothing."""


class Verdict(StrEnum):
    """What is known of a variant. Unknown holds a rollout; it never passes and never fails."""

    FINE = "better or equal"
    WORSE = "worse"
    UNKNOWN = "unknown"


class Counts(Struct, frozen=True):
    """How many requests of a variant there were, and how many of them failed."""

    failed: float
    of: float

    @property
    def are_valid(self) -> bool:
        """Whether they are counts of a part and of its whole."""
        return 0 <= self.failed <= self.of < float("inf")


def compare(variant: Counts, control: Counts, tests: int = 1) -> Verdict:
    """Whether a variant fails more often than the control; `tests` such tests share the chance of a false alarm.

    Counts that are none are unknown, and so are too few: below LEAST requests of either, or below LEAST_FAILED
    failures of which the variant has more than its part.
    """
    if not (variant.are_valid and control.are_valid) or min(variant.of, control.of) < LEAST:
        return Verdict.UNKNOWN
    difference = variant.failed / variant.of - control.failed / control.of
    if difference <= 0:
        return Verdict.FINE
    if variant.failed + control.failed < LEAST_FAILED:
        return Verdict.UNKNOWN
    return Verdict.WORSE if log_evidence(variant, control) >= log(tests / ALPHA) else Verdict.FINE


def log_evidence(variant: Counts, control: Counts) -> float:
    """The logarithm of the ratio of likelihoods, of some difference against none, mixed over differences."""
    pooled = (variant.failed + control.failed) / (variant.of + control.of)
    variance = pooled * (1 - pooled) * (1 / variant.of + 1 / control.of)
    if variance <= 0:
        return 0.0
    mixture = (SCALE * pooled) ** 2
    difference = variant.failed / variant.of - control.failed / control.of
    return 0.5 * log(variance / (variance + mixture)) + difference**2 * mixture / (
        2 * variance * (variance + mixture)
    )
