"""Running git, to read what a repository holds. No other module starts a process, but for guards' commands.

A checkout may have been made by a stranger, and its configuration, attributes and hooks name programs. So git is
asked for objects only, never for the working tree, where filters and monitors run; it knows of no remote, and its
environment holds nothing but what it needs: no key, and no variable that names another repository.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from threading import Event, Thread, Timer
from typing import IO, TYPE_CHECKING, Final, Literal, cast

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Question = Literal["rev-parse", "rev-list", "ls-tree", "diff-tree", "cat-file", "config"]
"""The commands of git that are used: none of them looks at the working tree or writes."""

_SECONDS = 30
_MOST_BYTES: Final = 256 * 1024 * 1024
"""Of one answer: five times what all flag files together may hold."""
_MOST_WORDS: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024

_KEPT: Final = (
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "SUDO_UID",
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
    "TMPDIR",
    "DEVELOPER_DIR",
)
"""Of the environment, beside PATH: where `safe.directory` stands, whose files are one's own, what macOS needs.

GIT_TEST_ASSUME_DIFFERENT_OWNER can only make git trust less.
"""

_SET: Final[Mapping[str, str]] = {
    "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
"""A partial clone fetches nothing; an id stands for its own content, and a commit's parents for themselves."""

_SETTINGS: Final[Mapping[str, str]] = {
    "safe.bareRepository": "explicit",
    "protocol.allow": "never",
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "false",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "false",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
}
"""Over what any configuration says. The commands that are used should need none of it; a later git may differ."""


class GitFailedError(ReconcilerError):
    """git ran and ended with an error; `words` is what it said. They may quote the checkout, and are not shown."""

    def __init__(self, message: str, words: bytes) -> None:
        super().__init__(message)
        self.words = words


class OversizedAnswerError(ReconcilerError):
    """git found more than is taken in."""


def ask_git(
    question: Question, *arguments: str, top: Path, git_dir: Path | None, work_tree: bool = True, given: bytes = b""
) -> bytes:
    """What git says on stdout, run at the top of a checkout, with `given` on stdin.

    `git_dir` is its repository; None leaves it to git to find, at `top` and nowhere above. `work_tree` is False
    where the repository's own words on its checkout are asked for. Raises GitFailedError, OversizedAnswerError
    beyond 256 MiB, or ReconcilerError where git cannot be run or takes longer than 30 seconds.
    """
    program = _program()
    settings = (part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}"))
    command = [program, "--no-pager", "--no-optional-locks", "--literal-pathspecs", *settings, question, *arguments]
    environment = {**_environment(os.environ), "GIT_CEILING_DIRECTORIES": str(top.parent)}
    if git_dir is not None:
        environment["GIT_DIR"] = str(git_dir)
        if work_tree:
            environment["GIT_WORK_TREE"] = str(top)
    try:
        code, answer, words = _run(command, environment, top, given)
    except OSError as error:
        raise ReconcilerError(f"git cannot be started: {error.strerror or 'no reason given'}.") from error
    if code:
        raise GitFailedError(f"git {question} failed in {top}.", words)
    return answer


def _run(command: Sequence[str], environment: Mapping[str, str], top: Path, given: bytes) -> tuple[int, bytes, bytes]:
    """The exit code, stdout and stderr of git. Raises OSError, and ReconcilerError for what takes or says too much.

    A commit of a few kilobytes can hold gigabytes of contents, and more names of files than any machine has room for.
    """
    words = bytearray()
    with subprocess.Popen(  # noqa: S603 - a fixed program, no shell; a reference cannot be an option
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=top
    ) as process:
        late = Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = Timer(_SECONDS, end)
        # Not through files: a container may have no place for them.
        helpers = (timer, Thread(target=_tell, args=(process, given)), Thread(target=_listen, args=(process, words)))
        for helper in helpers:
            helper.start()
        try:
            answer = b"".join(_chunks(process))
        finally:
            timer.cancel()
            process.kill()
            for helper in helpers:
                helper.join()
    if late.is_set():
        raise ReconcilerError(f"git did not answer within {_SECONDS} seconds.")
    return process.returncode, answer, bytes(words)


def _tell(process: subprocess.Popen[bytes], given: bytes) -> None:
    """Write what is given to stdin and close it, also where git ends before it has read all."""
    with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stream:
        stream.write(given)


def _listen(process: subprocess.Popen[bytes], words: bytearray) -> None:
    """Read stderr to its end, and keep the beginning."""
    while chunk := cast("IO[bytes]", process.stderr).read(_MOST_WORDS):
        words += chunk[: _MOST_WORDS - len(words)]


def _chunks(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    size = 0
    while chunk := cast("IO[bytes]", process.stdout).read(_CHUNK):
        size += len(chunk)
        if size > _MOST_BYTES:
            raise OversizedAnswerError(
                f"git found more than {_MOST_BYTES >> 20} MiB: a commit holds more than flag files."
            )
        yield chunk
    process.wait()


def _program() -> str:
    """Find git in PATH, without the places in it that depend on where one stands: they may be the checkout's."""
    for place in _places(os.environ):
        program = f"{place}/git"
        if os.path.isfile(program) and os.access(program, os.X_OK):  # noqa: PTH113 - of a text
            return program
    raise ReconcilerError("git is not installed, or not in PATH.")


def _places(environ: Mapping[str, str]) -> list[str]:
    return [place for place in environ.get("PATH", os.defpath).split(os.pathsep) if place.startswith("/")]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What git gets of the environment. A variable that names a repository is left out.

    Whose the files are is settled by where they stand, also in a hook, for which git sets GIT_DIR.
    """
    kept = {name: environ[name] for name in _KEPT if name in environ}
    trusted = dict(enumerate(_trusted_directories(environ)))
    pairs = {f"GIT_CONFIG_KEY_{number}": "safe.directory" for number in trusted}
    pairs |= {f"GIT_CONFIG_VALUE_{number}": value for number, value in trusted.items()}
    return {**kept, **pairs, **_SET, "GIT_CONFIG_COUNT": str(len(trusted)), "PATH": os.pathsep.join(_places(environ))}


def _trusted_directories(environ: Mapping[str, str]) -> Iterator[str]:
    """The values of `safe.directory` that the environment sets, as containers do; of its settings only these."""
    count = environ.get("GIT_CONFIG_COUNT", "")
    for number in range(min(int(count), 1000) if count.isascii() and count.isdecimal() else 0):
        if environ.get(f"GIT_CONFIG_KEY_{number}", "").lower() == "safe.directory":
            yield environ.get(f"GIT_CONFIG_VALUE_{number}", "")
