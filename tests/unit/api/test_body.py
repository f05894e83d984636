"""What is taken in of an answer: honest compression, and never more than the cap."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING

import httpx
import pytest
from clients import send

from reconciler.api.body import LARGEST_BODY, OversizedBodyError, read_body
from reconciler.errors import (
    AmbiguousError,
    RejectedError,
    ResponseTooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MIB = 1024 * 1024


def encoded(content: bytes, encoding: str, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """A server that answers these bytes, saying that they are so encoded."""
    raw = httpx.ByteStream(content)
    return lambda _: httpx.Response(200, headers={"Content-Encoding": encoding, **headers}, stream=raw)


class Counting:
    """A server that counts what it is asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.requests = 0
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return self._answer(request)


def test_gzip_is_understood() -> None:
    """An honest compressed answer is inflated, with either of gzip's names or zlib's format."""
    assert send(encoded(gzip.compress(b"[1]"), "gzip"), "GET", ["flags"]).body == b"[1]"
    assert send(encoded(gzip.compress(b"[1]"), " X-GZIP "), "GET", ["flags"]).body == b"[1]"
    assert send(encoded(zlib.compress(b"[1]"), "deflate"), "GET", ["flags"]).body == b"[1]"
    assert send(encoded(b"[1]", "identity"), "GET", ["flags"]).body == b"[1]"
    assert send(encoded(b"", "gzip"), "GET", ["flags"]).body == b""


def parts(*pieces: bytes) -> bytes:
    """The pieces as a gzip stream with a member for each."""
    return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)


@pytest.mark.parametrize(
    "content",
    [
        parts(b"[1,", b"2]"),
        parts(b"", b"[1,2]"),
        parts(b"[1,2]", b""),
        parts(b"[", b"1", b",", b"", b"2", b"]"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_every_member_of_a_gzip_stream_counts(content: bytes, size: int) -> None:
    """Members follow one another, wherever the network cuts them (RFC 1952, 2.2): none is lost."""
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Chunks(chunks))
    assert send(lambda _: response, "GET", ["flags"]).body == b"[1,2]"


class Chunks(httpx.AsyncByteStream):
    """A body that arrives in these pieces."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks, self.read = chunks, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.read += 1
            yield chunk


def test_of_an_error_that_never_ends_the_beginning_is_read() -> None:
    """16 KiB, and the piece in which they end."""
    pieces = Chunks([b"x"] * 20_000)
    with pytest.raises(RejectedError):
        send(lambda _: httpx.Response(400, stream=pieces), "GET", ["flags"])
    assert pieces.read == 16 * 1024 + 1


def test_members_that_hold_nothing_do_not_go_on_for_ever() -> None:
    """What comes in is counted too, not only what it inflates to."""
    nothing = gzip.compress(b"", mtime=0)
    assert len(nothing) == 20
    for members, is_read in ((100, 100), (101, 101), (1000, 101)):
        pieces = Chunks([nothing] * members)
        response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=pieces)
        with nullcontext() if members == 100 else pytest.raises(OversizedBodyError):
            assert asyncio.run(read_body(response, 1000)) == b""
        assert pieces.read == is_read


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (parts(b"[1]", b" ")[:-1], "gzip"),
        (parts(b"[1]", b" ")[:-22], "gzip"),
        (parts(b"[1]") + b"garbage", "gzip"),
        (parts(b"[1]") + bytes(8), "gzip"),
        (parts(b"[1]") + b"[2]", "gzip"),
        (zlib.compress(b"[1]") + b"x", "deflate"),
        (gzip.compress(b"[1]" * 1000, mtime=0)[:-12], "gzip"),
        (gzip.compress(b"[1]", mtime=0)[:5], "gzip"),
        (b"[1]", "gzip"),
        (gzip.compress(b"[1]", mtime=0)[:-4] + b"\0\0\0\0", "gzip"),
        (b"[1]", "br"),
        (gzip.compress(b"[1]", mtime=0), "br"),
        (b"[1]", "gzip, gzip"),
        (b"[1]", "zstd"),
    ],
)
def test_a_broken_or_unknown_encoding_is_ambiguous(content: bytes, encoding: str) -> None:
    """A stream that breaks off or was not asked for is not taken for a shorter answer."""
    for method, attempts in (("GET", 4), ("PATCH", 1)):
        server = Counting(encoded(content, encoding))
        with pytest.raises(AmbiguousError):
            send(server, method, ["flags"])
        assert server.requests == attempts


def test_a_bomb_is_not_inflated() -> None:
    """Hundreds of megabytes in a little gzip end at the cap, in little memory, and is not asked for again."""
    bomb = _bomb()
    tracemalloc.start()
    server = Counting(encoded(bomb, "gzip"))
    with pytest.raises(ResponseTooLargeError, match="10 MiB"):
        send(server, "GET", ["flags"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert server.requests == 1
    assert peak < 60 * MIB


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(256)), packer.flush()])


def test_a_body_of_the_largest_size_is_taken_and_no_larger() -> None:
    """10 MiB are read, one byte more is not; of a write it is unknown then what it did."""
    for content in (b" " * LARGEST_BODY, gzip.compress(b" " * LARGEST_BODY, 1)):
        encoding = "identity" if content[:1] == b" " else "gzip"
        assert len(send(encoded(content, encoding), "GET", ["flags"]).body) == LARGEST_BODY
    larger = encoded(b" " * (LARGEST_BODY + 1), "identity")
    assert LARGEST_BODY == 10 * MIB
    with pytest.raises(ResponseTooLargeError) as read:
        send(larger, "GET", ["flags"])
    assert str(read.value) == "GET /api/1/flags answered more than 10 MiB; the rest was not read."
    with pytest.raises(AmbiguousError) as written:
        send(larger, "POST", ["flags"])
    assert str(written.value) == ("POST /api/1/flags answered more than 10 MiB. It may or may not have taken effect.")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_a_refusal_is_one_with_any_body(encoding: str) -> None:
    """An error status counts even when its body is endless, broken or unknown."""
    for content in (b"x" * 20 * MIB, _bomb(), b"\xff\x00"):
        stream = httpx.ByteStream(content)
        response = httpx.Response(400, headers={"Content-Encoding": encoding}, stream=stream)
        with pytest.raises(RejectedError) as caught:
            send(lambda _, response=response: response, "PATCH", ["flags", "1"])
        assert len(str(caught.value)) < 500
