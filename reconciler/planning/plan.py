"""The Plan: everything that would be done, as one frozen value. Preview and apply walk the same one."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from reconciler.diagnostics import SourcePosition
    from reconciler.evaluation.exposure import FlagExposure
    from reconciler.model.flag import FlagSpec
    from reconciler.planning.operations import Operation
    from reconciler.strict_json import Json


class Action(StrEnum):
    """What happens to a flag as a whole."""

    CREATE = "create"
    UPDATE = "update"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"


class LeafChange(Struct, frozen=True, kw_only=True):
    """One difference inside a composite value; `path` is a JSON Pointer below the changed field."""

    path: str
    before: Json
    after: Json


class ValueChange(Struct, frozen=True, kw_only=True):
    """A field whose value differs. `path` is a JSON Pointer with variants by key; None stands for nothing there.

    `details` says where in a composite value (a payload, the segments) the difference lies; empty for the rest.
    """

    path: str
    before: Json
    after: Json
    details: tuple[LeafChange, ...] = ()
    position: SourcePosition | None = None


class MembersChange(Struct, frozen=True, kw_only=True):
    """Inclusions that differ, as sets: `/variants/{key}/inclusions/users` or `…/cohorts`. Sorted."""

    path: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    position: SourcePosition | None = None


FieldChange = ValueChange | MembersChange


class Refusal(Struct, frozen=True, kw_only=True):
    """A guard that refuses: its name, what it saw, what overrides it ("": nothing), and what is safer than that."""

    guard: str
    message: str
    override: str
    alternatives: tuple[str, ...] = ()


class FlagPlan(Struct, frozen=True, kw_only=True):
    """What happens to one flag, in order; nothing of it is sent while `held` says why not.

    `flag_id` is None until a create has answered. `before` and `after` are the whole flag, undeclared fields
    included, as planning saw them (`before` None: a new flag; both None on a plan read from a file).
    `transient` is the largest share of users who see, between two calls, neither their old nor their new
    variant. `shield_refusal` says why a shield that was asked for, and needed, is not possible. A flag that is held
    before calls could be planned has no changes and no operations.
    """

    key: str
    flag_id: str | None
    action: Action
    changes: tuple[FieldChange, ...]
    operations: tuple[Operation, ...]
    source: SourcePosition | None = None
    fingerprint: str | None = None
    before: FlagSpec | None = None
    after: FlagSpec | None = None
    transient: Fraction = Fraction(0)
    exposure: FlagExposure | None = None
    shield_refusal: str | None = None
    warnings: tuple[str, ...] = ()
    held: tuple[Refusal, ...] = ()


class PlanOptions(Struct, frozen=True, kw_only=True):
    """The options that shape a plan: they are saved with it, and apply repeats them.

    `allow` names guards that are overridden, `KIND` for every flag and for the run, `KIND:KEY` for one flag.
    """

    targets: tuple[str, ...] = ()
    prune: bool = False
    unarchive: bool = False
    allow: frozenset[str] = frozenset()
    shield: bool = False
    shard: tuple[int, int] | None = None

    def allows(self, guard: str, key: str | None = None) -> bool:
        """Whether a guard is overridden, for every flag or for the one of this key."""
        return guard in self.allow or (key is not None and f"{guard}:{key}" in self.allow)


class Released(Struct, frozen=True, kw_only=True):
    """What a change lets go of: git declared it, and now it is not managed; the live value stays.

    `path` is a JSON Pointer of the flag, "" for the whole flag. `live` is the value that stays; of a whole flag
    `{"enabled": …, "rolloutPercentage": …}`; None where there is none.
    """

    key: str
    path: str
    live: Json


class RolloutStanding(Struct, frozen=True, kw_only=True):
    """Where a rollout stands: its phase, the number of the step that stands (0 before the first) and since when.

    `upcoming` is the percentage of the next step and `due_at` from when on it may be made; None where there is none.
    `why` says in words what keeps it.
    """

    phase: str
    step: int = 0
    since: datetime | None = None
    upcoming: int | None = None
    due_at: datetime | None = None
    why: str = ""


class PlannedRollout(Struct, frozen=True, kw_only=True):
    """A rollout that is still to reach its end: no call of a plan moves it, `advance` makes its steps.

    `path` is the place of the percentage, as a JSON Pointer; `live` is None where there is no such place yet. `steps`
    are percentages with the seconds that they stand, None for the last one. `standing` is None where it is not known.
    `start` is the percentage after the plan where that is not the live one, as of a flag that is turned on.
    """

    key: str
    path: str
    live: float | None
    steps: tuple[tuple[int, int | None], ...]
    guards: tuple[str, ...] = ()
    on_fail: str
    window: str | None = None
    standing: RolloutStanding | None = None
    start: float | None = None

    @property
    def adds(self) -> tuple[float, ...]:
        """How many percent of the place's users each step adds: a percentage that grows takes no user out."""
        before, found = (self.live if self.start is None else self.start) or 0, []
        for percentage, _ in self.steps:
            found.append(max(0, percentage - before))
            before = max(before, percentage)
        return tuple(found)


class PlanSummary(Struct, frozen=True, kw_only=True):
    """The plan in numbers; shares are fractions of 1. All but `held` count what would be done, without held flags."""

    create: int
    update: int
    archive: int
    unarchive: int
    unchanged: int
    unmanaged: int
    held: int
    operations: int
    max_exposure_change: Fraction
    max_transient: Fraction


class Plan(Struct, frozen=True, kw_only=True):
    """Flags with changes, sorted by key, and what was found beside them.

    `refusals` are of guards that refuse the whole plan; those that hold one flag are in its `held`.

    `released` is what a change since a commit lets go of, sorted. `deployments` gives the configured names of the ids
    that changes of deployments hold.
    `origin` is the server (scheme, host, port) that was read, `requests` how many reads that took.
    `hourly_drift_requests` is what a drift every hour costs a day while nothing differs; None where the plan is of a
    part of the project, which does not tell.
    """

    project_id: str
    region: str
    environment: str | None
    flags: tuple[FlagPlan, ...]
    unmanaged: tuple[str, ...] = ()
    unchanged: int = 0
    options: PlanOptions = field(default_factory=PlanOptions)
    refusals: tuple[Refusal, ...] = ()
    released: tuple[Released, ...] = ()
    rollouts: tuple[PlannedRollout, ...] = ()
    deployments: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
    created_at: datetime | None = None
    commit: str | None = None
    origin: str = ""
    requests: int = 0
    hourly_drift_requests: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do and nothing is held."""
        return not self.flags

    @property
    def to_apply(self) -> tuple[FlagPlan, ...]:
        """The flags that no guard holds."""
        return tuple(flag for flag in self.flags if not flag.held)

    @property
    def held(self) -> tuple[FlagPlan, ...]:
        """The flags that guards hold."""
        return tuple(flag for flag in self.flags if flag.held)

    @property
    def every_refusal(self) -> tuple[Refusal, ...]:
        """What guards of the run refuse, then what those of flags hold, by key."""
        return (*self.refusals, *(refusal for flag in self.flags for refusal in flag.held))

    @property
    def operations(self) -> Iterator[Operation]:
        """Every operation of the flags that are not held, flag after flag."""
        return (operation for flag in self.to_apply for operation in flag.operations)

    @property
    def summary(self) -> PlanSummary:
        """The numbers, counted from what is there; a flag that is new changes no exposure."""
        flags = self.to_apply
        actions = [flag.action for flag in flags]
        return PlanSummary(
            create=actions.count(Action.CREATE),
            update=actions.count(Action.UPDATE),
            archive=actions.count(Action.ARCHIVE),
            unarchive=actions.count(Action.UNARCHIVE),
            unchanged=self.unchanged,
            unmanaged=len(self.unmanaged),
            held=len(self.flags) - len(flags),
            operations=sum(len(flag.operations) for flag in flags),
            max_exposure_change=max(
                (item.exposure.switched for item in flags if item.exposure and item.action is not Action.CREATE),
                default=Fraction(0),
            ),
            max_transient=max((flag.transient for flag in flags), default=Fraction(0)),
        )
