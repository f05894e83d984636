"""The versions of several flags, and the feed of all of them, by pages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_live_flag as a_live
from emulators import OTHER_PROJECT, a_live_flag
from looks import BOB, edit, flag_id_of
from msgspec.structs import replace
from worlds import a_world, an_emulator

from reconciler.api.responses import Unread
from reconciler.api.versions import Feed, read_feed, read_versions
from reconciler.emulator import Behaviour, Limits
from reconciler.emulator.requests import text_response
from reconciler.errors import RejectedError
from reconciler.model.flag import FlagSpec, Version
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reconciler.api.client import Client
    from reconciler.emulator import Emulator

LONG_AGO = "2000-01-01T00:00:00Z"


def ask(emulator: Emulator, question: Callable[[Client], Awaitable[Any]]) -> Any:
    """What a client of the emulator is answered."""

    async def run() -> Any:
        async with a_world(emulator).client(read_only=True) as client:
            return await question(client)

    return asyncio.run(run())


def test_versions_by_key_newest_first() -> None:
    """One read a flag."""
    emulator = an_emulator(a_live_flag("a"), a_live_flag("b"))
    edit(emulator, BOB, "b", enabled=False)
    ids = {key: flag_id_of(emulator, key) for key in ("a", "b")}
    found = ask(emulator, lambda client: read_versions(client, ids))
    assert {key: [version.version for version in versions] for key, versions in found.items()} == {
        "a": [1],
        "b": [2, 1],
    }
    assert len(emulator.log) == 2


def test_a_flag_without_versions_to_show_has_none() -> None:
    """404 for one flag leaves the others as they are."""
    emulator = an_emulator(a_live_flag("a"), a_live_flag("b"), behaviour=Behaviour(archived_details="hidden"))
    edit(emulator, BOB, "b", archive=True)
    ids = {key: flag_id_of(emulator, key) for key in ("a", "b")}
    found = ask(emulator, lambda client: read_versions(client, ids))
    assert (len(found["a"]), found["b"]) == (1, ())


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("end", ["null", "empty", "absent", "always"])
def test_the_feed_is_read_to_its_end(page: int, end: str) -> None:
    """Every version of our project, newest first, with any pages and any end."""
    behaviour = Behaviour(cursor_end=end)  # type: ignore[arg-type]
    projects: dict[str, dict[str, str]] = {"7": {}, OTHER_PROJECT: {}}
    emulator = an_emulator(
        a_live_flag("a"), a_live_flag("b"), behaviour=behaviour, limits=Limits(page=page), projects=projects
    )
    emulator.store.seed_flag({"key": "foreign", "projectId": OTHER_PROJECT})
    edit(emulator, BOB, "a", enabled=False)
    feed = ask(emulator, lambda client: read_feed(client, LONG_AGO))
    assert [(version.flag.key, version.version) for version in feed.versions] == [("a", 2), ("b", 1), ("a", 1)]


@pytest.mark.parametrize("refusal", ["403", "404"])
def test_a_feed_that_is_not_offered_is_none(refusal: str) -> None:
    """None is not the same as nothing new."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(feeds=refusal))  # type: ignore[arg-type]
    assert ask(emulator, lambda client: read_feed(client, LONG_AGO)) is None
    assert ask(an_emulator(a_live_flag()), lambda client: read_feed(client, "2099-01-01T00:00:00Z")).versions == ()


def test_a_feed_names_the_flags_that_it_can() -> None:
    """An edit that cannot be read is one all the same; where it does not say of which flag, they are not known."""
    unread = Unread(id="5", key="b", reason="?")
    emulator = an_emulator(a_live_flag("a"))
    feed = replace(ask(emulator, lambda client: read_feed(client, LONG_AGO)), unread=(unread,))
    assert feed.keys == feed.keys_but_experiments(frozenset()) == {"a", "b"}
    unknown = replace(feed, unread=(unread, replace(unread, key=None)))
    assert (unknown.keys, unknown.keys_but_experiments({"a"})) == (None, None)


def test_what_looks_like_an_experiment_is_a_flag_where_a_file_declares_it() -> None:
    """Experiments are in the feed too; those that no file declares were no edits of flags."""
    unread = tuple(Unread(id="5", key=key, reason="?") for key in ("a", "b", "c"))
    feed = Feed(versions=(), unread=unread, experiments=frozenset({"b", "c", "d"}))
    assert feed.keys_but_experiments({"c", "d"}) == {"a", "c"}


NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def test_what_was_made_since_a_time() -> None:
    """From that second on; what does not say when it was made may be new."""
    times = ["2030-01-02T12:00:01Z", "2030-01-02T12:00:00Z", "2030-01-02T11:59:59Z", "soon"]
    flag = a_live(FlagSpec(key="a"))
    versions = tuple(
        Version(version=9 - place, created_at=at, created_by=None, flag=flag) for place, at in enumerate(times)
    )
    unread = (Unread(id="5", key="b", reason="?"),)
    feed = Feed(versions=versions, unread=unread, experiments=frozenset("x"))
    assert feed.later(NOON) == replace(feed, versions=(versions[0], versions[1], versions[3]))


def test_reads_of_versions_are_counted() -> None:
    """Also of a flag of which none can be read."""
    emulator = an_emulator(*map(a_live_flag, ("a", "b", "c")), behaviour=Behaviour(archived_details="hidden"))
    ids = {key: flag_id_of(emulator, key) for key in ("a", "b", "c")}
    edit(emulator, BOB, "b", archive=True)
    heard: list[tuple[str, int, int | None]] = []

    class Recorded(Progress):
        def advance(self, count: int = 1) -> None:
            super().advance(count)
            heard.append((self.what, self.done, self.total))

    ask(emulator, lambda client: read_versions(client, ids, progress=Recorded()))
    assert heard == [("Reading versions", done, 3) for done in (1, 2, 3)]


@pytest.mark.parametrize(
    ("status", "body", "shown"), [(200, "{", True), (403, "", True), (404, "", True), (400, "", False)]
)
def test_versions_that_cannot_be_read_are_none(status: int, body: str, *, shown: bool) -> None:
    """They say who made a change, and not what is live; any other failure is one."""
    emulator = an_emulator(a_live_flag("a"))
    ids = {"a": flag_id_of(emulator, "a")}
    emulator.api.answer = lambda _: text_response(status, body)  # type: ignore[method-assign]
    if shown:
        assert ask(emulator, lambda client: read_versions(client, ids)) == {"a": ()}
    else:
        with pytest.raises(RejectedError):
            ask(emulator, lambda client: read_versions(client, ids))
