"""The one issue about drift: opened when there is some, updated while it changes, closed when it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from reconciler.ci.marker import BOT, is_ours, marked, same_text
from reconciler.ci.shorten import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ci.access import Repository

IssueOutcome = Literal["opened", "updated", "unchanged", "closed", "none open"]


def put_issue(
    repository: Repository,
    title: str,
    text: str,
    *,
    name: str = "drift",
    labels: Sequence[str] = (),
    author: str = BOT,
) -> IssueOutcome:
    """Have one open issue of that name which says the text.

    Title and labels are set when it is opened; from then on they are the readers'. Raises GithubError.
    """
    body = shorten(marked(text, name))
    found = _open_issue(repository, name, author)
    if found is None:
        repository.ask("POST", "/issues", {"title": title, "body": body, "labels": [*labels]})
        return "opened"
    if same_text(found["body"], body):
        return "unchanged"
    repository.ask("PATCH", f"/issues/{found['number']}", {"body": body})
    return "updated"


def close_issue(repository: Repository, *, name: str = "drift", author: str = BOT) -> IssueOutcome:
    """Close the open issue of that name, if there is one. Raises GithubError."""
    found = _open_issue(repository, name, author)
    if found is None:
        return "none open"
    repository.ask("PATCH", f"/issues/{found['number']}", {"state": "closed", "state_reason": "completed"})
    return "closed"


def _open_issue(repository: Repository, name: str, author: str) -> dict[str, Any] | None:
    """GitHub lists pull requests among the issues; they are none."""
    issues = repository.each("/issues", state="open")
    ours = (issue for issue in issues if "pull_request" not in issue and is_ours(issue, name, author))
    return next(ours, None)
