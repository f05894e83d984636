"""A plan, and what became of it, as JSON documents (schemas/plan.schema.json, schemas/report.schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planning.plan_file import encode_plan
from reconciler.reports.json_report import render_json

if TYPE_CHECKING:
    from reconciler.apply import ApplyReport, FlagOutcome, OperationOutcome
    from reconciler.model.flag import Json
    from reconciler.planning.plan import Plan
    from reconciler.reports.registry import RenderOptions

FORMAT_VERSION = 1


def render_plan_json(plan: Plan, options: RenderOptions) -> str:
    """The plan as it is saved for `show` and `apply`. It holds user ids."""
    return render_json(encode_plan(plan), options.error)


def render_apply_json(report: ApplyReport, options: RenderOptions) -> str:
    """An apply report as JSON."""
    return render_json(report_document(report), options.error)


def report_document(report: ApplyReport) -> dict[str, Json]:
    """What became of a plan. `requests` counts what apply itself sent."""
    return {
        "formatVersion": FORMAT_VERSION,
        "summary": report.summary,
        "verified": report.verified,
        "flags": [_flag_outcome(outcome) for outcome in report.outcomes],
        "requests": report.requests,
    }


def _flag_outcome(outcome: FlagOutcome) -> dict[str, Json]:
    return {
        "key": outcome.key,
        "id": outcome.flag_id,
        "action": outcome.action.value,
        "status": outcome.status.value,
        "verified": outcome.verified,
        "error": outcome.error,
        "operations": [_operation_outcome(item, outcome.flag_id) for item in outcome.operations],
    }


def _operation_outcome(outcome: OperationOutcome, flag_id: str | None) -> dict[str, Json]:
    """One call by its order in the plan; one that no plan showed with its request."""
    document: dict[str, Json] = {
        "order": outcome.order,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        "httpStatus": outcome.http_status,
        "error": outcome.error,
    }
    return document | ({"added": True, **outcome.operation.to_json(flag_id)} if outcome.is_added else {})
