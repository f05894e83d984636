"""A repository on GitHub, as the steps of a workflow see it."""

from __future__ import annotations

import re
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType

from reconciler.ci.forge import Comment, CommitId, Deployment, PullRequest
from reconciler.ci.http import ForgeError, RestClient, secure_address, usable_token
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

T = TypeVar("T")
_Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


class User(Struct, frozen=True):
    """Who did something."""

    login: str


class Issue(Struct, frozen=True):
    """An issue. GitHub lists pull requests among the issues; only they say what they are."""

    number: int
    body: str | None
    user: User | None
    pull_request: dict[str, Any] | UnsetType = UNSET


class Compared(Struct, frozen=True):
    """How the second of two commits is to the first."""

    status: Literal["ahead", "behind", "diverged", "identical"]


class _Comment(Struct, frozen=True):
    id: int
    body: str | None
    user: User | None


class _Pull(Struct, frozen=True):
    state: Literal["open", "closed"]


class _Merged(Struct, frozen=True):
    merged_by: User | None


class _PullOfCommit(Struct, frozen=True):
    number: int
    merged_at: _Time | None


class _Commit(Struct, frozen=True):
    sha: CommitId


class _Commits(Struct, frozen=True):
    commits: list[_Commit]


class _CommitWithParents(Struct, frozen=True):
    parents: list[_Commit]


class _Deployment(Struct, frozen=True):
    id: int
    sha: CommitId


class _Status(Struct, frozen=True):
    state: str


class _Label(Struct, frozen=True):
    name: str


class _Event(Struct, frozen=True):
    event: str
    actor: User | None = None
    label: _Label | None = None

    def __post_init__(self) -> None:
        if self.event == "labeled" and self.label is None:
            raise ValueError("The event `labeled` has no `label`")


class _Permission(Struct, frozen=True):
    permission: str


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
        token = usable_token(environ, "GITHUB_TOKEN", "give the step `env: GITHUB_TOKEN: ${{ github.token }}`")
        return cls(api, name, token, author or BOT)

    def author(self) -> str:
        """The login that the workflow's own comments have."""
        return self._author

    def comments(self, number: int) -> Iterator[Comment]:
        """The comments of a pull request, the oldest first."""
        for item in self.items(f"/issues/{number}/comments", list[_Comment]):
            yield Comment(id=item.id, body=item.body or "", author=login_of(item.user))

    def is_open(self, number: int) -> bool:
        """Whether a pull request is neither merged nor closed."""
        return self.request("GET", f"/pulls/{number}", _Pull).state == "open"

    def create_comment(self, number: int, body: str) -> None:
        """Write a comment."""
        self.request("POST", f"/issues/{number}/comments", _Comment, {"body": body})

    def update_comment(self, number: int, comment: int, body: str) -> None:  # noqa: ARG002 - ids are unique here
        """Have a comment say something else."""
        self.request("PATCH", f"/issues/comments/{comment}", _Comment, {"body": body})

    def merged(self, before: str, head: str, paths: Sequence[str] = ()) -> tuple[PullRequest, ...]:
        """The pull requests with which the commits came in; see Forge. Raises ForgeError for too many commits."""
        commits = self._commits(before, head)
        if paths:
            touching = {sha for path in paths for sha in self._touching(path, head, commits)}
            commits = [sha for sha in commits if sha in touching]
        if len(commits) > _MOST_COMMITS:
            raise ForgeError(f"More than {_MOST_COMMITS} commits since {before[:12]} change flags: apply by hand.")
        found = {
            pull.number: pull.merged_at
            for sha in commits
            for pull in self.items(f"/commits/{sha}/pulls", list[_PullOfCommit])
            if pull.merged_at
        }
        return tuple(self._merged(number) for number in sorted(found, key=found.__getitem__))

    def _commits(self, before: str, head: str) -> list[str]:
        """The ids of the commits after `before`, up to `head`."""
        found: list[str] = []
        for page in range(1, _MOST_PAGES + 1):
            commits = self.compared(before, head, _Commits, per_page=_PAGE, page=page).commits
            found += [commit.sha for commit in commits]
            if len(commits) < _PAGE:
                return found
        raise ForgeError(f"There are {_MOST_PAGES * _PAGE:,} commits or more since {before[:12]}: apply by hand.")

    def _touching(self, path: str, head: str, commits: Collection[str]) -> Iterator[str]:
        """Those of the commits that touch a path. GitHub lists all up to `head`, the newest first."""
        wanted, others = {*commits}, 0
        for item in self.items("/commits", list[_Commit], sha=head, path=path):
            if item.sha in wanted:
                yield item.sha
                others = 0
            elif (others := others + 1) >= _PAGE:
                return

    def _merged(self, number: int) -> PullRequest:
        """With who merged it, which lists of pull requests do not show."""
        user = self.request("GET", f"/pulls/{number}", _Merged).merged_by
        return PullRequest(number=number, merged_by=user.login if user else None)

    def deployed(self, environment: str) -> Iterator[Deployment]:
        """What was deployed to an environment, the newest first. Each job there makes a deployment."""
        for item in self.items("/deployments", list[_Deployment], environment=environment):
            states = [status.state for status in self.items(f"/deployments/{item.id}/statuses", list[_Status])]
            # A later deployment makes one that succeeded inactive.
            yield Deployment(commit=item.sha, succeeded="success" in states)

    def is_ancestor(self, commit: str, head: str) -> bool:
        """Whether a commit is `head` or came before it; see Forge."""
        try:
            status = self.compared(commit, head, Compared).status
        except ForgeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return status in {"ahead", "identical"}

    def compared(self, before: str, head: str, shape: type[T], **query: int) -> T:
        """How `head` is to `before`: what the shape asks for of it. Raises ForgeError."""
        path = f"/compare/{quote(before, safe='')}...{quote(head, safe='')}"
        return self.request("GET", path, shape, query=query or None)

    def first_parent(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit of all."""
        parents = self.request("GET", f"/commits/{quote(commit, safe='')}", _CommitWithParents).parents
        return parents[0].sha if parents else None

    def label_setters(self, number: int) -> Mapping[str, str]:
        """The labels of a pull request, each with the login of who set it last."""
        setters = {
            event.label.name: login_of(event.actor) if event.event == "labeled" else ""
            for event in self.items(f"/issues/{number}/events", list[_Event])
            if event.label
        }
        names = [item.name for item in self.items(f"/issues/{number}/labels", list[_Label])]
        return {name: setters[name] for name in names if setters.get(name)}

    def may_push(self, login: str) -> bool:
        """Whether a user may push to the repository. An app is no user, and a user may be gone: they may not."""
        try:
            path = f"/collaborators/{quote(login, safe='')}/permission"
            return self.request("GET", path, _Permission).permission in _MAY_PUSH
        except ForgeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise

    def open_issues(self) -> Iterator[Issue]:
        """The open issues, the newest first. Raises ForgeError."""
        return (item for item in self.items("/issues", list[Issue], state="open") if item.pull_request is UNSET)

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


def login_of(user: User | None) -> str:
    """The login of a user; "" of one who is gone."""
    return user.login if user else ""
