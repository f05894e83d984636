"""Damaged answers of every read: each ends in the model or in a clean error, and no write rests on a refused one."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_config
from clients import LOOPBACK, UNHURRIED, Handler, StoppedClock, a_key
from emulators import PROJECT, a_live_flag, an_emulator
from emulators import ask as ask_emulator
from faults.drills import Drill
from faults.fault_kinds import Kind
from faults.mutations import mutated
from faults.scenarios import SCENARIOS, live_segment, live_variants
from faults.wire import Passage, arriving

from reconciler.api.client import connect
from reconciler.errors import InvalidResponseError, ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.client import Client

SHORT, LONG = 100, 20_000
ID = "1001"
READS: dict[str, tuple[str, Callable[[Client], Awaitable[object]]]] = {
    "flags": (f"/flags?projectId={PROJECT}", lambda client: client.list_flags()),
    "flag": (f"/flags/{ID}", lambda client: client.get_flag(ID)),
    "versions of a flag": (f"/flags/{ID}/versions", lambda client: client.list_versions(ID)),
    "version": (f"/flags/{ID}/versions/1", lambda client: client.get_version(ID, 1)),
    "variants": (f"/flags/{ID}/variants", lambda client: client.list_variants(ID)),
    "variant": (f"/flags/{ID}/variants/control", lambda client: client.get_variant(ID, "control")),
    "users": (f"/flags/{ID}/variants/control/users", lambda client: client.list_users(ID, "control")),
    "cohorts": (f"/flags/{ID}/variants/control/cohorts", lambda client: client.list_cohorts(ID, "control")),
    "deployments of a flag": (f"/flags/{ID}/deployments", lambda client: client.list_deployments(ID)),
    "all versions": ("/versions", lambda client: client.list_all_versions()),
    "all deployments": ("/deployments", lambda client: client.list_all_deployments()),
}


def _answers() -> dict[str, bytes]:
    flag = a_live_flag(
        "a",
        variants=[
            {**variant, "payload": {"a": [1, None]}, "cohorts": ["c1"]}
            for variant in live_variants(control=["x", "y"])
        ],
        targetSegments=[live_segment()],
        deployments=["67", "68"],
        tags=["t"],
        parentDependencies={"flags": {"9": ["on"]}, "operator": "ALL"},
    )
    emulator = an_emulator(flag, a_live_flag("b"))
    return {name: ask_emulator(emulator, "GET", path).body for name, (path, _) in READS.items()}


ANSWERS = _answers()


async def _read(name: str, amount: int, seed: int) -> tuple[int, int]:
    """How many damaged answers were refused, and how many were read as something."""
    random, read = Random(f"{name} {seed}"), READS[name][1]
    waiting: list[bytes] = []
    refused = accepted = 0
    http = Handler(lambda _: httpx.Response(200, content=waiting[0]))
    config = a_config(project_id=PROJECT, requests=UNHURRIED)
    async with connect(config, a_key(), LOOPBACK, read_only=True, http=http, clock=StoppedClock().clock) as client:
        for _ in range(amount):
            waiting[:] = [mutated(ANSWERS[name], random)]
            try:
                await read(client)
                accepted += 1
            except InvalidResponseError as error:
                refused += "GET /api/1/" in str(error)
            except ReconcilerError:
                accepted += 1  # read, and seen to be another project's
    return refused, accepted


@pytest.mark.parametrize("name", READS)
def test_damaged_answers(name: str, count: Any) -> None:
    """A damaged answer is a value of the model or a InvalidResponseError that names the call: nothing else."""
    _check(name, SHORT, 0, count)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", READS)
def test_many_damaged_answers(name: str, count: Any) -> None:
    """The same for 20,000 answers of each endpoint."""
    _check(name, LONG, 1, count)


def _check(name: str, amount: int, seed: int, count: Any) -> None:
    refused, accepted = asyncio.run(_read(name, amount, seed))
    assert refused + accepted == amount
    assert min(refused, accepted)
    count("damaged answers refused", refused)
    count("damaged answers that still say something", accepted)


RUNS = ("create-everything", "rename-with-users", "users-moved", "copies", "prune", "everything-at-once", "several")


def _run_with_damage(name: str, amount: int, seed: int, count: Any) -> None:
    """Runs in which one read is damaged: nothing foreign moves, a refusal sends nothing, and all converges."""
    drill, random = Drill(SCENARIOS[name]), Random(f"{name} {seed}")

    async def damage(passage: Passage) -> httpx.Response:
        answer = passage.deliver()
        if passage.is_write:
            return arriving(answer.status, answer.body)
        return arriving(200, mutated(answer.body, random), {"content-type": "application/json"})

    kind = Kind(name="damaged", fault=damage, leaves_doubt=True, blurs=True)
    refused = 0
    for _ in range(amount):
        first = drill.disturb(kind, random.randint(1, drill.calls))
        refused += isinstance(first.error, InvalidResponseError)
    count("runs with a damaged read", amount)
    count("plans refused for it", refused)


@pytest.mark.parametrize("name", RUNS)
def test_runs_with_a_damaged_read(name: str, count: Any) -> None:
    """With any wrong answer to one read of a run, no promise is broken and the next runs converge."""
    _run_with_damage(name, 20, 0, count)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RUNS)
def test_many_runs_with_a_damaged_read(name: str, count: Any) -> None:
    """The same, many more times."""
    _run_with_damage(name, 1500, 1, count)
