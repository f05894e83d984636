"""What is read beyond the list, and what never is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from builders import a_desired_state, a_flag, a_variant
from clients import ask
from emulators import OTHER_USER, PROJECT, a_live_flag, an_emulator
from refreshes import a_seen_flag, archived, log, refresh

from reconciler.api.hydration import hydrate
from reconciler.api.live import fetch_live_state
from reconciler.api.member_cache import MemberCache
from reconciler.emulator import Behaviour
from reconciler.errors import BudgetError, RejectedError
from reconciler.model.config import Requests
from reconciler.model.flag import UNSET
from reconciler.model.reads import reads_of
from reconciler.model.wire import decode_flag

if TYPE_CHECKING:
    from reconciler.api.client import Client
    from reconciler.errors import InvalidResponseError
    from reconciler.model.flag import LiveFlag, LiveState


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


VARIANT = {"key": "a", "name": ""}
ROWS = [{"id": number, "projectId": 7, "key": f"f{number}", "variants": [VARIANT]} for number in (1, 2, 3)]


def hydrated(answers: dict[str, Any]) -> tuple[list[LiveFlag], dict[str, InvalidResponseError], list[str]]:
    """Three flags with all that can be read of variant a, those that cannot be read, and the reads."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/1/flags/")
        asked.append(path)
        given = answers.get(path, [] if path[-1] == "s" and "/a/" in path else [{"key": "a"}])
        return httpx.Response(200, json=given)

    async def session(client: Client) -> tuple[list[LiveFlag], dict[str, InvalidResponseError]]:
        faulty: dict[str, InvalidResponseError] = {}
        flags = [decode_flag(row) for row in ROWS]
        return await hydrate(client, flags, lambda flag: reads_of(flag.spec, READS), faulty=faulty), faulty

    return *ask(answer, session), sorted(asked)


READS = [(a_variant("a"), name) for name in ("payload", "users")]


def test_nothing_more_is_read_of_a_flag_that_cannot_be_read() -> None:
    """It is left out, with what is wrong with it; the others are read."""
    flags, faulty, asked = hydrated({"1/variants": [{"key": 5}], "3/variants/a/users": {}})
    assert [flag.key for flag in flags] == ["f2"]
    assert flags[0].spec.variants == (a_variant("a", name="", description="", payload=None, users=()),)
    assert {flag_id: str(error) for flag_id, error in faulty.items()} == {
        "1": "GET /api/1/flags/1/variants: Invalid response from the API: expected a string at variants/0/key, got a"
        " number.",
        "3": "GET /api/1/flags/3/variants/a/users: Invalid response from the API: expected a list at answer, got an"
        " object.",
    }
    assert asked == [
        "1/variants", "2/variants", "2/variants/a/users", "3/variants", "3/variants/a/users",
    ]  # fmt: skip


def test_a_budget_that_is_too_small_is_told_what_it_takes() -> None:
    """What was sent before, and all that is to be read."""
    variants = (a_variant("control", users=()),)
    desired = a_desired_state(*(a_flag(key, variants=variants) for key in ("1", "2", "3")))
    with pytest.raises(BudgetError, match=r"To read what is declared takes at least 4 requests in one run\.$"):
        ask(
            an_emulator(*(a_seen_flag(key, id=key) for key in ("1", "2", "3"))),
            lambda client: fetch_live_state(client, desired),
            requests=Requests(per_second=100_000, daily_budget=3),
        )


def test_lists_that_a_cache_knows_are_not_read() -> None:
    """Those that are read are kept there, by flag, variant and kind; of a flag that changed they are read again."""
    cache = MemberCache(origin="o", project_id=PROJECT, full_read_at=datetime(2030, 1, 1, tzinfo=UTC))
    emulator = an_emulator(a_seen_flag())
    desired = a_desired_state(a_flag("one", variants=(a_variant("control", users=(), cohorts=()),)))

    def read() -> LiveState:
        return ask(emulator, lambda client: fetch_live_state(client, desired, cache=cache))

    first = read()
    assert log(emulator) == ["1/variants/control/cohorts", "1/variants/control/users", "list"]
    assert {name: members for name, (_, members) in cache.known.items()} == {
        "1/control/users": ("ada@example.com",), "1/control/cohorts": ("c1",),
    }  # fmt: skip
    assert read().flags == first.flags
    assert log(emulator) == ["list"]
    emulator.edit_as(OTHER_USER, "PATCH", "/flags/1", {"name": "Edited"})
    emulator.log.clear()
    read()
    assert log(emulator) == ["1/variants/control/cohorts", "1/variants/control/users", "list"]
