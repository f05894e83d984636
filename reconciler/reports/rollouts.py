"""Rollouts in reports: a run of `advance`, as text and as JSON, and the steps of one in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.reports.text_layout import TextLayout
from reconciler.rollouts.position import Phase
from reconciler.strict_json import split_pointer
from reconciler.text import time_text

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.planning.plan import PlannedRollout, RolloutStanding
    from reconciler.reports.registry import RenderOptions
    from reconciler.rollouts.report import AdvanceReport
    from reconciler.rollouts.standing import Move, Standing
    from reconciler.strict_json import Json

_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60))
_VERBS = {"up": "to", "rollback": "back to", "off": "turned off at"}


def span_text(seconds: int) -> str:
    """A time to stand as it is declared: `90m`, `1d`."""
    unit, size = next((item for item in _UNITS if seconds and seconds % item[1] == 0), _UNITS[-1])
    return f"{seconds // size}{unit}"


def schedule_text(rollout: PlannedRollout) -> str:
    """What a plan says of a rollout: where it stands, its steps, and which share of the place's users each adds."""
    steps = ", ".join(
        (f"{percentage}%" if seconds is None else f"{percentage}% for {span_text(seconds)}")
        + (f" (adds {adds:g}%)" if adds else "")
        for (percentage, seconds), adds in zip(rollout.steps, rollout.adds, strict=True)
    )
    then = "" if rollout.start is None else f", {rollout.start:g}% after this plan"
    live = f"{rollout.live or 0:g}% live{then}"
    said = [f"{rollout.key} is let out in steps, of {_users(rollout)}: {live}; steps {steps}"]
    said += [f"guards {', '.join(rollout.guards)}, on failure {rollout.on_fail}"] if rollout.guards else []
    said += [f"in the window {rollout.window}"] if rollout.window else []
    return "; ".join([*said, _where(rollout)]) + "."


def standing_text(rollout: PlannedRollout) -> str:
    """Where a rollout stands: `f, All Other Users: rollout: step 3 of 6, 25%, since …; 50% from … on`."""
    return f"{rollout.key}, {_users(rollout)}: {_where(rollout)}"


def _users(rollout: PlannedRollout) -> str:
    tokens = split_pointer(rollout.path)
    return "All Other Users" if len(tokens) == 1 else f"segment {tokens[1]}"


def _where(rollout: PlannedRollout) -> str:
    if rollout.standing is None:
        return f"rollout: {rollout.live or 0:g}% live, and `reconciler advance --dry-run` says where it stands"
    return f"rollout: {where_text(rollout.standing, len(rollout.steps), rollout.live or 0)}".rstrip(".")


def where_text(standing: RolloutStanding, steps: int, live: float) -> str:
    """The step that stands and what comes next, or what keeps a rollout where it is."""
    at = f" at {time_text(standing.since)}" if standing.since else ""
    match standing.phase:
        case Phase.ROLLED_BACK:
            return f"rolled back{at}: {standing.why}"
        case Phase.HELD:
            return f"held: {standing.why}"
        case Phase.DONE:
            return f"done, {live:g}%"
        case _:
            since = at.replace(" at ", ", since ")
            step = f"step {standing.step} of {steps}, {live:g}%{since}"
            due = f"; {standing.upcoming}% from {time_text(standing.due_at)} on" if standing.due_at else ""
            return (step if standing.step else f"before step 1 of {steps}") + due


def place_text(key: str, segment: str | None) -> str:
    """A rollout by its flag, and its segment."""
    return key if segment is None else f"{key}, segment {segment}"


def render_advance_text(report: AdvanceReport, options: RenderOptions) -> str:
    """A line for each rollout, what its guards say, and a last line of one shape."""
    layout = TextLayout(options.terminal)
    for item in report.standings:
        layout.line(f"{place_text(item.key, item.placed.segment)}: {_said(item)}")
        for answer in item.answers:
            why = f" ({answer.why})" if answer.why else ""
            layout.line(f"  guard {answer.guard}: {answer.verdict}{why}")
    for refusal in report.refusals:
        layout.line(f"Refused: {refusal}")
    layout.line(last_line(report))
    return layout.render()


def move_lines(report: AdvanceReport) -> list[str]:
    """A line for each write that was made, tried or given up."""
    return [
        f"{place_text(item.key, item.placed.segment)}: {_said(item)}"
        for item in report.standings
        if item.move is not None
    ]


def last_line(report: AdvanceReport) -> str:
    """The run in numbers."""
    if not report.standings:
        return "No rollouts."
    words = {"up": "up", "rollback": "rolled back now", "off": "turned off now", "notMade": "not made"}
    words |= {"waiting": "waiting", "held": "held", "rolledBack": "rolled back before", "done": "done"}
    said = ", ".join(f"{count} {words[name]}" for name, count in report.summary.items() if count)
    return f"{'Advance, dry run' if report.is_dry_run else 'Advance'}: {said}"


def _said(item: Standing) -> str:
    position, steps = item.position, len(item.placed.rollout.steps)
    if item.move is not None:
        return _moved(item.move, item.why)
    where = f"step {position.step} of {steps}, {position.live:g}%" if position.step else f"before step 1 of {steps}"
    if position.next_step is not None and position.due_at is not None:
        next_text = f"{position.next_step.percentage}% from {time_text(position.due_at)} on"
        return f"{where}; {next_text}" + (f"; {item.why}" if item.why else "")
    if position.phase == "done":
        return f"done, {position.live:g}%"
    return f"{position.phase}: {item.why or position.why}"


def _moved(move: Move, why: str) -> str:
    text = f"{move.before:g}% {_VERBS[move.kind]} {move.after:g}%"
    if move.status is not None:
        text = f"{move.status}: {text}"
    return text + "".join(f"; {said}" for said in (why, move.error) if said)


def render_advance_json(report: AdvanceReport, options: RenderOptions) -> str:
    """The document of schemas/advance.schema.json."""
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "projectId": report.project_id,
        "region": report.region,
        "environment": report.environment,
        "at": time_text(report.at),
        "dryRun": report.is_dry_run,
        "rollouts": [_rollout(item) for item in report.standings],
        "summary": dict(report.summary),
        "refusals": list(report.refusals),
        "requests": report.requests,
    }
    return render_json(document, options.error)


def _rollout(item: Standing) -> dict[str, Json]:
    position, rollout = item.position, item.placed.rollout
    upcoming = position.next_step
    return {
        "key": item.key,
        "path": item.placed.path,
        "attempt": rollout.attempt,
        "declaredAt": _time(item.declared_at),
        "steps": [
            {"percentage": step.percentage, "seconds": None if step.hold is None else int(step.hold.total_seconds())}
            for step in rollout.steps
        ],
        "phase": position.phase.value,
        "step": position.step,
        "live": position.live,
        "base": position.base,
        "since": _time(position.since),
        "next": None if upcoming is None else {"percentage": upcoming.percentage, "dueAt": _time(position.due_at)},
        "why": item.why or position.why,
        "guards": [
            {"name": answer.guard, "verdict": answer.verdict.name.lower(), "why": answer.why}
            for answer in item.answers
        ],
        "move": None if item.move is None else _move(item.move),
    }


def _move(move: Move) -> dict[str, Json]:
    return {
        "kind": move.kind.value,
        "before": move.before,
        "after": move.after,
        "status": "planned" if move.status is None else move.status.value,
        "error": move.error,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)
