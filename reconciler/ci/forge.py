"""What is asked of GitHub and of GitLab alike: comments of a pull request, what a push merged, and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CommitId: TypeAlias = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")]
"""The whole id of a commit, of SHA-1 or SHA-256."""


class Comment(Struct, frozen=True, kw_only=True):
    """A comment: its id, what it says, and the login of who wrote it."""

    id: int
    body: str
    author: str


class PullRequest(Struct, frozen=True, kw_only=True):
    """A merged pull request (on GitLab a merge request), and the login of who merged it."""

    number: int
    merged_by: str | None


class Deployment(Struct, frozen=True, kw_only=True):
    """A job that ran for an environment: the commit it ran for, and whether it succeeded."""

    commit: str
    succeeded: bool


class Forge(Protocol):
    """A repository on GitHub or GitLab. Every method raises ForgeError."""

    limit: int
    """Characters that a comment may have."""

    request_noun: str
    """What the forge calls a pull request."""

    sign: str
    """What stands before its number."""

    def author(self) -> str:
        """The login that the workflow's own comments have."""

    def comments(self, number: int) -> Iterator[Comment]:
        """The comments of a pull request, the oldest first."""

    def is_open(self, number: int) -> bool:
        """Whether a pull request is neither merged nor closed."""

    def create_comment(self, number: int, body: str) -> None:
        """Write a comment."""

    def update_comment(self, number: int, comment: int, body: str) -> None:
        """Have a comment say something else."""

    def merged(self, before: str, head: str, paths: Sequence[str] = ()) -> tuple[PullRequest, ...]:
        """The pull requests with which the commits after `before`, up to `head`, came in, the oldest first.

        With `paths` only commits count that touch one of these files and directories.
        """

    def deployed(self, environment: str) -> Iterator[Deployment]:
        """What was deployed to an environment of the forge, the newest first."""

    def is_ancestor(self, commit: str, head: str) -> bool:
        """Whether a commit is `head` or came before it; not where it is gone, as after a push by force."""

    def first_parent(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit of all."""

    def label_setters(self, number: int) -> Mapping[str, str]:
        """The labels of a pull request, each with the login of who set it last."""

    def may_push(self, login: str) -> bool:
        """Whether a user may push to the repository."""

    def pull_request_of(self, environ: Mapping[str, str]) -> int:
        """The pull request that a job runs for. Raises UsageError."""

    def run_link(self, environ: Mapping[str, str]) -> str:
        """A last line that links to the run, as Markdown; "" outside of a job."""
