"""The one comment on a pull request: made once, updated from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from reconciler.ci.marker import BOT, is_ours, marked, same_text
from reconciler.ci.shorten import shorten

if TYPE_CHECKING:
    from reconciler.ci.access import Repository

CommentOutcome = Literal["created", "updated", "unchanged", "left out"]


def put_comment(
    repository: Repository,
    number: int,
    text: str,
    *,
    name: str = "plan",
    author: str = BOT,
    update_only: bool = False,
) -> CommentOutcome:
    """Make the comment of that name on the pull request say the text, shortened to what GitHub takes.

    With `update_only` a comment that is not there yet is not made. Raises GithubError.
    """
    body = shorten(marked(text, name))
    comments = repository.each(f"/issues/{number}/comments")
    found = next((comment for comment in comments if is_ours(comment, name, author)), None)
    if found is None:
        if update_only:
            return "left out"
        repository.ask("POST", f"/issues/{number}/comments", {"body": body})
        return "created"
    if same_text(found["body"], body):
        return "unchanged"
    repository.ask("PATCH", f"/issues/comments/{found['id']}", {"body": body})
    return "updated"
