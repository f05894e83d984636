"""The commits of a branch that touch files, and what each of them changed: git's objects only.

A branch is the chain of first parents: what came with a merge came when it was merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.checkout import REGULAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.checkout import Checkout


class Commit(Struct, frozen=True):
    """A commit by its full id, with its committer's time in seconds since 1970."""

    id: str
    seconds: int


class Difference(Struct, frozen=True):
    """What a commit made of a regular file: the ids of its contents before and after; None: not there."""

    before: str | None
    after: str | None


def commits_touching(checkout: Checkout, start: str, paths: Sequence[str], most: int) -> list[Commit]:
    """The first commits from `start` back along first parents that changed something at or below paths.

    Between two of them, and before the last of all, nothing there differs. `paths` are relative to the checkout's
    top; none stands for all. Raises ReconcilerError.
    """
    shape = ("--first-parent", "--timestamp", f"--max-count={most}")
    lines = checkout.ask("rev-list", *shape, start, "--", *paths).splitlines()
    return [Commit(id=identity, seconds=int(seconds)) for seconds, identity in map(str.split, lines)]


def differences(
    checkout: Checkout, pairs: Sequence[tuple[str, str]], paths: Sequence[str]
) -> list[dict[str, Difference]]:
    """What differs, by path, in each commit from an older one. No file counts as renamed. Raises ReconcilerError."""
    if not pairs:
        return []
    shape = ("--stdin", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv")
    given = "".join(f"{commit} {older}\n" for commit, older in pairs)
    answer = checkout.ask("diff-tree", *shape, "--", *paths, given=given.encode())
    found: dict[str, dict[str, Difference]] = {commit: {} for commit, _ in pairs}
    into: dict[str, Difference] = {}
    tokens = iter(answer.split("\0"))
    for token in tokens:
        if token.startswith(":"):
            into[next(tokens)] = _difference(token)
        elif token:
            into = found[token]
    return [found[commit] for commit, _ in pairs]


def parent_of(checkout: Checkout, commit: str) -> str | None:
    """The first parent of a commit; None where it has none here. Raises ReconcilerError."""
    line = checkout.ask("rev-list", "--first-parent", "--max-count=2", commit, "--").split()
    return line[1] if len(line) > 1 else None


def is_cut(checkout: Checkout, commit: str) -> bool:
    """Whether a commit without a parent here has one elsewhere: a shallow clone ends with it."""
    (content,) = checkout.contents([commit])
    header = content.partition(b"\n\n")[0]
    return any(line.startswith(b"parent ") for line in header.split(b"\n"))


def _difference(meta: str) -> Difference:
    """Of `:MODE MODE ID ID STATUS`."""
    old_mode, new_mode, before, after, _ = meta.removeprefix(":").split(" ")
    return Difference(
        before=before if old_mode.startswith(REGULAR) else None,
        after=after if new_mode.startswith(REGULAR) else None,
    )
