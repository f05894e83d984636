"""The server that Amplitude's SDKs ask, as a Starlette application: flags, variants, the stream, cohorts, OFREP.

Written from what unmodified SDKs were seen to send and to accept.

GET       /sdk/v2/flags, /v1/flags        the configurations, for SDKs that evaluate themselves
GET       /sdk/stream/v1/flags            the same as server-sent events, again at each change
GET POST  /sdk/v2/vardata, /v1/vardata    the variants of a user
GET       /sdk/v1/cohort/{id}             the members of a cohort
POST      /ofrep/v1/evaluate/flags[/{key}]
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from reconciler.errors import ReconcilerError
from reconciler.evaluation.users import InvalidUserError, check_user
from reconciler.sdk.ofrep import evaluate_all, evaluate_one, refusal
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from reconciler.sdk.cohorts import Cohorts
    from reconciler.sdk.feed import Deployment, Feed
    from reconciler.strict_json import Json

User = dict[str, Any]

PREFIXES = ("/sdk/", "/v1/", "/ofrep/")
"""Where the paths of this application begin."""

KEEP_ALIVE_SECONDS = 10.0
"""SDKs give a stream up that is silent for 17 seconds."""

_NOT_MODIFIED, _BAD_REQUEST, _NO_CONTENT = 304, 400, 204
_LONGEST_NUMBER = 18


class BadRequestError(ValueError):
    """What is asked cannot be read; the message says why and repeats nothing of a user."""


class SdkServer:
    """The endpoints over a feed.

    `complete` adds to a user what else is known of them; `note` is told of each who is evaluated, as they are then.
    """

    def __init__(
        self,
        feed: Feed,
        cohorts: Cohorts,
        *,
        complete: Callable[[User], User] = lambda user: user,
        note: Callable[[User], None] = lambda _: None,
    ) -> None:
        self._feed = feed
        self.cohorts = cohorts
        self._complete, self._note = complete, note
        self.app = Starlette(
            routes=[
                Route("/sdk/v2/flags", self._checked(self._flags)),
                Route("/v1/flags", self._checked(self._flags)),
                Route("/sdk/stream/v1/flags", self._checked(self._stream)),
                Route("/sdk/v2/vardata", self._checked(self._variants), methods=["GET", "POST"]),
                Route("/v1/vardata", self._checked(self._assigned), methods=["GET", "POST"]),
                Route("/sdk/v1/cohort/{id}", self._cohort),
                Route("/ofrep/v1/evaluate/flags", self._checked(self._ofrep_all), methods=["POST"]),
                Route("/ofrep/v1/evaluate/flags/{key}", self._checked(self._ofrep_one), methods=["POST"]),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware,
                    allow_origins=["*"],
                    allow_methods=["GET", "POST"],
                    allow_headers=["*"],
                    allow_private_network=True,  # browsers ask where the page comes from another machine
                    expose_headers=["ETag"],
                )
            ],
        )

    def _checked(
        self, answer: Callable[[Request, Deployment], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint of a deployment: 401 for one that is not known, 400 for what cannot be read."""

        async def endpoint(request: Request) -> Response:
            deployment = self._feed.deployment(_key_of(request))
            if deployment is None:
                return PlainTextResponse(self._unknown_key(request), 401)
            try:
                return await answer(request, deployment)
            except BadRequestError as error:
                return PlainTextResponse(str(error), _BAD_REQUEST)
            except ReconcilerError as error:
                return PlainTextResponse(str(error), 501)

        return endpoint

    def _unknown_key(self, request: Request) -> str:
        """Why it is refused. Names are for this machine, not for a page of any site; keys end up in clients' logs."""
        if "origin" in request.headers:
            return "The deployment key is missing or unknown."
        names = sorted(set[str]().union(*(item.public_names for item in self._feed.served.deployments)))
        return f"The deployment key is missing or unknown. Known here: {', '.join(names) or 'none'}."

    async def _flags(self, request: Request, deployment: Deployment) -> Response:
        body = self._feed.local(deployment)
        if keys := _listed(request):
            body = json.dumps([config for config in json.loads(body) if config["key"] in keys]).encode()
        return Response(body, media_type="application/json")

    async def _stream(self, _: Request, deployment: Deployment) -> Response:
        return StreamingResponse(
            self._events(deployment), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    async def _events(self, deployment: Deployment) -> AsyncIterator[bytes]:
        """The whole array at first and whenever it differs; a lone blank where nothing happens for long."""
        sent = b""
        with self._feed.changes() as changed:
            while not self._feed.is_closed:
                body = self._feed.local(deployment)
                if body != sent:
                    sent = body
                    yield b"data: %s\n\n" % body
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        await changed.wait()
                    changed.clear()
                except TimeoutError:
                    yield b"data:  \n\n"

    async def _variants(self, request: Request, deployment: Deployment) -> Response:
        return JSONResponse(await self._evaluate(request, deployment))

    async def _assigned(self, request: Request, deployment: Deployment) -> Response:
        found = await self._evaluate(request, deployment)
        return JSONResponse(
            {
                key: {name: value for name, value in variant.items() if name != "metadata"}
                for key, variant in found.items()
                if not variant["metadata"].get("default")
            }
        )

    async def _evaluate(self, request: Request, deployment: Deployment) -> dict[str, dict[str, Json]]:
        user = self._asking(await _user_of(request))
        return self._feed.remote(deployment).evaluate(user, _listed(request))

    def known_user(self, user: User) -> User:
        """The user with all that is known of them here."""
        user = self._complete(user)
        if self.cohorts.members and "cohort_ids" not in user and isinstance(user.get("user_id"), str):
            user = user | {"cohort_ids": self.cohorts.of(user["user_id"])}
        return user

    def _asking(self, user: User) -> User:
        """The user of a request, noted, with all that is known of them here."""
        user = self.known_user(user)
        self._note(user)
        return user

    async def _cohort(self, request: Request) -> Response:
        if "origin" in request.headers:  # the service asks for a secret key here, which no page has
            return PlainTextResponse("Members of cohorts are not for pages.", 403)
        cohort, changed = request.path_params["id"], self.cohorts.last_modified
        if request.query_params.get("lastModified") == str(changed):
            return Response(status_code=_NO_CONTENT)
        members = self.cohorts.members.get(cohort, ())
        most = request.query_params.get("maxCohortSize") or str(len(members))
        if not (most.isascii() and most.isdigit()):
            return PlainTextResponse("maxCohortSize is not a whole number.", _BAD_REQUEST)
        if len(members) > int(most[:_LONGEST_NUMBER]):
            return PlainTextResponse("The cohort is larger than maxCohortSize.", 413)
        return JSONResponse(
            {
                "cohortId": cohort,
                "lastModified": changed,
                "size": len(members),
                "memberIds": list(members),
                "groupType": "User",
            }
        )

    async def _ofrep_one(self, request: Request, deployment: Deployment) -> Response:
        key = request.path_params["key"]
        try:
            body = await _json_body(request)
        except BadRequestError as error:
            return JSONResponse({"key": key} | refusal("PARSE_ERROR", error), _BAD_REQUEST)
        status, answer = evaluate_one(self._feed, deployment, key, body, self._asking)
        return JSONResponse(answer, status)

    async def _ofrep_all(self, request: Request, deployment: Deployment) -> Response:
        try:
            body = await _json_body(request)
        except BadRequestError as error:
            return JSONResponse(refusal("PARSE_ERROR", error), _BAD_REQUEST)
        status, answer, tag = evaluate_all(self._feed, deployment, body, self._asking)
        headers = {"ETag": tag} if tag else {}
        if tag and tag in request.headers.get("if-none-match", ""):
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        return JSONResponse(answer, status, headers)


def _key_of(request: Request) -> str:
    """The deployment key: `Api-Key` of Amplitude's SDKs, `Bearer` or X-API-Key of OFREP's providers."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in {"api-key", "bearer"}:
        return key.strip()
    return request.headers.get("x-api-key", "")


def _listed(request: Request) -> frozenset[str]:
    """The flag keys that are asked for; none: all."""
    header = request.headers.get("x-amp-exp-flag-keys")
    if header:
        keys = _decoded(header, "X-Amp-Exp-Flag-Keys")
        if not isinstance(keys, list):
            raise BadRequestError("X-Amp-Exp-Flag-Keys is not a list.")
        return frozenset(map(str, keys))
    return frozenset(filter(None, request.query_params.get("flag_keys", "").split(",")))


async def _user_of(request: Request) -> User:
    """The user of a request: in the header, in the body, or in the query; what is null counts as absent."""
    found: dict[str, Json] = {}
    header = request.headers.get("x-amp-exp-user")
    for source in (await _context(request), _decoded(header, "X-Amp-Exp-User") if header else {}):
        if not isinstance(source, dict):
            raise BadRequestError("A user is a JSON object.")
        found |= source
    found |= {name: request.query_params[name] for name in ("user_id", "device_id") if name in request.query_params}
    user = {name: value for name, value in found.items() if value is not None}
    try:
        check_user(user)
    except InvalidUserError as error:
        raise BadRequestError(str(error)) from error
    return user


async def _context(request: Request) -> Json:
    if request.method == "POST" and await request.body():
        return await _json_body(request)
    return _parsed(request.query_params["context"], "context") if "context" in request.query_params else {}


async def _json_body(request: Request) -> Json:
    return _parsed(await request.body(), "The body")


def _decoded(text: str, what: str) -> Json:
    """JSON in base64, in either alphabet, padded or not: SDKs differ."""
    text = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise BadRequestError(f"{what} is not in base64.") from error
    return _parsed(content, what)


def _parsed(text: str | bytes, what: str) -> Json:
    try:
        return parse_json(text)
    except MalformedJsonError as error:
        raise BadRequestError(f"{what} cannot be read. {error}") from error
