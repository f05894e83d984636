"""`--since` as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from reconciler.errors import UsageError

_SPAN = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """The time that a text means, in UTC: ISO 8601, or a span before `now` (`30m`, `2h`, `1d`).

    A time without a zone is UTC. Raises UsageError.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            return now.astimezone(UTC) - timedelta(**{_UNITS[span["unit"]]: int(span["count"])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text!r} is no time: use ISO 8601, as in 2030-01-02T12:00:00Z, or a span, as in 30m, 2h, 1d."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
