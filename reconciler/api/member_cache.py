"""Inclusions that an earlier run has read, for flags that the list shows unchanged: one read less for each list.

Off unless it is asked for. A server may change inclusions without a new `lastModifiedAt`; so a cache is used
for a day at most, counted from the last run that read every list. Nothing is written on the strength of the cache:
apply reads a flag again before it sends anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.strict_json import MalformedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.flag import LiveFlag
    from reconciler.strict_json import Json

FORMAT_VERSION = 1
CACHE_LIFETIME = timedelta(hours=24)
"""How long after a run that read everything lists are taken from the cache."""


@dataclass(slots=True, kw_only=True)
class MemberCache:
    """What is known of one project on one server.

    `known` holds, by flag id, variant and kind, the flag's `lastModifiedAt` and the members; it is empty where a full
    read follows, and `full_read_at` then is the time of this run.
    """

    origin: str
    project_id: str
    full_read_at: datetime
    known: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def find(self, flag: LiveFlag, variant: str, kind: str) -> tuple[str, ...] | None:
        """The `users` or `cohorts` of a variant of a flag as it is now; None where they must be read."""
        entry = self.known.get(_name(flag, variant, kind))
        return entry[1] if entry is not None and entry[0] == flag.last_modified_at else None

    def keep(self, flag: LiveFlag, variant: str, kind: str, members: tuple[str, ...]) -> None:
        """Remember a list that was read, unless the flag does not say when it changed."""
        if flag.last_modified_at is not None:
            self.known[_name(flag, variant, kind)] = (flag.last_modified_at, members)


def encode_cache(cache: MemberCache) -> dict[str, Json]:
    """The cache as a JSON document. It holds user ids."""
    return {
        "formatVersion": FORMAT_VERSION,
        "origin": cache.origin,
        "projectId": cache.project_id,
        "fullReadAt": cache.full_read_at.isoformat(),
        "lists": {name: [modified, list(members)] for name, (modified, members) in sorted(cache.known.items())},
    }


def decode_cache(text: str, *, origin: str, project_id: str, now: datetime) -> MemberCache:
    """The cache of a document; an empty one where it is of another place, too old, or not one at all."""
    try:
        found = _decode(parse_json(text))
    except (MalformedJsonError, LookupError, TypeError, ValueError, AttributeError):
        found = None
    if (
        found is None
        or (found.origin, found.project_id) != (origin, project_id)
        or not timedelta() <= now - found.full_read_at < CACHE_LIFETIME
    ):
        return MemberCache(origin=origin, project_id=project_id, full_read_at=now)
    return found


def _decode(document: Mapping[str, Json]) -> MemberCache | None:
    full_read_at = datetime.fromisoformat(document["fullReadAt"])
    if document["formatVersion"] != FORMAT_VERSION or full_read_at.tzinfo is None:
        return None
    return MemberCache(
        origin=document["origin"],
        project_id=document["projectId"],
        full_read_at=full_read_at,
        known={
            name: (_text(modified), tuple(map(_text, members)))
            for name, (modified, members) in document["lists"].items()
        },
    )


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(flag: LiveFlag, variant: str, kind: str) -> str:
    return f"{flag.id}/{variant}/{kind}"
