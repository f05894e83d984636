"""What holds a client back, and what is remembered of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from emulators import AUTHORIZATION, KEY, USER, a_live_flag, an_emulator, ask
from virtual_time import run_in_virtual_time

from reconciler.emulator import Limits, RawRequest
from reconciler.emulator.log import RateLimit

if TYPE_CHECKING:
    from reconciler.emulator import ApiResponse, Emulator


def ask_at(emulator: Emulator, seconds: float) -> ApiResponse:
    request = RawRequest(method="GET", path="/api/1/flags", authorization=f"Bearer {KEY}", arrived=seconds)
    return emulator.api.answer(request)


def test_no_second_holds_more_than_the_rate() -> None:
    """Requests beyond the rate are a 429, in any window of one second; refused ones do not count."""
    emulator = an_emulator(limits=Limits(rate=3))
    arrivals = (0.0, 0.5, 0.75, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75)
    assert [ask_at(emulator, at).status for at in arrivals] == [200, 200, 200, 429, 429, 200, 429, 200, 200]


def test_a_refusal_says_when_to_come_back_or_does_not() -> None:
    """Retry-After is there exactly when it is set, word for word."""
    for retry_after, headers in ((None, {}), ("2", {"Retry-After": "2"}), ("-5", {"Retry-After": "-5"})):
        emulator = an_emulator(limits=Limits(rate=1, retry_after=retry_after))
        ask_at(emulator, 0.0)
        refused = ask_at(emulator, 0.1)
        assert (refused.status, dict(refused.headers)) == (429, headers)


def test_a_refused_write_changes_nothing() -> None:
    """A request over the rate is not done."""
    emulator = an_emulator(a_live_flag(), limits=Limits(rate=1))
    before = emulator.dump()
    ask(emulator, "GET", "/flags")
    assert ask(emulator, "PATCH", "/flags/1001", {"enabled": False}).status == 429
    assert emulator.dump() == before


def test_the_rate_admits_a_steady_stream() -> None:
    """Exactly `rate` requests every second are never refused."""
    limit = RateLimit(8)
    assert all(limit.admits(number / 8) for number in range(1000))


def test_the_log_holds_every_request() -> None:
    """Method, path as sent, query, body, status and user of each request, refused ones too, in order."""
    emulator = an_emulator(a_live_flag())
    ask(emulator, "GET", "/flags?limit=5&key=a%20b&x=")
    ask(emulator, "PATCH", "/flags/1001", {"rolloutPercentage": 101})
    ask(emulator, "DELETE", "/flags/1001/variants/a%2Fb", key="unknown-key")
    shown = [(entry.number, entry.method, entry.path, entry.query, entry.body) for entry in emulator.log]
    assert shown == [
        (1, "GET", "/api/1/flags", {"limit": "5", "key": "a b", "x": ""}, None),
        (2, "PATCH", "/api/1/flags/1001", {}, {"rolloutPercentage": 101}),
        (3, "DELETE", "/api/1/flags/1001/variants/a%2Fb", {}, None),
    ]
    assert [(entry.status, entry.user) for entry in emulator.log] == [(200, USER), (400, USER), (401, None)]
    assert [entry.arrived for entry in emulator.log] == sorted(entry.arrived for entry in emulator.log)


def test_a_body_that_is_not_json_is_logged_as_text() -> None:
    """What cannot be read as JSON is kept as it came."""
    emulator = an_emulator()
    request = RawRequest(method="POST", path="/api/1/flags", authorization=f"Bearer {KEY}", body=b"{oops")
    emulator.api.answer(request)
    assert emulator.log[0].body == "{oops"


def test_what_a_request_does_not_carry_is_logged_as_nothing() -> None:
    """Neither a query nor a body, nor a type of it, is made up."""
    emulator = an_emulator(a_live_flag())
    request = RawRequest(method="PATCH", path="/api/1/flags/1001", authorization=f"Bearer {KEY}")
    assert emulator.api.answer(request).body == b"the Content-Type must be application/json, not 'missing'"
    assert emulator.api.answer(RawRequest(method="GET", path="/api/1/flags")).status == 401
    assert [(entry.query, entry.body, entry.user) for entry in emulator.log] == [({}, None, USER), ({}, None, None)]


def test_the_writes_are_those_that_took_effect() -> None:
    """Reads and refused writes are not among them."""
    emulator = an_emulator(a_live_flag())
    ask(emulator, "GET", "/flags")
    ask(emulator, "PATCH", "/flags/1001", {"enabled": "yes"})
    ask(emulator, "PATCH", "/flags/1001", {"enabled": False})
    assert [entry.body for entry in emulator.writes] == [{"enabled": False}]


def test_an_observer_can_edit_before_a_request_is_answered() -> None:
    """Observers are told of each request before anything is done with it."""
    emulator = an_emulator(a_live_flag())
    emulator.api.observers.append(
        lambda request: emulator.store.seed_flag({"projectId": "7", "key": f"seen-{request.method.lower()}"}) and None
    )
    keys = [flag["key"] for flag in ask(emulator, "GET", "/flags").json()["flags"]]
    assert keys == ["seen-get", "new-checkout"]


def test_latency_passes_before_the_answer() -> None:
    """Every answer takes the latency, and requests wait beside each other: ten take as long as one."""
    emulator = an_emulator(limits=Limits(latency=60))

    async def ask_together() -> tuple[list[int], float]:
        start = asyncio.get_running_loop().time()
        transport = httpx.ASGITransport(emulator.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://emulator", headers=AUTHORIZATION
        ) as client:
            answers = await asyncio.gather(*(client.get("/api/1/flags") for _ in range(10)))
        return [answer.status_code for answer in answers], asyncio.get_running_loop().time() - start

    statuses, seconds = run_in_virtual_time(ask_together())
    assert statuses == [200] * 10
    assert 60 <= seconds < 61
