"""Clients for tests: against an emulator in process, or against any handler of requests; time that does not pass."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from builders import a_config
from emulators import KEY, PROJECT

from reconciler.api.client import connect
from reconciler.api.credentials import ApiKey, Origin
from reconciler.api.limits import Clock
from reconciler.api.transport import Transport
from reconciler.emulator import Emulator
from reconciler.model.config import Requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.client import Client

T = TypeVar("T")

LOOPBACK = Origin(scheme="http", host="127.0.0.1", port=8, is_loopback=True)
UNHURRIED = Requests(per_second=100_000)


@dataclass
class StoppedClock:
    """Time that passes only while a task sleeps; `slept` remembers how long each time."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    @property
    def clock(self) -> Clock:
        """The clock as the transport takes it."""
        return Clock(now=lambda: self.seconds, sleep=self.sleep, date=lambda: datetime(2030, 1, 2, 12, 0, tzinfo=UTC))


def a_key(secret: str = KEY) -> ApiKey:
    """The key that the test emulators know."""
    return ApiKey(secret)


@dataclass
class Handler(httpx.AsyncBaseTransport):
    """A function as the network: what it returns arrives unread, as answers do; what it raises is raised."""

    answer: Callable[[httpx.Request], httpx.Response]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        given = self.answer(request)
        return httpx.Response(given.status_code, headers=given.headers, stream=given.stream)


def network(server: Any) -> httpx.AsyncBaseTransport | None:
    """What stands in for the network: an emulator, a handler, a transport; None is the network itself."""
    if server is None:
        return None
    if isinstance(server, Emulator):
        return httpx.ASGITransport(app=server.app)
    if isinstance(server, httpx.AsyncBaseTransport):
        return server
    return Handler(server)


def ask(server: Any, call: Callable[[Client], Awaitable[T]], *, read_only: bool = False, **options: Any) -> T:
    """What `call` returns, given a client of project 7 on an emulator or a handler. Nothing waits for real."""
    options = {"clock": StoppedClock().clock, **options}
    config = a_config(project_id=PROJECT, requests=options.pop("requests", UNHURRIED))
    key, origin = options.pop("key", a_key()), options.pop("origin", LOOPBACK)

    async def session() -> T:
        async with connect(config, key, origin, read_only=read_only, http=network(server), **options) as client:
            return await call(client)

    return asyncio.run(session())


def send(server: Any, *call: Any, **options: Any) -> Any:
    """What one call of the transport returns: `send(handler, "GET", ["flags"], query=…)`."""
    named = {name: options.pop(name) for name in ("query", "body", "repeat") if name in options}
    settings = {
        "origin": LOOPBACK,
        "key": a_key(),
        "read_only": False,
        "requests": UNHURRIED,
        "clock": StoppedClock().clock,
        "http": network(server),
        **options,
    }

    async def session() -> Any:
        async with Transport(**settings) as transport:
            return await transport.send(*call, **named)

    return asyncio.run(session())
