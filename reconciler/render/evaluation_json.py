"""What users get of a flag as a JSON document (schemas/evaluation.schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.result import intervals_of
from reconciler.planning.exposure_json import percent
from reconciler.render.evaluation_words import explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.config import Config
    from reconciler.evaluation.result import Bucket, Gate, Verdict
    from reconciler.evaluation.rules import SegmentRule
    from reconciler.evaluation.summary import Census, ReasonRow, Share
    from reconciler.model import Json
    from reconciler.planning.comparison import Sides

FORMAT_VERSION = 1


def user_json(
    sides: Sides, config: Config, fields: Mapping[str, Json], live: Verdict, desired: Verdict
) -> dict[str, Json]:
    """One user, whose `fields` are repeated as they were given. `moved` is null where a side is not known."""
    is_known = live.variant is not None and desired.variant is not None
    return _head(sides, config) | {
        "user": dict(fields),
        "live": _verdict(live),
        "desired": _verdict(desired),
        "moved": live.variant != desired.variant if is_known else None,
        "notes": list(sides.notes),
    }


def census_json(sides: Sides, config: Config, census: Census) -> dict[str, Json]:
    """The users of a file, in numbers. A variant that is not known has the key null; shares are in percent."""
    return _head(sides, config) | {
        "users": census.total,
        "variants": [
            {"variant": row.variant, "live": _share(row.live), "desired": _share(row.desired)}
            for row in census.variants
        ],
        "matrix": [{"from": cell.live, "to": cell.desired} | _share(cell.share) for cell in census.matrix],
        "moved": _share(census.moved),
        "undecided": _share(census.undecided),
        "reasons": [_reason(row) for row in census.reasons],
        "notes": [
            *({"message": note, "users": census.total} for note in sides.notes),
            *({"message": note, "users": count} for note, count in census.notes),
        ],
    }


def _head(sides: Sides, config: Config) -> dict[str, Json]:
    return {
        "formatVersion": FORMAT_VERSION,
        "key": sides.key,
        "id": sides.flag_id,
        "projectId": config.project_id,
        "region": config.region,
        "environment": config.environment,
        "declared": sides.is_declared,
    }


def _verdict(verdict: Verdict) -> dict[str, Json]:
    return {
        "variant": verdict.variant,
        "reason": verdict.ground.value,
        "segment": verdict.segment,
        "standing": verdict.standing.value if verdict.standing else None,
        "bucket": _bucket(verdict.bucket, verdict.rule) if verdict.bucket and verdict.rule else None,
        "dependencies": [_gate(gate) for gate in verdict.gates],
        "explanation": list(explanation(verdict)),
        "notes": list(verdict.notes),
    }


def _bucket(bucket: Bucket, rule: SegmentRule) -> dict[str, Json]:
    return {
        "unit": bucket.bucketing.unit,
        "key": bucket.bucketing.key,
        "salt": bucket.bucketing.salt,
        "value": bucket.value,
        "hash": bucket.hashed,
        "allocation": bucket.allocation,
        "percentage": rule.percentage,
        "distribution": bucket.distribution,
        "ranges": [{"variant": item.variant, "from": item.start, "to": item.end - 1} for item in intervals_of(rule)],
    }


def _gate(gate: Gate) -> dict[str, Json]:
    return {"id": gate.flag_id, "key": gate.key, "allowed": list(gate.allowed), "variant": gate.variant}


def _reason(row: ReasonRow) -> dict[str, Json]:
    return {
        "reason": row.ground.value,
        "segment": row.segment,
        "standing": row.standing.value if row.standing else None,
        "live": _share(row.live),
        "desired": _share(row.desired),
    }


def _share(share: Share) -> dict[str, Json]:
    return {"count": share.count, "percent": percent(share.part)}
