"""Versions of several flags at once: those of named flags, and the feed of all that were made since a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.pages import map_bounded, read_pages
from reconciler.errors import NOT_OFFERED, InvalidResponseError, RejectedError
from reconciler.model.versions import parse_time
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.api.responses import Unread, VersionPage
    from reconciler.model.flag import Version


async def read_versions(
    client: Client, ids: Mapping[str, str], *, progress: Progress | None = None
) -> dict[str, tuple[Version, ...]]:
    """The versions, newest first, of flags whose ids are given by key: one read each ("List versions").

    A flag whose versions the server does not show (403 or 404, as of an archived one), or shows in a form that cannot
    be read, has none: versions say who made a change, not what is live. Every other failure is raised.
    """
    progress = progress or Progress()
    progress.start("Reading versions", len(ids))

    async def one(flag_id: str) -> tuple[Version, ...]:
        versions = await shown(flag_id)
        progress.advance()
        return tuple(sorted(versions, key=lambda version: version.version, reverse=True))

    async def shown(flag_id: str) -> tuple[Version, ...]:
        try:
            return await client.list_versions(flag_id)
        except InvalidResponseError:
            return ()
        except RejectedError as error:
            if error.status in NOT_OFFERED:
                return ()
            raise

    found = await map_bounded(one, list(ids.values()), limit=client.concurrency)
    return dict(zip(ids, found, strict=True))


class Feed(Struct, frozen=True, kw_only=True):
    """The versions that flags of our project were given since a time, newest first.

    `unread` are the flags of versions that cannot be read, `experiments` keys of rows that look like those of one.
    """

    versions: tuple[Version, ...]
    unread: tuple[Unread, ...] = ()
    experiments: frozenset[str] = frozenset()

    def later(self, start: datetime) -> Feed:
        """The same without versions that were made before a time; those whose time cannot be read stay."""
        times = ((version, parse_time(version.created_at)) for version in self.versions)
        return replace(self, versions=tuple(version for version, at in times if at is None or at >= start))

    @property
    def keys(self) -> frozenset[str] | None:
        """The keys of the flags that were given versions; None where one of these does not say which flag's it is."""
        unread = [item.key for item in self.unread if item.key is not None]
        if len(unread) < len(self.unread):
            return None
        return frozenset(unread).union(version.flag.key for version in self.versions)

    def keys_but_experiments(self, declared: AbstractSet[str]) -> frozenset[str] | None:
        """The same without those that look like experiments' and that no file declares: these are no flags."""
        return None if self.keys is None else self.keys - (self.experiments - declared)


async def read_feed(client: Client, start: str) -> Feed | None:
    """Every version that a flag of our project was given since `start` (ISO 8601), by pages.

    None where the server or the key does not offer the feed. Raises InvalidResponseError for one that repeats itself
    or does not end.
    """

    async def read(limit: int, cursor: str | None) -> VersionPage | None:
        return await client.list_all_versions(start=start, limit=limit, cursor=cursor)

    pages = [page async for page in read_pages("GET /api/1/versions", read)]
    found = {(version.flag.id, version.version): version for page in pages for version in page.versions}
    unread = tuple(item for page in pages for item in page.unread)
    experiments = frozenset[str]().union(*(page.experiments for page in pages))
    return Feed(versions=tuple(found.values()), unread=unread, experiments=experiments) if pages else None
