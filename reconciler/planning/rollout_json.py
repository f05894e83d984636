"""Rollouts in the JSON documents of plans and of looks for drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.versions import parse_time
from reconciler.planning.plan import PlannedRollout, RolloutStanding
from reconciler.text import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from reconciler.strict_json import Json


def encode_rollout(rollout: PlannedRollout) -> dict[str, Json]:
    """A rollout as plans and drift reports hold it."""
    document: dict[str, Json] = {
        "key": rollout.key,
        "path": rollout.path,
        "live": rollout.live,
        "steps": [
            {"percentage": percentage, "seconds": seconds, "adds": adds}
            for (percentage, seconds), adds in zip(rollout.steps, rollout.adds, strict=True)
        ],
        "guards": list(rollout.guards),
        "onFail": rollout.on_fail,
        "window": rollout.window,
    }
    if rollout.start is not None:
        document["start"] = rollout.start
    if (standing := rollout.standing) is not None:
        upcoming: Json = {"percentage": standing.upcoming, "dueAt": _time(standing.due_at)}
        document["standing"] = {
            "phase": standing.phase,
            "step": standing.step,
            "since": _time(standing.since),
            "next": None if standing.upcoming is None else upcoming,
            "why": standing.why,
        }
    return document


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)


def decode_rollout(document: dict[str, Json]) -> PlannedRollout:
    """The rollout of `encode_rollout`."""
    return PlannedRollout(
        key=document["key"],
        path=document["path"],
        live=document["live"],
        steps=tuple((step["percentage"], step["seconds"]) for step in document["steps"]),
        guards=tuple(document["guards"]),
        on_fail=document["onFail"],
        window=document["window"],
        start=document.get("start"),
        standing=_decode_standing(document["standing"]) if "standing" in document else None,
    )


def _decode_standing(document: dict[str, Json]) -> RolloutStanding:
    upcoming = document["next"] or {"percentage": None, "dueAt": None}
    return RolloutStanding(
        phase=document["phase"],
        step=document["step"],
        since=parse_time(document["since"]),
        upcoming=upcoming["percentage"],
        due_at=parse_time(upcoming["dueAt"]),
        why=document["why"],
    )


def declared_rollouts(rollouts: Iterable[dict[str, Json]]) -> list[Json]:
    """The rollouts of a document without how far they are, which changes with every step."""
    return [
        {name: value for name, value in item.items() if name not in {"live", "start", "steps", "standing"}}
        | {"steps": [{name: step[name] for name in ("percentage", "seconds")} for step in item["steps"]]}
        for item in rollouts
    ]
