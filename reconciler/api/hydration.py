"""Reading what the list does not show of flags, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from reconciler.api.pages import map_bounded
from reconciler.errors import NOT_FOUND, BudgetError, InvalidResponseError, RejectedError
from reconciler.model.flag import UNSET, Unset
from reconciler.model.reads import VARIANTS
from reconciler.progress import Progress
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from reconciler.api.client import Client
    from reconciler.api.member_cache import MemberCache
    from reconciler.model.flag import LiveFlag, Variant
    from reconciler.model.reads import Read
    from reconciler.strict_json import Json

T = TypeVar("T")


async def hydrate(
    client: Client,
    flags: Sequence[LiveFlag],
    needs: Callable[[LiveFlag], Iterable[Read]],
    *,
    progress: Progress | None = None,
    cache: MemberCache | None = None,
    faulty: dict[str, InvalidResponseError] | None = None,
) -> list[LiveFlag]:
    """The flags, in their order, with what the reads show that `needs` gives for each.

    Those of variants are made first; then `needs` is asked again for the lists, since only now all variants are
    known. A variant field that endpoint 5 does not show either is empty; what the server hides of an archived flag
    (404) stays not shown. `progress` counts the reads.
    Lists that `cache` knows are not read, and those that are read are kept there. Raises ApiErrors; of an answer
    that is malformed only where `faulty` is None, which else takes the error by the id of its flag, left out then.
    """
    incomplete = [flag for flag in flags if any(read.kind == VARIANTS for read in needs(flag))]
    progress = progress or Progress()
    progress.expect(len(incomplete))

    async def read_variants(flag: LiveFlag) -> LiveFlag:
        variants = await _unless_hidden(flag, client.list_variants(flag.id), faulty)
        progress.advance()
        return flag if isinstance(variants, Unset) else _with_variants(flag, _completed(variants, flag))

    read = await map_bounded(read_variants, incomplete, limit=client.concurrency)
    by_id = {flag.id: flag for flag in read}
    flags = [by_id.get(flag.id, flag) for flag in flags if not faulty or flag.id not in faulty]
    lists = [(flag, read) for flag in flags for read in needs(flag) if read.kind != VARIANTS]
    complete = await _with_inclusions(client, flags, lists, progress=progress, cache=cache, faulty=faulty)
    return [flag for flag in complete if not faulty or flag.id not in faulty]


async def _with_inclusions(
    client: Client,
    flags: Sequence[LiveFlag],
    lists: Sequence[tuple[LiveFlag, Read]],
    *,
    progress: Progress,
    cache: MemberCache | None,
    faulty: dict[str, InvalidResponseError] | None,
) -> list[LiveFlag]:
    known = [cache.find(flag, read.variant, read.kind) if cache else None for flag, read in lists]
    unknown = [item for item, members in zip(lists, known, strict=True) if members is None]
    progress.expect(len(unknown))

    async def read_members(item: tuple[LiveFlag, Read]) -> tuple[str, ...] | Unset:
        flag, read = item
        listing = client.list_users if read.kind == "users" else client.list_cohorts
        members = await _unless_hidden(flag, listing(flag.id, read.variant), faulty)
        progress.advance()
        if cache is not None and not isinstance(members, Unset):
            cache.keep(flag, read.variant, read.kind, members)
        return members

    found: dict[str, dict[tuple[str, str], tuple[str, ...] | Unset]] = {}
    needed = client.requests + len(unknown)
    try:
        answers = iter(await map_bounded(read_members, unknown, limit=client.concurrency))
    except BudgetError as error:
        raise error.also(
            f"To read what is declared takes at least {counted(needed, 'request')} in one run."
        ) from error
    for (flag, read), members in zip(lists, known, strict=True):
        found.setdefault(flag.id, {})[read.variant, read.kind] = next(answers) if members is None else members
    return [_with_members(flag, found[flag.id]) if flag.id in found else flag for flag in flags]


async def _unless_hidden(
    flag: LiveFlag, read: Awaitable[T], faulty: dict[str, InvalidResponseError] | None
) -> T | Unset:
    try:
        return await read
    except InvalidResponseError as error:
        if faulty is None:
            raise
        faulty[flag.id] = error
        return UNSET
    except RejectedError as error:
        if flag.spec.archived and error.status == NOT_FOUND:
            return UNSET
        raise


def _completed(variants: Sequence[Variant], flag: LiveFlag) -> tuple[Variant, ...]:
    """Endpoint 5's variants; what it hides is taken from the list, and what both hide is empty."""
    listed = {item.key: item for item in flag.spec.variants or ()}
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
            for item in flag.spec.variants or ()
        ),
    )


def _with_variants(flag: LiveFlag, variants: tuple[Variant, ...]) -> LiveFlag:
    return replace(flag, spec=replace(flag.spec, variants=variants))
