"""What was reviewed in the pull requests of a push: the record in their comments, and what their labels allow.

A comment counts only where the author is the one that the workflow writes as: anyone can write a comment. A label
counts only where the person who set it may push.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reconciler.ci.posts import find_comment, fits_hidden, hidden_line
from reconciler.errors import ReconcilerError
from reconciler.files.schema import check
from reconciler.planning.guards import ALLOWABLE_BY_FLAG
from reconciler.planning.review import LABEL, ReviewRecord, decode_record, encode_record
from reconciler.reports.json_report import render_json
from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.ci.forge import Forge, PullRequest

_is_override = re.compile(r"[a-z-]+(:[a-z0-9_-]+)?").fullmatch
_MOST_DEPLOYMENTS: Final = 50
"""Deployments that are looked at, the newest first; each takes a request."""

_MOST_BYTES: Final = 16 * 1024 * 1024
_is_record_line = re.compile(r"<!-- review-record:([A-Za-z0-9+/=]+) -->").fullmatch


def record_line(content: bytes) -> str:
    """A review record as a hidden line of a comment. It is packed: a key may hold what would end an HTML comment."""
    return f"<!-- review-record:{base64.b64encode(zlib.compress(content, 9)).decode()} -->"


def fitting_line(content: bytes, limit: int) -> tuple[str, bool]:
    """A review record as a line that fits into a comment, and whether it still names all flags.

    First the explanations go. A record that is too long even then names no flag, so that a merge holds them all: a
    comment without a record would have them applied as if there were no review. Content that is no record stays.
    """
    line = record_line(content)
    if fits_hidden(line, limit):
        return line, True
    try:
        record = parse_record(content)
    except ReconcilerError:
        return line, True
    for short in (replace(record, changes={}), replace(record, changes={}, flags={}, unchanged=())):
        line = record_line(render_json(encode_record(short)).encode())
        if fits_hidden(line, limit):
            break
    return line, short.flags == record.flags


def record_in(body: str) -> ReviewRecord | None:
    """The review record in the last line of a comment; None where there is none or it cannot be read."""
    found = _is_record_line(hidden_line(body))
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


def reviewed_record(forge: Forge, pulls: Sequence[PullRequest], name: str) -> ReviewRecord | None:
    """What was reviewed in pull requests, as one record; the later one counts for a flag that several name.

    None where none has a record. Raises ForgeError.
    """
    whole: ReviewRecord | None = None
    for pull in pulls:
        comment = find_comment(forge, pull.number, name)
        record = record_in(comment.body) if comment else None
        if record is not None:
            whole = record if whole is None else whole.then(record)
    return whole


def last_applied(forge: Forge, environment: str, head: str, before: str | None) -> str | None:
    """The commit that was applied last, by the deployments to an environment; None where that cannot be told.

    Where no deployment succeeded it is the commit before the first one, and `before`, the commit before the push of
    `head`, where there is none but of `head`. Raises ForgeError.
    """
    applied, others, is_whole = _deployed(forge, environment, head)
    if applied is not None or not is_whole:
        return applied
    if not others:
        return before if before and before.strip("0") else None
    return forge.first_parent(others[-1])


def attempted(forge: Forge, environment: str, head: str) -> list[str]:
    """The commits before `head` of which an apply to the environment has begun, and none has succeeded since.

    What they declared may be live in part. Raises ForgeError.
    """
    return _deployed(forge, environment, head)[1]


def _deployed(forge: Forge, environment: str, head: str) -> tuple[str | None, list[str], bool]:
    """The commit that was applied last, the others since then, the newest first, and whether all were looked at.

    Only commits before `head` count: a branch may have been rewritten.
    """
    others: dict[str, None] = {}
    known: dict[str, bool] = {head: True}
    deployments = list(islice(forge.deployed(environment), _MOST_DEPLOYMENTS))
    is_whole = len(deployments) < _MOST_DEPLOYMENTS
    for deployment in deployments:
        commit = deployment.commit
        if commit not in known:
            known[commit] = forge.is_ancestor(commit, head)
        if known[commit] and deployment.succeeded:
            return commit, [*others], is_whole
        if known[commit] and commit != head:
            others[commit] = None
    return None, [*others], is_whole


def overrides_of(forge: Forge, numbers: Sequence[int], reviewed_as: str | None = None) -> frozenset[str]:
    """What labels of pull requests allow, as `--allow` takes it. Raises ForgeError.

    A label that names no flag is about the flags of its own pull request: with `reviewed_as`, the name of comments,
    those that its record names. Of several pull requests, one without a record can have no such label.
    """
    allowed: set[str] = set()
    for number in numbers:
        kinds = _overrides(forge, number)
        broad = {kind for kind in kinds if kind in ALLOWABLE_BY_FLAG}
        comment = find_comment(forge, number, reviewed_as) if reviewed_as and broad else None
        record = record_in(comment.body) if comment else None
        if record is not None:
            kinds = kinds - broad | {f"{kind}:{key}" for kind in broad for key in record.flags}
        elif reviewed_as and len(numbers) > 1:
            kinds -= broad
        allowed |= kinds
    return frozenset(allowed)


def _overrides(forge: Forge, number: int) -> set[str]:
    """What labels of a pull request allow. A label counts where the person who set it last may push."""
    setters = {label: login for label, login in forge.label_setters(number).items() if label.startswith(LABEL)}
    allowed = {label.removeprefix(LABEL) for label, login in setters.items() if forge.may_push(login)}
    return set(filter(_is_override, allowed))
