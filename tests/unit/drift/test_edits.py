"""Edits outside git: found once, with author, time and what changed, whether git manages the field or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import NOON, a_desired_flag, a_segment
from builders import a_live_flag as a_live
from emulators import USER, a_live_flag
from looks import ADA, BOB, Cron, a_declaration, edit, flag_id_of, look
from msgspec import Struct
from msgspec.structs import replace
from worlds import World, a_world, an_emulator

from reconciler.drift import empty_state, keys_in_scope, updated_state
from reconciler.drift.edits import Edit, edits_of, places_of
from reconciler.emulator import Behaviour
from reconciler.model.flag import UNSET, FlagSpec, Variant, Version, Weights
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.plan import ValueChange
from reconciler.planning.segments import SHIELD_NAME

if TYPE_CHECKING:
    from reconciler.drift import DriftReport

KEY = "new-checkout"
START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """Two minutes pass with each look at it, or seconds while an apply runs."""

    def __init__(self) -> None:
        self.now = START
        self.step = timedelta(minutes=2)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


class Project(Struct, frozen=True):
    world: World
    clock: Clock

    def edit(self, editor: str = BOB, key: str = KEY, **fields: Any) -> int:
        return edit(self.world.emulator, editor, key, **fields)

    def look(self, since: datetime | None = START, **options: Any) -> DriftReport:
        return look(self.world, since=since and since + timedelta(minutes=1), **options)


def a_project(spec: FlagSpec | None = None, behaviour: Behaviour | None = None) -> Project:
    """A declared flag that is live so, and one that no file names; both were made before START."""
    clock = Clock()
    clock.now = START - timedelta(days=1)
    flags = (a_live_flag(KEY), a_live_flag("other"))
    emulator = an_emulator(*flags, now=clock, behaviour=behaviour)
    clock.now = START
    return Project(a_world(emulator, spec or a_declaration()), clock)


def told(report: DriftReport) -> list[tuple[str, str | None, int, list[str]]]:
    assert report.edits is not None
    return [(item.key, item.by, item.version, [change.path for change in item.changes]) for item in report.edits]


def test_an_unmanaged_field_and_an_unmanaged_flag() -> None:
    project = a_project()
    first = project.edit(description="by hand")
    project.edit(ADA, "other", enabled=False, rolloutPercentage=3)
    report = project.look()
    assert not report.is_drifted
    assert told(report) == [
        (KEY, BOB, first, ["/description"]),
        ("other", ADA, 2, ["/enabled", "/rolloutPercentage"]),
    ]
    assert report.edits is not None
    assert [item.is_declared for item in report.edits] == [True, False]


def test_an_edit_that_was_undone_is_told_all_the_same() -> None:
    """Live is as declared again, and yet a person turned it off for a while; the way back is git's own value."""
    project = a_project()
    project.edit(enabled=False)
    project.edit(ADA, enabled=True)
    report = project.look()
    assert not report.is_drifted
    assert told(report) == [(KEY, BOB, 2, ["/enabled"])]


def test_what_an_apply_does_is_no_edit_outside_git() -> None:
    """For all that it changes, in any number of calls, over the same editor's earlier edit by hand."""
    project = a_project()
    edited = project.edit(USER, description="by hand")
    spec = a_declaration(
        rollout_percentage=25,
        variants=tuple(Variant(key=key) for key in ("control", "treatment", "third")),
        rollout_weights=Weights.of({"control": 1, "third": 2}),
    )
    changed = a_world(project.world.emulator, spec)
    project.clock.now += timedelta(minutes=2)
    project.clock.step = timedelta(seconds=2)
    assert changed.apply().report is not None
    report = look(changed, since=START + timedelta(minutes=1))
    assert not report.is_drifted
    assert told(report) == [(KEY, USER, edited, ["/description"])]


def test_several_calls_of_one_editor_within_a_minute_are_one_edit() -> None:
    project = a_project()
    project.edit(description="a")
    project.clock.now -= timedelta(seconds=100)
    last = project.edit(rolloutPercentage=3)
    (found,) = told(project.look())
    assert (found[2], sorted(found[3])) == (last, ["/description", "/rolloutPercentage"])


def test_nothing_is_looked_for_without_a_start() -> None:
    project = a_project()
    project.edit(description="by hand")
    assert project.look(since=None).edits is None


def test_edits_before_the_start_are_not_told() -> None:
    project = a_project()
    project.edit(description="by hand")
    assert told(project.look(since=project.clock.now + timedelta(hours=1))) == []


def test_targets_bound_what_is_told() -> None:
    project = a_project()
    project.edit(description="by hand")
    project.edit(ADA, "other", description="by hand")
    assert [item[0] for item in told(project.look(targets=("oth*",)))] == ["other"]


def test_without_a_feed_it_is_said_that_edits_are_not_known() -> None:
    project = a_project(behaviour=Behaviour(feeds="404"))
    report = project.look()
    assert report.edits is None
    assert any("Edits outside git are not known" in warning for warning in report.warnings)


@pytest.mark.parametrize("targets", [(), ("other",)])
def test_a_state_file_tells_each_edit_once(targets: tuple[str, ...]) -> None:
    """A run counts from the one before it; one of a part of the project is no look at all of it."""
    project = a_project()
    memory = updated_state(empty_state(project.world.config), project.look(since=None), frozenset([KEY]), [KEY])
    assert memory.looked_at is not None
    memory = type(memory)(**{name: getattr(memory, name) for name in memory.__struct_fields__} | {"looked_at": START})
    project.edit(description="by hand")
    report = look(project.world, memory, targets=targets)
    assert [item[0] for item in told(report)] == ([] if targets else [KEY])
    assert report.last_look == START
    scope = keys_in_scope(project.world.desired, targets)
    memory = updated_state(memory, report, scope, [KEY], is_partial=bool(targets))
    again = told(look(project.world, memory))
    assert [item[0] for item in again] == ([KEY] if targets else [])


def test_edits_since_the_last_look_are_told_with_a_later_start_too() -> None:
    """`since` says which flags are compared, the last look which edits are told."""
    project = a_project()
    project.edit(description="by hand")
    memory = replace(empty_state(project.world.config), looked_at=START)
    report = look(project.world, memory, since=START + timedelta(hours=1))
    assert told(report) == [(KEY, BOB, 2, ["/description"])]
    assert report.edits_since == START


def test_a_flag_that_the_feed_shows_from_its_first_version_on_is_not_read() -> None:
    """Its creation and what became of it, in one request."""
    project = a_project()
    emulator = project.world.emulator
    emulator.edit_as(BOB, "POST", "/flags", {"key": "new", "projectId": "7"})
    project.edit(ADA, "new", description="by hand")
    report = project.look(targets=("new",))
    assert told(report) == [("new", BOB, 1, []), ("new", ADA, 2, ["/description"])]
    assert [entry.path for entry in emulator.log if entry.path.endswith("/versions")] == [emulator.log[0].path]


def test_weights_come_with_the_variants() -> None:
    """Where git says which variants there are and no weights, these are nothing by themselves; other fields are."""
    both = tuple(Variant(key=key) for key in ("control", "treatment"))
    own, told_alone = Weights.of({"control": 1, "treatment": 1}), [["/rolloutWeights"]]
    for variants, weights, paths in ((both, UNSET, []), (UNSET, UNSET, told_alone), (both, own, told_alone)):
        project = a_project(a_declaration(variants=variants, rollout_weights=weights))
        emulator = project.world.emulator
        emulator.edit_as(BOB, "PATCH", f"/flags/{flag_id_of(emulator, KEY)}/variants/control", {"rolloutWeight": 3})
        project.edit(description="by hand")
        assert [item[3] for item in told(project.look())] == [*paths, ["/description"]]


def test_edits_of_inclusions_are_told() -> None:
    """Where versions show them."""
    users = (Variant(key="a", users=("ada", "eve")), Variant(key="b"))
    spec = FlagSpec(key=KEY, variants=users)
    versions = [a_version(number, minute, users=who) for number, minute, who in ((2, 9, ("ada",)), (1, 0, ()))]
    path = "/variants/a/inclusions/users"
    said = {(KEY, path): Timeline(values=(DeclaredValue(value=["ada"]),))}
    for timelines in ({}, said):
        (edit_,) = edits_of(versions, a_desired_flag(spec), at(1), timelines, None, after=0)
        assert [change.path for change in edit_.changes] == [path]


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def a_version(
    number: int, minutes: float, by: str | None = BOB, *, percentage: int = 1, users: tuple[str, ...] = ()
) -> Version:
    """A version of a flag of two variants, some minutes after START."""
    spec = FlagSpec(
        key=KEY, rollout_percentage=percentage, variants=(Variant(key="a", users=users), Variant(key="b", users=()))
    )
    created_at = at(minutes).isoformat().replace("+00:00", "Z")
    return Version(version=number, created_at=created_at, created_by=by, flag=a_live(spec, id="1"))


def numbers(*shown: tuple[int, float, str | None], start: float = 0, after: int = 0, first: int = 1) -> list[int]:
    """The edits of a flag that no file names, by their versions: each (percentage, minutes, editor), oldest first."""
    made = [a_version(first + at, minutes, by, percentage=value) for at, (value, minutes, by) in enumerate(shown)]
    return [item.version for item in edits_of(made[::-1], None, at(start), {}, None, after=after)]


def test_what_is_one_edit() -> None:
    """Of one editor whose name is known, within a minute of the one before; back to the start, and it is none."""
    apart, close = (1, 0.0, BOB), (2, 10.0, BOB)
    assert numbers(apart, close, (3, 11.0, BOB), start=1) == [3]
    assert numbers(apart, close, (3, 10.0 + 61 / 60, BOB), start=1) == [2, 3]
    assert numbers(apart, close, (3, 11.0, ADA), start=1) == [2, 3]
    assert numbers(apart, (2, 10.0, None), (3, 11.0, None), start=1) == [2, 3]
    assert numbers(apart, close, (1, 11.0, BOB), start=1) == []
    assert numbers(apart, close, (3, 10.5, BOB), (4, 11.0, BOB), (5, 30.0, BOB), start=1) == [4, 5]


def test_from_when_on_edits_count() -> None:
    """From the start on, behind what was reported; the making of a flag is one where it is shown."""
    shown = (1, 0.0, BOB), (2, 10.0, BOB), (3, 20.0, BOB)
    assert numbers(*shown) == [1, 2, 3]
    assert numbers(*shown, start=10) == [2, 3]
    assert numbers(*shown, start=10.1) == [3]
    assert numbers(*shown, start=10, after=2) == [3]
    assert numbers(*shown, start=20.1) == []
    assert numbers(*shown, first=2) == [3, 4], "older versions are not shown: what the first one changed is not known"
    made = edits_of([a_version(1, 0)], a_desired_flag(FlagSpec(key=KEY)), at(0), {}, None, after=0)
    assert made == (), "a declared flag is made by an apply"


def test_an_edit_of_which_no_time_can_be_read_counts() -> None:
    """By itself: it may be new, and it may be far from the others."""
    versions = [a_version(number, 10, percentage=number) for number in (3, 2, 1)]
    versions[1] = replace(versions[1], created_at="soon")
    assert [item.version for item in edits_of(versions, None, at(10), {}, None, after=0)] == [1, 2, 3]
    assert [item.version for item in edits_of(versions, None, at(11), {}, None, after=0)] == [2]


def test_where_git_said_nothing_before_nothing_is_its_own() -> None:
    """A field that was not declared since the start, and is now."""
    versions = [a_version(number, 10 * number, percentage=number) for number in (2, 1)]
    timelines = {(KEY, "/rolloutPercentage"): Timeline(values=(DeclaredValue(value=UNSET),))}
    desired = a_desired_flag(FlagSpec(key=KEY, rollout_percentage=7))
    assert [item.version for item in edits_of(versions, desired, at(11), timelines, None, after=0)] == [2]


def test_what_a_flag_is_made_of_is_no_change() -> None:
    """In one go with its making."""
    versions = [a_version(number, 0, percentage=number) for number in (2, 1)]
    assert list(places_of(versions, KEY, at(0))) == []


def test_all_that_is_said_of_an_edit() -> None:
    known = [a_version(2, 9, ADA, percentage=5), a_version(1, 0)]
    assert edits_of(known, None, at(1), {}, None, after=0) == (
        Edit(
            key=KEY,
            flag_id="1",
            is_declared=False,
            version=2,
            at="2030-01-01T00:09:00Z",
            by=ADA,
            changes=(ValueChange(path="/rolloutPercentage", before=1, after=5),),
        ),
    )
    assert list(places_of(known, KEY, at(0))) == [(KEY, "/rolloutPercentage")]
    assert list(places_of(known, KEY, at(10))) == []


def test_an_edit_of_the_second_of_the_last_look_is_told_once() -> None:
    """It may have come before that look or after it: what was told is remembered by its version."""
    clock = Clock()
    clock.now, clock.step = NOON, timedelta()
    world = a_world(an_emulator(a_live_flag(KEY, createdAt="2030-01-01T00:00:00.000Z"), now=clock), a_declaration())
    cron = Cron(world)
    assert cron.run().edits is None
    edit(world.emulator, BOB, KEY, description="by hand")
    world.emulator.edit_as(BOB, "POST", "/flags", {"key": "new", "projectId": "7"})
    assert [(key, version) for key, _, version, _ in told(cron.run())] == [("new", 1), (KEY, 2)]
    assert cron.memory.newest == {flag_id_of(world.emulator, KEY): 2, flag_id_of(world.emulator, "new"): 1}
    assert told(cron.run()) == []
    edit(world.emulator, ADA, KEY, description="again")
    assert [(by, version) for _, by, version, _ in told(cron.run())] == [(ADA, 3)]
    assert told(cron.run()) == []


@pytest.mark.parametrize(
    ("said", "tags", "told_"),
    [(("t",), ("t", "ours"), False), (("t",), ("t",), False), ((), ("ours",), False), (("u",), ("t", "ours"), True)],
)
def test_what_git_said_since_the_start_is_its_own(
    said: tuple[str, ...], tags: tuple[str, ...], *, told_: bool
) -> None:
    """An older value counts as the present one does, with the tag that marks what is managed."""
    before, after = (
        replace(a_version(number, number * 10), flag=a_live(FlagSpec(key=KEY, tags=shown), id="1"))
        for number, shown in ((1, ("x", "ours")), (2, tags))
    )
    timelines = {(KEY, "/tags"): Timeline(values=tuple(DeclaredValue(value=list(item)) for item in (("x",), said)))}
    found = edits_of(
        [after, before], a_desired_flag(FlagSpec(key=KEY, tags=("x",))), at(11), timelines, "ours", after=0
    )
    assert bool(found) is told_


@pytest.mark.parametrize(
    ("name", "paths"), [("S", ["/rolloutPercentage", "/targetSegments"]), (SHIELD_NAME, ["/rolloutPercentage"])]
)
def test_a_shield_is_no_edit_of_segments(name: str, paths: list[str]) -> None:
    """A plan puts it there, and takes it away at its end."""
    before, after = (
        replace(
            a_version(number, number * 10),
            flag=a_live(FlagSpec(key=KEY, rollout_percentage=number, target_segments=segments), id="1"),
        )
        for number, segments in ((1, ()), (2, (a_segment(name),)))
    )
    for desired in (FlagSpec(key=KEY), FlagSpec(key=KEY, target_segments=())):
        (found,) = edits_of([after, before], a_desired_flag(desired), at(11), {}, None, after=0)
        assert sorted(change.path for change in found.changes) == paths
