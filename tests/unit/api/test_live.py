"""The refresh against the emulator: what it reads, request by request, and what it makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_desired_state, a_flag, a_variant
from clients import ask
from emulators import OTHER_PROJECT, OTHER_USER, PROJECT, a_live_flag, an_emulator, each_behaviour
from refreshes import NOTHING, a_seen_flag, archived, log, refresh

from reconciler.api.live import fetch_live_state, refetch
from reconciler.emulator import Behaviour, Limits
from reconciler.errors import ApiError, InvalidResponseError
from reconciler.model.flag import UNSET
from reconciler.progress import Progress

if TYPE_CHECKING:
    from reconciler.api.client import Client


def changed(behaviour: Behaviour) -> str:
    """What is not as expected in a server, as a test's name."""
    fields = behaviour.alternatives()
    return " ".join(
        f"{name}={getattr(behaviour, name)}" for name in fields if getattr(behaviour, name) != fields[name][0]
    )


def test_a_list_is_all_that_plain_flags_need() -> None:
    """Declarations of what the list shows cost one request for the whole project."""
    emulator = an_emulator(*(a_live_flag(f"flag-{number}") for number in range(30)))
    desired = a_desired_state(*(a_flag(f"flag-{number}", enabled=True, tags=("a",)) for number in range(30)))
    live = refresh(emulator, desired)
    assert log(emulator) == ["list"]
    assert (len(live.flags), live.pages, live.requests, live.is_complete) == (30, 1, 1, True)
    assert live.flags["flag-7"].spec.variants[0].users is UNSET


def test_pages_are_counted() -> None:
    """LiveState.pages says how many requests the list takes."""
    emulator = an_emulator(*(a_live_flag(f"flag-{number}") for number in range(5)), limits=Limits(page=2))
    live = refresh(emulator)
    assert (live.pages, live.requests, len(live.flags)) == (3, 3, 5)


@pytest.mark.parametrize(
    ("missing", "reads"),
    [(1, ["key=new-0+"]), (3, ["key=new-0+", "key=new-1+", "key=new-2+"]), (4, ["list+"]), (30, ["list+"])],
)
def test_absence_is_confirmed(missing: int, reads: list[str]) -> None:
    """Declared keys that the list does not show are looked up, or the list is read once with archived ones."""
    emulator = an_emulator(a_live_flag("one"))
    live = refresh(emulator, a_desired_state(*(a_flag(f"new-{number}") for number in range(missing))))
    assert log(emulator) == sorted(["list", *reads])
    assert set(live.flags) == {"one"}


def test_many_pages_are_worth_many_look_ups() -> None:
    """Up to as many keys as the list has pages are looked up one by one."""
    emulator = an_emulator(*(a_live_flag(f"flag-{number}") for number in range(10)), limits=Limits(page=2))
    refresh(emulator, a_desired_state(*(a_flag(f"new-{number}") for number in range(5))))
    assert log(emulator) == [*(f"key=new-{number}+" for number in range(5)), *["list"] * 5]


def test_a_flag_that_slipped_through_the_pages_is_found() -> None:
    """An archive between two pages hides a live flag from the list; it is looked up, and not taken for new."""
    for marker in ("deleted", "archived", "none"):
        emulator = an_emulator(
            *(a_live_flag(f"flag-{number}") for number in range(4)),
            limits=Limits(page=2),
            behaviour=Behaviour(archived_marker=marker),
        )
        app = httpx.ASGITransport(app=emulator.app)

        class Archiving(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await app.handle_async_request(request)  # noqa: B023 - used up within the turn
                if len(emulator.log) == 1:  # noqa: B023
                    newest = max(emulator.store.flags)  # noqa: B023
                    emulator.edit_as(OTHER_USER, "PATCH", f"/flags/{newest}", {"archive": True})  # noqa: B023
                return response

        desired = a_desired_state(*(a_flag(f"flag-{number}") for number in range(3)))
        live = refresh(Archiving(), desired)
        assert "key=flag-1+" in log(emulator)
        assert live.flags["flag-1"].spec.archived is False


@pytest.mark.parametrize("marker", ["deleted", "archived", "none"])
def test_declared_flags_that_are_archived_are_found_as_such(marker: Any) -> None:
    """However the server marks archived flags, they are in the state and archived; unmarked ones cost one read."""
    emulator = an_emulator(a_live_flag("one"), archived("old"), behaviour=Behaviour(archived_marker=marker))
    live = refresh(emulator, a_desired_state(a_flag("one"), a_flag("old")))
    assert log(emulator) == sorted(["list", "key=old+"] + ["key=old"] * (marker == "none"))
    assert {key: flag.spec.archived for key, flag in live.flags.items()} == {"one": False, "old": True}


@pytest.mark.parametrize("marker", ["deleted", "none"])
def test_many_archived_flags_are_told_apart_by_lists(marker: Any) -> None:
    """Many absent keys cost two lists, and a third where nothing is marked."""
    emulator = an_emulator(
        a_live_flag("one"), *(archived(f"old-{n}") for n in range(9)), behaviour=Behaviour(archived_marker=marker)
    )
    live = refresh(emulator, a_desired_state(*(a_flag(f"old-{n}") for n in range(9))))
    assert log(emulator) == ["list", "list+"] if marker == "deleted" else ["list", "list", "list+"]
    assert sum(flag.spec.archived is True for flag in live.flags.values()) == 9


def test_archived_flags_that_are_not_declared_are_not_seen() -> None:
    """What is archived and not declared is no business of ours."""
    emulator = an_emulator(archived("old"), a_live_flag("one"))
    assert set(refresh(emulator).flags) == {"one"}
    assert log(emulator) == ["list"]


def test_two_live_flags_of_one_key_are_reported() -> None:
    """Neither is in the state, and both ids are named."""
    emulator = an_emulator(a_live_flag("one", id="5"), a_live_flag("one", id="6"), a_live_flag("two"))
    live = refresh(emulator, a_desired_state(a_flag("one")))
    assert live.duplicates == {"one": ("5", "6")}
    assert set(live.flags) == {"two"}
    assert log(emulator) == ["list"]


def test_a_live_flag_outdoes_archived_ones_of_its_key() -> None:
    """An archived flag with the same key is no duplicate, and two archived ones are."""
    emulator = an_emulator(a_live_flag("one", id="5"), archived("one", id="6"))
    live = refresh(emulator, a_desired_state(a_flag("one")))
    assert (live.flags["one"].id, live.duplicates) == ("5", {})
    emulator = an_emulator(a_live_flag("one", id="5"), archived("one", id="6"), archived("old", id="7"))
    live = refresh(emulator, a_desired_state(a_flag("one"), a_flag("old")))  # for which archived ones are listed
    assert ({key: flag.id for key, flag in live.flags.items()}, live.duplicates) == ({"old": "7", "one": "5"}, {})
    emulator = an_emulator(archived("one", id="5"), archived("one", id="6"))
    live = refresh(emulator, a_desired_state(a_flag("one")))
    assert (set(live.flags), live.duplicates) == (set(), {"one": ("5", "6")})


@pytest.mark.parametrize("key_filter", ["exact", "substring"])
def test_targets_are_looked_up_by_key(key_filter: Any) -> None:
    """A few keys without wildcards cost one request each, and other flags are not seen."""
    emulator = an_emulator(
        a_seen_flag("one"), a_live_flag("one-more"), a_live_flag("two"), behaviour=Behaviour(key_filter=key_filter)
    )
    variants = (a_variant("control", users=()),)
    desired = a_desired_state(a_flag("one", variants=variants), a_flag("two"), a_flag("three"))
    live = refresh(emulator, desired, "one", "two")
    assert log(emulator) == ["1/variants/control/users", "key=one", "key=two"]
    assert (set(live.flags), live.is_complete) == ({"one", "two"}, False)
    live = refresh(emulator, desired, "three")
    assert log(emulator) == ["key=three", "key=three+"]
    assert live.flags == {}


@pytest.mark.parametrize("targets", [("on*",), ("one", "tw?"), ("[ab]ne", "one"), tuple(f"t-{n}" for n in range(11))])
def test_wildcards_and_many_targets_take_the_list(targets: tuple[str, ...]) -> None:
    """Then the state is complete, and only declared flags within the targets are looked into.

    Looked for are flags that a target names and that the list does not show: they may be archived.
    """
    emulator = an_emulator(a_seen_flag("one"), a_seen_flag("xtra", id="2"))
    variants = (a_variant("control", users=()),)
    desired = a_desired_state(a_flag("one", variants=variants), a_flag("xtra", variants=variants), a_flag("absent"))
    live = refresh(emulator, desired, *targets)
    hydrated = [] if targets[0].startswith("t-") or targets[0] == "[ab]ne" else ["1/variants/control/users"]
    if targets[0] == "[ab]ne":
        hydrated = ["1/variants/control/users"]
    archived = ["list+"] if targets[0].startswith("t-") else []
    assert log(emulator) == sorted(["list", *hydrated, *archived])
    assert (set(live.flags), live.is_complete) == ({"one", "xtra"}, True)


def test_a_shard_reads_no_more_than_its_own() -> None:
    """Declared flags that are not wanted are neither looked into nor looked for."""
    emulator = an_emulator(a_seen_flag("one"), a_seen_flag("two", id="2"))
    variants = (a_variant("control", users=()),)
    desired = a_desired_state(a_flag("one", variants=variants), a_flag("two", variants=variants), a_flag("absent"))
    live = ask(emulator, lambda client: fetch_live_state(client, desired, is_wanted=lambda key: key == "two"))
    assert log(emulator) == ["2/variants/control/users", "list"]
    assert set(live.flags) == {"one", "two"}


def test_ten_targets_are_still_few() -> None:
    """The eleventh makes the list cheaper."""
    emulator = an_emulator(*(a_live_flag(f"t-{number}") for number in range(11)))
    live = refresh(emulator, NOTHING, *(f"t-{number}" for number in range(10)))
    assert log(emulator) == sorted(f"key=t-{number}" for number in range(10))
    assert live.is_complete is False


@pytest.mark.parametrize("tags", ["present", "absent"])
def test_tags_may_not_be_shown_at_all(tags: Any) -> None:
    """A server that shows no tags is told from flags that have none."""
    emulator = an_emulator(a_live_flag("one", tags=["a"]), a_live_flag("two"), behaviour=Behaviour(tags=tags))
    live = refresh(emulator)
    assert live.shows_tags is (tags == "present")
    assert live.flags["two"].spec.tags == (() if tags == "present" else UNSET)
    assert refresh(an_emulator(behaviour=Behaviour(tags=tags))).shows_tags is True


def test_tags_that_are_left_out_where_there_are_none_are_empty() -> None:
    """A server that shows tags of one flag and none of another means that the other has none."""
    rows = [{"id": 1, "projectId": 7, "key": "one", "tags": ["a"]}, {"id": 2, "projectId": 7, "key": "two"}]
    live = refresh(lambda _: httpx.Response(200, json={"flags": rows}))
    assert [flag.spec.tags for flag in live.flags.values()] == [("a",), ()]


@pytest.mark.parametrize("ids", ["string", "number"])
def test_both_forms_of_ids_give_the_same_state(ids: Any) -> None:
    """Numbers or text: the flags are equal, and the paths that are asked for too."""
    emulator = an_emulator(a_seen_flag(deployments=["67"]), behaviour=Behaviour(ids=ids))
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", users=()),)))
    flag = refresh(emulator, desired).flags["one"]
    assert (flag.id, flag.project_id, flag.spec.deployments) == ("1", "7", ("67",))
    assert log(emulator) == ["1/variants/control/users", "list"]


def test_other_projects_are_not_seen() -> None:
    """A key that reaches several projects shows us ours, and a flag of the same key elsewhere is no duplicate."""
    emulator = an_emulator(
        a_live_flag("one", id="5"),
        a_live_flag("one", id="6", projectId=OTHER_PROJECT),
        projects={PROJECT: {}, OTHER_PROJECT: {}},
    )
    live = refresh(emulator)
    assert [flag.id for flag in live.flags.values()] == ["5"]


def test_a_key_that_differs_by_case_is_remarked_on() -> None:
    """A declared key that exists in other letters is about to become a second flag: that is said."""
    names = ("New-Checkout", "B", "A", "C", "E", "D")
    rows = [{"id": number, "projectId": 7, "key": name} for number, name in enumerate(names, 1)]
    desired = a_desired_state(*(a_flag(name.lower()) for name in names), a_flag("other"))
    live = refresh(lambda _: httpx.Response(200, json={"flags": rows}), desired)
    assert live.warnings == tuple(
        f'The declared flag "{name.lower()}" does not exist, but "{name}" does: keys differ by case alone.'
        for name in ("A", "B", "C", "D", "E", "New-Checkout")
    )


@pytest.mark.parametrize("behaviour", list(each_behaviour()), ids=changed)
def test_every_server_gives_the_same_view_twice(behaviour: Behaviour) -> None:
    """Under each open behaviour: two refreshes and a reread of untouched flags are equal, field by field."""
    emulator = an_emulator(a_seen_flag(tags=["a"]), archived("old", id="9"), behaviour=behaviour)
    variants = (a_variant("control", payload=None, users=(), cohorts=()), a_variant("treatment", name=""))
    desired = a_desired_state(a_flag("one", variants=variants), a_flag("old", archived=True), a_flag("absent"))
    first, second = refresh(emulator, desired), refresh(emulator, desired)
    assert first.flags == second.flags
    assert (first.flags["one"].spec.archived, first.flags["old"].spec.archived) == (False, True)
    flags = list(first.flags.values())
    for pages in (1, 10):
        again = ask(emulator, lambda client, n=pages: refetch(client, flags, desired, pages=n), read_only=True)
        assert again == first.flags


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b"", "/api/1/flags"), (b"{}", "/api/1/flags"), (b"<html>", "/api/1/flags"), (b"[]", "/api/1/flags"),
        (b"{}", "/api/1/flags/1/variants"), (b"null", "/api/1/flags/1/variants/control/users"),
        (b"{}", "/api/1/flags/1/variants/control/cohorts"),
    ],
)  # fmt: skip
def test_a_malformed_answer_anywhere_ends_the_refresh(answer: bytes, read: str) -> None:
    """Nothing is planned on half a reading."""
    emulator = an_emulator(a_seen_flag(), behaviour=Behaviour(list_shows="key"))
    app = httpx.ASGITransport(app=emulator.app)

    class Spoiling(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == read:
                return httpx.Response(200, stream=httpx.ByteStream(answer))
            return await app.handle_async_request(request)

    variants = (a_variant("control", payload=1, users=(), cohorts=()),)
    with pytest.raises(InvalidResponseError):
        refresh(Spoiling(), a_desired_state(a_flag("one", variants=variants)))


def test_a_failing_read_ends_the_refresh_with_its_own_error() -> None:
    """Of many reads under way one that fails is what is raised, as it is."""
    emulator = an_emulator(*(a_seen_flag(f"flag-{n}", id=str(n)) for n in range(1, 40)))
    app = httpx.ASGITransport(app=emulator.app)

    class Failing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/api/1/flags/20/variants/control/users":
                return httpx.Response(403, stream=httpx.ByteStream(b"no"))
            return await app.handle_async_request(request)

    variants = (a_variant("control", users=()),)
    with pytest.raises(ApiError) as caught:
        refresh(Failing(), a_desired_state(*(a_flag(f"flag-{n}", variants=variants) for n in range(1, 40))))
    assert caught.value.status == 403


def test_progress_is_told() -> None:
    """Pages are counted first, then reads out of how many; it ends when all are done."""
    emulator = an_emulator(a_seen_flag(), a_live_flag("two"), behaviour=Behaviour(list_shows="key"))
    variants = (a_variant("control", payload=1, users=(), cohorts=()),)
    heard: list[tuple[int, int | None, str]] = []

    class Recorded(Progress):
        def advance(self, count: int = 1) -> None:
            super().advance(count)
            heard.append((self.done, self.total, self.what))

    desired = a_desired_state(a_flag("one", variants=variants))
    for targets in ((), ("one",)):
        heard.clear()
        ask(emulator, lambda client: fetch_live_state(client, desired, targets=targets, progress=Recorded()))  # noqa: B023
        assert [item[:2] for item in heard] == [(1, None), (2, 2), (3, 4), (4, 4)]
        assert [item[2] for item in heard] == ["Reading flags", *["Reading variants and inclusions"] * 3]


def test_requests_are_those_of_the_refresh_alone() -> None:
    """What the client sent before does not count."""

    async def twice(client: Client) -> list[int]:
        return [(await fetch_live_state(client, a_desired_state())).requests for _ in range(2)]

    assert ask(an_emulator(a_live_flag("one")), twice) == [1, 1]


MANY = tuple(f"other-{number}" for number in range(10))


@pytest.mark.parametrize(
    ("targets", "shard", "is_refused"),
    [
        ((), "declared", False),
        ((), "broken", False),
        (("bro*",), "declared", True),
        (("bro*", "declared"), "broken", True),
        (("decl*",), "broken", False),
        (("*-ken", "decl*"), "broken", False),
        (("broken", *MANY), "declared", False),
        (("broken", *MANY), "broken", True),
    ],
)
def test_a_flag_that_cannot_be_read_is_refused_where_it_is_a_target(
    targets: tuple[str, ...], shard: str, is_refused: bool
) -> None:
    """By a pattern too; elsewhere it is set aside, with a warning."""
    rows = [
        {"id": "1", "projectId": PROJECT, "key": "declared"},
        {"id": "2", "projectId": PROJECT, "key": "broken", "enabled": 5},
    ]

    def read() -> Any:
        return ask(
            lambda _: httpx.Response(200, json={"flags": rows}),
            lambda client: fetch_live_state(
                client,
                a_desired_state(a_flag("declared")),
                targets=targets,
                is_wanted=lambda key: key == shard,
                hydrates=False,
            ),
        )

    if is_refused:
        with pytest.raises(InvalidResponseError, match="It is declared or asked for"):
            read()
    else:
        (warning,) = read().warnings
        assert warning.startswith('The flag "broken" (id 2) cannot be read. ')
        assert warning.endswith(
            " It is set aside: nothing is planned for it, and which flags it depends on is not known."
        )


def test_a_target_of_another_shard_is_not_looked_up() -> None:
    """Whether it is archived is a question of the shard that it belongs to."""
    emulator = an_emulator(a_live_flag("one"), archived("two"))
    live = ask(
        emulator,
        lambda client: fetch_live_state(
            client, a_desired_state(), targets=("one", "two", "three"), is_wanted=lambda key: key != "three"
        ),
    )
    assert sorted(live.flags) == ["one", "two"]
    assert log(emulator) == ["key=one", "key=three", "key=two", "key=two+"]
