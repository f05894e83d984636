"""The refresh against the emulator: what it reads, request by request, and what it makes of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from builders import a_desired_state, a_flag, a_variant
from clients import ask
from emulators import OTHER_PROJECT, OTHER_USER, PROJECT, a_live_flag, an_emulator, each_behaviour

from reconciler.api.live import Progress, fetch_live_state, find_flag, reread
from reconciler.emulator import Behaviour, Emulator, Limits
from reconciler.errors import ApiError, MalformedAnswerError, RejectedError
from reconciler.model import UNSET, DesiredState, LiveFlag, LiveState

NOTHING = a_desired_state()


def refresh(emulator: Any, desired: DesiredState = NOTHING, *targets: str) -> LiveState:
    """A refresh by a client that only reads."""
    return ask(emulator, lambda client: fetch_live_state(client, desired, targets=targets), read_only=True)


def log(emulator: Emulator) -> list[str]:
    """What was asked since the last call, in short: `list`, `list+`, `key=a`, `key=a+` (archived ones too), paths."""
    found = []
    for entry in emulator.log:
        plus = "+" if entry.query.get("includeArchived") == "true" else ""
        if entry.path == "/api/1/flags":
            key = entry.query.get("key")
            assert (entry.query["projectId"], entry.query["limit"]) == (PROJECT, "1000")
            found.append(f"key={key}{plus}" if key else f"list{plus}")
        else:
            found.append(entry.path.removeprefix("/api/1/flags/"))
    emulator.log.clear()
    return sorted(found)


def a_seen_flag(key: str = "one", **fields: Any) -> dict[str, Any]:
    """A live flag with id 1 that holds users and cohorts."""
    control = {"key": "control", "name": "Control", "users": ["ada@example.com"], "cohorts": ["c1"]}
    treatment = {"key": "treatment", "name": "", "payload": {"a": 1}, "users": [], "cohorts": []}
    return a_live_flag(key, **{"id": "1", "variants": [control, treatment], **fields})


def changed(behaviour: Behaviour) -> str:
    """What is not as expected in a server, as a test's name."""
    fields = behaviour.alternatives()
    return " ".join(
        f"{name}={getattr(behaviour, name)}" for name in fields if getattr(behaviour, name) != fields[name][0]
    )


def archived(key: str, **fields: Any) -> dict[str, Any]:
    """A live flag that is archived."""
    return a_live_flag(key, archived=True, **fields)


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


def test_users_are_read_of_live_variants_that_declare_them() -> None:
    """Endpoint 7 for each live variant whose declaration has users, none for new and removed ones; 8 likewise."""
    emulator = an_emulator(a_seen_flag(), a_live_flag("undeclared"))
    variants = (
        a_variant("control", users=()),
        a_variant("treatment", cohorts=("c1",)),
        a_variant("new", users=("x",), cohorts=("c2",)),
    )
    live = refresh(emulator, a_desired_state(a_flag("one", variants=variants)))
    assert log(emulator) == ["1/variants/control/users", "1/variants/treatment/cohorts", "list"]
    control, treatment = live.flags["one"].spec.variants
    assert (control.users, control.cohorts) == (("ada@example.com",), UNSET)
    assert (treatment.users, treatment.cohorts) == (UNSET, ())
    assert live.requests == 3


def test_nothing_is_read_of_variants_that_will_go() -> None:
    """A live variant that is not declared is removed with its inclusions: they are not looked at."""
    emulator = an_emulator(a_seen_flag())
    refresh(emulator, a_desired_state(a_flag("one", variants=(a_variant("treatment", users=()),))))
    assert log(emulator) == ["1/variants/treatment/users", "list"]


@pytest.mark.parametrize(("old", "asked"), [("control", "control"), ("gone", None), ("treatment", "treatment")])
def test_a_renamed_variant_is_read_under_its_old_key(old: str, asked: str | None) -> None:
    """Inclusions of a declared variant that is not live are those of the variant it was renamed from."""
    emulator = an_emulator(a_seen_flag())
    variants = (a_variant("fresh", renamed_from=old, users=()),)
    refresh(emulator, a_desired_state(a_flag("one", variants=variants)))
    assert log(emulator) == ([f"1/variants/{asked}/users"] if asked else []) + ["list"]


def test_a_rename_that_was_made_is_read_under_its_new_key() -> None:
    """Once the new key is live, the old one is not looked for."""
    emulator = an_emulator(a_seen_flag())
    variants = (a_variant("treatment", renamed_from="control", users=()),)
    refresh(emulator, a_desired_state(a_flag("one", variants=variants)))
    assert log(emulator) == ["1/variants/treatment/users", "list"]


@pytest.mark.parametrize(
    ("shows", "fields", "reads"),
    [
        ("key", {}, 0),
        ("key", {"name": "Control"}, 1),
        ("key-name", {"name": "Control"}, 0),
        ("key-name", {"payload": None}, 1),
        ("key-name", {"description": ""}, 1),
        ("all", {"name": "Control", "payload": 1, "description": ""}, 0),
    ],
)
def test_variants_are_read_when_the_list_hides_what_is_declared(
    shows: Any, fields: dict[str, Any], reads: int
) -> None:
    """Endpoint 5 once for a flag of which a declared variant field is not shown, and for no other."""
    emulator = an_emulator(a_seen_flag(), a_live_flag("two"), behaviour=Behaviour(list_shows=shows))
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", **fields),)), a_flag("two", enabled=True))
    live = refresh(emulator, desired)
    assert log(emulator) == ["1/variants"] * reads + ["list"]
    if reads:
        control, treatment = live.flags["one"].spec.variants
        assert (control.name, control.description, control.payload) == ("Control", "", {})
        assert (treatment.name, treatment.payload) == ("", {"a": 1})


def test_hidden_fields_of_new_variants_need_no_read() -> None:
    """What a variant that does not exist yet declares cannot be compared."""
    emulator = an_emulator(a_seen_flag(), behaviour=Behaviour(list_shows="key"))
    refresh(emulator, a_desired_state(a_flag("one", variants=(a_variant("new", payload=1),))))
    assert log(emulator) == ["list"]


def test_what_no_read_shows_is_empty() -> None:
    """After endpoint 5 a field that is still not shown is empty, and what only the list showed is kept."""
    answers = {
        "/api/1/flags": {"flags": [{"id": 1, "projectId": 7, "key": "one", "variants": [{"key": "a", "name": "A"}]}]},
        "/api/1/flags/1/variants": [{"key": "a"}],
    }
    variants = (a_variant("a", payload=1),)
    live = refresh(
        lambda request: httpx.Response(200, json=answers[request.url.path]),
        a_desired_state(a_flag("one", variants=variants)),
    )
    (variant,) = live.flags["one"].spec.variants
    assert (variant.name, variant.description, variant.payload) == ("A", "", None)


def test_a_list_without_variants_is_completed_first() -> None:
    """Where the list shows no variants at all, they are read, and then their inclusions."""
    answers = {
        "/api/1/flags": {"flags": [{"id": 1, "projectId": 7, "key": "one"}]},
        "/api/1/flags/1/variants": [{"key": "a", "name": "A", "payload": 3}],
        "/api/1/flags/1/variants/a/users": ["x", "x"],
    }
    variants = (a_variant("a", users=("x",)),)
    live = refresh(
        lambda request: httpx.Response(200, json=answers[request.url.path]),
        a_desired_state(a_flag("one", variants=variants)),
    )
    assert live.flags["one"].spec.variants == (a_variant("a", name="A", description="", payload=3, users=("x", "x")),)


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


def test_archived_flags_that_nobody_declares_are_not_seen() -> None:
    """What is archived and not declared is no business of ours."""
    emulator = an_emulator(archived("old"), a_live_flag("one"))
    assert set(refresh(emulator).flags) == {"one"}
    assert log(emulator) == ["list"]


def test_an_archived_flag_is_read_in_full_only_where_the_declaration_speaks_of_it() -> None:
    """Without `archived` in the declaration the flag is refused anyway, so its inclusions are not read."""
    variants = (a_variant("control", users=()),)
    for field, reads in ({}, []), ({"archived": False}, ["9/variants/control/users"]):
        emulator = an_emulator(archived("old", id="9"))
        refresh(emulator, a_desired_state(a_flag("old", variants=variants, **field)))
        assert log(emulator) == sorted(["list", "key=old+", *reads])


def test_what_is_hidden_of_an_archived_flag_stays_not_shown() -> None:
    """A server that answers 404 for an archived flag's parts does not end the refresh."""
    emulator = an_emulator(archived("old", id="9"), behaviour=Behaviour(archived_details="hidden", list_shows="key"))
    variants = (a_variant("control", payload=1, users=()),)
    live = refresh(emulator, a_desired_state(a_flag("old", archived=False, variants=variants)))
    assert live.flags["old"].spec.variants[0].users is UNSET
    assert log(emulator) == sorted(["list", "key=old+", "9/variants", "9/variants/control/users"])


def test_a_live_flag_that_vanishes_while_it_is_read_ends_the_refresh() -> None:
    """Only of archived flags may something be hidden: a 404 for a live one is not taken for empty."""
    rows = {"flags": [{"id": 1, "projectId": 7, "key": "one", "variants": [{"key": "a"}]}]}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=rows) if request.url.path == "/api/1/flags" else httpx.Response(404)

    for variant in (a_variant("a", payload=1), a_variant("a", users=())):
        with pytest.raises(RejectedError):
            refresh(answer, a_desired_state(a_flag("one", variants=(variant,))))


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
    """Then the state is complete, and only declared flags within the targets are looked into or for."""
    emulator = an_emulator(a_seen_flag("one"), a_seen_flag("xtra", id="2"))
    variants = (a_variant("control", users=()),)
    desired = a_desired_state(a_flag("one", variants=variants), a_flag("xtra", variants=variants), a_flag("absent"))
    live = refresh(emulator, desired, *targets)
    hydrated = [] if targets[0].startswith("t-") or targets[0] == "[ab]ne" else ["1/variants/control/users"]
    if targets[0] == "[ab]ne":
        hydrated = ["1/variants/control/users"]
    assert log(emulator) == sorted(["list", *hydrated])
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
    rows = [{"id": 1, "projectId": 7, "key": "New-Checkout"}]
    live = refresh(lambda _: httpx.Response(200, json={"flags": rows}), a_desired_state(a_flag("new-checkout")))
    (warning,) = live.warnings
    assert '"New-Checkout"' in warning


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
        again = ask(emulator, lambda client, n=pages: reread(client, flags, desired, pages=n), read_only=True)
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
    with pytest.raises(MalformedAnswerError):
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
    """Whoever listens hears of pages first, then of reads out of how many; it ends when all are done."""
    emulator = an_emulator(a_seen_flag(), a_live_flag("two"), behaviour=Behaviour(list_shows="key"))
    variants = (a_variant("control", payload=1, users=(), cohorts=()),)
    heard: list[Progress] = []
    desired = a_desired_state(a_flag("one", variants=variants))
    ask(emulator, lambda client: fetch_live_state(client, desired, on_progress=heard.append))
    assert [(item.done, item.expected) for item in heard] == [(1, None), (2, 2), (3, 4), (4, 4)]
    assert [item.what for item in heard] == ["flags", *["variants and inclusions"] * 3]


def look_again(
    emulator: Emulator, flags: list[LiveFlag], desired: DesiredState = NOTHING, **options: Any
) -> dict[str, LiveFlag | None]:
    """A reread, and the log of it alone."""
    emulator.log.clear()
    return dict(ask(emulator, lambda client: reread(client, flags, desired, **{"pages": 1, **options})))


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


def test_rereading_finds_flags_that_were_created_meanwhile() -> None:
    """A flag that is known by key and id alone is read like the others, and hydrated by its declaration."""
    emulator = an_emulator(a_seen_flag())
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", users=()),)))
    again = look_again(emulator, [], desired, created={"one": "1", "lost": "77"})
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
    assert ask(answer, lambda client: reread(client, [two], NOTHING, pages=9)) == {"two": two}


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
