"""How long a flag is frozen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from builders import NOON, a_desired_flag


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, False),
        (date(2030, 1, 1), False),
        (date(2030, 1, 2), False),
        (date(2030, 1, 3), True),
        (NOON, False),
        (NOON + timedelta(seconds=1), True),
        (datetime(2030, 1, 2, 12, 1), True),  # noqa: DTZ001 - a time without a zone is UTC
        (datetime(2030, 1, 2, 11, 59), False),  # noqa: DTZ001
        (datetime(2030, 1, 2, 14, 1, tzinfo=timezone(timedelta(hours=2))), True),
        (datetime(2030, 1, 2, 13, 59, tzinfo=timezone(timedelta(hours=2))), False),
    ],
)
def test_frozen_until(until: date | datetime | None, expected: bool) -> None:
    """A freeze ends at its time, or with the first moment in UTC of its date."""
    assert a_desired_flag(frozen_until=until).is_frozen(NOON) is expected


def test_now_may_be_in_any_zone() -> None:
    """The same moment counts, however it is written."""
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-11)))
    assert a_desired_flag(frozen_until=NOON.astimezone(UTC) + timedelta(minutes=1)).is_frozen(elsewhere)
