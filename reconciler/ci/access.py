"""Requests to GitHub's REST API for one repository: one origin, no redirects, answers read as JSON."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+\Z")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SECONDS = 30
_PAGE = 100
_MOST_PAGES = 100
_REPEATABLE = frozenset({"GET", "PATCH"})
_PAUSES = (0.5, 2.0)


class GithubError(ReconcilerError):
    """GitHub did not do what was asked. The message says which request and what to do."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would carry the token elsewhere: it is an error instead."""

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """None: urllib then raises the answer as an HTTPError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository (`owner/name`) on a server, and the token to talk to it with."""

    api: str
    name: str
    token: str = field(repr=False)
    opener: OpenerDirector = field(default_factory=lambda: build_opener(_NoRedirects), repr=False, compare=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Repository:
        """The repository that a workflow runs in. Raises UsageError."""
        api = environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        origin = urlsplit(api)
        if origin.scheme != "https" and origin.hostname not in _LOOPBACK:
            raise UsageError(f"GITHUB_API_URL is {api!r}: only https is used.")
        name = environ.get("GITHUB_REPOSITORY", "")
        if not _REPOSITORY.match(name):
            raise UsageError(f"GITHUB_REPOSITORY is {name!r}, not owner/name.")
        token = environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise UsageError("There is no GITHUB_TOKEN: give the step `env: GITHUB_TOKEN: ${{ github.token }}`.")
        return cls(api=api, name=name, token=token)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None, *, query: str = "") -> Any:  # noqa: ANN401 - JSON
        """The answer to one request below `/repos/owner/name`.

        Reads and edits are repeated twice when the server or the network fails; a creation never is, since nobody
        could tell whether it was made. Raises GithubError.
        """
        pauses = _PAUSES if method in _REPEATABLE else ()
        for pause in pauses:
            try:
                return self._ask_once(method, path, body, query)
            except _PassingError:
                time.sleep(pause)
        return self._ask_once(method, path, body, query)

    def each(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, over all its pages. Raises GithubError."""
        for page in range(1, _MOST_PAGES + 1):
            items = self.ask("GET", path, query=urlencode({**query, "per_page": _PAGE, "page": page}))
            if not isinstance(items, list):
                raise GithubError(f"GitHub answered GET {path} with something that is no list.")
            yield from items
            if len(items) < _PAGE:
                return

    def _ask_once(self, method: str, path: str, body: Mapping[str, object] | None, query: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self.api}/repos/{self.name}{path}" + (f"?{query}" if query else "")
        request = Request(  # noqa: S310 - `of` lets nothing through but https, and loopback for tests
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "amplitude-flag-reconciler",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with self.opener.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise _refused(method, path, error) from None
        except (OSError, HTTPException) as error:
            raise _PassingError(f"GitHub did not answer {method} {path}: {error}.") from error
        except ValueError as error:
            raise GithubError(f"GitHub answered {method} {path} with something that is not JSON.") from error


class _PassingError(GithubError):
    """A failure that may be gone in a moment."""


def _refused(method: str, path: str, error: HTTPError) -> GithubError:
    words = f"GitHub answered {method} {path} with {error.code}."
    if error.code >= 500:  # noqa: PLR2004 - HTTP's own
        return _PassingError(words)
    if error.code in {401, 403, 404}:
        words += " Does the job have the permission (`permissions:` of the workflow)?"
    return GithubError(words)
