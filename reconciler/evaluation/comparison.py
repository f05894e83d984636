"""A flag live and desired, evaluated for one user, or for the users of a file in numbers. Holds counts, no users."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from reconciler.diagnostics import Diagnostic
from reconciler.errors import InvalidInputError
from reconciler.evaluation.evaluate import Evaluator, FlagWithParents
from reconciler.evaluation.result import Allocation, Reason
from reconciler.evaluation.rules import is_on, segments_of, variant_keys
from reconciler.model.flag import OFF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.evaluation.result import Result
    from reconciler.evaluation.users import User
    from reconciler.model.config import Config
    from reconciler.model.flag import FlagSpec
    from reconciler.strict_json import Json

STICKY = "Sticky bucketing (remote only), which the flags API does not show, is not evaluated."


class Comparison(Struct, frozen=True, kw_only=True):
    """A flag on both sides, each together with the flags that it depends on there.

    `flag_id` is None where the flag is not live. Where nothing differs, both sides are the same object. `notes` hold
    for every user.
    """

    key: str
    flag_id: str | None
    is_declared: bool
    live: Evaluator
    desired: Evaluator
    notes: tuple[str, ...] = ()


class UserReport(Struct, frozen=True, kw_only=True):
    """What one user gets on both sides. `fields` describe the user as they were given."""

    comparison: Comparison
    config: Config
    fields: Mapping[str, Json]
    live: Result
    desired: Result


def compare(
    key: str, live: FlagWithParents, desired: FlagWithParents, *, is_declared: bool, notes: Iterable[str] = ()
) -> Comparison:
    """Both sides of a flag, prepared. `notes` come first; what the two states themselves give is added."""
    before, after = (side.flag.spec if side.flag else None for side in (live, desired))
    evaluator = Evaluator(live)
    return Comparison(
        key=key,
        flag_id=live.flag.id if live.flag else None,
        is_declared=is_declared,
        live=evaluator,
        desired=evaluator if desired == live else Evaluator(desired),
        notes=(*notes, *_parent_notes(live, desired), *_state_notes(before, after)),
    )


def _parent_notes(live: FlagWithParents, desired: FlagWithParents) -> Iterator[str]:
    for old, new in zip(live.parents, desired.parents, strict=True):
        if old != new:
            yield f'Flag "{old.key}", which it depends on, is changed by a plan too: desired counts with that.'


def _state_notes(before: FlagSpec | None, after: FlagSpec | None) -> Iterator[str]:
    if after is not None and after.deployments == ():
        yield "The flag is attached to no deployment, so no SDK is given it."
    elif before is not None and before.deployments == ():
        yield "Live, the flag is attached to no deployment, so no SDK is given it."
    if any(spec is not None and is_on(spec) for spec in (before, after)):
        yield STICKY


MOST_FINDINGS = 20
"""After so many invalid lines the rest is not read."""

VariantKey: TypeAlias = str | None
"""A variant's key, `off`, or None: unknown."""


class UserCount(Struct, frozen=True, kw_only=True):
    """A number of users, and their share of all (0 where there are none)."""

    count: int
    share: Fraction


class VariantRow(Struct, frozen=True, kw_only=True):
    """How many users have a variant live and desired."""

    variant: VariantKey
    live: UserCount
    desired: UserCount


class ReasonRow(Struct, frozen=True, kw_only=True):
    """How many users get their variant for one reason, live and desired."""

    reason: Reason
    segment: str | None
    allocation: Allocation | None
    live: UserCount
    desired: UserCount


class Cell(Struct, frozen=True, kw_only=True):
    """Users who have one variant live and another, or the same, desired."""

    live: VariantKey
    desired: VariantKey
    users: UserCount

    @property
    def moves(self) -> bool:
        """Whether these users are known to change variant."""
        return self.live != self.desired and not self.is_unknown

    @property
    def is_unknown(self) -> bool:
        """Whether the variant of one side is unknown."""
        return None in {self.live, self.desired}


class Summary(Struct, frozen=True, kw_only=True):
    """All users of a file. Variants come in the flag's order, then `off` and unknown ones; cells likewise.

    `moved` counts those who change variant, `undecided` those for whom a side is unknown. `notes` say what is
    unknown, each with the number of users it holds for.
    """

    total: int
    variants: tuple[VariantRow, ...]
    reasons: tuple[ReasonRow, ...]
    matrix: tuple[Cell, ...]
    moved: UserCount
    undecided: UserCount
    notes: tuple[tuple[str, int], ...]


class UsersReport(Struct, frozen=True, kw_only=True):
    """What the users of a file get on both sides."""

    comparison: Comparison
    config: Config
    file: str
    summary: Summary


_Why: TypeAlias = tuple[Reason, str | None, Allocation | None]
_Side: TypeAlias = tuple[VariantKey, _Why]


def summarize(comparison: Comparison, users: Iterable[User | Diagnostic]) -> Summary:
    """Evaluate and count the users. Memory does not grow with their number.

    Raises InvalidInputError with the first MOST_FINDINGS invalid lines.
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
        live = comparison.live.evaluate(user)
        desired = live if comparison.desired is comparison.live else comparison.desired.evaluate(user)
        pairs[_side(live), _side(desired)] += 1
        if live.notes or desired.notes:
            notes.update({*live.notes, *desired.notes})
    if findings:
        raise InvalidInputError("The file of users holds lines that are no users; nothing was counted.", findings)
    return _summary(comparison, pairs, notes)


def _side(result: Result) -> _Side:
    return result.variant, (result.reason, result.segment, result.allocation)


def _summary(comparison: Comparison, pairs: Counter[tuple[_Side, _Side]], notes: Counter[str]) -> Summary:
    total = pairs.total()
    cells: Counter[tuple[VariantKey, VariantKey]] = Counter()
    live_reasons: Counter[_Why] = Counter()
    desired_reasons: Counter[_Why] = Counter()
    for ((x, why), (y, why_then)), count in pairs.items():
        cells[x, y] += count
        live_reasons[why] += count
        desired_reasons[why_then] += count
    variants = _variants(comparison, cells)
    matrix = tuple(
        Cell(live=x, desired=y, users=_count(cells[x, y], total)) for x in variants for y in variants if cells[x, y]
    )
    return Summary(
        total=total,
        variants=tuple(_variant_row(variant, matrix, total) for variant in variants),
        reasons=tuple(
            ReasonRow(
                reason=why[0],
                segment=why[1],
                allocation=why[2],
                live=_count(live_reasons[why], total),
                desired=_count(desired_reasons[why], total),
            )
            for why in _in_order(comparison, {*live_reasons, *desired_reasons})
        ),
        matrix=matrix,
        moved=_count(sum(cell.users.count for cell in matrix if cell.moves), total),
        undecided=_count(sum(cell.users.count for cell in matrix if cell.is_unknown), total),
        notes=tuple(sorted(notes.items(), key=lambda item: (-item[1], item[0]))),
    )


def _count(count: int, total: int) -> UserCount:
    return UserCount(count=count, share=Fraction(count, total) if total else Fraction(0))


def _variants(comparison: Comparison, cells: Counter[tuple[VariantKey, VariantKey]]) -> list[VariantKey]:
    """Every variant of either side, also those without users; None only where some are unknown."""
    order: dict[VariantKey, None] = {}
    for side in (comparison.live, comparison.desired):
        order |= dict.fromkeys(variant_keys(side.spec) if side.spec else ())
    order[OFF] = None
    return [*order, *([None] if any(None in cell for cell in cells) else [])]


def _variant_row(variant: VariantKey, matrix: tuple[Cell, ...], total: int) -> VariantRow:
    live = sum(cell.users.count for cell in matrix if cell.live == variant)
    desired = sum(cell.users.count for cell in matrix if cell.desired == variant)
    return VariantRow(variant=variant, live=_count(live, total), desired=_count(desired, total))


def _in_order(comparison: Comparison, found: set[_Why]) -> list[_Why]:
    """In the order of evaluation, segments in theirs."""
    specs = [side.spec for side in (comparison.live, comparison.desired) if side.spec]
    segments = [segment.name for spec in specs for segment in segments_of(spec)]

    def rank(why: _Why) -> tuple[int, int, int]:
        reason, segment, allocation = why
        place = segments.index(segment) if segment in segments else len(segments)
        return list(Reason).index(reason), place, [None, *Allocation].index(allocation)

    return sorted(found, key=rank)
