"""A repository on GitHub, as the steps of a workflow see it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.ci.forge import Comment, Deployment, PullRequest
from reconciler.ci.http import ForgeError, RestClient, secure_address
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

BOT = "github-actions[bot]"
"""Who writes with the token of a workflow."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+\Z")
_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/")
_MAY_PUSH = frozenset({"admin", "write"})
_MOST_COMMITS = 250
"""Commits whose pull requests are asked for; each takes a request."""

_PAGE, _MOST_PAGES = 100, 100


class Github(RestClient):
    """A repository (`owner/name`) on a server, and the token for it. Paths are below `/repos/owner/name`."""

    limit, request_noun, sign = 65_536, "pull request", "#"

    def __init__(self, api: str, name: str, token: str, author: str = BOT) -> None:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        super().__init__("GitHub", f"{api}/repos/{name}", headers)
        self._author = author

    @classmethod
    def of(cls, environ: Mapping[str, str], author: str | None = None) -> Github:
        """The repository that a workflow runs in. Raises UsageError."""
        api = secure_address(environ.get("GITHUB_API_URL", "https://api.github.com"), "GITHUB_API_URL")
        name = environ.get("GITHUB_REPOSITORY", "")
        if not _REPOSITORY.match(name):
            raise UsageError(f"GITHUB_REPOSITORY is {name!r}, not owner/name.")
        token = environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise UsageError("There is no GITHUB_TOKEN: give the step `env: GITHUB_TOKEN: ${{ github.token }}`.")
        return cls(api, name, token, author or BOT)

    def author(self) -> str:
        """The login that the workflow's own comments have."""
        return self._author

    def comments(self, number: int) -> Iterator[Comment]:
        """The comments of a pull request, the oldest first."""
        for item in self.items(f"/issues/{number}/comments"):
            login = (item.get("user") or {}).get("login") or ""
            yield Comment(id=item["id"], body=item.get("body") or "", author=login)

    def is_open(self, number: int) -> bool:
        """Whether a pull request is neither merged nor closed."""
        return bool(self.request("GET", f"/pulls/{number}").get("state") == "open")

    def create_comment(self, number: int, body: str) -> None:
        """Write a comment."""
        self.request("POST", f"/issues/{number}/comments", {"body": body})

    def update_comment(self, number: int, comment: int, body: str) -> None:  # noqa: ARG002 - ids are unique here
        """Have a comment say something else."""
        self.request("PATCH", f"/issues/comments/{comment}", {"body": body})

    def merged(self, before: str, head: str, paths: Sequence[str] = ()) -> tuple[PullRequest, ...]:
        """The pull requests with which the commits came in; see Forge. Raises ForgeError for too many commits."""
        commits = self._commits(before, head)
        if paths:
            touching = {sha for path in paths for sha in self._touching(path, head, commits)}
            commits = [sha for sha in commits if sha in touching]
        if len(commits) > _MOST_COMMITS:
            raise ForgeError(f"More than {_MOST_COMMITS} commits since {before[:12]} change flags: apply by hand.")
        found = {
            pull["number"]: pull["merged_at"]
            for sha in commits
            for pull in self.items(f"/commits/{quote(sha, safe='')}/pulls")
            if pull.get("merged_at")
        }
        return tuple(self._merged(number) for number in sorted(found, key=lambda number: str(found[number])))

    def _commits(self, before: str, head: str) -> list[str]:
        """The ids of the commits after `before`, up to `head`."""
        found: list[str] = []
        for page in range(1, _MOST_PAGES + 1):
            compared = self._compared(before, head, per_page=_PAGE, page=page)
            commits = self.listed(compared, "commits", f"a comparison with {before[:12]}")
            found += [commit["sha"] for commit in commits]
            if len(commits) < _PAGE:
                return found
        raise ForgeError(f"There are {_MOST_PAGES * _PAGE:,} commits or more since {before[:12]}: apply by hand.")

    def _touching(self, path: str, head: str, commits: Collection[str]) -> Iterator[str]:
        """Those of the commits that touch a path. GitHub lists all up to `head`, the newest first."""
        wanted, others = {*commits}, 0
        for item in self.items("/commits", sha=head, path=path):
            if item["sha"] in wanted:
                yield item["sha"]
                others = 0
            elif (others := others + 1) >= _PAGE:
                return

    def _merged(self, number: int) -> PullRequest:
        """With who merged it, which lists of pull requests do not show."""
        answer = self.request("GET", f"/pulls/{number}")
        return PullRequest(number=number, merged_by=(answer.get("merged_by") or {}).get("login"))

    def deployed(self, environment: str) -> Iterator[Deployment]:
        """What was deployed to an environment, the newest first. Each job there makes a deployment."""
        for item in self.items("/deployments", environment=environment):
            states = [status["state"] for status in self.items(f"/deployments/{item['id']}/statuses")]
            # A later deployment makes one that succeeded inactive.
            yield Deployment(commit=item["sha"], succeeded="success" in states)

    def is_ancestor(self, commit: str, head: str) -> bool:
        """Whether a commit is `head` or came before it; see Forge."""
        try:
            answer = self._compared(commit, head)
        except ForgeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return answer.get("status") in {"ahead", "identical"}

    def _compared(self, before: str, head: str, **query: int) -> dict[str, Any]:
        path = f"/compare/{quote(before, safe='')}...{quote(head, safe='')}"
        return self.mapping(self.request("GET", path, query=query or None), f"GET {path}")

    def first_parent(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit of all."""
        parents = self.request("GET", f"/commits/{quote(commit, safe='')}")["parents"]
        return str(parents[0]["sha"]) if parents else None

    def label_setters(self, number: int) -> Mapping[str, str]:
        """The labels of a pull request, each with the login of who set it last."""
        setters = {
            event["label"]["name"]: event["actor"]["login"]
            for event in self.items(f"/issues/{number}/events")
            if event.get("event") == "labeled" and event.get("actor")
        }
        names = [item["name"] for item in self.items(f"/issues/{number}/labels")]
        return {name: setters[name] for name in names if name in setters}

    def may_push(self, login: str) -> bool:
        """Whether a user may push to the repository. An app is no user, and a user may be gone: they may not."""
        try:
            answer = self.request("GET", f"/collaborators/{quote(login, safe='')}/permission")
        except ForgeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return answer.get("permission") in _MAY_PUSH

    def pull_request_of(self, environ: Mapping[str, str]) -> int:
        """The pull request that a job runs for. Raises UsageError."""
        found = _PULL_REQUEST.match(environ.get("GITHUB_REF", ""))
        if found is None:
            raise UsageError("GITHUB_REF names no pull request: give its --number.")
        return int(found[1])

    def run_link(self, environ: Mapping[str, str]) -> str:
        """A last line that links to the run, as Markdown; "" outside of a job."""
        server, name, run = (environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
        if not (server and name and run.isdecimal()):
            return ""
        return f"\n<sub>From [run {run}]({server}/{name}/actions/runs/{run}).</sub>\n"
