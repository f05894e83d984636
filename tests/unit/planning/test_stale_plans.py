"""Why a saved plan is not applied any more, to the second and to the word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import COMMIT, NOON, a_flag_plan, a_plan
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.planning.plan import PlannedRollout
from reconciler.planning.plan_file import check_saved, encode_plan

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan

SAVED = a_plan(deployments={"67": "web"}, warnings=("w",), origin="https://a.example.com")
ROLLOUT = PlannedRollout(
    key="r", path="/rolloutPercentage", live=5, steps=((10, 60), (100, None)), on_fail="rollback"
)
SECOND = timedelta(seconds=1)


def staleness(again: Plan, after: timedelta = timedelta(), declared: tuple[PlannedRollout, ...] = ()) -> str | None:
    """Why the saved plan is no longer to be applied; None where it is."""
    try:
        check_saved(encode_plan(SAVED), again, NOON + after, declared)
    except StalePlanError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (timedelta(0), None),
        (timedelta(hours=24), None),
        (timedelta(hours=24) + SECOND, "The saved plan is older than 24 hours. Make a new one."),
        (-timedelta(minutes=5), None),
        (
            -timedelta(minutes=5) - SECOND,
            (
                "The saved plan is from the future: it was made at 2030-01-02 12:00 UTC, and it is 2030-01-02 11:54 "
                "UTC here. Check the clocks of both machines, or make a new one."
            ),
        ),
    ],
)
def test_the_age_of_a_saved_plan(after: timedelta, said: str | None) -> None:
    """A day at most, and minutes of the future, for clocks differ."""
    assert staleness(SAVED, after) == said


def test_a_saved_plan_says_when_it_was_made() -> None:
    with pytest.raises(StalePlanError, match="does not say when it was made"):
        check_saved(encode_plan(replace(SAVED, created_at=None)), SAVED, NOON)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"region": "eu"}, "region: us, not eu"),
        ({"project_id": "8"}, "projectId: 7, not 8"),
        ({"environment": "prod"}, "environment: None, not prod"),
        ({"commit": "0" * 40}, f"commit: {COMMIT}, not {'0' * 40}"),
        ({"origin": "https://x.example.com"}, "origin: https://a.example.com, not https://x.example.com"),
    ],
)
def test_a_saved_plan_is_for_one_place(fields: dict[str, Any], said: str) -> None:
    assert staleness(replace(SAVED, **fields)) == f"The saved plan is for another {said}."


def a_stale_flag(key: str = "new-checkout", **fields: Any) -> Plan:
    """The plan with another flag."""
    return replace(SAVED, flags=(a_flag_plan(key, **fields),))


GONE = "nothing is to be done any more: it was applied already, or its declaration has changed"


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (a_stale_flag("other"), GONE),
        (a_stale_flag(flag_id="9"), "the live flag has changed since"),
        (a_stale_flag(fingerprint="sha256:" + "1" * 64), "the live flag has changed since"),
        (a_stale_flag(changes=()), "its declaration has changed since"),
        (a_stale_flag(warnings=("x",)), "other flags that it rests on, or safety checks, have changed since"),
    ],
)  # fmt: skip
def test_why_a_flag_of_a_saved_plan_is_stale(again: Plan, said: str) -> None:
    assert staleness(again) == f"The saved plan is stale: new-checkout ({said}). Make a new one."


@pytest.mark.parametrize(
    ("count", "named", "more"), [(5, 5, ""), (6, 5, " and 1 more flag"), (7, 5, " and 2 more flags")]
)
def test_many_stale_flags(count: int, named: int, more: str) -> None:
    """Five are named."""
    names = [f"f{number}" for number in range(count)]
    saved = encode_plan(replace(SAVED, flags=tuple(map(a_flag_plan, names))))
    with pytest.raises(StalePlanError) as caught:
        check_saved(saved, replace(SAVED, flags=()), NOON)
    said = str(caught.value)
    assert [name for name in names if f"{name} (nothing is" in said] == names[:5]
    assert said.endswith(f"has changed){more}. Make a new one.")


@pytest.mark.parametrize(
    ("again", "declared", "what"),
    [
        (replace(SAVED, warnings=()), (), "warnings"),
        (replace(SAVED, deployments={}), (), "names of deployments"),
        (replace(SAVED, rollouts=(ROLLOUT,)), (), "rollouts"),
        (replace(SAVED, rollouts=()), (ROLLOUT,), None),
    ],
)
def test_what_else_was_shown(again: Plan, declared: tuple[PlannedRollout, ...], what: str | None) -> None:
    """Of warnings the order does not count."""
    said = what and f"The saved plan is stale: its {what} are not those of now. Make a new one."
    assert staleness(again, declared=declared) == said


def test_a_rollout_may_have_come_to_its_end() -> None:
    """If it is declared as it was shown."""
    saved = encode_plan(replace(SAVED, rollouts=(ROLLOUT,)))
    check_saved(saved, SAVED, NOON, (ROLLOUT,))
    with pytest.raises(StalePlanError, match="its rollouts are not those of now"):
        check_saved(saved, SAVED, NOON, ())
