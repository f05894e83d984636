"""The sequential test: seldom wrong however often it is asked, quick where a rate has doubled, else silent."""

from __future__ import annotations

from random import Random

import pytest

from reconciler.rollouts.sequential import ALPHA, Counts, Verdict, compare

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


def test_several_tests_share_the_chance_of_a_false_alarm() -> None:
    """What one test alone would call worse, one of a thousand does not."""
    counts = Counts(70, 1000), Counts(30, 1000)
    assert compare(*counts) is Verdict.WORSE
    assert compare(*counts, 1000) is Verdict.FINE
