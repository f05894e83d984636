"""What only real connections show: bodies that drip, connections that die, servers that are not there."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from clients import UNHURRIED, a_key
from msgspec.structs import replace

from reconciler.api import transport as transport_module
from reconciler.api.credentials import Origin
from reconciler.api.limits import Clock, RetryPolicy
from reconciler.api.transport import Transport
from reconciler.errors import AmbiguousError, ApiError, NotSentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ONCE = RetryPolicy(attempts=1, attempt_seconds=0.4)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"

Conversation = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"


class Server:
    """A TCP server whose every connection is one conversation; it counts connections and keeps what it was sent."""

    def __init__(self, talk: Callable[..., Awaitable[None]]) -> None:
        self._talk = talk
        self.connections = 0
        self.received: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The head of the next request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.received.append(head)
        return head


@asynccontextmanager
async def talking(talk: Callable[..., Awaitable[None]], **options: Any) -> AsyncIterator[tuple[Server, Transport]]:
    """A server on a free port of this machine, and a transport to it."""
    server = Server(talk)
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    settings = {"read_only": False, "requests": UNHURRIED, "policy": ONCE, **options}
    try:
        async with Transport(origin=_origin(port), key=a_key(), **settings) as transport:
            yield server, transport
    finally:
        listener.close()


def _origin(port: int) -> Origin:
    return Origin(scheme="http", host="127.0.0.1", port=port, is_loopback=True)


async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request of a connection."""
    while True:
        await server.request(reader)
        writer.write(OK)
        await writer.drain()


async def drip(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one byte at a time, each well within a read timeout."""
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_headers(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends headers for ever."""
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        writer.write(b"X-%d: y\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.05)


async def silence(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing."""
    await server.request(reader)
    await asyncio.sleep(60)


async def reset(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and resets the connection."""
    await server.request(reader)
    writer.transport.abort()


async def hang_up(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes the request and closes."""
    await server.request(reader)


async def truncate(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes in the middle of the body."""
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
    await writer.drain()


async def truncate_chunks(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes before the last chunk."""
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n")
    await writer.drain()


async def babble(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers something that is no HTTP."""
    await server.request(reader)
    writer.write(b"220 smtp.example.com ESMTP\r\n")
    await writer.drain()


@pytest.mark.parametrize("talk", [drip, drip_headers, silence])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_deadline_holds_over_the_whole_call(method: str, talk: Callable[..., Awaitable[None]]) -> None:
    """Neither silence nor a body or headers that drip keep a call beyond its deadline."""

    async def session() -> float:
        async with talking(talk) as (_, transport):
            started = time.monotonic()
            with pytest.raises(AmbiguousError):
                await transport.send(method, ["flags"])
            return time.monotonic() - started

    assert 0.3 < asyncio.run(session()) < 20


@pytest.mark.parametrize("talk", [reset, hang_up, truncate, truncate_chunks, babble])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_breaks_leaves_a_write_ambiguous(method: str, talk: Callable[..., Awaitable[None]]) -> None:
    """With any failure after the request was taken: a write is not sent twice, a read is."""

    async def session() -> int:
        policy = RetryPolicy(attempts=3, attempt_seconds=5)
        clock = Clock(sleep=lambda _: asyncio.sleep(0))
        async with talking(talk, policy=policy, clock=clock) as (server, transport):
            with pytest.raises(AmbiguousError):
                await transport.send(method, ["flags"])
            return len(server.received)

    assert asyncio.run(session()) == (3 if method == "GET" else 1)


def test_a_server_that_is_not_there_was_not_sent_to() -> None:
    """A refused connection is no ambiguity, for a write neither."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        origin = _origin(taken.getsockname()[1])

        async def session() -> None:
            async with Transport(origin=origin, key=a_key(), read_only=False, policy=ONCE) as transport:
                await transport.send("POST", ["flags"])

        with pytest.raises(NotSentError, match="could not be sent"):
            asyncio.run(session())


def test_a_server_that_cannot_prove_itself_is_not_sent_to() -> None:
    """Without a TLS handshake that holds, neither the request nor the key leaves."""
    received: list[bytes] = []

    async def plain(_: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(5000))
        writer.write(OK)
        await writer.drain()

    async def session() -> None:
        async with talking(plain) as (_, transport):
            origin = replace(transport._origin, scheme="https")
            async with Transport(origin=origin, key=a_key(), read_only=False, policy=ONCE) as secure:
                await secure.send("POST", ["flags"])

    with pytest.raises(NotSentError):
        asyncio.run(session())
    assert b"flags" not in b"".join(received)


def test_connections_are_used_again_and_not_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls in a row share a connection; after a pause, when a server may have dropped it, a write gets a new one."""
    monkeypatch.setattr(transport_module, "_IDLE_SECONDS", 0.05)

    async def session() -> list[int]:
        counts = []
        async with talking(answer) as (server, transport):
            for pause in (0.0, 0.0, 0.2):
                await asyncio.sleep(pause)
                await transport.send("POST", ["flags"])
                counts.append(server.connections)
        return counts

    assert asyncio.run(session()) == [1, 1, 2]


def test_a_connection_that_the_server_closed_is_not_written_to() -> None:
    """A server that closes after each answer costs a connection each time, and no write."""

    async def one(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        writer.write(OK)
        await writer.drain()

    async def session() -> int:
        async with talking(one) as (server, transport):
            for _ in range(5):
                await transport.send("POST", ["flags"])
                await asyncio.sleep(0.01)
            return server.connections

    assert asyncio.run(session()) == 5


def test_the_pool_holds_no_more_connections_than_allowed() -> None:
    """A hundred calls at once share 16 connections, and none fails for want of one."""

    async def session() -> int:
        async with talking(answer, policy=RetryPolicy()) as (server, transport):
            await asyncio.gather(*(transport.send("GET", ["flags"]) for _ in range(100)))
            return server.connections

    assert asyncio.run(session()) <= 16


def test_what_is_sent_over_the_wire_is_what_was_meant() -> None:
    """One request line, one Host, one key: nothing that a library added says more."""

    async def session() -> bytes:
        async with talking(answer) as (server, transport):
            await transport.send(
                "DELETE", ["flags", "1", "variants", "on", "bulk-delete-users"], body={"users": ["a"]}
            )
            return server.received[0]

    head = asyncio.run(session()).decode().split("\r\n")
    assert head[0] == "DELETE /api/1/flags/1/variants/on/bulk-delete-users HTTP/1.1"
    names = sorted(line.partition(":")[0].lower() for line in head[1:] if line)
    assert names == [
        "accept", "accept-encoding", "authorization", "cache-control", "content-length", "content-type", "host",
        "user-agent",
    ]  # fmt: skip


def test_a_closed_transport_sends_nothing() -> None:
    """After its block a transport does not quietly open a new connection."""

    async def session() -> int:
        async with talking(answer) as (server, transport):
            pass
        with pytest.raises((ApiError, RuntimeError)):
            await transport.send("GET", ["flags"])
        return server.connections

    assert asyncio.run(session()) == 0
