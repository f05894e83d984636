"""A local stand-in of GitHub's REST API: comments, issues, pull requests and comparisons of one repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from forge_server import ForgeState, page, served

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

TOKEN = "ghs_token-of-the-workflow"
REPOSITORY = "example/flags"
BOT = "github-actions[bot]"
LIMIT = 65_536


@dataclass(slots=True)
class GithubState(ForgeState):
    """What the stand-in knows, what it was asked, and how it is to misbehave."""

    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    """Commits that touch no path that is asked for."""

    @property
    def environ(self) -> dict[str, str]:
        """What a runner puts into the environment of a step, and the token."""
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_TOKEN": TOKEN}

    def bodies(self, number: int) -> list[str]:
        """What the comments of a pull request say."""
        return [comment["body"].replace("\r\n", "\n") for comment in self.comments.get(number, [])]

    def push(self, before: str, head: str, *shas: str) -> None:
        """A push of commits."""
        commits = [{"sha": sha} for sha in shas]
        self.comparisons[f"{before}...{head}"] = {"status": "ahead", "commits": commits}

    def add_comment(self, number: int, body: str, login: str = BOT) -> dict[str, Any]:
        """Put a comment on a pull request."""
        comment = {"id": sum(map(len, self.comments.values())) + 1, "body": body, "user": {"login": login}}
        self.comments.setdefault(number, []).append(comment)
        return comment

    def add_issue(self, title: str, body: str, login: str = BOT, **fields: Any) -> dict[str, Any]:
        """Open an issue."""
        issue = {
            "number": len(self.issues) + 1, "title": title, "body": body, "state": "open", "labels": [],
            "user": {"login": login}, **fields,
        }  # fmt: skip
        self.issues.append(issue)
        return issue

    def add_pull(self, number: int, *commits: str, merged_by: str | None = "grace") -> None:
        """A pull request with the commits by which it came in; merged, unless by None."""
        merged = {"merged_at": "2026-01-31T12:00:00Z", "merged_by": {"login": merged_by}} if merged_by else {}
        self.pulls[number] = {"number": number, "merged_at": None, "merged_by": None, **merged, "_commits": commits}

    def deploy(self, environment: str, sha: str, *states: str) -> None:
        """A deployment to an environment, with its states, the newest first."""
        item = {"id": len(self.deployments) + 1, "sha": sha, "environment": environment, "states": states}
        self.deployments.insert(0, item)

    def add_label(self, number: int, label: str, login: str) -> None:
        """Let a user set a label on a pull request, and take it off first where it is set."""
        event = {"event": "labeled", "label": {"name": label}, "actor": {"login": login}}
        events = self.events.setdefault(number, [])
        is_set = any(item["label"] == event["label"] for item in events)
        events += [*([event | {"event": "unlabeled"}] if is_set else []), event]

    def is_token(self, headers: Any) -> bool:
        """Whether a request has the token of the workflow."""
        return bool(headers["Authorization"] == f"Bearer {TOKEN}")

    def handle(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of one request."""
        prefix = f"/repos/{REPOSITORY}"
        if not path.startswith(prefix):
            return 404, {"message": "Not Found"}
        return self.answer(method, path.removeprefix(prefix), query, body)

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """The status and the JSON of one request below the repository."""
        if len(body.get("body", "")) > LIMIT:
            return 422, {"message": "Validation Failed"}
        match (method, [unquote(part) for part in path.strip("/").split("/")]):
            case "GET", ["issues"]:
                found = [issue for issue in self.issues if issue["state"] == query.get("state", "open")]
                return 200, page(found, query)
            case "POST", ["issues"]:
                return 201, self.add_issue(body["title"], body["body"], labels=body.get("labels", []))
            case "PATCH", ["issues", "comments", number]:
                every = (comment for comments in self.comments.values() for comment in comments)
                return 200, _edited(next(item for item in every if item["id"] == int(number)), body)
            case "PATCH", ["issues", number]:
                return 200, _edited(self.issues[int(number) - 1], body)
            case "GET", ["issues", number, "comments"]:
                return 200, page(self.comments.get(int(number), []), query)
            case "POST", ["issues", number, "comments"]:
                return 201, self.add_comment(int(number), body["body"])
            case "GET", ["compare", basehead] if basehead in self.comparisons:
                compared = self.comparisons[basehead]
                return 200, compared | {"commits": page(compared.get("commits", []), query)} if query else compared
            case "GET", ["commits"]:
                every = (item["sha"] for one in self.comparisons.values() for item in one.get("commits", ()))
                touching = dict.fromkeys(sha for sha in every if sha not in self.elsewhere)
                return 200, page([{"sha": sha} for sha in reversed(touching)], query)
        return self._about_pulls(method, path, query)

    def _about_pulls(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        match (method, [unquote(part) for part in path.strip("/").split("/")]):
            case "GET", ["commits", sha, "pulls"]:
                found = [pull for pull in self.pulls.values() if sha in pull["_commits"]]
                return 200, page([{**pull, "merged_by": None} for pull in found], query)
            case "GET", ["commits", sha]:
                parents = [self.parents[sha], "f" * 40] if sha in self.parents else []
                return 200, {"parents": [{"sha": parent} for parent in parents]}
            case "GET", ["deployments"]:
                return 200, page(
                    [item for item in self.deployments if item["environment"] == query["environment"]], query
                )
            case "GET", ["deployments", number, "statuses"]:
                (found,) = (item for item in self.deployments if item["id"] == int(number))
                return 200, page([{"state": state} for state in found["states"]], query)
            case "GET", ["pulls", number]:
                state = "closed" if int(number) in self.closed else "open"
                return 200, {**self.pulls.get(int(number), {}), "state": state}
            case "GET", ["issues", number, "labels"]:
                names = {event["label"]["name"]: None for event in self.events.get(int(number), [])}
                return 200, page([{"name": name} for name in names], query)
            case "GET", ["issues", number, "events"]:
                return 200, page([{"event": "closed"}, *self.events.get(int(number), [])], query)
            case "GET", ["collaborators", login, "permission"] if not login.endswith("[bot]"):
                return 200, {"permission": self.permissions.get(login, "read")}
        return 404, {"message": "Not Found"}


def _edited(item: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    item.update(body)
    if "body" in item:
        item["body"] = item["body"].replace("\n", "\r\n")
    return item


def a_github() -> AbstractContextManager[GithubState]:
    """The stand-in, served on a free port of this machine."""
    return served(GithubState())
