"""Versions of several flags at once: those of named flags, and the feed of all that were made since a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.api.live import Progress
from reconciler.api.pages import read_pages
from reconciler.api.parallel import map_bounded
from reconciler.errors import MalformedAnswerError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.api.answers import VersionPage
    from reconciler.api.client import Client
    from reconciler.model.flag import Version

_NOT_SHOWN = frozenset({403, 404})


async def read_versions(
    client: Client, ids: Mapping[str, str], *, on_progress: Callable[[Progress], None] = lambda _: None
) -> dict[str, tuple[Version, ...]]:
    """The versions, newest first, of flags whose ids are given by key: one read each ("List versions").

    A flag whose versions the server does not show (403 or 404, as of an archived one), or shows in a form that cannot
    be read, has none: versions say who did something, never what is. Every other failure is raised.
    """
    done = 0

    async def one(flag_id: str) -> tuple[Version, ...]:
        nonlocal done
        versions = await shown(flag_id)
        done += 1
        on_progress(Progress(done=done, expected=len(ids), what="versions"))
        return tuple(sorted(versions, key=lambda version: version.version, reverse=True))

    async def shown(flag_id: str) -> tuple[Version, ...]:
        try:
            return await client.list_versions(flag_id)
        except MalformedAnswerError:
            return ()
        except RejectedError as error:
            if error.status in _NOT_SHOWN:
                return ()
            raise

    found = await map_bounded(one, list(ids.values()), limit=client.concurrency)
    return dict(zip(ids, found, strict=True))


async def read_feed(client: Client, start: str) -> tuple[Version, ...] | None:
    """Every version that a flag of our project was given since `start` (ISO 8601), newest first, by pages.

    None where the server or the key does not offer the feed. Raises MalformedAnswerError for one that repeats itself
    or does not end.
    """
    found: dict[tuple[str, int], Version] | None = None

    async def read(limit: int, cursor: str | None) -> VersionPage | None:
        return await client.list_all_versions(start=start, limit=limit, cursor=cursor)

    async for page in read_pages("GET /api/1/versions", read):
        found = (found or {}) | {(version.flag.id, version.version): version for version in page.versions}
    return None if found is None else tuple(found.values())
