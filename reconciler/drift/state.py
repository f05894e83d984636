"""What one look for drift leaves to the next: the differences, as fingerprints, and where the sweep ended.

It is a small JSON document that belongs to one project. It holds no values of flags and no user ids.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.drift.report import FieldOfFlag, Notification
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.canonical import canonical_text
from reconciler.model.reads import Read
from reconciler.model.versions import parse_time
from reconciler.planning.plan_file import encode_change
from reconciler.text import time_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from reconciler.drift.report import DriftReport
    from reconciler.model.config import Config
    from reconciler.strict_json import Json

FORMAT_VERSION = 1


class DriftState(Struct, frozen=True, kw_only=True):
    """`differences` are fingerprints by field; `swept_to` is the read behind which the next sweep goes on.

    `looked_at` is the time of the last run that looked at the whole project and could tell. `newest` has, by the ids
    of the flags that were edited before it, the newest version that it saw: times are of whole seconds, and an edit
    of its own second may have come before it or after.
    """

    project_id: str
    region: str
    environment: str | None
    differences: Mapping[FieldOfFlag, str]
    swept_to: Read | None = None
    looked_at: datetime | None = None
    newest: Mapping[str, int] = {}


def empty_state(config: Config) -> DriftState:
    """What is known before the first look."""
    return DriftState(
        project_id=config.project_id, region=config.region, environment=config.environment, differences={}
    )


def load_state(text: str, config: Config, name: str) -> DriftState:
    """The memory in the text of a state file; `name` is the file's, for messages.

    Raises ReconcilerError for a text that is no such memory, and UsageError for one of another project, region or
    environment.
    """
    try:
        memory = _decode(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReconcilerError(
            f"The state file {name!r} cannot be read as one of this version. Delete it to start over."
        ) from None
    for what, theirs, ours in (
        ("project", memory.project_id, config.project_id),
        ("region", memory.region, config.region),
        ("environment", memory.environment, config.environment),
    ):
        if theirs != ours:
            raise UsageError(
                f"The state file {name!r} is of {what} {theirs}, not {ours}: give each a file of its own."
            )
    return memory


def encode_state(memory: DriftState) -> dict[str, Json]:
    """The state file's document."""
    return {
        "formatVersion": FORMAT_VERSION,
        "projectId": memory.project_id,
        "region": memory.region,
        "environment": memory.environment,
        "differences": [
            {"key": place.key, "path": place.path, "fingerprint": fingerprint}
            for place, fingerprint in sorted(memory.differences.items())
        ],
        "sweptTo": None
        if memory.swept_to is None
        else [memory.swept_to.key, memory.swept_to.variant, memory.swept_to.kind],
        "lookedAt": None if memory.looked_at is None else time_text(memory.looked_at),
        "newest": dict(sorted(memory.newest.items())),
    }


def not_looked_at(
    memory: DriftState, checked: Collection[str], unchecked: Collection[FieldOfFlag], in_scope: Collection[str]
) -> tuple[FieldOfFlag, ...]:
    """The remembered differences of flags in scope that a look did not come by. Sorted."""
    left = frozenset(unchecked)
    return tuple(
        place
        for place in sorted(memory.differences)
        if place.key in in_scope and (place.key not in checked or place in left)
    )


def compare_with(memory: DriftState, report: DriftReport, in_scope: Collection[str]) -> Notification:
    """How the report differs from what was known of the declared flags in scope."""
    before = {
        place: value
        for place, value in memory.differences.items()
        if place.key in in_scope and place.key not in report.known
    }
    now = {place: value for place, value in _differences(report, memory).items() if place.key not in report.known}
    if now == before:
        return Notification.SAME if now else Notification.NONE
    if not before:
        return Notification.NEW
    return Notification.CHANGED if now else Notification.RECOVERED


def updated_state(
    memory: DriftState,
    report: DriftReport,
    in_scope: AbstractSet[str],
    declared: Collection[str],
    *,
    is_partial: bool = False,
) -> DriftState:
    """What is known after a report. What is out of its scope stays; flags that are declared no more are forgotten.

    `is_partial`: only targets were looked at.
    """
    kept = {
        place: value
        for place, value in memory.differences.items()
        if place.key in declared and place.key not in in_scope
    }
    last = report.sweep.last if report.sweep else None
    is_whole = in_scope >= frozenset(declared) and not is_partial
    return DriftState(
        project_id=memory.project_id,
        region=memory.region,
        environment=memory.environment,
        differences=kept | _differences(report, memory),
        swept_to=last or memory.swept_to,
        looked_at=report.looked_at if is_whole else memory.looked_at,
        newest=report.newest if is_whole else memory.newest,
    )


def _differences(report: DriftReport, memory: DriftState) -> dict[FieldOfFlag, str]:
    """All differences. Those that are known until later have fingerprints of their own: when that ends it shows."""
    found = dict(_found(report))
    found = {
        place: _digest(["known", value]) if place.key in report.known else value for place, value in found.items()
    }
    return {place: memory.differences[place] for place in report.remembered} | found


def _found(report: DriftReport) -> Iterator[tuple[FieldOfFlag, str]]:
    for flag in report.flags:
        for item in flag.changes:
            yield FieldOfFlag(key=flag.key, path=item.change.path), _digest(encode_change(item.change))
    for key in report.missing:
        yield FieldOfFlag(key=key), _digest("missing")
    for key, ids in report.duplicates.items():
        yield FieldOfFlag(key=key), _digest(list(ids))


def _digest(value: Json) -> str:
    return "sha256:" + sha256(canonical_text(value).encode()).hexdigest()


def _decode(document: dict[str, Json]) -> DriftState:
    if document["formatVersion"] != FORMAT_VERSION:
        raise ValueError("another version")
    swept_to = document["sweptTo"]
    environment = document["environment"]
    return DriftState(
        project_id=_text(document["projectId"]),
        region=_text(document["region"]),
        environment=None if environment is None else _text(environment),
        differences={
            FieldOfFlag(key=_text(item["key"]), path=_text(item["path"])): _text(item["fingerprint"])
            for item in document["differences"]
        },
        looked_at=parse_time(document.get("lookedAt")),
        newest={_text(key): int(version) for key, version in document.get("newest", {}).items()},
        swept_to=None if swept_to is None else Read(*(_text(part) for part in swept_to)),
    )


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value
