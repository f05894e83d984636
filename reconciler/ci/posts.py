"""The one comment on a pull request and the one issue about drift: found again by a marker, and kept up to date.

The marker is an HTML comment in the first line. Anyone can write one, so the author is compared too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from reconciler.ci.github import Issue, login_of
from reconciler.ci.http import ForgeError
from reconciler.reports.fitting import first_that_fit
from reconciler.reports.sanitize import marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ci.forge import Comment, Forge
    from reconciler.ci.github import Github

_LEAST_TEXT = 4_096
"""A hidden line that leaves less room for the text is left out."""

_OUTCOME_ENDS = "<!-- the plan that was reviewed -->"
_FENCE = re.compile(r"`{3,}|~{3,}")
_is_hidden_line = re.compile(r"<!-- [a-z-]+:[A-Za-z0-9+/=]+ -->").fullmatch

CommentOutcome = Literal["created", "updated", "unchanged", "left out"]
IssueOutcome = Literal["opened", "updated", "unchanged", "closed", "none open"]


def put_comment(forge: Forge, number: int, text: str, *, name: str, update_only: bool, hidden: str) -> CommentOutcome:
    """Make the comment of that name on the pull request say the text, shortened to what the forge takes.

    `hidden` is a line that follows the text where it fits in whole. With `update_only` a comment that is not there
    yet is not made. Raises ForgeError.
    """
    body, room = _marked(text, name), forge.limit - len(hidden) - 1
    keeps_hidden = hidden and fits_hidden(hidden, forge.limit)
    body = f"{shorten(body, room)}\n{hidden}" if keeps_hidden else shorten(body, forge.limit)
    found = find_comment(forge, number, name)
    if found is None:
        if update_only:
            return "left out"
        forge.create_comment(number, body)
        return "created"
    if _same_text(found.body, body):
        return "unchanged"
    forge.update_comment(number, found.id, body)
    return "updated"


def fits_hidden(line: str, limit: int) -> bool:
    """Whether a hidden line leaves room enough for the text."""
    return limit - len(line) - 1 > _LEAST_TEXT


def add_outcome(forge: Forge, number: int, text: str, *, name: str, update_only: bool) -> CommentOutcome:
    """Put what came of a plan above the plan in its comment, in place of an earlier outcome. Raises ForgeError.

    The hidden line of the comment stays, also where the text is shortened. `update_only` as in `put_comment`.
    """
    found = find_comment(forge, number, name)
    plan = "" if found is None else _without_outcome("\n".join(found.body.splitlines()), name)
    hidden = hidden_line(plan)
    plan = plan.rstrip().removesuffix(hidden)
    separated = f"{text.rstrip()}\n\n{_OUTCOME_ENDS}\n\n{plan.rstrip()}\n" if plan else text
    return put_comment(forge, number, separated, name=name, update_only=update_only, hidden=hidden)


def hidden_line(body: str) -> str:
    """The last line of a comment where readers do not see it; "" where they do. Lines above may be of flag files."""
    last = body.rstrip().rpartition("\n")[2]
    return last if _is_hidden_line(last) else ""


def find_comment(forge: Forge, number: int, name: str) -> Comment | None:
    """The workflow's own comment of that name on the pull request.

    Raises ForgeError, also where the answer does not tell whether a comment is that one.
    """
    for item in forge.comments(number):
        if _is_ours(item.body, item.author, name, forge.author()):
            return item
        if item.author == forge.author() and not item.body:
            raise ForgeError(f"Comment {item.id} of {forge.request_noun} {number} has no text. Delete it.")
        if not item.author and _is_marked(item.body, name):
            raise ForgeError(f"Comment {item.id} of {forge.request_noun} {number} has no author. Delete it.")
    return None


def _without_outcome(body: str, name: str) -> str:
    text = body.removeprefix(marker(name)).lstrip("\n")
    return text.partition(f"{_OUTCOME_ENDS}\n")[2].lstrip("\n") if _OUTCOME_ENDS in text else text


def put_issue(github: Github, title: str, text: str, *, name: str, labels: Sequence[str]) -> IssueOutcome:
    """Have one open issue of that name which says the text.

    Title and labels are set when it is opened; from then on they are the readers'. Raises ForgeError.
    """
    body = shorten(_marked(text, name), github.limit)
    found = _open_issue(github, name)
    if found is None:
        github.request("POST", "/issues", Issue, {"title": title, "body": body, "labels": [*labels]})
        return "opened"
    if _same_text(found.body or "", body):
        return "unchanged"
    github.request("PATCH", f"/issues/{found.number}", Issue, {"body": body})
    return "updated"


def close_issue(github: Github, *, name: str) -> IssueOutcome:
    """Close the open issue of that name, if there is one. Raises ForgeError."""
    found = _open_issue(github, name)
    if found is None:
        return "none open"
    github.request("PATCH", f"/issues/{found.number}", Issue, {"state": "closed", "state_reason": "completed"})
    return "closed"


def _open_issue(github: Github, name: str) -> Issue | None:
    own = github.author()
    issues = github.open_issues()
    return next((item for item in issues if _is_ours(item.body or "", login_of(item.user), name, own)), None)


def _marked(text: str, name: str) -> str:
    """The text with the marker of that name as its first line, once."""
    sign = marker(name)
    return text if text.partition("\n")[0] == sign else f"{sign}\n{text}"


def _is_ours(body: str, author: str, name: str, own: str) -> bool:
    """Whether a comment or an issue carries the marker and was written by the workflow."""
    return author == own and _is_marked(body, name)


def _is_marked(body: str, name: str) -> bool:
    return body.splitlines()[:1] == [marker(name)]


def _same_text(one: str, other: str) -> bool:
    """Whether two bodies are the same but for their line ends; a server may keep them as CRLF."""
    return "\n".join(one.splitlines()).strip() == "\n".join(other.splitlines()).strip()


def shorten(text: str, limit: int) -> str:
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
            fence = found[0]
        else:
            folds += (line in {"<details>", "<details open>"}) - (line == "</details>")
    return fence, folds
