"""What users get of a flag as a JSON document (schemas/evaluation.schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.evaluation.result import intervals_of
from reconciler.planning.exposure_json import percent
from reconciler.reports.evaluation_text import explanation
from reconciler.reports.json_report import FORMAT_VERSION, render_json

if TYPE_CHECKING:
    from reconciler.evaluation.comparison import Comparison, UserReport
    from reconciler.evaluation.result import Bucket, Dependency, Result
    from reconciler.evaluation.rules import SegmentRule
    from reconciler.evaluation.summary import ReasonRow, UserCount, UsersReport
    from reconciler.model.config import Config
    from reconciler.model.flag import Json
    from reconciler.reports.registry import RenderOptions


def render_user_json(report: UserReport, _: RenderOptions) -> str:
    """One user, whose `fields` are repeated as they were given. `moved` is null where a side is unknown."""
    live, desired = report.live, report.desired
    is_known = live.variant is not None and desired.variant is not None
    return render_json(
        _head(report.comparison, report.config)
        | {
            "user": dict(report.fields),
            "live": _result(live),
            "desired": _result(desired),
            "moved": live.variant != desired.variant if is_known else None,
            "notes": list(report.comparison.notes),
        }
    )


def render_summary_json(report: UsersReport, _: RenderOptions) -> str:
    """The users of a file, in numbers. An unknown variant has the key null; shares are in percent."""
    comparison, summary = report.comparison, report.summary
    members: dict[str, Json] = {
        "users": summary.total,
        "variants": [
            {"variant": row.variant, "live": _count(row.live), "desired": _count(row.desired)}
            for row in summary.variants
        ],
        "matrix": [{"from": cell.live, "to": cell.desired} | _count(cell.users) for cell in summary.matrix],
        "moved": _count(summary.moved),
        "undecided": _count(summary.undecided),
        "reasons": [_reason(row) for row in summary.reasons],
        "notes": [
            *({"message": note, "users": summary.total} for note in comparison.notes),
            *({"message": note, "users": count} for note, count in summary.notes),
        ],
    }
    return render_json(_head(comparison, report.config) | members)


def _head(comparison: Comparison, config: Config) -> dict[str, Json]:
    return {
        "formatVersion": FORMAT_VERSION,
        "key": comparison.key,
        "id": comparison.flag_id,
        "projectId": config.project_id,
        "region": config.region,
        "environment": config.environment,
        "declared": comparison.is_declared,
    }


def _result(result: Result) -> dict[str, Json]:
    return {
        "variant": result.variant,
        "reason": result.reason.value,
        "segment": result.segment,
        "standing": result.allocation.value if result.allocation else None,
        "bucket": _bucket(result.bucket, result.rule) if result.bucket and result.rule else None,
        "dependencies": [_dependency(dependency) for dependency in result.dependencies],
        "explanation": list(explanation(result)),
        "notes": list(result.notes),
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


def _dependency(dependency: Dependency) -> dict[str, Json]:
    return {
        "id": dependency.flag_id,
        "key": dependency.key,
        "allowed": list(dependency.allowed),
        "variant": dependency.variant,
    }


def _reason(row: ReasonRow) -> dict[str, Json]:
    return {
        "reason": row.reason.value,
        "segment": row.segment,
        "standing": row.allocation.value if row.allocation else None,
        "live": _count(row.live),
        "desired": _count(row.desired),
    }


def _count(users: UserCount) -> dict[str, Json]:
    return {"count": users.count, "percent": percent(users.share)}
