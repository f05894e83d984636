"""The reads that show what the list of flags does not, as values: which are needed is known before any is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from reconciler.model.canonical import paired_variants
from reconciler.model.fields import VARIANT_FIELDS, is_path_segment
from reconciler.model.flag import UNSET, MemberKind, Unset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model.flag import FlagSpec, Variant

VARIANTS: Final = "variants"
MEMBERS: Final[tuple[MemberKind, ...]] = ("users", "cohorts")
SHOWN_BY_READS: Final = (*VARIANT_FIELDS, *MEMBERS)
"""The fields of a variant that a list of flags may leave out."""


class Read(Struct, frozen=True, order=True):
    """One read of a live flag, named by its key.

    `kind` is `variants` ("List variants": the name, description and payload of all of them; `variant` is ""), or the
    `users` or `cohorts` of the variant that `variant` names by its live key.
    """

    key: str
    variant: str
    kind: str


def reads_of(live: FlagSpec, wanted: Iterable[tuple[Variant, str]]) -> tuple[Read, ...]:
    """The reads that show these fields of live variants, as far as they are not shown yet; each once.

    Where the list does not show variants at all, that is the read of them: what else is needed is known afterwards.
    The lists of a variant whose key cannot stand in a path cannot be read.
    """
    if isinstance(live.variants, Unset):
        return (Read(live.key, "", VARIANTS),)
    hidden = (
        _showing(live, variant, name)
        for variant, name in wanted
        if getattr(variant, name) is UNSET and (name not in MEMBERS or is_path_segment(variant.key))
    )
    return tuple(dict.fromkeys(hidden))


def reads_needed(declared: FlagSpec | None, live: FlagSpec) -> tuple[Read, ...]:
    """The reads that comparing a live flag with its declaration takes (None: it is not declared).

    Of an archived flag none, unless the declaration brings it back: its fields do not matter then.
    """
    if declared is None or isinstance(declared.variants, Unset):
        return ()
    if live.archived and declared.archived is not False:
        return ()
    return reads_of(live, ((found, name) for _, found, name in hidden_fields(declared, live)))


def hidden_fields(declared: FlagSpec, live: FlagSpec) -> Iterator[tuple[Variant, Variant, str]]:
    """The declared fields of variants that are not shown: the declared variant, the live one, the field's name."""
    for wanted, found in paired_variants(declared, live):
        for name in SHOWN_BY_READS:
            if getattr(found, name) is UNSET and getattr(wanted, name) is not UNSET:
                yield wanted, found, name


def declared_lists(declared: FlagSpec) -> Iterator[tuple[Variant, str]]:
    """The lists of users and cohorts that a declaration names: no list of flags ever shows them."""
    for variant in declared.variants or ():
        yield from ((variant, name) for name in MEMBERS if getattr(variant, name) is not UNSET)


def paths_of(read: Read, declared: FlagSpec, live: FlagSpec) -> Iterator[str]:
    """The declared fields that only this read shows, as JSON Pointers of changes."""
    for wanted, found, name in hidden_fields(declared, live):
        if _showing(live, found, name) == read:
            yield path_of(wanted, name)


def path_of(variant: Variant, name: str) -> str:
    """The JSON Pointer of a field of a variant, as changes have it."""
    return f"/variants/{variant.key}/{'inclusions/' if name in MEMBERS else ''}{name}"


def _showing(live: FlagSpec, variant: Variant, name: str) -> Read:
    return Read(live.key, variant.key, name) if name in MEMBERS else Read(live.key, "", VARIANTS)
