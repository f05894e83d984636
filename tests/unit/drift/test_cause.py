"""Why a field differs: edited live, or not applied yet, over real edits, versions and times of declarations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_desired_flag, a_flag
from builders import a_live_flag as a_live
from emulators import a_live_flag
from looks import ADA, BOB, a_declaration, edit, include, look
from msgspec import Struct
from worlds import World, a_world, an_emulator, run_now

from reconciler.drift import Cause, DriftOptions, detect
from reconciler.drift.cause import cause_of, place_of
from reconciler.drift.compare import DifferingFlag, with_unsent
from reconciler.drift.report import StoredOtherwise
from reconciler.model.flag import UNSET, Variant, Version, Weights
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.plan import MembersChange, ValueChange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.drift import DriftReport, FlagDrift
    from reconciler.model.flag import FlagSpec
    from reconciler.model.versions import Place

KEY = "new-checkout"
START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A minute passes with each look at it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


class Project(Struct, kw_only=True):
    """A live flag, a clock, and the time at which git got the declaration that there is."""

    world: World
    clock: Clock
    declared_at: datetime | None = None
    asked: list[Place] = []

    def declare(self, spec: FlagSpec) -> None:
        """Git gets another declaration now."""
        self.world = a_world(self.world.emulator, spec, history=self.history)
        self.declared_at = self.clock()

    def history(self, places: Collection[Place], _: datetime | None = None) -> Mapping[Place, Timeline]:
        self.asked += places
        values = (DeclaredValue(value=1, commit="abc1234", at=self.declared_at),)
        return dict.fromkeys(places, Timeline(values=values if self.declared_at else ()))

    def edit(self, **fields: Any) -> None:
        edit(self.world.emulator, BOB, KEY, **fields)

    def drift(self) -> FlagDrift:
        (flag,) = look(self.world).flags
        return flag

    async def detect(self) -> DriftReport:
        """A look of which the requests are not counted."""
        world = self.world
        async with world.client(read_only=True) as client:
            return await detect.detect_drift(
                client, world.desired, world.config, DriftOptions(), now=self.clock.now, history=world.history
            )


def a_project(**live: Any) -> Project:
    clock = Clock()
    emulator = an_emulator(a_live_flag(KEY, **live), now=clock)
    project = Project(world=a_world(emulator, a_declaration()), clock=clock)
    project.declare(a_declaration())
    return project


def test_a_value_that_was_as_declared_and_changed_was_edited_live() -> None:
    project = a_project()
    project.edit(rolloutPercentage=5)
    (change,) = project.drift().changes
    assert change.cause is Cause.LIVE_EDIT
    assert (change.attribution.by, change.attribution.version) == (BOB, 2)
    assert change.declared is not None
    assert change.declared.commit == "abc1234"
    assert project.asked == [(KEY, "/rolloutPercentage")]
    assert look(project.world).gaps == ()


def test_a_value_that_was_applied_later_and_changed_was_edited_live() -> None:
    """Declared, applied, edited: the version between shows that the live flag had it."""
    project = a_project()
    project.declare(a_declaration(rollout_percentage=25))
    project.edit(rolloutPercentage=25)
    project.edit(rolloutPercentage=100)
    assert project.drift().cause is Cause.LIVE_EDIT


def test_a_form_that_moves_no_user_is_no_drift_whenever_it_was_declared() -> None:
    """The server keeps tags in lower case: it is told as such, and never as a difference."""
    project = a_project(tags=["x"])
    project.declare(a_declaration(tags=("X",)))
    report = look(project.world)
    assert not report.is_drifted
    assert report.stored == (StoredOtherwise(key=KEY, path="/tags", how="in lower case"),)


def test_a_declaration_that_was_never_applied_names_no_user() -> None:
    project = a_project()
    project.edit(description="by hand")
    project.declare(a_declaration(rollout_percentage=25))
    (change,) = project.drift().changes
    assert change.cause is Cause.NOT_APPLIED
    assert (change.attribution.by, change.attribution.at) == (None, None)


def test_edits_of_other_fields_since_do_not_make_it_an_edit() -> None:
    project = a_project()
    project.declare(a_declaration(rollout_percentage=25))
    project.edit(description="by hand")
    assert project.drift().cause is Cause.NOT_APPLIED


def test_what_the_flag_had_before_it_was_declared_does_not_count() -> None:
    """25 by hand, 100 by hand, then git says 25: it was never applied."""
    project = a_project(rolloutPercentage=25)
    project.edit(rolloutPercentage=100)
    project.declare(a_declaration(rollout_percentage=25))
    assert project.drift().cause is Cause.NOT_APPLIED


def test_fields_have_causes_of_their_own() -> None:
    """An edit of one field and a commit that was not applied of another; the flag as a whole was edited."""
    project = a_project()
    project.declare(a_declaration(rollout_percentage=25))
    project.edit(enabled=False)
    flag = project.drift()
    causes = {item.change.path: item.cause for item in flag.changes}
    assert causes == {"/enabled": Cause.LIVE_EDIT, "/rolloutPercentage": Cause.NOT_APPLIED}
    assert flag.cause is Cause.LIVE_EDIT
    assert flag.latest.by == BOB


def test_without_history_of_git_no_cause_is_known() -> None:
    project = a_project()
    project.edit(rolloutPercentage=5)
    project.declared_at = None
    (change,) = project.drift().changes
    assert change.cause is Cause.UNKNOWN
    assert change.attribution.by == BOB
    project.world.history = None
    assert project.drift().cause is Cause.UNKNOWN


def test_without_versions_the_last_edit_tells_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not edited since it was declared: never applied. Edited since: not known."""

    async def read_none(*_: Any, **__: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(detect, "read_versions", read_none)
    project = a_project()
    project.declare(a_declaration(rollout_percentage=25))

    def cause() -> Cause:
        report = run_now(project.detect())
        return report.flags[0].cause

    assert cause() is Cause.NOT_APPLIED
    project.edit(description="by hand")
    assert cause() is Cause.UNKNOWN


def test_inclusions_are_in_no_version() -> None:
    project = a_project()
    include(project.world.emulator, ADA, KEY, "treatment", "eve@example.com")
    assert project.drift().cause is Cause.UNKNOWN


def test_an_archived_flag_was_archived_by_its_last_edit() -> None:
    project = a_project()
    project.edit(archive=True)
    flag = project.drift()
    assert [item.change.path for item in flag.changes] == ["/archived"]
    assert flag.cause is Cause.LIVE_EDIT
    assert project.asked == [(KEY, "/key")]


@pytest.mark.parametrize("names", [("control", "treatment", "third"), ("control",)])
def test_a_variant_as_a_whole_is_declared_with_the_variants(names: tuple[str, ...]) -> None:
    project = a_project()
    variants = tuple(Variant(key=name) for name in names)
    project.declare(a_declaration(variants=variants, rollout_weights=Weights.of({"control": 1})))
    assert project.drift().cause is Cause.NOT_APPLIED
    assert (KEY, "/variants") in project.asked


@pytest.mark.parametrize(
    ("shown", "first", "edited", "cause"),
    [
        ([(5, 10), (5, 20)], 1, None, Cause.NOT_APPLIED),
        ([(5, 10), (5, 20)], 2, None, Cause.UNKNOWN),
        ([(5, -10), (5, 20)], 2, None, Cause.NOT_APPLIED),
        ([(25, -10), (5, 20)], 2, None, Cause.LIVE_EDIT),
        ([(25, -20), (5, -10)], 2, None, Cause.NOT_APPLIED),
        ([(5, 0), (5, 20)], 2, None, Cause.NOT_APPLIED),
        ([(25, 0), (5, 20)], 2, None, Cause.LIVE_EDIT),
        ([(5, 10), (7, 20)], 1, None, Cause.UNKNOWN),
        ([(None, 10), (5, 20)], 1, None, Cause.UNKNOWN),
        ([(5, 10), (5, None)], 1, None, Cause.UNKNOWN),
        ([(5, None), (5, 10)], 1, None, Cause.UNKNOWN),
        ([(7, 10)], 1, None, Cause.UNKNOWN),
        ([], 1, None, Cause.UNKNOWN),
        ([], 1, -1, Cause.NOT_APPLIED),
        ([], 1, 0, Cause.UNKNOWN),
        ([], 1, 1, Cause.UNKNOWN),
    ],
)
def test_what_versions_and_the_last_edit_tell(
    shown: list[tuple[int | None, int | None]], first: int, edited: int | None, cause: Cause
) -> None:
    """Of 5 % live and 25 % declared: versions in force since then, all of them, or else the time of the last edit.

    None: a version that does not show it, or of a time that cannot be read.
    """

    def at(minutes: int | None) -> str:
        return "soon" if minutes is None else (START + timedelta(minutes=minutes)).isoformat()

    def a_version(number: int, percentage: int | None, minutes: int | None) -> Version:
        spec = a_flag(rollout_percentage=UNSET if percentage is None else percentage)
        return Version(version=number, created_at=at(minutes), created_by=BOB, flag=a_live(spec))

    change = ValueChange(path="/rolloutPercentage", before=5, after=25)
    live = a_live(a_flag(rollout_percentage=5), last_modified_at=None if edited is None else at(edited))
    wanted = a_flag(rollout_percentage=25)
    found = DifferingFlag(desired=a_desired_flag(wanted), live=live, wanted=wanted, changes=(change,), pairs={})
    versions = [a_version(number, *values) for number, values in enumerate(shown, first)]
    declared = Timeline(values=(DeclaredValue(value=25, commit="c", at=START),))
    assert cause_of(change, found, versions[::-1], declared) is cause
    assert cause_of(change, found, versions[::-1], Timeline()) is Cause.UNKNOWN


def a_difference(change: ValueChange | MembersChange, edited: int | None, **fields: Any) -> DifferingFlag:
    """A flag that was edited so many minutes after START and differs in one field."""
    at = None if edited is None else (START + timedelta(minutes=edited)).isoformat()
    live, wanted = a_live(a_flag(), last_modified_at=at), a_flag()
    defaults = {"desired": a_desired_flag(wanted), "live": live, "wanted": wanted, "changes": (change,), "pairs": {}}
    return DifferingFlag(**defaults | fields)


ARCHIVED, BACK = (ValueChange(path="/archived", before=side, after=not side) for side in (True, False))
USERS = MembersChange(path="/variants/a/inclusions/users", added=("a",), removed=())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (ARCHIVED, "/key"),
        (USERS, USERS.path),
        (ValueChange(path="/rolloutPercentage", before=1, after=2), "/rolloutPercentage"),
        (ValueChange(path="/rolloutWeights", before={"a": 1}, after=None), "/rolloutWeights"),
        (ValueChange(path="/variants/a/name", before="x", after="y"), "/variants/a/name"),
        (ValueChange(path="/variants/a/key", before="b", after="a"), "/variants"),
        (ValueChange(path="/variants/a", before=None, after={"key": "a"}), "/variants"),
        (ValueChange(path="/variants/a", before={"key": "a"}, after=None), "/variants"),
    ],
)
def test_where_a_change_is_declared(change: ValueChange | MembersChange, place: str) -> None:
    """That a variant is there, or has its key, with all of them; that a flag lives, with its key."""
    assert place_of("f", change) == ("f", place)


@pytest.mark.parametrize(
    ("change", "edited", "cause"),
    [
        (ARCHIVED, 1, Cause.LIVE_EDIT),
        (ARCHIVED, -1, Cause.NOT_APPLIED),
        (ARCHIVED, None, Cause.UNKNOWN),
        (BACK, 1, Cause.UNKNOWN),
        (BACK, -1, Cause.NOT_APPLIED),
        (USERS, -1, Cause.UNKNOWN),
    ],
)
def test_what_the_last_edit_tells_of_the_archive_and_of_users(
    change: ValueChange | MembersChange, edited: int | None, cause: Cause
) -> None:
    """That a flag was archived by it; of one that was unarchived, and of inclusions, no more than its time."""
    declared = Timeline(values=(DeclaredValue(value=True, commit="c", at=START),))
    assert cause_of(change, a_difference(change, edited), (), declared) is cause


@pytest.mark.parametrize(("edited", "is_unsent"), [(-1, True), (0, True), (1, False), (None, False)])
def test_what_was_not_edited_since_it_is_declared_was_not_sent(edited: int | None, is_unsent: bool) -> None:
    """So it is no form of the server's own."""
    change = ValueChange(path="/rolloutWeights", before={"a": 1}, after={"b": 1})
    stored = tuple(StoredOtherwise(key=KEY, path=path, how="sorted") for path in ("/rolloutWeights", "/tags"))
    found = a_difference(change, edited, changes=(), stored=stored, doubtful=(change,))
    declared = {(KEY, change.path): Timeline(values=(DeclaredValue(value=1, commit="c", at=START),))}
    told = with_unsent(found, declared, ())
    assert (told.changes, told.stored) == (((change,), stored[1:]) if is_unsent else ((), stored))
    assert with_unsent(found, {}, ()) == found
