"""Flags that a declaration freezes: their differences are shown, and left alone until a time."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.flag import DesiredFlag


def is_frozen(desired: DesiredFlag, now: datetime) -> bool:
    """Whether `frozenUntil` is still to come. `now` is aware of its time zone.

    A date means its first moment in UTC: `2030-01-02` freezes through all of January 1. A time without a zone is UTC.
    """
    until = desired.frozen_until
    if until is None:
        return False
    if not isinstance(until, datetime):
        until = datetime.combine(until, time.min)
    return now < (until if until.tzinfo else until.replace(tzinfo=UTC))
