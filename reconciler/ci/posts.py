"""The one comment on a pull request and the one issue about drift: found again by a marker, and kept up to date.

The marker is an HTML comment in the first line. Anyone can write one, so the author is compared too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from reconciler.reports.fitting import first_that_fit
from reconciler.reports.sanitize import marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ci.client import Repository

BOT = "github-actions[bot]"
"""Who writes with the token of a workflow."""

LIMIT = 65_536
"""Characters in the body of a comment or an issue."""

_LEAST_TEXT = 4_096
"""A hidden line that leaves less room for the text is left out."""

_OUTCOME_ENDS = "<!-- the plan that was reviewed -->"
_FENCE = re.compile(r"(`{3,}|~{3,})")

CommentOutcome = Literal["created", "updated", "unchanged", "left out"]
IssueOutcome = Literal["opened", "updated", "unchanged", "closed", "none open"]


def put_comment(
    repository: Repository,
    number: int,
    text: str,
    *,
    name: str = "plan",
    author: str = BOT,
    update_only: bool = False,
    hidden: str = "",
) -> CommentOutcome:
    """Make the comment of that name on the pull request say the text, shortened to what GitHub takes.

    `hidden` is a line that follows the text where it fits in whole. With `update_only` a comment that is not there
    yet is not made. Raises GithubError.
    """
    body = _marked(text, name)
    room = LIMIT - len(hidden) - 1
    body = f"{shorten(body, room)}\n{hidden}" if hidden and room > _LEAST_TEXT else shorten(body)
    found = find_comment(repository, number, name=name, author=author)
    if found is None:
        if update_only:
            return "left out"
        repository.request("POST", f"/issues/{number}/comments", {"body": body})
        return "created"
    if _same_text(found["body"], body):
        return "unchanged"
    repository.request("PATCH", f"/issues/comments/{found['id']}", {"body": body})
    return "updated"


def add_outcome(
    repository: Repository, number: int, text: str, *, name: str = "plan", author: str = BOT
) -> CommentOutcome:
    """Put what came of a plan above the plan in its comment, in place of an earlier outcome. Raises GithubError."""
    found = find_comment(repository, number, name=name, author=author)
    plan = "" if found is None else _without_outcome("\n".join((found["body"] or "").splitlines()), name)
    separated = f"{text.rstrip()}\n\n{_OUTCOME_ENDS}\n\n{plan}" if plan else text
    return put_comment(repository, number, separated, name=name, author=author)


def find_comment(repository: Repository, number: int, *, name: str, author: str) -> dict[str, Any] | None:
    """The comment of that name and author on the pull request. Raises GithubError."""
    comments = repository.items(f"/issues/{number}/comments")
    return next((comment for comment in comments if _is_ours(comment, name, author)), None)


def _without_outcome(body: str, name: str) -> str:
    text = body.removeprefix(marker(name)).lstrip("\n")
    return text.partition(f"{_OUTCOME_ENDS}\n")[2].lstrip("\n") if _OUTCOME_ENDS in text else text


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
    body = shorten(_marked(text, name))
    found = _open_issue(repository, name, author)
    if found is None:
        repository.request("POST", "/issues", {"title": title, "body": body, "labels": [*labels]})
        return "opened"
    if _same_text(found["body"], body):
        return "unchanged"
    repository.request("PATCH", f"/issues/{found['number']}", {"body": body})
    return "updated"


def close_issue(repository: Repository, *, name: str = "drift", author: str = BOT) -> IssueOutcome:
    """Close the open issue of that name, if there is one. Raises GithubError."""
    found = _open_issue(repository, name, author)
    if found is None:
        return "none open"
    repository.request("PATCH", f"/issues/{found['number']}", {"state": "closed", "state_reason": "completed"})
    return "closed"


def _open_issue(repository: Repository, name: str, author: str) -> dict[str, Any] | None:
    """GitHub lists pull requests among the issues; they are none."""
    issues = repository.items("/issues", state="open")
    ours = (issue for issue in issues if "pull_request" not in issue and _is_ours(issue, name, author))
    return next(ours, None)


def _marked(text: str, name: str) -> str:
    """The text with the marker of that name as its first line, once."""
    sign = marker(name)
    return text if text.split("\n", 1)[0] == sign else f"{sign}\n{text}"


def _is_ours(item: dict[str, Any], name: str, author: str) -> bool:
    """Whether a comment or an issue carries the marker and was written by that author."""
    body = item.get("body") or ""
    user = item.get("user") or {}
    return user.get("login") == author and body.splitlines()[:1] == [marker(name)]


def _same_text(one: str | None, other: str) -> bool:
    """Whether two bodies are the same but for their line ends; a server may keep them as CRLF."""
    return "\n".join((one or "").splitlines()).strip() == "\n".join(other.splitlines()).strip()


def shorten(text: str, limit: int = LIMIT) -> str:
    """The text, or as many of its first lines as fit, closed, with a sentence that says how much is missing.

    A plan's Markdown comes within the limit, with what matters first; this is for everything else.
    """
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    lines = lines[: first_that_fit(lines, limit)]
    while len(cut := _closed(lines, len(text))) > limit and lines:
        lines.pop()
    return cut


def _closed(lines: list[str], whole: int) -> str:
    """The lines, what closes the code block and the folds that are open after them, and the sentence."""
    fence, folds = _open_at_the_end(lines)
    missing = whole - sum(len(line) + 1 for line in lines)
    sentence = f"**Shortened: {missing:,} characters did not fit here.** The log of the run has them."
    return "\n".join([*lines, *([fence] if fence else []), *["\n</details>"] * folds, "", sentence, ""])


def _open_at_the_end(lines: list[str]) -> tuple[str, int]:
    """The fence of the code block that the last line is in ("" for none), and how many folds are open there."""
    fence, folds = "", 0
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            fence = "" if line.rstrip() == fence else fence
        elif found:
            fence = found[1]
        else:
            folds += (line == "<details>") - (line == "</details>")
    return fence, max(folds, 0)
