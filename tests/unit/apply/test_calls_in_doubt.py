"""Calls whose effect is not known at once: what is seen afterwards decides what is sent, and what is said."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_live_flag as a_flag
from emulators import a_live_flag, flag_of
from looks import edit
from virtual_time import VirtualTimeLoop, run_in_virtual_time
from worlds import OTHER_USER, World, a_world, an_emulator

from reconciler.apply import ApplyOptions, Cancellation, ambiguous, steps
from reconciler.emulator import Behaviour
from reconciler.emulator.requests import text_response
from reconciler.model.flag import FlagSpec, Variant
from reconciler.planning.operations import EditFlag

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.apply import FlagOutcome
    from reconciler.emulator import ApiResponse, RawRequest

    Answer = Callable[[RawRequest], ApiResponse]

VARIANTS = (Variant(key="control"), Variant(key="treatment"))
LOST = text_response(500, "?")


def carried_out(
    world: World, write: Callable[[int, RawRequest, Answer], ApiResponse]
) -> tuple[FlagOutcome, list[Any]]:
    """The outcome of the only flag, where `write` answers each write by its number; and what was sent."""
    planned, real = world.look(), world.emulator.api.answer
    sent: list[Any] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET":
            return real(request)
        sent.append(json.loads(request.body))
        return write(len(sent), request, real)

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    return outcome, sent


@pytest.mark.parametrize(
    ("fields", "sent", "statuses"),
    [
        (
            {"enabled": True, "rollout_percentage": 100},
            [],
            [("applied", None), ("skipped", "It was in place already: nothing was sent.")],
        ),
        ({"enabled": True, "rollout_percentage": 30}, [{"rolloutPercentage": 30}], [("applied", None)] * 2),
        ({"enabled": False, "rollout_percentage": 100, "tags": ("t",)}, None, [("applied", None)] * 2),
    ],
)
def test_what_a_lost_create_has_done_is_not_sent(
    fields: dict[str, Any], sent: list[Any] | None, statuses: list[tuple[str, str | None]]
) -> None:
    """On a server that switches on what it makes: of the edit behind it the part that is left."""
    world = a_world(
        an_emulator(behaviour=Behaviour(new_flag="on")), FlagSpec(key="new", variants=VARIANTS, **fields)
    )  # fmt: skip

    def write(number: int, request: RawRequest, real: Answer) -> ApiResponse:
        answered = real(request)
        return LOST if number == 1 else answered

    outcome, (create, *others) = carried_out(world, write)
    assert create["key"] == "new"
    assert others == ([{"enabled": False, "tags": ["t"]}] if sent is None else sent)
    assert [(item.status.value, item.error) for item in outcome.operations] == statuses
    assert (outcome.status.value, outcome.verified) == ("applied", True)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_repetition_that_is_refused_is_looked_into(*, arrives: bool) -> None:
    """After an answer in doubt, a refusal of the next try does not say that nothing was done."""
    spec = FlagSpec(key="f", rollout_percentage=50, deployments=("67",))
    world = a_world(an_emulator(a_live_flag("f")), spec)
    late: list[RawRequest] = []

    def write(number: int, request: RawRequest, real: Answer) -> ApiResponse:
        late.append(request)
        if number == 1:
            return LOST
        if number > 2:
            return real(request)
        if arrives:
            real(late[0])
        return text_response(400, "no")

    outcome, sent = carried_out(world, write)
    assert sent == [{"rolloutPercentage": 50}] * 2 + [{"deployments": ["67"]}] * arrives
    status = "applied" if arrives else "failed"
    assert (outcome.status.value, outcome.verified) == (status, True if arrives else None)
    assert ('was rejected (400). The server said: "no".' in str(outcome.error)) is not arrives
    assert (outcome.error is None) is arrives
    assert [(item.status.value, item.attempts, item.http_status) for item in outcome.operations] == [
        (status, 2, 400),
        ("applied", 1, 200) if arrives else ("skipped", 0, None),
    ]


def test_a_refusal_in_doubt_says_what_the_call_carried() -> None:
    """The look that follows it succeeds: the error of the step is that of its call."""
    world = a_world(an_emulator(a_live_flag("f")), FlagSpec(key="f", rollout_percentage=50))

    def write(number: int, _request: RawRequest, _real: Answer) -> ApiResponse:
        if number == 1:
            return LOST
        edit(world.emulator, OTHER_USER, "f", rolloutPercentage=3)
        return text_response(400, "no")

    outcome, sent = carried_out(world, write)
    assert (len(sent), outcome.status.value) == (2, "unknown")
    (call,) = outcome.operations
    assert str(call.error).endswith(" The call carried rolloutPercentage.")


@pytest.mark.parametrize("status", [401, 400])
def test_looks_that_fail_leave_it_unknown(status: int) -> None:
    """Both are said; where no read can succeed, one look is made, and the run ends."""
    keys = ("f", "g")
    world = a_world(
        an_emulator(*map(a_live_flag, keys)),
        *(FlagSpec(key=key, rollout_percentage=50) for key in keys),
        apply_options=ApplyOptions(verify=False, concurrency=1),
    )
    planned, real = world.look(), world.emulator.api.answer
    sent: list[str] = []

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET" and not sent:
            return real(request)
        sent.append(request.method)
        return text_response(500, "?") if len(sent) == 1 else text_response(status, "no")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    first, second = report.outcomes
    (call,) = first.operations
    assert sent == ["PATCH", *["GET"] * (1 if status == 401 else 4), *(["PATCH"] if status == 400 else [])]
    assert (first.status.value, call.status.value, call.http_status) == ("unknown", "unknown", status)
    assert 'failed on the server (500). The server said: "?". It may or may not have taken effect.' in str(
        first.error
    )
    assert str(first.error).endswith(f" Reading the flag afterwards failed as well: {call.error}")
    assert "The call carried" not in str(first.error)
    assert second.status.value == ("skipped" if status == 401 else "failed")
    assert (report.stopped_by is None) is (status == 400)


def test_a_signal_while_an_effect_is_looked_for() -> None:
    """What became of the call stays unknown, and both are said: its answer, and the signal."""
    cancellation = Cancellation()
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)
        cancellation.interrupt(15)
        await asyncio.sleep(seconds)

    world = a_world(an_emulator(a_live_flag("f")), FlagSpec(key="f", rollout_percentage=50))
    world = dataclasses.replace(world, cancellation=cancellation, sleep=sleep)
    outcome, sent = carried_out(world, lambda *_: LOST)
    assert (len(sent), paused) == (1, [0.5])
    assert outcome.status.value == "unknown"
    assert str(outcome.error).endswith(
        " Reading the flag afterwards failed as well: Interrupted: nothing more is sent."
    )
    assert [(item.status.value, item.error) for item in outcome.operations] == [
        ("unknown", "Interrupted: nothing more is sent.")
    ]


def test_what_was_seen_before_a_call_is_not_what_users_see_after_it() -> None:
    """The flag is looked at again between its calls where they take long; the call behind that look counts too."""
    named = (Variant(key="control", name="C"), Variant(key="treatment"))
    world = a_world(
        an_emulator(a_live_flag("f", rolloutPercentage=10, enabled=True)),
        FlagSpec(key="f", variants=named, rollout_percentage=50, deployments=("404",)),
        apply_options=ApplyOptions(verify=False),
    )
    planned = world.look()
    assert [call.kind for call in planned.plan.flags[0].operations] == [
        "edit-variant",
        "edit-flag",
        "add-deployments",
    ]

    def write(number: int, request: RawRequest, real: Answer) -> ApiResponse:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.skip(6 if number == 1 else 0)
        return real(request)

    outcome, _ = carried_out(world, write)
    assert [item.status.value for item in outcome.operations] == ["applied", "applied", "failed"]
    assert outcome.users_see.startswith("After 2 of 3 calls the flag is on, rollout 50%: 40% of users get")
    assert flag_of(world.emulator, "f")["rolloutPercentage"] == 50


def a_signal_at(world: World, cancellation: Cancellation, pause: float) -> tuple[World, list[float]]:
    """The world with a signal in its first pause of so many seconds, and its pauses."""
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)
        if seconds == pause:
            cancellation.interrupt(15)
        await asyncio.sleep(seconds)

    return dataclasses.replace(world, cancellation=cancellation, sleep=sleep), paused


@pytest.mark.parametrize(
    ("hidden", "pauses", "statuses"),
    [
        ("GET", [0.5, 1.0], [("applied", 1), ("skipped", 0)]),
        ("PATCH", [0.25, 0.5, 1.0], [("applied", 1), ("failed", 3)]),
    ],
)
def test_a_signal_while_a_new_flag_does_not_show(
    hidden: str, pauses: list[float], statuses: list[tuple[str, int]]
) -> None:
    """It was made: the flag has failed, and no call follows."""
    spec = FlagSpec(key="new", variants=VARIANTS, tags=("t",))
    world, paused = a_signal_at(a_world(an_emulator(), spec), Cancellation(), 1.0)
    planned, real = world.look(), world.emulator.api.answer
    world.emulator.api.answer = lambda request: (  # type: ignore[method-assign]
        text_response(404, "?")
        if request.method == hidden and request.path.startswith("/api/1/flags/")
        else real(request)
    )
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    assert paused == pauses
    assert (outcome.status.value, outcome.error, report.exit_code) == (
        "failed", "Interrupted: nothing more is sent.", 143,
    )  # fmt: skip
    assert [(item.status.value, item.attempts) for item in outcome.operations] == statuses


@pytest.mark.parametrize(
    ("at", "statuses", "status"),
    [
        (1, [("unknown", 1), ("skipped", 0)], "unknown"),
        (2, [("applied", 1), ("unknown", 1)], "unknown"),
    ],
)
def test_a_signal_while_a_call_is_under_way(at: int, statuses: list[tuple[str, int]], status: str) -> None:
    """It is abandoned, and may have taken effect; what comes behind it is not sent."""
    cancellation = Cancellation()
    named = (Variant(key="control", name="C"), Variant(key="treatment"))
    spec = FlagSpec(key="f", name="n", variants=named)
    world = dataclasses.replace(a_world(an_emulator(a_live_flag("f")), spec), cancellation=cancellation)
    planned, real, writes = world.look(), world.emulator.app, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal writes
        writes += scope["method"] != "GET"
        if scope["method"] != "GET" and writes == at:
            cancellation.interrupt(2)
            await asyncio.sleep(5)
        await real(scope, receive, send)

    world.emulator.app = app
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    assert (outcome.status.value, outcome.error, report.exit_code) == (
        status, "Interrupted: nothing more is sent.", 130,
    )  # fmt: skip
    assert [(item.status.value, item.attempts) for item in outcome.operations] == statuses


def test_a_create_that_is_not_found_is_not_tried_again() -> None:
    """Only a flag that this run made may show late."""
    world = a_world(an_emulator(), FlagSpec(key="new", variants=VARIANTS, tags=("t",)))
    outcome, sent = carried_out(world, lambda *_: text_response(404, "?"))
    assert len(sent) == 1
    assert [(item.status.value, item.http_status) for item in outcome.operations] == [
        ("failed", 404), ("skipped", None),
    ]  # fmt: skip
    assert (outcome.status.value, outcome.flag_id) == ("failed", None)
    assert "The call carried projectId, key, variants." in str(outcome.error)
    assert str(outcome.error).endswith(
        " A key is unique over flags, experiments, mutual exclusion groups and holdouts."
    )


def test_a_call_without_a_body_carried_nothing() -> None:
    """What is refused is told without it."""
    world = a_world(an_emulator(a_live_flag("f", deployments=["67"])), FlagSpec(key="f", deployments=()))
    planned, real = world.look(), world.emulator.api.answer
    world.emulator.api.answer = lambda request: (  # type: ignore[method-assign]
        real(request) if request.method == "GET" else text_response(400, "no")
    )
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    assert (outcome.status.value, outcome.operations[0].http_status) == ("failed", 400)
    assert "carried" not in str(outcome.error)
    assert "unique" not in str(outcome.error)


def test_what_a_server_left_behind_is_sent_at_once_where_a_look_shows_it() -> None:
    """After a rename whose answer was lost: right behind it, and reported last, as what no plan showed."""
    segment = {"name": "S", "conditions": [], "percentage": 100, "rolloutWeights": {"treatment": 1}}
    emulator = an_emulator(a_live_flag("f", targetSegments=[segment]), behaviour=Behaviour(rename_rewrites=False))
    variants = (Variant(key="control"), Variant(key="new", renamed_from="treatment"))
    world = a_world(emulator, FlagSpec(key="f", variants=variants, deployments=("67",)))

    def write(number: int, request: RawRequest, real: Answer) -> ApiResponse:
        answered = real(request)
        return LOST if number == 1 else answered

    outcome, sent = carried_out(world, write)
    assert [list(body) for body in sent] == [["key"], ["rolloutWeight"], ["targetSegments"], ["deployments"]]
    assert [item["rolloutWeights"] for item in sent[2]["targetSegments"]] == [{"new": 1}]
    assert [(item.order, item.operation.kind, item.is_added) for item in outcome.operations] == [
        (1, "edit-variant", False),
        (2, "add-deployments", False),
        (3, "edit-variant", True),
        (4, "edit-flag", True),
    ]
    assert (outcome.status.value, outcome.verified) == ("applied", True)


@pytest.mark.parametrize(
    ("takes", "since", "reads"),
    [
        ([2.5, 9], 1000, 1),
        ([2.501, 2.5], 1002.501, 2),
        ([9, 2.501], 1011.501, 2),
        ([0, 0], 1000, 1),
    ],
)
def test_since_when_a_read_may_be_outdated(
    monkeypatch: pytest.MonkeyPatch, takes: list[float], since: float, reads: int
) -> None:
    """Since it was sent; where that is long ago it is made again, and where that takes long too, since its answer."""
    clock, made = [1000.0], list[float]()
    monkeypatch.setattr(steps, "loop_time", lambda: clock[0])

    async def read() -> int:
        made.append(takes[len(made)])
        clock[0] += made[-1]
        return len(made)

    assert run_in_virtual_time(steps.timed(read)) == (reads, pytest.approx(since))
    assert len(made) == reads


RENEWED = {
    "refused": (401, "skipped", 401, ""),
    "rejected": (400, "failed", 400, "GET /api/1/flags was rejected (400)"),
    "lost": (500, "failed", None, "Nothing was sent, because reading before it failed: GET /api/1/flags"),
}


@pytest.mark.parametrize("how", RENEWED)
def test_a_look_before_a_call_that_fails(how: str) -> None:
    """Between two calls that lie far apart: the second is not sent, and the flag has failed."""
    status, ended, http_status, said = RENEWED[how]
    named = (Variant(key="control", name="C"), Variant(key="treatment"))
    spec = FlagSpec(key="f", name="n", variants=named)
    world = a_world(an_emulator(a_live_flag("f")), spec, apply_options=ApplyOptions(verify=False))
    planned, real, writes = world.look(), world.emulator.api.answer, 0

    def answer(request: RawRequest) -> ApiResponse:
        nonlocal writes
        if request.method == "GET" and writes:
            return text_response(status, "no")
        if request.method != "GET":
            writes += 1
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop.skip(6)
        return real(request)

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    (outcome,) = report.outcomes
    assert (writes, outcome.status.value, report.exit_code) == (1, "failed", 7)
    _, second = outcome.operations
    assert (second.status.value, second.attempts, second.http_status) == (ended, 0, http_status)
    assert second.error == outcome.error
    assert str(outcome.error).startswith(said)
    assert "The call carried" not in str(outcome.error)
    assert (report.stopped_by is None) is (how != "refused")


SENT = datetime(2030, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "sent", "is_since"),
    [
        ("2030-01-02T12:00:01.999Z", SENT, False),
        ("2030-01-02T12:00:02.000Z", SENT, False),
        ("2030-01-02T12:00:02.001Z", SENT, True),
        (None, SENT, False),
        ("2030-01-02T12:00:09.000Z", None, False),
    ],
)
def test_whether_a_flag_was_written_since_a_call(
    written: str | None, sent: datetime | None, *, is_since: bool
) -> None:
    """By the server's times, which may differ by two seconds; where one is not said it was not."""
    (step,) = steps.steps_of([EditFlag(flag_key="f", body={"name": "n"})])
    step.sent_at = sent
    assert ambiguous._was_written_since(step, a_flag(last_modified_at=written)) is is_since


def test_an_edit_before_the_first_call_is_no_failure() -> None:
    """Where the first failure is to stop everything, a flag that others edit while it waits stops nothing."""
    world = a_world(
        an_emulator(*map(a_live_flag, "fg")),
        *(FlagSpec(key=key, rollout_percentage=50) for key in "fg"),
        apply_options=ApplyOptions(on_error_abort=True, verify=False),
    )
    path, real = f"/flags/{flag_of(world.emulator, 'f')['id']}", world.emulator.api.answer
    planned, sent = world.look(), list[str]()

    def answer(request: RawRequest) -> ApiResponse:
        if request.method == "GET":
            return real(request)
        sent.append(request.path.removeprefix("/api/1"))
        if len(sent) > 1:
            return real(request)
        world.emulator.edit_as(OTHER_USER, "PATCH", path, {"description": "by hand"})
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.skip(6)
        return text_response(429, "slow down")

    world.emulator.api.answer = answer  # type: ignore[method-assign]
    report = world.carry_out(planned).report
    assert report is not None
    first, second = report.outcomes
    assert (sent[0], len(sent)) == (path, 2)
    assert (first.status.value, first.operations[0].status.value, second.status.value) == (
        "skipped", "skipped", "applied",
    )  # fmt: skip
    assert "it was edited meanwhile (description), not by this run" in str(first.error)
    assert first.users_see == ""
