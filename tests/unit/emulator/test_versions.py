"""Every write makes a version of the flag, and the feed tells them all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from emulators import KEY, USER, a_live_flag, ask

from reconciler.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


def a_clock() -> Callable[[], datetime]:
    """A clock that moves by a second each time it is looked at."""
    ticks = iter(range(1_000_000))
    return lambda: START + timedelta(seconds=next(ticks))


def with_history() -> Emulator:
    emulator = Emulator(now=a_clock())
    emulator.store.add_project("7", {"67": "web"})
    emulator.store.add_key(KEY, USER, ["7"])
    emulator.store.seed_flag({"projectId": "7", **a_live_flag(), "createdAt": "2024-04-30T08:00:00.000Z"})
    ask(emulator, "PATCH", "/flags/1001", {"rolloutPercentage": 50})
    ask(emulator, "PATCH", "/flags/1001", {"rolloutPercentage": 25})
    return emulator


def test_versions_come_newest_first_and_show_the_flag_as_it_was() -> None:
    """Each version holds the configuration right after its write."""
    versions = ask(with_history(), "GET", "/flags/1001/versions").json()
    assert [(item["version"], item["flagConfig"]["rolloutPercentage"]) for item in versions] == [
        (3, 25),
        (2, 50),
        (1, 100),
    ]


def test_one_version_can_be_read() -> None:
    """A version read alone is the same as in the list."""
    emulator = with_history()
    versions = ask(emulator, "GET", "/flags/1001/versions").json()
    assert [ask(emulator, "GET", f"/flags/1001/versions/{number}").json() for number in (3, 2, 1)] == versions


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"enabled": False}),
        ("PATCH", "", {"archive": True}),
        ("POST", "/variants", {"key": "third"}),
        ("PATCH", "/variants/control", {"name": "New"}),
        ("DELETE", "/variants/control", None),
        ("POST", "/variants/control/users", {"inclusions": ["ada"]}),
        ("POST", "/variants/control/cohorts", {"inclusions": ["c1"]}),
        ("DELETE", "/variants/control/users", None),
        ("POST", "/deployments", {"deployments": ["67"]}),
    ],
)
def test_every_write_makes_a_version(method: str, path: str, body: Any) -> None:
    """A write adds one version, and says who modified the flag last and when."""
    emulator = with_history()
    before = emulator.store.flags["1001"]
    assert ask(emulator, method, f"/flags/1001{path}", body).status == 200
    assert len(emulator.store.versions_of("1001")) == 4
    after = emulator.store.flags["1001"]
    assert after["lastModifiedAt"] > before["lastModifiedAt"]
    assert (after["createdAt"], after["createdBy"]) == (before["createdAt"], before["createdBy"])
    assert after["lastModifiedBy"] == USER


def test_a_flag_that_is_put_in_its_place_keeps_its_beginning() -> None:
    """Who made it and when; it is edited by whoever puts it there, and has a version more."""
    emulator = with_history()
    before = emulator.store.flags["1001"]
    given = {"id": "1001", "projectId": "7", "key": "new-checkout", "createdBy": "x", "createdAt": "y"}
    emulator.store.put_flag(given, "bob@example.com")
    after, versions = emulator.store.flags["1001"], emulator.store.versions_of("1001")
    assert (after["createdBy"], after["createdAt"]) == (before["createdBy"], before["createdAt"])
    assert (after["lastModifiedBy"], after["variants"]) == ("bob@example.com", [])
    assert (len(versions), versions[-1]["flag"]) == (4, after)


def test_a_refused_write_makes_no_version() -> None:
    """A 400 leaves the history alone."""
    emulator = with_history()
    ask(emulator, "PATCH", "/flags/1001", {"rolloutPercentage": 101})
    assert len(emulator.store.versions_of("1001")) == 3


def test_the_feed_is_cut_by_time() -> None:
    """`start` is inclusive, `end` is exclusive, and either may be missing."""
    emulator = with_history()
    oldest, middle, newest = [version["createdAt"] for version in emulator.store.versions]

    def numbers(query: str) -> list[int]:
        return [item["version"] for item in ask(emulator, "GET", f"/versions?{query}").json()["versions"]]

    assert numbers("") == [3, 2, 1]
    assert numbers(f"start={middle}") == [3, 2]
    assert numbers(f"end={middle}") == [1]
    assert numbers(f"start={oldest}&end={newest}") == [2, 1]
    assert numbers("start=2024-05-01T00:00:00%2B00:00") == [3, 2]
    assert ask(emulator, "GET", "/versions?start=yesterday").status == 400


def test_times_are_utc_with_milliseconds() -> None:
    """Times look as they do in the reference."""
    assert with_history().store.versions[-1]["createdAt"].endswith(".000Z")
