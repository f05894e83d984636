"""The emulator as an ASGI application: the API below /api/1, and admin endpoints below /_emulator that need no key.

GET    /_emulator/log      every request to the API, oldest first (`log.LogEntry`)
DELETE /_emulator/log      forgets them
GET    /_emulator/state    the whole state (`state_file`)
PUT    /_emulator/state    another state in its place
POST   /_emulator/reset    back to the state that was last put there, or that it began with, and an empty log
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec.structs import asdict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.emulator.api import PREFIX, Api, RawRequest
from reconciler.emulator.errors import RefusedError
from reconciler.emulator.options import Behaviour, Limits
from reconciler.emulator.requests import encode
from reconciler.emulator.state_file import StateError, StateFile, StateWriter, load
from reconciler.emulator.store import Store, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from reconciler.emulator.log import LogEntry
    from reconciler.emulator.records import Json
    from reconciler.emulator.requests import ApiResponse

_DONE = HTTPStatus.NO_CONTENT


class Emulator:
    """One server: its state, its behaviour, what it was asked, and the ASGI application.

    `state_file`: loaded where it exists, and kept up to date from then on (StateError for a file that is not
    one). `now` gives the times of creations and edits.
    """

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        limits: Limits | None = None,
        state_file: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.limits = limits or Limits()
        self.store = Store(read_lag=self.behaviour.read_lag, now=now)
        if state_file is not None:
            StateFile(state_file, self.store).attach()
        self.api = Api(self.store, self.behaviour, self.limits)
        self.app = Starlette(routes=[Route(PREFIX + "/{path:path}", _ApiEndpoint(self)), *_admin_endpoints(self)])
        self._writer = StateWriter()
        self._start = self.store.state()

    @property
    def log(self) -> list[LogEntry]:
        """Every request to the API so far, refused ones too, oldest first."""
        return self.api.log

    @property
    def writes(self) -> list[LogEntry]:
        """The requests that changed something, oldest first."""
        return [entry for entry in self.log if entry.is_write]

    def dump(self) -> bytes:
        """The whole state as JSON, byte for byte the same for the same state."""
        return self._writer.dump(self.store)

    def load(self, state: bytes) -> None:
        """Puts another state in the place of this one; `reset` then comes back to it. StateError."""
        load(self.store, state)
        self.remember()

    def remember(self) -> None:
        """Makes the state of now the one that `reset` comes back to."""
        self._start = self.store.state()

    def reset(self) -> None:
        """Back to the remembered state, with an empty log."""
        self.store.replace(**self._start)
        self.log.clear()

    def edit_as(self, user: str, method: str, path: str, body: Json = None) -> ApiResponse:
        """A call by another user who reaches every project: neither logged nor limited, checked like any other.

        `path` is below /api/1 and escaped. Raises RefusedError where the API would refuse.
        """
        target, _, query = path.partition("?")
        request = RawRequest(
            method=method,
            path=PREFIX + target,
            query=query,
            content_type="application/json",
            body=b"" if body is None else encode(body),
        )
        answer = self.api.answer_as(user, request)
        if answer.status != HTTPStatus.OK:
            raise RefusedError(answer.status, answer.body.decode())
        return answer


class _ApiEndpoint:
    """The API for Starlette, for every method: the API itself refuses a method."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await _raw_request(Request(scope, receive))
        if self._emulator.limits.latency:
            await asyncio.sleep(self._emulator.limits.latency)
        answer = self._emulator.api.answer(request)
        response = Response(answer.body, answer.status, dict(answer.headers), answer.media_type)
        await response(scope, receive, send)


async def _raw_request(request: Request) -> RawRequest:
    return RawRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("ascii", "replace"),
        query=request.scope["query_string"].decode("ascii", "replace"),
        authorization=request.headers.get("authorization", ""),
        content_type=request.headers.get("content-type", ""),
        body=await request.body(),
    )


def _admin_endpoints(emulator: Emulator) -> list[Route]:
    async def show_log(_: Request) -> Response:
        return JSONResponse([asdict(entry) for entry in emulator.log])

    async def clear_log(_: Request) -> Response:
        emulator.log.clear()
        return Response(status_code=_DONE)

    async def show_state(_: Request) -> Response:
        return Response(emulator.dump(), media_type="application/json")

    async def put_state(request: Request) -> Response:
        try:
            emulator.load(await request.body())
        except StateError as error:
            return PlainTextResponse(str(error), 400)
        return Response(status_code=_DONE)

    async def reset(request: Request) -> Response:
        if "origin" in request.headers:  # a form of any site can send this
            return PlainTextResponse("This is not for pages.", 403)
        emulator.reset()
        return Response(status_code=_DONE)

    return [
        Route("/_emulator/log", show_log, methods=["GET"]),
        Route("/_emulator/log", clear_log, methods=["DELETE"]),
        Route("/_emulator/state", show_state, methods=["GET"]),
        Route("/_emulator/state", put_state, methods=["PUT"]),
        Route("/_emulator/reset", reset, methods=["POST"]),
    ]
