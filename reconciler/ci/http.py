"""Requests to the REST API of GitHub or GitLab: one origin, no redirects, answers read as JSON."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from reconciler.api.http import httpx
from reconciler.errors import ReconcilerError, UsageError
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SECONDS = 30
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
        # A server of a company may have a certificate that only the system's own store trusts.
        self._client = httpx.Client(
            base_url=base_url,
            verify=ssl.create_default_context(),
            timeout=_SECONDS,
            headers={"User-Agent": "amplitude-flag-reconciler", **headers},
        )

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
            response = self._client.request(method, path, json=body, params=query)
        except httpx.RequestError as error:
            raise _TransientError(f"{self._service} did not answer {method} {path}: {error}.") from error
        if not response.is_success:
            raise self._refused(method, path, response.status_code)
        try:
            return msgspec.convert(parse_json(response.content), shape)
        except MalformedJsonError:
            wrong = "not JSON"
        except msgspec.ValidationError as error:
            wrong = _shortened(str(error))
        raise ForgeError(f"Invalid response from {self._service} to {method} {path}: {wrong}.")

    def _refused(self, method: str, path: str, status: int) -> ForgeError:
        message = f"{self._service} answered {method} {path} with {status}."
        if status >= 500:  # noqa: PLR2004 - HTTP's own
            return _TransientError(message)
        if status in {401, 403, 404}:
            message += " Does the job have the permission (`permissions:` of the workflow, or the token's scope)?"
        error = ForgeError(message)
        error.status = status
        return error


def secure_address(address: str, variable: str) -> str:
    """The address without a slash at its end. Raises UsageError where a token would go over plain http."""
    address = address.rstrip("/")
    try:
        origin = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise UsageError(f"{variable} is {address!r}: {error}.") from error
    if origin.scheme != "https" and origin.host not in _LOOPBACK:
        raise UsageError(f"{variable} is {address!r}: only https is used.")
    return address


def _shortened(message: str) -> str:
    """What is wrong and where, of which the first may quote a text of the answer, however long it is."""
    what, at, where = message.rpartition(" - at ")
    return f"{what[:_MOST_SHOWN]}{at}{where}"
