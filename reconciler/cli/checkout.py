"""The checkout that the flag files are part of, and what its repository holds: commits, files, contents.

Its repository is settled by where the files stand: by the next `.git` at or above them, and by nothing else. Files
that merely look like a repository are files. What the working tree holds is compared by who read it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.cli.git import GitFailedError, ask_git
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.cli.git import Question

REGULAR = "100"
"""How the modes of regular files begin; links, submodules and directories have others."""
_SHA256_DIGITS = 64
_MOST_BYTES = 4096


class Checkout(Struct, frozen=True):
    """A directory in a checkout: the checkout's `top`, its repository, and where the directory is (`""`, `"a/b/"`).

    Names are relative to the directory, with `/`.
    """

    top: Path
    git_dir: Path
    prefix: str

    def head(self) -> str:
        """The full id of the commit that is checked out. Raises ReconcilerError, as where there is none yet."""
        try:
            return self.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        except GitFailedError as error:
            raise ReconcilerError("The repository has no commit yet.") from error

    def resolve(self, reference: str, *, option: str = "--changed-since") -> str:
        """The id of a commit that is named by anything git understands. Raises UsageError where it knows none."""
        unknown = UsageError(f"{option}: {unknown_commit(reference)}")
        if reference.startswith("-") or "\0" in reference:
            raise unknown
        try:
            named = ("--verify", "--quiet", "--end-of-options", reference + "^{commit}")
            return self.ask("rev-parse", *named).strip()
        except GitFailedError as error:
            raise unknown from error

    def files_at(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """The regular files at or below paths in a commit, given by its id, each with the id of its content.

        Raises ReconcilerError.
        """
        inner = [self.prefix + path for path in paths]
        limits = () if "." in inner else inner
        listed = self.ask("ls-tree", "-r", "-z", "--full-tree", commit, "--", *limits)
        entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
        return {
            name.removeprefix(self.prefix): meta.split(" ")[2]
            for meta, _, name in entries
            if meta.startswith(REGULAR)
        }

    def contents(self, ids: Sequence[str]) -> list[bytes]:
        """What files held, by the ids of their contents. Raises ReconcilerError, also where one is not there."""
        if not ids:
            return []
        lacking = ReconcilerError(
            "File contents at that commit are missing from this clone. In CI, fetch enough history, with contents."
        )
        try:
            answer = self._ask_bytes("cat-file", "--batch", given="\n".join(ids).encode())
        except GitFailedError as error:
            raise lacking from error
        found, at = [], 0
        for _ in ids:
            end = answer.find(b"\n", at)
            size = answer[at:end].split()[-1:]  # of "ID blob SIZE"; a lacking one is "ID missing"
            if end < 0 or not size or not size[0].isdigit():
                raise lacking
            at = end + 1 + int(size[0])
            found.append(answer[end + 1 : at])
            at += 1
        return found

    def ask(self, question: Question, *arguments: str, given: bytes = b"") -> str:
        """What git says of this repository, as text in which names of files are as Python has them."""
        return os.fsdecode(self._ask_bytes(question, *arguments, given=given))

    def _ask_bytes(self, question: Question, *arguments: str, given: bytes = b"") -> bytes:
        return ask_git(question, *arguments, top=self.top, git_dir=self.git_dir, given=given)


def unknown_commit(reference: str) -> str:
    """What is said of a commit that git does not know."""
    return f"git knows no commit {reference!r} here. In CI, fetch enough history."


def checkout_of(directory: Path) -> Checkout:
    """The checkout that a directory is in.

    Raises UsageError where it is in none or in one that git cannot read, ReconcilerError where git cannot be run or
    does not trust the repository.
    """
    here = directory.resolve()
    top = next((place for place in (here, *here.parents) if os.path.lexists(place / ".git")), None)
    if top is None:
        raise UsageError(f"{directory} is not in a git repository, or not in one that git can read.")
    try:
        git_dir = Path(os.fsdecode(ask_git("rev-parse", "--absolute-git-dir", top=top, git_dir=None))[:-1])
    except GitFailedError as error:
        raise _cause(directory, error) from error
    entry = top / ".git"
    if git_dir.resolve() != entry or entry.is_symlink():
        _see_that_it_points_back(top, git_dir.resolve())
    place = here.relative_to(top).as_posix()
    return Checkout(top, git_dir, "" if place == "." else place + "/")


def current_commit(directory: Path) -> str | None:
    """The full id of the commit that is checked out; None outside of a repository or without git."""
    try:
        return checkout_of(directory).head()
    except ReconcilerError:
        return None


def is_content(content: bytes, held: str) -> bool:
    """Whether a file is what the id of a content names, line ends aside.

    A checkout may have CRLF where the commit has LF. Flag files mean the same with both.
    """
    if _content_id(content, len(held)) == held:
        return True
    plain = content.replace(b"\r\n", b"\n")
    return len(plain) < len(content) and b"\r" not in plain and _content_id(plain, len(held)) == held


def _content_id(content: bytes, digits: int) -> str:
    algorithm = "sha256" if digits == _SHA256_DIGITS else "sha1"
    return hashlib.new(algorithm, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def _see_that_it_points_back(top: Path, git_dir: Path) -> None:
    """A repository elsewhere has to name the checkout as its own, as those of worktrees and submodules do.

    Otherwise a `.git` that is a file or a link could name any repository, and that one's commits would be taken for
    the checkout's. Raises UsageError.
    """
    if git_dir.is_relative_to(top):
        raise UsageError(f"The repository of {top} is among its own files: it is not taken for one.")
    if top / ".git" in _worktrees(git_dir):
        return
    try:
        answer = ask_git("config", "--get", "core.worktree", top=top, git_dir=git_dir, work_tree=False)
        named = (git_dir / os.fsdecode(answer)[:-1]).resolve()
    except GitFailedError:
        named = None
    if named != top:
        raise UsageError(
            f"{top / '.git'} names a repository that does not name {top} as its checkout. If it is, run"
            " `git worktree repair` there, or else `git config core.worktree DIRECTORY`."
        )


def _worktrees(git_dir: Path) -> Iterator[Path]:
    """The `.git` that the repository of a worktree names, links in its directories resolved."""
    try:
        descriptor = os.open(git_dir / "gitdir", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - of a descriptor
        named = git_dir / os.fsdecode(stream.read(_MOST_BYTES)).removesuffix("\n")
    yield named.parent.resolve() / named.name


def _cause(directory: Path, error: GitFailedError) -> ReconcilerError:
    """Why git does not work at the top of a checkout."""
    if b"safe.directory" in error.words:
        return ReconcilerError(
            f"git does not trust the repository of {directory}, which belongs to another user, as in containers."
            " Name its directory with `git config --global --add safe.directory DIRECTORY`."
        )
    return UsageError(f"{directory} is not in a git repository, or not in one that git can read.")
