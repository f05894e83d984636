"""Who is affected: said of everyone who is, and "no user" only where there is none."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from builders import (
    NOON,
    a_condition,
    a_config,
    a_desired_state,
    a_flag,
    a_flag_plan,
    a_full_flag,
    a_full_variant,
    a_live_flag,
    a_plan,
    a_segment,
    a_transition,
    a_variant,
    an_exposure,
)
from msgspec.structs import replace

from reconciler.evaluation.exposure import FlagExposure, ListedMove, PayloadShare
from reconciler.model.flag import Dependencies, FlagSpec, LiveState, Weights
from reconciler.planning.plan import Action, FlagPlan, PlanOptions, Refusal, Released, ValueChange
from reconciler.planning.planner import build_plan
from reconciler.planning.warnings import UNSEEN_LISTS, with_exposure
from reconciler.reports.affected import NO_USER, affected, is_anyone_affected, loses, name
from reconciler.reports.danger import by_danger
from reconciler.reports.effects import effect_rows
from reconciler.reports.registry import PLAN, render

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan
    from reconciler.reports.effects import EffectRow

LISTED = (a_full_variant("control"), a_full_variant("treatment", payload={"a": 1}, users=("u1",)))
WITH_ANOTHER = (a_variant("control"), a_variant("treatment", users=("u2",)))


def planned(desired: FlagSpec, live: FlagSpec | None, *, child_of: tuple[str, ...] | None = None) -> Plan:
    """The plan of one flag; a live flag that is on depends on it, or on these variants of it."""
    lives = [a_live_flag(live, id="1")] if live else []
    if child_of is not None:
        needs = Dependencies(flags=(("1", child_of),), operator="all")
        lives.append(a_live_flag(a_full_flag("child"), id="2", parent_dependencies=needs))
    state = LiveState(project_id="7", flags={item.key: item for item in lives})
    plan = build_plan(a_desired_state(desired), state, a_config(), PlanOptions(), now=NOON)
    return with_exposure(plan, state)


def rows_of(plan: Plan) -> tuple[EffectRow, ...]:
    """The table of a plan."""
    return effect_rows(plan, by_danger(plan.flags))


def words(desired: FlagSpec, live: FlagSpec | None, **fields: tuple[str, ...]) -> str:
    """Who is affected, of the one row of the plan."""
    (row,) = rows_of(planned(desired, live, **fields))
    return row.affected


@pytest.mark.parametrize(
    ("live", "desired", "said"),
    [
        ({"variants": LISTED, "rollout_percentage": 0}, {"enabled": False}, "1 listed user: treatment → off"),
        ({"variants": LISTED, "rollout_percentage": 0}, {"archived": True}, "1 listed user: treatment → off"),
        ({"variants": LISTED, "rollout_percentage": 0, "enabled": False}, {"enabled": True}, "off → treatment"),
        (
            {"variants": LISTED, "rollout_percentage": 0},
            {"variants": (a_variant("control"), a_variant("treatment", payload={"a": 2}))},
            "1 listed user gets a new payload of treatment",
        ),
        *((
            {"variants": (a_variant("treatment", payload={"a": 1}),), "rollout_weights": Weights.of({"treatment": 1}),
             "rollout_percentage": share, "target_segments": (a_segment("Staff"), *more)},
            {"variants": (a_variant("treatment", payload={"a": 2}),)},
            said,
        ) for share, more, said in (
            (0, (), "100% of Staff get a new payload of treatment"),
            (100, (), "100% of users get a new payload of treatment"),
            (30, (), "100% of Staff and at most 30% of 1 more segment get a new payload of treatment"),
            (30, (a_segment("Beta", conditions=(a_condition(values=("FR",)),), percentage=40),),
             "100% of Staff and at most 40% of 2 more segments get a new payload of treatment"),
            (0, (a_segment("Beta", conditions=(a_condition(values=("FR",)),), percentage=0),),
             "100% of Staff get a new payload of treatment"),
        )),
        (
            {"variants": LISTED, "rollout_weights": Weights.of({"control": 1})},
            {"variants": (a_variant("control"),)},
            "1 listed user: treatment → their segment",
        ),
        *((
            {"rollout_percentage": share, "target_segments": (a_segment("Staff"),)} | before, after, said
        ) for share, before, after, said in (
            (0, {}, {"enabled": False}, "100% of Staff: treatment → off"),
            (0, {}, {"archived": True}, "100% of Staff: treatment → off"),
            (0, {"enabled": False}, {"enabled": True}, "100% of Staff: off → treatment"),
            (20, {"enabled": False}, {"enabled": True},
             "100% of Staff: off → treatment; 20% of All Other Users: 10% off → control, 10% off → treatment"),
            (0, {"enabled": False, "target_segments": ()},
             {"enabled": True, "target_segments": (a_segment("Staff"),)}, "100% of Staff: off → treatment"),
            (0, {"target_segments": ()}, {"target_segments": (a_segment("Staff"),)},
             "100% of those moving from All Other Users to Staff: off → treatment"),
        )),
        ({"variants": LISTED, "enabled": False}, {"variants": WITH_ANOTHER}, NO_USER),
        ({"enabled": False}, {"rollout_percentage": 70}, f"{NO_USER}: the flag gives no variant"),
        ({}, {"name": "Other"}, NO_USER),
        ({"rollout_percentage": 50}, {"evaluation_mode": "local"}, "clients of the other evaluation mode"),
        ({"rollout_percentage": 0}, {"evaluation_mode": "local"}, f"{NO_USER}: the flag gives no variant"),
        ({"deployments": ("1",)}, {"deployments": ()}, "10% of All Other Users of deployment 1: "),
    ],
)  # fmt: skip
def test_no_user_is_said_only_where_none_is_affected(
    live: dict[str, object], desired: dict[str, object], said: str
) -> None:
    """A listed user, a payload, clients of a deployment: each is named where it is affected."""
    found = words(a_flag(**desired), a_full_flag(**live))
    assert said in found
    assert (NO_USER in found) is (NO_USER in said)


@pytest.mark.parametrize(
    ("needs", "after", "is_affected"),
    [
        (("treatment",), {"rollout_weights": Weights.of({"control": 1})}, True),
        (("control", "treatment"), {"rollout_weights": Weights.of({"control": 1})}, False),
        ((), {"rollout_percentage": 5}, True),
        ((), {"rollout_weights": Weights.of({"control": 1})}, False),
        (("control",), {"name": "Other"}, False),
    ],
)
def test_users_of_a_flag_that_depends_on_it_are_named(
    needs: tuple[str, ...], after: dict[str, object], *, is_affected: bool
) -> None:
    """Where they are let through now and not then, or the other way; then the level is high."""
    (row,) = rows_of(planned(a_flag(**after), a_full_flag(), child_of=needs))
    assert ("users of child, which depends on it" in row.affected) is is_affected
    assert (row.level == "high") is is_affected


def test_an_excluded_way_and_an_unchanged_segment_are_not_drawn() -> None:
    """`country is` that gets a country more loses no user, and the other segment stays out of it."""
    beta, same = a_segment(), a_segment("Same", conditions=(a_condition("plan", values=("pro",)),))
    wider = replace(beta, conditions=(a_condition(values=("US", "CA", "MX")),))
    live, desired = a_full_flag(target_segments=(beta, same)), a_flag(target_segments=(wider, same))
    (row,) = rows_of(planned(desired, live))
    assert row.change == "targeting widened"
    text = render(PLAN, "text", planned(desired, live))
    assert "All Other Users → Beta: " in text
    assert "Beta → All Other Users" not in text
    assert "      Same: " not in text
    (row,) = rows_of(planned(a_flag(target_segments=(beta, same)), a_full_flag(target_segments=(wider, same))))
    assert row.change == "targeting narrowed"


@pytest.mark.parametrize(
    ("more", "words_of_rest"), [(1, "; 25% of All Other Users"), (2, "; at most 50% of 2 more segments")]
)
def test_one_more_segment_of_a_new_flag_is_named(more: int, words_of_rest: str) -> None:
    """A count of one says less than its name; users of a flag that did not exist come from nowhere."""
    segments = tuple(
        a_segment(f"S{number}", conditions=(a_condition(values=(str(number),)),), percentage=100 // (number + 1))
        for number in range(more)
    )
    new = a_full_flag(rollout_percentage=25, target_segments=segments)
    assert words(new, None) == f"reaches 100% of S0{words_of_rest}"
    text = render(PLAN, "text", planned(new, None))
    assert "      S0: reaches 100%" in text
    assert "→ S0" not in text


def test_a_new_flag_is_no_headline() -> None:
    """Its reach is in its row; the largest exposure change is that of flags that exist."""
    plan = planned(a_full_flag(rollout_percentage=100), None)
    assert plan.summary.max_exposure_change == 0
    assert words(a_full_flag(rollout_percentage=100), None) == "reaches 100% of All Other Users"
    assert render(PLAN, "text", plan).splitlines()[-1].endswith("max exposure change 0%")
    assert "Widest" not in render(PLAN, "markdown", plan)
    moving = planned(a_flag(rollout_percentage=100), a_full_flag())
    assert moving.summary.max_exposure_change > Fraction(89, 100)


STILL = an_exposure(a_transition(switched=Fraction(0), unavoidable=Fraction(0), matrix=()))
SERVES_NO_ONE = an_exposure(
    a_transition(before=(("off", Fraction(1)), ("on", Fraction(0))), after=(), switched=Fraction(0), matrix=())
)
MOVE = ListedMove(kind="users", before="off", after="on", count=2)
PAYLOAD = PayloadShare(variant="on", share=Fraction(1, 2))
TO_LISTED = replace(PAYLOAD, share=Fraction(0), users=3)
MODE = ValueChange(path="/evaluationMode", before="remote", after="local")


def moving(*percents: int, **fields: Any) -> FlagExposure:
    """Segments of which so many percent of the users get another variant."""
    return an_exposure(
        *(
            a_transition(
                before_segment=f"S{percent}",
                after_segment=f"S{percent}",
                switched=Fraction(percent, 100),
                matrix=(("off", "on", Fraction(percent, 100)),),
                **fields,
            )
            for percent in percents
        )
    )


@pytest.mark.parametrize(
    ("exposure", "fields", "said"),
    [
        (STILL, {}, NO_USER),
        (SERVES_NO_ONE, {}, f"{NO_USER}: the flag gives no variant"),
        (SERVES_NO_ONE, {"operations": ()}, NO_USER),
        (an_exposure(), {"exposure": None}, ""),
        (moving(5), {}, "5% of S5: off → on"),
        (moving(5, is_exact=False), {}, "5% of S5 (expected): off → on"),
        (moving(5, 9), {}, "9% of S9: off → on; 5% of S5: off → on"),
        (moving(5, 9, 7), {}, "9% of S9: off → on; 7% of S7: off → on; 5% of S5"),
        (
            moving(5, 9, 7, 3),
            {},
            "9% of S9: off → on; 7% of S7: off → on; at most 5% of 2 more segments",
        ),
        (moving(5, 0), {}, "5% of S5: off → on"),
        (moving(5, 9, 7), {"action": Action.CREATE}, "reaches 9% of S9; at most 7% of 2 more segments"),
        (moving(5, 9), {"action": Action.CREATE}, "reaches 9% of S9; 5% of S5"),
        (moving(5, deployments=("1",)), {}, "5% of S5 of deployment 1: off → on"),
        (
            an_exposure(a_transition(before_segment="A", after_segment="B")),
            {},
            "40% of those moving from A to B: 20% off → control, 20% off → treatment",
        ),
        (replace(STILL, listed=(MOVE,)), {}, "2 listed users: off → on"),
        (
            replace(STILL, listed=(replace(MOVE, kind="cohorts", count=1), MOVE, MOVE, MOVE)),
            {},
            "1 listed cohort: off → on, 2 listed users: off → on, 2 listed users: off → on, 1 more",
        ),
        (replace(STILL, payloads=(PAYLOAD,)), {}, "50% of users get a new payload of on"),
        (
            replace(STILL, payloads=(replace(TO_LISTED, users=0, cohorts=1), replace(TO_LISTED, users=1))),
            {},
            "1 listed cohort gets a new payload of on; 1 listed user gets a new payload of on",
        ),
        (
            replace(STILL, payloads=(replace(TO_LISTED, users=1, cohorts=1), replace(PAYLOAD, users=1))),
            {},
            ("1 listed user and 1 listed cohort get a new payload of on;"
            " 50% of users and 1 listed user get a new payload of on"),
        ),
        (
            replace(STILL, payloads=(replace(PAYLOAD, users=1, cohorts=2), TO_LISTED)),
            {},
            ("50% of users and 1 listed user and 2 listed cohorts get a new payload of on;"
            " 3 listed users get a new payload of on"),
        ),
        (
            replace(STILL, dependents=("a", "b", "c", "d")),
            {},
            "users of a, b, c, 1 more, which depends on it",
        ),
        (STILL, {"warnings": (UNSEEN_LISTS,)}, "listed users, who are not shown while it is archived"),
        (STILL, {"changes": (MODE,)}, "clients of the other evaluation mode"),
        (STILL, {"changes": (MODE,), "action": Action.CREATE}, NO_USER),
        (SERVES_NO_ONE, {"changes": (MODE,)}, f"{NO_USER}: the flag gives no variant"),
        (STILL, {"transient": Fraction(1, 8)}, "temporarily wrong variant during apply: 12.5%"),
    ],
)  # fmt: skip
def test_who_is_affected_to_the_word(exposure: FlagExposure, fields: dict[str, Any], said: str) -> None:
    """The most users first; then whom shares do not show; then a word on the rest."""
    flag = a_flag_plan(**{"exposure": exposure} | fields)
    assert affected(flag) == said
    is_told = not said.startswith(NO_USER) and flag.action is not Action.CREATE
    assert is_anyone_affected(flag) is is_told


OFF, MIXED = (("off", Fraction(1)),), (("off", Fraction(1, 2)), ("on", Fraction(1, 2)))


@pytest.mark.parametrize("path", ["/enabled", "/archived"])
@pytest.mark.parametrize(
    ("before_segment", "after_segment", "before", "segment"),
    [
        ("All Other Users", "Beta", OFF, "Beta"),
        ("All Other Users", "Beta", MIXED, "All Other Users"),
        ("Beta", "All Other Users", OFF, "Beta"),
        ("Beta", "All Other Users", MIXED, "Beta"),
        ("Beta", "Beta", OFF, "Beta"),
    ],
)
def test_of_a_flag_that_is_switched_one_segment_is_named(
    path: str, before_segment: str, after_segment: str, before: tuple[tuple[str, Fraction], ...], segment: str
) -> None:
    """That of the side on which the flag is on: one that is off has no segments."""
    item = a_transition(
        before_segment=before_segment, after_segment=after_segment, before=before,
        matrix=(("off", "on", Fraction(1, 4)),), switched=Fraction(1, 4),
    )  # fmt: skip
    switch = ValueChange(path=path, before=False, after=True)
    assert affected(a_flag_plan(changes=(switch,), exposure=an_exposure(item))) == f"25% of {segment}: off → on"


def test_of_a_flag_that_is_held_and_not_planned_it_is_not_known() -> None:
    """With operations it is."""
    held: FlagPlan = replace(a_flag_plan(), held=(Refusal(guard="shield", message="No.", override=""),))
    assert affected(held).startswith("40% of ")
    assert affected(replace(held, operations=())) == ""


@pytest.mark.parametrize(
    ("matrix", "listed", "is_loss"),
    [
        ((("off", "on", 1),), (), False),
        ((("on", "on", 1),), (), False),
        ((("on", "off", 1),), (), True),
        ((("on", "other", 1),), (), True),
        ((("on", "off", 0), ("off", "on", 1)), (), False),
        ((("off", "on", 1), ("on", "off", 1)), (), True),
        ((), (MOVE,), False),
        ((), (replace(MOVE, before="on", after="off"),), True),
        ((), (replace(MOVE, before="on", after="on"),), False),
    ],
)
def test_who_loses_a_variant(
    matrix: tuple[tuple[str, str, int], ...], listed: tuple[ListedMove, ...], is_loss: bool
) -> None:
    """Who had one, and gets none or another."""
    cells = tuple((before, after, Fraction(share)) for before, after, share in matrix)
    exposure = replace(an_exposure(a_transition(matrix=cells)), listed=listed)
    assert loses(exposure) is is_loss
    assert loses(replace(exposure, payloads=(PAYLOAD,)))


def test_names_are_cut_where_they_are_longer_than_forty_characters() -> None:
    assert [name("a" * length) for length in (40, 41)] == ["a" * 40, f"{'a' * 39}…"]


def test_rows_of_what_is_released() -> None:
    """The live value stays; they come after what affects users, numbered rows are those of the plan's flags."""
    released = (
        Released(key="a", path="", live={"enabled": True, "rolloutPercentage": 50}),
        Released(key="b", path="", live={"enabled": None}),
        Released(key="c", path="", live=None),
        Released(key="d", path="/name", live=None),
        Released(key="d", path="/tags", live=["x" * 80]),
        *(Released(key="e", path=f"/{name}", live=0) for name in "vwxyz"),
        Released(key="f" * 200, path="", live={"enabled": False, "rolloutPercentage": 0}),
    )
    rows = rows_of(a_plan(a_flag_plan("m"), a_flag_plan("n"), released=released))
    assert [(row.key[:2], row.number, row.share) for row in rows[:2]] == [
        ("m", 1, Fraction(2, 5)),
        ("n", 2, Fraction(2, 5)),
    ]
    assert [(row.key, row.change) for row in rows[2:]] == [
        ("a", "released, live: on, 50 %"),
        ("b", "released, live: not shown, ? %"),
        ("c", "released, live: no such flag"),
        ("d", f'released: name (live: not read), tags (live: ["{"x" * 57}…)'),
        ("e", "released: v (live: 0), w (live: 0), x (live: 0), y (live: 0), 1 more"),
        ("f" * 99 + "…", "released, live: off, 0 %"),
    ]
    assert {(row.level, row.affected, row.share, row.number) for row in rows[2:]} == {("low", NO_USER, 0, None)}
