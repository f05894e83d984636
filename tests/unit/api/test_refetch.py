"""The same view again, and the look-up of one key: which requests they take, and what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_desired_state, a_flag, a_variant
from builders import a_live_flag as a_stub
from clients import ask
from emulators import OTHER_USER, a_live_flag, an_emulator
from refreshes import NOTHING, a_seen_flag, archived, log, refresh

from reconciler.api.live import find_flag, refetch
from reconciler.emulator import Behaviour, Emulator, Limits
from reconciler.errors import ApiError

if TYPE_CHECKING:
    from reconciler.model.flag import DesiredState, LiveFlag


def look_again(
    emulator: Emulator, flags: list[LiveFlag], desired: DesiredState = NOTHING, **options: Any
) -> dict[str, LiveFlag | None]:
    """A reread, and the log of it alone."""
    emulator.log.clear()
    return dict(ask(emulator, lambda client: refetch(client, flags, desired, **{"pages": 1, **options})))


def test_rereading_takes_the_fewest_requests() -> None:
    """The list where that is fewer requests than one for each flag, look-ups otherwise."""
    emulator = an_emulator(*(a_live_flag(f"flag-{n}") for n in range(8)), limits=Limits(page=3))
    flags = list(refresh(emulator).flags.values())
    for count, expected in ((3, [f"key=flag-{n}" for n in range(3)]), (4, ["list"] * 3), (1, ["key=flag-0"])):
        assert None not in look_again(emulator, flags[:count], pages=3).values()
        assert log(emulator) == sorted(expected)


def test_rereading_hydrates_as_the_refresh_did() -> None:
    """What the declaration needs is read again, and nothing else."""
    emulator = an_emulator(a_seen_flag(), a_live_flag("two"))
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", users=(), payload=1),)))
    flags = refresh(emulator, desired).flags
    again = look_again(emulator, [flags["one"]], desired)
    assert log(emulator) == ["1/variants", "1/variants/control/users", "key=one"]
    assert again == {"one": flags["one"]}


def test_rereading_tells_of_keys_that_several_flags_carry() -> None:
    """Beside those that are known; archived ones do not count."""
    flags = list(refresh(an_emulator(a_live_flag("one", id="1"), a_live_flag("two", id="2"))).flags.values())
    copies = (a_live_flag("one", id="5"), archived("two", id="6"))
    duplicates = {"old": ("7", "8")}
    again = look_again(
        an_emulator(a_live_flag("one", id="1"), a_live_flag("two", id="2"), *copies), flags, duplicates=duplicates
    )
    assert duplicates == {"old": ("7", "8"), "one": ("1", "5")}
    assert None not in again.values()


def test_rereading_sees_what_changed() -> None:
    """An edit, an archive and a new flag under the old key are all noticed."""
    emulator = an_emulator(a_live_flag("one", id="1"), a_live_flag("two", id="2"), a_live_flag("three", id="3"))
    flags = list(refresh(emulator).flags.values())
    emulator.edit_as(OTHER_USER, "PATCH", "/flags/1", {"name": "Edited"})
    emulator.edit_as(OTHER_USER, "PATCH", "/flags/2", {"archive": True})
    del emulator.store.flags["3"]
    again = look_again(emulator, flags)
    assert (again["one"].spec.name, again["two"].spec.archived, again["three"]) == ("Edited", True, None)
    assert log(emulator) == ["key=three+", "key=two+", "list"]


def test_rereading_finds_a_flag_by_its_key_and_id_alone() -> None:
    """A flag that was made meanwhile is read like the others, and hydrated by its declaration."""
    emulator = an_emulator(a_seen_flag())
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", users=()),)))
    stubs = [a_stub(a_flag("one"), id="1"), a_stub(a_flag("lost"), id="77")]
    again = look_again(emulator, stubs, desired)
    assert again["one"].spec.variants[0].users == ("ada@example.com",)
    assert again["lost"] is None


def test_rereading_an_archived_flag_asks_for_archived_ones_at_once() -> None:
    """What was archived is not first looked for among the others."""
    emulator = an_emulator(archived("old"), a_live_flag("one"))
    old = refresh(emulator, a_desired_state(a_flag("old"))).flags["old"]
    assert look_again(emulator, [old]) == {"old": old}
    assert log(emulator) == ["key=old+"]


def test_rereading_a_flag_without_tags_shows_the_same_again() -> None:
    """A server that leaves out tags where there are none: the flag read alone has none, as it had in the list."""
    rows = [{"id": 1, "projectId": 7, "key": "one", "tags": ["a"]}, {"id": 2, "projectId": 7, "key": "two"}]

    def answer(request: httpx.Request) -> httpx.Response:
        key = request.url.params.get("key")
        return httpx.Response(200, json={"flags": [row for row in rows if key in {None, row["key"]}]})

    two = refresh(answer).flags["two"]
    assert ask(answer, lambda client: refetch(client, [two], NOTHING, pages=9)) == {"two": two}


def test_rereading_nothing_asks_nothing() -> None:
    """No flags, no requests."""
    emulator = an_emulator(a_live_flag("one"))
    assert look_again(emulator, []) == {}
    assert emulator.log == []


@pytest.mark.parametrize("marker", ["deleted", "none"])
@pytest.mark.parametrize("key_filter", ["exact", "substring"])
def test_a_flag_is_found_by_its_exact_key(key_filter: Any, marker: Any) -> None:
    """Archived or not, and never one whose key only contains the other."""
    emulator = an_emulator(
        a_live_flag("one-more"),
        a_live_flag("one", id="1"),
        archived("old", id="2"),
        behaviour=Behaviour(key_filter=key_filter, archived_marker=marker),
    )
    live, old, absent = (
        ask(emulator, lambda client, key=key: find_flag(client, key)) for key in ("one", "old", "on")
    )
    assert (live.id, live.spec.archived) == ("1", False)
    assert (old.id, old.spec.archived) == ("2", True)
    assert absent is None
    assert log(emulator).count("key=on+") == 1


def test_a_key_that_two_flags_carry_cannot_be_found() -> None:
    """Both ids are named, and neither flag is returned."""
    emulator = an_emulator(a_live_flag("one", id="5"), a_live_flag("one", id="6"))
    with pytest.raises(ApiError, match="5, 6"):
        ask(emulator, lambda client: find_flag(client, "one"))
