"""The list, page by page: pages that move, cursors of every style, pages that are too large."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from builders import a_flag
from builders import a_live_flag as a_live
from clients import ask
from emulators import PROJECT, a_live_flag, an_emulator

from reconciler.api.listing import Listing, by_key, find_including_archived, read_list
from reconciler.emulator import Behaviour, Emulator, Limits
from reconciler.errors import InvalidResponseError, RejectedError
from reconciler.progress import Progress


def flags(count: int) -> list[dict[str, Any]]:
    """So many live flags, the oldest first."""
    return [a_live_flag(f"flag-{number}") for number in range(count)]


def keys(listing: Listing) -> list[str]:
    """The keys that a listing found, in its order."""
    return [flag.key for flag in listing.flags.values()]


class Moving(httpx.AsyncBaseTransport):
    """An emulator in which flags are edited between every two requests."""

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
    """A flag is created."""
    return ("POST", "/flags", {"projectId": PROJECT, "key": key})


def archive(emulator: Emulator, key: str) -> tuple[str, str, Any]:
    """A flag is archived."""
    (flag_id,) = [flag["id"] for flag in emulator.store.flags.values() if flag["key"] == key]
    return ("PATCH", f"/flags/{flag_id}", {"archive": True})


@pytest.mark.parametrize("page", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("cursors", ["string", "number"])
@pytest.mark.parametrize("end", ["null", "empty", "absent", "always"])
def test_every_flag_is_found_once_in_the_fewest_requests(end: Any, cursors: Any, page: int) -> None:
    """With any page size and any form of cursors, each flag is there once, newest first."""
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


def test_pages_of_other_projects_do_not_end_the_list() -> None:
    """A page on which nothing is ours is not an empty page."""
    pages = [
        {"flags": [{"id": 1, "projectId": 8, "key": "foreign"}], "nextCursor": 1},
        {"flags": [{"id": 2, "projectId": 7, "key": "ours"}], "nextCursor": None},
    ]
    answers = iter(pages)
    assert keys(ask(lambda _: httpx.Response(200, json=next(answers)), read_list)) == ["ours"]


def test_a_failing_page_fails_the_list() -> None:
    """Half a list is no list."""
    answers = iter([httpx.Response(200, json={"flags": [], "nextCursor": 5}), httpx.Response(400)])

    def answer(_: httpx.Request) -> httpx.Response:
        return next(answers)

    assert keys(ask(answer, read_list)) == []  # an empty page is the end, with any cursor
    rows = [{"id": 1, "projectId": 7, "key": "a"}]
    answers = iter([httpx.Response(200, json={"flags": rows, "nextCursor": 5}), httpx.Response(400)])
    with pytest.raises(RejectedError):
        ask(answer, read_list)


def listing_of(*pages: list[dict[str, Any]]) -> Listing:
    """What these pages show."""
    answers = iter([*[{"flags": page, "nextCursor": number} for number, page in enumerate(pages, 1)], {"flags": []}])
    return ask(lambda _: httpx.Response(200, json=next(answers)), read_list)


def row(flag_id: Any, key: str, **fields: Any) -> dict[str, Any]:
    """A flag of our project."""
    return {"id": flag_id, "projectId": PROJECT, "key": key} | fields


def test_a_flag_that_another_page_shows_well_is_read() -> None:
    """It may have been caught in the middle of an edit."""
    broken, well = row("1", "a", enabled="?"), row("1", "a")
    for pages in ([broken, row("2", "b")], [well]), ([well, row("2", "b")], [broken]):
        listing = listing_of(*pages)
        assert (sorted(keys(listing)), listing.unread) == (["a", "b"], ())


def test_an_id_of_several_flags_is_no_flags() -> None:
    """However often and on however many pages it is shown; each of the keys is set aside."""
    for pages in ([row("1", "a"), row("1", "b"), row("1", "a")],), ([row("1", "a"), row("2", "c")], [row("1", "b")]):
        listing = listing_of(*pages)
        assert {item.key for item in listing.unread} == {"a", "b"}
        assert set(keys(listing)) <= {"c"}


def joined(*listings: Listing) -> Listing:
    """What several reads of the list show together."""
    found = Listing()
    for listing in listings:
        found.join(listing)
    return found


def test_what_several_reads_show_is_one_listing() -> None:
    """An id that one of them shows with two keys is no flag of any of them; nor is one that two reads show so."""
    torn, one, other, third = (
        listing_of([row("1", "a"), row("1", "b"), row("2", "c", enabled="?")]),
        listing_of([row("1", "a"), row("3", "d")]),
        listing_of([row("1", "b"), row("2", "c")]),
        listing_of([row("1", "e")]),
    )
    for listings, found, unread in (
        ((torn, one), ["d"], {"a", "b", "c"}),
        ((one, torn), ["d"], {"a", "b", "c"}),
        ((one, other), ["d", "c"], {"a", "b"}),
        ((torn, other), ["c"], {"a", "b"}),
        ((third, torn), [], {"a", "b", "c", "e"}),
    ):
        listing = joined(*listings)
        assert keys(listing) == found
        assert {item.key for item in listing.unread} == unread
    assert joined(one).flags.keys() == {"1", "3"}


def test_a_listing_of_some_keys() -> None:
    """Others are left out; a flag that cannot be read and may be one of them is refused."""
    listing = listing_of([row("1", "a"), row("2", "b"), row("3", "c", enabled="?")])
    only = listing.only(["a"])
    assert (keys(only), only.pages, only.unmarked) == (["a"], listing.pages, listing.unmarked & {"1"})
    for wanted, is_refused in ((["c"], True), (["a", "c"], True), (["a", "z"], False), ([], False)):
        with pytest.raises(InvalidResponseError) if is_refused else nullcontext():
            listing.only(wanted)
    nameless = listing_of([row("1", "a"), {"id": "4", "projectId": PROJECT}])
    assert keys(nameless.only(["a"])) == ["a"]
    with pytest.raises(InvalidResponseError):
        nameless.only(["a", "z"])


def test_flags_by_key() -> None:
    """Sorted; a live one before archived ones, and all ids where several have a key."""
    given = [
        ("c", "3", False), ("a", "9", True), ("a", "1", False),
        ("b", "7", False), ("b", "5", False), ("b", "6", True), ("d", "8", True), ("d", "4", True), ("e", "2", True),
    ]  # fmt: skip
    flags = [a_live(a_flag(key, archived=archived), id=flag_id) for key, flag_id, archived in given]
    chosen, duplicates = by_key(flags)
    assert [(key, flag.id) for key, flag in chosen.items()] == [("a", "1"), ("c", "3"), ("e", "2")]
    assert list(duplicates.items()) == [("b", ("5", "7")), ("d", ("4", "8"))]


def test_pages_are_counted_as_they_come() -> None:
    """Of the whole list, or of a list for each key."""
    emulator = an_emulator(*flags(5), limits=Limits(page=2))
    progress = Progress()
    listing = ask(emulator, lambda client: read_list(client, progress=progress))
    assert (progress.done, listing.pages) == (3, 3)
    found = ask(
        emulator,
        lambda client: find_including_archived(client, ["flag-1", "flag-2"], most=2, progress=progress),
    )
    assert ([flag.key for flag in found], progress.done) == (["flag-1", "flag-2"], 5)
