"""Rollouts in words and in numbers: lines of plans, of `advance` and of the metrics of `watch`, to the letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, a_report
from msgspec.structs import replace
from pages import a_drift

from reconciler.apply.report import Status
from reconciler.drift import DriftReport
from reconciler.errors import UsageError
from reconciler.model.rollout import PlacedRollout, Rollout, Step
from reconciler.planning.plan import PlannedRollout, RolloutStanding
from reconciler.reports.metrics import Watched, metrics_text
from reconciler.reports.registry import RenderOptions
from reconciler.reports.rollouts import (
    last_line,
    move_lines,
    render_advance_json,
    render_advance_text,
    schedule_text,
    span_text,
    standing_text,
    where_text,
)
from reconciler.rollouts.guards import Answer
from reconciler.rollouts.position import Phase, Position
from reconciler.rollouts.report import AdvanceReport
from reconciler.rollouts.sequential import Verdict
from reconciler.rollouts.standing import Move, MoveKind, Standing

HOUR = timedelta(hours=1)
STEPS = (Step(10, HOUR), Step(50, HOUR), Step(100))
WAITS = Position(phase=Phase.WAITING, step=1, next_step=STEPS[1], due_at=NOON, live=10)


def a_standing(key: str = "f", segment: str | None = None, **fields: Any) -> Standing:
    """A rollout of three steps of which the first stands."""
    placed = PlacedRollout(rollout=Rollout(steps=STEPS), end=100, segment=segment)
    return Standing(**{"key": key, "placed": placed, "position": WAITS} | fields)


def a_move(kind: MoveKind, before: float, after: float, **fields: Any) -> Move:
    """A write."""
    return Move(kind=kind, before=before, after=after, **fields)


def a_planned(**fields: Any) -> PlannedRollout:
    """A rollout of a plan, at 5 percent."""
    steps = ((10, 3600), (50, 86400), (100, None))
    defaults = {"key": "f", "path": "/rolloutPercentage", "live": 5, "steps": steps, "on_fail": "rollback"}
    return PlannedRollout(**defaults | fields)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5400, "90m"), (3600, "1h"), (90_000, "25h"), (172_800, "2d"), (1_209_600, "2w"), (0, "0m"), (60, "1m")],
)
def test_times_to_stand(seconds: int, text: str) -> None:
    """In the largest unit that gives a whole number."""
    assert span_text(seconds) == text


UNKNOWN = "and `reconciler advance --dry-run` says where it stands"


@pytest.mark.parametrize(
    ("planned", "text"),
    [
        (
            a_planned(),
            ("f is let out in steps, of All Other Users: 5% live; steps 10% for 1h (adds 5%), 50% for 1d (adds 40%), "
            f"100% (adds 50%); rollout: 5% live, {UNKNOWN}."),
        ),
        (
            a_planned(
                path="/targetSegments/Beta/percentage", live=None, start=10, guards=("errors", "slow"),
                on_fail="hold", window="office",
            ),
            ("f is let out in steps, of segment Beta: 0% live, 10% after this plan; steps 10% for 1h, 50% for 1d "
            "(adds 40%), 100% (adds 50%); guards errors, slow, on failure hold; in the window office; "
            f"rollout: 0% live, {UNKNOWN}."),
        ),
        (
            a_planned(live=12.5, steps=((20, None),), standing=RolloutStanding(phase="held", why="By hand.")),
            "f is let out in steps, of All Other Users: 12.5% live; steps 20% (adds 7.5%); rollout: held: By hand.",
        ),
    ],
)  # fmt: skip
def test_schedules(planned: PlannedRollout, text: str) -> None:
    """Whom each step adds, guards and windows where there are some, and where it stands."""
    assert schedule_text(planned) == text


def test_a_standing_in_one_line() -> None:
    """It names the place and ends without a full stop."""
    planned = a_planned(path="/targetSegments/Beta/percentage", standing=RolloutStanding(phase="done", why="x."))
    assert standing_text(planned) == "f, segment Beta: rollout: done, 5%"
    assert standing_text(a_planned(standing=RolloutStanding(phase="held", why="x."))) == (
        "f, All Other Users: rollout: held: x"
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"phase": "rolled-back", "since": NOON, "why": "w"}, "rolled back at 2030-01-02T12:00:00Z: w"),
        ({"phase": "rolled-back", "why": "w"}, "rolled back: w"),
        ({"phase": "held", "since": NOON, "why": "w"}, "held: w"),
        ({"phase": "done", "step": 3, "since": NOON}, "done, 10%"),
        ({"phase": "waiting", "step": 1, "since": NOON}, "step 1 of 3, 10%, since 2030-01-02T12:00:00Z"),
        ({"phase": "due", "step": 1, "upcoming": 50, "due_at": NOON},
         "step 1 of 3, 10%; 50% from 2030-01-02T12:00:00Z on"),
        ({"phase": "waiting", "upcoming": 10, "due_at": NOON},
         "before step 1 of 3; 10% from 2030-01-02T12:00:00Z on"),
    ],
)  # fmt: skip
def test_where_a_rollout_stands(fields: dict[str, Any], text: str) -> None:
    """The step, since when, and the next one; or what keeps it."""
    assert where_text(RolloutStanding(**fields), 3, 10) == text


def test_a_run_as_text() -> None:
    """A line for each rollout, with a line for each of its guards; then refusals, then the sum."""
    up = a_move(MoveKind.UP, 10, 50, status=Status.APPLIED)
    down = a_move(MoveKind.ROLLBACK, 50, 0.5, status=Status.FAILED, error="no")
    answers = (
        Answer(guard="errors", verdict=Verdict.FINE),
        Answer(guard="slow", verdict=Verdict.WORSE, why="2 of 3"),
        Answer(guard="down", verdict=Verdict.UNKNOWN, why="no answer"),
    )
    standings = (
        a_standing("a", move=up, answers=answers),
        a_standing("b", "Beta", move=down, why="slow: worse"),
        a_standing("c", move=a_move(MoveKind.OFF, 10, 10)),
        a_standing("d"),
        a_standing("e", why="slow: not known yet"),
        a_standing("f", position=Position(phase=Phase.WAITING, next_step=STEPS[0], due_at=NOON)),
        a_standing("g", position=Position(phase=Phase.DONE, step=3, live=100)),
        a_standing("h", position=Position(phase=Phase.HELD, live=7, why="7% is no step")),
        a_standing("i", position=Position(phase=Phase.ROLLED_BACK, live=0, why="it fell"), why="worse"),
    )
    report = AdvanceReport(
        project_id="7", region="us", environment=None, at=NOON, standings=standings, refusals=("too many",)
    )
    assert render_advance_text(report, RenderOptions()) == (
        "a: applied: 10% to 50%\n"
        "  guard errors: better or equal\n"
        "  guard slow: worse (2 of 3)\n"
        "  guard down: unknown (no answer)\n"
        "b, segment Beta: failed: 50% back to 0.5%; slow: worse; no\n"
        "c: 10% turned off at 10%\n"
        "d: step 1 of 3, 10%; 50% from 2030-01-02T12:00:00Z on\n"
        "e: step 1 of 3, 10%; 50% from 2030-01-02T12:00:00Z on; slow: not known yet\n"
        "f: before step 1 of 3; 10% from 2030-01-02T12:00:00Z on\n"
        "g: done, 100%\n"
        "h: held: 7% is no step\n"
        "i: rolled-back: worse\n"
        "Refused: too many\n"
        "Advance: 1 up, 1 turned off now, 1 not made, 3 waiting, 1 held, 1 rolled back before, 1 done\n"
    )


def test_metrics_before_the_first_round() -> None:
    """Counters are 0, and there is no time and no rollout."""
    samples = [line for line in metrics_text(Watched()).splitlines() if not line.startswith("#")]
    assert samples == [
        "reconciler_rounds_total 0",
        "reconciler_round_failures_total 0",
        "reconciler_requests_today 0",
        "reconciler_drifted_flags 0",
        *(f'reconciler_rollout_moves_total{{kind="{kind}"}} 0' for kind in ("up", "rollback", "off")),
    ]


def test_metrics_to_the_letter() -> None:
    """What a move made of a rollout counts, a move that was not made does not; labels are escaped."""
    watched = Watched(
        rounds=3,
        failures=1,
        last_round=datetime(2030, 1, 2, 12, 0, 0, 500_000, tzinfo=UTC),
        last_good=NOON,
        requests=42,
        drifted=2,
        moves={"up": 2, "off": 1},
        standings=(
            a_standing("a", move=a_move(MoveKind.UP, 10, 50, status=Status.APPLIED)),
            a_standing("b", '"\\\n', move=a_move(MoveKind.ROLLBACK, 10, 0.5, status=Status.APPLIED)),
            a_standing("c", move=a_move(MoveKind.ROLLBACK, 10, 0, status=Status.FAILED)),
            a_standing("d"),
        ),
    )
    places = [("a", "", 50, "waiting"), ("b", r"\"\\\n", 0.5, "rolled-back"), ("c", "", 10, "waiting")]
    places.append(("d", "", 10, "waiting"))
    assert metrics_text(watched) == "\n".join(
        [
            "# HELP reconciler_rounds_total Rounds of looking and advancing.",
            "# TYPE reconciler_rounds_total counter",
            "reconciler_rounds_total 3",
            "# HELP reconciler_round_failures_total Rounds in which something failed.",
            "# TYPE reconciler_round_failures_total counter",
            "reconciler_round_failures_total 1",
            "# HELP reconciler_last_round_timestamp_seconds When the last round began.",
            "# TYPE reconciler_last_round_timestamp_seconds gauge",
            "reconciler_last_round_timestamp_seconds 1893585600.5",
            "# HELP reconciler_last_good_timestamp_seconds When the last round without failure began.",
            "# TYPE reconciler_last_good_timestamp_seconds gauge",
            "reconciler_last_good_timestamp_seconds 1893585600",
            "# HELP reconciler_requests_today Requests to the server since midnight UTC.",
            "# TYPE reconciler_requests_today gauge",
            "reconciler_requests_today 42",
            "# HELP reconciler_drifted_flags Flags that are not live as declared, but for known drift.",
            "# TYPE reconciler_drifted_flags gauge",
            "reconciler_drifted_flags 2",
            "# HELP reconciler_rollout_moves_total Writes of rollouts, by kind.",
            "# TYPE reconciler_rollout_moves_total counter",
            'reconciler_rollout_moves_total{kind="up"} 2',
            'reconciler_rollout_moves_total{kind="rollback"} 0',
            'reconciler_rollout_moves_total{kind="off"} 1',
            "# HELP reconciler_rollout_percentage The live percentage of a rollout.",
            "# TYPE reconciler_rollout_percentage gauge",
            *(
                f'reconciler_rollout_percentage{{flag="{key}",segment="{segment}"}} {live}'
                for key, segment, live, _ in places
            ),
            "# HELP reconciler_rollout_phase 1 for the phase that a rollout is in.",
            "# TYPE reconciler_rollout_phase gauge",
            *(
                f'reconciler_rollout_phase{{flag="{key}",segment="{segment}",phase="{phase}"}} {int(phase == now)}'
                for key, segment, _, now in places
                for phase in ("waiting", "due", "held", "rolled-back", "done")
            ),
            "",
        ]
    )


def test_what_rounds_add_up_to() -> None:
    """Moves of all rounds, the time of the last good one, and what the last one saw."""
    moved = a_standing(move=a_move(MoveKind.UP, 10, 50, status=Status.APPLIED))
    good = AdvanceReport(project_id="7", region="us", environment=None, at=NOON, standings=(moved, moved))
    bad = AdvanceReport(
        project_id="7", region="us", environment=None, at=NOON, standings=(a_standing("d"),),
        applied=a_report(Status.FAILED),
    )  # fmt: skip
    drift, none = a_drift(), DriftReport(project_id="7", region="us", environment=None)
    once = Watched().after_moves(good).after(NOON, drift, good, 5)
    assert once == Watched(
        rounds=1, last_round=NOON, last_good=NOON, requests=5, drifted=4,
        moves={"up": 2, "rollback": 0, "off": 0}, standings=(moved, moved),
    )  # fmt: skip
    known = replace(drift, known=frozenset({"dark-mode", "new-checkout"}))
    assert Watched().after(NOON, known, good, 5).drifted == 2
    twice = once.after_moves(good).after(NOON + HOUR, drift, good, 9)
    assert (twice.rounds, twice.moves["up"], twice.last_good) == (2, 4, NOON + HOUR)
    failed = twice.after_moves(bad).after(NOON + 2 * HOUR, none, bad, 11)
    assert failed == Watched(
        rounds=3, failures=1, last_round=NOON + 2 * HOUR, last_good=NOON + HOUR, requests=11, drifted=0,
        moves={"up": 4, "rollback": 0, "off": 0}, standings=(a_standing("d"),),
    )  # fmt: skip
    again = failed.after_failure(NOON + 3 * HOUR)
    assert (again.rounds, again.failures, again.last_round, again.last_good) == (4, 2, NOON + 3 * HOUR, NOON + HOUR)
    assert again.standings == failed.standings


def test_a_run_as_json() -> None:
    """Each rollout with its steps, where it stands, what comes next, what guards say and what was written."""
    placed = PlacedRollout(rollout=replace(Rollout(steps=STEPS[1:]), attempt=2), end=100, segment=None)
    waits = Position(phase=Phase.WAITING, step=1, next_step=STEPS[2], due_at=NOON, live=10, base=5, since=NOON)
    held = Position(phase=Phase.HELD, live=7, why="By hand.")
    standings = (
        a_standing(
            "a",
            placed=placed,
            position=waits,
            declared_at=NOON - HOUR,
            answers=(Answer(guard="errors", verdict=Verdict.WORSE, why="2 of 3"),),
            move=a_move(MoveKind.ROLLBACK, 50, 0.5, status=Status.FAILED, error="no"),
            why="worse",
        ),
        a_standing("b", "Beta", position=held, move=a_move(MoveKind.UP, 10, 50)),
        a_standing("c", position=held),
    )
    report = AdvanceReport(
        project_id="7", region="us", environment="live", at=NOON, standings=standings, refusals=("r",), requests=3,
        is_dry_run=True,
    )  # fmt: skip
    document = json.loads(render_advance_json(report, RenderOptions(error=UsageError("x"))))
    rollouts = document.pop("rollouts")
    noon = "2030-01-02T12:00:00Z"
    assert document == {
        "formatVersion": 1,
        "projectId": "7",
        "region": "us",
        "environment": "live",
        "at": noon,
        "dryRun": True,
        "summary": dict(report.summary),
        "refusals": ["r"],
        "requests": 3,
        "error": {"kind": "usage", "message": "x", "exitCode": 64},
    }
    assert rollouts[0] == {
        "key": "a",
        "path": "/rolloutPercentage",
        "attempt": 2,
        "declaredAt": "2030-01-02T11:00:00Z",
        "steps": [{"percentage": 50, "seconds": 3600}, {"percentage": 100, "seconds": None}],
        "phase": "waiting",
        "step": 1,
        "live": 10,
        "base": 5,
        "since": noon,
        "next": {"percentage": 100, "dueAt": noon},
        "why": "worse",
        "guards": [{"name": "errors", "verdict": "worse", "why": "2 of 3"}],
        "move": {"kind": "rollback", "before": 50, "after": 0.5, "status": "failed", "error": "no"},
    }
    assert (rollouts[1]["path"], rollouts[1]["next"], rollouts[1]["why"], rollouts[1]["declaredAt"]) == (
        "/targetSegments/Beta/percentage", None, "By hand.", None,
    )  # fmt: skip
    assert rollouts[1]["move"] == {"kind": "up", "before": 10, "after": 50, "status": "planned", "error": None}
    assert (rollouts[2]["move"], rollouts[2]["guards"]) == (None, [])


def test_the_last_line_and_the_lines_of_writes() -> None:
    """Without rollouts there is one sentence; a dry run says so; rollouts without a write have no line."""
    fields: dict[str, Any] = {"project_id": "7", "region": "us", "environment": None, "at": NOON}
    assert last_line(AdvanceReport(**fields, standings=())) == "No rollouts."
    up = a_move(MoveKind.UP, 10, 50)
    moves = [up, *(a_move(kind, 10, 0, status=Status.APPLIED) for kind in (MoveKind.ROLLBACK, MoveKind.OFF))]
    every = [a_standing(move=move) for move in (*moves, replace(up, status=Status.FAILED))]
    every += [a_standing(position=replace(WAITS, phase=phase)) for phase in Phase]
    assert last_line(AdvanceReport(**fields, standings=tuple(every))) == (
        "Advance: 1 up, 1 rolled back now, 1 turned off now, 1 not made, 2 waiting, 1 held, 1 rolled back before,"
        " 1 done"
    )
    report = AdvanceReport(**fields, standings=(a_standing("a", "Beta", move=up), a_standing("b")), is_dry_run=True)
    assert last_line(report).startswith("Advance, dry run: ")
    assert move_lines(report) == ["a, segment Beta: 10% to 50%"]
