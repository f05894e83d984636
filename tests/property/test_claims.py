"""Claims about all users, beside Amplitude's own engine: refutations confirmed, proofs attacked, mutations found.

The long form is `make claims`. It prints how many claims were not decided, and why.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from builders import a_position
from crowds import FEW_IDS, Crowd
from msgspec.structs import replace
from official_engine import FastEngine, OfficialFlag
from random_claims import a_random_claim, a_user_of_values, alone, is_broken, is_meant, with_random_conditions
from random_flags import a_random_change, a_random_flag, a_random_user

from reconciler.evaluation.assertions import Assertion, Outcome, Status
from reconciler.evaluation.cases import filled_from
from reconciler.evaluation.deciding import Decider
from reconciler.model.flag import Condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.evaluation.assertions import Verdict
    from reconciler.model.flag import FlagSpec

    Count = Callable[[str, int], None]

ENGINE = FastEngine()
NO_CHANGE = Assertion(name="none", flag="flag", source=a_position(), never=(Outcome("*", "*"),))
MOST_OPEN = 0.01


def test_claims_hold_in_the_official_engine() -> None:
    """300 claims: at most 1 % are open; users who refute them do so in the engine, and few users break a proof."""
    verdicts = [_decide(seed, users=100) for seed in range(300)]

    assert sum(verdict.status is Status.UNDECIDED for verdict in verdicts) <= MOST_OPEN * len(verdicts)
    assert {verdict.status for verdict in verdicts} >= {Status.PROVED, Status.REFUTED}


def test_a_crowd_breaks_what_is_refuted() -> None:
    """50,000 users, told apart as flags do, break nearly every claim that is refuted, and no proof."""
    crowd = Crowd(1, 50_000, FEW_IDS)
    broken: Counter[tuple[Status, bool]] = Counter()
    for seed in range(100):
        claim, flags = _claimed(Random(seed))
        if not claim.shares:
            broken[_decide(seed).status, crowd.breaks(claim, flags)] += 1

    assert broken[Status.PROVED, True] == 0 < broken[Status.PROVED, False]
    assert broken[Status.REFUTED, True] > 10 * broken[Status.REFUTED, False]


def test_one_line_finds_what_a_change_does() -> None:
    """60 changed flags: whenever the engine gives one of many users another variant, `* -> *` is refuted."""
    assert sum(_differs_and_is_found(seed) for seed in range(60)) > 30


def test_a_condition_may_be_asked_twice() -> None:
    """Of the users of a claim and of a segment: it is one condition."""
    iphone = Condition(prop="platform", op="is", values=("iOS",))
    flag = replace(a_random_flag(Random(2)), enabled=True, target_segments=(), rollout_percentage=0, variants=())
    claim = Assertion(
        name="x", flag="flag", source=a_position(), conditions=(iphone, iphone), never=(Outcome("off"),)
    )

    assert Decider(alone(flag)).decide(claim).status is Status.REFUTED


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(20))
def test_claims_hold_in_the_official_engine_long(block: int, count: Count) -> None:
    """10,000 claims in all, each proof attacked with a crowd of 1,000,000 users: at most 1 % are open."""
    crowd = Crowd(block)
    verdicts = [_decide(1_000_000 + 500 * block + number, crowd=crowd) for number in range(500)]

    count("proofs attacked with a crowd of 1,000,000", crowd.attacks)
    count("users of crowds evaluated by the engine", crowd.evaluated)
    for status, number in Counter(verdict.status for verdict in verdicts).items():
        count(f"claims {status.value}", number)
    for verdict in verdicts:
        if verdict.status is Status.UNDECIDED:
            count(f"not decided: {verdict.reason}", 1)
    assert sum(verdict.status is Status.UNDECIDED for verdict in verdicts) <= MOST_OPEN * len(verdicts)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_proof_withstands_a_million_users(count: Count) -> None:
    """One proof, attacked with 1,000,000 users, each of them evaluated by the engine."""
    random = Random(0)
    flag = _flag(random)
    while (claim := a_random_claim(random, flag, compares=False)).shares or not _is_proved(claim, flag):
        flag = _flag(random)
    _attack(claim, [flag], random, users=1_000_000)
    count("users in attacks on single proofs", 1_000_000)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(10))
def test_one_line_finds_what_a_change_does_long(block: int, count: Count) -> None:
    """Flags are changed until 1,000 differ in the engine, 100 in each block: the one line finds each of them."""
    found, seed = 0, 2_000_000 + 10_000 * block
    while found < 100:
        found += _differs_and_is_found(seed)
        seed += 1
    count("changes that differ in the engine, all found", found)


def _is_proved(claim: Assertion, flag: FlagSpec) -> bool:
    return Decider(alone(flag)).decide(claim).status is Status.PROVED


def _decide(seed: int, *, users: int = 0, crowd: Crowd | None = None) -> Verdict:
    """Decide a random claim, and see that the engine agrees."""
    random = Random(seed)
    claim, flags = _claimed(random)
    decider = Decider(alone(flags[-1]), alone(flags[0]) if len(flags) > 1 else None)

    verdict = decider.decide(claim)

    if verdict.status is Status.REFUTED:
        assert verdict.person is not None
        assert is_meant(claim, verdict.person.user)
        variants = [OfficialFlag(flag, engine=ENGINE).assign(verdict.person.user)[0] for flag in flags]
        assert variants == [cause.variant for cause in verdict.causes], (seed, verdict)
        assert claim.shares or is_broken(claim, variants[0], variants[-1]), (seed, verdict)
    elif verdict.status is Status.PROVED and not claim.shares:
        _attack(claim, flags, random, users=users)
        assert crowd is None or not crowd.breaks(claim, flags), (seed, claim)
    return verdict


def _claimed(random: Random) -> tuple[Assertion, list[FlagSpec]]:
    """A claim, and the flag before and after where it compares two."""
    flags = [_flag(random)]
    compares = random.random() < 0.4
    claim = a_random_claim(random, flags[0], compares=compares)
    if compares:
        flags.append(_changed(random, flags[0]))
    return claim, flags


def _flag(random: Random) -> FlagSpec:
    flag = a_random_flag(random)
    return with_random_conditions(random, flag) if random.random() < 0.5 else flag


def _changed(random: Random, flag: FlagSpec) -> FlagSpec:
    """The flag changed; a segment that is silent about its bucketing key keeps the one it has."""
    change = a_random_change if random.random() < 0.7 else with_random_conditions
    filled = filled_from(alone(change(random, flag)), alone(flag)).flag
    assert filled is not None
    return filled.spec


def _attack(claim: Assertion, flags: list[FlagSpec], random: Random, *, users: int) -> None:
    """See that none of so many users breaks a claim that is proved."""
    official = [OfficialFlag(flag, engine=ENGINE) for flag in flags]
    for number in range(users):
        user = (a_random_user if number % 2 else a_user_of_values)(random, number)
        if is_meant(claim, user):
            variants = [flag.assign(user)[0] for flag in official]
            assert not is_broken(claim, variants[0], variants[-1]), (claim, flags, user)


def _differs_and_is_found(seed: int) -> bool:
    """Whether some user gets another variant after a random change, which the one line then finds."""
    random = Random(seed)
    before = _flag(random)
    after = _changed(random, before)
    official = [OfficialFlag(flag, engine=ENGINE) for flag in (before, after)]
    users = [(a_random_user if number % 2 else a_user_of_values)(random, number) for number in range(300)]
    differs = any(official[0].assign(user)[0] != official[1].assign(user)[0] for user in users)

    verdict = Decider(alone(after), alone(before)).decide(NO_CHANGE)

    if differs:
        assert verdict.status is Status.REFUTED, seed
    return differs
