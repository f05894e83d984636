"""What one user gets of one flag, and why, down to the place in the bucket."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.evaluation.hashing import coordinates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.evaluation.rules import Bucketing, SegmentRule


class Reason(StrEnum):
    """What decided, in the order of evaluation."""

    ABSENT = "absent"
    ARCHIVED = "archived"
    DISABLED = "disabled"
    DEPENDENCY = "dependency"
    INCLUSION = "inclusion"
    SEGMENT = "segment"
    REST = "rest"


class Allocation(StrEnum):
    """What the matching rule, a segment or the rest, does with the user."""

    EVERYONE = "everyone"
    """The rule gives every user its one variant; nothing is hashed."""
    NOBODY = "nobody"
    """The rule gives no user a variant; nothing is hashed."""
    ALLOCATED = "allocated"
    NOT_ALLOCATED = "not-allocated"
    NO_VALUE = "no-bucketing-value"
    """The user has no value to hash, so the engine gives no variant."""
    UNKNOWN_SALT = "unknown-salt"
    """The server does not show the salt, or has not drawn it yet: the variant is unknown."""


class Interval(Struct, frozen=True, kw_only=True):
    """A variant's distribution values: `start` inclusive, `end` exclusive."""

    variant: str
    start: int
    end: int


class Bucket(Struct, frozen=True, kw_only=True):
    """Where a user is in a rule. `value` is the hashed property of the user, `hashed` the hash of `salt/value`."""

    bucketing: Bucketing
    value: str
    hashed: int

    @property
    def allocation(self) -> int:
        """The allocation value: the hash modulo 100."""
        return coordinates(self.hashed)[0]

    @property
    def distribution(self) -> int:
        """The distribution value, 0..42949672: the hash divided by 100."""
        return coordinates(self.hashed)[1]


class Dependency(Struct, frozen=True, kw_only=True):
    """A flag that the evaluated one depends on, and what the user gets from it.

    `key` is None where the flag could not be read. `allowed` are the variants that let a user through; an empty
    list allows every variant. `variant` is None where it is unknown: the dependency then counts as met.
    """

    flag_id: str
    key: str | None
    allowed: tuple[str, ...]
    variant: str | None

    @property
    def name(self) -> str:
        """The flag by its key, or by its id where the key is unknown."""
        return f'flag "{self.key}"' if self.key else f"the flag with id {self.flag_id}"

    @property
    def is_met(self) -> bool:
        """Whether this dependency lets the user through."""
        return not self.allowed or self.variant is None or self.variant in self.allowed


class Result(Struct, frozen=True, kw_only=True):
    """One user's variant of a flag (`off`: none; None: unknown) and why.

    `rule` and `allocation` are set where a segment or the rest decided, `bucket` where the user was hashed. `notes`
    say what is unknown about this user, without naming the user.
    """

    variant: str | None
    reason: Reason
    rule: SegmentRule | None = None
    allocation: Allocation | None = None
    bucket: Bucket | None = None
    dependencies: tuple[Dependency, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def segment(self) -> str | None:
        """The name of the rule that matched, if one did."""
        return self.rule.segment if self.rule else None


def intervals_of(rule: SegmentRule) -> Iterator[Interval]:
    """The variants' distribution values, in variant order, without gaps; none where the rule hashes nothing."""
    start = 0
    for variant, end in rule.cuts:
        yield Interval(variant=variant, start=start, end=end)
        start = end
