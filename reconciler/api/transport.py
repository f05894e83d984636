"""Sending requests: all of them go through `Transport.send`.

It builds the address from path segments and takes no URL; sends to one origin only, without
redirects, proxies or other settings of the environment; keeps deadlines, caps, the rate and the budgets; repeats what
may be repeated; and, if read-only, refuses everything but GET. The key is in one header, and in nothing
that is raised.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from reconciler import __version__
from reconciler.api.body import ACCEPTED_ENCODING, LARGEST_BODY, OversizedBodyError, read_body, read_excerpt
from reconciler.api.error_factory import Call, ErrorFactory, is_success
from reconciler.api.http import httpx
from reconciler.api.limits import (
    Clock,
    Failure,
    RateLimiter,
    Repeat,
    RequestBudget,
    RetryPolicy,
    http_date,
    may_repeat,
    rate_limiter,
    retry_after,
    seconds_to_wait,
)
from reconciler.errors import (
    FORBIDDEN,
    UNAUTHORIZED,
    AmbiguousError,
    BudgetError,
    NotSentError,
    ResponseTooLargeError,
    WithheldError,
)
from reconciler.model.config import Requests
from reconciler.model.fields import is_path_segment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from reconciler.api.credentials import ApiKey, Origin
    from reconciler.errors import ApiError
    from reconciler.strict_json import Json

PREFIX = "/api/1/"
HEADERS = {
    "User-Agent": f"reconciler/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED_ENCODING,
    "Cache-Control": "no-cache",
}
_IDLE_SECONDS = 2.0
"""An idle connection is dropped sooner than servers drop theirs, so that a write after a pause meets a new one."""


class Response(Struct, frozen=True, kw_only=True):
    """A success. `body` is whole and decoded."""

    call: Call
    status: int
    body: bytes


class Exchange(Struct, frozen=True, kw_only=True):
    """One attempt, as the `watch` callback gets it. `status` is None where no answer came; `seconds` it took.

    `attempt` counts those of one call, from 1.
    """

    method: str
    path: str
    status: int | None
    seconds: float
    attempt: int = 1


class Wait(Struct, frozen=True, kw_only=True):
    """A pause before a call is repeated: so many `seconds`, `until` a time in UTC.

    `status` is that of the answer that asked for it, None where no answer came. `asked` are the seconds that the
    server asked for, where it did.
    """

    status: int | None
    seconds: float
    until: datetime
    asked: float | None = None


class Look(Protocol):
    """What a write rests on: its flag was read, and no request goes out when that is too long ago.

    It is told of every attempt too, for a caller who gives the write up and so gets no answer that counts them.
    """

    @property
    def is_old(self) -> bool:
        """Whether the flag was read too long ago."""

    async def renew(self) -> None:
        """Read it again. Raises an ApiError where the write must not be sent any more."""

    def attempt_started(self) -> None:
        """A request is handed to the network."""

    def attempt_ended(self) -> None:
        """It was answered or failed. Not called for one that was abandoned: how it ended is unknown."""


_Outcome: TypeAlias = tuple[int, bytes] | Failure
"""What one attempt ends in: the status and body of a success, or a failure."""


class Transport:
    """The connection to one origin for one run. Use it as an async context manager."""

    def __init__(
        self,
        *,
        origin: Origin,
        key: ApiKey,
        read_only: bool,
        requests: Requests | None = None,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        http: httpx.AsyncBaseTransport | None = None,
        watch: Callable[[Exchange], None] | None = None,
        on_wait: Callable[[Wait], None] | None = None,
        spent: int = 0,
    ) -> None:
        limits = requests or Requests()
        self._origin = origin
        self._key = key
        self._read_only = read_only
        self._policy = policy or RetryPolicy()
        self._clock = clock or Clock()
        self._watch = watch
        self._on_wait = on_wait
        self._errors = ErrorFactory(origin, key)
        self._extensions = {
            "timeout": httpx.Timeout(self._policy.attempt_seconds, connect=self._policy.connect_seconds).as_dict()
        }
        self._rate = RateLimiter(rate_limiter(limits.per_second), self._clock)
        self._budget = RequestBudget(self._policy, limits.daily_budget, self._clock, earlier=spent)
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._http = http or _pool(origin, limits.concurrency)
        self.concurrency = limits.concurrency
        self.server_date: datetime | None = None
        self._refused: int | None = None
        self._was_accepted = False

    @property
    def requests(self) -> int:
        """How many requests were sent so far, every attempt counted."""
        return self._budget.requests

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def send(
        self,
        method: str,
        segments: Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        repeat: Repeat | None = None,
        look: Look | None = None,
    ) -> Response:
        """Send one call and return its success.

        `segments` are those of the path below /api/1, unescaped; `body` is sent as JSON unless it is None.
        `repeat` is by default ALWAYS for GET and IF_WITHOUT_EFFECT for all else. However long the call waits, for its
        turn or to be repeated, it is sent only while `look` is not old. Raises NotSentError, AmbiguousError,
        RejectedError, AccessError, BudgetError or ResponseTooLargeError; and what `look` raises. After a 401, or a
        403 to a write, no write is sent any more.
        """
        call = Call(method, PREFIX + "/".join(segments))
        if self._read_only and not call.is_read:
            raise NotSentError(f"{call} was not sent: this command only reads.")
        url = self._address(call, segments, query)
        content = None if body is None else _encoded(call, body)
        repetition = repeat or (Repeat.ALWAYS if call.is_read else Repeat.IF_WITHOUT_EFFECT)
        return await self._repeated(call, repetition, lambda count: self._attempt(call, url, content, look, count))

    async def _repeated(self, call: Call, repeat: Repeat, attempt: Callable[[int], Awaitable[_Outcome]]) -> Response:
        attempts = 0
        while True:
            outcome = await attempt(attempts + 1)
            attempts += 1
            if not isinstance(outcome, Failure):
                status, body = outcome
                return Response(call=call, status=status, body=body)
            if not (may_repeat(outcome, repeat) and self._may_repeat(attempts)):
                raise self._final_error(call, outcome, attempts, repeat)
            await self._wait(outcome, attempts)

    def _may_repeat(self, attempts: int) -> bool:
        return attempts < self._policy.attempts and self._budget.has_retries

    def _final_error(self, call: Call, failure: Failure, attempts: int, repeat: Repeat) -> ApiError:
        error = failure.error
        exhausted = not self._budget.has_retries and attempts < self._policy.attempts
        if exhausted and may_repeat(failure, repeat):
            return BudgetError(
                f"{call} was given up: the {self._policy.retries} repetitions that a run may make are used up. The"
                f" last failure: {error}",
                status=error.status,
            )
        return error

    async def _wait(self, failure: Failure, attempts: int) -> None:
        seconds = seconds_to_wait(failure, attempts, self._policy)
        self._budget.retries += 1
        if failure.is_throttled:
            self._rate.pause(seconds)
        if self._on_wait is not None:
            until = self._clock.date() + timedelta(seconds=seconds)
            self._on_wait(Wait(status=failure.error.status, seconds=seconds, until=until, asked=failure.retry_after))
        await self._clock.sleep(seconds)

    def _address(self, call: Call, segments: Sequence[str], query: Mapping[str, str] | None) -> httpx.URL:
        for segment in segments:
            if not is_path_segment(segment):
                raise NotSentError(f"{call.method} was not sent: {segment!r} cannot stand in the path of a request.")
        url = httpx.URL(f"{self._origin.url}{call.path}", params=dict(query or {}))
        if not _is_at(self._origin, url, call.path):
            raise NotSentError(f"{call} was not sent: its address is not one of {self._origin}.")
        return url

    async def _attempt(
        self, call: Call, url: httpx.URL, content: bytes | None, look: Look | None, count: int
    ) -> _Outcome:
        while True:
            if look is not None and look.is_old:
                await look.renew()
            async with self._slots:
                await self._rate.acquire()
                if look is None or not look.is_old:
                    return await self._sent(call, url, content, look, count)

    async def _sent(
        self, call: Call, url: httpx.URL, content: bytes | None, look: Look | None, count: int
    ) -> _Outcome:
        if self._refused is not None and not call.is_read:
            what = "the key" if self._refused == UNAUTHORIZED else "another change"
            raise WithheldError(
                f"{call} was not sent: {what} was refused ({self._refused}) before.", status=self._refused
            )
        seconds = self._budget.reserve(call)
        started = self._clock.now()
        status: int | None = None
        try:
            if look is not None:
                look.attempt_started()
            outcome = await self._ended(call, url, content, seconds)
            if look is not None:
                look.attempt_ended()
            status = outcome.error.status if isinstance(outcome, Failure) else outcome[0]
            if status == UNAUTHORIZED or (status == FORBIDDEN and not call.is_read):
                self._refused = status
        finally:
            self._tell(call, status, self._clock.now() - started, count)
        return outcome

    async def _ended(self, call: Call, url: httpx.URL, content: bytes | None, seconds: float) -> _Outcome:
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(call, url, content)
        except (httpx.RequestError, OSError) as error:
            return Failure(self._errors.of_exception(call, error))

    async def _exchange(self, call: Call, url: httpx.URL, content: bytes | None) -> _Outcome:
        headers = HEADERS | {"Authorization": f"Bearer {self._key.reveal()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = httpx.Request(call.method, url, headers=headers, content=content, extensions=self._extensions)
        response = await self._http.handle_async_request(request)
        try:
            self.server_date = http_date(response.headers.get("date", "")) or self.server_date
            if is_success(response.status_code):
                self._was_accepted = True
                return response.status_code, await read_body(response)
            return await self._refusal(call, response, content)
        except OversizedBodyError:
            return Failure(_oversized(call))
        finally:
            await response.aclose()

    async def _refusal(self, call: Call, response: httpx.Response, content: bytes | None) -> Failure:
        excerpt = await read_excerpt(response)
        error = self._errors.of_status(
            call,
            response.status_code,
            body=excerpt,
            location=response.headers.get("location", ""),
            sent=None if content is None else json.loads(content),
            was_accepted=self._was_accepted,
        )
        return Failure(error, retry_after(response.headers, now=self._clock.date()))

    def _tell(self, call: Call, status: int | None, seconds: float, attempt: int) -> None:
        if self._watch is not None:
            found = Exchange(method=call.method, path=call.path, status=status, seconds=seconds, attempt=attempt)
            self._watch(found)


def _is_at(origin: Origin, url: httpx.URL, path: str) -> bool:
    """The last check before the key is sent: the built URL has the intended origin and path."""
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return (
        (url.scheme, url.host, port) == (origin.scheme, origin.host.strip("[]"), origin.port)
        and not url.userinfo
        and not url.fragment
        and url.raw_path.partition(b"?")[0] == path.encode("ascii")
    )


def _encoded(call: Call, body: Json) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError):
        raise NotSentError(f"{call} was not sent: its body cannot be written as JSON.") from None


def _oversized(call: Call) -> ApiError:
    if call.is_read:
        return ResponseTooLargeError(f"{call} answered more than {LARGEST_BODY >> 20} MiB; the rest was not read.")
    return AmbiguousError(f"{call} answered more than {LARGEST_BODY >> 20} MiB.", call.doubt)


def _pool(origin: Origin, connections: int) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_IDLE_SECONDS
    )
    return httpx.AsyncHTTPTransport(verify=_trust(origin), limits=limits, trust_env=False, retries=0)


def _trust(origin: Origin) -> ssl.SSLContext:
    """The certificate authorities: certifi's; the environment has no influence.

    `ssl.create_default_context` would write the keys of every connection to the file that SSLKEYLOGFILE names.
    Without TLS, on loopback, none: loading them costs 20 ms of start-up.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if origin.scheme == "https":
        import certifi  # noqa: PLC0415 - it brings importlib.resources and tempfile along

        context.load_verify_locations(cafile=certifi.where())
    return context
