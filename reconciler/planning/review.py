"""The review record: what a reviewer was shown of each flag, as a digest, and how a new plan compares with it.

The record holds no user ids, so it may stand in a comment of a pull request. See docs/plan-format.md.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.model.canonical import canonical_text
from reconciler.planning.exposure_json import encode_exposure
from reconciler.planning.held import hold
from reconciler.planning.plan import ValueChange
from reconciler.planning.plan_file import encode_change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.flag import LiveFlag, LiveState
    from reconciler.planning.plan import FlagPlan, Plan
    from reconciler.strict_json import Json

REVIEW = "review"
"""The name of the guard that holds what was not reviewed."""

LABEL = "flags-allow:"
"""How a label of a pull request begins that overrides a guard, as in `flags-allow:rebucket`."""

RECORD_FORMAT_VERSION = 1

_SHOWN_TEXT = 60
"""Texts up to this length are kept in `changes`; payloads, lists and longer texts are in the digest only."""


class ReviewRecord(Struct, frozen=True, kw_only=True):
    """What was reviewed: a digest for each flag of the plan, and short changes, to explain a difference.

    `changes` maps a flag's key to `{path: (before, after)}`, for numbers, booleans, null and short texts. `unchanged`
    are flags that the change in git declares otherwise, and for which the plan had nothing to do.
    """

    project_id: str
    environment: str | None
    commit: str | None
    flags: dict[str, str]
    changes: dict[str, dict[str, tuple[Json, Json]]]
    unchanged: tuple[str, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The flags that were looked at."""
        return frozenset(self.flags).union(self.unchanged)

    def then(self, later: ReviewRecord) -> ReviewRecord:
        """Both as one; the later one counts for what both name."""
        earlier = {key: digest for key, digest in self.flags.items() if key not in later.unchanged}
        return replace(
            later,
            flags=earlier | later.flags,
            changes={key: short for key, short in self.changes.items() if key in earlier} | later.changes,
            unchanged=tuple(sorted({*self.unchanged, *later.unchanged} - later.flags.keys())),
        )


def review_digest(flag: FlagPlan) -> str:
    """`sha256:…` over what a reviewer was shown of a flag: its action, changes, operations in order, and its users.

    Flags that depend on it are left out: which of them are seen depends on what else is planned.
    """
    content: Json = {
        "action": flag.action.value,
        "changes": [encode_change(change) for change in flag.changes],
        "operations": [operation.to_json(flag.flag_id) for operation in flag.operations],
        "users": _users_of(flag),
    }
    return "sha256:" + sha256(canonical_text(content).encode()).hexdigest()


def _users_of(flag: FlagPlan) -> Json:
    """Who gets another variant; where none does, an edit of shares, as a step of a rollout is, changes nothing."""
    shown = encode_exposure(flag.exposure) if flag.exposure else {"transitions": []}
    moves = [
        [item["beforeSegment"], item["afterSegment"], item.get("deployments"), item.get("mode"), cell]
        for item in shown["transitions"]
        for cell in item["matrix"]
        if cell["from"] != cell["to"]
    ]
    return [moves, shown.get("listed")]


def record_of(plan: Plan, changed: Iterable[str] = ()) -> ReviewRecord:
    """The record of a plan; `changed` are the flags that a change in git declares otherwise."""
    changes = {flag.key: short for flag in plan.flags if (short := _short_changes(flag))}
    return ReviewRecord(
        project_id=plan.project_id,
        environment=plan.environment,
        commit=plan.commit,
        flags={flag.key: review_digest(flag) for flag in plan.flags},
        changes=changes,
        unchanged=tuple(sorted({*changed}.difference(flag.key for flag in plan.flags))),
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
    if record.unchanged:
        document["unchanged"] = list(record.unchanged)
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
        unchanged=tuple(document.get("unchanged", ())),
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


def hold_unreviewed(plan: Plan, record: ReviewRecord, live: LiveState) -> Plan:
    """The plan with each flag held that is not planned as it was reviewed. Raises as `check_record`."""
    check_record(record, plan)
    return replace(plan, flags=tuple(_reviewed(flag, record, live.flags.get(flag.key)) for flag in plan.flags))


def _reviewed(flag: FlagPlan, record: ReviewRecord, live: LiveFlag | None) -> FlagPlan:
    digest = record.flags.get(flag.key)
    if digest == review_digest(flag):
        return flag
    is_known = flag.key in record.keys
    why = "is not as it was reviewed" if is_known else "was not reviewed"
    details = _difference(flag, record.changes.get(flag.key, {})) if is_known else ""
    message = f'The change of "{flag.key}" {why}{details}{_last_edit(live)}.'
    ways = ("review a new plan of it", "apply it by name with `reconciler apply --target {key}`")
    return replace(flag, held=(*flag.held, hold(flag.key, REVIEW, message, ways)))


def _difference(flag: FlagPlan, reviewed: dict[str, tuple[Json, Json]]) -> str:
    """What differs, as far as it is short values: `: rolloutPercentage was reviewed as 10 → 50 and is 0 → 50 now`."""
    now = _short_changes(flag)
    differ = sorted(path for path in reviewed.keys() | now.keys() if reviewed.get(path) != now.get(path))
    if not differ:
        return ": a list, a payload, the calls or who is affected differ"
    return ": " + "; ".join(
        f"{path[1:]} was reviewed as {_arrow(reviewed.get(path))} and is {_arrow(now.get(path))} now"
        for path in differ
    )


def _arrow(change: tuple[Json, Json] | None) -> str:
    return "unchanged" if change is None else " → ".join(json.dumps(side, ensure_ascii=False) for side in change)


def _last_edit(live: LiveFlag | None) -> str:
    if live is None or not live.last_modified_by:
        return ""
    when = f" at {live.last_modified_at}" if live.last_modified_at else ""
    return f"; it was last changed live by {live.last_modified_by}{when}"


def _short_changes(flag: FlagPlan) -> dict[str, tuple[Json, Json]]:
    return {
        change.path: (change.before, change.after)
        for change in flag.changes
        if isinstance(change, ValueChange) and _is_short(change.before) and _is_short(change.after)
    }


def _is_short(value: Json) -> bool:
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHOWN_TEXT)
