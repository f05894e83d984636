"""Reading an answer's body without trusting its size: the cap holds for what is kept, compressed or not.

httpx's own decoding inflates a whole chunk before its size is known, and takes a gzip stream that breaks off
for a complete one; so bodies are read raw and inflated here.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from reconciler.api.http import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ACCEPTED_ENCODING = "gzip"
LARGEST_BODY = 10 * 1024 * 1024
_EXCERPT = 16 * 1024
_MOST_RAW = 2
"""The most bytes of a compressed body, in caps: empty gzip members could follow one another without end."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class OversizedBodyError(Exception):
    """The body is larger than the cap; the rest was not read."""


async def read_body(response: httpx.Response, limit: int = LARGEST_BODY) -> bytes:
    """The whole decoded body of an open response.

    Raises OversizedBodyError beyond `limit` bytes, and httpx.DecodingError where the encoding is unknown, broken
    or breaks off.
    """
    kept = bytearray()
    async for chunk in _inflated(response, limit):
        kept += chunk
        if len(kept) > limit:
            raise OversizedBodyError
    return bytes(kept)


async def read_excerpt(response: httpx.Response) -> str:
    """The beginning of an error's body, for a person to read. Never raises."""
    kept = bytearray()
    try:
        async for chunk in _inflated(response, _EXCERPT):
            kept += chunk
            if len(kept) > _EXCERPT:
                break
    except (httpx.RequestError, OversizedBodyError):
        pass
    return bytes(kept[:_EXCERPT]).decode("utf-8", errors="replace")


async def _inflated(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise httpx.DecodingError("the answer is encoded in a way that was not asked for")
    inflater, raw = _Inflater(limit), 0
    try:
        async for chunk in response.aiter_raw():
            raw += len(chunk)
            if raw > _MOST_RAW * limit:
                raise OversizedBodyError
            for piece in inflater.take(chunk):
                yield piece
    except zlib.error:
        raise httpx.DecodingError("the answer is no valid gzip stream") from None
    if not inflater.is_whole:
        raise httpx.DecodingError("the answer's gzip stream breaks off")


class _Inflater:
    """Inflates a gzip stream of one or several members (RFC 1952, 2.2), in pieces of at most `limit` + 1 bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self.is_whole = True
        """Whether what was taken so far ends where a member does."""

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """What the chunk adds. Raises zlib.error where it goes on as no gzip stream does."""
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield self._member.decompress(chunk, self._limit + 1)
            self.is_whole = self._member.eof
            chunk = self._member.unused_data
