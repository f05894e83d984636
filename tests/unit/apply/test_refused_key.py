"""A key, or a change, that is refused in the middle of an apply: nothing more is sent, and the rest is skipped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag
from worlds import a_world, an_emulator

from reconciler.apply.report import Status
from reconciler.emulator import ApiResponse, Behaviour
from reconciler.model.config import Requests
from reconciler.model.flag import FlagSpec, Variant
from reconciler.reports.registry import APPLY, render

if TYPE_CHECKING:
    from reconciler.emulator import RawRequest

VARIANTS = tuple(Variant(key=key) for key in ("control", "treatment", "new"))
FLAGS = [f"flag-{number:02}" for number in range(40)]


@pytest.mark.parametrize("allowed", [0, 1, 7])
def test_nothing_more_is_sent_and_the_rest_is_skipped(allowed: int) -> None:
    """Also what was only waiting for its turn: at most what was with the server already comes after it."""
    emulator = an_emulator(*map(a_live_flag, FLAGS))
    world = a_world(
        emulator,
        *(FlagSpec(key=key, rollout_percentage=5) for key in FLAGS),
        requests=Requests(per_second=10, concurrency=16, daily_budget=1000),
    )
    planned = world.look()
    real, sent = emulator.api.answer, 0

    def answer(request: RawRequest) -> Any:
        nonlocal sent
        if request.method == "PATCH":
            sent += 1
            if sent > allowed:
                emulator.store.keys.clear()
        return real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert sent == allowed + 1
    statuses = [outcome.status for outcome in report.outcomes]
    assert statuses.count(Status.APPLIED) == allowed
    assert statuses.count(Status.FAILED) == 1
    assert statuses.count(Status.SKIPPED) == len(FLAGS) - allowed - 1
    assert report.exit_code == (7 if allowed else 4)


def test_a_flag_of_which_a_part_was_made_is_not_skipped() -> None:
    """A second call of it was still to come when the key was refused."""
    emulator = an_emulator(*map(a_live_flag, "ab"))
    world = a_world(
        emulator,
        *(FlagSpec(key=key, rollout_percentage=5, variants=VARIANTS) for key in "ab"),
        requests=Requests(per_second=10, concurrency=16, daily_budget=1000),
    )
    planned, real, sent = world.look(), emulator.api.answer, 0
    assert [len(flag.operations) for flag in planned.plan.flags] == [2, 2]

    def answer(request: RawRequest) -> Any:
        nonlocal sent
        sent += request.method != "GET"
        if sent > 2:
            emulator.store.keys.clear()
        return real(request)

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert sent == 3
    assert [outcome.status for outcome in report.outcomes] == [Status.FAILED, Status.FAILED]


def test_a_flag_whose_first_call_ends_after_the_refusal_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second call is not sent, and its first was answered when the run had ended already."""
    emulator = an_emulator(*map(a_live_flag, "ab"))
    world = a_world(emulator, *(FlagSpec(key=key, rollout_percentage=5, variants=VARIANTS) for key in "ab"))
    planned, real, refused = world.look(), emulator.app, asyncio.Event()
    writes: list[str] = []

    async def first_slow_then_refused(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await real(scope, receive, send)
            return
        writes.append(scope["method"])
        if len(writes) == 1:
            await real(scope, receive, send)
            await refused.wait()
            return
        emulator.store.keys.clear()
        await real(scope, receive, send)
        refused.set()

    monkeypatch.setattr(emulator, "app", first_slow_then_refused)
    report = world.carry_out(planned).report
    assert report is not None
    assert len(writes) == 2
    calls = [[step.status for step in outcome.operations] for outcome in report.outcomes]
    assert calls == [[Status.APPLIED, Status.SKIPPED], [Status.FAILED, Status.SKIPPED]]
    assert [outcome.status for outcome in report.outcomes] == [Status.FAILED, Status.FAILED]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_when_reading_back_is_not_tried_again(status: int) -> None:
    """One look is made, of several that a difference would get; what was applied is unknown."""
    emulator = an_emulator(a_live_flag("a"))
    world = a_world(emulator, FlagSpec(key="a", rollout_percentage=5))
    planned, real, refused = world.look(), emulator.api.answer, []

    def answer(request: RawRequest) -> Any:
        if not emulator.writes:
            return real(request)
        refused.append(request.path)
        return ApiResponse(status=status, body=b"no")

    emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    assert report.outcomes[0].status is Status.UNKNOWN
    assert "could not be read back" in str(report.outcomes[0].error)
    assert len(refused) == 1


@pytest.mark.parametrize("first_on", [0, 1, 7])
def test_a_forbidden_change_is_sent_once_and_said_once(first_on: int) -> None:
    """The project asks for approvals: what was applied before is read back, the rest names the flag in a sentence."""
    flags = [a_live_flag(key, enabled=number >= first_on) for number, key in enumerate(FLAGS)]
    emulator = an_emulator(*flags, behaviour=Behaviour(approvals="403"))
    world = a_world(
        emulator,
        *(FlagSpec(key=key, rollout_percentage=5) for key in FLAGS),
        requests=Requests(per_second=10, concurrency=16, daily_budget=1000),
    )
    report = world.carry_out(world.look()).report
    assert report is not None
    statuses = [outcome.status for outcome in report.outcomes]
    assert [statuses.count(status) for status in (Status.APPLIED, Status.FAILED, Status.SKIPPED)] == [
        first_on,
        1,
        len(FLAGS) - first_on - 1,
    ]
    assert sum(entry.status == 403 for entry in emulator.log) == 1
    assert {outcome.verified for outcome in report.outcomes if outcome.status is Status.APPLIED} <= {True}
    (failed,) = [outcome.key for outcome in report.outcomes if outcome.status is Status.FAILED]
    skipped = {outcome.error for outcome in report.outcomes if outcome.status is Status.SKIPPED}
    assert skipped == {f"Skipped after {failed} was refused (403)."}
    for form in ("text", "markdown"):
        assert render(APPLY, form, report).count("may ask for approvals") == 1
    assert report.exit_code == (7 if first_on else 4)
