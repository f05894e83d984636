"""A local stand-in of GitLab's REST API: notes, labels and members of one project, and what a push merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forge_server import ForgeState, page, served

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

TOKEN = "glpat-of-the-project"
PROJECT = "31"
BOT = "project_31_bot_0123"
LIMIT = 1_000_000
_LEVELS = {"read": 20, "write": 30, "admin": 50}


@dataclass(slots=True)
class GitlabState(ForgeState):
    """What the stand-in knows, what it was asked, and how it is to misbehave."""

    notes: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    pushes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    """Commits that touch no path that is asked for."""
    requests_of: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What a runner puts into the environment of a job, and the token."""
        return {"GITLAB_CI": "true", "CI_API_V4_URL": self.url, "CI_PROJECT_ID": PROJECT, "GITLAB_TOKEN": TOKEN}

    def bodies(self, number: int) -> list[str]:
        """What the notes of a merge request say."""
        return [note["body"] for note in self.notes.get(number, [])]

    def push(self, before: str, head: str, *shas: str) -> None:
        """A push of commits."""
        self.pushes[before, head] = [*shas]

    def add_pull(self, number: int, *commits: str, merged_by: str | None = "grace") -> None:
        """A merge request with the commits by which it came in; merged, unless by None."""
        user = {"username": merged_by} if merged_by else None
        for sha in commits:
            state = "merged" if merged_by else "opened"
            self.requests_of.setdefault(sha, []).append({"iid": number, "state": state, "merge_user": user})

    def add_comment(self, number: int, body: str, login: str = BOT) -> dict[str, Any]:
        """Write a note on a merge request."""
        note = {"id": sum(map(len, self.notes.values())) + 1, "body": body, "author": {"username": login}}
        self.notes.setdefault(number, []).append(note)
        return note

    def deploy(self, environment: str, sha: str, *states: str) -> None:
        """A deployment to an environment, with its state, which stays "success" when a later one succeeds."""
        status = "success" if "success" in states else states[0]
        self.deployments.insert(0, {"sha": sha, "environment": environment, "status": status})

    def add_label(self, number: int, label: str, login: str) -> None:
        """Let a user set a label on a merge request, and take it off first where it is set."""
        event = {"action": "add", "label": {"name": label}, "user": {"username": login}}
        events = self.events.setdefault(number, [])
        is_set = any(item["label"] == event["label"] for item in events)
        events += [*([event | {"action": "remove"}] if is_set else []), event]

    def is_token(self, headers: Any) -> bool:
        """Whether a request has the token of the project."""
        return bool(headers["PRIVATE-TOKEN"] == TOKEN)

    def handle(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of one request."""
        if len(body.get("body", "")) > LIMIT:
            return 400, {"message": "is too long"}
        match (method, path.strip("/").split("/")):
            case "GET", ["user"]:
                return 200, {"username": BOT}
            case "GET", ["projects", project, "merge_requests", number, "notes"] if project == PROJECT:
                return 200, page(_sorted(self.notes.get(int(number), []), query, by="created_at"), query)
            case "POST", ["projects", project, "merge_requests", number, "notes"] if project == PROJECT:
                return 201, self.add_comment(int(number), body["body"])
            case "PUT", ["projects", project, "merge_requests", number, "notes", note] if project == PROJECT:
                found = next(item for item in self.notes[int(number)] if item["id"] == int(note))
                found.update(body)
                return 200, found
            case "GET", ["projects", project, *rest] if project == PROJECT:
                return self._read(rest, query)
        return 404, {"message": "404 Not Found"}

    def _read(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        match path:
            case ["repository", "compare"] if (query["from"], query["to"]) in self.pushes:
                return 200, {"commits": [{"id": sha} for sha in self.pushes[query["from"], query["to"]]]}
            case ["repository", "commits"]:
                before, _, head = query["ref_name"].partition("..")
                found = [sha for sha in self.pushes[before, head] if sha not in self.elsewhere]
                return 200, page([{"id": sha} for sha in found], query)
            case ["repository", "merge_base"] if tuple(query["refs[]"].split(",")) in self.pushes:
                return 200, {"id": query["refs[]"].partition(",")[0]}
            case ["repository", "commits", sha, "merge_requests"]:
                return 200, page(self.requests_of.get(sha, []), query)
            case ["deployments"]:
                found = [item for item in reversed(self.deployments) if item["environment"] == query["environment"]]
                return 200, page(_sorted(found, query, by="id"), query)
            case ["repository", "commits", sha]:
                return 200, {"parent_ids": [self.parents[sha], "f" * 40] if sha in self.parents else []}
            case ["merge_requests", number]:
                names = dict.fromkeys(event["label"]["name"] for event in self.events.get(int(number), []))
                state = "merged" if int(number) in self.closed else "opened"
                return 200, {"iid": int(number), "labels": [*names], "state": state}
            case ["merge_requests", number, "resource_label_events"]:
                of_deleted = {"action": "remove", "label": None, "user": None}
                return 200, page([of_deleted, *self.events.get(int(number), [])], query)
            case ["members", "all"]:
                members = [
                    {"username": login, "access_level": _LEVELS[level]} for login, level in self.permissions.items()
                ]
                return 200, page([item for item in members if query["query"] in str(item["username"])], query)
        return 404, {"message": "404 Not Found"}


def _sorted(oldest_first: list[dict[str, Any]], query: dict[str, str], *, by: str) -> list[dict[str, Any]]:
    """As GitLab sorts notes, of which by default the newest come first, and deployments, of which the oldest do."""
    default = "desc" if by == "created_at" else "asc"
    is_up = query.get("sort", default) == "asc"
    assert (query.get("order_by", by), query.get("sort", default)) in {(by, "asc"), (by, "desc")}
    return oldest_first if is_up else oldest_first[::-1]


def a_gitlab() -> AbstractContextManager[GitlabState]:
    """The stand-in, served on a free port of this machine."""
    return served(GitlabState())
