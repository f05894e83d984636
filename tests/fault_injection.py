"""Between a client and the emulator: what networks and proxies do to requests, by number of arrival.

Stands outside the server, so that the emulator's own log says what truly was done. A server on a real socket
cannot be made to reset a connection from here: `Cut` raises, which is a cut for an in-process transport and a
500 behind uvicorn. `Truncate` closes the connection early in both.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, assert_never

from reconciler.emulator.api import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class ConnectionCutError(Exception):
    """The connection is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Something other than the emulator answers; with `after_commit` the request was done even so."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    after_commit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The connection goes away before the request is done, or after it and before the answer."""

    after_commit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Nothing happens for a while, before the request is done or after it."""

    seconds: float
    after_commit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """The request is done; of the answer's body only the first `keep` bytes come."""

    keep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """The request is done; the answer's body comes in pieces of `size` bytes, `pause` seconds before each."""

    pause: float
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The request is delivered, and done, twice; the first answer is the one that comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLate:
    """The connection goes away at once, and the request is done all the same, after so many later arrivals."""

    after: int


Fault: TypeAlias = Respond | Cut | Delay | Truncate | Drip | Duplicate | CommitLate


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request to the API as it reaches the network: `number` counts from 1, `path` is undecoded."""

    number: int
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A whole request."""

    scope: Scope
    body: bytes


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """A whole answer."""

    status: int = 500
    headers: Headers = ()
    body: bytes = b""


@dataclass(slots=True)
class FaultInjector:
    """An ASGI application that lets `plan` decide what becomes of each request to `app`; None is "nothing".

    `cut` makes the exception that stands for a lost connection, so that a test can raise its client's own.
    `arrivals` is everything that came, `injected` what was done to it.
    """

    app: ASGIApp
    plan: Callable[[Arrival], Fault | None]
    cut: Callable[[], Exception] = ConnectionCutError
    arrivals: list[Arrival] = field(default_factory=list)
    injected: list[tuple[Arrival, Fault]] = field(default_factory=list)
    _late: list[tuple[int, _Message]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; those that do not go to the API pass untouched."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX + "/"):
            await self.app(scope, receive, send)
            return
        path = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        arrival = Arrival(number=len(self.arrivals) + 1, method=scope["method"], path=path)
        self.arrivals.append(arrival)
        message = _Message(scope=scope, body=await _read(receive))
        await self._commit_late(arrival.number)
        fault = self.plan(arrival)
        if fault is None:
            await _send(send, await self._deliver(message))
            return
        self.injected.append((arrival, fault))
        await self._inject(fault, message, send)

    async def settle(self) -> None:
        """Does what is still to be committed late."""
        await self._commit_late(None)

    async def _inject(self, fault: Fault, message: _Message, send: Send) -> None:
        match fault:
            case Respond():
                if fault.after_commit:
                    await self._deliver(message)
                headers = tuple((name.lower().encode(), value.encode()) for name, value in fault.headers)
                await _send(send, _Outcome(status=fault.status, headers=headers, body=fault.body))
            case Cut(after_commit=after_commit):
                if after_commit:
                    await self._deliver(message)
                raise self.cut()
            case Delay():
                await self._delay(fault, message, send)
            case Truncate(keep=keep):
                outcome = await self._deliver(message)
                await _send(send, _Outcome(status=outcome.status, headers=outcome.headers, body=outcome.body[:keep]))
            case Drip():
                await _send(send, await self._deliver(message), fault)
            case Duplicate():
                outcome = await self._deliver(message)
                await self._deliver(message)
                await _send(send, outcome)
            case CommitLate(after=after):
                self._late.append((len(self.arrivals) + after, message))
                raise self.cut()
            case _:
                assert_never(fault)

    async def _delay(self, fault: Delay, message: _Message, send: Send) -> None:
        if not fault.after_commit:
            await asyncio.sleep(fault.seconds)
        outcome = await self._deliver(message)
        if fault.after_commit:
            await asyncio.sleep(fault.seconds)
        await _send(send, outcome)

    async def _commit_late(self, number: int | None) -> None:
        due = [item for item in self._late if number is None or item[0] < number]
        self._late = [item for item in self._late if item not in due]
        for _, message in due:
            await self._deliver(message)

    async def _deliver(self, message: _Message) -> _Outcome:
        outcome = _Outcome()

        async def receive() -> Message:
            return {"type": "http.request", "body": message.body, "more_body": False}

        async def send(event: Message) -> None:
            if event["type"] == "http.response.start":
                outcome.status, outcome.headers = event["status"], tuple(event["headers"])
            else:
                outcome.body += event.get("body", b"")

        await self.app(message.scope, receive, send)
        return outcome


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += bytes(event.get("body", b""))
        if not event.get("more_body", False):
            return body


async def _send(send: Send, outcome: _Outcome, drip: Drip | None = None) -> None:
    await send({"type": "http.response.start", "status": outcome.status, "headers": list(outcome.headers)})
    if drip is not None:
        for start in range(0, len(outcome.body), drip.size):
            await asyncio.sleep(drip.pause)
            piece = outcome.body[start : start + drip.size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if drip else outcome.body, "more_body": False})
