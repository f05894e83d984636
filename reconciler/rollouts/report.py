"""What a run of `advance` came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.report import Status
from reconciler.errors import GuardRefusedError, InterruptedRunError, PartlyAppliedError
from reconciler.rollouts.position import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from reconciler.apply import ApplyReport
    from reconciler.errors import ReconcilerError
    from reconciler.rollouts.standing import MoveKind, Standing


class AdvanceReport(Struct, frozen=True, kw_only=True):
    """Every rollout in scope, by flag, with the move that was made or planned. `at` is the time of the look.

    `refusals` says in sentences why guards of the run let nothing be sent; `stopped_by` is what ended the run after
    something was sent.
    """

    project_id: str
    region: str
    environment: str | None
    at: datetime
    standings: tuple[Standing, ...]
    applied: ApplyReport | None = None
    refusals: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    stopped_by: ReconcilerError | None = None
    is_dry_run: bool = False
    requests: int = 0

    @property
    def summary(self) -> dict[str, int]:
        """How many moves were made, or would be, by kind; then how many of the other rollouts are in each phase."""
        moves = [item.move for item in self.standings if item.move is not None]
        made = [move for move in moves if move.status in {None, Status.APPLIED}]
        rest = [item.position.phase for item in self.standings if item.move is None]
        counts = {kind: sum(move.kind == kind for move in made) for kind in ("up", "rollback", "off")}
        counts["notMade"] = len(moves) - len(made)
        waiting = rest.count(Phase.WAITING) + rest.count(Phase.DUE)
        return counts | {
            "waiting": waiting,
            "held": rest.count(Phase.HELD),
            "rolledBack": rest.count(Phase.ROLLED_BACK),
            "done": rest.count(Phase.DONE),
        }

    @property
    def changed_something(self) -> bool:
        """Whether at least one call took effect, or may have."""
        return self.applied is not None and self.applied.changed_something

    @property
    def failure(self) -> ReconcilerError | None:
        """The error that the run ends with, with the exit codes of an apply; None where that is 0."""
        failure, stopped = self.applied.failure if self.applied else None, self.stopped_by
        if isinstance(stopped, InterruptedRunError) or (failure and not stopped):
            return stopped or failure
        if self.refusals and not stopped:
            stopped = GuardRefusedError("Refused as unsafe: " + " ".join(self.refusals), self.guards)
        if stopped and self.changed_something:
            return PartlyAppliedError(f"{failure} {stopped}" if failure else str(stopped))
        return stopped


def with_outcomes(
    standings: Iterable[Standing], kinds: Iterable[MoveKind], report: ApplyReport | None, why: str = ""
) -> tuple[Standing, ...]:
    """The standings with what became of their moves of some kinds; without a report none of these was made."""
    chosen = frozenset(kinds)
    outcomes = {item.key: item for item in report.outcomes} if report else {}
    found = []
    for item in standings:
        if item.move is None or item.move.kind not in chosen:
            found.append(item)
            continue
        outcome = outcomes.get(item.key)
        status = outcome.status if outcome else Status.SKIPPED
        error = outcome.error if outcome else why or "the live flag is there already"
        found.append(replace(item, move=replace(item.move, status=status, error=error)))
    return tuple(found)


def merged(reports: Iterable[ApplyReport]) -> ApplyReport | None:
    """Several reports as one; None where there is none."""
    known = list(reports)
    if not known:
        return None
    first, verified = known[0], [item.verified for item in known if item.verified is not None]
    stopped = next((item for item in known if item.stopped_by is not None), first)
    return replace(
        first,
        outcomes=tuple(sorted((one for item in known for one in item.outcomes), key=lambda one: one.key)),
        unchanged=0,
        verified=all(verified) if verified else None,
        requests=sum(item.requests for item in known),
        stopped_by=stopped.stopped_by,
        signal_number=stopped.signal_number,
    )
