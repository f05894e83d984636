"""Which users there can be: against every combination of many values, as the official engine answers them."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from official_engine import official_condition
from random_flags import CONDITIONS, a_random_change, a_random_flag

from reconciler.evaluation.populations import Properties, segment_combinations
from reconciler.evaluation.rules import SegmentRule, flag_rules
from reconciler.evaluation.values import answers_of
from reconciler.model.flag import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

SINGLE = ("is", "is not", "contains", "does not contain", "less", "less or equal", "greater", "greater or equal",
          "glob match", "glob does not match")  # fmt: skip
SETS = ("set is", "set is not", "set contains", "set does not contain")
KINDS = (SINGLE[:2], SINGLE[:4], SINGLE[4:8], (*SINGLE[:2], *SINGLE[4:8]), (*SINGLE[:4], *SINGLE[8:]), SINGLE, SETS)
CONSTANTS = (
    ("a", "b", "ab", "ba", "aB", "(none)"),
    ("1", "2", "10", "1.5", "b", "nan"),
    ("1.0", "1.1", "1.0.1", "1.0.1-a", "b"),
    ("true", "False", "t", "r"),
    ("a*", "*b", "a/**", "/", "**", "*", "a*b"),
)
LETTERS = "abAB/12.10-tTrueFalse*"
TRICKY = ("0.5", "1.0", "01", "1e0", "2.5", "1.0.1", "1.0.2", "1.0.1-", "1.0.1-b", "0.0.0-", "TRUE", "tRue", "false")
GRID: dict[str, tuple[Any, ...]] = {
    "country": (None, "US", "CA", "DE"),
    "gp:plan": (None, "pro", "one", "team"),
    "gp:seats": (None, "10", "9"),
    "version": (None, "1.10.0", "1.9.9"),
    "gp:tags": (None, "x", [None], ["beta"], ["staff"], ["beta", "staff"]),
    "gp:page": (None, "/shop/x", "/"),
}
"""A value of each property for every answer that CONDITIONS allow."""
OPPOSITES = [
    Condition(prop=prop, op=op, values=(value,))
    for prop, value in (("country", "US"), ("gp:plan", "pro"), ("version", "1.10.0"))
    for op in ("is", "is not")
]
"""Of each two a user meets one."""


def _user(prop: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    return {"user_properties": {prop[3:]: value}} if prop.startswith("gp:") else {prop: value}


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_answer_is_missed(random: Random) -> None:
    """All answers of a value to conditions on its property are among those that are called possible."""
    prop = random.choice(("gp:x", "gp:version"))
    kind, constants = random.choice(KINDS), random.choice(CONSTANTS)
    conditions = tuple(
        Condition(prop=prop, op=random.choice(kind), values=tuple(random.sample(constants, random.randint(1, 2))))
        for _ in range(random.randint(1, 4))
    )
    values: list[Any] = [None, *constants, *TRICKY]
    values += ["".join(random.choices(LETTERS, k=random.randint(1, 4))) for _ in range(60)]
    if kind is SETS:
        values += [random.sample([*values[1:], *constants * 5], random.randint(1, 3)) for _ in range(60)]

    answers = answers_of(conditions)

    masks = {found.mask for found in answers.known}
    for found in answers.known:
        for value in found.values:
            assert _mask(conditions, prop, value) == found.mask, value
    for value in values:
        assert answers.is_free or _mask(conditions, prop, value) in masks, (conditions, value)


def _mask(conditions: tuple[Condition, ...], prop: str, value: Any) -> int:
    user = _user(prop, value)
    return sum(official_condition(condition, user) << bit for bit, condition in enumerate(conditions))


def test_possible_pairs_are_those_of_all_users() -> None:
    """200 changes: the pairs of segments called possible are exactly those that users of all kinds go through."""
    truths = _truths(CONDITIONS)
    for seed in range(200):
        before = a_random_flag(Random(seed))
        states = flag_rules(before), flag_rules(a_random_change(Random(seed), before))

        found = segment_combinations(*states)

        assert set(found) == {tuple(_first(rules, true) for rules in states) for true in truths}, seed


@pytest.mark.parametrize("conditions", [CONDITIONS, OPPOSITES])
def test_what_can_be_true_together_is_so_of_some_user(conditions: Sequence[Condition]) -> None:
    """1,000 questions: required conditions, and sets of conditions of which not all may be met."""
    properties, random = Properties(conditions), Random(5)
    masks = {properties.mask_of(true) for true in _truths(conditions)}
    found = []
    for number in range(1000):
        required = properties.mask_of(random.sample(conditions, number % 3))
        excluded = [
            properties.mask_of(random.sample(conditions, random.randint(1, 3))) for _ in range(random.randint(0, 6))
        ]
        expected = any(
            mask & required == required and all(mask & item != item for item in excluded) for mask in masks
        )
        assert properties.can_be(required, excluded) is expected
        found.append(expected)
    assert 100 < sum(found) < 900


def _truths(conditions: Sequence[Condition]) -> set[frozenset[Condition]]:
    """Which conditions are met together, by users of all kinds."""
    met = {(item, at) for item in conditions for at, value in enumerate(GRID[item.prop]) if _met(item, value)}
    places = product(*(range(len(values)) for values in GRID.values()))
    users = [dict(zip(GRID, chosen, strict=True)) for chosen in places]
    return {frozenset(item for item in conditions if (item, user[item.prop]) in met) for user in users}


def _met(condition: Condition, value: Any) -> bool:
    return official_condition(condition, _user(condition.prop, value))


def _first(rules: tuple[SegmentRule, ...], true: frozenset[Condition]) -> int:
    plain = {(item.prop, item.op, tuple(sorted(item.values))) for item in true}
    return next(
        place
        for place, rule in enumerate(rules)
        if all((item.prop, item.op, item.values) in plain for item in rule.conditions)
    )
