"""In which order a plan shows its flags, and what the row of each says."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
from builders import a_flag_plan, a_transition, an_exposure
from msgspec.structs import replace

from reconciler.evaluation.exposure import ListedMove, PayloadShare
from reconciler.planning.plan import Action, FlagPlan, MembersChange, Refusal, ValueChange
from reconciler.reports.affected import NO_USER
from reconciler.reports.danger import by_danger, effect_of, widest_moves

STILL = an_exposure(a_transition(matrix=(), switched=Fraction(0), unavoidable=Fraction(0)))


def change(path: str, before: object, after: object) -> ValueChange:
    """A field that differs."""
    return ValueChange(path=path, before=before, after=after)


def a_change(
    key: str,
    *changes: ValueChange | MembersChange,
    share: int = 0,
    move: tuple[str, str] = ("off", "on"),
    **fields: Any,
) -> FlagPlan:
    """The plan of a flag that moves so many percent of everyone."""
    part = Fraction(share, 100)
    moves = an_exposure(a_transition(matrix=((*move, part),), switched=part, unavoidable=part))
    return a_flag_plan(key, **{"changes": changes, "exposure": moves if share else STILL} | fields)


PAYLOAD = PayloadShare(variant="on", share=Fraction(1, 2))
LISTED = ListedMove(kind="users", before="off", after="on", count=1)
ON = change("/enabled", False, True)
OFF = change("/enabled", True, False)
SALT = change("/bucketingSalt", "a", "b")
ROLLOUT = change("/rolloutPercentage", 0, 100)
REMOVED = change("/variants/b", {"key": "b"}, None)
RANKED = (
    a_change("z-held", ROLLOUT, share=1, held=(Refusal(guard="shield", message="No.", override=""),)),
    a_change("y-archived", change("/archived", False, True), share=100, action=Action.ARCHIVE),
    a_change("v-salt", SALT, share=50),
    a_change("w-on", ON, share=10),
    a_change("z-parent", ROLLOUT, share=5, exposure=replace(STILL, dependents=("child",))),
    a_change("u-removed", REMOVED, share=90, move=("b", "on")),
    a_change("z-off", OFF, share=9, move=("on", "off")),
    a_change("s-warned", ROLLOUT, share=3, warnings=("A segment captures everyone.",)),
    a_change("r-between", change("/rolloutWeights", {}, {}), transient=Fraction(1, 100)),
    a_change("b-payload", change("/variants/on/payload", 1, 2), exposure=replace(STILL, payloads=(PAYLOAD,))),
    a_change("t-most", ROLLOUT, share=100),
    a_change("w-on-for-few", ON, share=9),
    a_change("s-some", ROLLOUT, share=4),
    a_change("b-new", ON, action=Action.CREATE, share=100),
    a_change("a-new", ON, action=Action.CREATE, share=1),
    a_change("z-listed", ON, exposure=replace(STILL, listed=(LISTED,))),
    a_change("a-alarm", change("/description", "a", "b"), warnings=("The order of variants changes.",)),
    a_change("c-listed", MembersChange(path="/variants/a/inclusions/users", added=("a",), removed=())),
    a_change("d-off-already", OFF),
    a_change("e-segments", change("/targetSegments", [], [{}])),
    a_change("0-new", action=Action.CREATE),
    a_change("a-harmless", change("/name", "a", "b"), change("/variants/a/description", "", "b")),
    a_change("b-harmless", change("/tags", [], ["a"])),
)


def test_flags_come_by_level_and_then_by_how_many_users_they_affect() -> None:
    """Held ones first; then what new flags reach, then what changes, switched first; harmless ones last."""
    shuffled = Random(1).sample(RANKED, len(RANKED))
    assert [flag.key for flag, _ in by_danger(shuffled)] == [flag.key for flag in RANKED]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_with_fewer_users_stands_before_what_moves_more(seed: int) -> None:
    """With any other kinds of changes: within a level only the share counts."""
    random = Random(seed)
    kinds = (ON, OFF, SALT, REMOVED, ROLLOUT, change("/archived", False, True), change("/deployments", ["1"], []))
    flags = [
        a_change(f"flag-{number}", *random.sample(kinds, random.randint(1, 4)), share=random.randint(11, 100))
        for number in range(50)
    ]
    effects = [effect for _, effect in by_danger(flags)]
    ranks = [(effect.level, -effect.share) for effect in effects]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 10


@pytest.mark.parametrize(
    ("flag", "level"),
    [
        (a_change("a", OFF, share=10), "high"),
        (a_change("a", OFF, share=9, move=("on", "off")), "medium"),
        (a_change("a", OFF), "low"),
        (a_change("a", change("/rolloutPercentage", 100, 0), share=100, move=("on", "off")), "medium"),
        (a_change("a", change("/archived", False, True), action=Action.ARCHIVE, exposure=None), "high"),
        (a_change("a", ROLLOUT, share=75), "low"),
        (a_change("a", REMOVED, share=20, move=("b", "a")), "medium"),
        (a_change("a", ON, action=Action.CREATE, share=100), "low"),
        (a_change("a", change("/name", "a", "b")), "low"),
        (a_change("a", change("/name", "a", "b"), exposure=None), "low"),
    ],
)
def test_the_level_says_how_much_to_look(flag: FlagPlan, level: str) -> None:
    """By what is taken from users, not by how much is changed."""
    assert effect_of(flag).level.word == level


@pytest.mark.parametrize(("share", "level"), [(49, "low"), (50, "high")])
@pytest.mark.parametrize("sides", [("off", "on"), ("on", "off")])
def test_a_rollout_from_nothing_or_to_nothing_is_a_switch(share: int, level: str, sides: tuple[str, str]) -> None:
    """Where no user had a variant, most users of a segment have to get one; where none has one any more, a tenth."""
    part, everyone = Fraction(share, 100), (("off", Fraction(1)),)
    some = (("on", part), ("off", 1 - part))
    before, after = (everyone, some) if sides[0] == "off" else (some, everyone)
    item = a_transition(before=before, after=after, matrix=((*sides, part),), switched=part, unavoidable=part)
    flag = a_change("a", ROLLOUT, exposure=an_exposure(item))
    assert effect_of(flag).level.word == (level if sides[0] == "off" else "high")


def test_the_widest_moves_are_named_of_live_and_new_flags() -> None:
    """By flag and segment; new flags apart, and neither where no user is moved."""
    assert [*widest_moves(RANKED)] == [
        "Max exposure change: y-archived, 100% of All Other Users: off → on.",
        "Widest new flag: b-new, reaches 100% of All Other Users.",
    ]
    assert [*widest_moves([a_change("a", ON), a_change("b", action=Action.CREATE)])] == []


@pytest.mark.parametrize(
    ("flag", "words", "affected"),
    [
        (a_change("a", OFF, share=100), "turned off", "100% of All Other Users: off → on"),
        (a_change("a", ON, share=7), "turned on", "7% of All Other Users: off → on"),
        (a_change("a", SALT, share=7), "re-buckets all users by another salt", "7% of All Other Users"),
        (a_change("a", change("/name", "a", "b"), ROLLOUT, OFF, REMOVED), "turned off, variant b removed", NO_USER),
        (a_change("a", change("/variants/c", None, {"key": "c"}), REMOVED), "variant b removed, variant c", NO_USER),
        (a_change("a", change("/variants/b/key", "a", "b")), "variant a renamed b", NO_USER),
        (a_change("a", change("/variants/x/name", {"key": "x/name"}, None)), "variant x/name removed", NO_USER),
        (
            a_change("a", change("/deployments", ["1"], ["2", "3"])),
            "2 deployments added, 1 deployment removed",
            NO_USER,
        ),
        (
            a_change("a", change("/evaluationMode", "remote", "local")),
            'evaluation mode "remote" → "local"',
            "clients of the other evaluation mode",
        ),
        (a_change("a", change("/somethingElse", 1, 2)), "somethingElse", NO_USER),
        (a_change("a", ROLLOUT, warnings=("a", "b")), "rollout 0 → 100%, 2 warnings", NO_USER),
        (a_change("a", ON, action=Action.CREATE, share=30), "created", "reaches 30% of All Other Users"),
        (a_change("a", ROLLOUT, transient=Fraction(1, 8)), "rollout", "wrong variant during apply: 12.5%"),
    ],
)  # fmt: skip
def test_a_row_says_what_changes_and_who_is_affected(flag: FlagPlan, words: str, affected: str) -> None:
    """The gravest first, in the words of the field."""
    effect = effect_of(flag)
    assert effect.change.startswith(words)
    assert affected in effect.affected
    assert (affected == NO_USER) is (effect.affected == NO_USER)
    assert not effect.is_harmless


def test_listed_members_are_counted_over_all_variants() -> None:
    """Not once for each number that two variants have in common."""
    lists = [
        MembersChange(path=f"/variants/{variant}/inclusions/{kind}", added=("a",), removed=removed)
        for variant in "ab" for kind, removed in (("users", ("b", "c")), ("cohorts", ()))
    ]  # fmt: skip
    words = "2 listed users added, 4 listed users removed, 2 listed cohorts added"
    assert effect_of(a_change("a", *lists)).change == words


def test_listed_users_who_move_are_told_beside_the_shares() -> None:
    """No share holds them."""
    listed = tuple(replace(LISTED, kind=kind, count=3) for kind in ("users", "cohorts"))
    effect = effect_of(a_change("a", ON, exposure=replace(STILL, listed=listed)))
    assert effect.affected == "3 listed users: off → on, 3 listed cohorts: off → on"


def test_who_keeps_a_variant_with_another_payload_is_told() -> None:
    """Their variant stays, what they see does not."""
    exposure = replace(STILL, payloads=(PayloadShare(variant="on", share=Fraction(1, 2)),))
    effect = effect_of(a_change("a", change("/variants/on/payload", 1, 2), exposure=exposure))
    assert (effect.change, effect.affected) == ("payload of on", "50% of users get a new payload of on")


def test_moves_of_deployments_name_them() -> None:
    """The share is of their clients."""
    moved = a_transition(matrix=(("on", "off", Fraction(1)),), switched=Fraction(1), deployments=("1",))
    effect = effect_of(a_change("a", change("/deployments", ["1"], []), exposure=an_exposure(moved)))
    assert effect.affected == "100% of All Other Users of deployment 1: on → off"


def test_a_row_is_short_with_any_changes() -> None:
    """Hundreds of variants with long keys make no longer row, and the gravest change still leads it."""
    many = [change(f"/variants/{n}{'k' * 90}", None, {"key": f"{n}{'k' * 90}"}) for n in range(300)]
    effect = effect_of(a_change("z" * 5_000, *many, OFF, share=100))
    assert effect.change.startswith("turned off, variant 0kk")
    assert effect.change.endswith("297 more") or effect.change.endswith("…")
    assert max(map(len, (effect.key, effect.change, effect.affected))) <= 240
