"""The review record: what a reviewer was shown of each flag, as a digest, and how a new plan compares with it.

The record holds no user ids, so it may stand in a comment of a pull request. See docs/plan-format.md.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.model.canonical import canonical_text
from reconciler.planning.plan import ValueChange
from reconciler.planning.plan_file import encode_change

if TYPE_CHECKING:
    from reconciler.planning.plan import FlagPlan, Plan
    from reconciler.strict_json import Json

RECORD_FORMAT_VERSION = 1

_SHOWN_TEXT = 60
"""Texts up to this length are kept in `changes`; payloads, lists and longer texts are in the digest only."""


class ReviewRecord(Struct, frozen=True, kw_only=True):
    """What was reviewed: a digest for each flag of the plan, and short changes, to explain a difference.

    `changes` maps a flag's key to `{path: (before, after)}`, for numbers, booleans, null and short texts.
    """

    project_id: str
    environment: str | None
    commit: str | None
    flags: dict[str, str]
    changes: dict[str, dict[str, tuple[Json, Json]]] = {}

    def then(self, later: ReviewRecord) -> ReviewRecord:
        """Both as one; the later one counts for what both name."""
        return replace(later, flags=self.flags | later.flags, changes=self.changes | later.changes)


class Reviewed(StrEnum):
    """How the plan of a flag compares with the record."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_REVIEWED = "not reviewed"


def review_digest(flag: FlagPlan) -> str:
    """`sha256:…` over what a reviewer was shown of a flag: its action, changes, and operations in order."""
    content: Json = {
        "action": flag.action.value,
        "changes": [encode_change(change) for change in flag.changes],
        "operations": [operation.to_json(flag.flag_id) for operation in flag.operations],
    }
    return "sha256:" + sha256(canonical_text(content).encode()).hexdigest()


def record_of(plan: Plan) -> ReviewRecord:
    """The record of a plan."""
    changes = {flag.key: short for flag in plan.flags if (short := _short_changes(flag))}
    return ReviewRecord(
        project_id=plan.project_id,
        environment=plan.environment,
        commit=plan.commit,
        flags={flag.key: review_digest(flag) for flag in plan.flags},
        changes=changes,
    )


def encode_record(record: ReviewRecord) -> dict[str, Json]:
    """The record as its JSON document."""
    document: dict[str, Json] = {
        "formatVersion": RECORD_FORMAT_VERSION,
        "projectId": record.project_id,
        "environment": record.environment,
        "commit": record.commit,
        "flags": record.flags,
    }
    if record.changes:
        document["changes"] = {
            key: {path: list(values) for path, values in changes.items()} for key, changes in record.changes.items()
        }
    return document


def decode_record(document: dict[str, Json]) -> ReviewRecord:
    """The record of a document that holds to its schema."""
    return ReviewRecord(
        project_id=document["projectId"],
        environment=document["environment"],
        commit=document["commit"],
        flags=dict(document["flags"]),
        changes={
            key: {path: (before, after) for path, (before, after) in changes.items()}
            for key, changes in document.get("changes", {}).items()
        },
    )


def check_record(record: ReviewRecord, plan: Plan) -> None:
    """See that a record is of the plan's project and environment. Raises StalePlanError."""
    for name, reviewed, now in (
        ("project", record.project_id, plan.project_id),
        ("environment", record.environment, plan.environment),
    ):
        if reviewed != now:
            raise StalePlanError(
                f"The review record is for another {name}: {reviewed or 'none'}, not {now or 'none'}."
            )


def compare_with_record(record: ReviewRecord, flag: FlagPlan) -> Reviewed:
    """Whether a flag's plan is what was reviewed."""
    reviewed = record.flags.get(flag.key)
    if reviewed is None:
        return Reviewed.NOT_REVIEWED
    return Reviewed.SAME if reviewed == review_digest(flag) else Reviewed.DIFFERENT


def _short_changes(flag: FlagPlan) -> dict[str, tuple[Json, Json]]:
    return {
        change.path: (change.before, change.after)
        for change in flag.changes
        if isinstance(change, ValueChange) and _is_short(change.before) and _is_short(change.after)
    }


def _is_short(value: Json) -> bool:
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHOWN_TEXT)
