"""Since when something is as it is: live, by the versions of a flag; declared, by the commits of git."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from reconciler.model.flag import FlagSpec, Version
    from reconciler.strict_json import Json


class Since(Struct, frozen=True, kw_only=True):
    """The oldest version since which something has held; None where no version shows that it does.

    `is_from_the_start`: it has held since the flag was made. `is_at_most`: it may have held for longer, because
    older versions are not shown, or do not show it.
    """

    version: Version | None = None
    is_from_the_start: bool = False
    is_at_most: bool = False

    @property
    def at(self) -> datetime | None:
        """The time of that version."""
        return None if self.version is None else parse_time(self.version.created_at)


def since_when(versions: Sequence[Version], holds: Callable[[FlagSpec], bool | None]) -> Since:
    """Since when something has held that holds live. `versions` are newest first; `holds` gives None: not shown."""
    since: Version | None = None
    for version in versions:
        found = holds(version.flag.spec)
        if not found:
            return Since(version=since, is_at_most=since is not None and found is None)
        since = version
    if since is None:
        return Since()
    return Since(version=since, is_from_the_start=since.version <= 1, is_at_most=since.version > 1)


def parse_time(text: str | None) -> datetime | None:
    """A time as the server writes it, in UTC where it names no zone; None where it cannot be read."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class DeclaredValue(Struct, frozen=True, kw_only=True):
    """A value that a branch declared, and the commit with which the branch got it; UNSET: it was not declared.

    `at` is that commit's time in UTC, to the second; of a merge, the merge's. Both are None where the value is not
    committed yet.
    """

    value: Json
    commit: str | None = None
    at: datetime | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    """What a branch declared of one field, newest first: the present value, and older ones as far as was asked.

    `gap` says in a sentence why an older value is not known; empty where everything that was asked for is there.
    `placed_at` is told where no commit is: when the files that declare it now were written, or put where they are.
    """

    values: tuple[DeclaredValue, ...] = ()
    gap: str = ""
    placed_at: datetime | None = None

    @property
    def since(self) -> DeclaredValue | None:
        """The present value with its commit and time; None where these are not known: `gap` says why."""
        present = self.values[0] if self.values else None
        return present if present is not None and present.at is not None else None

    @property
    def begins_at(self) -> datetime | None:
        """When the present value was declared: by its commit, or else by its files; None where neither tells."""
        return self.since.at if self.since else self.placed_at


Place: TypeAlias = tuple[str, str]
"""A flag key and a JSON Pointer into its document, variants by key and segments by name."""

History: TypeAlias = "Callable[[Collection[Place], datetime | None], Mapping[Place, Timeline]]"
"""Answers for places since when they are declared as they are, and with a time what was declared since then.

Every place that was asked for is in the answer. Nothing is raised: what cannot be told is a Timeline with a gap.
"""
