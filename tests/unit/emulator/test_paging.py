"""The list and its pages, the filters, and the feeds."""

from __future__ import annotations

from typing import Any

import pytest
from emulators import a_live_flag, an_emulator, ask

from reconciler.emulator import Emulator, Limits
from reconciler.emulator.serializer import Serializer


def many(count: int, **options: Any) -> Emulator:
    return an_emulator(*(a_live_flag(f"flag-{number}") for number in range(count)), **options)


def page(emulator: Emulator, query: str = "") -> tuple[list[str], Any]:
    answer = ask(emulator, "GET", f"/flags?{query}").json()
    return [flag["key"] for flag in answer["flags"]], answer.get("nextCursor")


def test_the_newest_flag_comes_first() -> None:
    """Flags are listed in the reverse order of their making."""
    emulator = many(2)
    ask(emulator, "POST", "/flags", {"projectId": "7", "key": "made-last"})
    assert page(emulator)[0] == ["made-last", "flag-1", "flag-0"]


def test_an_edit_does_not_move_a_flag_in_the_list() -> None:
    """The order is that of creation, not of the last edit."""
    emulator = many(2)
    ask(emulator, "PATCH", "/flags/1001", {"enabled": False})
    assert page(emulator)[0] == ["flag-1", "flag-0"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_the_pages_show_every_flag_once(limit: int) -> None:
    """Following the cursor from page to page shows all flags, each once, in order."""
    emulator = many(7)
    seen: list[str] = []
    cursor: Any = "0"
    while cursor is not None:
        keys, cursor = page(emulator, f"limit={limit}&cursor={cursor}")
        assert 0 < len(keys) <= limit
        seen += keys
    assert seen == [f"flag-{number}" for number in reversed(range(7))]


def test_a_page_holds_a_hundred_flags_unless_told_otherwise() -> None:
    """Without a limit the first hundred come, and a cursor to the rest."""
    keys, cursor = page(many(101))
    assert (len(keys), cursor) == (100, "100")


def test_a_page_is_capped() -> None:
    """A limit beyond the cap is taken as the cap."""
    keys, cursor = page(many(5, limits=Limits(page=3)), "limit=1000000")
    assert (len(keys), cursor) == (3, "3")
    assert Limits().page == 1000


def test_a_flag_made_between_two_pages_shifts_the_second() -> None:
    """The cursor is an offset: a create while paging shows a flag twice."""
    emulator = many(3)
    first, cursor = page(emulator, "limit=2")
    ask(emulator, "POST", "/flags", {"projectId": "7", "key": "in-between"})
    assert first == ["flag-2", "flag-1"]
    assert page(emulator, f"limit=2&cursor={cursor}")[0] == ["flag-1", "flag-0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=many", "limit=", "cursor=x", "includeArchived=1"])
def test_a_parameter_of_the_wrong_type_is_a_400(query: str) -> None:
    """Limits and cursors are whole numbers, includeArchived is true or false."""
    assert ask(many(1), "GET", f"/flags?{query}").status == 400


def test_an_unknown_parameter_is_ignored() -> None:
    """A query parameter that is not documented changes nothing."""
    assert page(many(1), "sort=name") == (["flag-0"], None)


def test_an_offset_past_the_end_is_an_empty_page() -> None:
    """Beyond the last flag there is an empty page without a cursor."""
    assert page(many(1), "cursor=50") == ([], None)


def test_archived_flags_are_listed_only_when_asked_for() -> None:
    """IncludeArchived decides, with a key filter as well as without."""
    emulator = an_emulator(a_live_flag("kept"), a_live_flag("gone", archived=True))
    assert page(emulator)[0] == ["kept"]
    assert page(emulator, "includeArchived=false")[0] == ["kept"]
    assert page(emulator, "includeArchived=true")[0] == ["gone", "kept"]
    assert page(emulator, "key=gone")[0] == []
    assert page(emulator, "key=gone&includeArchived=true")[0] == ["gone"]


def test_the_list_shows_a_flag_as_it_is_now() -> None:
    """What is kept encoded for the list is not shown after an edit."""
    emulator = many(1)
    page(emulator)
    ask(emulator, "PATCH", "/flags/1001", {"name": "Another name"})
    assert ask(emulator, "GET", "/flags").json()["flags"][0]["name"] == "Another name"


def test_a_flag_that_is_listed_again_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of thousands costs little; only what was edited is made anew."""
    emulator, made = many(3), []
    listed = Serializer.listed
    monkeypatch.setattr(Serializer, "listed", lambda self, flag: made.append(flag["key"]) or listed(self, flag))
    first = ask(emulator, "GET", "/flags").body
    assert ask(emulator, "GET", "/flags").body == first
    ask(emulator, "PATCH", "/flags/1002", {"name": "Another name"})
    assert page(emulator)[0] == ["flag-2", "flag-1", "flag-0"]
    assert made == ["flag-2", "flag-1", "flag-0", "flag-1"]


def test_the_version_feed_is_paged() -> None:
    """The feed has the cursor and the limit of the list, newest version first."""
    emulator = many(3)
    first = ask(emulator, "GET", "/versions?limit=2").json()
    rest = ask(emulator, "GET", f"/versions?limit=2&cursor={first['nextCursor']}").json()
    keys = [version["flagConfig"]["key"] for version in first["versions"] + rest["versions"]]
    assert keys == ["flag-2", "flag-1", "flag-0"]
    assert rest["nextCursor"] is None


def test_the_deployment_feed_shows_each_deployment() -> None:
    """Deployments come with project, label, key and whether they are deleted."""
    emulator = many(1)
    shown = ask(emulator, "GET", "/deployments?limit=1").json()
    assert shown["deployments"] == [
        {"id": "67", "projectId": "7", "label": "web", "key": "client-67", "deleted": False}
    ]
    assert shown["nextCursor"] == "1"
