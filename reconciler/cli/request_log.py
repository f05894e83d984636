"""What is said of requests while they are made: that one waits, and with --verbose each of them. Never the key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.api.transport import Exchange, Wait
    from reconciler.cli.output import Output

_WORTH_SAYING = 1.0
"""Seconds from which a pause is said."""


class RequestLog:
    """Writes to stderr; a pause that many calls share is said once."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said: datetime | None = None

    def request(self, exchange: Exchange) -> None:
        """One attempt, answered or not: method, path, status, milliseconds, which attempt of its call."""
        status = "no answer" if exchange.status is None else exchange.status
        took = f"{exchange.seconds * 1000:.0f} ms, attempt {exchange.attempt}"
        self._output.debug(f"{exchange.method} {exchange.path} {status}, {took}")

    def wait(self, wait: Wait) -> None:
        """A pause before a call is repeated."""
        if wait.seconds < _WORTH_SAYING or (self._said and wait.until <= self._said + timedelta(seconds=1)):
            return
        self._said = wait.until
        why = "no answer" if wait.status is None else str(wait.status)
        asked = f"the server asks for {wait.asked:,.0f} s; " if wait.asked and wait.asked > wait.seconds else ""
        self._output.info(f"{why}: {asked}waiting {wait.seconds:,.0f} s, until {wait.until:%H:%M} UTC")
