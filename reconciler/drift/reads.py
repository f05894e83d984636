"""The reads that a comparison needs beyond the list, counted before they are made, and what is left without them.

A declaration from which the fields behind a read are taken away is compared, and hydrated, without that read. So a
budget is kept by declaring less, and what was taken away is known by name.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.canonical import pair_variants, paired_variants
from reconciler.model import UNSET, Unset, Variant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import FlagSpec, LiveFlag

_FIELDS = ("name", "description", "payload")
VARIANT_FIELDS = "variants"


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """One read of a declared flag.

    `kind` is `variants` ("List variants": the fields of all of them, `variant` is ""), or the `users` or `cohorts` of
    a variant, named by its declared key.
    """

    key: str
    variant: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The reads that a budget allows, and those that it does not, sorted.

    `waiting` counts the reads that take turns; `turn` are those of them that are chosen, in the order of turns.
    """

    chosen: frozenset[Read]
    skipped: tuple[Read, ...]
    turn: tuple[Read, ...] = ()
    waiting: int = 0

    def skipped_of(self, key: str) -> tuple[Read, ...]:
        """The reads of a flag that are not made."""
        start = bisect_left(self.skipped, Read(key, "", ""))
        return tuple(takewhile(lambda read: read.key == key, self.skipped[start:]))


def reads_needed(declared: FlagSpec, live: LiveFlag) -> tuple[Read, ...]:
    """The reads that planning makes of a live flag for its declaration: those of `api.hydration.hydrate`."""
    if live.spec.archived and isinstance(declared.archived, Unset):
        return ()
    return tuple(_reads(declared, live))


def without_reads(declared: FlagSpec, live: LiveFlag, skipped: Collection[Read]) -> FlagSpec:
    """The declaration without the fields that only these reads of the flag show."""
    if isinstance(declared.variants, Unset) or not skipped:
        return declared
    gone = {(read.variant, read.kind) for read in skipped}
    live_variants = pair_variants(declared, live.spec)
    variants = tuple(_reduced(variant, live_variants.get(variant.key), gone) for variant in declared.variants)
    return replace(declared, variants=variants)


def bare(declared: FlagSpec) -> FlagSpec:
    """The declaration with the keys of its variants alone: compared, it needs no read beyond the list."""
    if isinstance(declared.variants, Unset):
        return declared
    keys = tuple(Variant(key=item.key, renamed_from=item.renamed_from) for item in declared.variants)
    return replace(declared, variants=keys)


def paths_of(read: Read, declared: FlagSpec, live: LiveFlag) -> Iterator[str]:
    """The declared fields that only this read shows, as JSON Pointers of changes."""
    if read.kind != VARIANT_FIELDS:
        yield f"/variants/{read.variant}/inclusions/{read.kind}"
        return
    for wanted, found in paired_variants(declared, live.spec):
        yield from (f"/variants/{wanted.key}/{name}" for name in _hidden(wanted, found))


def choose(needed: Collection[Read], room: int | None, *, first: Collection[str], after: Read | None) -> Choice:
    """Which of the needed reads are made when there is room for so many (None: for all).

    Half of the room at most goes to the flags in `first`. All others take turns, beginning behind `after`, where the
    last run ended, so that every read has its turn however many are urgent.
    """
    ordered = sorted(needed)
    if room is None or len(ordered) <= room:
        return Choice(chosen=frozenset(ordered), skipped=(), turn=tuple(ordered), waiting=len(ordered))
    urgent = frozenset(_from(after, [read for read in ordered if read.key in first])[: room // 2])
    turn = _from(after, [read for read in ordered if read not in urgent])[: room - len(urgent)]
    chosen = urgent.union(turn)
    skipped = tuple(read for read in ordered if read not in chosen)
    return Choice(chosen=chosen, skipped=skipped, turn=tuple(turn), waiting=len(ordered))


def _from(after: Read | None, ordered: list[Read]) -> list[Read]:
    """The reads beginning with the first behind `after`, round to it."""
    start = 0 if after is None else bisect_right(ordered, after)
    return ordered[start:] + ordered[:start]


def _reads(declared: FlagSpec, live: LiveFlag) -> Iterator[Read]:
    known = tuple(paired_variants(declared, live.spec))
    hides_all = not isinstance(declared.variants, Unset) and isinstance(live.spec.variants, Unset)
    if hides_all or any(_hidden(wanted, found) for wanted, found in known):
        yield Read(declared.key, "", VARIANT_FIELDS)
    for wanted, _ in known:
        for kind in ("users", "cohorts"):
            if not isinstance(getattr(wanted, kind), Unset):
                yield Read(declared.key, wanted.key, kind)


def _hidden(wanted: Variant, found: Variant) -> tuple[str, ...]:
    return tuple(
        name
        for name in _FIELDS
        if not isinstance(getattr(wanted, name), Unset) and isinstance(getattr(found, name), Unset)
    )


def _reduced(variant: Variant, live: Variant | None, gone: set[tuple[str, str]]) -> Variant:
    if live is None:
        return variant
    names = {kind for kind in ("users", "cohorts") if (variant.key, kind) in gone}
    if ("", VARIANT_FIELDS) in gone:
        names |= set(_hidden(variant, live))
    unset: dict[str, Any] = dict.fromkeys(names, UNSET)
    return replace(variant, **unset)
