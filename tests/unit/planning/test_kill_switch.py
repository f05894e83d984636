"""What counts as an emergency switch, over the versions that real edits leave and the times of declarations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from emulators import USER, a_live_flag
from looks import ADA, BOB, a_declaration, edit, flag_id_of
from msgspec import Struct, structs
from worlds import World, a_world, an_emulator

from reconciler.model.flag import SHIELD_NAME, Condition, FlagSpec, TargetSegment, Weights
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.kill_switch import _SegmentAtZero, find_kill_switches, turned_on
from reconciler.planning.plan import PlanOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.model.flag import Version
    from reconciler.model.versions import Place

KEY = "new-checkout"
START = datetime(2030, 1, 1, tzinfo=UTC)
GAP = "This clone is shallow."


class Clock:
    """The emulator's time: a minute passes with each look at it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


class Git:
    """Since when git says what it says: one time for every place, or none."""

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.asked: list[Place] = []

    def __call__(self, places: Collection[Place], until: datetime | None) -> Mapping[Place, Timeline]:
        assert until is None
        self.asked += places
        found = Timeline(gap=GAP)
        if self.at is not None:
            found = Timeline(values=(DeclaredValue(value=True, commit="abcdef0123456789", at=self.at),))
        return dict.fromkeys(places, found)


class Project(Struct, frozen=True, kw_only=True):
    """A flag that is on at 100 %, a declaration of it, and a clock that both share."""

    world: World
    clock: Clock
    git: Git

    def edit(self, editor: str = BOB, **fields: Any) -> int:
        """An edit in the web app."""
        return edit(self.world.emulator, editor, KEY, **fields)

    def versions(self) -> tuple[Version, ...]:
        """Those of the flag, newest first."""

        async def read() -> tuple[Version, ...]:
            async with self.world.client(read_only=True) as client:
                return await client.list_versions(flag_id_of(self.world.emulator, KEY))

        return asyncio.run(read())

    def declare_now(self) -> None:
        """The declaration reaches the branch now."""
        self.git.at = self.clock()

    def held(self) -> list[str]:
        """What a plan of now says of flags that it holds as emergency switches."""
        flags = self.world.plan().flags
        return [item.message for flag in flags for item in flag.held if item.guard == "kill-switch"]


def a_project(declaration: FlagSpec | None = None, **live: Any) -> Project:
    """A flag that is live as declared, but for `live`; git got the declaration before any edit."""
    clock, git = Clock(), Git()
    git.at = START - timedelta(days=1)
    emulator = an_emulator(a_live_flag(KEY, **live), now=clock)
    options = PlanOptions(allow=frozenset({"rebucket", "exposure", "transient"}))
    world = a_world(emulator, declaration or a_declaration(), options=options, history=git)
    return Project(world=world, clock=clock, git=git)


COUNTRY = Condition(prop="country", op="is", values=("US",))


def a_segment(percentage: int, name: str = "Beta/US") -> TargetSegment:
    weights = Weights.of({"treatment": 1})
    return TargetSegment(name=name, conditions=(COUNTRY,), percentage=percentage, rollout_weights=weights)


def a_live_segment(percentage: int, name: str = "Beta/US") -> dict[str, Any]:
    return {
        "name": name,
        "conditions": [{"prop": "country", "op": "is", "values": ["US"], "type": "property"}],
        "percentage": percentage,
        "rolloutWeights": {"treatment": 1},
    }


SWITCHES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "enabled": ({}, {"enabled": False}, {"enabled": True}, "/enabled"),
    "rollout": ({}, {"rolloutPercentage": 0}, {"rolloutPercentage": 100}, "/rolloutPercentage"),
    "segment": (
        {"target_segments": (a_segment(40),)},
        {"targetSegments": [a_live_segment(0)]},
        {"targetSegments": [a_live_segment(40)]},
        "/targetSegments/Beta~1US/percentage",
    ),
}
"""What is declared beside the rest, the edit that turns it off, the edit that turns it on, and its place."""

each_switch = pytest.mark.parametrize("kind", SWITCHES)


def a_switch(kind: str) -> tuple[Project, dict[str, Any], dict[str, Any]]:
    declared, off, on, _ = SWITCHES[kind]
    return a_project(a_declaration(**declared), **on), off, on


@each_switch
@pytest.mark.parametrize("editor", [BOB, USER])
def test_what_was_turned_off_after_it_was_declared_stays_off(kind: str, editor: str) -> None:
    """By any user, the key's own among them; who, when and in which version is said."""
    project, off, _ = a_switch(kind)
    version = project.edit(editor, **off)
    (message,) = project.held()
    assert f"by {editor} at 2030-01-01T00:0" in message
    assert f"(version {version})" in message
    assert "commit abcdef0" in message
    assert project.git.asked == [(KEY, SWITCHES[kind][3])]


SAID = {
    "enabled": ("", "was turned off", "is off", "`enabled: true`"),
    "rollout": (": rolloutPercentage", "was set to 0", "is 0", "`rolloutPercentage: 100`"),
    "segment": (": percentage of segment Beta/US", "was set to 0", "is 0", "`percentage: 40`"),
}
"""What it is called, what was done to it, what it is, and what git says."""


@each_switch
def test_what_is_said_of_it(kind: str) -> None:
    """To the word: who turned it off, when, and since when git says something else, as far as that is known."""
    name, done, state, wanted = SAID[kind]
    project, off, _ = a_switch(kind)
    project.edit(**off)
    turned = turned_on(project.world.plan())
    newest, oldest = versions = project.versions()
    unsigned = structs.replace(newest, created_by=None)

    def said(seen: Sequence[Version], *, asks: bool = True) -> str:
        (found,) = find_kill_switches(turned, {KEY: seen}, project.git if asks else None)
        return found.message.removeprefix(f'"{KEY}"{name} ')

    since = f"and git has not said {wanted} since: it has said so from 2029-12-31T00:00:00Z on (commit abcdef0)."
    at = f"at {newest.created_at} (version 2"
    assert said(versions) == f"{done} live by {BOB} {at}), {since}"
    assert said((unsigned, oldest)) == f"{done} live {at}), {since}"
    assert said((newest,)) == f"{done} live by {BOB} {at} or an earlier one), {since}"
    assert said(()) == f"{state} live, and versions do not show since when: it stays so."
    unknown = f"{done} live by {BOB} {at}), and it is not known since when git says {wanted}."
    assert said(versions, asks=False) == f"{unknown} git was not asked."
    project.git.at = None
    assert said(versions) == f"{unknown} {GAP}"


@each_switch
def test_a_later_declaration_turns_it_on(kind: str) -> None:
    project, off, _ = a_switch(kind)
    project.edit(**off)
    project.declare_now()
    assert project.held() == []
    assert project.world.apply().report is not None


@each_switch
def test_the_same_second_is_not_later(kind: str) -> None:
    """Git's times are whole seconds; in doubt it stays off."""
    project, off, _ = a_switch(kind)
    project.edit(**off)
    project.git.at = project.clock.now
    assert len(project.held()) == 1


@each_switch
def test_edits_that_follow_change_nothing(kind: str) -> None:
    """The time that counts is that of the version that turned it off, not of the last one."""
    project, off, _ = a_switch(kind)
    version = project.edit(**off)
    project.declare_now()
    project.edit(ADA, description="later")
    assert project.held() == []
    project.git.at = START
    (message,) = project.held()
    assert f"(version {version})" in message


@each_switch
def test_turned_off_again_counts_from_the_last_time(kind: str) -> None:
    project, off, on = a_switch(kind)
    project.edit(**off)
    project.declare_now()
    project.edit(**on)
    project.edit(**off)
    assert len(project.held()) == 1


@each_switch
def test_without_history_of_git_it_stays_off_and_says_why(kind: str) -> None:
    project, off, _ = a_switch(kind)
    project.edit(**off)
    project.git.at = None
    (message,) = project.held()
    assert message.endswith(GAP)
    project.world.history = None
    assert len(project.held()) == 1


@each_switch
def test_without_versions_it_stays_off(kind: str) -> None:
    """A server that does not show versions does not show that a flag is no emergency switch."""
    project, off, _ = a_switch(kind)
    project.edit(**off)
    project.declare_now()
    turned = turned_on(project.world.plan())
    for versions in ({}, {KEY: ()}):
        (found,) = find_kill_switches(turned, versions, project.git)
        assert "versions do not show since when" in found.message


@each_switch
def test_what_was_off_from_the_start_is_no_emergency_switch(kind: str) -> None:
    """A flag that was made off is simply to be turned on, whenever that was declared; git is not asked."""
    declared, off, _, _ = SWITCHES[kind]
    project = a_project(a_declaration(**declared), **off)
    project.edit(description="another")
    project.git.at = None
    assert project.held() == []
    assert project.git.asked == []


def test_a_segment_that_was_added_at_zero_counts_from_then() -> None:
    project = a_project(a_declaration(target_segments=(a_segment(40),)))
    project.edit(targetSegments=[a_live_segment(0)])
    assert len(project.held()) == 1
    project.declare_now()
    assert project.held() == []


WIDE = Condition(prop="country", op="is", values=("US", "CA"))


@pytest.mark.parametrize(
    ("declared", "live"),
    [
        ((), ()),  # it is not declared
        ((a_segment(40, "Other"),), (a_live_segment(40, "Other"),)),
        ((structs.replace(a_segment(40, "New"), conditions=(WIDE,)),), ()),  # renamed, and widened
        ((structs.replace(a_segment(40, "Wide"), conditions=(WIDE,)), a_segment(0, "Block")), ()),  # put behind
    ],
    ids=["gone", "gone beside others", "renamed and widened", "behind others"],
)
def test_users_of_a_segment_at_zero_are_not_given_to_others(
    declared: tuple[TargetSegment, ...], live: tuple[dict[str, Any], ...]
) -> None:
    """A block that was added in front in an emergency holds until git says its segments later than that."""
    project = a_project(a_declaration(target_segments=declared), targetSegments=[*live])
    project.edit(targetSegments=[a_live_segment(0, "Block"), *live])
    (message,) = project.held()
    assert "percentage of segment Block, whose users others would serve, was set to 0 live by" in message
    assert "git has not said `targetSegments` as it is since" in message
    assert project.git.asked[-1] == (KEY, "/targetSegments")
    project.declare_now()
    assert project.held() == []


def test_a_segment_at_zero_stays_when_a_flag_that_is_off_is_turned_on() -> None:
    """The flag was turned off as well: to turn it on again gives the users of the segment a variant all the same."""
    project = a_project(a_declaration(target_segments=()))
    project.edit(targetSegments=[a_live_segment(0, "Block")])
    project.edit(enabled=False)
    switch, block = sorted(project.held(), key=len)
    assert "was turned off live by" in switch
    assert "percentage of segment Block, whose users others would serve, was set to 0 live by" in block
    project.declare_now()
    assert project.held() == []


def test_a_segment_at_zero_stays_when_a_flag_comes_back_from_the_archive() -> None:
    """The flag was archived as well: to bring it back gives the users of the segment a variant all the same."""
    project = a_project(a_declaration(archived=False, target_segments=()))
    project.world.options = structs.replace(project.world.options, unarchive=True)
    project.edit(targetSegments=[a_live_segment(0, "Block")])
    project.edit(archive=True)
    (block,) = project.held()
    assert "percentage of segment Block, whose users others would serve, was set to 0 live by" in block
    project.declare_now()
    assert project.held() == []


def test_a_segment_at_zero_may_go_where_its_users_get_nothing_else() -> None:
    """They are served no more than before; and the shield of an earlier run is no block."""
    project = a_project(a_declaration(target_segments=(), rollout_percentage=0), rolloutPercentage=0)
    project.edit(targetSegments=[a_live_segment(0, "Block")])
    assert not project.world.plan().is_empty
    assert project.held() == []
    shield = a_live_segment(0, SHIELD_NAME) | {"conditions": []}
    project = a_project(a_declaration(target_segments=()))
    project.edit(targetSegments=[shield])
    assert not project.world.plan().is_empty
    assert project.held() == []


def test_a_segment_is_found_under_the_name_that_it_has_live() -> None:
    """Where only its name was changed in git, it is still the one that was set to 0."""
    project = a_project(a_declaration(target_segments=(a_segment(40, "New"),)), targetSegments=[a_live_segment(40)])
    version = project.edit(targetSegments=[a_live_segment(0)])
    (message,) = project.held()
    assert "percentage of segment New" in message
    assert f"(version {version})" in message
    assert project.git.asked == [(KEY, "/targetSegments/New/percentage")]


def test_only_the_flags_concerned_are_read() -> None:
    """No versions of a flag that stays off, or on, or is new."""
    for declaration in (a_declaration(enabled=False), FlagSpec(key=KEY, description="x"), a_declaration("other")):
        project = a_project(declaration, enabled=False, rolloutPercentage=100)
        project.edit(description="x")
        project.world.emulator.log.clear()
        assert project.held() == []
        assert not [entry for entry in project.world.emulator.log if entry.path.endswith("/versions")]


def test_the_refusal_names_what_can_be_done() -> None:
    project = a_project()
    project.edit(enabled=False)
    (flag,) = project.world.plan().flags
    (refusal,) = flag.held
    assert refusal.override == f"--allow kill-switch:{KEY}"
    assert any(f"import --target {KEY} --force" in text for text in refusal.alternatives)
    assert any("frozenUntil" in text for text in refusal.alternatives)
    allow = project.world.options.allow | {f"kill-switch:{KEY}"}
    project.world.options = structs.replace(project.world.options, allow=allow)
    assert project.held() == []


def test_two_switches_of_one_flag_are_both_said() -> None:
    project = a_project(a_declaration(rollout_percentage=100))
    project.edit(enabled=False, rolloutPercentage=0)
    assert len(project.held()) == 2


def test_a_segment_is_at_zero_by_its_name() -> None:
    """One that is not there was added later; of segments that are not shown nothing is known."""
    spec = FlagSpec(key=KEY, target_segments=(a_segment(50, "A"), a_segment(0, "B"), a_segment(9, "C")))
    assert [_SegmentAtZero(name)(spec) for name in "ABCD"] == [False, True, False, False]
    assert _SegmentAtZero("A")(FlagSpec(key=KEY)) is None
