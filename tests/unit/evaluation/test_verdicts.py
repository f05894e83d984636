"""What is said of a claim that is refuted, to the field; and the variants that users of cases can have."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.evaluation.assertions import Cause, Status, Verdict
from reconciler.evaluation.cases import Case, buckets_of
from reconciler.evaluation.cells import cells_of, variant_of
from reconciler.evaluation.persons import Person
from reconciler.evaluation.rules import Bucketing, SegmentRule
from reconciler.evaluation.verdicts import refutation, undeclared

ROWS, HALF = 42_949_673, 21_474_837
"""Distribution values, and the end of the first of two equal variants."""


def a_rule(name: str = "x", percentage: int = 100, *, key: str = "user_id", unit: str = "User") -> SegmentRule:
    """A rule that hashes, of variants a and b, the first of which has the smaller half."""
    cuts = (("a", HALF - 1), ("b", ROWS))
    return SegmentRule(name, percentage=percentage, cuts=cuts, bucketing=Bucketing("s", key, unit))


@pytest.mark.parametrize(
    ("rule", "user", "without"),
    [
        (a_rule(), {"user_id": "u"}, ()),
        (a_rule(), {}, ("user_id",)),
        (a_rule(key="gp:team"), {"user_id": "u"}, ("user_properties.team",)),
        (a_rule(key="gp:team"), {"user_properties": {"team": "t"}}, ()),
        (a_rule(unit="org"), {"user_id": "u"}, ("a group of type org",)),
        (a_rule(unit="org"), {"groups": {"org": ["o"]}}, ()),
        (SegmentRule("x", constant="a"), {}, ()),
    ],
)
def test_what_the_user_of_a_refutation_lacks(
    rule: SegmentRule, user: dict[str, Any], without: tuple[str, ...]
) -> None:
    """Named once, with the causes of both sides; nothing where only what is hashed is open."""
    pair = (Case(rule, "/before"), Case(rule, "/after"))
    causes = (Cause(segment="x", path="/before", variant="a"), Cause(segment="x", path="/after", variant="off"))
    found = Verdict(status=Status.REFUTED, person=Person(user), causes=causes, without=without)
    assert refutation(pair, ("a", "off"), Person(user)) == found
    assert refutation(pair, ("a", "off"), Person(user), has_open_id=True).without == ()


@pytest.mark.parametrize(
    ("fields", "compares", "said"),
    [
        (
            ["enabled"],
            False,
            "enabled is not declared, and it depends on that: declare it, or fill it with --against live.",
        ),
        (
            ["a", "b", "a"],
            False,
            "a, b are not declared, and it depends on that: declare it, or fill it with --against live.",
        ),
        (
            ["a"],
            True,
            "a is not declared in the state before, and it depends on that: compare with --against live.",
        ),
    ],
)
def test_what_is_said_of_undeclared_fields(fields: list[str], compares: bool, said: str) -> None:
    assert undeclared(fields, compares=compares) == said


@pytest.mark.parametrize(
    ("rule", "fields", "variants"),
    [
        (a_rule(), {}, ["a", "b", "off"]),
        (a_rule(key="amplitude_id"), {}, ["a", "b"]),
        (a_rule(key="amplitude_id"), {"is_local": True}, ["a", "b", "off"]),
        (a_rule(key="amplitude_id", unit="org"), {}, ["a", "b", "off"]),
        (a_rule("x", 99, key="amplitude_id"), {}, ["a", "b", "off"]),
        (SegmentRule("x", constant="a"), {}, ["a"]),
        (SegmentRule("x", percentage=100, cuts=(("a", 0), ("b", 1), ("c", 1), ("d", ROWS)),
                     bucketing=Bucketing("s", "amplitude_id", "User")), {}, ["b", "d"]),
    ],
)  # fmt: skip
def test_variants_of_one_rule(rule: SegmentRule, fields: dict[str, Any], variants: list[str]) -> None:
    """Those with a part of the hashes, and what users get who have no share or nothing to hash."""
    assert cells_of((Case(rule, "/x", **fields),)) == [(variant,) for variant in variants]


def test_variants_of_two_rules() -> None:
    """The most frequent first, then those of users without one of what is hashed, then without both."""
    by_user, by_device = Case(a_rule(), "/x"), Case(a_rule(key="device_id"), "/y")
    assert cells_of((by_user, by_user)) == [("b", "b"), ("a", "a"), ("off", "off")]
    assert cells_of((by_user, by_device)) == [
        ("b", "b"), ("a", "b"), ("b", "a"), ("a", "a"),
        ("a", "off"), ("b", "off"), ("off", "a"), ("off", "b"), ("off", "off"),
    ]  # fmt: skip
    by_amplitude = Case(a_rule(key="amplitude_id"), "/z")
    assert cells_of((by_amplitude, by_amplitude)) == [("b", "b"), ("a", "a")]


@pytest.mark.parametrize(
    ("rule", "value", "variant"),
    [
        (SegmentRule("x", constant="a"), "u", "a"),
        (SegmentRule("x"), None, "off"),
        (a_rule(), None, "off"),
        (a_rule(), "user-1", "a"),
        (a_rule(), "user-3", "b"),
    ],
)
def test_what_a_rule_gives_for_a_value(rule: SegmentRule, value: str | None, variant: str) -> None:
    assert variant_of(rule, value) == variant


def test_a_flag_that_is_not_there_has_no_buckets() -> None:
    assert buckets_of(None) == ()
