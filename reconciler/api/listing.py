"""Which flags there are: the list page by page, and look-ups of single keys.

Pages change while they are read: a create moves flags to the next page, and an archive lets some be missed. So
flags are told apart by id, and a key that the list does not show is looked up before it is called absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.pages import map_bounded, read_pages
from reconciler.api.responses import Unread
from reconciler.errors import InvalidResponseError

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable

    from reconciler.api.client import Client
    from reconciler.api.responses import FlagPage
    from reconciler.model.flag import LiveFlag
    from reconciler.progress import Progress

FEW_KEYS = 3
"""So many keys are looked up one by one even where a page would show them all: the answers are smaller."""


SHARED_ID = "The server shows another flag under the same id."
NEEDED = "It is declared or asked for, so nothing is done without it: correct it in Amplitude."


class Listing(Struct):
    """What some reads of the list showed: flags by id, in the order of their first showing, and those unmarked.

    `faulty` are flags that cannot be read, by what names them; `torn` are ids that are shown with several keys.
    """

    flags: dict[str, LiveFlag] = {}
    unmarked: set[str] = set()
    pages: int = 0
    faulty: dict[tuple[str | None, ...], Unread] = {}
    torn: set[str] = set()

    def add(self, page: FlagPage) -> None:
        """Add a page; of a flag that is shown twice the later one counts."""
        self._take(page.flags)
        self.faulty |= {item.name: item for item in page.unread}
        self.unmarked |= page.unmarked
        self.pages += 1

    def join(self, other: Listing) -> None:
        """Add what other reads showed."""
        self._take(other.flags.values())
        self.faulty |= other.faulty
        self.unmarked |= other.unmarked
        for flag_id in other.torn:
            self._tear(flag_id)

    def _take(self, flags: Iterable[LiveFlag]) -> None:
        for flag in flags:
            earlier = self.flags.get(flag.id)
            if flag.id in self.torn or (earlier is not None and earlier.key != flag.key):
                self._tear(flag.id, flag.key)
            else:
                self.flags[flag.id] = flag

    def _tear(self, flag_id: str, *keys: str) -> None:
        """No call may go to an id under which several flags are shown: none of them counts."""
        earlier = self.flags.pop(flag_id, None)
        self.torn.add(flag_id)
        for key in (*keys, *(() if earlier is None else (earlier.key,))):
            aside = Unread(id=flag_id, key=key, reason=SHARED_ID)
            self.faulty[aside.name] = aside

    @property
    def unread(self) -> tuple[Unread, ...]:
        """The flags that cannot be read, except those that another page shows without a fault."""
        return tuple(item for item in self.faulty.values() if item.id not in self.flags)

    def only(self, keys: Iterable[str]) -> Listing:
        """The same without flags of other keys: the server's filter may be looser than ours.

        Raises InvalidResponseError where one of these flags cannot be read, or may be one that does not say its key.
        """
        wanted = set(keys)
        kept = {flag.id: flag for flag in self.flags.values() if flag.key in wanted}
        refuse_unread(self, wanted, missing=wanted - {flag.key for flag in kept.values()})
        return Listing(kept, self.unmarked & kept.keys(), self.pages, self.faulty)


def refuse_unread(listing: Listing, wanted: Container[str], *, missing: Collection[str] = ()) -> None:
    """Refuse to go on without a flag that is needed and cannot be read. Raises InvalidResponseError.

    `missing` are keys without a flag: a flag that does not say its key may be one of them.
    """
    for item in listing.unread:
        if missing if item.key is None else item.key in wanted:
            raise InvalidResponseError(f"{item} {NEEDED}")


async def read_list(
    client: Client,
    *,
    key: str | None = None,
    include_archived: bool = False,
    progress: Progress | None = None,
) -> Listing:
    """Every page of the list. Raises InvalidResponseError for one that repeats itself or does not end."""

    async def read(limit: int, cursor: str | None) -> FlagPage:
        return await client.list_flags(key=key, limit=limit, cursor=cursor, include_archived=include_archived)

    listing = Listing()
    async for page in read_pages("GET /api/1/flags", read):
        listing.add(page)
        if progress is not None:
            progress.advance()
    return listing


async def look_up(
    client: Client,
    keys: Iterable[str],
    *,
    include_archived: bool,
    most: int,
    progress: Progress | None = None,
) -> Listing:
    """The flags of exactly these keys: one request for each up to `most` keys, the whole list beyond."""
    wanted = sorted(set(keys))
    if len(wanted) > most:
        return (await read_list(client, include_archived=include_archived, progress=progress)).only(wanted)

    async def one(key: str) -> Listing:
        return await read_list(client, key=key, include_archived=include_archived, progress=progress)

    found = Listing()
    for listing in await map_bounded(one, wanted, limit=client.concurrency):
        found.join(listing)
    return found.only(wanted)


async def find_including_archived(
    client: Client, keys: Iterable[str], *, most: int, progress: Progress | None = None
) -> list[LiveFlag]:
    """The flags of keys that the plain list did not show, archived ones included and marked so.

    Where the server marks none, an archived flag is told from one that the pages missed by asking once more without
    archived ones.
    """
    shown = await look_up(client, keys, include_archived=True, most=most, progress=progress)
    unmarked = {shown.flags[flag_id].key for flag_id in shown.unmarked}
    plain = await look_up(client, unmarked, include_archived=False, most=most, progress=progress)
    return [
        with_archived(flag, is_archived=flag.id not in plain.flags) if flag.id in shown.unmarked else flag
        for flag in shown.flags.values()
    ]


def with_archived(flag: LiveFlag, *, is_archived: bool) -> LiveFlag:
    """The flag with its archived state as it was found out."""
    return replace(flag, spec=replace(flag.spec, archived=is_archived))


def by_key(flags: Iterable[LiveFlag]) -> tuple[dict[str, LiveFlag], dict[str, tuple[str, ...]]]:
    """Flags by key, sorted; and the ids where several claim one key. A live flag counts before archived ones."""
    claims: dict[str, list[LiveFlag]] = {}
    for flag in flags:
        claims.setdefault(flag.key, []).append(flag)
    chosen: dict[str, LiveFlag] = {}
    duplicates: dict[str, tuple[str, ...]] = {}
    for key, claimants in sorted(claims.items()):
        best = [flag for flag in claimants if not flag.spec.archived] or claimants
        if len(best) == 1:
            chosen[key] = best[0]
        else:
            duplicates[key] = tuple(sorted(flag.id for flag in best))
    return chosen, duplicates
