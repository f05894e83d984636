"""Claims about who gets what of a flag, and what becomes of them; `deciding` decides."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.diagnostics import SourcePosition
    from reconciler.evaluation.persons import Person
    from reconciler.evaluation.users import User
    from reconciler.model.flag import Condition

TOLERANCE: Final = Fraction(1, 1_000_000)
"""How far a share may be from a bound and still meet it: there are 2^32 hashes, and few shares are round."""

ANY: Final = "*"


class Outcome(Struct, frozen=True):
    """A variant, or a transition from one to another; `*` on one side of a transition is any other variant."""

    after: str
    before: str | None = None

    def meets(self, variants: tuple[str, ...]) -> bool:
        """Whether users with these variants, before (where there is one) and after, are meant."""
        if self.before is None:
            return variants[-1] == self.after
        return (
            self.before in {ANY, variants[0]}
            and self.after in {ANY, variants[-1]}
            and (variants[0] != variants[-1] or ANY not in {self.before, self.after})
        )

    def __str__(self) -> str:
        return self.after if self.before is None else f"{self.before} -> {self.after}"


class Bound(Struct, frozen=True):
    """A limit of a share, such as `<= 25%`."""

    op: str
    limit: Fraction

    def holds(self, share: Fraction) -> bool:
        """Whether the share is on the right side of the limit."""
        match self.op:
            case "<=":
                return share <= self.limit + TOLERANCE
            case ">=":
                return share >= self.limit - TOLERANCE
            case "<":
                return share < self.limit - TOLERANCE
            case ">":
                return share > self.limit + TOLERANCE
            case _:
                return abs(share - self.limit) <= TOLERANCE


def can_hold(bounds: Sequence[Bound]) -> bool:
    """Whether some share from 0 to 1 is within all bounds."""
    step = 3 * TOLERANCE
    near = (share for bound in bounds for share in (bound.limit, bound.limit - step, bound.limit + step))
    tried = chain((Fraction(0), Fraction(1)), near)
    return any(0 <= share <= 1 and all(bound.holds(share) for bound in bounds) for share in tried)


class Share(Struct, frozen=True):
    """What is claimed of the share of users that an outcome has; `text` is as it was written."""

    outcome: Outcome
    bounds: tuple[Bound, ...]
    text: str

    def holds(self, share: Fraction) -> bool:
        """Whether the share is within all bounds."""
        return all(bound.holds(share) for bound in self.bounds)

    def is_exceeded(self, share: Fraction) -> bool:
        """Whether a share that does not hold is too high, rather than too low."""
        broken = next(bound for bound in self.bounds if not bound.holds(share))
        return broken.op in {"<=", "<"} or (broken.op == "==" and share > broken.limit)


class Assertion(Struct, frozen=True, kw_only=True):
    """One claim: of one `user`, who gets `expected`, or of all users who meet the `conditions`.

    `against` names what transitions start from. `given` fixes the variants of flags that this one depends on, by key.
    """

    name: str
    flag: str
    source: SourcePosition
    conditions: tuple[Condition, ...] = ()
    user: User | None = None
    expected: str | None = None
    always: tuple[Outcome, ...] = ()
    never: tuple[Outcome, ...] = ()
    shares: tuple[Share, ...] = ()
    against: str | None = None
    given: tuple[tuple[str, str], ...] = ()


class Status(StrEnum):
    """What became of a claim."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNDECIDED = "not decided"
    UNDECLARED = "undeclared"


class Cause(Struct, frozen=True, kw_only=True):
    """What gave a user the variant: the rule by its name, and where it stands in the flag document."""

    segment: str
    path: str
    variant: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a claim, and why.

    Refuted: `person` breaks it, for the `causes` before (where two states are compared) and after. `without`: what is
    hashed, by its name, and the person lacks. `share` is what a claim of a share met in the segment. Otherwise
    `reason` says what it would need to be decided. `reached`: paths of rules that users of the claim match, and
    the variants that they get or it names. `is_about_no_user`: no user meets the claim's conditions.
    """

    status: Status
    person: Person | None = None
    causes: tuple[Cause, ...] = ()
    without: tuple[str, ...] = ()
    share: tuple[Share, Fraction] | None = None
    reason: str | None = None
    reached: frozenset[str] = frozenset()
    is_about_no_user: bool = False
