"""The list, page by page: pages that move, cursors of every style, pages that are too large."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from clients import Handler, ask
from emulators import PROJECT, a_live_flag, an_emulator

from reconciler.api.listing import Listing, read_list
from reconciler.emulator import Behaviour, Emulator, Limits
from reconciler.errors import MalformedAnswerError, OversizedAnswerError, RejectedError


def flags(count: int) -> list[dict[str, Any]]:
    """So many live flags, the oldest first."""
    return [a_live_flag(f"flag-{number}") for number in range(count)]


def keys(listing: Listing) -> list[str]:
    """The keys that a listing found, in its order."""
    return [flag.key for flag in listing.flags.values()]


class Moving(httpx.AsyncBaseTransport):
    """An emulator in which somebody edits between every two requests."""

    def __init__(self, emulator: Emulator, *edits: tuple[str, str, Any]) -> None:
        self._app = httpx.ASGITransport(app=emulator.app)
        self._emulator = emulator
        self._edits = list(edits)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = await self._app.handle_async_request(request)
        if self._edits:
            self._emulator.edit_as("grace@example.com", *self._edits.pop(0))
        return response


def create(key: str) -> tuple[str, str, Any]:
    """Somebody creates a flag."""
    return ("POST", "/flags", {"projectId": PROJECT, "key": key})


def archive(emulator: Emulator, key: str) -> tuple[str, str, Any]:
    """Somebody archives a flag."""
    (flag_id,) = [flag["id"] for flag in emulator.store.flags.values() if flag["key"] == key]
    return ("PATCH", f"/flags/{flag_id}", {"archive": True})


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("cursors", ["string", "number"])
@pytest.mark.parametrize("end", ["null", "empty", "absent", "always"])
def test_every_flag_is_found_once_in_the_fewest_requests(end: Any, cursors: Any, page: int) -> None:
    """Whatever the page size and the cursors look like, each flag is there once, newest first."""
    emulator = an_emulator(*flags(7), behaviour=Behaviour(cursors=cursors, cursor_end=end), limits=Limits(page=page))
    listing = ask(emulator, read_list)
    assert keys(listing) == [f"flag-{number}" for number in reversed(range(7))]
    fewest = -(-7 // page)
    assert len(emulator.log) == listing.pages == fewest + (end == "always")


def test_an_empty_project_takes_one_request() -> None:
    """No flags are no flags, if the server says so properly."""
    listing = ask(an_emulator(), read_list)
    assert (listing.flags, listing.pages) == ({}, 1)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_creates_between_pages_show_no_flag_twice(page: int) -> None:
    """A flag that a create pushed onto the next page counts once."""
    emulator = an_emulator(*flags(6), limits=Limits(page=page))
    moving = Moving(emulator, *(create(f"new-{number}") for number in range(3)))
    listing = ask(moving, read_list)
    assert len(keys(listing)) == len(set(keys(listing)))
    assert {f"flag-{number}" for number in range(6)} <= set(keys(listing))


def test_an_archive_between_pages_lets_one_slip_through() -> None:
    """What the emulator shows here is why absence needs a look-up: the list alone misses a live flag."""
    emulator = an_emulator(*flags(4), limits=Limits(page=2))
    listing = ask(Moving(emulator, archive(emulator, "flag-3")), read_list)
    assert keys(listing) == ["flag-3", "flag-2", "flag-0"]


def test_the_later_showing_of_a_flag_counts() -> None:
    """A flag that is edited while it moves to the next page is as the later page shows it."""
    emulator = an_emulator(*flags(2), limits=Limits(page=1))
    (newest,) = [flag["id"] for flag in emulator.store.flags.values() if flag["key"] == "flag-1"]

    class Editing(Moving):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            first = not self.requests
            response = await super().handle_async_request(request)
            if first:
                self._emulator.edit_as("grace@example.com", "PATCH", f"/flags/{newest}", {"name": "Later"})
            return response

    listing = ask(Editing(emulator, create("new")), read_list)
    assert listing.flags[newest].spec.name == "Later"


def paging(*cursors: Any, rows: int = 1) -> tuple[Handler, list[str | None]]:
    """A server that answers pages of new flags with these cursors, the last one for ever; and what it was asked."""
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("cursor"))
        number = len(asked) if rows else 0
        page = [{"id": number, "projectId": 7, "key": f"flag-{number}"}] * max(rows, 1)
        return httpx.Response(200, json={"flags": page, "nextCursor": cursors[min(len(asked), len(cursors)) - 1]})

    return Handler(answer), asked


def test_a_cursor_that_goes_in_circles_is_an_error() -> None:
    """The same cursor with nothing new behind it is not followed for ever, and not taken for the end."""
    server, asked = paging("a", "b", "a", "b", rows=0)
    with pytest.raises(MalformedAnswerError, match="circles"):
        ask(server, read_list)
    assert asked == [None, "a", "b"]


def test_a_cursor_that_comes_again_with_news_is_followed() -> None:
    """A server that keeps its place itself may always give the same cursor."""
    server, asked = paging("next", "next", "next", None)
    assert len(ask(server, read_list).flags) == 4
    assert asked == [None, "next", "next", "next"]


def test_a_list_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a bound to the pages that are read."""
    monkeypatch.setattr("reconciler.api.listing.MOST_PAGES", 20)
    server, asked = paging(*range(1, 100))
    with pytest.raises(MalformedAnswerError, match="20 pages"):
        ask(server, read_list)
    assert len(asked) == 20


def test_pages_of_other_projects_do_not_end_the_list() -> None:
    """A page on which nothing is ours is not an empty page."""
    pages = [
        {"flags": [{"id": 1, "projectId": 8, "key": "foreign"}], "nextCursor": 1},
        {"flags": [{"id": 2, "projectId": 7, "key": "ours"}], "nextCursor": None},
    ]
    answers = iter(pages)
    assert keys(ask(lambda _: httpx.Response(200, json=next(answers)), read_list)) == ["ours"]


def large(most: int) -> tuple[Handler, list[int]]:
    """A server of 10 flags that answers too much when asked for more than `most`; and the limits it was asked for."""
    limits: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        limit, start = int(request.url.params["limit"]), int(request.url.params.get("cursor", 0))
        limits.append(limit)
        end = min(start + limit, 10)
        rows = [{"id": number, "projectId": 7, "key": f"flag-{number}"} for number in range(start + 1, end + 1)]
        body: dict[str, Any] = {"flags": rows, "nextCursor": end if end < 10 else None}
        if len(rows) > most:
            return httpx.Response(200, content=b" " * (11 << 20))
        return httpx.Response(200, json=body)

    return Handler(answer), limits


def test_a_page_too_large_is_asked_for_in_halves() -> None:
    """A page beyond the cap is read in smaller ones, and no flag is lost."""
    server, limits = large(most=4)
    assert len(ask(server, read_list).flags) == 10
    assert limits == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 3, 3, 3]


def test_a_single_flag_too_large_is_an_error() -> None:
    """When even one flag is beyond the cap the list cannot be read."""
    server, limits = large(most=0)
    with pytest.raises(OversizedAnswerError):
        ask(server, read_list)
    assert limits[-1] == 1


def test_a_failing_page_fails_the_list() -> None:
    """Half a list is no list."""
    answers = iter([httpx.Response(200, json={"flags": [], "nextCursor": 5}), httpx.Response(400)])

    def answer(_: httpx.Request) -> httpx.Response:
        return next(answers)

    assert keys(ask(answer, read_list)) == []  # an empty page is the end, whatever its cursor says
    rows = [{"id": 1, "projectId": 7, "key": "a"}]
    answers = iter([httpx.Response(200, json={"flags": rows, "nextCursor": 5}), httpx.Response(400)])
    with pytest.raises(RejectedError):
        ask(answer, read_list)
