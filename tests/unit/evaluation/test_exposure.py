"""Whom a change moves beside the shares: clients, listed members, payloads, and what is said of them, to the word."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.evaluation.exposure import (
    BY_RULES,
    Clients,
    ListedMove,
    PayloadShare,
    exposure_of,
    lacks_value,
    listed_in_words,
    other_clients,
)
from reconciler.evaluation.rules import flag_rules
from reconciler.model.flag import UNSET, Condition, FlagSpec, TargetSegment, Variant, Weights
from tests.builders import a_transition

FLAG = FlagSpec(
    key="f",
    enabled=True,
    bucketing_salt="s",
    bucketing_key="user_id",
    rollout_percentage=100,
    rollout_weights=Weights.of({"a": 1}),
    variants=(
        Variant(key="a", users=("u", "v"), cohorts=("c",), payload=1),
        Variant(key="b", users=("w",), cohorts=(), payload=1),
    ),
    target_segments=(),
)
US = TargetSegment(
    name="US",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=50,
    rollout_weights=Weights.of({"b": 1}),
)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"deployments": ("1", "3", "2", "8", "7", "6", "5")}, {"deployments": ("3", "4")}, [
            Clients(True, ("1", "2", "5", "6", "7", "8"), ""), Clients(False, ("4",), "")]),
        ({"deployments": ("1",)}, {"deployments": ("1",)}, []),
        ({"deployments": UNSET}, {"deployments": ("1",)}, []),
        ({"deployments": ("1",)}, {"deployments": UNSET}, []),
        ({"evaluation_mode": "local"}, {"evaluation_mode": "remote"}, [
            Clients(True, mode="local"), Clients(False, mode="remote")]),
        ({"evaluation_mode": "local"}, {"evaluation_mode": "local"}, []),
        ({"evaluation_mode": UNSET}, {"evaluation_mode": "local"}, []),
        ({"evaluation_mode": "local"}, {"evaluation_mode": UNSET}, []),
    ],
)  # fmt: skip
def test_clients_that_come_and_go(before: dict[str, Any], after: dict[str, Any], found: list[Clients]) -> None:
    """By deployment and by mode, as far as both sides are known; a new flag has none to leave."""
    assert list(other_clients(replace(FLAG, **before), replace(FLAG, **after))) == found
    assert list(other_clients(None, replace(FLAG, **after))) == []


@pytest.mark.parametrize(
    ("deployments", "mode", "words"),
    [
        ((), "", ""),
        (("67",), "", "deployment 67"),
        (("67", "68"), "", "deployments 67, 68"),
        ((), "local", "clients that evaluate locally"),
        ((), "remote", "clients that evaluate remotely"),
        ((), "odd", "clients that evaluate odd"),
    ],
)
def test_clients_in_words(deployments: tuple[str, ...], mode: str, words: str) -> None:
    move = ListedMove(kind="users", before="a", after="off", count=2, deployments=deployments, mode=mode)
    assert a_transition(deployments=deployments, mode=mode).clients == move.clients == words
    others = [replace(move, kind="cohorts"), replace(move, before="off", after="b", count=1, deployments=(), mode="")]
    where = f" in {words}" if words else ""
    assert listed_in_words([move, *others], "users") == f"2 from a to off{where}, 1 from off to b"
    assert listed_in_words([], "users") == ""


def test_clients_that_are_left_have_transitions_of_their_own() -> None:
    """From what they get to off, or from off; of a flag that is off there is nothing to tell."""
    one, other = replace(FLAG, deployments=("1",)), replace(FLAG, deployments=("2",))
    whole, left, got = exposure_of(one, other).transitions
    assert (whole.clients, whole.switched) == ("", 0)
    assert (left.clients, left.before, left.after) == ("deployment 1", (("a", 1),), (("off", 1),))
    assert (got.clients, got.before, got.after) == ("deployment 2", (("off", 1),), (("a", 1),))
    listed = [
        (item.clients, item.kind, item.before, item.after, item.count) for item in exposure_of(one, other).listed
    ]
    members = [("users", "a", 2), ("users", "b", 1), ("cohorts", "a", 1)]
    assert listed == [
        *(("deployment 1", kind, key, "off", count) for kind, key, count in members),
        *(("deployment 2", kind, "off", key, count) for kind, key, count in members),
    ]
    less = replace(other, variants=(Variant(key="a", users=("u",), cohorts=()), Variant(key="b", users=("w",))))
    assert [
        (item.clients, item.kind, item.before, item.after, item.count) for item in exposure_of(one, less).listed
    ] == [
        ("", "users", "a", BY_RULES, 1),
        ("", "cohorts", "a", BY_RULES, 1),
        *(("deployment 1", kind, key, "off", count) for kind, key, count in members),
        ("deployment 2", "users", "off", "a", 1),
        ("deployment 2", "users", "off", "b", 1),
    ]
    _, left, got = exposure_of(replace(one, rollout_percentage=0), replace(other, target_segments=(US,))).transitions[
        ::2
    ]
    assert ([left.before, left.after], got.after) == ([(("off", 1),)] * 2, (("a", 1),))
    off = exposure_of(replace(one, enabled=False), replace(other, enabled=False))
    assert ([item.clients for item in off.transitions], off.listed) == ([""], ())
    for before, after in ((one, replace(other, enabled=False)), (replace(one, enabled=False), other)):
        assert {item.clients for item in exposure_of(before, after).listed} == {""}


def moved(after: FlagSpec, before: FlagSpec | None = FLAG) -> list[tuple[str, str, str, int]]:
    return [(item.kind, item.before, item.after, item.count) for item in exposure_of(before, after).listed]


def test_listed_members_who_move() -> None:
    """Users and cohorts, sorted; who is listed for two variants has the first; on and off are moves too."""
    a, b = FLAG.variants  # type: ignore[misc]
    assert moved(FLAG) == []
    swapped = replace(FLAG, variants=(replace(a, users=("w", "x"), cohorts=()), replace(b, users=("u", "w"))))
    assert moved(swapped) == [
        ("users", "a", "b", 1), ("users", "a", "their segment", 1), ("users", "b", "a", 1),
        ("users", "their segment", "a", 1), ("cohorts", "a", "their segment", 1),
    ]  # fmt: skip
    off = [("users", "a", "off", 2), ("users", "b", "off", 1), ("cohorts", "a", "off", 1)]
    on = [(kind, after, before, count) for kind, before, after, count in off]
    assert moved(replace(FLAG, enabled=False)) == off
    assert moved(FLAG, replace(FLAG, archived=True)) == moved(FLAG, None) == on
    assert moved(replace(FLAG, variants=UNSET), replace(FLAG, variants=UNSET)) == []


@pytest.mark.parametrize(
    ("fields", "payloads", "found"),
    [
        ({}, (1, 1), ()),
        ({}, (2, 1), (PayloadShare(variant="a", share=Fraction(1), users=2, cohorts=1),)),
        ({}, (1, 2), (PayloadShare(variant="b", share=Fraction(0), users=1, cohorts=0),)),
        ({}, (UNSET, 1), ()),
        ({"rollout_percentage": 0}, (2, 1), (PayloadShare(variant="a", share=Fraction(0), users=2, cohorts=1),)),
        ({"enabled": False}, (2, 2), ()),
        ({"target_segments": (US,), "rollout_percentage": 0}, (1, 2),
         (PayloadShare(variant="b", share=Fraction(1, 2), users=1, cohorts=0),)),
    ],
)  # fmt: skip
def test_who_gets_another_payload(
    fields: dict[str, Any], payloads: tuple[Any, Any], found: tuple[PayloadShare, ...]
) -> None:
    """Who keeps the variant: the largest share of any segment, and listed members who stay."""
    before = replace(FLAG, **fields)
    variants = tuple(replace(item, payload=new) for item, new in zip(FLAG.variants or (), payloads, strict=True))
    exposure = exposure_of(before, replace(before, variants=variants))
    assert [(item.variant, float(item.share), item.users, item.cohorts) for item in exposure.payloads] == [
        (item.variant, pytest.approx(float(item.share), abs=1e-7), item.users, item.cohorts) for item in found
    ]
    assert exposure_of(None, replace(before, variants=variants)).payloads == ()
    on, off = replace(before, enabled=True), replace(before, enabled=False)
    assert exposure_of(on, replace(off, variants=variants)).payloads == ()
    assert exposure_of(off, replace(on, variants=variants)).payloads == ()


def test_who_is_listed_anew_gets_no_other_payload() -> None:
    """One of two users stays, and the cohort goes."""
    listed = Variant(key="a", users=("u", "x", "w"), cohorts=("d",), payload=2)
    (found,) = exposure_of(FLAG, replace(FLAG, variants=(listed, Variant(key="b", payload=1)))).payloads
    assert (found.variant, found.share, found.users, found.cohorts) == ("a", 1, 1, 0)


def test_a_listed_cohort_alone_is_told_of_a_payload() -> None:
    """Or a user; a variant that no user has and that lists none is not."""
    for users, cohorts in (((), ("c",)), (("u",), ()), ((), ())):
        listed = Variant(key="a", users=users, cohorts=cohorts, payload=1)
        before = replace(FLAG, rollout_percentage=0, variants=(listed,))
        after = replace(before, variants=(replace(listed, payload=2),))
        assert len(exposure_of(before, after).payloads) == bool(users or cohorts)


PER_SEGMENT = "Figures are per segment: how many users each segment has, the API does not say."
EXPECTED = "Expected rather than exact: users are re-bucketed, independently of what they have now."
STICKY = "With sticky bucketing (remote only), which the flags API does not show, fewer users switch."
COHORT = replace(US, conditions=(Condition(prop="x", op="is", values=("c",), type="cohort"),))
ODD = replace(US, unlisted=tuple((name, "1") for name in "dbfaec"))
WITHOUT = "Users without user_id get no variant while users are bucketed, and get it when one variant is at 100 %."
KEYED = tuple(
    replace(US, name=key, conditions=(Condition(prop="country", op="is", values=(key,)),), bucketing_key=key)
    for key in "fdceab"
)
HALF = {"rollout_weights": Weights.of({"a": 1, "b": 1})}


@pytest.mark.parametrize(
    ("before", "after", "notes"),
    [
        ({}, {}, ()),
        ({"target_segments": (US,)}, {"target_segments": (US,)}, (PER_SEGMENT, )),
        ({**HALF}, {**HALF, "rollout_percentage": 50}, (STICKY,)),
        ({**HALF}, {**HALF, "bucketing_salt": "t"}, (EXPECTED, STICKY)),
        ({"target_segments": (COHORT,)}, {}, (
            PER_SEGMENT, STICKY, "Segments with cohorts: who is in a cohort is not known here and changes by itself.",
            WITHOUT)),
        ({"target_segments": (ODD,), "enabled": False}, {"target_segments": (ODD,), "enabled": False}, (
            "Segments with fields that are not known here (a, b, c, d, e, f): they may match other users.",)),
        ({"bucketing_unit": "org id"}, {"bucketing_unit": "org id"}, (
            "Bucketed by org id: shares are of these groups, not of users.",)),
        ({"bucketing_unit": ""}, {"bucketing_unit": ""}, ()),
        ({}, {"rollout_percentage": 0}, (STICKY,)),
        ({"rollout_percentage": 50}, {"rollout_percentage": 0}, (STICKY,)),
        ({"rollout_percentage": 50}, {}, (
            STICKY,
            WITHOUT)),
        ({"target_segments": KEYED}, {"target_segments": tuple(replace(item, percentage=100) for item in KEYED)}, (
            PER_SEGMENT, STICKY, *(WITHOUT.replace("user_id", key) for key in "abcdef"))),
        ({}, {"enabled": False}, (
            STICKY,
            "Listed users, beside the shares: 2 from a to off, 1 from b to off.",
            "Listed cohorts, beside the shares, whose sizes are not known here: 1 from a to off.")),
    ],
)  # fmt: skip
def test_what_the_figures_cannot_know(before: dict[str, Any], after: dict[str, Any], notes: tuple[str, ...]) -> None:
    """One sentence for each thing, and none without a reason."""
    assert exposure_of(replace(FLAG, **before), replace(FLAG, **after)).notes == notes


@pytest.mark.parametrize(
    ("mode", "key", "unit", "gets"),
    [
        ("local", "amplitude_id", "User", False),
        ("remote", "amplitude_id", "User", True),
        ("local", "user_id", "User", True),
        ("local", "amplitude_id", "org id", True),
    ],
)
def test_local_clients_have_no_amplitude_id(mode: str, key: str, unit: str, gets: bool) -> None:
    """So that no share of theirs is given out; what all get needs none."""
    spec = replace(FLAG, evaluation_mode=mode, bucketing_key=key, bucketing_unit=unit, rollout_percentage=50)
    (transition,) = exposure_of(None, spec).transitions
    assert (transition.switched > 0) is gets
    assert lacks_value(flag_rules(spec)[-1]) is (key == "amplitude_id" and unit == "User")
    assert not lacks_value(flag_rules(replace(spec, rollout_percentage=100))[-1])
    assert exposure_of(None, replace(spec, rollout_percentage=100)).switched == 1
