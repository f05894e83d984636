"""What the doctor finds, against servers that are well and servers that are not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_config, a_flag
from builders import a_live_flag as a_model_flag
from emulators import a_live_flag
from faults.drills import WiredWorld
from faults.wire import Wire
from looks import edit
from msgspec.structs import replace
from worlds import FAST, World, a_world, an_emulator

from reconciler import doctor
from reconciler.api.listing import Listing
from reconciler.api.responses import Unread
from reconciler.doctor import Check, CheckStatus, examine, exit_code, failed, limits
from reconciler.emulator import Behaviour
from reconciler.errors import AccessError, NotSentError
from reconciler.model.config import Requests

if TYPE_CHECKING:
    from reconciler.model.flag import FlagSpec

SERVER_TIME = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
"""What the wire says in every answer."""


def checks(world: World, now: datetime | None = None, declared: list[str] | None = None) -> dict[str, Check]:
    """The checks by name."""

    async def run() -> tuple[Check, ...]:
        async with world.client(read_only=True) as client:
            return await examine(client, world.config, lambda: now or datetime.now(UTC), declared=declared)

    return {check.name: check for check in asyncio.run(run())}


def test_all_is_well() -> None:
    """A project that answers, known deployments, a feed and tags: nothing to do, exit code 0."""
    found = checks(a_world(an_emulator(a_live_flag()), deployments={"web": "67"}))
    assert list(found) == ["project", "clock", "deployments", "versions feed", "tags"]
    assert {check.status for name, check in found.items() if name != "clock"} == {CheckStatus.OK}
    assert exit_code(found.values()) == 0


OFFERED = "offered: `drift --since` takes one request"
UNCHECKED = "the server does not list them to this key, so those of reconciler.yaml are unchecked: "
FEED_ADVICE = "`drift --since` reads the list of flags instead: a request for each 1,000 of them."
TAGS_ADVICE = "Tags of flags that exist are not compared, and --prune, which goes by `managedTag`, finds nothing."


@pytest.mark.parametrize(
    ("behaviour", "deployments", "expected"),
    [
        ({}, {"web": "67", "app": "68"}, {
            "project": ("ok", "project 7 answers; flags: 1; pages of the list: 1", ""),
            "deployments": (
                "ok", "the project has 2: web (67), mobile (68); configured here: app (68), web (67)", ""),
            "versions feed": ("ok", f"{OFFERED}; it names editors by e-mail", ""),
            "tags": ("ok", "shown, so they are compared", ""),
        }),
        ({}, {"tv": "99", "old": "69", "app": "68"}, {
            "deployments": (
                "fail", "reconciler.yaml names some that the project does not have: old (69), tv (99)",
                "Correct `deployments`. The project has: web (67), mobile (68)."),
        }),
        ({"feeds": "404", "tags": "absent"}, {}, {
            "deployments": ("warn", f"{UNCHECKED}none", ""),
            "versions feed": ("warn", "not offered to this key", FEED_ADVICE),
            "tags": ("warn", "not shown by this server", TAGS_ADVICE),
        }),
        ({"feeds": "404"}, {"b": "2", "a": "1"}, {"deployments": ("warn", f"{UNCHECKED}a (1), b (2)", "")}),
    ],
)  # fmt: skip
def test_what_each_check_says(
    behaviour: dict[str, Any], deployments: dict[str, str], expected: dict[str, tuple[str, str, str]]
) -> None:
    """How it is and what to do, to the word; a deployment that was deleted is none."""
    emulator = an_emulator(a_live_flag(), behaviour=Behaviour(**behaviour))
    emulator.store.projects["7"]["69"]["deleted"] = True
    found = checks(a_world(emulator, deployments=deployments))
    said = {name: (check.status.value, check.message, check.advice) for name, check in found.items()}
    assert said | expected == said


def test_the_managed_tag_is_looked_for_where_there_is_one() -> None:
    """And where it is known what is declared: not in a directory without flag files."""
    emulator = an_emulator(a_live_flag(tags=["ours"]))
    for tag, declared in ((None, ["new-checkout"]), ("ours", None), (None, None)):
        assert "managed tag" not in checks(a_world(emulator, managed_tag=tag), declared=declared)
    found = checks(a_world(emulator, managed_tag="ours"), declared=["new-checkout"])["managed tag"]
    said = "ours is on no flag that may be another repository's"
    assert (found.status, found.message, found.advice) == (CheckStatus.OK, said, "")


def test_one_version_is_enough() -> None:
    """Of a feed that may be long."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, "bob@example.com", "new-checkout", description="x")
    checks(a_world(emulator))
    assert [entry.query for entry in emulator.log if entry.path.endswith("/versions")] == [{"limit": "1"}]


@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ("ada@example.com", f"{OFFERED}; it names editors by e-mail"),
        ("17", f"{OFFERED}; it names editors by id"),
        (None, f"{OFFERED}; it does not name editors"),
    ],
)
def test_how_the_feed_names_editors(editor: str | None, said: str) -> None:
    """By the newest version."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, "bob@example.com", "new-checkout", description="x")
    emulator.store.versions[-1]["createdBy"] = editor  # type: ignore[typeddict-item]
    assert checks(a_world(emulator))["versions feed"].message == said


def test_a_project_without_flags_shows_little() -> None:
    """It may be the wrong one; the feed has no version, and no flag shows tags."""
    found = checks(a_world(an_emulator(projects={"7": {}})))
    assert {name: (check.status.value, check.message) for name, check in found.items() if name != "clock"} == {
        "project": ("warn", "project 7 answers; flags: 0; pages of the list: 1"),
        "deployments": ("ok", "the project has 0: none; configured here: none"),
        "versions feed": ("ok", OFFERED),
        "tags": ("warn", "there is no flag that could show them"),
    }
    assert found["project"].advice == "If it should have flags, check `projectId` and `region`."


@pytest.mark.parametrize("refusal", ["403", "404"])
def test_what_the_server_does_not_offer_is_a_warning(refusal: str) -> None:
    """No feed, no list of deployments, no tags: said, with what follows, and no failure."""
    behaviour = Behaviour(feeds=refusal, tags="absent")  # type: ignore[arg-type]
    found = checks(a_world(an_emulator(a_live_flag(), behaviour=behaviour), deployments={"web": "67"}))
    assert {found[name].status for name in ("deployments", "versions feed", "tags")} == {CheckStatus.WARN}
    assert "web (67)" in found["deployments"].message
    assert exit_code(found.values()) == 0


def test_a_deployment_that_does_not_exist_fails() -> None:
    """It is named with its id, beside those that the project has; exit code 1."""
    found = checks(a_world(an_emulator(a_live_flag()), deployments={"web": "67", "tv": "99"}))
    assert found["deployments"].status is CheckStatus.FAIL
    assert "tv (99)" in found["deployments"].message
    assert "web (67)" in found["deployments"].advice
    assert exit_code(found.values()) == 1


def test_the_deployments_of_the_project_are_named() -> None:
    """A plan that attaches one that the project does not have points here: the first twenty, with their ids."""
    assert "the project has 3: web (67), mobile (68), server (69); configured here: none" in (
        checks(a_world(an_emulator(a_live_flag())))["deployments"].message
    )
    many = an_emulator(a_live_flag(), projects={"7": {str(number): "app" for number in range(100, 125)}})
    found = checks(a_world(many))["deployments"].message
    assert found.count("app (") == 20
    assert "5 more; configured here" in found


def test_an_empty_project_is_a_warning() -> None:
    """It may be the wrong one."""
    assert checks(a_world(an_emulator()))["project"].status is CheckStatus.WARN


def test_a_refused_key_ends_the_checks_with_its_own_code() -> None:
    """Nothing else can be told; exit code 4."""
    emulator = an_emulator(a_live_flag())
    emulator.store.keys.clear()
    found = checks(a_world(emulator))
    assert list(found) == ["project"]
    assert exit_code(found.values()) == 4


def test_a_key_without_access_to_the_project_is_refused() -> None:
    """Another project's id in the configuration ends the same way."""
    assert exit_code(checks(a_world(an_emulator(a_live_flag()), project_id="404")).values()) == 4


@pytest.mark.parametrize(
    ("skew", "status"),
    [
        (0, CheckStatus.OK),
        (-20, CheckStatus.OK),
        (120, CheckStatus.WARN),
        (-120, CheckStatus.WARN),
        (30, CheckStatus.OK),
        (31, CheckStatus.WARN),
        (300, CheckStatus.WARN),
        (301, CheckStatus.FAIL),
        (3600, CheckStatus.FAIL),
    ],
)
def test_the_clock_is_held_against_the_servers(skew: int, status: CheckStatus) -> None:
    """Half a minute is nothing, minutes are a warning, more than a saved plan tolerates fails."""
    emulator = an_emulator(a_live_flag())
    world = WiredWorld(
        emulator=emulator, desired=a_world(emulator).desired, config=a_config(requests=FAST), wire=Wire(emulator)
    )
    found = checks(world, SERVER_TIME + timedelta(seconds=skew))["clock"]
    where = "from" if status is CheckStatus.OK else "ahead of" if skew > 0 else "behind"
    assert (found.status, found.message) == (status, f"{abs(skew)} s {where} the server's")
    assert bool(found.advice) is (status is not CheckStatus.OK)


def test_an_unknown_server_time_is_said() -> None:
    """A server without a Date header leaves the clock unchecked."""
    found = checks(a_world(an_emulator(a_live_flag())))["clock"]
    assert (found.status, found.message) == (CheckStatus.WARN, "the server does not say what time it is")


PACE = "over 4 connections, 100000 a run; the API allows a project 100 a second and 100000 a day"
LOWER = "Lower `requests` in reconciler.yaml: beyond its limits the API refuses every client of the project."
FEWER = "More than 20 connections are slower, not faster: lower `requests.concurrency`."


@pytest.mark.parametrize(
    ("requests", "status", "advice"),
    [
        (Requests(), CheckStatus.OK, ""),
        (Requests(per_second=100, daily_budget=100_000, concurrency=20), CheckStatus.OK, ""),
        (Requests(per_second=101), CheckStatus.WARN, LOWER),
        (Requests(daily_budget=100_001), CheckStatus.WARN, LOWER),
        (Requests(concurrency=21), CheckStatus.WARN, FEWER),
    ],
)
def test_limits_beyond_the_apis_are_a_warning(requests: Requests, status: CheckStatus, advice: str) -> None:
    """The API's limits hold for all clients of a project together."""
    found = limits(a_config(requests=requests))
    assert (found.name, found.status, found.advice) == ("limits", status, advice)
    said = limits(a_config(requests=replace(requests, per_second=1, concurrency=4, daily_budget=100_000)))
    assert said.message == f"up to 1 request a second {PACE}"


def test_the_key_outranks_other_failures() -> None:
    """A refused key decides the exit code, with any other failure."""
    network, key = failed("a", NotSentError("no network")), failed("b", AccessError("no key"))
    assert exit_code([network]) == 1
    assert exit_code([network, key]) == 4
    assert exit_code([replace(network, status=CheckStatus.WARN)]) == 0


def test_deployments_that_cannot_be_read_are_named() -> None:
    """Each in a sentence of its own; the others count."""
    emulator = an_emulator(a_live_flag())
    for number in ("67", "68"):
        emulator.store.projects["7"][number]["id"] = {"no": "id"}  # type: ignore[typeddict-item] # as no server should
    found = checks(a_world(emulator, deployments={}))["deployments"]
    unread = "".join(
        f' The deployment "client-{number}" (no id) cannot be read. Invalid response from the API: expected an id at '
        f"deployments/{at}/id, got an object."
        for at, number in enumerate(("67", "68"))
    )
    assert found.message == f"the project has 1: server (69); configured here: none.{unread}"
    assert (found.status, found.advice) == (CheckStatus.WARN, "Correct them in Amplitude.")


def a_listing(*specs: FlagSpec, editors: str = "", unread: tuple[Unread, ...] = ()) -> Listing:
    """A page of those flags, each edited last by one of those editors."""
    by = editors or "x" * len(specs)
    flags = {
        str(number): a_model_flag(spec, id=str(number), last_modified_by=editor)
        for number, (spec, editor) in enumerate(zip(specs, by, strict=True))
    }
    return Listing(flags=flags, pages=1, faulty={item.name: item for item in unread})


def test_one_flag_with_tags_shows_that_they_are_shown() -> None:
    """A server that leaves out empty ones shows those that there are."""
    shown, hidden = a_flag("a", tags=("x",)), a_flag("b")
    assert doctor._tags(a_listing(hidden, shown)).status is CheckStatus.OK
    assert doctor._tags(a_listing(hidden, hidden)).message == "not shown by this server"


def test_flags_that_cannot_be_read_are_named() -> None:
    """Each with what is wrong with it."""
    unread = tuple(Unread(id=key, key=key, reason=f"Reason {key}.") for key in "bc")
    told = " ".join(map(str, unread))
    assert doctor._project(a_listing(a_flag("a"), unread=unread), a_config()) == Check(
        name="project",
        status=CheckStatus.WARN,
        message=f"project 7 answers; flags: 1; pages of the list: 1. {told}",
        advice="Correct them in Amplitude: commands that need one of them fail.",
    )


def test_flags_of_another_repository_are_a_warning() -> None:
    """Those that carry the tag, are not declared, and were edited by nobody who edited the declared ones."""
    listing = a_listing(*(a_flag(key, tags=("ours",)) for key in "abc"), editors="xyx")
    (check,) = doctor._managed_tag(listing, a_config(managed_tag="ours"), ["a"])
    assert check == Check(
        name="managed tag",
        status=CheckStatus.WARN,
        message="Flags that carry ours are declared nowhere here, and were last edited by others than the declared "
        "ones: b",
        advice="If another repository uses the same tag, give each a `managedTag` of its own.",
    )
