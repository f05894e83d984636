"""Since when a flag has been as it is: the oldest version since which something has held without a break."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reconciler.model.flag import FlagSpec, Version


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
