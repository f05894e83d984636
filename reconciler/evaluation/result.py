"""What is known of one user and one flag: the variant, and why, down to the place in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.evaluation.hashing import RESIDUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.rules import Bucketing, SegmentRule


class Ground(StrEnum):
    """What decided, in the order in which it is asked."""

    ABSENT = "absent"
    ARCHIVED = "archived"
    DISABLED = "disabled"
    DEPENDENCY = "dependency"
    INCLUSION = "inclusion"
    SEGMENT = "segment"
    REST = "rest"


class Standing(StrEnum):
    """How the user stands in the rule that matched, a segment or the rest."""

    EVERYONE = "everyone"
    """The rule gives everyone its one variant; nothing is hashed."""
    NOBODY = "nobody"
    """The rule gives nobody a variant; nothing is hashed."""
    ALLOCATED = "allocated"
    NOT_ALLOCATED = "not-allocated"
    NO_VALUE = "no-bucketing-value"
    """The user lacks what is hashed, so the engine gives no variant."""
    UNKNOWN_SALT = "unknown-salt"
    """The server does not show the salt, or has still to draw it: nobody can say which variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A variant's distribution values: `start` inclusive, `end` exclusive."""

    variant: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A user's place. `value` is what of the user is hashed.

    `allocation` (0..99) is the hash modulo 100, `distribution` (0..42949672) the hash divided by 100.
    """

    bucketing: Bucketing
    value: str
    allocation: int
    distribution: int

    @property
    def hashed(self) -> int:
        """The hash of `salt/value`."""
        return self.distribution * RESIDUES + self.allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A flag that the evaluated one depends on, and what the user gets from it.

    `key` is None where the flag could not be read. `allowed` are the variants that let a user through; none by
    name: every one does. `variant` None: not known, and taken as one that does.
    """

    flag_id: str
    key: str | None
    allowed: tuple[str, ...]
    variant: str | None

    @property
    def name(self) -> str:
        """The flag by its key where that is known, by its id where not."""
        return f'flag "{self.key}"' if self.key else f"the flag with id {self.flag_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One user's variant of a flag (`off`: none; None: not known) and why.

    `segment`, `rule` and `standing` are there where a segment or the rest decided, `bucket` where something was
    hashed. `gates` are the flags it depends on. `notes` name what cannot be known of this user, and name no user.
    """

    variant: str | None
    ground: Ground
    segment: str | None = None
    rule: SegmentRule | None = None
    standing: Standing | None = None
    bucket: Bucket | None = None
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()


def intervals_of(rule: SegmentRule) -> Iterator[Interval]:
    """The variants' distribution values, in variant order, without gaps; none where the rule hashes nothing."""
    start = 0
    for variant, end in rule.cuts:
        yield Interval(variant=variant, start=start, end=end)
        start = end
