"""In which order a plan shows its flags, and what the row of each says."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
from builders import a_flag_plan, a_transition, an_exposure
from msgspec.structs import replace

from reconciler.evaluation.exposure import ListedMove, PayloadShare, SegmentTransition
from reconciler.planning.plan import Action, FlagPlan, MembersChange, Refusal, ValueChange
from reconciler.reports.affected import NO_USER
from reconciler.reports.danger import Danger, by_danger, danger_of, effect_of, widest_moves

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


def shares_of_on(before: int, after: int) -> SegmentTransition:
    """The rest, of whom so many percent get `on` before and after."""
    sides = ((("off", 1 - share), ("on", share)) for share in (Fraction(before, 100), Fraction(after, 100)))
    part = Fraction(abs(after - before), 100)
    move = ("off", "on") if after > before else ("on", "off")
    return a_transition(**dict(zip(("before", "after"), sides, strict=True)), matrix=((*move, part),), switched=part)


ALL_OFF, ALL_ON, HALF_ON, HALF_OFF = (shares_of_on(*sides) for sides in ((0, 0), (0, 60), (30, 50), (50, 0)))
STILL_ON = shares_of_on(50, 50)
STILL_INEXACT = an_exposure(a_transition(is_exact=False, switched=Fraction(0)))
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
        (a_change("a", ROLLOUT, exposure=None), "medium"),
        (a_change("a", REMOVED, exposure=None), "high"),
        (a_change("a", SALT, share=10, move=("a", "b")), "high"),
        (a_change("a", SALT, share=9, move=("a", "b")), "medium"),
        (a_change("a", SALT, exposure=an_exposure(replace(ALL_ON, switched=Fraction(99, 1000)))), "low"),
        (a_change("a", ROLLOUT, exposure=an_exposure(a_transition(is_exact=False))), "high"),
        (a_change("a", ROLLOUT, exposure=an_exposure(a_transition())), "low"),
        (a_change("a", ROLLOUT, exposure=an_exposure(ALL_OFF, HALF_ON)), "low"),
        (a_change("a", ROLLOUT, exposure=an_exposure(HALF_ON, ALL_ON)), "low"),
        (a_change("a", ROLLOUT, exposure=an_exposure(HALF_OFF, HALF_ON)), "medium"),
        (a_change("a", ROLLOUT, exposure=an_exposure(HALF_OFF)), "high"),
        (a_change("a", ROLLOUT, exposure=an_exposure(replace(HALF_OFF, deployments=("1",)), HALF_ON)), "high"),
        (a_change("a", ROLLOUT, exposure=an_exposure(replace(ALL_ON, deployments=("1",)), HALF_ON)), "low"),
        (a_change("a", ROLLOUT, exposure=an_exposure(replace(HALF_ON, deployments=("1",)), ALL_OFF)), "high"),
        (a_change("a", ROLLOUT, exposure=an_exposure(replace(STILL_ON, deployments=("1",)), HALF_ON)), "low"),
        (a_change("a", OFF, exposure=replace(STILL, dependents=("child",))), "high"),
        (a_change("a", change("/name", "a", "b"), transient=Fraction(1, 9)), "medium"),
        (a_change("a", change("/name", "a", "b"), warnings=("w",)), "low"),
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


def test_a_single_new_flag_is_not_called_the_widest() -> None:
    """Its row says what it reaches; new flags do not count among those that exist."""
    new, live = a_change("a", ON, action=Action.CREATE, share=100), a_change("b", ON, share=7)
    line = "Max exposure change: b, 7% of All Other Users: off → on."
    assert [*widest_moves([new, live])] == [line]
    assert [*widest_moves([new, live, replace(new, key="0")])] == [
        line,
        "Widest new flag: a, reaches 100% of All Other Users.",
    ]


SEGMENTS = ({"name": "A", "conditions": []}, {"name": "B", "conditions": []})


@pytest.mark.parametrize(
    ("change", "danger", "words"),
    [
        (change("/archived", False, True), Danger.SWITCHED, "archived"),
        (change("/archived", True, False), Danger.SWITCHED, "unarchived"),
        (ON, Danger.SWITCHED, "turned on"),
        (OFF, Danger.SWITCHED, "turned off"),
        (change("/enabled", True, None), Danger.TOUCHED, "enabled"),
        (SALT, Danger.REBUCKETED, "re-buckets all users by another salt"),
        (change("/bucketingKey", "a", "b"), Danger.REBUCKETED, "re-buckets all users by another key"),
        (change("/bucketingUnit", "a", "b"), Danger.REBUCKETED, "re-buckets all users by another unit"),
        (change("/deployments", None, ["1", "2"]), Danger.TOUCHED, "2 deployments added"),
        (change("/deployments", ["1"], ["2"]), Danger.REMOVED, "1 deployment added, 1 deployment removed"),
        (change("/deployments", ["1"], []), Danger.REMOVED, "1 deployment removed"),
        (change("/variants/a", None, {"key": "a"}), Danger.TOUCHED, "variant a added"),
        (change("/variants/a", {"key": "a"}, None), Danger.REMOVED, "variant a removed"),
        (change("/variants/a", {"key": "a"}, {"key": "a"}), Danger.TOUCHED, "variant a"),
        (change("/variants/a/key", "b", "a"), Danger.REMOVED, "variant b renamed a"),
        (change("/variants/a/payload", None, 1), Danger.TOUCHED, "payload of a"),
        (change("/variants/a/name", "", "A"), Danger.HARMLESS, "name of a"),
        (change("/variants/a/description", "", "A"), Danger.HARMLESS, "description of a"),
        (change("/variants/a/b/name", "", "A"), Danger.TOUCHED, "variant a/b/name"),
        (change("/name", "a", "b"), Danger.HARMLESS, "name"),
        (change("/description", "a", "b"), Danger.HARMLESS, "description"),
        (change("/tags", [], ["b"]), Danger.HARMLESS, "tags"),
        (change("/rolloutPercentage", None, 5), Danger.MOVED, "rollout null → 5%"),
        (change("/rolloutWeights", {}, {"a": 1}), Danger.MOVED, "weights"),
        (change("/evaluationMode", "a", "b"), Danger.REMOVED, 'evaluation mode "a" → "b"'),
        (change("/targetSegments", [*SEGMENTS], [*reversed(SEGMENTS)]), Danger.MOVED, "order of segments"),
        (change("/targetSegments", [*SEGMENTS], [SEGMENTS[0]]), Danger.MOVED, "targeting"),
        (change("/targetSegments", None, []), Danger.MOVED, "targeting"),
        (change("/other", "a", "b"), Danger.TOUCHED, "other"),
        (MembersChange(path="/variants/a/inclusions/users", added=("a",), removed=()), Danger.TOUCHED,
         "1 listed user added"),
        (MembersChange(path="/variants/a/inclusions/cohorts", added=(), removed=("a", "b")), Danger.TOUCHED,
         "2 listed cohorts removed"),
    ],
)  # fmt: skip
def test_how_grave_a_change_is_by_its_field_and_what_it_is_called(
    change: ValueChange | MembersChange, danger: Danger, words: str
) -> None:
    """The gravest of several counts and comes first, wherever it stands."""
    harmless, off = (ValueChange(path=path, before=True, after=False) for path in ("/name", "/enabled"))
    assert effect_of(a_change("a", change)).change == words
    pair = ((harmless, Danger.HARMLESS, "name"), (change, danger, words))
    for order in (pair, pair[::-1]):
        changes = [item[0] for item in order]
        said = dict.fromkeys(item[2] for item in sorted(order, key=lambda item: item[1]))
        assert danger_of(changes) is danger
        assert effect_of(a_change("a", *changes)).change == ", ".join(said)
    assert danger_of((change, off)) is danger_of((off, change)) is Danger.SWITCHED
    assert danger_of(()) is Danger.HARMLESS


def a_move_between(before: str, after: str) -> Any:
    """Users of one segment who fall into another one."""
    return a_transition(before_segment=before, after_segment=after)


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ((("All Other Users", "Beta"),), "targeting widened"),
        ((("Beta", "All Other Users"),), "targeting narrowed"),
        ((("Beta", "All Other Users"), ("All Other Users", "Beta")), "targeting"),
        ((("Beta", "Staff"),), "targeting"),
        ((("Beta", "Beta"), ("All Other Users", "All Other Users")), "targeting"),
        ((("Beta", "Staff"), ("All Other Users", "Beta")), "targeting widened"),
        ((("All Other Users", "All Other Users"), ("All Other Users", "Beta")), "targeting widened"),
        ((("All Other Users", "All Other Users"), ("Beta", "All Other Users")), "targeting narrowed"),
    ],
)
def test_whether_segments_get_users_or_lose_some(moves: tuple[tuple[str, str], ...], words: str) -> None:
    """To the rest or from it; both are neither."""
    exposure = an_exposure(*(a_move_between(*move) for move in moves))
    assert effect_of(a_change("a", change("/targetSegments", [], [{}]), exposure=exposure)).change == words


@pytest.mark.parametrize(
    ("flag", "danger"),
    [
        (a_change("a", ROLLOUT, share=5), Danger.MOVED),
        (a_change("a", OFF, share=5), Danger.SWITCHED),
        (a_change("a", ROLLOUT, exposure=an_exposure(a_transition(is_exact=False))), Danger.REBUCKETED),
        (a_change("a", OFF, exposure=an_exposure(a_transition(is_exact=False))), Danger.SWITCHED),
        (
            a_change("a", ROLLOUT, exposure=an_exposure(a_transition(is_exact=False, switched=Fraction(0)))),
            Danger.TOUCHED,
        ),
        (a_change("a", ROLLOUT, exposure=replace(STILL_INEXACT, dependents=("child",))), Danger.MOVED),
        (a_change("a", change("/name", "a", "b"), transient=Fraction(1, 9)), Danger.MOVED),
        (a_change("a", change("/name", "a", "b"), warnings=("w",)), Danger.TOUCHED),
        (a_change("a", OFF, warnings=("w",)), Danger.SWITCHED),
        (a_change("a", OFF), Danger.TOUCHED),
        (a_change("a", change("/name", "a", "b")), Danger.HARMLESS),
        (a_change("a", OFF, exposure=None), Danger.SWITCHED),
        (a_change("a"), Danger.HARMLESS),
        (a_change("a", OFF, action=Action.CREATE), Danger.CREATED),
        (a_change("a", held=(Refusal(guard="shield", message="No.", override=""),)), Danger.HELD),
    ],
)
def test_how_grave_a_flag_is(flag: FlagPlan, danger: Danger) -> None:
    """What moves no user and warns of nothing comes after what moves users."""
    assert effect_of(flag).danger is danger


def test_of_a_flag_whose_exposure_is_not_known_no_share_is_told() -> None:
    """Neither of users who move nor of those who are reached; segments are neither wider nor narrower."""
    targeting = change("/targetSegments", [], [{}])
    for action in (Action.UPDATE, Action.CREATE):
        effect = effect_of(a_change("a", targeting, exposure=None, action=action))
        assert (effect.share, effect.reach, effect.affected) == (0, 0, "")
        assert effect.level.word == ("medium" if action is Action.UPDATE else "low")
    assert effect_of(a_change("a", targeting, exposure=None)).change == "targeting"


@pytest.mark.parametrize(
    ("count", "words"), [(3, "v, w, x"), (4, "v, w, x, y"), (5, "v, w, x, y, 1 more"), (6, "v, w, x, y, 2 more")]
)
def test_four_changes_are_named(count: int, words: str) -> None:
    """Of more, and beside warnings three; guards that hold a flag are each named once before them."""
    changes = [change(f"/{name}", 0, 1) for name in "vwxyzq"[:count]]
    flag = a_change("a", *changes)
    assert effect_of(flag).change == words
    warned = replace(flag, warnings=("one",))
    assert effect_of(warned).change == "v, w, x, 1 warning"
    guards = tuple(Refusal(guard=guard, message="No.", override="") for guard in ("b", "a", "b"))
    held = replace(flag, changes=tuple(changes[:1]), held=guards)
    assert effect_of(held).change == "held by safety check b, a: v"


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
    dependents = tuple(f"{number}{'d' * 90}" for number in range(9))
    grave = effect_of(a_change("z" * 5_000, *many, OFF, exposure=replace(STILL, dependents=dependents)))
    assert [len(text) for text in (effect.key, effect.change)] == [100, 160]
    assert effect.key.endswith("…")
    assert len(effect.affected) <= 280
    listed = tuple(replace(LISTED, before="b" * number, after="a" * number) for number in (98, 99, 100))
    wide = a_change("a", exposure=replace(STILL, listed=listed, dependents=dependents))
    assert len(effect_of(wide).affected) == 280
    assert grave.affected.endswith(", 6 more, which depends on it")
