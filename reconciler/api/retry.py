"""What is repeated, how often, and how long is waited. Decided from the outcome of one attempt; sends nothing.

Every failure is one of three (reliability of the whole tool rests on the difference): *not sent*, the server never
saw it; *ambiguous*, it may or may not have taken effect; *rejected*, it did not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from math import isnan
from random import uniform
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import TOO_MANY_REQUESTS, AmbiguousError, ApiError, NotSentError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Repeat(Enum):
    """Which failures of a call may be answered by sending it again."""

    ALWAYS = "reads: nothing they do can be done twice"
    IF_WITHOUT_EFFECT = "writes: only what was not sent or was turned away with 429"
    IF_NOT_SENT = "calls that name a place in a list, which may be another one by now"


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How long and how often to try. Times are seconds.

    `attempts` a call; `retries` beyond first attempts in a whole run; `attempt_seconds` from connecting to the last
    byte of an answer; `run_seconds` from the first request of a run on. Waits double from `base` to `longest`, with
    full jitter; one that the server asks for is kept up to `longest_asked`.
    """

    attempts: int = 4
    retries: int = 50
    attempt_seconds: float = 30
    connect_seconds: float = 10
    run_seconds: float = 7200
    base: float = 0.5
    longest: float = 20
    longest_asked: float = 120


class Failure(Struct, frozen=True):
    """One attempt that failed: the error that it would be, and the wait in seconds that the server asked for."""

    error: ApiError
    retry_after: float | None = None

    @property
    def is_throttled(self) -> bool:
        """Whether the server asked for fewer requests."""
        return self.error.status == TOO_MANY_REQUESTS


def may_repeat(failure: Failure, repeat: Repeat) -> bool:
    """Whether a call that failed so may be sent again."""
    if isinstance(failure.error, NotSentError):
        return True
    if repeat is Repeat.IF_NOT_SENT:
        return False
    return failure.is_throttled or (repeat is Repeat.ALWAYS and isinstance(failure.error, AmbiguousError))


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, 0 or more; None where it says nothing that can be understood.

    A date counts from the answer's own `Date`, so that a wrong local clock does not matter; from `now` without one.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None:
            return None
        seconds = (until - (http_date(headers.get("date", "")) or now)).total_seconds()
    return None if isnan(seconds) else max(seconds, 0.0)


def http_date(text: str) -> datetime | None:
    """The time that a header names, in UTC, or None."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def seconds_to_wait(failure: Failure, attempt: int, policy: RetryPolicy) -> float:
    """How long to wait after the failure of an attempt, counted from 1: what the server asked for, or with jitter."""
    if failure.retry_after is not None:
        return min(failure.retry_after, policy.longest_asked)
    return uniform(0, min(policy.base * 2 ** (attempt - 1), policy.longest))  # noqa: S311 - no secret
