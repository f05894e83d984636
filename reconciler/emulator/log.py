"""What the server was asked, and how often in a second it may be."""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.emulator.records import Json


class LogEntry(Struct, frozen=True, kw_only=True):
    """One request to the API, in the order of arrival.

    `path` is as it was sent, without the query; `body` is the JSON value, the text where it is not JSON, or
    None; `user` is None where the key was refused; `arrived` is in seconds of a monotonic clock.
    """

    number: int
    method: str
    path: str
    query: Mapping[str, str]
    body: Json
    user: str | None
    status: int
    arrived: float

    @property
    def is_write(self) -> bool:
        """Whether the request took effect: neither a GET nor refused."""
        return self.method != "GET" and self.status == HTTPStatus.OK


class RateLimit:
    """At most `rate` requests in any window of one second. Refused requests do not count."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._arrivals: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Whether a request that arrives now is let in; one that is counts against the next second."""
        while self._arrivals and self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        if len(self._arrivals) >= self._rate:
            return False
        self._arrivals.append(now)
        return True
