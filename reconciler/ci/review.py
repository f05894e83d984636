"""What was reviewed in the pull requests of a push: the record in their comments, and what their labels allow.

A comment counts only where the author is the one that the workflow writes as: anyone can write a comment. A label
counts only where the person who set it may push.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct

from reconciler.ci.client import GithubError
from reconciler.ci.posts import find_comment
from reconciler.errors import ReconcilerError
from reconciler.files.schema import check
from reconciler.planning.review import ReviewRecord, decode_record
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.ci.client import Repository

LABEL: Final = "flags-allow:"
"""How a label begins that overrides a guard, as in `flags-allow:rebucket` and `flags-allow:kill-switch:KEY`."""

_is_override = re.compile(r"[a-z-]+(:[a-z0-9_-]+)?").fullmatch
_MAY_PUSH: Final = frozenset({"admin", "write"})
_MOST_COMMITS: Final = 250
"""GitHub lists no more commits of a comparison than these."""

_MOST_BYTES: Final = 16 * 1024 * 1024
_is_record_line = re.compile(r"<!-- review-record:([A-Za-z0-9+/=]+) -->").fullmatch


class PullRequest(Struct, frozen=True, kw_only=True):
    """A merged pull request, and who merged it."""

    number: int
    merged_by: str | None


def record_line(content: bytes) -> str:
    """A review record as a hidden line of a comment. It is packed: a key may hold what would end an HTML comment."""
    return f"<!-- review-record:{base64.b64encode(zlib.compress(content, 9)).decode()} -->"


def record_in(body: str) -> ReviewRecord | None:
    """The review record in the last line of a comment; None where there is none or it cannot be read.

    Lines above may hold text of flag files.
    """
    found = _is_record_line(body.rstrip().rpartition("\n")[2])
    if found is None:
        return None
    try:
        return parse_record(zlib.decompressobj().decompress(base64.b64decode(found[1]), _MOST_BYTES))
    except (binascii.Error, zlib.error, ReconcilerError):
        return None


def parse_record(content: bytes) -> ReviewRecord:
    """The review record of a document. Raises ReconcilerError where it is none."""
    try:
        document = parse_json(content)
    except MalformedJsonError as error:
        raise ReconcilerError(f"The review record is not JSON: {error}") from error
    if findings := check(document, "record"):
        raise ReconcilerError(f"The review record is invalid: {findings[0].path or '/'}: {findings[0].message}")
    return decode_record(document)


def merged_pull_requests(repository: Repository, before: str, head: str) -> tuple[PullRequest, ...]:
    """The pull requests with which the commits after `before`, up to `head`, came in, the first merged first.

    Raises GithubError, also for more commits than GitHub lists.
    """
    answer = repository.request("GET", f"/compare/{quote(before, safe='')}...{quote(head, safe='')}")
    commits = answer.get("commits") or []
    if len(commits) >= _MOST_COMMITS:
        raise GithubError(f"There are {_MOST_COMMITS} commits or more since {before[:12]}: apply by hand.")
    found: dict[int, PullRequest] = {}
    for commit in commits:
        for pull in repository.items(f"/commits/{quote(commit['sha'], safe='')}/pulls"):
            if pull.get("merged_at"):
                found.setdefault(pull["number"], PullRequest(number=pull["number"], merged_by=None))
    return tuple(_whole(repository, number) for number in found)


def _whole(repository: Repository, number: int) -> PullRequest:
    """With who merged it, which lists of pull requests do not show."""
    answer = repository.request("GET", f"/pulls/{number}")
    return PullRequest(number=number, merged_by=(answer.get("merged_by") or {}).get("login"))


def reviewed_record(
    repository: Repository, pulls: Sequence[PullRequest], *, name: str, author: str
) -> ReviewRecord | None:
    """What was reviewed in pull requests, as one record; the later one counts for a flag that several name.

    None where none has a record. Raises GithubError.
    """
    whole: ReviewRecord | None = None
    for pull in pulls:
        comment = find_comment(repository, pull.number, name=name, author=author)
        record = record_in(comment["body"] or "") if comment else None
        if record is not None:
            whole = record if whole is None else whole.then(record)
    return whole


def overrides(repository: Repository, number: int) -> tuple[str, ...]:
    """What labels of a pull request allow, as `--allow` takes it, sorted. Raises GithubError.

    A label counts where the person who set it last may push.
    """
    labels = {item["name"] for item in repository.items(f"/issues/{number}/labels")}
    wanted = {label for label in labels if label.startswith(LABEL)}
    if not wanted:
        return ()
    setters = dict(_setters(repository, number))
    allowed = {label for label in wanted if (login := setters.get(label)) and _may_push(repository, login)}
    return tuple(sorted(filter(_is_override, (label.removeprefix(LABEL) for label in allowed))))


def _setters(repository: Repository, number: int) -> Iterator[tuple[str, str]]:
    """Each label with who set it, the last time last."""
    for event in repository.items(f"/issues/{number}/events"):
        if event.get("event") == "labeled" and event.get("actor"):
            yield event["label"]["name"], event["actor"]["login"]


def _may_push(repository: Repository, login: str) -> bool:
    answer = repository.request("GET", f"/collaborators/{quote(login, safe='')}/permission")
    return answer.get("permission") in _MAY_PUSH
