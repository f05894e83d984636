"""The refresh: the live state as far as the declaration needs it, with the fewest reads; and the same view again.

The list comes by pages of 1,000. Only what the declaration names and the list hides is read beyond it. A few
targets are looked up instead of the list. Nothing is called absent because a list did not show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.api.hydration import hydrate
from reconciler.api.listing import FEW_KEYS, by_key, find_including_archived, look_up, read_list, refuse_unread
from reconciler.errors import ApiError
from reconciler.model.config import has_wildcard, matcher
from reconciler.model.flag import LiveState, Unset
from reconciler.model.reads import reads_needed
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reconciler.api.client import Client
    from reconciler.api.listing import Listing
    from reconciler.api.member_cache import MemberCache
    from reconciler.model.flag import DesiredState, FlagSpec, LiveFlag
    from reconciler.model.reads import Read

SET_ASIDE = "It is set aside: nothing is planned for it, and which flags it depends on is not known."

MOST_LOOKED_UP = 10
"""So many targets without a wildcard are looked up by key instead of reading the list."""


async def fetch_live_state(
    client: Client,
    desired: DesiredState,
    *,
    targets: tuple[str, ...] = (),
    is_wanted: Callable[[str], bool] = lambda _: True,
    whole_project: bool = False,
    hydrates: bool = True,
    progress: Progress | None = None,
    cache: MemberCache | None = None,
) -> LiveState:
    """The live state of the client's project, as far as `desired` and `targets` (globs of keys) need it.

    Declared keys within the targets, and targets without a wildcard, that the list does not show are looked up,
    archived flags included. With at most 10 targets and no wildcard in them nothing but those keys is read, and the
    state is not complete, unless the `whole_project` is asked for. Inclusions and hidden variant fields are read of
    declared flags within the targets only, and only if it `hydrates`; `is_wanted` narrows those further (a shard),
    and inclusions that `cache` knows are not read. `requests` counts every attempt that was sent for it.
    Raises ApiErrors; a malformed answer ends the refresh, it is never taken for nothing.
    """
    sent, progress = client.requests, progress or Progress()
    progress.start("Reading flags")
    wanted = [key for key in filter(matcher(targets), desired.flags) if is_wanted(key)]
    many = len(targets) > MOST_LOOKED_UP or any(map(has_wildcard, targets))
    is_complete = whole_project or not targets or many
    if is_complete:
        listing = await read_list(client, progress=progress)
        pages = listing.pages
    else:
        listing = await look_up(client, targets, include_archived=False, most=len(targets), progress=progress)
        pages = MOST_LOOKED_UP
    aside = _set_aside(listing, wanted, [key for key in targets if has_wildcard(key) or is_wanted(key)])
    named = [key for key in targets if not has_wildcard(key) and is_wanted(key)]
    absent = {*wanted, *named} - {flag.key for flag in listing.flags.values()}
    hidden = await find_including_archived(client, absent, most=max(pages, FEW_KEYS), progress=progress)
    progress.expect(0)
    flags, duplicates = by_key([*listing.flags.values(), *hidden])
    shows_tags = _shows_tags(flags.values())
    needs = _needs_of({key: desired.flags[key].spec for key in wanted} if hydrates else {})
    progress.what = "Reading variants and inclusions"
    hydrated = await hydrate(client, list(flags.values()), needs, progress=progress, cache=cache)
    return LiveState(
        project_id=client.project_id,
        flags={flag.key: _with_tags(flag, shows_tags=shows_tags) for flag in hydrated},
        duplicates=duplicates,
        is_complete=is_complete,
        shows_tags=shows_tags,
        pages=pages,
        requests=client.requests - sent,
        warnings=(*aside, *_look_alikes(set(wanted) - flags.keys(), flags)),
    )


def _set_aside(listing: Listing, declared: Iterable[str], targets: Sequence[str]) -> tuple[str, ...]:
    """Warnings of flags that cannot be read. Raises InvalidResponseError where one is declared or targeted."""
    is_target = matcher(tuple(targets))
    targeted = {item.key for item in listing.unread if targets and item.key is not None and is_target(item.key)}
    refuse_unread(listing, targeted.union(declared))
    return tuple(f"{item} {SET_ASIDE}" for item in listing.unread)


async def refetch(
    client: Client,
    flags: Sequence[LiveFlag],
    desired: DesiredState,
    *,
    pages: int,
    progress: Progress | None = None,
    duplicates: dict[str, tuple[str, ...]] | None = None,
) -> Mapping[str, LiveFlag | None]:
    """The same view again of just these flags, by key; None for one that is there no more under its id.

    `duplicates` gets the ids of each key that several live flags carry.

    `pages` is LiveState.pages: so many list requests show the project, and that is done where it is fewer than one
    look-up for each flag. The list is asked, by key, rather than "Get details", because details show other fields:
    two views could not be compared. `progress` counts the reads of what the list hides.
    """
    ids = {flag.key: flag.id for flag in flags}
    archived = {flag.key for flag in flags if flag.spec.archived}
    visible = ids.keys() - archived
    listing = await look_up(client, visible, include_archived=False, most=pages)
    found = dict(listing.flags)
    absent = {key for key, flag_id in ids.items() if flag_id not in found}
    found |= {flag.id: flag for flag in await find_including_archived(client, absent, most=max(pages, FEW_KEYS))}
    declared = {key: desired.flags[key].spec for key in ids if key in desired.flags}
    if duplicates is not None:
        duplicates |= by_key(found.values())[1]
    again = [found[flag_id] for flag_id in ids.values() if flag_id in found]
    shows_tags = _shows_tags([*flags, *again])
    complete = await hydrate(client, again, _needs_of(declared), progress=progress)
    hydrated = {flag.id: flag for flag in complete}
    return {
        key: _with_tags(hydrated[flag_id], shows_tags=shows_tags) if flag_id in hydrated else None
        for key, flag_id in ids.items()
    }


async def find_flag(client: Client, key: str) -> LiveFlag | None:
    """The flag of exactly this key, archived or not, without its inclusions; None when the key is free.

    Raises ApiError with every id where several live flags carry the key: which one is meant is unknown.
    """
    found = await find_including_archived(client, [key], most=1)
    flags, duplicates = by_key(found)
    if key in duplicates:
        raise ApiError(
            f'{len(duplicates[key])} flags carry the key "{key}" (ids {", ".join(duplicates[key])}): archive all but'
            " one in Amplitude."
        )
    return flags.get(key)


def _needs_of(declared: Mapping[str, FlagSpec]) -> Callable[[LiveFlag], Iterable[Read]]:
    return lambda flag: reads_needed(declared.get(flag.key), flag.spec)


def _shows_tags(flags: Iterable[LiveFlag]) -> bool:
    """Whether the server shows tags at all; true where there is no flag."""
    shown = [not isinstance(flag.spec.tags, Unset) for flag in flags]
    return any(shown) or not shown


def _with_tags(flag: LiveFlag, *, shows_tags: bool) -> LiveFlag:
    """The flag, its tags empty where the server shows tags but leaves out those of a flag that has none."""
    if shows_tags and isinstance(flag.spec.tags, Unset):
        return replace(flag, spec=replace(flag.spec, tags=()))
    return flag


def _look_alikes(absent: Iterable[str], flags: Mapping[str, LiveFlag]) -> Iterable[str]:
    folded = {key.casefold(): key for key in flags}
    for key in sorted(absent):
        other = folded.get(key.casefold())
        if other is not None:
            yield f'The declared flag "{key}" does not exist, but "{other}" does: keys differ by case alone.'
