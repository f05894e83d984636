"""Each kind of fault does to a request what it says, and the emulator's log tells what was truly done."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from emulators import AUTHORIZATION, a_live_flag, an_emulator, flag_of
from fault_injection import (
    Arrival,
    CommitLate,
    Cut,
    Delay,
    Drip,
    Duplicate,
    Fault,
    FaultInjector,
    Respond,
    Truncate,
)

from reconciler.emulator import Emulator, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BASE = "http://emulator/api/1"
ADD = "/flags/1001/variants/control/users"


class Network:
    """An emulator behind a network that fails on one request, by number."""

    def __init__(self, fault: Fault, on: int = 1) -> None:
        self.emulator: Emulator = an_emulator(a_live_flag())
        self.injector = FaultInjector(
            self.emulator.app,
            lambda arrival: fault if arrival.number == on else None,
            cut=lambda: httpx.ReadError("cut"),
        )

    def run(self, exchange: Callable[[httpx.AsyncClient], Awaitable[object]]) -> None:
        async def connected() -> None:
            transport = httpx.ASGITransport(self.injector)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=AUTHORIZATION) as client:
                await exchange(client)

        asyncio.run(connected())

    @property
    def is_on(self) -> bool:
        enabled: bool = flag_of(self.emulator, "new-checkout")["enabled"]
        return enabled


async def switch_off(client: httpx.AsyncClient) -> httpx.Response:
    return await client.patch("/flags/1001", json={"enabled": False})


@pytest.mark.parametrize("after", [False, True])
def test_something_else_answers_before_or_after_the_commit(after: bool) -> None:
    """The client gets the other answer, headers and all; the write was done, or not."""
    network = Network(Respond(status=503, body=b"<html>", headers=(("Retry-After", "1"),), after_commit=after))

    async def exchange(client: httpx.AsyncClient) -> None:
        answer = await switch_off(client)
        assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "<html>", "1")

    network.run(exchange)
    assert network.is_on is not after
    assert len(network.emulator.writes) == int(after)


@pytest.mark.parametrize("after", [False, True])
def test_the_connection_is_cut_before_or_after_the_commit(after: bool) -> None:
    """The client sees its own exception; the write was done, or not."""
    network = Network(Cut(after_commit=after))

    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await switch_off(client)

    network.run(exchange)
    assert network.is_on is not after


@pytest.mark.parametrize("after", [False, True])
def test_an_answer_is_late(after: bool) -> None:
    """The answer comes, and not before its time."""
    network = Network(Delay(seconds=0.05, after_commit=after))
    start = time.monotonic()

    async def exchange(client: httpx.AsyncClient) -> None:
        assert (await switch_off(client)).text == "OK"

    network.run(exchange)
    assert time.monotonic() - start >= 0.05


def test_an_answer_is_truncated() -> None:
    """Only the beginning of the body comes."""
    network = Network(Truncate(keep=10))

    async def exchange(client: httpx.AsyncClient) -> None:
        assert (await client.get("/flags")).content == b'{"flags":['

    network.run(exchange)


def test_an_answer_drips() -> None:
    """The whole body comes, slowly."""
    network = Network(Drip(pause=0.01, size=100))
    start = time.monotonic()

    async def exchange(client: httpx.AsyncClient) -> None:
        slow, fast = await client.get("/flags"), await client.get("/flags")
        assert slow.content == fast.content

    network.run(exchange)
    assert time.monotonic() - start >= 0.04


def test_a_request_is_delivered_twice() -> None:
    """The server does it twice, the client hears once."""
    network = Network(Duplicate())

    async def exchange(client: httpx.AsyncClient) -> None:
        assert (await client.request("DELETE", f"{ADD}/0")).status_code == 400
        created = await client.post("/flags", json={"projectId": "7", "key": "made"})
        assert created.status_code == 200

    network.run(exchange)
    assert [entry.method for entry in network.emulator.log] == ["DELETE", "DELETE", "POST"]


def test_a_lost_request_is_done_later() -> None:
    """The connection is cut at once; the write lands after one more request was answered."""
    network = Network(CommitLate(after=1))

    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await switch_off(client)
        assert (await client.get("/flags/1001")).json()["enabled"] is True
        assert (await client.get("/flags/1001")).json()["enabled"] is False

    network.run(exchange)
    assert [entry.method for entry in network.emulator.log] == ["GET", "PATCH", "GET"]


def test_what_is_still_late_can_be_settled() -> None:
    """A late commit that no request came after is done at the end."""
    network = Network(CommitLate(after=5))

    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await switch_off(client)

    network.run(exchange)
    assert network.is_on
    asyncio.run(network.injector.settle())
    assert not network.is_on


def test_requests_are_numbered_and_what_was_done_to_them_is_kept() -> None:
    """Every arrival is counted, faulty or not; the admin endpoints are not part of the network."""
    network = Network(Respond(status=500), on=2)

    async def exchange(client: httpx.AsyncClient) -> None:
        await client.get("/flags?limit=1")
        await client.get("http://emulator/_emulator/log")
        await client.get("/flags/a%2Fb")

    network.run(exchange)
    assert network.injector.arrivals == [
        Arrival(number=1, method="GET", path="/api/1/flags"),
        Arrival(number=2, method="GET", path="/api/1/flags/a%2Fb"),
    ]
    assert network.injector.injected == [(network.injector.arrivals[1], Respond(status=500))]


def test_a_truncated_answer_breaks_a_real_connection() -> None:
    """Over a socket the promised length does not come, and the client notices."""
    network = Network(Truncate(keep=3))
    with serve(network.injector) as url, httpx.Client(base_url=url, headers=AUTHORIZATION) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/api/1/flags")
        assert client.get("/api/1/flags").status_code == 200
