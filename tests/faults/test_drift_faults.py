"""Every read of a look failing in every way: what could not be looked at is neither drift nor its absence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from builders import NOON
from emulators import a_live_flag
from looks import BOB, a_declaration, edit
from worlds import ENVIRON, World, a_world, an_emulator, run_now

from reconciler.api.client import connect
from reconciler.api.credentials import origin_for, read_key
from reconciler.drift import Basis, DriftOptions, DriftReport, detect_drift
from reconciler.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

READS = 5
"""What a look at the world below sends: the list, a look-up, two lists of users, the versions of what differs."""


def refused(_: httpx.Request) -> httpx.Response:
    """No server listens."""
    raise httpx.ConnectError("refused")


def broken_off(_: httpx.Request) -> httpx.Response:
    """The connection goes while the answer comes."""
    raise httpx.ReadError("reset")


def answers(status: int, text: str = "", **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """An answer as it comes over a wire: not read yet."""
    return lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(text.encode()))


FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "refused": refused,
    "broken off": broken_off,
    "500": answers(500, "<html>"),
    "401": answers(401),
    "429": answers(429, **{"retry-after": "1"}),
    "a page instead of JSON": answers(200, "<html>"),
    "null": answers(200, "null"),
    "an empty object": answers(200, "{}"),
}


class FailingFrom(httpx.AsyncBaseTransport):
    """An emulator of which every request fails from the n-th one on."""

    def __init__(self, world: World, number: int, fault: Callable[[httpx.Request], httpx.Response]) -> None:
        self._inner = httpx.ASGITransport(world.emulator.app)
        self._left, self._fault = number, fault

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        return self._fault(request) if self._left < 0 else await self._inner.handle_async_request(request)


def a_drifted_world() -> World:
    """One flag that differs and one that is missing."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, "new-checkout", enabled=False)
    return a_world(emulator, a_declaration(), a_declaration("gone"))


def look_through(world: World, number: int, fault: Callable[[httpx.Request], httpx.Response]) -> DriftReport:
    """A look whose requests fail from the n-th one on."""

    async def run() -> DriftReport:
        origin = origin_for("us", ENVIRON)
        key = read_key(ENVIRON, None, origin=origin)
        http = FailingFrom(world, number, fault)
        async with connect(world.config, key, origin, read_only=True, http=http) as client:
            return await detect_drift(client, world.desired, world.config, DriftOptions(), now=NOON)

    report: DriftReport = run_now(run())
    return report


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("number", range(READS))
def test_a_failed_read_is_no_answer(number: int, kind: str) -> None:
    """The look fails, but for versions that cannot be read: those only cost the name of the editor."""
    unreadable = kind in {"a page instead of JSON", "null", "an empty object"}
    if number == READS - 1 and unreadable:
        report = look_through(a_drifted_world(), number, FAULTS[kind])
        assert report.is_drifted
        assert report.flags[0].latest.basis is Basis.LAST_EDIT
        assert report.warnings
        return
    with pytest.raises(ApiError):
        look_through(a_drifted_world(), number, FAULTS[kind])


def test_without_a_fault_the_look_is_whole() -> None:
    """The reads above are all that there are."""
    report = look_through(a_drifted_world(), READS, refused)
    assert (len(report.flags), report.missing, report.requests) == (1, ("gone",), READS)
    assert report.flags[0].latest.by == BOB
