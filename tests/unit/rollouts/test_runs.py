"""Where the rollouts of a project stand, and the plan of their moves, in process; times and sources are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_config, a_desired_flag, a_desired_state, a_flag
from emulators import a_live_flag, an_emulator
from looks import BOB, edit, flag_id_of
from msgspec.structs import replace
from worlds import FAST, a_world, run_now

from reconciler.api.live import fetch_live_state
from reconciler.errors import RejectedError
from reconciler.model.config import Safety
from reconciler.model.flag import UNSET
from reconciler.model.rollout import GuardSource, PlacedRollout, Rollout, Step, parse_window
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.planning.guards import WINDOW
from reconciler.planning.plan import PlannedRollout, RolloutStanding
from reconciler.progress import Progress
from reconciler.rollouts.advance import Advance
from reconciler.rollouts.guards import Answer, Question
from reconciler.rollouts.position import Phase, Position
from reconciler.rollouts.reader import RolloutReader
from reconciler.rollouts.sequential import Counts, Verdict
from reconciler.rollouts.standing import Move, MoveKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from reconciler.emulator import Emulator
    from reconciler.model.flag import DesiredFlag, LiveFlag
    from reconciler.model.versions import Place
    from reconciler.planning.plan import Plan

KEY = "new-checkout"
HOUR = timedelta(hours=1)
DECLARED = datetime(2030, 1, 7, 8, tzinfo=UTC)  # a Monday
NOW = DECLARED + 3 * HOUR
STEPS = (Step(1, HOUR), Step(10, 24 * HOUR), Step(100))
OWN = PlacedRollout(rollout=Rollout(steps=STEPS, guards=("errors", "slow")), end=100)
BETA = PlacedRollout(rollout=Rollout(steps=(Step(5, 4 * HOUR), Step(50))), end=50, segment="Beta")
SEGMENT = {
    "name": "Beta",
    "conditions": [{"type": "property", "prop": "country", "op": "is", "values": ["US"]}],
    "percentage": 0,
    "rolloutWeights": {"treatment": 1},
}
BOTH = ("control", "treatment")
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def a_project(*moves: dict[str, Any], others: Sequence[str] = (), segments: int = 1) -> Emulator:
    """A flag at 0 % since long before the declaration, edited once an hour from then on."""
    clock = [DECLARED - 9 * HOUR]
    fields = {"rolloutPercentage": 0, "targetSegments": [SEGMENT] * segments}
    flags = [a_live_flag(key, **fields) for key in (KEY, *others)]
    emulator = an_emulator(*flags, now=lambda: clock[0])
    for number, fields in enumerate(moves):
        clock[0] = DECLARED + number * HOUR
        edit(emulator, BOB, KEY, **fields)
    clock[0] = NOW
    emulator.log.clear()
    return emulator


class Git:
    """When each rollout was declared; what it was asked."""

    def __init__(self, gap: str = "", *, is_known: bool = True, knows_places: bool = True) -> None:
        self.knows_places = knows_places
        values = (DeclaredValue(value={}, commit="c", at=DECLARED),) if is_known else ()
        self.timeline, self.asked = Timeline(values=values, gap=gap), []  # type: ignore[var-annotated]

    def __call__(self, places: Collection[Place], since: datetime | None) -> Mapping[Place, Timeline]:
        self.asked.append((list(places), since))
        return dict.fromkeys(places, self.timeline) if self.knows_places else {}


def declared(key: str = KEY, *rollouts: PlacedRollout, **fields: Any) -> DesiredFlag:
    """A flag that is declared with rollouts."""
    return a_desired_flag(a_flag(key, **fields.pop("spec", {})), rollouts=rollouts or (OWN,), **fields)


def read(emulator: Emulator, *flags: DesiredFlag, history: Git, ask: Callable[[RolloutReader, Any], Any]) -> Any:
    """What a reader answers about the live flags."""
    config = a_config(windows={"office": OFFICE})

    async def work() -> Any:
        async with a_world(emulator).client(read_only=True) as client:
            live = (await fetch_live_state(client, a_desired_state(*flags), hydrates=False)).flags
            emulator.log.clear()
            reader = RolloutReader(client=client, config=config, history=history, now=NOW, progress=Progress())
            return await ask(reader, live)

    return run_now(work())


OFFICE = parse_window("tue", "09:00-16:00", "UTC")
assert OFFICE is not None
ON_TUESDAY = datetime(2030, 1, 8, 9, tzinfo=UTC)


def test_each_rollout_of_each_flag_has_a_position() -> None:
    """One read of versions for each live flag; git is asked once, for all of them."""
    emulator = a_project(
        {"description": "x"},
        {"rolloutPercentage": 1},
        {"targetSegments": [SEGMENT | {"percentage": 5}]},
        others=["b"],
    )
    flags = (declared(KEY, OWN, BETA), declared("b", replace(OWN, rollout=replace(OWN.rollout, window="office"))),
             declared("gone"))  # fmt: skip
    git = Git()
    found = read(emulator, *flags, history=git, ask=lambda reader, live: reader.positions(flags, live))
    at = DECLARED + HOUR
    assert [(facts.flag.key, facts.placed.path, facts.since, where) for facts, where in found] == [
        (KEY, "/rolloutPercentage", DECLARED,
         Position(phase=Phase.DUE, step=1, since=at, next_step=STEPS[1], due_at=at + HOUR, base=0, live=1)),
        (KEY, "/targetSegments/Beta/percentage", DECLARED,
         Position(phase=Phase.WAITING, step=1, since=at + HOUR, next_step=Step(50), due_at=at + 5 * HOUR, live=5)),
        ("b", "/rolloutPercentage", DECLARED,
         Position(phase=Phase.WAITING, since=DECLARED, next_step=STEPS[0], due_at=ON_TUESDAY)),
        ("gone", "/rolloutPercentage", DECLARED,
         Position(phase=Phase.HELD, why="the flag does not exist yet, or its key is not the only one")),
    ]  # fmt: skip
    places = [(KEY, "/rollout"), (KEY, "/targetSegments/Beta/rollout"), ("b", "/rollout"), ("gone", "/rollout")]
    assert git.asked == [(places, EVER)]
    assert [entry.path.rpartition("/")[2] for entry in emulator.log] == ["versions"] * 2


@pytest.mark.parametrize(
    ("placed", "fields", "changed", "git", "segments", "why"),
    [
        (OWN, {"spec": {"archived": True}}, {}, Git(), 1, "the flag is declared as archived"),
        (OWN, {"spec": {"enabled": False}}, {}, Git(), 1, "git says that the flag is off"),
        (OWN, {"frozen_until": date(2030, 1, 8)}, {}, Git(), 1, "the flag is frozen until 2030-01-08"),
        (OWN, {}, {"archived": True}, Git(), 1, "the flag is archived live"),
        (OWN, {}, {}, Git(is_known=False), 1, "it is not known since when it is declared. It is not committed."),
        (OWN, {}, {}, Git("A gap.", is_known=False), 1, "it is not known since when it is declared. A gap."),
        (BETA, {}, {}, Git(), 0, "there is not exactly one live segment of this name"),
        (BETA, {}, {}, Git(), 2, "there is not exactly one live segment of this name"),
        (BETA, {}, {}, Git(), 1, ""),
        (OWN, {}, {}, Git(), 2, ""),
        (OWN, {}, {}, Git(knows_places=False), 1, "it is not known since when it is declared. It is not committed."),
        (BETA, {}, {"target_segments": UNSET}, Git(), 1, "there is not exactly one live segment of this name"),
        (OWN, {}, {"target_segments": UNSET}, Git(), 1, ""),
        (OWN, {}, {"rollout_percentage": 7}, Git(), 1, "the newest version is not what is live"),
    ],
)
def test_what_holds_a_rollout(
    placed: PlacedRollout, fields: Any, changed: Any, *, git: Git, segments: int, why: str
) -> None:
    flag = declared(KEY, placed, **fields)

    async def ask(reader: RolloutReader, live: dict[str, LiveFlag]) -> Any:
        known = replace(live[KEY], spec=replace(live[KEY].spec, **changed))
        return await reader.positions([flag], {KEY: known})

    ((_, where),) = read(a_project(segments=segments), flag, history=git, ask=ask)
    assert (where.phase, where.why) == (Phase.HELD if why else Phase.DUE, why)


@pytest.mark.parametrize(
    ("most", "is_known", "known"),
    [(None, True, (KEY, "b")), (0, True, ()), (1, True, (KEY,)), (2, True, (KEY, "b")), (None, False, ())],
)
def test_standings_of_planned_rollouts(most: int | None, is_known: bool, known: tuple[str, ...]) -> None:
    """Of the first live flags; of none where git does not tell since when, nor where a flag is not live."""
    flags = {flag.key: flag for flag in (declared("gone"), declared(), declared("b"))}
    planned = [PlannedRollout(key=key, path="/rolloutPercentage", live=0, steps=(), on_fail="pause") for key in flags]
    emulator = a_project(others=["b"])

    async def ask(reader: RolloutReader, live: dict[str, LiveFlag]) -> Any:
        return await reader.standings(planned, flags, live, most)

    found = read(emulator, *flags.values(), history=Git(is_known=is_known), ask=ask)
    standing = RolloutStanding(phase="due", since=DECLARED, upcoming=1, due_at=DECLARED)
    assert found == tuple(replace(item, standing=standing if item.key in known else None) for item in planned)
    assert len(emulator.log) == (2 if most is None else most)


def test_without_versions_there_are_no_standings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells, and decides nothing."""
    planned = [PlannedRollout(key=KEY, path="/rolloutPercentage", live=0, steps=(), on_fail="pause")]

    async def refused(*_: Any, **__: Any) -> Any:
        raise RejectedError("no", status=400)

    monkeypatch.setattr("reconciler.rollouts.reader.read_versions", refused)
    found = read(
        a_project(),
        declared(),
        history=Git(),
        ask=lambda reader, live: reader.standings(planned, {KEY: declared()}, live),
    )
    assert found == tuple(planned)


class Asked:
    """Sources that say what they are told to, and keep what they are asked."""

    def __init__(self, verdict: Verdict = Verdict.FINE, failed: float = 0) -> None:
        self.said, self.failed, self.questions = verdict, failed, []  # type: ignore[var-annotated]

    def counts(self, source: GuardSource, variants: Sequence[str], seconds: int) -> dict[str, Counts]:
        """As many failures of each variant but the last one."""
        self.questions.append((source.variable, tuple(variants), seconds))
        return {key: Counts(0 if key == source.against else self.failed, 1_000) for key in variants}

    def verdict(self, source: GuardSource, question: Question) -> Verdict:
        """What it is told to say."""
        self.questions.append((source.variable, question))
        return self.said


GUARDS = {
    "errors": GuardSource(kind="command", variable="ERRORS"),
    "slow": GuardSource(kind="json", variable="SLOW", failed="/f", of="/o", against="control"),
}


def advancing(
    emulator: Emulator,
    *flags: DesiredFlag,
    work: Callable[[Advance], Any],
    config: Mapping[str, Any] = MappingProxyType({}),
    **fields: Any,
) -> Any:
    """What a run comes to; `fields` are those of Advance."""
    settings = a_config(**{"guards": GUARDS, "requests": FAST, "windows": {"office": OFFICE}, **config})
    given = {"history": Git(), "sources": Asked(), "now": NOW, "targets": (), "allow": frozenset(),
             "progress": Progress(), **fields}  # fmt: skip

    async def run() -> Any:
        async with a_world(emulator).client(read_only=True) as client:
            return await work(Advance(client=client, desired=a_desired_state(*flags), config=settings, **given))

    return asyncio.run(run())  # guards are asked in threads


@pytest.mark.parametrize(
    ("stood", "seconds"), [(timedelta(seconds=5), 60), (timedelta(seconds=61), 61), (timedelta(hours=2), 7_200)]
)
def test_guards_are_asked_about_a_step_for_as_long_as_it_stands(stood: timedelta, seconds: int) -> None:
    """At least a minute. All comparisons of a rollout share the chance of a false alarm."""
    emulator, sources = a_project({"rolloutPercentage": 1}), Asked()
    found = advancing(emulator, declared(), work=Advance.look, sources=sources, now=DECLARED + stood)
    assert sources.questions == [
        ("ERRORS", Question(key=KEY, segment=None, percentage=1, seconds=seconds, variants=BOTH, tests=4)),
        ("SLOW", ("treatment", "control"), seconds),
    ]  # fmt: skip
    (standing,) = found.standings
    assert (standing.key, standing.placed, standing.declared_at) == (KEY, OWN, DECLARED)
    assert standing.answers == (
        Answer(guard="errors", verdict=Verdict.FINE),
        Answer(guard="slow", verdict=Verdict.FINE, why="treatment 0 of 1000, control 0 of 1000"),
    )
    assert list(found.live) == [KEY]


def test_guards_are_asked_about_the_first_step_and_of_no_rollout_that_is_held() -> None:
    """Of one guard and one step there is one comparison."""
    one = Rollout(steps=(Step(50),), guards=("errors",))
    flags = (
        declared(KEY, replace(BETA, rollout=one), OWN, spec={"enabled": True}),
        declared("held", spec={"archived": True}),
    )
    sources = Asked()
    found = advancing(a_project(others=["held"]), *flags, work=Advance.look, sources=sources)
    asked = [question for _, question, *_ in sources.questions if isinstance(question, Question)]
    assert [(item.key, item.segment, item.percentage, item.seconds, item.tests) for item in asked] == [
        (KEY, "Beta", 0, 10_800, 1), (KEY, None, 0, 10_800, 4),
    ]  # fmt: skip
    assert [item.move and item.move.kind for item in found.standings] == [None, MoveKind.UP, MoveKind.UP]


@pytest.mark.parametrize(
    ("targets", "keys"), [((), [KEY, "other"]), (("o*",), ["other"]), (("plain",), []), (("no-*",), [])]
)
def test_what_is_in_scope_is_looked_at(targets: tuple[str, ...], keys: list[str]) -> None:
    """Flags with rollouts, within the targets; where there are none, nothing is asked."""
    flags = (declared(), declared("other"), a_desired_flag(a_flag("plain")))
    emulator = a_project(others=["other", "plain"])
    found = advancing(emulator, *flags, work=Advance.look, targets=targets)
    assert ([item.key for item in found.standings], sorted(found.live)) == (keys, keys)
    assert bool(emulator.log) is bool(keys)
    assert len([entry for entry in emulator.log if entry.path.endswith("/versions")]) == len(keys)
    assert not [entry for entry in emulator.log if entry.path.endswith(("/variants", "/users", "/cohorts"))]


def test_no_more_is_read_than_the_flags_in_scope() -> None:
    """They are looked up by their keys: a project may have thousands."""
    emulator, progress = a_project(others=["other"]), Progress()
    found = advancing(emulator, declared(), work=Advance.look, progress=progress)
    assert list(found.live) == [KEY]
    assert [entry.query.get("key") for entry in emulator.log if entry.path.endswith("/flags")] == [KEY]
    assert (progress.what, progress.done, progress.total) == ("Reading versions", 1, 1)


OPENS = "writes are made in a window only, which opens at 2030-01-08T09:00:00Z"


@pytest.mark.parametrize(
    ("expires", "windows", "allow", "why"),
    [
        (None, (), (), ""),
        (NOW.date(), (), (), ""),
        (NOW.date() - timedelta(days=1), (), (), "the flag has expired on 2030-01-06"),
        (NOW.date() - timedelta(days=1), ("office",), (WINDOW,), "the flag has expired on 2030-01-06"),
        (None, ("office",), (), OPENS),
        (None, ("office",), ("rebucket",), OPENS),
        (None, ("office",), (WINDOW,), ""),
        (None, ("office", "always"), (), ""),
    ],
)
def test_what_keeps_a_step_that_is_due(expires: date | None, windows: Any, allow: Any, why: str) -> None:
    always = parse_window("mon-sun", "00:00-24:00", "UTC")
    config = {"windows": {"office": OFFICE, "always": always}, "apply_windows": windows}
    found = advancing(
        a_project(), declared(expires=expires), work=Advance.look, config=config, allow=frozenset(allow)
    )
    (standing,) = found.standings
    assert standing.why == why
    assert standing.move == (None if why else Move(kind=MoveKind.UP, before=0, after=1))


def planned_moves(*kinds: MoveKind, meanwhile: Callable[[], object] = lambda: None) -> Callable[[Advance], Any]:
    """Look, and plan the moves of these kinds."""

    async def work(run: Advance) -> Any:
        look = await run.look()
        meanwhile()
        return look, await run.plan(look, kinds)

    return work


def told(plan: Plan) -> list[tuple[str, list[Any], list[str]]]:
    """The flags of a plan: what is sent of each, and what holds it."""
    return [
        (flag.key, [operation.body for operation in flag.operations], [item.guard for item in flag.held])
        for flag in plan.flags
    ]


def test_a_plan_has_the_moves_of_its_kinds_and_nothing_else() -> None:
    """One call for each flag. What is declared otherwise, or not live, is not what it is about."""
    flags = (
        declared(KEY, OWN, spec={"name": "another"}), declared("other"), declared("gone"),
        a_desired_flag(a_flag("gone-too", name="x")),
    )  # fmt: skip
    emulator = a_project(others=["other"])
    _, found = advancing(
        emulator, *flags, work=planned_moves(MoveKind.UP), targets=("other", KEY), config={"managed_tag": "managed"}
    )
    plan, live, desired = found
    assert told(plan) == [(KEY, [{"rolloutPercentage": 1}], []), ("other", [{"rolloutPercentage": 1}], [])]
    assert sorted(live.flags) == [KEY, "other"]
    assert desired.flags[KEY].spec == a_flag(KEY, rollout_percentage=1)
    assert desired.flags["gone-too"].spec == a_flag("gone-too")
    for kinds in ((), (MoveKind.ROLLBACK, MoveKind.OFF)):
        _, nothing = advancing(emulator, *flags, work=planned_moves(*kinds))
        assert nothing is None


def test_a_flag_that_was_edited_since_the_look_is_held() -> None:
    """And one of which a move would take more than one call."""
    emulator = a_project(others=["other"])
    flags = (declared(), declared("other"))
    edited = planned_moves(MoveKind.UP, meanwhile=lambda: edit(emulator, BOB, KEY, description="new"))
    _, (plan, _, _) = advancing(emulator, *flags, work=edited)
    assert told(plan) == [
        (KEY, [{"rolloutPercentage": 1}], ["moved-meanwhile"]), ("other", [{"rolloutPercentage": 1}], []),
    ]  # fmt: skip
    assert plan.flags[0].held[-1].message == (
        f'"{KEY}" was edited while its rollouts were looked at: the next run looks again.'
    )


def test_a_flag_that_is_gone_since_the_look_is_held() -> None:
    """Nothing is made in its place."""
    emulator, begun = a_project(others=["other"]), []  # type: ignore[var-annotated]

    class Recorded(Progress):
        def start(self, what: str, total: int | None = None, *, unit: str = "calls") -> None:
            super().start(what, total, unit=unit)
            begun.append(what)

    gone = planned_moves(MoveKind.UP, meanwhile=lambda: emulator.store.flags.pop(flag_id_of(emulator, KEY)))
    _, (plan, _, _) = advancing(emulator, declared(), declared("other"), work=gone, progress=Recorded())
    assert [(flag.key, bool(flag.held)) for flag in plan.flags] == [(KEY, True), ("other", False)]
    assert plan.flags[0].held[-1].guard == "moved-meanwhile"
    assert begun.count("Reading flags") == 2


def test_what_goes_down_is_held_by_no_guard() -> None:
    """A step up is held by those that are not allowed, but for a kill switch, which a rollback is."""
    emulator = a_project({"rolloutPercentage": 10})
    worse = {"sources": Asked(Verdict.WORSE)}
    config = {"safety": Safety(max_exposure_change=Fraction(0))}
    down = declared(KEY, replace(OWN, rollout=replace(OWN.rollout, on_fail="rollback")))
    _, (plan, _, _) = advancing(emulator, down, work=planned_moves(MoveKind.ROLLBACK), config=config, **worse)
    assert told(plan) == [(KEY, [{"rolloutPercentage": 0}], [])]
    up = {"work": planned_moves(MoveKind.UP), "config": config, "now": DECLARED + 25 * HOUR}
    _, (plan, _, _) = advancing(emulator, down, **up)
    assert told(plan) == [(KEY, [{"rolloutPercentage": 100}], ["exposure"])]
    _, (plan, _, _) = advancing(emulator, down, **up, allow=frozenset({"exposure"}))
    assert told(plan) == [(KEY, [{"rolloutPercentage": 100}], [])]
