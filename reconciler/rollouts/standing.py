"""Where each rollout stands and what is to be done with it now: values, and the rules that decide. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.flag import Unset
from reconciler.rollouts.position import Phase, Position
from reconciler.rollouts.sequential import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from reconciler.apply.report import Status
    from reconciler.model.flag import DesiredFlag, FlagSpec
    from reconciler.model.rollout import PlacedRollout
    from reconciler.rollouts.guards import Answer


class MoveKind(StrEnum):
    """What one write does with a rollout."""

    UP = "up"
    ROLLBACK = "rollback"
    OFF = "off"


class Move(Struct, frozen=True, kw_only=True):
    """A write: from a percentage to another one, or the flag off (`after` stays what it is then).

    `status` is how it ended, None where it was only planned; `error` says why it was not made.
    """

    kind: MoveKind
    before: float
    after: float
    status: Status | None = None
    error: str | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """One rollout: where it stands, what its guards say, and the move that is to be made, or was.

    `declared_at` is since when its attempt is declared; `why` says what keeps it where it is.
    """

    key: str
    placed: PlacedRollout
    position: Position
    declared_at: datetime | None = None
    answers: tuple[Answer, ...] = ()
    move: Move | None = None
    why: str = ""


def decided(standing: Standing, closed: str = "") -> Standing:
    """A standing with what is to be done now. `closed` says why no step up may be made; it holds no rollback.

    Worse does what `onFail` says, unknown holds, and a step up needs every guard to say better or equal. Before the
    first step, while no user has it, a source that can be asked may still lack data.
    """
    position, rollout = standing.position, standing.placed.rollout
    if position.may_fail and Verdict.WORSE in {answer.verdict for answer in standing.answers}:
        return _failed(standing)
    if position.phase is not Phase.DUE or position.next_step is None:
        return replace(standing, why=position.why)
    agreeing = {
        answer.guard
        for answer in standing.answers
        if answer.verdict is Verdict.FINE or (answer.lacks_data and position.has_no_users)
    }
    if against := [name for name in rollout.guards if name not in agreeing]:
        worse = [answer.guard for answer in standing.answers if answer.verdict is Verdict.WORSE]
        return replace(standing, why=f"{', '.join(worse or against)}: {'worse' if worse else 'not known yet'}")
    if closed:
        return replace(standing, why=closed)
    move = Move(kind=MoveKind.UP, before=position.live, after=position.next_step.percentage)
    return replace(standing, move=move)


def _failed(standing: Standing) -> Standing:
    position, on_fail = standing.position, standing.placed.rollout.on_fail
    names = ", ".join(answer.guard for answer in standing.answers if answer.verdict is Verdict.WORSE)
    if on_fail == "off":
        move = Move(kind=MoveKind.OFF, before=position.live, after=position.live)
    elif on_fail == "rollback" and position.base < position.live:
        move = Move(kind=MoveKind.ROLLBACK, before=position.live, after=position.base)
    else:
        return replace(standing, why=f"{names}: worse")
    return replace(standing, move=move, why=f"{names}: worse")


def one_way(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    """The same, with no step up of a flag of which another place goes down in the same run."""
    falling = {item.key for item in standings if item.move is not None and item.move.kind is not MoveKind.UP}
    return tuple(
        replace(item, move=None, why="another rollout of the flag goes down")
        if item.move is not None and item.move.kind is MoveKind.UP and item.key in falling
        else item
        for item in standings
    )


def moved_spec(live: FlagSpec, standings: Iterable[Standing]) -> dict[str, object]:
    """The fields of a flag that moves change, by their names; segments are the live ones otherwise."""
    fields: dict[str, object] = {}
    percentages: dict[str, float] = {}
    for item in standings:
        if item.move is None:
            continue
        if item.move.kind is MoveKind.OFF:
            return {"enabled": False}
        if item.placed.segment is None:
            fields["rollout_percentage"] = _whole(item.move.after)
        else:
            percentages[item.placed.segment] = _whole(item.move.after)
    if percentages and not isinstance(live.target_segments, Unset):
        fields["target_segments"] = tuple(
            replace(
                segment,
                percentage=percentages.get(segment.name, segment.percentage),
                conditions=tuple(replace(condition, unlisted=()) for condition in segment.conditions),
                unlisted=(),
            )
            for segment in live.target_segments
        )
    return fields


def _whole(percentage: float) -> float:
    return int(percentage) if percentage == int(percentage) else percentage


def why_not_moved(desired: DesiredFlag, now: datetime) -> str:
    """Why nothing is done with the rollouts of a flag, by what its file says; empty where nothing keeps them."""
    if desired.spec.archived is True:
        return "the flag is declared as archived"
    if desired.spec.enabled is False:
        return "git says that the flag is off"
    if desired.is_frozen(now):
        return f"the flag is frozen until {desired.frozen_until}"
    return ""
