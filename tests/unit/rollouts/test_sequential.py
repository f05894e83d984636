"""The sequential test: seldom wrong however often it is asked, quick where a rate has doubled, else silent."""

from __future__ import annotations

from math import log, sqrt
from random import Random
from statistics import NormalDist

import pytest

from reconciler.rollouts.sequential import ALPHA, Counts, Verdict, compare, log_evidence

LOOKS = 144


def failed_at_some_look(random: Random, rate: float, doubled: float, requests: int, looks: int) -> int | None:
    """The look at which a variant that fails at `doubled` times the control's rate is called worse; None: never."""
    variant = control = 0.0
    for look in range(1, looks + 1):
        variant += binomial(random, requests, rate * doubled)
        control += binomial(random, requests, rate)
        if compare(Counts(variant, look * requests), Counts(control, look * requests)) is Verdict.WORSE:
            return look
    return None


def binomial(random: Random, trials: int, rate: float) -> float:
    """A binomial number, by the normal approximation where that is good, by waiting times where it is not."""
    mean = trials * rate
    if mean > 50:
        return max(0.0, round(random.gauss(mean, (mean * (1 - rate)) ** 0.5)))
    found, left = 0, random.expovariate(1)
    while left < mean:
        found, left = found + 1, left + random.expovariate(1)
    return min(found, trials)


@pytest.mark.parametrize(("rate", "requests"), [(0.02, 1000), (0.001, 2000), (0.3, 200)])
def test_healthy_rollouts_are_seldom_stopped(rate: float, requests: int) -> None:
    """At 144 looks not more often than the test promises, with room for chance: 400 rollouts each."""
    random = Random(7)
    stopped = sum(failed_at_some_look(random, rate, 1, requests, LOOKS) is not None for _ in range(400))
    assert stopped <= 400 * ALPHA + 6


def test_a_doubled_rate_is_seen_within_three_looks() -> None:
    """Of 300 rollouts whose variant gets 2,000 requests between two looks and fails twice as often as 2 %."""
    random = Random(11)
    looks = [failed_at_some_look(random, 0.02, 2, 2000, 3) for _ in range(300)]
    assert sum(look is None for look in looks) <= 3


@pytest.mark.parametrize(
    ("variant", "control"),
    [
        (Counts(0, 99), Counts(0, 10_000)),
        (Counts(99, 99), Counts(0, 10_000)),
        (Counts(5, 10_000), Counts(0, 99)),
        (Counts(4, 100), Counts(0, 10_000)),
        (Counts(-1, 1000), Counts(10, 1000)),
        (Counts(1001, 1000), Counts(10, 1000)),
        (Counts(float("nan"), 1000), Counts(10, 1000)),
        (Counts(5, float("nan")), Counts(10, 1000)),
        (Counts(5, float("inf")), Counts(10, 1000)),
    ],
)
def test_too_few_and_impossible_counts_say_nothing(variant: Counts, control: Counts) -> None:
    assert compare(variant, control) is Verdict.UNKNOWN


def test_clear_cases() -> None:
    assert compare(Counts(0, 1000), Counts(0, 1000)) is Verdict.FINE
    assert compare(Counts(10, 1000), Counts(100, 1000)) is Verdict.FINE
    assert compare(Counts(100, 1000), Counts(10, 1000)) is Verdict.WORSE
    assert compare(Counts(1000, 1000), Counts(0, 1000)) is Verdict.WORSE
    huge = float(2**57 - 16)
    near = Counts(4 * huge, 4 * huge), Counts(huge - 16, huge)
    assert (compare(*near), log_evidence(*near)) == (Verdict.FINE, 0), "so near that no variance is left"


def test_the_least_that_says_something() -> None:
    """100 requests of each, and 5 failures of both."""
    assert compare(Counts(50, 100), Counts(0, 100)) is Verdict.WORSE
    assert compare(Counts(3, 100), Counts(2, 10_000)) is not Verdict.UNKNOWN
    assert compare(Counts(2, 100), Counts(2, 10_000)) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("variant", "control"), [(Counts(70, 1000), Counts(30, 1000)), (Counts(9, 200), Counts(300, 9000))]
)
def test_the_evidence_is_the_mixture_that_is_promised(variant: Counts, control: Counts) -> None:
    """How much likelier each difference makes what was seen, summed in small steps.

    They are weighed by a normal mixture whose deviation is the share that fails in both.
    """
    pooled = (variant.failed + control.failed) / (variant.of + control.of)
    seen = NormalDist(0, sqrt(pooled * (1 - pooled) * (1 / variant.of + 1 / control.of)))
    difference = variant.failed / variant.of - control.failed / control.of
    mixture, width = NormalDist(0, pooled), pooled / 100
    ratio = sum(
        mixture.pdf(step * width) * width * seen.pdf(difference - step * width) / seen.pdf(difference)
        for step in range(-800, 801)
    )
    assert log_evidence(variant, control) == pytest.approx(log(ratio), abs=1e-6)


def test_several_tests_share_the_chance_of_a_false_alarm() -> None:
    """What one test alone would call worse, one of a thousand does not."""
    counts = Counts(70, 1000), Counts(30, 1000)
    assert compare(*counts) is Verdict.WORSE
    near = Counts(62, 1000), Counts(30, 1000)
    assert [compare(*near), compare(*near, 1), compare(*near, 2)] == [Verdict.WORSE, Verdict.WORSE, Verdict.FINE]
    assert compare(*counts, 1000) is Verdict.FINE
