"""Requests to GitHub's REST API for one repository: one origin, no redirects, answers read as JSON."""

from __future__ import annotations

import re
import ssl
import time
from typing import TYPE_CHECKING, Any

from reconciler.api.http import httpx
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+\Z")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SECONDS = 30
_PAGE = 100
_MOST_PAGES = 100
_REPEATABLE = frozenset({"GET", "PATCH"})
_PAUSES = (0.5, 2.0)


class GithubError(ReconcilerError):
    """GitHub did not do what was asked. The message says which request and what to do."""


class _TransientError(GithubError):
    """A failure that may be gone in a moment."""


class Repository:
    """A repository (`owner/name`) on a server, and the token to talk to it with."""

    def __init__(self, api: str, name: str, token: str) -> None:
        # GitHub of a company may have a certificate that only the system's own store trusts.
        self._client = httpx.Client(
            base_url=f"{api}/repos/{name}",
            verify=ssl.create_default_context(),
            timeout=_SECONDS,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "User-Agent": "amplitude-flag-reconciler",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Repository:
        """The repository that a workflow runs in. Raises UsageError."""
        api = environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        try:
            origin = httpx.URL(api)
        except httpx.InvalidURL as error:
            raise UsageError(f"GITHUB_API_URL is {api!r}: {error}.") from error
        if origin.scheme != "https" and origin.host not in _LOOPBACK:
            raise UsageError(f"GITHUB_API_URL is {api!r}: only https is used.")
        name = environ.get("GITHUB_REPOSITORY", "")
        if not _REPOSITORY.match(name):
            raise UsageError(f"GITHUB_REPOSITORY is {name!r}, not owner/name.")
        token = environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise UsageError("There is no GITHUB_TOKEN: give the step `env: GITHUB_TOKEN: ${{ github.token }}`.")
        return cls(api, name, token)

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str | int] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """The answer to one request below `/repos/owner/name`.

        Reads and edits are repeated twice when the server or the network fails; a creation never is, since it may
        have been made. Raises GithubError.
        """
        for pause in _PAUSES if method in _REPEATABLE else ():
            try:
                return self._send(method, path, body, query)
            except _TransientError:
                time.sleep(pause)
        return self._send(method, path, body, query)

    def items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, over all its pages. Raises GithubError."""
        for page in range(1, _MOST_PAGES + 1):
            items = self.request("GET", path, query={**query, "per_page": _PAGE, "page": page})
            if not isinstance(items, list):
                raise GithubError(f"Invalid response from GitHub to GET {path}: expected a list.")
            yield from items
            if len(items) < _PAGE:
                return

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, query: Mapping[str, str | int] | None
    ) -> Any:  # noqa: ANN401 - JSON
        try:
            response = self._client.request(method, path, json=body, params=query)
        except httpx.RequestError as error:
            raise _TransientError(f"GitHub did not answer {method} {path}: {error}.") from error
        if not response.is_success:
            raise _refused(method, path, response.status_code)
        try:
            return response.json()
        except ValueError as error:
            raise GithubError(f"Invalid response from GitHub to {method} {path}: not JSON.") from error


def _refused(method: str, path: str, status: int) -> GithubError:
    message = f"GitHub answered {method} {path} with {status}."
    if status >= 500:  # noqa: PLR2004 - HTTP's own
        return _TransientError(message)
    if status in {401, 403, 404}:
        message += " Does the job have the permission (`permissions:` of the workflow)?"
    return GithubError(message)
