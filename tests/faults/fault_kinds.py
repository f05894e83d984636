"""Everything that may happen to one request, by name: a fault of `wire`, and what may be said of it afterwards."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import httpx
from faults.wire import Body, Fault, Passage, answered, arriving

if TYPE_CHECKING:
    from collections.abc import Callable

HTML = b"<!DOCTYPE html><title>502 Bad Gateway</title><h1>Bad Gateway</h1>"
FOREVER = 10_000


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A fault. `lasts`: for so many requests from the first on.

    `leaves_doubt`: an answer that lies, or a request that is still on its way, so that a report may say "unknown".
    """

    name: str
    fault: Fault
    lasts: int = 1
    leaves_doubt: bool = False
    repeats: bool = False
    """Whether the request may be done twice, or late, without the client's doing."""
    blurs: bool = False
    """Whether reads say what is not so."""
    lies: bool = False
    """Whether a success is answered for what was not done."""


def _raises(make: Callable[[], Exception], *, commits: bool = False) -> Fault:
    async def fault(passage: Passage) -> httpx.Response:
        if commits:
            passage.deliver()
        raise make()

    return fault


def _answers(status: int, body: bytes = b"", *, commits: bool = False, **headers: str) -> Fault:
    async def fault(passage: Passage) -> httpx.Response:
        if commits:
            passage.deliver()
        return arriving(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return fault


async def _answers_in_html(passage: Passage) -> httpx.Response:
    passage.deliver()
    return arriving(200, HTML, {"content-type": "text/html"})


async def _hangs(_: Passage) -> httpx.Response:
    await asyncio.sleep(3600)
    raise AssertionError("no test waits an hour")


async def _hangs_after_commit(passage: Passage) -> httpx.Response:
    passage.deliver()
    return await _hangs(passage)


async def _breaks_off(passage: Passage) -> httpx.Response:
    answer = passage.deliver()
    error = httpx.RemoteProtocolError("peer closed connection without sending complete message body")
    return httpx.Response(answer.status, stream=Body([answer.body[: len(answer.body) // 2]], error=error))


async def _drips(passage: Passage) -> httpx.Response:
    answer = passage.deliver()
    return httpx.Response(answer.status, stream=Body([bytes([byte]) for byte in answer.body], pause=20))


async def _explodes(passage: Passage) -> httpx.Response:
    passage.deliver()
    return arriving(200, _bomb(), {"content-encoding": "gzip", "content-type": "application/json"})


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 100_000_000, compresslevel=9)


async def _comes_twice(passage: Passage) -> httpx.Response:
    answer = passage.deliver()
    passage.deliver()
    return answered(answer)


def _comes_late(is_due: Callable[[Passage, Passage], bool]) -> Fault:
    """The connection goes away, and the request is done all the same, later."""

    async def fault(passage: Passage) -> httpx.Response:
        passage.wire.late.append((lambda other: is_due(passage, other), passage))
        raise httpx.ReadError("connection reset by peer")

    return fault


def _is_repetition(lost: Passage, other: Passage) -> bool:
    return other.is_write and other.call == lost.call


class Stale:
    """For some reads, what the same reads showed before: a cache, or a replica that is behind."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], bytes] = {}

    async def remember(self, passage: Passage) -> httpx.Response:
        answer = passage.deliver()
        if not passage.is_write and answer.status == 200:
            self._shown[passage.raw.path, passage.raw.query] = answer.body
        return answered(answer)

    async def replay(self, passage: Passage) -> httpx.Response:
        shown = self._shown.get((passage.raw.path, passage.raw.query))
        if passage.is_write or shown is None:
            return await self.remember(passage)
        return arriving(200, shown, {"content-type": "application/json"})


KINDS: tuple[Kind, ...] = (
    Kind(name="refused", fault=_raises(lambda: httpx.ConnectError("All connection attempts failed"))),
    Kind(name="dns", fault=_raises(lambda: httpx.ConnectError("[Errno -2] Name or service not known"))),
    Kind(name="tls", fault=_raises(lambda: httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"))),
    Kind(name="connect-timeout", fault=_raises(lambda: httpx.ConnectTimeout(""))),
    Kind(name="500", fault=_answers(500, b"oops")),
    Kind(name="502-html", fault=_answers(502, HTML, content_type="text/html")),
    Kind(name="503-retry-after", fault=_answers(503, b"", retry_after="2")),
    Kind(name="500-after-commit", fault=_answers(500, b"oops", commits=True)),
    Kind(name="reset", fault=_raises(lambda: httpx.ReadError("connection reset by peer"))),
    Kind(name="write-error", fault=_raises(lambda: httpx.WriteError("broken pipe"))),
    Kind(name="stale-connection", fault=_raises(lambda: httpx.RemoteProtocolError("Server disconnected"))),
    Kind(
        name="reset-after-commit",
        fault=_raises(lambda: httpx.ReadError("connection reset by peer"), commits=True),
    ),
    Kind(name="timeout", fault=_hangs),
    Kind(name="timeout-after-commit", fault=_hangs_after_commit),
    Kind(name="truncated", fault=_breaks_off),
    Kind(name="200-garbage", fault=_answers(200, HTML, content_type="text/html"), leaves_doubt=True, lies=True),
    Kind(name="200-garbage-after-commit", fault=_answers_in_html),
    Kind(name="200-no-op", fault=_answers(200, b"{}", content_type="application/json"), leaves_doubt=True, lies=True),
    Kind(name="429", fault=_answers(429, b"slow down")),
    Kind(name="429-seconds", fault=_answers(429, b"slow down", retry_after="7")),
    Kind(
        name="429-date",
        fault=_answers(429, b"", retry_after="Wed, 02 Jan 2030 12:00:30 GMT", date="Wed, 02 Jan 2030 12:00:00 GMT"),
    ),
    Kind(name="429-forever", fault=_answers(429, b"slow down", retry_after="1"), lasts=FOREVER),
    Kind(name="401", fault=_answers(401, b"bad key")),
    Kind(name="403", fault=_answers(403, b"no access")),
    Kind(name="404", fault=_answers(404, b"not found")),
    Kind(name="400", fault=_answers(400, b"invalid")),
    Kind(name="duplicate-delivery", fault=_comes_twice, leaves_doubt=True, repeats=True),
    Kind(name="late-before-retry", fault=_comes_late(lambda _, other: not other.is_write), repeats=True),
    Kind(name="late-after-retry", fault=_comes_late(_is_repetition), leaves_doubt=True, repeats=True),
    Kind(name="late-after-the-run", fault=_comes_late(lambda *_: False), leaves_doubt=True, repeats=True),
    Kind(name="drip", fault=_drips),
    Kind(name="bomb", fault=_explodes),
    Kind(name="redirect", fault=_answers(302, b"", location="https://evil.example.com/api/1/flags")),
    Kind(name="outage", fault=_answers(503, b""), lasts=FOREVER, leaves_doubt=True),
)

STALE_READS = (1, 3, 5)
"""For how many reads in a row an old view is shown; a kind of its own, because it has a memory."""
