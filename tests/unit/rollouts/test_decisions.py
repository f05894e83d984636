"""What is done with a rollout, by its position and its guards; and how a run sums it up: exact values, no server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.apply.report import Status
from reconciler.errors import GuardRefusedError, InterruptedRunError, PartlyAppliedError
from reconciler.model.flag import UNSET, Version, Weights
from reconciler.model.rollout import GuardSource, PlacedRollout, Rollout, Step
from reconciler.model.versions import DeclaredValue, Timeline
from reconciler.rollouts.guards import Answer, NoDataError, Question, SourceError, ask, variants_with_users
from reconciler.rollouts.levels import CREATION, Known, attempt_since, levels_of
from reconciler.rollouts.position import Level, Phase, Position
from reconciler.rollouts.report import AdvanceReport, merged, with_outcomes
from reconciler.rollouts.sequential import Counts, Verdict
from reconciler.rollouts.standing import Move, MoveKind, Standing, decided, moved_spec, one_way, why_not_moved
from tests.builders import a_condition, a_desired_flag, a_flag, a_live_flag, a_report, a_segment, a_variant

NOW = datetime(2030, 1, 7, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = (Step(1, HOUR), Step(10, HOUR), Step(100))
FINE, WORSE, UNKNOWN = Verdict.FINE, Verdict.WORSE, Verdict.UNKNOWN


def a_standing(key: str = "new-checkout", segment: str | None = None, **fields: Any) -> Standing:
    rollout = fields.pop(
        "rollout", Rollout(steps=STEPS, guards=("errors", "slow"), on_fail=fields.pop("on_fail", "hold"))
    )
    return Standing(
        key=key,
        placed=PlacedRollout(rollout=rollout, end=100, segment=segment),
        position=fields.pop("position", Position(phase=Phase.DUE, step=1, next_step=STEPS[1], live=1)),
        **fields,
    )


def answers(*verdicts: Verdict, lacks_data: bool = False) -> tuple[Answer, ...]:
    named = zip(("errors", "slow"), verdicts, strict=False)
    return tuple(Answer(guard=guard, verdict=verdict, lacks_data=lacks_data) for guard, verdict in named)


DUE = Position(phase=Phase.DUE, step=1, next_step=STEPS[1], live=1)
FIRST = Position(phase=Phase.DUE, next_step=STEPS[0])
UP = Move(kind=MoveKind.UP, before=1, after=10)


@pytest.mark.parametrize(
    ("position", "on_fail", "said", "move", "why"),
    [
        (DUE, "hold", answers(FINE, FINE), UP, ""),
        (DUE, "hold", answers(FINE), None, "slow: not known yet"),
        (DUE, "hold", answers(UNKNOWN, UNKNOWN), None, "errors, slow: not known yet"),
        (DUE, "hold", answers(UNKNOWN, WORSE), None, "slow: worse"),
        (
            DUE,
            "rollback",
            answers(WORSE, WORSE),
            Move(kind=MoveKind.ROLLBACK, before=1, after=0),
            "errors, slow: worse",
        ),
        (DUE, "off", answers(FINE, WORSE), Move(kind=MoveKind.OFF, before=1, after=1), "slow: worse"),
        (Position(phase=Phase.WAITING, step=2, base=10, live=10), "rollback", answers(WORSE), None, "errors: worse"),
        (Position(phase=Phase.WAITING, step=2, live=10, why="x"), "off", answers(FINE), None, "x"),
        (Position(phase=Phase.HELD, step=2, live=10, why="x"), "off", answers(WORSE), None, "x"),
        (Position(phase=Phase.DONE, step=3, live=100), "off", answers(WORSE), None, ""),
        (Position(phase=Phase.WAITING, step=1, next_step=STEPS[1], live=1), "off", answers(FINE, FINE), None, ""),
        (FIRST, "off", answers(WORSE, UNKNOWN), None, "errors: worse"),
        (FIRST, "hold", answers(UNKNOWN, UNKNOWN, lacks_data=True), Move(kind=MoveKind.UP, before=0, after=1), ""),
        (FIRST, "hold", answers(UNKNOWN, UNKNOWN), None, "errors, slow: not known yet"),
        (DUE, "hold", answers(UNKNOWN, UNKNOWN, lacks_data=True), None, "errors, slow: not known yet"),
        (
            Position(phase=Phase.DUE, base=0.5, next_step=STEPS[0]),
            "hold",
            answers(FINE, UNKNOWN, lacks_data=True),
            None,
            "slow: not known yet",
        ),
    ],
)
def test_what_is_done(
    position: Position, on_fail: Any, said: tuple[Answer, ...], move: Move | None, why: str
) -> None:
    found = decided(a_standing(position=position, on_fail=on_fail, answers=said))
    assert (found.move, found.why) == (move, why)


def test_a_closed_window_keeps_steps_up_and_no_rollback() -> None:
    up = decided(a_standing(answers=answers(FINE, FINE)), "closed")
    down = decided(a_standing(answers=answers(FINE, WORSE), on_fail="rollback"), "closed")
    assert (up.move, up.why) == (None, "closed")
    assert down.move == Move(kind=MoveKind.ROLLBACK, before=1, after=0)


def test_no_step_up_beside_a_fall() -> None:
    """Of the same flag only, and other falls stay."""
    off = Move(kind=MoveKind.OFF, before=1, after=1)
    up, fall = a_standing(move=UP), a_standing(segment="Beta", move=off, why="errors: worse")
    other, still = a_standing("other", move=UP), a_standing(segment="Staff", why="x")
    found = one_way([up, fall, other, still])
    assert found[1:] == (fall, other, still)
    assert (found[0].move, found[0].why) == (None, "another rollout of the flag goes down")


def test_the_fields_of_moves() -> None:
    """Percentages of the places that move, whole where they are; off goes before all; segments stay otherwise.

    Fields that this client does not know are not sent: the server keeps them.
    """
    more = (("later", "1"),)
    unlisted = a_segment("Beta", percentage=1, conditions=(replace(a_condition(), unlisted=more),), unlisted=more)
    live = a_flag(target_segments=(unlisted, a_segment("Staff", percentage=2.5)))
    own, beta = a_standing(move=UP), a_standing(segment="Beta", move=Move(kind=MoveKind.UP, before=1, after=10.0))
    assert moved_spec(live, [own]) == {"rollout_percentage": 10}
    assert moved_spec(live, [a_standing(), beta]) == {
        "target_segments": (a_segment("Beta", percentage=10), a_segment("Staff", percentage=2.5))
    }
    assert set(moved_spec(live, [own, beta])) == {"rollout_percentage", "target_segments"}
    assert moved_spec(live, [own, a_standing(move=Move(kind=MoveKind.OFF, before=1, after=1))]) == {"enabled": False}
    whole = moved_spec(live, [a_standing(move=Move(kind=MoveKind.ROLLBACK, before=10, after=2.0))])
    part = moved_spec(live, [a_standing(move=Move(kind=MoveKind.ROLLBACK, before=10, after=2.5))])
    assert (repr(whole), repr(part)) == ("{'rollout_percentage': 2}", "{'rollout_percentage': 2.5}")


def test_what_a_file_says_against_moves() -> None:
    frozen = a_desired_flag(a_flag(enabled=True, archived=False), frozen_until=NOW)
    assert (
        why_not_moved(a_desired_flag(a_flag(archived=True, enabled=False)), NOW) == "the flag is declared as archived"
    )
    assert why_not_moved(a_desired_flag(a_flag(enabled=False)), NOW) == "git says that the flag is off"
    assert why_not_moved(frozen, NOW - HOUR) == f"the flag is frozen until {NOW}"
    assert why_not_moved(frozen, NOW + HOUR) == ""
    assert why_not_moved(a_desired_flag(a_flag(enabled=UNSET)), NOW) == ""


class Said:
    """Sources that say what a test says, and keep what they were asked."""

    def __init__(self, found: dict[str, Counts] | Exception) -> None:
        self.found = found
        self.asked: list[tuple[str, int]] = []

    def counts(self, _: GuardSource, variants: Any, seconds: int) -> dict[str, Counts]:
        self.asked.append((" ".join(variants), seconds))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def verdict(self, _: GuardSource, question: Question) -> Verdict:
        raise AssertionError(question)


def asked(sources: Said, *variants: str, tests: int = 1) -> Answer:
    source = GuardSource(kind="json", variable="ERRORS", failed="/f", of="/o", against="off")
    question = Question(key="x", segment=None, percentage=1, seconds=77, variants=variants, tests=tests)
    return ask("errors", source, question, sources)


@pytest.mark.parametrize(
    ("on", "more", "verdict", "why", "lacks"),
    [
        (Counts(9, 1000), Counts(70, 1000), WORSE, "more 70 of 1000, off 30 of 1000", False),
        (Counts(9, 1000), Counts(9, 99), UNKNOWN, "more 9 of 99, off 30 of 1000", True),
        (Counts(9, 99), Counts(70, 1000), WORSE, "more 70 of 1000, off 30 of 1000", False),
        (Counts(0, 0), Counts(9, 1), UNKNOWN, "more 9 of 1, off 30 of 1000", False),
        (Counts(9, 1000), Counts(8, 1000), FINE, "on 9 of 1000, off 30 of 1000", False),
    ],
)
def test_the_worst_variant_speaks(on: Counts, more: Counts, verdict: Verdict, why: str, lacks: bool) -> None:
    sources = Said({"on": on, "more": more, "off": Counts(30, 1000)})
    assert asked(sources, "off", "on", "more") == Answer(guard="errors", verdict=verdict, why=why, lacks_data=lacks)
    assert sources.asked == [("on more off", 77)]


def test_a_control_without_counts_is_no_lack_of_data() -> None:
    """What is no count may never become one; too few of the control may."""
    on, said = Counts(9, 99), "on 9 of 99, off {} of {}"
    for control, lacks in ((Counts(3, 2), False), (Counts(3, 4), True)):
        answer = asked(Said({"on": on, "off": control}), "off", "on")
        why = said.format(int(control.failed), int(control.of))
        assert answer == Answer(guard="errors", verdict=UNKNOWN, why=why, lacks_data=lacks)


def test_what_is_missing_is_unknown() -> None:
    nothing, none_yet = Said(SourceError("silent")), Said(NoDataError("none yet"))
    assert (asked(nothing, "on").why, asked(nothing, "on").lacks_data) == ("silent", False)
    assert (asked(none_yet, "on").why, asked(none_yet, "on").lacks_data) == ("none yet", True)
    assert asked(nothing, "off").verdict is UNKNOWN
    assert asked(nothing, "off").why == asked(nothing).why == "there is no variant to compare"
    many = Said({"on": Counts(70, 1000), "off": Counts(30, 1000)})
    assert [asked(many, "on", tests=count).verdict for count in (1, 1000)] == [WORSE, FINE]
    shared = Said({"on": Counts(63, 1000), "more": Counts(30, 1000), "off": Counts(30, 1000)})
    assert [asked(shared, *variants).verdict for variants in (["on"], ["on", "more"])] == [WORSE, FINE]


def test_variants_with_users() -> None:
    """In the flag's order; a weight of 0 gives none; the weights of segments count."""
    variants = tuple(a_variant(key) for key in ("a", "b", "c", "d"))
    segments = (a_segment(rollout_weights=Weights.of({"d": 1, "c": 0})),)
    own = Weights.of({"b": 1, "a": 2, "c": 0})
    assert variants_with_users(a_flag(variants=variants, rollout_weights=own, target_segments=segments)) == (
        "a",
        "b",
        "d",
    )
    assert variants_with_users(a_flag(variants=variants, rollout_weights=own, target_segments=UNSET)) == ("a", "b")
    assert variants_with_users(a_flag(variants=variants, target_segments=segments)) == ("d",)


def versions(*shown: tuple[float, bool, float, str], first: int = 1) -> list[Version]:
    """Versions, newest first: percentage, whether it is on, minutes since NOW and who."""
    made = [
        Version(
            version=number,
            created_at=(NOW + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z"),
            created_by=by,
            flag=a_live_flag(a_flag(enabled=on, rollout_percentage=percentage)),
        )
        for number, (percentage, on, minutes, by) in enumerate(shown, first)
    ]
    return made[::-1]


@pytest.mark.parametrize(
    ("shown", "first", "kept"),
    [
        ([(100, True, 0, "a"), (0, True, 10, "a"), (1, True, 60, "a")], 1, 1),
        ([(100, True, 0, "a"), (0, True, 10.1, "a"), (1, True, 60, "a")], 1, 0),
        ([(100, True, 0, "a"), (0, True, 1, "b")], 1, 0),
        ([(100, True, 0, "a"), (100, False, 1, "a"), (0, True, 2, "a")], 1, 1),
        ([(10, True, 0, "a"), (20, True, 1, "a"), (0, True, 2, "a")], 1, 0),
        ([(100, True, 0, "a"), (50, True, 1, "a"), (0, True, 2, "a")], 1, 2),
        ([(100, True, 0, "a"), (100, True, 1, "a"), (0, True, 2, "a"), (1, True, 60, "a")], 1, 2),
        ([(0, True, 0, "a"), (0, True, 1, "a"), (1, True, 60, "a")], 1, 0),
        ([(100, True, -1, "a"), (0, True, 1, "a")], 2, 0),
        ([(100, True, 0, "a"), (0, True, 1, "a")], 2, 0),
        ([(1, True, 1, "a"), (5, True, 2, "a")], 1, 0),
    ],
)
def test_levels_of_versions(shown: list[tuple[float, bool, float, str]], first: int, kept: int) -> None:
    """What a new flag was while it was made is no level; a whole history is known by its first version."""
    live = a_live_flag(a_flag(enabled=shown[-1][1], rollout_percentage=shown[-1][0]))
    expected = tuple(
        Level(percentage=value, at=NOW + timedelta(minutes=minutes), enabled=on, by=by)
        for value, on, minutes, by in shown
    )
    found = levels_of(a_standing().placed, live, versions(*shown, first=first), NOW)
    assert found == Known(levels=expected[kept:])


@pytest.mark.parametrize(
    ("known", "gap"),
    [
        ([], "the versions of the flag are not shown"),
        (versions((5, True, 0, "a")), "the newest version is not what is live"),
        (versions((1, False, 0, "a")), "the newest version is not what is live"),
        (versions((1, True, 1, "a"), first=2), "versions since the declaration are not shown"),
    ],
)
def test_gaps_in_versions(known: list[Version], gap: str) -> None:
    live = a_live_flag(a_flag(enabled=True, rollout_percentage=1))
    assert levels_of(a_standing().placed, live, known, NOW) == Known(gap=gap)
    assert timedelta(minutes=10) == CREATION


@pytest.mark.parametrize("fields", [{"enabled": UNSET}, {"rollout_percentage": UNSET}])
def test_a_version_that_does_not_show_what_it_was(fields: dict[str, Any]) -> None:
    blank = [
        replace(item, flag=a_live_flag(replace(item.flag.spec, **fields))) for item in versions((0, True, -9, "a"))
    ]
    wrong_time = [replace(item, created_at="soon") for item in versions((0, True, -9, "a"))]
    live = a_live_flag(a_flag(enabled=True, rollout_percentage=1))
    for first in (blank, wrong_time):
        known = [*versions((1, True, 5, "a"), first=2), *first]
        gap = "version 1 of the flag does not show what it was"
        assert levels_of(a_standing().placed, live, known, NOW) == Known(gap=gap)


@pytest.mark.parametrize(
    ("attempt", "declared", "since"),
    [
        (1, [], None),
        (1, [({}, 5)], 5),
        (1, [({}, 5), ({}, 3)], 3),
        (1, [({}, 5), (UNSET, 3)], 5),
        (1, [({}, 5), ("10%", 3)], 5),
        (1, [({}, 5), ({"attempt": "one"}, 3), (UNSET, 1)], 3),
        (2, [({"attempt": 2}, 5), ({"attempt": 2, "guards": []}, 3), ({"attempt": 1}, 1)], 3),
        (2, [({"attempt": 2}, 5), ({"attempt": 3}, 3), ({}, 2), ({"attempt": 2}, 1)], 3),
        (2, [({"attempt": 2}, 5), ({"attempt": "two"}, 3)], 5),
        (2, [({"attempt": 2}, None), ({"attempt": 2}, 3)], None),
        (2, [({"attempt": 1}, 5)], None),
        (2, [({"attempt": 2.0}, 5), ({"attempt": 1.0}, 3)], 5),
    ],
)
def test_since_when_an_attempt_is_declared(attempt: int, declared: list[tuple[Any, int | None]], since: Any) -> None:
    """Other edits and higher attempts begin nothing again; a file that was wrong then counts as a first attempt."""
    values = [DeclaredValue(value=value, at=None if hour is None else NOW + hour * HOUR) for value, hour in declared]
    found = attempt_since(Timeline(values=tuple(values)), attempt)
    assert found == (None if since is None else NOW + since * HOUR)


def an_advance(*standings: Standing, **fields: Any) -> AdvanceReport:
    return AdvanceReport(project_id="1", region="us", environment=None, at=NOW, standings=standings, **fields)


def test_the_summary_counts_moves_then_phases() -> None:
    made = [(MoveKind.UP, Status.APPLIED), (MoveKind.UP, None), (MoveKind.UP, Status.SKIPPED), (MoveKind.OFF, None)]
    moves = [Move(kind=kind, before=1, after=10, status=status) for kind, status in made]
    phases = [Phase.WAITING, Phase.DUE, *[Phase.HELD] * 3, *[Phase.ROLLED_BACK] * 4, *[Phase.DONE] * 5]
    still = [a_standing(position=Position(phase=phase)) for phase in phases]
    assert an_advance(*(a_standing(move=move) for move in moves), *still).summary == {
        "up": 2,
        "rollback": 0,
        "off": 1,
        "notMade": 1,
        "waiting": 2,
        "held": 3,
        "rolledBack": 4,
        "done": 5,
    }


def test_refusals_end_a_run() -> None:
    """As refused where nothing was changed, else as partly applied; a failed write says more than they do."""
    said = {"refusals": ("One.", "Two."), "guards": ("max-changes",)}
    assert an_advance().failure is None
    assert an_advance(applied=a_report(Status.APPLIED)).failure is None
    refused, partly = an_advance(**said).failure, an_advance(applied=a_report(Status.APPLIED), **said).failure
    assert isinstance(refused, GuardRefusedError)
    assert isinstance(partly, PartlyAppliedError)
    assert str(refused) == str(partly) == "Refused as unsafe: One. Two."
    failed = a_report(Status.FAILED)
    assert str(an_advance(applied=failed, **said).failure) == str(failed.failure)


FAILED, APPLIED, SKIPPED = a_report(Status.FAILED), a_report(Status.APPLIED), a_report(Status.SKIPPED)
ENDED, SIGNAL = SourceError("Ended."), InterruptedRunError("Signal.", 15)


@pytest.mark.parametrize(
    ("fields", "changed", "kind", "said"),
    [
        ({}, False, None, None),
        ({"applied": APPLIED}, True, None, None),
        ({"applied": FAILED}, True, PartlyAppliedError, str(FAILED.failure)),
        ({"applied": SKIPPED}, False, type(SKIPPED.failure), str(SKIPPED.failure)),
        ({"stopped_by": ENDED}, False, SourceError, "Ended."),
        ({"applied": FAILED, "stopped_by": ENDED}, True, PartlyAppliedError, f"{FAILED.failure} Ended."),
        ({"applied": SKIPPED, "stopped_by": ENDED}, False, SourceError, "Ended."),
        ({"applied": APPLIED, "stopped_by": ENDED}, True, PartlyAppliedError, "Ended."),
        ({"applied": APPLIED, "stopped_by": ENDED, "refusals": ("One.",)}, True, PartlyAppliedError, "Ended."),
        ({"applied": APPLIED, "stopped_by": SIGNAL}, True, InterruptedRunError, "Signal."),
        ({"applied": FAILED, "stopped_by": SIGNAL, "refusals": ("One.",)}, True, InterruptedRunError, "Signal."),
        ({"refusals": ("One.",)}, False, GuardRefusedError, "Refused as unsafe: One."),
    ],
)
def test_what_a_run_ends_with(fields: dict[str, Any], changed: bool, kind: Any, said: str | None) -> None:
    run = an_advance(**fields)
    assert run.changed_something is changed
    assert (type(run.failure) if kind else run.failure, said and str(run.failure)) == (kind, said)


def test_outcomes_of_moves() -> None:
    """Only those of the kinds that were applied; a flag without an outcome was not moved, and why is said."""
    report = a_report(Status.FAILED, error="no")
    key = report.outcomes[0].key
    up, other, off = (
        a_standing(key, move=UP),
        a_standing("z", move=UP),
        a_standing(key, move=Move(kind=MoveKind.OFF, before=1, after=1)),
    )
    found = with_outcomes([up, other, off, a_standing()], [MoveKind.UP], report)
    assert [item.move and (item.move.status, item.move.error) for item in found] == [
        (Status.FAILED, "no"),
        (Status.SKIPPED, "the live flag is there already"),
        (None, None),
        None,
    ]
    (refused,) = with_outcomes([up], [MoveKind.UP], None, "refused")
    assert refused.move is not None
    assert (refused.move.status, refused.move.error) == (Status.SKIPPED, "refused")


def test_reports_are_merged() -> None:
    first, second = (
        a_report(Status.APPLIED, requests=3, verified=None),
        a_report(Status.FAILED, requests=4, verified=True),
    )
    both = merged([second, first])
    assert merged([]) is None
    assert both is not None
    assert (both.requests, both.unchanged, both.verified, len(both.outcomes)) == (7, 0, True, 2)
    assert [item.key for item in both.outcomes] == ["applied-flag", "failed-flag"]
    ended = SourceError("ended")
    stopped = merged([first, a_report(Status.SKIPPED, stopped_by=ended, signal_number=15)])
    assert stopped is not None
    assert (stopped.stopped_by, stopped.signal_number) == (ended, 15)
    wrong = merged([second, a_report(Status.APPLIED, verified=False)])
    assert wrong is not None
    assert wrong.verified is False
