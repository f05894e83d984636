"""Requests to the REST API of GitHub or GitLab: one origin, no redirects, answers read as JSON."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from reconciler.api.http import httpx
from reconciler.errors import ReconcilerError, UsageError
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SECONDS = 30
_PAGE = 100
_MOST_PAGES = 100
_REPEATABLE = frozenset({"GET", "PATCH", "PUT"})
_PAUSES = (0.5, 2.0)


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
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str | int | list[str]] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """The answer to one request below the address.

        Reads and edits are repeated twice when the server or the network fails; a creation never is, since it may
        have been made. Raises ForgeError.
        """
        for pause in _PAUSES if method in _REPEATABLE else ():
            try:
                return self._send(method, path, body, query)
            except _TransientError:
                time.sleep(pause)
        return self._send(method, path, body, query)

    def items(self, path: str, /, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, over all its pages. Raises ForgeError."""
        for page in range(1, _MOST_PAGES + 1):
            items = self.request("GET", path, query={**query, "per_page": _PAGE, "page": page})
            if not isinstance(items, list):
                raise ForgeError(f"Invalid response from {self._service} to GET {path}: expected a list.")
            for item in items:
                yield self.mapping(item, f"GET {path}")
            if len(items) < _PAGE:
                return

    def mapping(self, answer: object, what: str) -> dict[str, Any]:
        """An answer, or a part of one, that has to be an object. Raises ForgeError."""
        if not isinstance(answer, dict):
            raise ForgeError(f"Invalid response from {self._service} to {what}: expected an object.")
        return answer

    def listed(self, answer: object, name: str, what: str) -> list[dict[str, Any]]:
        """The list of objects that an answer has to have: one that is not there says nothing, not that it is empty.

        Raises ForgeError.
        """
        found = self.mapping(answer, what).get(name)
        if not isinstance(found, list):
            raise ForgeError(f"Invalid response from {self._service} to {what}: it has no list {name!r}.")
        return [self.mapping(item, what) for item in found]

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, str | int | list[str]] | None,
    ) -> Any:  # noqa: ANN401 - JSON
        try:
            response = self._client.request(method, path, json=body, params=query)
        except httpx.RequestError as error:
            raise _TransientError(f"{self._service} did not answer {method} {path}: {error}.") from error
        if not response.is_success:
            raise self._refused(method, path, response.status_code)
        try:
            return parse_json(response.content)
        except MalformedJsonError as error:
            raise ForgeError(f"Invalid response from {self._service} to {method} {path}: not JSON.") from error

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
