"""Flags, declared or live, as frozen values.

A field that is `UNSET` is not managed (declared side) or was not shown (live side): it is never compared and
never sent. Field names are the API's own in snake case. Nothing here reads, writes or decides.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.model.config import NOTHING, Ignored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from reconciler.diagnostics import Diagnostic, SourcePosition
    from reconciler.model.rollout import PlacedRollout
    from reconciler.strict_json import Json


class Unset(Enum):
    """The type of `UNSET`, so that `T | Unset` can be checked."""

    UNSET = "unset"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

T = TypeVar("T")


def or_else(value: T | Unset, otherwise: T) -> T:
    """The value, or another one where it is not said. For lists `value or ()` is enough: UNSET is false."""
    return otherwise if isinstance(value, Unset) else value


OFF: Final = "off"
"""The variant of users who get none; no variant may have this key."""

SHIELD_NAME: Final = "reconciler-shield"
"""The segment of `apply --shield`; no declared segment may have a name that begins so."""

Number: TypeAlias = int | float

MemberKind: TypeAlias = Literal["users", "cohorts"]
"""A list of inclusions: the field of a Variant that holds it."""


class Weights(Struct, frozen=True):
    """Rollout weights by variant key, in the order they were given. A missing key weighs 0; only ratios count."""

    pairs: tuple[tuple[str, Number], ...] = ()

    @classmethod
    def of(cls, weights: Mapping[str, Number]) -> Weights:
        """The weights of a mapping, in its order."""
        return cls(tuple(weights.items()))

    def get(self, key: str) -> Number:
        """The weight of a variant; 0 when it is not named."""
        return dict(self.pairs).get(key, 0)

    def as_dict(self) -> dict[str, Number]:
        """A new dictionary in the same order."""
        return dict(self.pairs)

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self.pairs)


ID_PROPERTIES: Final = ("user_id", "device_id", "amplitude_id")
"""The properties of users whose values are ids, which are personal data."""


class Condition(Struct, frozen=True, kw_only=True, cache_hash=True):
    """One condition of a segment. Live conditions of a type other than `property` cannot be sent back.

    `unlisted`: what a live one holds beside the fields of the API reference, name and JSON text, sorted by name. It
    is never sent, and of a declared condition it is empty.
    """

    prop: str
    op: str
    values: tuple[str, ...]
    type: str = "property"
    unlisted: tuple[tuple[str, str], ...] = ()


class TargetSegment(Struct, frozen=True, kw_only=True):
    """A segment; those of a flag are ordered and the first that matches decides.

    `percentage` is 0..100. No conditions: everyone. `bucketing_key` UNSET: not said. `unlisted` as of a Condition.
    """

    name: str
    conditions: tuple[Condition, ...]
    percentage: Number
    rollout_weights: Weights
    bucketing_key: str | Unset = UNSET
    unlisted: tuple[tuple[str, str], ...] = ()

    @property
    def unlisted_names(self) -> tuple[str, ...]:
        """The names of the unlisted fields, its conditions' included."""
        fields = (*self.unlisted, *(field for condition in self.conditions for field in condition.unlisted))
        return tuple(name for name, _ in fields)


class Variant(Struct, frozen=True, kw_only=True):
    """A variant. Its weight is in `FlagSpec.rollout_weights`.

    `users` and `cohorts` are the inclusions; live users keep the server's order and copies, because removal by
    index needs them. `renamed_from` is only ever declared.
    """

    key: str
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    payload: Json | Unset = UNSET
    users: tuple[str, ...] | Unset = UNSET
    cohorts: tuple[str, ...] | Unset = UNSET
    renamed_from: str | None = None


class FlagSpec(Struct, frozen=True, kw_only=True):
    """What can be said of a flag. Every field but `key` may be UNSET."""

    key: str
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    archived: bool | Unset = UNSET
    evaluation_mode: str | Unset = UNSET
    bucketing_key: str | Unset = UNSET
    bucketing_salt: str | Unset = UNSET
    bucketing_unit: str | Unset = UNSET
    rollout_percentage: Number | Unset = UNSET
    rollout_weights: Weights | Unset = UNSET
    variants: tuple[Variant, ...] | Unset = UNSET
    target_segments: tuple[TargetSegment, ...] | Unset = UNSET
    deployments: tuple[str, ...] | Unset = UNSET
    tags: tuple[str, ...] | Unset = UNSET


class Dependencies(Struct, frozen=True, kw_only=True):
    """`parentDependencies`: read-only. Per parent flag id the variants that let a user through."""

    flags: tuple[tuple[str, tuple[str, ...]], ...]
    operator: str


class LiveFlag(Struct, frozen=True, kw_only=True):
    """A flag as the server shows it. `spec.archived` is known but of versions; times are as the server wrote them."""

    id: str
    project_id: str
    spec: FlagSpec
    created_by: str | None = None
    created_at: str | None = None
    last_modified_by: str | None = None
    last_modified_at: str | None = None
    parent_dependencies: Dependencies | None = None

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.spec.key


class Version(Struct, frozen=True, kw_only=True):
    """What a flag was after a change, and who made it when (as the server writes it).

    `flag.spec` holds what versions show: never inclusions, and of variants often the key alone.
    """

    version: int
    created_at: str
    created_by: str | None
    flag: LiveFlag


class DesiredFlag(Struct, frozen=True, kw_only=True):
    """A declared flag and where it stands.

    `ignored`: the places that stay as they are live. `rollouts`: percentages that are reached in steps, and stay as
    they are live as well. `frozen_until`: differences are shown, not applied, until then.
    `known_until`: until then differences are shown, and count as no drift; `known_reason` says why. `expires`: its
    last day; after it no rollout of it is raised.
    """

    spec: FlagSpec
    source: SourcePosition
    ignored: Ignored = NOTHING
    expires: date | None = None
    frozen_until: date | datetime | None = None
    known_until: date | datetime | None = None
    known_reason: str | None = None
    rollouts: tuple[PlacedRollout, ...] = ()

    @property
    def key(self) -> str:
        """The flag's key."""
        return self.spec.key

    @property
    def start(self) -> FlagSpec:
        """The declaration with 0 % at the places of rollouts: what a new flag, or a new segment, begins with."""
        names, spec = {item.segment for item in self.rollouts}, self.spec
        segments = tuple(
            replace(item, percentage=0) if item.name in names else item for item in spec.target_segments or ()
        )
        return replace(
            spec,
            rollout_percentage=0 if None in names else spec.rollout_percentage,
            target_segments=segments if spec.target_segments else spec.target_segments,
        )

    @property
    def kept(self) -> Ignored:
        """The places that stay as they are live, those of rollouts among them."""
        return Ignored((*self.ignored.paths, *(item.tokens for item in self.rollouts)))

    def kept_beside(self, live: FlagSpec) -> Ignored:
        """The same, as an apply to a live flag has it.

        Where it would turn a flag on that serves no user, rollouts begin at 0: what percentage such a flag has live
        is no step that users have been given.
        """
        is_off = live.archived is True or live.enabled is False
        archived = live.archived if isinstance(self.spec.archived, Unset) else self.spec.archived
        enabled = live.enabled if isinstance(self.spec.enabled, Unset) else self.spec.enabled
        is_turned_on = is_off and enabled is True and archived is not True
        return self.ignored if is_turned_on else self.kept

    def is_frozen(self, now: datetime) -> bool:
        """Whether `frozenUntil` is still to come, as `is_to_come` has it."""
        return is_to_come(self.frozen_until, now)

    def is_known(self, now: datetime) -> bool:
        """Whether `knownUntil` is still to come, as `is_to_come` has it."""
        return is_to_come(self.known_until, now)


def is_to_come(until: date | datetime | None, now: datetime) -> bool:
    """Whether a time is still to come; None never is. `now` is aware of its time zone.

    A date means its first moment in UTC: `2030-01-02` is to come through all of January 1. A time without a zone is
    UTC.
    """
    if until is None:
        return False
    if not isinstance(until, datetime):
        until = datetime.combine(until, time.min)
    return now < (until if until.tzinfo else until.replace(tzinfo=UTC))


class DesiredState(Struct, frozen=True, kw_only=True):
    """Every declared flag of one environment, by key, sorted.

    `files` counts the flag files that were read, `elsewhere` the flags that they declare for other
    environments only, and `texts` is what each of them held, by its shown name. `unread` are the keys that files may
    declare which are not read as flag files, each with the shown name of its file.
    """

    flags: Mapping[str, DesiredFlag]
    files: int = 0
    elsewhere: int = 0
    texts: Mapping[str, bytes] = {}
    unread: Mapping[str, str] = {}
    warnings: tuple[Diagnostic, ...] = ()


class LiveState(Struct, frozen=True, kw_only=True):
    """What one refresh found.

    `flags` are those of the project by key, archived ones among them only where a look-up showed them.
    `duplicates` names keys that more than one live flag carries, with the ids: such flags are in `flags` no more.
    `pages` is how many list requests show the whole project. `is_complete` is False when only targeted flags were
    read. `shows_tags` is False when the server does not show tags at all. `requests` counts what was sent.
    `experiments` are those of the project, and `taken` all keys that they have; `deployments` are the ids of those
    that can be attached. Each is None where it was not read, or is not to be had.
    """

    project_id: str
    flags: Mapping[str, LiveFlag]
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_complete: bool = True
    shows_tags: bool = True
    pages: int = 1
    requests: int = 0
    warnings: tuple[str, ...] = ()
    experiments: tuple[LiveFlag, ...] | None = None
    taken: frozenset[str] | None = None
    deployments: frozenset[str] | None = None
