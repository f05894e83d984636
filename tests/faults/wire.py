"""The network between a client and an emulator in process: it counts what passes, and does one thing to some of it.

A fault is a coroutine function of a passage: it delivers the request or not, and answers or raises what httpx would
raise. What was truly done stands in `Passage.commits`, independent of what the client is told.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx
from emulators import KEY

from reconciler.emulator import RawRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.emulator import ApiResponse, Emulator

HOST = "127.0.0.1"


@dataclass(slots=True, kw_only=True)
class Passage:
    """One request on its way. `number` counts from 1 over everything that the wire has carried."""

    number: int
    request: httpx.Request
    raw: RawRequest
    wire: Wire
    commits: int = 0
    status: int | None = None

    @property
    def is_write(self) -> bool:
        return self.raw.method != "GET"

    @property
    def call(self) -> tuple[str, str]:
        return self.raw.method, self.raw.path

    @property
    def body(self) -> Any:
        return json.loads(self.raw.body) if self.raw.body else None

    def deliver(self) -> ApiResponse:
        """The emulator's answer; the watcher is told once it has been given."""
        answer = self.wire.emulator.api.answer(self.raw)
        if self.is_write and answer.status < 400:
            self.commits += 1
        self.wire.delivered(self)
        return answer


Fault: TypeAlias = "Callable[[Passage], Awaitable[httpx.Response]]"


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Carries requests to the emulator. `plan` says what happens to each; `watch` is told of each delivery."""

    emulator: Emulator
    plan: Callable[[Passage], Fault | None] = lambda _: None
    watch: Callable[[Passage], None] = lambda _: None
    gate: Callable[[Passage], Awaitable[None]] | None = None
    passages: list[Passage] = field(default_factory=list)
    late: list[tuple[Callable[[Passage], bool], Passage]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        passage = Passage(number=len(self.passages) + 1, request=request, raw=raw_of(request), wire=self)
        self._check_address(request)
        self.passages.append(passage)
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate(passage)
        fault = self.plan(passage)
        response = answered(passage.deliver()) if fault is None else await fault(passage)
        passage.status = response.status_code
        return response

    def delivered(self, passage: Passage) -> None:
        self.watch(passage)
        due = [item for item in self.late if item[0](passage) and item[1] is not passage]
        self.late = [item for item in self.late if item not in due]
        for _, waiting in due:
            waiting.deliver()

    def settle(self) -> None:
        """Deliver what is still on its way."""
        waiting, self.late = self.late, []
        for _, passage in waiting:
            passage.deliver()

    @property
    def writes(self) -> list[Passage]:
        return [passage for passage in self.passages if passage.is_write]

    def _check_address(self, request: httpx.Request) -> None:
        """S7: one host; the key in one header and nowhere else."""
        assert (request.url.scheme, request.url.host) == ("http", HOST), request.url
        rest = {name: value for name, value in request.headers.items() if name != "authorization"}
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in f"{request.url} {rest} {request.content!r}"


def raw_of(request: httpx.Request) -> RawRequest:
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    return RawRequest(
        method=request.method,
        path=path,
        query=query,
        authorization=request.headers.get("authorization", ""),
        content_type=request.headers.get("content-type", ""),
        body=request.content,
    )


def answered(answer: ApiResponse) -> httpx.Response:
    """The emulator's answer as it arrives: unread, as answers do."""
    headers = {"content-type": answer.media_type, "date": "Wed, 02 Jan 2030 12:00:00 GMT", **answer.headers}
    return arriving(answer.status, answer.body, headers)


def arriving(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=Body([body]))


@dataclass
class Body(httpx.AsyncByteStream):
    """A body that comes in pieces, `pause` seconds before each, and breaks off with `error` if there is one."""

    pieces: list[bytes]
    pause: float = 0.0
    error: Exception | None = None

    async def __aiter__(self) -> Any:
        for piece in self.pieces:
            if self.pause:
                await asyncio.sleep(self.pause)
            yield piece
        if self.error is not None:
            raise self.error
