"""Requests to the REST API of GitHub or GitLab: one origin, no redirects, answers read as JSON."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from reconciler.api.body import ACCEPTED_ENCODING, OversizedBodyError, read_body
from reconciler.api.http import httpx, secure_url
from reconciler.errors import ReconcilerError, UsageError
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

_SECONDS = 30
"""For each part of an answer; the whole of it has to be there in _WHOLE_SECONDS."""

_WHOLE_SECONDS = 60
_MOST_BYTES = 32 * 1024 * 1024
_PAGE = 100
_MOST_PAGES = 100
_REPEATABLE = frozenset({"GET", "PATCH", "PUT"})
_PAUSES = (0.5, 2.0)
_MOST_SHOWN = 200


class ForgeError(ReconcilerError):
    """GitHub or GitLab did not do what was asked. The message says which request and what to do.

    `status` is that of the answer; None where there is none, or it is not what is wrong.
    """

    status: int | None = None


class _TransientError(ForgeError):
    """A failure that may be gone in a moment."""


class RestClient:
    """A client for everything below one address; `service` is its name in messages."""

    def __init__(self, service: str, base_url: str, headers: Mapping[str, str]) -> None:
        self._service = service
        self._base_url = base_url
        # A server of a company may have a certificate that only the system's own store trusts.
        self._certificates = ssl.create_default_context()
        own = {"User-Agent": "amplitude-flag-reconciler", "Accept-Encoding": ACCEPTED_ENCODING}
        self._headers = {**own, **headers}

    def request(
        self,
        method: str,
        path: str,
        shape: type[T],
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str | int | list[str]] | None = None,
    ) -> T:
        """The answer to one request below the address, in the shape that it has to have.

        It may have 32 MiB when it is inflated, and take a minute. Not for a thread in which an event loop runs.
        Reads and edits are repeated twice when the server or the network fails; a creation never is, since it may
        have been made. Raises ForgeError.
        """
        for pause in _PAUSES if method in _REPEATABLE else ():
            try:
                return self._send(method, path, shape, body, query)
            except _TransientError:
                time.sleep(pause)
        return self._send(method, path, shape, body, query)

    def items(self, path: str, shape: type[list[T]], /, **query: str) -> Iterator[T]:
        """Every item of a list, over all its pages. Raises ForgeError, also where there are too many pages."""
        for page in range(1, _MOST_PAGES + 1):
            items = self.request("GET", path, shape, query={**query, "per_page": _PAGE, "page": page})
            yield from items
            if len(items) < _PAGE:
                return
        raise ForgeError(f"{self._service} answered GET {path} with {_MOST_PAGES * _PAGE:,} items or more.")

    def _send(
        self,
        method: str,
        path: str,
        shape: type[T],
        body: Mapping[str, object] | None,
        query: Mapping[str, str | int | list[str]] | None,
    ) -> T:
        try:
            content = asyncio.run(self._answer(method, path, body, query))
        except httpx.RequestError as error:
            raise _TransientError(f"{self._service} did not answer {method} {path}: {error}.") from error
        except TimeoutError:
            raise ForgeError(
                f"{self._service} took more than {_WHOLE_SECONDS} s to answer {method} {path}."
            ) from None
        except OversizedBodyError:
            size = f"more than {_MOST_BYTES >> 20} MiB"
            raise ForgeError(f"{self._service} answered {method} {path} with {size}.") from None
        try:
            return msgspec.convert(parse_json(content), shape)
        except MalformedJsonError:
            wrong = "not JSON"
        except msgspec.ValidationError as error:
            wrong = _shortened(str(error))
        raise ForgeError(f"Invalid response from {self._service} to {method} {path}: {wrong}.")

    async def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, str | int | list[str]] | None,
    ) -> bytes:
        client = httpx.AsyncClient(
            base_url=self._base_url, verify=self._certificates, timeout=_SECONDS, headers=self._headers
        )
        async with (
            asyncio.timeout(_WHOLE_SECONDS),
            client,
            client.stream(method, path, json=body, params=query) as response,
        ):
            if not response.is_success:
                raise self._refused(method, path, response.status_code)
            return await read_body(response, _MOST_BYTES)

    def _refused(self, method: str, path: str, status: int) -> ForgeError:
        message = f"{self._service} answered {method} {path} with {status}."
        if status >= 500:  # noqa: PLR2004 - HTTP's own
            return _TransientError(message)
        if status in {401, 403, 404}:
            message += " Does the job have the permission (`permissions:` of the workflow, or the token's scope)?"
        error = ForgeError(message)
        error.status = status
        return error


def usable_token(environ: Mapping[str, str], variable: str, otherwise: str) -> str:
    """The token that a variable holds. Raises UsageError, which never shows it, where no header can hold it."""
    token = environ.get(variable, "").strip()
    if not token:
        raise UsageError(f"There is no {variable}: {otherwise}.")
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{variable} is no token: it has line breaks or other characters that no token has.")
    return token


def secure_address(address: str, variable: str) -> str:
    """The address without a slash at its end. Raises UsageError where no token may be sent to it."""
    address = address.rstrip("/")
    if secure_url(address) is None:
        raise UsageError(f"{variable} is {address!r}: it must be an address that begins with https://.")
    return address


def _shortened(message: str) -> str:
    """What is wrong and where, of which the first may quote a text of the answer, however long it is."""
    what, at, where = message.rpartition(" - at ")
    return f"{what[:_MOST_SHOWN]}{at}{where}"
