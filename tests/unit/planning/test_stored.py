"""Flags that differ by forms of stored values alone: which of them a plan does not send again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import (
    a_condition,
    a_config,
    a_desired_state,
    a_flag,
    a_full_flag,
    a_live_flag,
    a_live_state,
    a_segment,
    a_variant,
)
from msgspec.structs import replace

from reconciler.model.flag import Weights
from reconciler.model.versions import Timeline
from reconciler.planning.plan import PlanOptions, ValueChange
from reconciler.planning.planner import build_plan
from reconciler.planning.stored import how_stored, without_settled

if TYPE_CHECKING:
    from reconciler.model.flag import LiveFlag

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def an_edited_flag(key: str, edited: str | None = "2030-01-02T12:00:00.000Z", **fields: Any) -> LiveFlag:
    """A flag whose name and tags are kept in forms of the server's own, and when it was edited last."""
    return a_live_flag(a_full_flag(key, **{"name": "x", "tags": ("a",)} | fields), last_modified_at=edited)


def unsettled(
    live: LiveFlag, *, before: timedelta | None, is_asked: bool = True, **declared: Any
) -> tuple[list[str], int, tuple[str, ...]]:
    """The flags that a plan keeps, how many are unchanged, the warnings; git says so since that long before NOW."""
    since = Timeline(placed_at=None if before is None else NOW - before)

    def history(places: Any, until: datetime | None) -> dict[Any, Timeline]:
        assert until is None
        assert places
        return dict.fromkeys(places, since)

    state = a_live_state(live, a_full_flag("g"))
    desired = a_desired_state(a_flag("f", **declared), a_flag("g"))
    plan = without_settled(
        build_plan(desired, state, a_config(), PlanOptions()), state, history if is_asked else None
    )
    return [flag.key for flag in plan.flags], plan.unchanged, plan.warnings


NAME_KEPT = '"f": /name is stored otherwise (without space around it): no call changes that.'
TAGS_KEPT = '"f": /tags is stored otherwise (in lower case): no call changes that.'
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("declared", "before", "told"),
    [
        ({"name": "x "}, SECOND, (NAME_KEPT,)),
        ({"name": "x ", "tags": ("A",)}, SECOND, (NAME_KEPT, TAGS_KEPT)),
        ({"name": "x "}, timedelta(), None),
        ({"name": "x "}, -SECOND, None),
        ({"name": "x "}, None, None),
        ({"name": "y"}, SECOND, None),
        ({"name": "x ", "tags": ("b",)}, SECOND, None),
        ({"name": "x ", "rollout_percentage": 11}, SECOND, None),
    ],
)
def test_what_was_edited_since_it_is_declared_is_not_sent_again(
    declared: dict[str, Any], before: timedelta | None, told: tuple[str, ...] | None
) -> None:
    """Where nothing differs but forms; a warning says how each field is kept, and the flag counts as unchanged."""
    expected = (["f"], 1, ()) if told is None else ([], 2, told)
    assert unsettled(an_edited_flag("f"), before=before, **declared) == expected


@pytest.mark.parametrize("edited", [None, "2030-01-02T11:59:58.000Z"])
def test_what_nobody_edited_since_is_sent(edited: str | None) -> None:
    assert unsettled(an_edited_flag("f", edited), before=SECOND, name="x ") == (["f"], 1, ())


def test_without_history_all_is_sent() -> None:
    assert unsettled(an_edited_flag("f"), before=SECOND, is_asked=False, name="x ") == (["f"], 1, ())


def test_what_moves_users_is_sent_whatever_its_form() -> None:
    """Shares that a rounded figure does not tell apart, and a flag that is made."""
    weights = Weights.of({"control": 1, "treatment": 2})
    for shown, kept in ((33.33, []), (33.32, ["f"])):
        live = Weights.of({"control": shown, "treatment": 100 - shown})
        flag = an_edited_flag("f", rollout_weights=live, enabled=True, rollout_percentage=100)
        assert unsettled(flag, before=SECOND, rollout_weights=weights)[0] == kept
    assert unsettled(an_edited_flag("h"), before=SECOND, variants=(a_variant("on"),))[0] == ["f"]
    assert unsettled(an_edited_flag("f"), before=SECOND) == ([], 2, ())


@pytest.mark.parametrize("prop", ["version", "gp:version", "country"])
def test_a_condition_that_other_users_meet_is_sent(prop: str) -> None:
    """Although numbers may come back so: 1.10 and 1.1 are two versions."""
    declared, live = (a_segment("Beta", conditions=(a_condition(prop, "is", (value,)),)) for value in ("1.10", "1.1"))
    flag = an_edited_flag("f", target_segments=(live,), enabled=True)
    assert unsettled(flag, before=SECOND, target_segments=(declared,))[0] == ["f"]
    off = an_edited_flag("f", target_segments=(live,), enabled=False)
    assert unsettled(off, before=SECOND, target_segments=(declared,))[0] == []


def test_each_field_is_to_be_declared_before_the_edit() -> None:
    def history(places: Any, _: datetime | None) -> dict[Any, Timeline]:
        return {place: Timeline(placed_at=NOW - SECOND if place[1] == "/name" else NOW) for place in places}

    state = a_live_state(an_edited_flag("f"), an_edited_flag("g"))
    desired = a_desired_state(a_flag("f", name="x ", tags=("A",)), a_flag("g", name="x "))
    plan = build_plan(desired, state, a_config(), PlanOptions())
    left = without_settled(replace(plan, warnings=("one",)), state, history)
    assert [flag.key for flag in left.flags] == ["f"]
    assert left.warnings == ("one", NAME_KEPT.replace('"f"', '"g"'))


def test_a_value_of_another_kind_is_in_no_form() -> None:
    for path in ("/name", "/tags", "/rolloutWeights", "/targetSegments", "/variants/a/payload"):
        assert how_stored(ValueChange(path=path, before=None, after=5)) == ""


def valued(*values: Any) -> list[dict[str, Any]]:
    """A segment whose condition has these values."""
    return [{"name": "S", "conditions": [{"prop": "v", "op": "is", "values": [*values]}], "rolloutWeights": {"a": 1}}]


LARGE = 2**53 + 1


@pytest.mark.parametrize(
    ("path", "declared", "live", "how"),
    [
        ("/name", "A\nb", "A\r\nb", "with other line ends"),
        ("/description", "A\r\nb", "A\nb", "with other line ends"),
        ("/name", " A\nb ", "A\r\nb", "without space around it and with other line ends"),
        ("/bucketingSalt", " a", "a", ""),
        ("/tags", ["B ", "a"], ["a", "b"], "in lower case and without space around them"),
        ("/tags", ["A"], ["a", "b"], ""),
        ("/variants/a/payload", None, {}, "as an empty object"),
        ("/variants/a/payload", {"a": True, "b": [LARGE]}, {"a": True, "b": [2.0**53]},
         "with large numbers as doubles"),
        ("/variants/a/payload", {"a": [LARGE]}, {"a": [2.0**53, 1]}, ""),
        ("/variants/a/payload", {"a": None, "b": LARGE}, {"b": 2.0**53},
         "without members that are null and with large numbers as doubles"),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.33, "b": 66.67}, "as percentages"),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.344, "b": 66.66}, "as percentages"),
        ("/rolloutWeights", {"a": 1, "b": 2}, {"a": 33.345, "b": 66.66}, ""),
        ("/rolloutWeights", {"a": 0, "b": 1}, {"a": 0, "b": 100}, "as percentages"),
        ("/rolloutWeights", {"a": 0, "b": 1}, {"a": 0.005, "b": 100}, ""),
        ("/rolloutWeights", {"a": 1, "b": 99_999}, {"a": 0, "b": 100}, ""),
        ("/rolloutWeights", {"a": 0, "b": 0}, {"a": 1, "b": 1}, ""),
        ("/rolloutWeights", {"a": 1, "b": 99}, {"a": True, "b": 99}, ""),
        ("/rolloutWeights", {"a": 1}, {"b": 100}, ""),
        ("/targetSegments", valued("1.0", "x"), valued("1", "x"), "with values as numbers"),
        ("/targetSegments", valued("1.50"), valued("1.5"), "with values as numbers"),
        ("/targetSegments", valued("1.5"), valued("1"), ""),
        ("/targetSegments", valued("1.0"), valued("1", "2"), ""),
        ("/targetSegments", valued("1.0"), valued(["1"]), ""),
        ("/targetSegments", [{"name": " S"}], [{"name": "S"}], "with names without space around them"),
        ("/targetSegments", [{"name": " S", "rolloutWeights": {"a": 2, "b": 2}}],
         [{"name": "S", "rolloutWeights": {"a": 50, "b": 50}}],
         "with weights as percentages and with names without space around them"),
    ],
)  # fmt: skip
def test_in_which_form_a_value_is_kept(path: str, declared: Any, live: Any, how: str) -> None:
    """Also in several at once; another value is in none."""
    assert how_stored(ValueChange(path=path, before=live, after=declared)) == how
