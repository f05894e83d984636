"""How many users of a file get what, live and desired, and how many a plan would move. Holds counts, no users."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from reconciler.diagnostics import Diagnostic
from reconciler.errors import InvalidInputError
from reconciler.evaluation.rules import OFF, variant_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.evaluation.result import Ground, Standing, Verdict
    from reconciler.evaluation.users import User
    from reconciler.planning.comparison import Sides

MOST_FINDINGS = 20
"""After so many lines that are no users the rest is not read."""

VariantKey: TypeAlias = str | None
"""A variant's key, `off`, or None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some of the users, and their part of all (0 where there are none)."""

    count: int
    part: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """How many users have a variant live and desired."""

    variant: VariantKey
    live: Share
    desired: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """How many users get what they get for one reason, live and desired."""

    ground: Ground
    segment: str | None
    standing: Standing | None
    live: Share
    desired: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Users who have one variant live and another, or the same, desired."""

    live: VariantKey
    desired: VariantKey
    share: Share

    @property
    def moves(self) -> bool:
        """Whether these users are known to change variant."""
        return self.live != self.desired and None not in {self.live, self.desired}


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """All users of a file. Variants come in the flag's order, `off` and what is not known last; cells likewise.

    `moved` counts those who change variant, `undecided` those of whom a side is not known. `notes` are what cannot
    be known, each with the number of users it holds for.
    """

    total: int
    variants: tuple[VariantRow, ...]
    reasons: tuple[ReasonRow, ...]
    matrix: tuple[Cell, ...]
    moved: Share
    undecided: Share
    notes: tuple[tuple[str, int], ...] = ()


_Reason: TypeAlias = "tuple[Ground, str | None, Standing | None]"
_Side: TypeAlias = "tuple[VariantKey, _Reason]"


def take_census(sides: Sides, users: Iterable[User | Diagnostic]) -> Census:
    """Count the users. Memory does not grow with their number.

    Raises InvalidInputError with the first MOST_FINDINGS lines that are no users.
    """
    pairs: Counter[tuple[_Side, _Side]] = Counter()
    notes: Counter[str] = Counter()
    findings: list[Diagnostic] = []
    for user in users:
        if isinstance(user, Diagnostic):
            findings.append(user)
            if len(findings) == MOST_FINDINGS:
                break
            continue
        live = sides.live.judge(user)
        desired = live if sides.desired is sides.live else sides.desired.judge(user)
        pairs[_side(live), _side(desired)] += 1
        if live.notes or desired.notes:
            notes.update({*live.notes, *desired.notes})
    if findings:
        raise InvalidInputError("The file of users holds lines that are no users; nothing was counted.", findings)
    return _census(sides, pairs, notes)


def _side(verdict: Verdict) -> _Side:
    return verdict.variant, (verdict.ground, verdict.segment, verdict.standing)


def _census(sides: Sides, pairs: Counter[tuple[_Side, _Side]], notes: Counter[str]) -> Census:
    total = pairs.total()
    cells: Counter[tuple[VariantKey, VariantKey]] = Counter()
    reasons: tuple[Counter[_Reason], Counter[_Reason]] = Counter(), Counter()
    for ((x, why), (y, why_then)), count in pairs.items():
        cells[x, y] += count
        reasons[0][why] += count
        reasons[1][why_then] += count
    order = _order(sides, cells)
    matrix = tuple(
        Cell(live=x, desired=y, share=_share(cells[x, y], total)) for x in order for y in order if cells[x, y]
    )
    return Census(
        total=total,
        variants=tuple(_variant_row(variant, matrix, total) for variant in order),
        reasons=_reason_rows(sides, reasons, total),
        matrix=matrix,
        moved=_share(sum(cell.share.count for cell in matrix if cell.moves), total),
        undecided=_share(sum(cell.share.count for cell in matrix if None in {cell.live, cell.desired}), total),
        notes=tuple(sorted(notes.items(), key=lambda item: (-item[1], item[0]))),
    )


def _share(count: int, total: int) -> Share:
    return Share(count=count, part=Fraction(count, total) if total else Fraction(0))


def _order(sides: Sides, cells: Counter[tuple[VariantKey, VariantKey]]) -> list[VariantKey]:
    """Every variant of either side, those that nobody gets too; None only where somebody is not known."""
    order: dict[VariantKey, None] = {}
    for spec in (sides.before, sides.after):
        order |= dict.fromkeys(variant_keys(spec) if spec else ())
    order[OFF] = None
    return [*order, *([None] if any(None in cell for cell in cells) else [])]


def _variant_row(variant: VariantKey, matrix: tuple[Cell, ...], total: int) -> VariantRow:
    live = sum(cell.share.count for cell in matrix if cell.live == variant)
    desired = sum(cell.share.count for cell in matrix if cell.desired == variant)
    return VariantRow(variant=variant, live=_share(live, total), desired=_share(desired, total))


def _reason_rows(
    sides: Sides, reasons: tuple[Counter[_Reason], Counter[_Reason]], total: int
) -> tuple[ReasonRow, ...]:
    """In the order in which reasons are asked, segments in theirs."""
    segments = [
        segment.name for spec in (sides.before, sides.after) if spec for segment in spec.target_segments or ()
    ]
    found = {*reasons[0], *reasons[1]}

    def rank(reason: _Reason) -> tuple[int, int, int]:
        ground, segment, standing = reason
        place = segments.index(segment) if segment in segments else len(segments)
        return list(type(ground)).index(ground), place, list(type(standing)).index(standing) if standing else 0

    return tuple(
        ReasonRow(
            ground=reason[0],
            segment=reason[1],
            standing=reason[2],
            live=_share(reasons[0][reason], total),
            desired=_share(reasons[1][reason], total),
        )
        for reason in sorted(found, key=rank)
    )
