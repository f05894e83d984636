"""What a declaration comes to: how it begins, which places it leaves alone, and until when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from builders import a_desired_flag, a_flag, a_segment

from reconciler.model.config import Ignored
from reconciler.model.flag import UNSET, FlagSpec, Unset, is_to_come
from reconciler.model.rollout import PlacedRollout, Rollout, Step

SECOND = timedelta(seconds=1)
MIDNIGHT = datetime(2030, 1, 2, tzinfo=UTC)
OWN, BETA = (PlacedRollout(rollout=Rollout(steps=(Step(50),)), end=50, segment=segment) for segment in (None, "Beta"))
SPEC = a_flag(
    rollout_percentage=50, target_segments=(a_segment("Beta", percentage=50), a_segment("Other", percentage=7))
)


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        (date(2030, 1, 2), MIDNIGHT),
        (datetime(2030, 1, 2), MIDNIGHT),  # noqa: DTZ001 - what a file says without a zone
        (datetime(2030, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), MIDNIGHT),
        (datetime(2030, 1, 2, 3, 4, tzinfo=UTC), datetime(2030, 1, 2, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_time_is_to_come_until_it_is_there(until: date | datetime, ends: datetime) -> None:
    """A date begins at midnight in UTC, which is also the zone of a time that names none."""
    assert [is_to_come(until, now) for now in (ends - SECOND, ends, ends + SECOND)] == [True, False, False]
    frozen, known = a_desired_flag(frozen_until=until), a_desired_flag(known_until=until)
    assert [(flag.is_frozen(ends - SECOND), flag.is_known(ends - SECOND)) for flag in (frozen, known)] == [
        (True, False),
        (False, True),
    ]
    assert is_to_come(None, ends) is False


@pytest.mark.parametrize(
    ("rollouts", "percentage", "segments"),
    [((), 50, [50, 7]), ((OWN,), 0, [50, 7]), ((BETA,), 50, [0, 7]), ((OWN, BETA), 0, [0, 7])],
)
def test_rollouts_begin_at_zero(rollouts: tuple[PlacedRollout, ...], percentage: int, segments: list[int]) -> None:
    """Each at its own place; all else is as declared."""
    start = a_desired_flag(SPEC, rollouts=rollouts).start
    assert start.rollout_percentage == percentage
    assert [item.percentage for item in start.target_segments or ()] == segments
    assert a_desired_flag(a_flag(tags=("t",)), rollouts=(OWN,)).start == a_flag(tags=("t",), rollout_percentage=0)


IGNORED = Ignored((("tags",),))
KEPT = Ignored((("tags",), ("rolloutPercentage",), ("targetSegments", "Beta", "percentage")))


@pytest.mark.parametrize(
    ("live", "enabled", "archived", "is_turned_on"),
    [
        ({"enabled": True, "archived": False}, True, False, False),
        ({"enabled": False, "archived": False}, True, False, True),
        ({"enabled": False, "archived": False}, False, False, False),
        ({"enabled": False, "archived": False}, UNSET, False, False),
        ({"enabled": False, "archived": False}, True, UNSET, True),
        ({"enabled": False, "archived": False}, True, True, False),
        ({"enabled": True, "archived": True}, UNSET, False, True),
        ({"enabled": True, "archived": True}, True, UNSET, False),
        ({"enabled": False, "archived": True}, UNSET, False, False),
        ({}, True, False, False),
    ],
)
def test_rollouts_of_a_flag_that_is_turned_on_are_not_kept(
    live: dict[str, bool], enabled: bool | Unset, archived: bool | Unset, is_turned_on: bool
) -> None:
    """It serves nobody yet; of any other their percentages stay as they are."""
    spec: FlagSpec = a_flag(enabled=enabled, archived=archived)
    flag = a_desired_flag(spec, ignored=IGNORED, rollouts=(OWN, BETA))
    assert flag.kept == KEPT
    assert flag.kept_beside(a_flag(**live)) == (IGNORED if is_turned_on else KEPT)
