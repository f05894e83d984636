"""Every request of every scenario meets every fault, one at a time.

After every delivered call the safety promises hold; after at most two more runs the declared state holds, another
plan is empty, nothing is there twice, nothing foreign has moved, and every report said what the server did.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from emulators import flag_of
from faults.drills import Attempt, Drill, a_wired_world, attempt
from faults.fault_kinds import KINDS, STALE_READS
from faults.scenarios import SCENARIOS
from virtual_time import run_in_virtual_time

from reconciler.emulator import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ODD: dict[str, Behaviour] = {
    "expected": Behaviour(),
    "shy": Behaviour(list_shows="key", ids="number", tags="absent", key_filter="substring", cursor_end="always"),
    "slow": Behaviour(read_lag=1, taken_key="409", absent_user_removal="400", inclusion_edits_bump=False),
    "sloppy": Behaviour(duplicate_user="twice", rename_rewrites=False, new_flag="on", archived_marker="none"),
}
BUSY = (
    "create-everything", "create-two", "rename-with-users", "rename-and-weigh", "variants-exchanged", "new-variant",
    "removed-variant-of-a-segment", "users-moved", "users-replaced", "copies-and-others", "prune", "several",
)  # fmt: skip
CASES = [(name, "expected") for name in SCENARIOS] + [(name, odd) for name in BUSY for odd in list(ODD)[1:]]
SHARE_OF_SHORT_FORM = 1 / 40


@dataclass(frozen=True)
class Disturbance:
    """One fault at one request."""

    fault: str
    number: int
    run: Callable[[], Attempt]


@cache
def drill_of(name: str, behaviour: str) -> Drill:
    return Drill(SCENARIOS[name], ODD[behaviour])


def disturbances(drill: Drill) -> Iterator[Disturbance]:
    for number in range(1, drill.calls + 1):
        for kind in KINDS:
            yield Disturbance(kind.name, number, lambda kind=kind, number=number: drill.disturb(kind, number))
        for reads in STALE_READS:
            yield Disturbance(
                f"stale-{reads}",
                number,
                lambda reads=reads, number=number: drill.disturb_with_old_views(reads, number),
            )


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("scenario", "behaviour"), CASES)
def test_every_fault_at_every_call(scenario: str, behaviour: str, count: Any) -> None:
    """With any fault at any request, at most two more runs put it right, and no promise is broken."""
    _meet(drill_of(scenario, behaviour), list(disturbances(drill_of(scenario, behaviour))), count)


@pytest.mark.parametrize(("scenario", "behaviour"), CASES)
def test_some_faults_at_some_calls(scenario: str, behaviour: str, count: Any) -> None:
    """The same for a sample that is another for every scenario, and always the same."""
    drill = drill_of(scenario, behaviour)
    every = list(disturbances(drill))
    sample = Random(f"{scenario} {behaviour}").sample(every, max(2, round(len(every) * SHARE_OF_SHORT_FORM)))
    _meet(drill, sample, count)


def _meet(drill: Drill, chosen: list[Disturbance], count: Any) -> None:
    for disturbance in chosen:
        try:
            disturbance.run()
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"{disturbance.fault} at request {disturbance.number}: {error}") from error
    count("scenarios", 1)
    count("calls of undisturbed runs", drill.calls)
    count("disturbed runs", len(chosen))


def test_a_create_that_arrives_late_is_found_out() -> None:
    """Two flags of one key, the lost create's and the repeated one's, are refused by the next run with both ids."""
    world = a_wired_world(SCENARIOS["create-bare"], Behaviour(taken_key="second-flag"))
    late = next(kind for kind in KINDS if kind.name == "late-after-the-run")
    world.wire.plan = lambda passage: late.fault if passage.is_write and not world.wire.late else None
    first = run_in_virtual_time(attempt(world))
    assert first.exit_code == 0
    world.wire.settle()
    again = run_in_virtual_time(attempt(world))
    ids = sorted(flag["id"] for flag in world.emulator.store.flags.values() if flag["key"] == "new")
    assert again.plan is not None
    (refusal,) = again.plan.every_refusal
    assert (refusal.guard, len(ids)) == ("duplicates", 2)
    assert all(flag_id in refusal.message for flag_id in ids)
    assert not [passage for passage in again.sent if passage.is_write]


def test_a_create_that_arrives_late_within_the_run_is_reported() -> None:
    """Where the second flag shows before the run ends, the report says so, with both ids."""
    world = a_wired_world(SCENARIOS["create-with-users"], Behaviour(taken_key="second-flag"))
    late = next(kind for kind in KINDS if kind.name == "late-after-retry")
    lost: list[int] = []

    def plan(passage: Any) -> Any:
        if passage.call != ("POST", "/api/1/flags") or lost:
            return None
        lost.append(passage.number)
        return late.fault

    world.wire.plan = plan
    first = run_in_virtual_time(attempt(world))
    ids = sorted(flag["id"] for flag in world.emulator.store.flags.values() if flag["key"] == "new")
    assert first.report is not None
    assert (first.exit_code, len(ids)) == (1, 2)
    assert all(flag_id in str(first.report.outcomes[0].error) for flag_id in ids)


def test_a_lost_create_is_adopted() -> None:
    """A create that took effect without an answer is found by its key, finished, and never sent again."""
    world = a_wired_world(SCENARIOS["create-everything"])
    lost = next(kind for kind in KINDS if kind.name == "timeout-after-commit")
    world.wire.plan = lambda passage: lost.fault if passage.call == ("POST", "/api/1/flags") else None
    first = run_in_virtual_time(attempt(world))
    assert first.exit_code == 0
    assert [passage.call for passage in world.wire.writes].count(("POST", "/api/1/flags")) == 1
    assert flag_of(world.emulator, "new")["enabled"] is True
