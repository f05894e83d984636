"""Calls whose effect is not known at once: what is seen afterwards decides what is sent, and what is said."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from emulators import a_live_flag, flag_of
from virtual_time import VirtualTimeLoop
from worlds import World, a_world, an_emulator

from reconciler.apply import ApplyOptions, Cancellation
from reconciler.emulator import Behaviour
from reconciler.emulator.requests import text_response
from reconciler.model.flag import FlagSpec, Variant

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


def test_a_call_that_arrives_late_is_seen_although_its_repetition_is_refused() -> None:
    """After an answer in doubt, a refusal of the next try does not say that nothing was done."""
    world = a_world(an_emulator(a_live_flag("f")), FlagSpec(key="f", rollout_percentage=50))
    late: list[RawRequest] = []

    def write(number: int, request: RawRequest, real: Answer) -> ApiResponse:
        late.append(request)
        if number == 1:
            return LOST
        real(late[0])
        return text_response(400, "no")

    outcome, sent = carried_out(world, write)
    assert sent == [{"rolloutPercentage": 50}] * 2
    assert (outcome.status.value, outcome.verified, outcome.error) == ("applied", True, None)
    assert [(item.status.value, item.attempts, item.http_status) for item in outcome.operations] == [
        ("applied", 2, 400)
    ]


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
    assert [item.status.value for item in outcome.operations] == ["unknown"]


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
