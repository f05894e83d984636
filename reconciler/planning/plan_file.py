"""A Plan as the JSON document of contract.md, and back; and what makes a saved one stale.

The document is complete enough to be shown again offline. It is never executed: apply plans again and compares.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from reconciler import __version__
from reconciler.diagnostics import SourcePosition
from reconciler.errors import InvalidResponseError, StalePlanError
from reconciler.model.canonical import canonical_text
from reconciler.model.wire import check_field, decode_variant
from reconciler.planning.exposure_json import decode_exposure, encode_exposure, percentage
from reconciler.planning.operations import decode_operation
from reconciler.planning.plan import (
    Action,
    FlagPlan,
    LeafChange,
    MembersChange,
    Plan,
    PlanOptions,
    Refusal,
    Released,
    ValueChange,
)
from reconciler.planning.planner import scope_of
from reconciler.planning.rollout_json import declared_rollouts, decode_rollout, encode_rollout
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.planning.plan import FieldChange, PlannedRollout
    from reconciler.strict_json import Json


FORMAT_VERSION = 1
LIFETIME = timedelta(hours=24)
"""How long a saved plan may be applied."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of the machine that made a plan may be ahead."""

_MOST_NAMED = 5


def encode_plan(plan: Plan) -> dict[str, Json]:
    """The plan document, digest included. Shares in `summary` and `transient` are percent, rounded to 4 places."""
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "environment": plan.environment,
        "projectId": plan.project_id,
        "region": plan.region,
        "origin": plan.origin,
        "tool": {"name": "reconciler", "version": __version__},
        "createdAt": plan.created_at.isoformat().replace("+00:00", "Z") if plan.created_at else None,
        "commit": plan.commit,
        "options": _encode_options(plan.options),
        "summary": _encode_summary(plan),
        "flags": [_encode_flag(flag) for flag in plan.flags],
        "unmanaged": list(plan.unmanaged),
        "refusals": [_encode_refusal(item) for item in plan.refusals],
        "warnings": list(plan.warnings),
        "requests": plan.requests,
    }
    if plan.released:
        document["released"] = [{"key": item.key, "path": item.path, "live": item.live} for item in plan.released]
    if plan.rollouts:
        document["rollouts"] = [encode_rollout(item) for item in plan.rollouts]
    if plan.deployments:
        document["deployments"] = dict(plan.deployments)
    if plan.hourly_drift_requests is not None:
        document["hourlyDriftRequests"] = plan.hourly_drift_requests
    return document | {"digest": digest_of(document)}


def digest_of(document: dict[str, Json]) -> str:
    """`sha256:…` over everything in the document but the digest itself."""
    content = {name: value for name, value in document.items() if name != "digest"}
    return "sha256:" + sha256(canonical_text(content).encode()).hexdigest()


def check_digest(document: dict[str, Json]) -> None:
    """See that a document is a plan of this format, as it was saved. Raises StalePlanError."""
    if document.get("formatVersion") != FORMAT_VERSION or "digest" not in document:
        raise StalePlanError(
            "This is not a saved plan of this version of the format. Make a new one with `plan --out`."
        )
    if not compare_digest(str(document["digest"]).encode(), digest_of(document).encode()):
        raise StalePlanError("The saved plan was changed after it was made: its digest does not fit. Make a new one.")


def decode_plan(document: dict[str, Json]) -> Plan:
    """The plan of a document, to be shown; `before` and `after` of its flags are not in it.

    Raises StalePlanError when the document is not a plan, or was changed since it was saved.
    """
    check_digest(document)
    try:
        plan = _decode(document)
        again = encode_plan(plan)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, InvalidResponseError) as error:
        raise StalePlanError(f"The saved plan cannot be read ({type(error).__name__}). Make a new one.") from error
    _check_sense(plan)
    names = document.keys() | again.keys()
    for name in sorted(names - {"tool", "createdAt", "digest"}):
        if name not in document or name not in again or document[name] != again[name]:
            raise StalePlanError(
                f"The saved plan is not as `plan --out` writes one: see {name!r:.40}. Make a new one."
            )
    return plan


_CONTRADICTS = "The saved plan contradicts itself:"


def _check_sense(plan: Plan) -> None:
    """See that the parts of a saved plan fit together: the flags, options and refusals. Raises StalePlanError."""
    options, keys = plan.options, {flag.key for flag in plan.flags}
    if plan.refusals or (plan.held and not plan.to_apply):
        raise StalePlanError(f"{_CONTRADICTS} a plan of which nothing may be sent is not saved")
    if not all(map(scope_of(options), (*keys, *plan.unmanaged))) or keys & {*plan.unmanaged}:
        raise StalePlanError(f"{_CONTRADICTS} what a plan names is in its scope, once")
    if any(options.allows(refusal.guard, flag.key) for flag in plan.held for refusal in flag.held):
        raise StalePlanError(f"{_CONTRADICTS} a guard that is overridden holds nothing")
    if not options.prune and any(flag.action is Action.ARCHIVE and flag.source is None for flag in plan.flags):
        raise StalePlanError(f"{_CONTRADICTS} a flag that is not declared is archived by --prune alone")
    if not options.unarchive and any(flag.action is Action.UNARCHIVE for flag in plan.flags):
        raise StalePlanError(f"{_CONTRADICTS} a flag comes back from the archive by --unarchive alone")


def check_saved(
    document: dict[str, Json], again: Plan, now: datetime, declared: Iterable[PlannedRollout] = ()
) -> None:
    """Compare a saved plan with the same plan made again now, from the files and the live state of today.

    Flags count that the saved plan touches or holds, no others: `again` is about these alone. Of others count the
    plan's warnings, and the steps of rollouts; one that is `declared` may have reached its end meanwhile. Raises
    StalePlanError that says what is different: its age, the version, server, project or commit, flags by key, or what
    else was shown.
    """
    _check_age(_made(document["createdAt"]), now)
    fresh = encode_plan(again)
    for name in ("tool", "origin", "region", "projectId", "environment", "commit"):
        if document.get(name) != fresh[name]:
            raise StalePlanError(f"The saved plan is for another {name}: {document.get(name)}, not {fresh[name]}.")
    before = {flag["key"]: flag for flag in document["flags"]}
    after = {flag["key"]: flag for flag in fresh["flags"]}
    stale = [
        f"{key} ({_what_changed(flag, after.get(key))})"
        for key, flag in before.items()
        if canonical_text(flag) != canonical_text(after.get(key))
    ]
    if stale:
        more = f" and {counted(len(stale) - _MOST_NAMED, 'more flag')}" if len(stale) > _MOST_NAMED else ""
        raise StalePlanError(f"The saved plan is stale: {', '.join(stale[:_MOST_NAMED])}{more}. Make a new one.")
    for what, are_same in (
        ("warnings", sorted(document["warnings"]) == sorted(fresh["warnings"])),
        ("names of deployments", document.get("deployments") == fresh.get("deployments")),
        ("rollouts", _has_rollouts_of(document, fresh, declared)),
    ):
        if not are_same:
            raise StalePlanError(f"The saved plan is stale: its {what} are not those of now. Make a new one.")


def _has_rollouts_of(document: dict[str, Json], fresh: dict[str, Json], declared: Iterable[PlannedRollout]) -> bool:
    shown, now = (declared_rollouts(item.get("rollouts", ())) for item in (document, fresh))
    known = now + declared_rollouts(map(encode_rollout, declared))
    return all(item in shown for item in now) and all(item in known for item in shown)


def _what_changed(saved: dict[str, Json], now: dict[str, Json] | None) -> str:
    """What became of a flag of a saved plan, in a few words."""
    if now is None:
        return "nothing is to be done any more: it was applied already, or its declaration has changed"
    if (saved["id"], saved["fingerprint"]) != (now["id"], now["fingerprint"]):
        return "the live flag has changed since"
    if saved["changes"] != now["changes"]:
        return "its declaration has changed since"
    return "other flags that it rests on, or safety checks, have changed since"


def _check_age(made: datetime | None, now: datetime) -> None:
    if made is None:
        raise StalePlanError("The saved plan does not say when it was made. Make a new one.")
    if now - made > LIFETIME:
        raise StalePlanError("The saved plan is older than 24 hours. Make a new one.")
    if made - now > CLOCK_SKEW:
        raise StalePlanError(
            f"The saved plan is from the future: it was made at {made:%Y-%m-%d %H:%M} UTC, and it is"
            f" {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC here. Check the clocks of both machines, or make a new one."
        )


def _encode_options(options: PlanOptions) -> dict[str, Json]:
    return {
        "targets": list(options.targets),
        "prune": options.prune,
        "unarchive": options.unarchive,
        "allow": sorted(options.allow),
        "shield": options.shield,
        "shard": list(options.shard) if options.shard else None,
    }


def _encode_summary(plan: Plan) -> dict[str, Json]:
    summary = plan.summary
    document: dict[str, Json] = {
        "create": summary.create,
        "update": summary.update,
        "archive": summary.archive,
        "unarchive": summary.unarchive,
        "unchanged": summary.unchanged,
        "unmanaged": summary.unmanaged,
        "operations": summary.operations,
        "maxExposureChange": percentage(summary.max_exposure_change),
        "maxTransient": percentage(summary.max_transient),
    }
    return document | ({"held": summary.held} if summary.held else {})


def _encode_refusal(refusal: Refusal) -> dict[str, Json]:
    document: dict[str, Json] = {
        "guard": refusal.guard,
        "message": refusal.message,
        "override": refusal.override,
    }
    return document | ({"alternatives": list(refusal.alternatives)} if refusal.alternatives else {})


def _decode_refusal(body: dict[str, Json]) -> Refusal:
    return Refusal(**body | {"alternatives": tuple(body.get("alternatives", ()))})


def _encode_flag(flag: FlagPlan) -> dict[str, Json]:
    document: dict[str, Json] = {
        "key": flag.key,
        "id": flag.flag_id,
        "action": flag.action.value,
        "source": None if flag.source is None else {"file": flag.source.file, "line": flag.source.line},
        "fingerprint": flag.fingerprint,
        "changes": [encode_change(change) for change in flag.changes],
        "operations": [
            {"order": order} | operation.to_json(flag.flag_id)
            for order, operation in enumerate(flag.operations, start=1)
        ],
        "transient": percentage(flag.transient),
        "exposure": None if flag.exposure is None else encode_exposure(flag.exposure),
        "warnings": list(flag.warnings),
    }
    return document | ({"held": [_encode_refusal(item) for item in flag.held]} if flag.held else {})


def encode_change(change: FieldChange) -> dict[str, Json]:
    """A change as in the plan, drift and history documents."""
    if isinstance(change, MembersChange):
        return {"path": change.path, "added": list(change.added), "removed": list(change.removed)}
    body: dict[str, Json] = {"path": change.path, "before": change.before, "after": change.after}
    if change.details:
        body["details"] = [{"path": leaf.path, "before": leaf.before, "after": leaf.after} for leaf in change.details]
    return body


def decode_change(body: dict[str, Json]) -> FieldChange:
    """The reverse of `encode_change`."""
    if "added" in body:
        return MembersChange(path=body["path"], added=tuple(body["added"]), removed=tuple(body["removed"]))
    for side in (body["before"], body["after"]):
        if side is not None:
            _check_value(body["path"], side)
    return ValueChange(
        path=body["path"],
        before=body["before"],
        after=body["after"],
        details=tuple(LeafChange(**leaf) for leaf in body.get("details", ())),
    )


def _check_value(path: str, value: Json) -> None:
    """See that a value can stand on a side of a change. Raises InvalidResponseError, LookupError."""
    names = path.split("/")[1:]
    if len(names) == 1:
        check_field(names[0], value)
    elif names[0] == "variants":
        decode_variant(value if len(names) == 2 else {"key": "-", names[-1]: value})  # noqa: PLR2004 - a whole variant


def _decode(document: dict[str, Json]) -> Plan:
    options, flags = document["options"], tuple(_decode_flag(flag) for flag in document["flags"])
    keys = [flag.key for flag in flags]
    if keys != sorted(set(keys)):
        raise ValueError("flags stand in the order of their keys, each once")
    return Plan(
        project_id=document["projectId"],
        region=document["region"],
        environment=document["environment"],
        flags=flags,
        unmanaged=tuple(document["unmanaged"]),
        unchanged=document["summary"]["unchanged"],
        options=PlanOptions(
            targets=tuple(options["targets"]),
            prune=options["prune"],
            unarchive=options["unarchive"],
            allow=frozenset(options["allow"]),
            shield=options["shield"],
            shard=None if options["shard"] is None else _decode_shard(*options["shard"]),
        ),
        refusals=tuple(map(_decode_refusal, document["refusals"])),
        released=tuple(Released(**item) for item in document.get("released", ())),
        rollouts=tuple(map(decode_rollout, document.get("rollouts", ()))),
        deployments=document.get("deployments", {}),
        warnings=tuple(document["warnings"]),
        created_at=_made(document["createdAt"]),
        commit=document["commit"],
        origin=document["origin"],
        requests=document["requests"],
        hourly_drift_requests=document.get("hourlyDriftRequests"),
    )


def _made(created: str | None) -> datetime | None:
    made = None if created is None else datetime.fromisoformat(created)
    if made is not None and made.tzinfo is None:
        raise ValueError("a time says its zone")
    return made and made.astimezone(UTC)


def _decode_shard(index: int, count: int) -> tuple[int, int]:
    if not 1 <= index <= count:
        raise ValueError("a shard is one of so many, counted from 1")
    return index, count


def _decode_flag(body: dict[str, Json]) -> FlagPlan:
    source = body["source"]
    return FlagPlan(
        key=body["key"],
        flag_id=body["id"],
        action=Action(body["action"]),
        changes=tuple(decode_change(change) for change in body["changes"]),
        operations=tuple(decode_operation(operation, body["key"]) for operation in body["operations"]),
        source=None if source is None else SourcePosition(file=source["file"], line=source["line"], column=1),
        fingerprint=body["fingerprint"],
        transient=Fraction(str(body["transient"])) / 100,
        exposure=None if body["exposure"] is None else decode_exposure(body["exposure"]),
        warnings=tuple(body["warnings"]),
        held=tuple(map(_decode_refusal, body.get("held", ()))),
    )
