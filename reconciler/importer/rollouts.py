"""Rollouts in a document that is written anew: they stay declared, with the percentages that they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.strict_json import Json


def keep_rollouts(document: dict[str, Json], declared: Mapping[str, Json]) -> dict[str, Json]:
    """The document with the rollouts of the declared one, and with its percentages there.

    What is live there is a step on the way. A segment is told by its name; one that is gone takes its rollout along.
    """
    kept = dict(document)
    if "rollout" in declared:
        kept |= {name: declared[name] for name in ("rolloutPercentage", "rollout") if name in declared}
    rolled = {item["name"]: item for item in declared.get("targetSegments") or () if "rollout" in item}
    if rolled and kept.get("targetSegments"):
        kept["targetSegments"] = [_segment(item, rolled.get(item["name"])) for item in kept["targetSegments"]]
    return kept


def _segment(segment: dict[str, Json], declared: dict[str, Json] | None) -> dict[str, Json]:
    return segment if declared is None else segment | {name: declared[name] for name in ("percentage", "rollout")}
