"""A look at a whole project: what it reads, what it calls drift, and what it cannot tell."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING

import httpx
import pytest
from builders import NOON
from emulators import OTHER_PROJECT, a_live_flag
from looks import BOB, a_declaration, changed_paths, edit, include, look
from msgspec.structs import replace
from worlds import ENVIRON, World, a_world, an_emulator, run_now

from reconciler.api.client import connect
from reconciler.api.credentials import origin_for, read_key
from reconciler.api.limits import Clock, RetryPolicy
from reconciler.drift import DriftOptions, detect_drift, empty_state
from reconciler.drift.report import FieldOfFlag, Sweep
from reconciler.drift.view import Choice, allocate_budget
from reconciler.emulator import Behaviour, Limits
from reconciler.emulator.requests import text_response
from reconciler.errors import AccessError, AmbiguousError, BudgetError
from reconciler.model.flag import UNSET, DesiredFlag, FlagSpec, Variant
from reconciler.model.reads import Read
from reconciler.model.versions import Timeline
from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from datetime import datetime

    from reconciler.api.client import Client
    from reconciler.emulator import ApiResponse, RawRequest
    from reconciler.model.flag import LiveFlag
    from reconciler.model.versions import Place
    from reconciler.planning.plan import PlannedRollout

KEY = "new-checkout"


def test_a_thousand_flags_cost_no_more_than_planning() -> None:
    """1,000 flags of 3 variants with declared inclusions: a page of the list, 3,000 reads, and one for the drift."""
    names = ("a", "b", "c")
    live = [{"key": f"flag-{number}", "variants": [{"key": name} for name in names]} for number in range(1000)]
    specs = [
        FlagSpec(key=flag["key"], enabled=False, variants=tuple(Variant(key=name, users=()) for name in names))
        for flag in live
    ]
    emulator = an_emulator(*live)
    edit(emulator, BOB, "flag-7", enabled=True)
    report = look(a_world(emulator, *specs))
    assert [flag.key for flag in report.flags] == ["flag-7"]
    assert report.requests == 1 + 3000 + 1


def test_targets_alone_are_looked_at() -> None:
    """Other flags are neither read, nor missing, nor unmanaged."""
    emulator = an_emulator(a_live_flag("a"), a_live_flag("b"), a_live_flag("c"))
    for key in ("a", "b"):
        edit(emulator, BOB, key, enabled=False)
    world = a_world(emulator, a_declaration("a"), a_declaration("b"), a_declaration("gone"))
    for targets in (("a",), ("a*",)):
        report = look(world, targets=targets)
        assert [flag.key for flag in report.flags] == ["a"]
        assert (report.missing, report.unmanaged, report.checked) == ((), (), {"a"})


@pytest.mark.parametrize("budget", [None, 50])
def test_flags_that_are_not_declared_are_sorted(budget: int | None) -> None:
    """Those among the targets, but for archived ones."""
    live = [a_live_flag(key, archived=key == "x-old") for key in ("x-b", "x-old", "x-a", "y", "declared")]
    world = a_world(an_emulator(*live), a_declaration("declared"))
    assert look(world, budget=budget).unmanaged == ("x-a", "x-b", "y")
    assert look(world, budget=budget, targets=("x-*",)).unmanaged == ("x-a", "x-b")


@pytest.mark.parametrize("budget", [None, 50])
def test_a_target_costs_a_look_at_it_alone(budget: int | None) -> None:
    """Also where a budget is given: no page of the list, but one look-up."""
    emulator = an_emulator(*(a_live_flag(f"f{number}") for number in range(5)), limits=Limits(page=1))
    world = a_world(emulator, *(FlagSpec(key=f"f{number}", enabled=True) for number in range(5)))
    assert look(world, budget=budget, targets=("f2",)).requests == 1


class Heard(Progress):
    """Notes what is counted, and how much of it was done."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def advance(self, count: int = 1) -> None:
        super().advance(count)
        self.counts[self.what] = self.done


@pytest.mark.parametrize("budget", [None, 50])
def test_what_a_look_counts(budget: int | None) -> None:
    """Each of its requests, under what it is for."""
    emulator = an_emulator(a_live_flag(), a_live_flag("other"))
    edit(emulator, BOB, KEY, enabled=False)
    world, heard = a_world(emulator, a_declaration()), Heard()

    async def run() -> None:
        async with world.client(read_only=True) as client:
            options = DriftOptions(budget=budget)
            await detect_drift(client, world.desired, world.config, options, now=NOON, progress=heard)

    run_now(run())
    assert heard.counts == {"Reading flags": 1, "Reading variants and inclusions": 2, "Reading versions": 1}


def test_two_live_flags_of_one_key_are_drift() -> None:
    """It is unknown which one is meant; neither is compared."""
    emulator = an_emulator(a_live_flag(), a_live_flag(), behaviour=Behaviour(taken_key="second-flag"))
    report = look(a_world(emulator, a_declaration()))
    assert list(report.duplicates) == [KEY]
    assert (report.flags, report.missing, report.is_drifted) == ((), (), True)
    for options in ({"targets": ("o*",)}, {"targets": ("o*",), "budget": 50}):
        report = look(a_world(emulator, a_declaration(), a_declaration("other")), **options)
        assert (report.duplicates, report.missing) == ({}, ("other",))


@pytest.mark.parametrize("budget", [None, 50])
def test_flags_are_told_in_the_order_of_their_keys(budget: int | None) -> None:
    """Those that differ, and those that are missing."""
    live, gone = [f"{letter}-live" for letter in "hbfdgaec"], [f"{letter}-gone" for letter in "hbfdgaec"]
    world = a_world(
        an_emulator(*(a_live_flag(key) for key in live)),
        *(FlagSpec(key=key, enabled=False) for key in [*live, *gone]),
    )
    report = look(world, budget=budget)
    assert ([flag.key for flag in report.flags], report.missing) == (sorted(live), tuple(sorted(gone)))


@pytest.mark.parametrize("budget", [None, 50])
def test_what_the_list_hides_is_looked_up(budget: int | None) -> None:
    """An archived flag, and archived ones that share a key."""
    archived = [a_live_flag(key, archived=True) for key in ("one", "two", "two")]
    world = a_world(
        an_emulator(*archived, behaviour=Behaviour(taken_key="second-flag")), *map(a_declaration, ("one", "two"))
    )
    report = look(world, budget=budget)
    assert [(flag.key, changed_paths(flag)) for flag in report.flags] == [("one", ["/archived"])]
    assert (list(report.duplicates), report.missing) == (["two"], ())


@pytest.mark.parametrize(("gone", "requests"), [(1, 2), (3, 4), (4, 2)])
def test_keys_that_the_list_does_not_show_are_looked_up_for_the_fewest_requests(gone: int, requests: int) -> None:
    """One by one up to three, or all of them in the list of archived flags."""
    world = a_world(an_emulator(), *(a_declaration(f"gone-{number}") for number in range(gone)))
    assert look(world, budget=50).requests == requests


def test_a_flag_that_is_declared_as_archived_may_be_gone() -> None:
    """One that is declared as anything else is missing then."""
    declared = (a_declaration(key, archived=archived) for key, archived in (("a", True), ("b", False), ("c", UNSET)))
    assert look(a_world(an_emulator(), *declared)).missing == ("b", "c")


def test_flags_of_other_projects_are_no_drift() -> None:
    """A key that reaches several projects sees ours alone."""
    emulator = an_emulator(a_live_flag(), projects={"7": {}, OTHER_PROJECT: {}})
    emulator.store.seed_flag({"key": "foreign", "projectId": OTHER_PROJECT})
    report = look(a_world(emulator, a_declaration()))
    assert (report.unmanaged, report.is_drifted) == ((), False)


def test_fields_that_are_not_declared_are_no_drift() -> None:
    """With any edits."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, description="other", tags=["x"])
    assert not look(a_world(emulator, a_declaration())).is_drifted


def test_a_frozen_flag_is_drift_until_then_and_after() -> None:
    """A freeze is reported while it lasts (now is the noon of 2030-01-02)."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    world = a_world(emulator, a_declaration())
    (flag,) = world.desired.flags.values()
    for until, expected in ((date(2030, 1, 3), date(2030, 1, 3)), (date(2030, 1, 2), None)):
        frozen = DesiredFlag(spec=flag.spec, source=flag.source, frozen_until=until)
        world.desired = type(world.desired)(flags={KEY: frozen}, files=1)
        (drift,) = look(world).flags
        assert drift.frozen_until == expected


def test_a_refused_key_is_no_answer() -> None:
    """401 raises; it is neither drift nor its absence."""
    emulator = an_emulator(a_live_flag())
    emulator.store.keys.clear()
    with pytest.raises(AccessError):
        look(a_world(emulator, a_declaration()))


def test_a_budget_that_does_not_cover_the_list_is_no_answer() -> None:
    """Two pages do not fit into one request: nothing is known of any flag."""
    emulator = an_emulator(a_live_flag("a"), a_live_flag("b"), limits=Limits(page=1))
    with pytest.raises(BudgetError, match="--budget 1 "):
        look(a_world(emulator, a_declaration("a")), budget=1)


def test_a_budget_that_does_not_cover_a_look_up_leaves_the_flag_unchecked() -> None:
    """A key that the list does not show may be archived: unchecked is not missing."""
    world = a_world(an_emulator(a_live_flag("z")), a_declaration("z"), a_declaration("gone"))
    report = look(world, budget=1)
    lists = [f"/variants/{name}/inclusions/users" for name in ("control", "treatment")]
    assert report.unchecked == (FieldOfFlag(key="gone"), *(FieldOfFlag(key="z", path=path) for path in lists))
    world = a_world(an_emulator(a_live_flag("a")), a_declaration("a"), a_declaration("gone"))
    report = look(world, budget=1)
    assert report.unchecked == (*(FieldOfFlag(key="a", path=path) for path in lists), FieldOfFlag(key="gone"))
    assert (report.missing, report.is_drifted) == ((), False)
    assert look(world, budget=2).missing == ("gone",)


def test_a_budget_that_does_not_cover_the_versions_names_the_last_editor() -> None:
    """The difference is reported, and that its editor was not looked up."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    report = look(a_world(emulator, FlagSpec(key=KEY, enabled=True)), budget=1)
    (drift,) = report.flags
    assert (drift.latest.by, drift.latest.version) == (BOB, None)
    assert "1 of 1 flags" in report.warnings[0]


@pytest.mark.parametrize(("budget", "versions"), [(1, [None, None]), (2, [2, None]), (3, [2, 2]), (None, [2, 2])])
def test_the_versions_of_as_many_flags_are_read_as_there_is_room_for(
    budget: int | None, versions: list[int | None]
) -> None:
    """Not those of flags that are as declared; the time of what is left out is known from the flag itself."""
    emulator = an_emulator(*(a_live_flag(key) for key in "abc"))
    for key in "ab":
        edit(emulator, BOB, key, enabled=False)
    report = look(a_world(emulator, *(FlagSpec(key=key, enabled=True) for key in "abc")), budget=budget)
    assert [flag.latest.version for flag in report.flags] == versions
    assert report.requests == 1 + sum(version is not None for version in versions)
    left = versions.count(None)
    assert [warning.partition(";")[0] for warning in report.warnings] == (
        [f"Could not read the version history of {left} of 2 flags that differ"] if left else []
    )


def test_why_it_is_not_known_since_when_git_declares_something_is_said_once() -> None:
    """In the order of the flags, with each change asked for at the present alone."""
    emulator = an_emulator(*(a_live_flag(key) for key in "abcd"))
    for key in "abcd":
        edit(emulator, BOB, key, enabled=False)
    asked: list[tuple[list[Place], datetime | None]] = []

    def history(places: Collection[Place], until: datetime | None) -> Mapping[Place, Timeline]:
        asked.append((list(places), until))
        return dict(zip(places, (Timeline(gap=text) for text in ("", "z", "y", "z")), strict=False))

    world = a_world(emulator, *(FlagSpec(key=key, enabled=True) for key in "abcd"), history=history)
    assert look(world).gaps == ("z", "y")
    assert asked == [([], None), ([(key, "/enabled") for key in "abcd"], None)]
    asked.clear()
    assert look(world, since=NOON).edits == ()
    assert asked == [([], None)] * 2 + [([], NOON)]


@pytest.mark.parametrize(
    ("budget", "done", "ends"), [(2, 1, "users"), (3, 2, "users"), (4, 3, "users"), (5, 4, None), (50, 4, None)]
)
def test_where_a_sweep_ends(budget: int, done: int, ends: str | None) -> None:
    """Where there is room for all, nowhere. What is left out is sorted, by flag and field."""
    emulator = an_emulator(*(a_live_flag(key) for key in ("b", "a")))
    report = look(a_world(emulator, a_declaration("b"), a_declaration("a")), budget=budget)
    assert report.sweep is not None
    assert (report.sweep.total, report.sweep.done) == (4, done)
    assert (report.sweep.last and report.sweep.last.kind) == ends
    every = [(key, f"/variants/{name}/inclusions/users") for key in "ab" for name in ("control", "treatment")]
    assert [(place.key, place.path) for place in report.unchecked] == every[done:]


@pytest.mark.parametrize(("budget", "version"), [(2, None), (3, 2), (4, 2)])
def test_a_budget_leaves_room_for_the_versions_of_what_differs(budget: int, version: int | None) -> None:
    """Half of what is left at most goes to them; the reads of inclusions take the rest."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    report = look(a_world(emulator, a_declaration()), budget=budget)
    (drift,) = report.flags
    assert (changed_paths(drift), drift.latest.version) == (["/enabled"], version)
    assert report.requests == budget


def test_inclusions_that_differ_are_found() -> None:
    """As sets of ids."""
    emulator = an_emulator(a_live_flag())
    include(emulator, BOB, KEY, "treatment", "eve@example.com")
    (drift,) = look(a_world(emulator, a_declaration())).flags
    assert changed_paths(drift) == ["/variants/treatment/inclusions/users"]


READS = [Read(key, "on", kind) for key in "abc" for kind in ("cohorts", "users")]


def test_turns_go_round() -> None:
    """Each choice begins where the last one ended, and goes on from the start."""
    after, seen = None, []
    for _ in range(3):
        choice = allocate_budget(READS, 4, first=(), after=after)
        seen.append(choice.turn)
        after = choice.turn[-1]
    assert seen == [tuple(READS[:4]), tuple(READS[4:] + READS[:2]), tuple(READS[2:])]


def test_urgent_reads_take_half_the_room_at_most() -> None:
    """So that the others have their turn, however many flags are urgent."""
    choice = allocate_budget(READS, 4, first={"b", "c"}, after=None)
    assert choice.turn == (READS[0], READS[1])
    assert choice.skipped == (READS[4], READS[5])


def test_what_is_urgent_has_no_turn_of_its_own() -> None:
    """What has been chosen is not chosen again."""
    choice = allocate_budget(READS, 4, first={"a"}, after=None)
    assert (choice.turn, choice.skipped) == ((READS[2], READS[3]), (READS[4], READS[5]))


def test_all_reads_are_made_where_there_is_room_for_all() -> None:
    """Every one of them has its turn then, urgent or not."""
    for room in (6, 7, None):
        choice = allocate_budget(READS[::-1], room, first={"b"}, after=READS[3])
        assert choice == Choice(skipped=(), turn=tuple(READS), waiting=6)


def test_a_turn_that_has_gone_is_no_obstacle() -> None:
    """The read where the last run ended may be needed no more."""
    assert allocate_budget(READS, 1, first=(), after=Read("b", "gone", "users")).turn == (READS[2],)
    assert allocate_budget(READS, 1, first=(), after=Read("z", "on", "users")).turn == (READS[0],)


def broken(world: World, ending: str) -> None:
    """The server fails at what is asked for under this path."""
    real = world.emulator.api.answer

    def answer(request: RawRequest) -> ApiResponse:
        answered = real(request)
        return text_response(500, "broken") if request.path.endswith(ending) else answered

    world.emulator.api.answer = answer  # type: ignore[method-assign]


def test_a_budget_that_is_spent_by_repetitions_leaves_the_inclusions_unchecked() -> None:
    """The list is compared all the same, and the next look begins its turn where this one did."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    world = a_world(emulator, a_declaration())
    broken(world, "/users")
    report = look(world, budget=5)
    (drift,) = report.flags
    assert changed_paths(drift) == ["/enabled"]
    assert [place.path for place in report.unchecked] == [
        f"/variants/{variant}/inclusions/users" for variant in ("control", "treatment")
    ]
    assert (report.sweep, report.requests) == (Sweep(total=2, done=0), 5)
    assert report.warnings == (
        "Could not read the version history of 1 of 1 flags that differ; their last edit is shown.",
    )


def test_a_budget_that_is_spent_by_repetitions_leaves_the_last_editor() -> None:
    """Where it was for the versions of what differs."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=False)
    world = a_world(emulator, FlagSpec(key=KEY, enabled=True))
    broken(world, "/versions")
    report = look(world, budget=3)
    (drift,) = report.flags
    assert (drift.latest.by, drift.latest.version, report.requests) == (BOB, None, 3)
    with pytest.raises(AmbiguousError):
        look(world, budget=30)


@pytest.mark.parametrize("budget", [1, 3])
def test_a_budget_that_is_spent_leaves_edits_outside_git_unknown(budget: int) -> None:
    """Which is said; and what differs is told all the same."""
    world = a_world(an_emulator(a_live_flag()), FlagSpec(key=KEY, enabled=True))
    broken(world, "/api/1/versions")
    memory = replace(empty_state(world.config), looked_at=NOON)
    report = look(world, memory, budget=budget)
    assert (report.edits, report.edits_since, report.requests) == (None, None, budget)
    assert report.warnings == ("The request budget left no room to look for edits outside git.",)
    with pytest.raises(AmbiguousError):
        look(world, memory, budget=30)


def test_what_is_stored_otherwise_is_sorted() -> None:
    """By flag and field."""
    emulator = an_emulator(*(a_live_flag(key, name="N", description="D") for key in ("b", "a")))
    world = a_world(emulator, *(FlagSpec(key=key, name="N ", description="D ") for key in ("b", "a")))
    assert [(item.key, item.path) for item in look(world).stored] == [
        ("a", "/description"), ("a", "/name"), ("b", "/description"), ("b", "/name"),
    ]  # fmt: skip
    assert len(emulator.log) == 1, "no versions of what is no drift"


@pytest.mark.parametrize(("budget", "room"), [(None, None), (50, 49), (2, 1), (1, 0)])
def test_rollouts_are_looked_at_as_far_as_there_is_room(budget: int | None, room: int | None) -> None:
    """With the live flags that are compared, after everything else."""
    world = a_world(an_emulator(a_live_flag(), a_live_flag("other")), FlagSpec(key=KEY, enabled=True))
    asked: list[tuple[list[str], int | None]] = []

    async def rollouts(flags: Mapping[str, LiveFlag], most: int | None) -> tuple[PlannedRollout, ...]:
        asked.append((list(flags), most))
        return ()

    async def run() -> None:
        async with world.client(read_only=True) as client:
            options = DriftOptions(budget=budget)
            await detect_drift(client, world.desired, world.config, options, now=NOON, rollouts=rollouts)

    run_now(run())
    assert asked == [([KEY], room)]


class SlowWorld(World):
    """A world in which each request takes an hour."""

    @asynccontextmanager
    async def client(self, *, read_only: bool) -> AsyncIterator[Client]:
        """A client whose clock follows the requests."""
        origin = origin_for("us", ENVIRON)
        key = read_key(ENVIRON, None, origin=origin)
        clock = Clock(now=lambda: 3_600.0 * len(self.emulator.log))
        http = httpx.ASGITransport(self.emulator.app)
        policy = RetryPolicy(run_seconds=3_000)
        async with connect(
            self.config, key, origin, read_only=read_only, clock=clock, http=http, policy=policy
        ) as client:
            yield client


def test_a_run_out_of_time_is_no_answer() -> None:
    """Unlike a budget of requests: half a look was not asked for, so the run fails rather than leave flags out."""
    world = a_world(an_emulator(a_live_flag("a")), FlagSpec(key="a", enabled=True), a_declaration("gone"))
    slow = SlowWorld(emulator=world.emulator, desired=world.desired, config=world.config)
    with pytest.raises(BudgetError, match="has taken longer than 3000 seconds"):
        look(slow, budget=10)


@pytest.mark.parametrize("budget", [None, 10])
def test_a_run_out_of_time_for_edits_outside_git_is_no_answer(budget: int | None) -> None:
    world = a_world(an_emulator(a_live_flag("a")), FlagSpec(key="a", enabled=True))
    slow = SlowWorld(emulator=world.emulator, desired=world.desired, config=world.config)
    with pytest.raises(BudgetError, match="has taken longer than 3000 seconds"):
        look(slow, replace(empty_state(world.config), looked_at=NOON), budget=budget)


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize("budget", [None, 10])
def test_a_run_out_of_time_after_the_list_is_no_answer(is_edited: bool, budget: int | None) -> None:
    """Whether it was for the inclusions or, where a flag is known to differ, for its versions."""
    emulator = an_emulator(a_live_flag())
    edit(emulator, BOB, KEY, enabled=not is_edited)
    declared = FlagSpec(key=KEY, enabled=True) if is_edited else a_declaration()
    world = a_world(emulator, declared)
    slow = SlowWorld(emulator=emulator, desired=world.desired, config=world.config)
    with pytest.raises(BudgetError, match="has taken longer than 3000 seconds"):
        look(slow, budget=budget)
