"""The drift and the history documents of the contract. They hold user ids, as plans do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.planning.plan_file import encode_change
from reconciler.planning.rollout_json import encode_rollout
from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.text import time_text

if TYPE_CHECKING:
    from reconciler.drift import AttributedChange, DriftReport, Edit, FlagDrift, FlagHistory, HistoryEntry
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json


def render_drift_json(report: DriftReport, options: RenderOptions) -> str:
    """A drift report as JSON. In `changes` `before` is live and `after` is declared, as in a plan."""
    sweep = report.sweep
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "drifted": report.is_drifted,
        "projectId": report.project_id,
        "region": report.region,
        "environment": report.environment,
        "flags": [_flag(flag) for flag in report.flags],
        "missing": list(report.missing),
        "unmanaged": list(report.unmanaged),
        "duplicates": {key: list(ids) for key, ids in report.duplicates.items()},
        "checked": len(report.checked),
        "unchecked": [{"key": place.key, "path": place.path} for place in report.unchecked],
        "remembered": [{"key": place.key, "path": place.path} for place in report.remembered],
        "since": time_text(report.since) if report.since else None,
        "lookedAt": time_text(report.looked_at) if report.looked_at else None,
        "lastLook": time_text(report.last_look) if report.last_look else None,
        "edits": None if report.edits is None else [_edit(edit) for edit in report.edits],
        "editsSince": time_text(report.edits_since) if report.edits_since else None,
        "sweep": None if sweep is None else {"reads": sweep.total, "done": sweep.done, "runs": sweep.runs},
        "notify": None if report.notice is None else report.notice.value,
        "requests": report.requests,
        "warnings": list(report.warnings),
    }
    if report.stored:
        document["storedOtherwise"] = [
            {"key": item.key, "path": item.path, "how": item.how} for item in report.stored
        ]
    if report.rollouts:
        document["rollouts"] = [encode_rollout(item) for item in report.rollouts]
    return render_json(document, options.error)


def render_history_json(history: FlagHistory, _: RenderOptions) -> str:
    """A flag's versions, newest first. In `changes` `before` is the older value."""
    return render_json(
        {
            "formatVersion": FORMAT_VERSION,
            "key": history.key,
            "id": history.flag_id,
            "versions": [_entry(entry) for entry in history.entries],
            "requests": history.requests,
        }
    )


def _flag(flag: FlagDrift) -> dict[str, Json]:
    latest = flag.latest
    return {
        "key": flag.key,
        "id": flag.flag_id,
        "source": None if flag.source is None else {"file": flag.source.file, "line": flag.source.line},
        "cause": flag.cause.value,
        "changes": [encode_change(item.change) | {"cause": item.cause.value} for item in flag.changes],
        "attribution": [{"path": item.change.path} | _attribution(item) for item in flag.changes],
        "lastChangedBy": latest.by,
        "lastChangedAt": latest.at,
        "version": latest.version,
        "frozenUntil": None if flag.frozen_until is None else flag.frozen_until.isoformat(),
        "knownUntil": None if flag.known_until is None else flag.known_until.isoformat(),
        "knownReason": flag.known_reason if flag.known_until else None,
    }


def _edit(edit: Edit) -> dict[str, Json]:
    return {
        "key": edit.key,
        "id": edit.flag_id,
        "declared": edit.is_declared,
        "version": edit.version,
        "by": edit.by,
        "at": edit.at,
        "changes": [encode_change(change) for change in edit.changes],
    }


def _attribution(item: AttributedChange) -> dict[str, Json]:
    attribution, declared = item.attribution, item.declared
    return {
        "by": attribution.by,
        "at": attribution.at,
        "version": attribution.version,
        "basis": attribution.basis.value,
        "declaredCommit": declared.commit if declared else None,
        "declaredAt": time_text(declared.at) if declared and declared.at else None,
    }


def _entry(entry: HistoryEntry) -> dict[str, Json]:
    return {
        "version": entry.version,
        "createdAt": entry.created_at,
        "createdBy": entry.created_by,
        "first": entry.is_first,
        "changes": [encode_change(change) for change in entry.changes],
    } | ({"step": entry.step} if entry.step else {})
