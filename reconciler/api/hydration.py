"""Reading what the list does not show, of the flags whose declaration needs it and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from reconciler.api.parallel import map_bounded
from reconciler.canonical import paired_variants
from reconciler.errors import NOT_FOUND, RejectedError
from reconciler.model import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from reconciler.api.client import Client
    from reconciler.api.member_cache import MemberCache
    from reconciler.model import FlagSpec, Json, LiveFlag, Variant

T = TypeVar("T")


class _Members(Struct, frozen=True):
    """One list of inclusions to read. `kind` is the field of Variant that it fills."""

    flag: LiveFlag
    variant: str
    kind: str


async def hydrate(
    client: Client,
    flags: Sequence[LiveFlag],
    declared: Mapping[str, FlagSpec],
    *,
    expect: Callable[[int], None] = lambda _: None,
    on_read: Callable[[], None] = lambda: None,
    cache: MemberCache | None = None,
) -> list[LiveFlag]:
    """The flags, in their order, with every variant field and inclusion that their declarations name.

    Endpoint 5 for flags of which the list hides a declared variant field, 7 and 8 for live variants that declare
    users or cohorts. A variant field that endpoint 5 does not show either is empty; what the server hides of an
    archived flag (404) stays not shown. `expect` is told how many
    reads there will be, as far as that is known; `on_read` of each. Lists that `cache` knows are not read, and those
    that are read are kept there.
    """
    incomplete = [flag for flag in flags if _needs_variants(declared.get(flag.key), flag)]
    expect(len(incomplete))

    async def read_variants(flag: LiveFlag) -> LiveFlag:
        variants = await _unless_hidden(flag, client.list_variants(flag.id))
        on_read()
        return flag if isinstance(variants, Unset) else _with_variants(flag, _completed(variants, flag))

    read = await map_bounded(read_variants, incomplete, limit=client.concurrency)
    by_id = {flag.id: flag for flag in read}
    flags = [by_id.get(flag.id, flag) for flag in flags]
    return await _with_inclusions(client, flags, declared, expect=expect, on_read=on_read, cache=cache)


async def _with_inclusions(
    client: Client,
    flags: Sequence[LiveFlag],
    declared: Mapping[str, FlagSpec],
    *,
    expect: Callable[[int], None],
    on_read: Callable[[], None],
    cache: MemberCache | None,
) -> list[LiveFlag]:
    lists = [item for flag in flags for item in _members_needed(declared.get(flag.key), flag)]
    known = [cache.find(item.flag, item.variant, item.kind) if cache else None for item in lists]
    unknown = [item for item, members in zip(lists, known, strict=True) if members is None]
    expect(len(unknown))

    async def read_members(item: _Members) -> tuple[str, ...] | Unset:
        read = client.list_users if item.kind == "users" else client.list_cohorts
        members = await _unless_hidden(item.flag, read(item.flag.id, item.variant))
        on_read()
        if cache is not None and not isinstance(members, Unset):
            cache.keep(item.flag, item.variant, item.kind, members)
        return members

    found: dict[str, dict[tuple[str, str], tuple[str, ...] | Unset]] = {}
    read = iter(await map_bounded(read_members, unknown, limit=client.concurrency))
    for item, members in zip(lists, known, strict=True):
        found.setdefault(item.flag.id, {})[item.variant, item.kind] = next(read) if members is None else members
    return [_with_members(flag, found[flag.id]) if flag.id in found else flag for flag in flags]


async def _unless_hidden(flag: LiveFlag, read: Awaitable[T]) -> T | Unset:
    try:
        return await read
    except RejectedError as error:
        if flag.spec.archived and error.status == NOT_FOUND:
            return UNSET
        raise


def _is_compared(declared: FlagSpec | None, flag: LiveFlag) -> bool:
    """Whether the flag's fields matter at all: of an archived one only where the declaration speaks of that."""
    return declared is not None and not (flag.spec.archived and isinstance(declared.archived, Unset))


def _needs_variants(declared: FlagSpec | None, flag: LiveFlag) -> bool:
    if declared is None or isinstance(declared.variants, Unset) or not _is_compared(declared, flag):
        return False
    if isinstance(flag.spec.variants, Unset):
        return True
    return any(
        (wanted.name is not UNSET and found.name is UNSET)
        or (wanted.description is not UNSET and found.description is UNSET)
        or (wanted.payload is not UNSET and found.payload is UNSET)
        for wanted, found in paired_variants(declared, flag.spec)
    )


def _members_needed(declared: FlagSpec | None, flag: LiveFlag) -> Iterator[_Members]:
    if declared is None or not _says_members(declared) or not _is_compared(declared, flag):
        return
    for wanted, found in paired_variants(declared, flag.spec):
        if not isinstance(wanted.users, Unset):
            yield _Members(flag, found.key, "users")
        if not isinstance(wanted.cohorts, Unset):
            yield _Members(flag, found.key, "cohorts")


def _says_members(declared: FlagSpec) -> bool:
    return any(item.users is not UNSET or item.cohorts is not UNSET for item in declared.variants or ())


def _completed(variants: Sequence[Variant], flag: LiveFlag) -> tuple[Variant, ...]:
    """Endpoint 5's variants; what it hides is taken from the list, and what both hide is empty."""
    listed = {item.key: item for item in (() if isinstance(flag.spec.variants, Unset) else flag.spec.variants)}
    return tuple(_filled(variant, listed.get(variant.key)) for variant in variants)


def _filled(variant: Variant, listed: Variant | None) -> Variant:
    def known(name: str, otherwise: Json) -> Json:
        shown = getattr(variant, name)
        if isinstance(shown, Unset):
            shown = getattr(listed, name, UNSET)
        return otherwise if isinstance(shown, Unset) else shown

    return replace(
        variant,
        name=known("name", ""),
        description=known("description", ""),
        payload=known("payload", None),
    )


def _with_members(flag: LiveFlag, members: Mapping[tuple[str, str], tuple[str, ...] | Unset]) -> LiveFlag:
    return _with_variants(
        flag,
        tuple(
            replace(
                item,
                users=members.get((item.key, "users"), item.users),
                cohorts=members.get((item.key, "cohorts"), item.cohorts),
            )
            for item in (() if isinstance(flag.spec.variants, Unset) else flag.spec.variants)
        ),
    )


def _with_variants(flag: LiveFlag, variants: tuple[Variant, ...]) -> LiveFlag:
    return replace(flag, spec=replace(flag.spec, variants=variants))
