"""A signal at each request of an apply: what the report says of each call, and that nothing follows it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from builders import a_config
from emulators import a_live_flag, an_emulator
from faults.drills import WiredWorld
from faults.wire import Wire
from virtual_time import run_in_virtual_time
from worlds import FAST, UNGUARDED, desired_of

from reconciler.apply import ApplyOptions, Cancellation, apply_plan
from reconciler.errors import InterruptedRunError
from reconciler.model.flag import FlagSpec, Variant

if TYPE_CHECKING:
    import httpx
    from faults.wire import Passage

    from reconciler.apply import ApplyReport

LIVE = (a_live_flag("a", rolloutPercentage=10), a_live_flag("b", rolloutPercentage=10))
SPECS = (
    FlagSpec(key="a", rollout_percentage=50, variants=(Variant(key="control", name="C"), Variant(key="treatment"))),
    FlagSpec(key="b", rollout_percentage=50),
    FlagSpec(key="c", variants=(Variant(key="on"),), tags=("t",)),
)


def interrupted(number: int, *, arrives: bool) -> tuple[ApplyReport, list[Passage]]:
    """The report of an apply that gets a signal while its n-th request is under way, and the requests.

    That request arrives, or is lost; no answer comes.
    """
    emulator = an_emulator(*LIVE)
    world = WiredWorld(
        emulator=emulator,
        desired=desired_of(*SPECS),
        config=a_config(requests=FAST),
        options=UNGUARDED,
        apply_options=ApplyOptions(),
        wire=Wire(emulator),
    )

    async def run() -> ApplyReport:
        planned, cancellation = await world.plan_async(), Cancellation()
        first = len(world.wire.passages)

        async def fault(passage: Passage) -> httpx.Response:
            if arrives:
                passage.deliver()
            cancellation.interrupt(signal.SIGTERM)
            await asyncio.sleep(3600)
            raise AssertionError("nothing waits an hour")

        world.wire.plan = lambda passage: fault if passage.number == first + number else None
        async with world.client(read_only=False) as client:
            report = await apply_plan(
                planned.plan,
                client,
                desired=world.desired,
                live=planned.live,
                config=world.config,
                options=ApplyOptions(concurrency=1),
                cancellation=cancellation,
            )
        world.wire.passages = world.wire.passages[first:]
        return report

    report: ApplyReport = run_in_virtual_time(run())
    return report, world.wire.passages


NOTHING_MORE = "Interrupted: nothing more is sent."
REQUESTS = "rWWWrWrWrr"
"""A look at two flags, their three calls, the new one: a look, its create, a look, its edit; read-back and feed."""


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize(
    ("number", "calls", "flags", "verified"),
    [
        (1, "ss s ss", "sss", None),
        (2, "us s ss", "uss", None),
        (3, "au s ss", "uss", None),
        (4, "aa u ss", "aus", None),
        (5, "aa a ss", "aas", None),
        (6, "aa a us", "aau", None),
        (7, "aa a as", "aaf", None),
        (8, "aa a au", "aau", None),
        (9, "aa a aa", "aaa", None),
        (10, "aa a aa", "aaa", True),
    ],
)
def test_a_signal_while_a_request_is_under_way(
    number: int, calls: str, flags: str, *, arrives: bool, verified: bool | None
) -> None:
    """It was the last one; a write may have taken effect, and what comes after it was never sent."""
    report, sent = interrupted(number, arrives=arrives)
    assert "".join("W" if passage.is_write else "r" for passage in sent) == REQUESTS[:number]
    assert [[item.status[0] for item in outcome.operations] for outcome in report.outcomes] == [
        list(word) for word in calls.split()
    ]
    assert [[item.attempts for item in outcome.operations] for outcome in report.outcomes] == [
        [int(letter in "au") for letter in word] for word in calls.split()
    ]
    assert "".join(outcome.status[0] for outcome in report.outcomes) == flags
    assert [outcome.error for outcome in report.outcomes] == [None if item == "a" else NOTHING_MORE for item in flags]
    assert (report.verified, report.signal_number, report.exit_code) == (verified, signal.SIGTERM, 143)
    assert isinstance(report.stopped_by, InterruptedRunError)


def test_without_a_signal_all_is_applied() -> None:
    """With those requests."""
    report, sent = interrupted(len(REQUESTS) + 1, arrives=True)
    assert "".join("W" if passage.is_write else "r" for passage in sent) == REQUESTS
    assert (report.verified, report.signal_number, report.exit_code, report.stopped_by) == (True, None, 0, None)
