"""Lists by pages, each of the four: where they end, and how soon one that never ends is given up."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clients import Handler, ask

from reconciler.api.listing import read_list
from reconciler.api.pages import read_pages
from reconciler.api.versions import read_feed
from reconciler.errors import InvalidResponseError, ResponseTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LISTS = ["flags", "versions", "deployments", "experiments"]
READS: dict[str, Any] = {
    "flags": read_list,
    "versions": lambda client: read_feed(client, "2000-01-01T00:00:00Z"),
    "deployments": lambda client: client.list_all_deployments(),
    "experiments": lambda client: client.list_experiments(),
}


@pytest.fixture(params=LISTS)
def name(request: pytest.FixtureRequest) -> str:
    """Which list."""
    return str(request.param)


def row_of(name: str, number: int, project: int = 7) -> dict[str, Any]:
    """A row of a list."""
    flag = {"id": number, "projectId": project, "key": f"flag-{number}"}
    if name == "versions":
        return {"version": 1, "createdAt": "2030-01-02T00:00:00Z", "flagConfig": flag}
    return flag | {"label": "web"} if name == "deployments" else flag


def numbers_in(name: str, found: Any) -> list[int]:
    """The numbers of the rows that were found."""
    if name == "flags":
        return [int(flag_id) for flag_id in found.flags]
    if name == "versions":
        return [int(item.flag.id) for item in found.versions]
    return [int(item.id) for item in (found.flags if name == "experiments" else found.deployments)]


def server_of(name: str, pages: Iterable[tuple[Sequence[int], Any]]) -> tuple[Handler, list[str | None]]:
    """A server that answers these pages (numbers of rows, next cursor); and the cursors it was asked for."""
    asked: list[str | None] = []
    answers = iter(pages)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("cursor"))
        rows, cursor = next(answers)
        return httpx.Response(200, json={name: [row_of(name, row) for row in rows], "nextCursor": cursor})

    return Handler(answer), asked


def test_every_page_is_read(name: str) -> None:
    """Up to the one that names no other."""
    server, asked = server_of(name, [([1, 2], "a"), ([3], "b"), ([4], None)])
    found = ask(server, READS[name])
    assert numbers_in(name, found) == [1, 2, 3, 4]
    assert asked == [None, "a", "b"]
    if name == "versions":
        assert found.experiments == {"flag-1", "flag-2", "flag-3", "flag-4"}


def test_an_empty_page_ends_the_list_with_any_cursor(name: str) -> None:
    """Nothing lies behind the end."""
    server, asked = server_of(name, [([1], "a"), ([], "b"), ([2], None)])
    assert numbers_in(name, ask(server, READS[name])) == [1]
    assert asked == [None, "a"]


CIRCLES: dict[str, Any] = {
    "the same page with the same cursor": (lambda: (([1, 2], "a") for _ in count()), 2),
    "the same page with a new cursor": (lambda: (([1, 2], number) for number in count(1)), 2),
    "the same row with the same cursor": (lambda: (([1], "a") for _ in count()), 2),
    "the same row with a new cursor": (lambda: (([1], number) for number in count(1)), 5),
    "two pages in turn": (lambda: (([1, 2], number) if number % 2 else ([3, 4], number) for number in count(1)), 3),
    "two cursors in turn": (lambda: (([number % 2], "ab"[number % 2]) for number in count()), 3),
    "the same rows in another order": (
        lambda: (([number % 3, (number + 1) % 3, (number + 2) % 3], number) for number in count(1)),
        2,
    ),
}


@pytest.mark.parametrize("why", CIRCLES)
def test_a_list_that_repeats_itself_is_given_up_at_once(name: str, why: str) -> None:
    """It is an error, never the end: what it hides is not known."""
    pages, most = CIRCLES[why]
    server, asked = server_of(name, pages())
    with pytest.raises(InvalidResponseError, match=f"GET /api/1/{name} goes in circles"):
        ask(server, READS[name])
    assert len(asked) <= most


def test_a_cursor_that_comes_again_with_news_is_followed(name: str) -> None:
    """A server that keeps its place itself may always give the same cursor."""
    server, asked = server_of(name, [([1], "next"), ([2], "next"), ([3], "next"), ([4], None)])
    assert numbers_in(name, ask(server, READS[name])) == [1, 2, 3, 4]
    assert asked == [None, "next", "next", "next"]


def test_a_row_that_moves_on_is_not_a_circle(name: str) -> None:
    """Rows that are added in front push the same one onto page after page of one row."""
    server, _ = server_of(name, [([5], 1), ([5], 2), ([5], 3), ([5], 4), ([4], None)])
    assert numbers_in(name, ask(server, READS[name])) == [5, 4]


def test_news_let_the_patience_begin_again(name: str) -> None:
    """Rows that move on at every request, one after the other, are no circle either."""
    server, _ = server_of(name, [([5], 1), ([5], 2), ([5], 3), ([4], 4), ([4], 5), ([4], 6), ([3], None)])
    assert numbers_in(name, ask(server, READS[name])) == [5, 4, 3]


def test_a_list_that_never_ends_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a bound to the pages that are read, however new they are."""
    monkeypatch.setattr("reconciler.api.pages.MOST_PAGES", 20)
    server, asked = server_of(name, (([number], number) for number in count(1)))
    with pytest.raises(InvalidResponseError, match="20 pages"):
        ask(server, READS[name])
    assert len(asked) == 20


def test_a_thousand_pages_are_enough() -> None:
    """Of a thousand rows each."""
    asked: list[tuple[int, str | None]] = []

    async def read(limit: int, cursor: str | None) -> SimpleNamespace:
        asked.append((limit, cursor))
        return SimpleNamespace(ids=(str(len(asked)),), next_cursor=str(len(asked)) if len(asked) < ends_at else None)

    async def pages() -> int:
        return len([page async for page in read_pages("GET /x", read)])

    ends_at = 1000
    assert asyncio.run(pages()) == 1000
    assert asked[:2] == [(1000, None), (1000, "1")]
    asked.clear()
    ends_at = 1001
    with pytest.raises(InvalidResponseError, match="GET /x does not end: 1000 pages were read"):
        asyncio.run(pages())
    assert len(asked) == 1000


def test_pages_of_other_projects_are_no_circle(name: str) -> None:
    """Their rows are told apart too, though they are dropped."""
    pages = [([1, 2], 8, 1), ([3, 4], 8, 2), ([5], 7, None)]
    answers = iter(
        {name: [row_of(name, row, project) for row in rows], "nextCursor": cursor} for rows, project, cursor in pages
    )
    found = ask(lambda _: httpx.Response(200, json=next(answers)), READS[name])
    assert numbers_in(name, found) == [5]


def test_rows_that_cannot_be_read_are_told_of_every_page(name: str) -> None:
    """The others are read all the same."""
    rows = [row_of(name, number) for number in (1, 2, 3, 4)]
    for row in (rows[0], rows[3]):
        (row["flagConfig"] if name == "versions" else row)["id"] = []
    answers = iter([{name: rows[:2], "nextCursor": 1}, {name: rows[2:]}])
    found = ask(lambda _: httpx.Response(200, json=next(answers)), READS[name])
    assert numbers_in(name, found) == [2, 3]
    assert [item.key for item in found.unread] == [f"flag-{number}" for number in (1, 4)]


def large(name: str, most: int) -> tuple[Handler, list[int]]:
    """A server of 10 rows that answers too much when asked for more than `most`; and the limits it was asked for."""
    limits: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        limit, start = int(request.url.params["limit"]), int(request.url.params.get("cursor", 0))
        limits.append(limit)
        end = min(start + limit, 10)
        rows = [row_of(name, number) for number in range(start + 1, end + 1)]
        if len(rows) > most:
            return httpx.Response(200, content=b" " * (11 << 20))
        return httpx.Response(200, json={name: rows, "nextCursor": end if end < 10 else None})

    return Handler(answer), limits


def test_a_page_too_large_is_asked_for_in_halves(name: str) -> None:
    """A page beyond the cap is read in smaller ones, and no row is lost."""
    server, limits = large(name, most=4)
    assert numbers_in(name, ask(server, READS[name])) == [*range(1, 11)]
    assert limits == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 3, 3, 3]


def test_a_single_row_too_large_is_an_error(name: str) -> None:
    """When even one row is beyond the cap the list cannot be read."""
    server, limits = large(name, most=0)
    with pytest.raises(ResponseTooLargeError):
        ask(server, READS[name])
    assert limits[-1] == 1


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("flags", {"projectId": "7", "limit": "7"}),
        ("versions", {"start": "2000-01-01T00:00:00Z", "limit": "7"}),
        ("deployments", {"limit": "7"}),
        ("experiments", {"projectId": "7", "limit": "7"}),
    ],
)
def test_what_each_list_is_asked_for(name: str, asked: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At its own address, by pages of one size; every page but the first by its cursor too."""
    monkeypatch.setattr("reconciler.api.pages.PAGE_SIZE", 7)
    heard: list[tuple[str, dict[str, str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append((request.url.path, dict(request.url.params)))
        return httpx.Response(
            200, json={name: [row_of(name, len(heard))], "nextCursor": "x" if len(heard) < 2 else None}
        )

    assert numbers_in(name, ask(answer, READS[name])) == [1, 2]
    assert heard == [(f"/api/1/{name}", asked), (f"/api/1/{name}", asked | {"cursor": "x"})]
