"""Amplitude's own engine, user by user, beside ours; and its samples beside the exact shares."""

from __future__ import annotations

from math import sqrt
from random import Random
from typing import TYPE_CHECKING

import pytest
from evaluations import evaluator_of
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from official_engine import FastEngine, OfficialFlag, official_condition
from random_flags import a_random_change, a_random_flag, a_random_user

from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.hashing import DISTRIBUTIONS, HASHES
from reconciler.evaluation.populations import segment_combinations
from reconciler.evaluation.result import Reason
from reconciler.evaluation.rules import flag_rules
from reconciler.evaluation.shares import joint_shares
from reconciler.model.flag import Condition, Variant

if TYPE_CHECKING:
    from reconciler.evaluation.result import Result
    from reconciler.model.flag import FlagSpec

SIGMAS = 6
PLAIN = tuple(Variant(key=f"v{index}") for index in range(5))
OPS = (
    "is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal",
    "set is", "set is not", "set contains", "set does not contain", "glob match", "glob does not match",
)  # fmt: skip
TEXTS = st.sampled_from(
    ("US", "us", "true", "TRUE", "False", "(none)", "1", "01", "1.10", "1.9", "1.2.3-rc", "nan", "a/b", "a*", "")
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 12), st.sampled_from((0.0, 1.5)), TEXTS,
    st.lists(st.one_of(TEXTS, st.none(), st.integers(0, 2)), max_size=3),
    st.sampled_from(("[]", '["US", 1, null]', "[US", '{"a": 1}')), st.just({"a": 1}),
)  # fmt: skip
PATTERNS = st.one_of(TEXTS, st.sampled_from(("*", "**", "a/*", "*/b", "1.*", "[", "(", ".*", "^")))


@settings(max_examples=1500, deadline=None)
@given(
    prop=st.sampled_from(("country", "gp:plan", "version", "gp:App Version")),
    op=st.sampled_from(OPS),
    values=st.lists(PATTERNS, min_size=1, max_size=3),
    value=VALUES,
)
def test_conditions(prop: str, op: str, values: list[str], value: object) -> None:
    """Each of the 14 operations says of any value what the official engine says."""
    condition = Condition(prop=prop, op=op, values=tuple(values))
    user = {"user_properties": {prop[3:]: value}} if prop.startswith("gp:") else {prop: value}

    assert matches_condition(condition, user) == official_condition(condition, user)


def test_pairs_agree_user_by_user() -> None:
    """25 random pairs with 500 users each: variant and deciding segment are the engine's, before and after."""
    for seed in range(25):
        _compare_pair(Random(seed), users=500, engine=None)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("block", range(20))
def test_pairs_agree_user_by_user_long(block: int) -> None:
    """200 random pairs with 50,000 users each: variant and deciding segment are the engine's, before and after."""
    for seed in range(1000 + block * 10, 1010 + block * 10):
        _compare_pair(Random(seed), users=50_000, engine=FastEngine())


class ForcedEngine(FastEngine):
    """The official engine with a hash of our choice."""

    forced = 0

    def get_hash(self, key: str) -> int:
        """The forced hash, with any key."""
        return self.forced


def test_every_boundary() -> None:
    """Around every cut between variants and every edge of the percentage, each hash gets the engine's variant."""
    engine, user = ForcedEngine(), {"user_id": "u", "device_id": "d", "groups": {"org id": ["g"]}}
    for seed in range(60):
        spec = replace(a_random_flag(Random(seed)), enabled=True, target_segments=(), variants=PLAIN[: 1 + seed % 5])
        rule = flag_rules(spec)[-1]
        official, own = OfficialFlag(spec, engine=engine), evaluator_of(spec)
        cuts = {cut + shift for _, cut in (*rule.cuts, ("", 0)) for shift in range(-2, 3)}
        for distribution in (cut for cut in cuts if 0 <= cut < DISTRIBUTIONS):
            for residue in {0, 95, 96, 99, *range(rule.percentage - 1, rule.percentage + 1)} & set(range(100)):
                engine.forced = distribution * 100 + residue
                if engine.forced < HASHES and rule.bucketing is not None:
                    assert rule.variant_at(residue, distribution) == official.assign(user)[0]
        assert own.evaluate({}).variant == official.assign({})[0]


def _compare_pair(random: Random, *, users: int, engine: FastEngine | None) -> None:
    before = a_random_flag(random)
    after = a_random_change(random, before)
    people = [a_random_user(random, number) for number in range(users)]
    assigned = [_assign_all(spec, people, engine) for spec in (before, after)]
    _compare_shares(before, after, list(zip(*assigned, strict=True)))


def _assign_all(spec: FlagSpec, people: list[dict[str, object]], engine: FastEngine | None) -> list[Result]:
    official, own = OfficialFlag(spec, engine=engine), evaluator_of(spec)
    found = []
    for user in people:
        variant, segment = official.assign(user)
        result = own.evaluate(user)
        assert (result.variant, _engine_name(result)) == (variant, segment), user
        found.append(result)
    return found


def _engine_name(result: Result) -> str | None:
    if result.reason in {Reason.DISABLED, Reason.ARCHIVED}:
        return "default"
    return f"inclusions {result.variant}" if result.reason is Reason.INCLUSION else result.segment


def _compare_shares(before: FlagSpec, after: FlagSpec, moves: list[tuple[Result, Result]]) -> None:
    """Bucketed users move as the exact matrix says, and between no segments called impossible."""
    rules = flag_rules(before), flag_rules(after)
    feasible = {
        (rules[0][i].segment, rules[1][k].segment): (rules[0][i], rules[1][k])
        for i, k in segment_combinations(*rules)
    }
    for names, pair in feasible.items():
        group = [
            (old.variant, new.variant)
            for old, new in moves
            if (old.segment, new.segment) == names and _hashed(old, new, pair)
        ]
        for cell, share in joint_shares(*pair).cells:
            allowed = SIGMAS * sqrt(max(share * (1 - share) * len(group), 1)) + 1
            if any(rule.bucketing and rule.bucketing.key == "gp:plan" for rule in pair) or _in_groups(pair):
                continue
            assert abs(group.count(cell) - share * len(group)) <= allowed, (names, cell, float(share), len(group))
    for old, new in moves:
        if {old.reason, new.reason} <= {Reason.SEGMENT, Reason.REST}:
            assert (old.segment, new.segment) in feasible


def _hashed(old: Result, new: Result, pair: tuple[object, object]) -> bool:
    """Whether neither side is an inclusion, and both that need a bucketing value had one."""
    sides = zip((old, new), pair, strict=True)
    return all(
        side.reason in {Reason.SEGMENT, Reason.REST} and (rule.bucketing is None or side.bucket is not None)  # type: ignore[attr-defined]
        for side, rule in sides
    )


def _in_groups(pair: tuple[object, object]) -> bool:
    """Whether few groups stand for many users: then shares of users are not those of hashes."""
    return any(rule.bucketing is not None and rule.bucketing.unit != "User" for rule in pair)  # type: ignore[attr-defined]
