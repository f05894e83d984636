"""Who a plan moves: transitions, headline, notes; and what warns."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.evaluation.conditions import matches_condition
from reconciler.evaluation.exposure import FlagExposure
from reconciler.evaluation.rules import ALWAYS_TRUE
from reconciler.files.schema import load_schema
from reconciler.model.flag import (
    Condition,
    Dependencies,
    FlagSpec,
    LiveFlag,
    LiveState,
    TargetSegment,
    Variant,
    Weights,
)
from reconciler.planning.plan import Action, FlagPlan, Plan
from reconciler.planning.segments import shielded_segments
from reconciler.planning.warnings import exposure_of_flag, warnings_of, with_exposure

US = TargetSegment(
    name="US",
    conditions=(Condition(prop="country", op="is", values=("US",)),),
    percentage=50,
    rollout_weights=Weights.of({"a": 1}),
)
FLAG = FlagSpec(
    key="f",
    enabled=True,
    archived=False,
    evaluation_mode="remote",
    bucketing_salt="s",
    bucketing_key="user_id",
    bucketing_unit="User",
    rollout_percentage=10,
    rollout_weights=Weights.of({"a": 1, "b": 1}),
    variants=(Variant(key="a"), Variant(key="b")),
    target_segments=(),
)


def a_plan(before: FlagSpec | None, after: FlagSpec | None, **fields: Any) -> FlagPlan:
    """The plan of a flag between two states."""
    return FlagPlan(
        key="f", flag_id="1", action=Action.UPDATE, changes=(), operations=(), before=before, after=after, **fields
    )


def notes(after: FlagSpec, before: FlagSpec | None = FLAG) -> str:
    """The notes of a change, as one text."""
    return "\n".join(exposure_of_flag(a_plan(before, after)).notes)


def test_a_wider_rollout() -> None:
    """10 % to 50 %: shares per side, who comes from where, all of it unavoidable."""
    exposure = exposure_of_flag(a_plan(FLAG, replace(FLAG, rollout_percentage=50)))

    (transition,) = exposure.transitions
    assert (
        [variant for variant, _ in transition.before]
        == [variant for variant, _ in transition.after]
        == ["a", "b", "off"]
    )
    assert sum(share for _, share in transition.after) == 1
    assert {(old, new) for old, new, _ in transition.matrix} == {
        ("a", "a"), ("b", "b"), ("off", "a"), ("off", "b"), ("off", "off"),
    }  # fmt: skip
    assert float(exposure.switched) == pytest.approx(0.4, abs=1e-7)
    assert (transition.excess, exposure.is_exact) == (0, True)


def test_a_shuffle_has_excess() -> None:
    """Adding c to 1:1 moves half the users where a third would do."""
    after = replace(
        FLAG,
        rollout_percentage=100,
        variants=(*FLAG.variants, Variant(key="c")),  # type: ignore[misc]
        rollout_weights=Weights.of({"a": 1, "b": 1, "c": 1}),
    )

    (transition,) = exposure_of_flag(a_plan(replace(FLAG, rollout_percentage=100), after)).transitions

    assert float(transition.excess) == pytest.approx(1 / 6, abs=1e-7)


def test_the_headline_is_the_worst_segment() -> None:
    """Per pair of segments a transition, the rest last; the headline is the largest of their figures."""
    exposure = exposure_of_flag(a_plan(FLAG, replace(FLAG, target_segments=(US,))))

    assert [(item.before_segment, item.after_segment) for item in exposure.transitions] == [
        ("All Other Users", "US"),
        ("All Other Users", "All Other Users"),
    ]
    assert exposure.switched == exposure.transitions[0].switched > 0
    assert "Figures are per segment" in exposure.notes[0]


def test_a_new_flag() -> None:
    """Before a flag exists, no user has a variant."""
    (transition,) = exposure_of_flag(a_plan(None, FLAG)).transitions

    assert transition.before == (("off", Fraction(1)),)
    assert float(transition.switched) == pytest.approx(0.1, abs=1e-7)


def test_a_new_salt_is_expected() -> None:
    """A new salt gives expectations, and says so."""
    exposure = exposure_of_flag(a_plan(FLAG, replace(FLAG, bucketing_salt="other")))

    assert not exposure.is_exact
    assert "Expected rather than exact" in "\n".join(exposure.notes)


def test_a_saved_plan_keeps_its_exposure() -> None:
    """A plan read from a file has nothing to compare: its figures stay."""
    saved = FlagExposure(notes=("saved",))

    assert exposure_of_flag(a_plan(None, None, exposure=saved)) is saved
    assert exposure_of_flag(a_plan(None, None)) == FlagExposure()


def test_listed_users() -> None:
    """Listed users who get another variant are counted, never named."""
    before = replace(FLAG, variants=(Variant(key="a", users=("u1", "u2", "u3")), Variant(key="b", users=("u4",))))
    after = replace(FLAG, variants=(Variant(key="a", users=("u3",)), Variant(key="b", users=("u1", "u4", "u5"))))

    text = notes(after, before)

    assert "1 from a to b, 1 from a to their segment, 1 from their segment to b" in text
    assert "u1" not in text
    assert "Listed users" not in notes(before, before)
    assert "3 from off to a, 1 from off to b" in notes(before, replace(before, enabled=False))


def test_what_cannot_be_known() -> None:
    """Sticky bucketing, cohorts, groups, users without an id and an unfinished shield each have their sentence."""
    wide = replace(FLAG, rollout_percentage=50)
    cohort = replace(US, conditions=(Condition(prop="userdata_cohort", op="is", values=("c",), type="cohort"),))
    whole = replace(FLAG, rollout_percentage=100, rollout_weights=Weights.of({"a": 1}))

    assert "sticky bucketing" in notes(wide)
    assert "sticky" not in notes(FLAG)
    assert "cohorts" in notes(replace(FLAG, target_segments=(cohort,)))
    assert "Bucketed by org id" in notes(replace(FLAG, bucketing_unit="org id"))
    assert "Users without user_id" in notes(whole)
    assert "shield of an earlier plan" in notes(FLAG, replace(FLAG, target_segments=shielded_segments(FLAG)))


def test_a_shield_moves_no_user() -> None:
    """Putting up a shield, or taking it down, switches no user."""
    up = replace(FLAG, target_segments=shielded_segments(FLAG))

    assert exposure_of_flag(a_plan(FLAG, up)).switched == exposure_of_flag(a_plan(up, FLAG)).switched == 0


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({"bucketing_salt": "t"}, "The bucketing salt changes"),
        ({"bucketing_key": "device_id"}, "The bucketing key changes from user_id to device_id"),
        ({"bucketing_unit": "org id"}, "The bucketing unit changes from User to org id"),
        ({"variants": (Variant(key="b"), Variant(key="a"))}, "The order of variants changes"),
        ({"evaluation_mode": "local"}, "The evaluation mode becomes local"),
        ({"target_segments": (replace(US, conditions=()),)}, 'Segment "US" has no conditions'),
        ({"target_segments": (replace(US, conditions=(ALWAYS_TRUE,)),)}, 'Segment "US" has no conditions'),
        ({"rollout_weights": Weights.of({"a": 0, "b": 0})}, "All weights are 0"),
    ],
)
def test_alarms(change: dict[str, Any], start: str) -> None:
    """What silently moves everyone is warned of once, while the flag is on; off, no user is moved."""
    after = replace(FLAG, **change)

    (text,) = warnings_of(a_plan(FLAG, after))

    assert text.startswith(start)
    assert warnings_of(a_plan(after, after)) == ()
    assert warnings_of(a_plan(FLAG, replace(after, enabled=False))) == ()


def test_the_alarm_of_a_segments_key() -> None:
    """A segment that is bucketed by something else re-buckets its users."""
    before = replace(FLAG, target_segments=(US,))
    after = replace(FLAG, target_segments=(replace(US, bucketing_key="device_id"),))

    assert warnings_of(a_plan(before, after)) == (
        'The bucketing key of segment "US" changes: this re-buckets all its users.',
    )


def test_the_alarm_of_a_renamed_segments_key() -> None:
    """Renamed, moved, and its conditions in another order: it is the same segment."""
    city = Condition(prop="city", op="is", values=("Rome",))
    us, other = replace(US, conditions=(*US.conditions, city)), replace(US, name="Other")
    renamed = replace(us, name="USA", conditions=(city, *US.conditions), bucketing_key="device_id")
    plan = a_plan(replace(FLAG, target_segments=(us, other)), replace(FLAG, target_segments=(other, renamed)))

    assert warnings_of(plan) == ('The bucketing key of segment "USA" changes: this re-buckets all its users.',)


def test_no_alarm_for_harmless_changes() -> None:
    """A wider rollout, other weights, a new flag or a shield raise none."""
    quiet = [
        (FLAG, replace(FLAG, rollout_percentage=90)),
        (FLAG, replace(FLAG, rollout_weights=Weights.of({"a": 9, "b": 1}))),
        (None, FLAG),
        (FLAG, replace(FLAG, target_segments=shielded_segments(FLAG))),
    ]

    assert [warnings_of(a_plan(before, after)) for before, after in quiet] == [()] * 4


def a_live_state(*flags: LiveFlag) -> LiveState:
    """The live state of these flags."""
    return LiveState(project_id="7", flags={flag.key: flag for flag in flags})


def test_dependencies() -> None:
    """With the live state, a plan tells whose users lose their variant, and on whom its own shares depend."""
    parents = Dependencies(flags=(("1", ("a",)),), operator="all")
    child = LiveFlag(id="2", project_id="7", spec=replace(FLAG, key="child"), parent_dependencies=parents)
    flag = LiveFlag(id="1", project_id="7", spec=FLAG, parent_dependencies=replace(parents, flags=(("9", ("on",)),)))
    live = a_live_state(flag, child)
    plan = Plan(
        project_id="7", region="us", environment=None,
        flags=(a_plan(FLAG, replace(FLAG, enabled=False), warnings=("first",)),),
    )  # fmt: skip

    (exposed,) = with_exposure(plan, live).flags

    assert exposed.warnings == (
        "first",
        'Flag "child" depends on this one: its users get nothing while this one is off.',
    )
    assert exposed.exposure is not None
    assert exposed.exposure.notes[-1].endswith("(groups or experiments, no flags of this project: ids 9).")
    (other,) = with_exposure(plan, replace(live, is_complete=False)).flags
    assert other.exposure is not None
    assert other.exposure.notes[-1].endswith("(ids 9).")
    assert with_exposure(plan).flags[0].warnings == ("first",)


@pytest.mark.parametrize(
    ("change", "allowed", "told"),
    [
        ({"rollout_percentage": 0}, ("a",), "variant a of this one, which only listed users"),
        ({"rollout_percentage": 0}, (), "depends on this one, which only listed users"),
        ({"rollout_weights": Weights.of({"a": 0, "b": 1})}, ("a",), "variant a of this one"),
        ({"rollout_weights": Weights.of({"a": 0, "b": 1})}, ("a", "b"), None),
        ({"rollout_percentage": 1}, ("a",), None),
        ({"rollout_percentage": 0, "target_segments": (US,)}, ("a",), None),
    ],
)
def test_a_parent_that_gives_no_user_anything(
    change: dict[str, Any], allowed: tuple[str, ...], told: str | None
) -> None:
    """A flag at 0 % is on, yet no user gets through it: who depends on it is told of, though it is not refused."""
    parents = Dependencies(flags=(("1", allowed),), operator="all")
    child = LiveFlag(id="2", project_id="7", spec=replace(FLAG, key="child"), parent_dependencies=parents)
    live = a_live_state(LiveFlag(id="1", project_id="7", spec=FLAG), child)
    plan = a_plan(FLAG, replace(FLAG, **change))
    found = [text for text in warnings_of(plan, live) if "child" in text]
    assert len(found) == (told is not None)
    assert all(told in text for text in found if told)
    assert not warnings_of(plan, a_live_state(replace(child, spec=replace(FLAG, archived=True))))


@pytest.mark.parametrize(
    ("change", "allowed", "affected"),
    [
        ({"rollout_percentage": 50}, (), True),
        ({"rollout_percentage": 50}, ("a",), True),
        ({"rollout_percentage": 50}, ("c",), False),
        ({"rollout_weights": Weights.of({"a": 1, "b": 3})}, (), False),
        ({"rollout_weights": Weights.of({"a": 1, "b": 3})}, ("a",), True),
        ({"rollout_weights": Weights.of({"a": 1, "b": 3})}, ("a", "b"), False),
        ({"variants": (Variant(key="a", users=("u",)), Variant(key="b"))}, ("a",), True),
        ({"variants": (Variant(key="a", users=("u",)), Variant(key="b"))}, ("c",), True),
        ({"name": "x"}, (), False),
    ],
)
def test_dependents_some_of_whose_users_move(
    change: dict[str, Any], allowed: tuple[str, ...], affected: bool
) -> None:
    """A flag that is on, of which users get through it now and did not before, or the other way round."""
    parents = Dependencies(flags=(("1", allowed),), operator="all")
    child = LiveFlag(id="2", project_id="7", spec=replace(FLAG, key="child"), parent_dependencies=parents)
    flag = LiveFlag(id="1", project_id="7", spec=FLAG)
    plan = a_plan(FLAG, replace(FLAG, **change))
    assert exposure_of_flag(plan, a_live_state(flag, child)).dependents == (("child",) if affected else ())
    off = replace(child, spec=replace(child.spec, enabled=False))
    assert exposure_of_flag(plan, a_live_state(flag, off)).dependents == ()
    assert exposure_of_flag(replace(plan, flag_id="3"), a_live_state(flag, child)).dependents == ()


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({"rollout_percentage": 50}, True),
        ({"variants": (Variant(key="a", users=("u",)), Variant(key="b"))}, True),
        ({"name": "x"}, False),
    ],
)
def test_dependents_are_not_known_where_targets_alone_were_read(change: dict[str, Any], is_told: bool) -> None:
    """Where anyone moves; of a new flag it is known that none depends on it."""
    said = "Only the targets were read: whether users of flags that depend on them are affected is not known."
    plan, seen = a_plan(FLAG, replace(FLAG, **change)), a_live_state()
    part = replace(seen, is_complete=False)
    assert (said in exposure_of_flag(plan, part).notes) is is_told
    assert said not in exposure_of_flag(plan, seen).notes
    assert said not in exposure_of_flag(plan).notes
    assert said not in exposure_of_flag(replace(plan, flag_id=None), part).notes


def listing(**members: tuple[str, ...]) -> tuple[Variant, ...]:
    """The variants with these users."""
    return tuple(
        Variant(key=key, users=members.get(key, ()), cohorts=members.get(f"{key}_cohorts", ())) for key in "ab"
    )


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({}, {"a": ("u",), "b": ("u",)}, ["1 user"]),
        ({}, {"a": ("u", "v", "w"), "b": ("w", "u")}, ["2 users"]),
        ({"a": ("u",), "b": ("u",)}, {"a": ("u",), "b": ("u",)}, []),
        ({"a": ("u",), "b": ("u",)}, {"a": ("u", "v"), "b": ("u", "v")}, ["1 user"]),
        ({}, {"a_cohorts": ("c", "d"), "b_cohorts": ("c", "d"), "a": ("u",), "b": ("u",)}, ["1 user", "2 cohorts"]),
        ({}, {"a": ("u",), "b_cohorts": ("u",)}, []),
    ],
)
def test_who_is_put_into_two_lists(before: dict[str, Any], after: dict[str, Any], counts: list[str]) -> None:
    """The first variant wins: told of each kind, and of those alone who are new in both."""
    live, desired = (replace(FLAG, variants=listing(**members)) for members in (before, after))
    text = '{} would be listed for "a" and for "b": "a" comes first and wins. Keep each in one of the two lists.'
    assert warnings_of(a_plan(live, desired)) == tuple(map(text.format, counts))
    if before:
        again = warnings_of(a_plan(replace(live, enabled=False), desired))
        assert again == (text.format(f"{len(after['a'])} user{'s' if len(after['a']) > 1 else ''}"),)


def test_exposure_twice_is_exposure_once() -> None:
    """Exposing a plan again changes nothing."""
    plan = Plan(
        project_id="7", region="us", environment=None, flags=(a_plan(FLAG, replace(FLAG, bucketing_salt="t")),)
    )

    once = with_exposure(plan)

    assert with_exposure(once) == once
    assert once.summary.max_exposure_change == once.flags[0].exposure.switched > 0  # type: ignore[union-attr]


OPERATORS: tuple[str, ...] = tuple(load_schema("flag")["$defs"]["condition"]["properties"]["op"]["enum"])
ANSWERS: tuple[Any, ...] = (None, "1", "US", ["1"], [])


@pytest.mark.parametrize("prop", ["country", "version"])
@pytest.mark.parametrize("op", OPERATORS)
def test_a_condition_without_values_is_one_like_others(op: str, prop: str) -> None:
    """Live and declared, alone and beside others on the same property: who moves is who matches."""
    empty = Condition(prop=prop, op=op, values=())
    for conditions in (
        (empty,),
        (empty, empty),
        *((empty, Condition(prop=prop, op=other, values=())) for other in OPERATORS),
    ):
        segments = (replace(US, conditions=conditions, percentage=100),)
        matched = any(all(matches_condition(item, {prop: value}) for item in conditions) for value in ANSWERS)
        with_it = replace(FLAG, target_segments=segments)
        for before, after in ((FLAG, with_it), (with_it, FLAG)):
            moved = [
                item
                for item in exposure_of_flag(a_plan(before, after)).transitions
                if "US" in (item.before_segment, item.after_segment)
            ]
            assert bool(moved) is matched, conditions
