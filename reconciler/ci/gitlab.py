"""A project on GitLab, as the jobs of a pipeline see it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote

from msgspec import Struct

from reconciler.ci.forge import Comment, CommitId, Deployment, PullRequest
from reconciler.ci.http import ForgeError, RestClient, secure_address, usable_token
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DEVELOPER = 30
"""The access level from which on a member may push."""

_State: TypeAlias = Literal["opened", "closed", "locked", "merged"]


class _User(Struct, frozen=True):
    username: str


class _Note(Struct, frozen=True):
    id: int
    body: str | None
    author: _User | None


class _MergeRequest(Struct, frozen=True):
    state: _State
    labels: list[str]


class _MergeRequestOfCommit(Struct, frozen=True):
    iid: int
    state: _State
    merge_user: _User | None = None
    merged_by: _User | None = None
    """What servers before 14.7 say instead."""


class _Commit(Struct, frozen=True):
    id: CommitId


class _Compared(Struct, frozen=True):
    commits: list[_Commit]


class _CommitWithParents(Struct, frozen=True):
    parent_ids: list[CommitId]


class _Deployment(Struct, frozen=True):
    sha: CommitId
    status: str


class _Label(Struct, frozen=True):
    name: str


class _LabelEvent(Struct, frozen=True):
    action: Literal["add", "remove"]
    label: _Label | None
    """None where the label was deleted."""
    user: _User | None = None


class _Member(Struct, frozen=True):
    username: str
    access_level: int


class Gitlab(RestClient):
    """A project, and the token to talk to it with. Paths are below `/projects/ID`."""

    limit, request_noun, sign = 1_000_000, "merge request", "!"

    def __init__(self, api: str, project: str, token: str, author: str | None = None) -> None:
        super().__init__("GitLab", f"{api}/projects/{quote(project, safe='')}", {"PRIVATE-TOKEN": token})
        self._author = author
        self._users = RestClient("GitLab", api, {"PRIVATE-TOKEN": token})

    @classmethod
    def of(cls, environ: Mapping[str, str], author: str | None = None) -> Gitlab:
        """The project that a pipeline runs in. Raises UsageError."""
        api = secure_address(environ.get("CI_API_V4_URL", ""), "CI_API_V4_URL")
        project = environ.get("CI_PROJECT_ID", "")
        if not project.isdecimal():
            raise UsageError(f"CI_PROJECT_ID is {project!r}, not a number: this runs in a pipeline.")
        needed = "store a project access token with the scope api as a variable"
        token = usable_token(environ, "GITLAB_TOKEN", needed)
        return cls(api, project, token, author)

    def author(self) -> str:
        """The login of the token's own user."""
        if self._author is None:
            self._author = self._users.request("GET", "/user", _User).username
        return self._author

    def comments(self, number: int) -> Iterator[Comment]:
        """The notes of a merge request, the oldest first."""
        for item in self.items(f"/merge_requests/{number}/notes", list[_Note], sort="asc", order_by="created_at"):
            yield Comment(id=item.id, body=item.body or "", author=_name_of(item.author))

    def is_open(self, number: int) -> bool:
        """Whether a merge request is neither merged nor closed."""
        return self.request("GET", f"/merge_requests/{number}", _MergeRequest).state == "opened"

    def create_comment(self, number: int, body: str) -> None:
        """Write a note."""
        self.request("POST", f"/merge_requests/{number}/notes", _Note, {"body": body})

    def update_comment(self, number: int, comment: int, body: str) -> None:
        """Have a note say something else."""
        self.request("PUT", f"/merge_requests/{number}/notes/{comment}", _Note, {"body": body})

    def merged(self, before: str, head: str, paths: Sequence[str] = ()) -> tuple[PullRequest, ...]:
        """The merge requests with which the commits came in; see Forge."""
        answer = self.request("GET", "/repository/compare", _Compared, query={"from": before, "to": head})
        found: dict[int, PullRequest] = {}
        commits = [commit.id for commit in answer.commits]
        if paths:
            since = {"ref_name": f"{before}..{head}"}
            touching = {
                item.id
                for path in paths
                for item in self.items("/repository/commits", list[_Commit], path=path, **since)
            }
            commits = [commit for commit in commits if commit in touching]
        for commit in commits:
            for item in self.items(f"/repository/commits/{commit}/merge_requests", list[_MergeRequestOfCommit]):
                if item.state == "merged":
                    name = _name_of(item.merge_user or item.merged_by) or None
                    found.setdefault(item.iid, PullRequest(number=item.iid, merged_by=name))
        return tuple(found.values())

    def deployed(self, environment: str) -> Iterator[Deployment]:
        """What was deployed to an environment, the newest first."""
        query = {"environment": environment, "order_by": "id", "sort": "desc"}
        for item in self.items("/deployments", list[_Deployment], **query):
            yield Deployment(commit=item.sha, succeeded=item.status == "success")

    def is_ancestor(self, commit: str, head: str) -> bool:
        """Whether a commit is `head` or came before it; see Forge."""
        try:
            query = {"refs[]": [commit, head]}
            return self.request("GET", "/repository/merge_base", _Commit, query=query).id == commit
        except ForgeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise

    def first_parent(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit of all."""
        path = f"/repository/commits/{quote(commit, safe='')}"
        parents = self.request("GET", path, _CommitWithParents).parent_ids
        return parents[0] if parents else None

    def label_setters(self, number: int) -> Mapping[str, str]:
        """The labels of a merge request, each with the login of who set it last."""
        setters = {
            event.label.name: _name_of(event.user) if event.action == "add" else ""
            for event in self.items(f"/merge_requests/{number}/resource_label_events", list[_LabelEvent])
            if event.label
        }
        names = self.request("GET", f"/merge_requests/{number}", _MergeRequest).labels
        return {name: setters[name] for name in names if setters.get(name)}

    def may_push(self, login: str) -> bool:
        """Whether a user is a member who may push."""
        members = self.items("/members/all", list[_Member], query=login)
        return any(item.username == login and item.access_level >= _DEVELOPER for item in members)

    def pull_request_of(self, environ: Mapping[str, str]) -> int:
        """The merge request that a job runs for. Raises UsageError."""
        number = environ.get("CI_MERGE_REQUEST_IID", "")
        if not number.isdecimal():
            raise UsageError("CI_MERGE_REQUEST_IID names no merge request: give its --number.")
        return int(number)

    def run_link(self, environ: Mapping[str, str]) -> str:
        """A last line that links to the job, as Markdown; "" outside of a job."""
        url, job = environ.get("CI_JOB_URL"), environ.get("CI_JOB_ID", "")
        return f"\n<sub>From [job {job}]({url}).</sub>\n" if url and job.isdecimal() else ""


def _name_of(user: _User | None) -> str:
    """The name of a user; "" of one who is gone."""
    return user.username if user else ""
