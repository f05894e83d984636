"""Builders of model values for tests: every argument has a default, tests name what matters to them."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.apply import ApplyReport, FlagOutcome, OperationOutcome, Status
from reconciler.diagnostics import SourcePosition
from reconciler.evaluation.exposure import FlagExposure, SegmentTransition
from reconciler.evaluation.rules import ALL_OTHER_USERS
from reconciler.model.config import Config
from reconciler.model.flag import (
    Condition,
    DesiredFlag,
    DesiredState,
    FlagSpec,
    LiveFlag,
    LiveState,
    TargetSegment,
    Variant,
    Weights,
)
from reconciler.planning.operations import AddMembers, EditFlag
from reconciler.planning.plan import (
    Action,
    FlagPlan,
    MembersChange,
    Plan,
    ValueChange,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def a_config(**fields: Any) -> Config:
    """The configuration of project 7, without limits of its own."""
    defaults = {"file": Path("reconciler.yaml"), "project_id": "7", "flags_dir": Path("flags")}
    return Config(**defaults | fields)


def a_position(line: int = 2, column: int = 1, file: str = "flags/new-checkout.yaml") -> SourcePosition:
    """A place in a flag file."""
    return SourcePosition(file=file, line=line, column=column)


def a_variant(key: str = "treatment", **fields: Any) -> Variant:
    """A variant of which only the key is said."""
    return Variant(key=key, **fields)


def a_condition(prop: str = "country", op: str = "is", values: Iterable[str] = ("US", "CA")) -> Condition:
    """A condition on a property."""
    return Condition(prop=prop, op=op, values=tuple(values))


def a_segment(name: str = "Beta", **fields: Any) -> TargetSegment:
    """A segment that gives its users the treatment."""
    defaults = {
        "conditions": (a_condition(),),
        "percentage": 100,
        "rollout_weights": Weights.of({"treatment": 1}),
    }
    return TargetSegment(name=name, **defaults | fields)


def a_flag(key: str = "new-checkout", **fields: Any) -> FlagSpec:
    """What is said of a flag: the key, and what the test names."""
    return FlagSpec(key=key, **fields)


def a_full_flag(key: str = "new-checkout", **fields: Any) -> FlagSpec:
    """A flag of which every field is said: two variants, 1:1, at 10 percent, on."""
    defaults = {
        "name": "New checkout",
        "description": "One-page checkout",
        "enabled": True,
        "archived": False,
        "evaluation_mode": "remote",
        "bucketing_key": "amplitude_id",
        "bucketing_salt": "mHdQDzeE",
        "bucketing_unit": "User",
        "rollout_percentage": 10,
        "rollout_weights": Weights.of({"control": 1, "treatment": 1}),
        "variants": (a_full_variant("control"), a_full_variant("treatment")),
        "target_segments": (),
        "deployments": (),
        "tags": (),
    }
    return FlagSpec(key=key, **defaults | fields)


def a_full_variant(key: str = "treatment", **fields: Any) -> Variant:
    """A variant of which every field is said."""
    defaults = {"name": key.title(), "description": "", "payload": None, "users": (), "cohorts": ()}
    return Variant(key=key, **defaults | fields)


def a_live_flag(spec: FlagSpec | None = None, **fields: Any) -> LiveFlag:
    """A flag of project 7 as the server shows it."""
    return LiveFlag(**{"id": "123", "project_id": "7", "spec": spec or a_full_flag()} | fields)


def a_desired_flag(spec: FlagSpec | None = None, **fields: Any) -> DesiredFlag:
    """A declared flag, on line 2 of its file."""
    spec = spec or a_flag(rollout_percentage=50)
    return DesiredFlag(**{"spec": spec, "source": a_position(file=f"flags/{spec.key}.yaml")} | fields)


def a_desired_state(*flags: DesiredFlag | FlagSpec) -> DesiredState:
    """Declared flags, each in a file of its own."""
    declared = [a_desired_flag(flag) if isinstance(flag, FlagSpec) else flag for flag in flags]
    return DesiredState(
        flags={flag.key: flag for flag in sorted(declared, key=lambda flag: flag.key)}, files=len(flags)
    )


def a_live_state(*flags: LiveFlag | FlagSpec, **fields: Any) -> LiveState:
    """The flags of project 7; those given as specs get the ids 1, 2, 3 …."""
    shown = [
        a_live_flag(flag, id=str(number)) if isinstance(flag, FlagSpec) else flag
        for number, flag in enumerate(flags, start=1)
    ]
    return LiveState(**{"project_id": "7", "flags": {flag.key: flag for flag in shown}} | fields)


def a_transition(**fields: Any) -> SegmentTransition:
    """The rest, from 10 to 50 percent at 1:1, in round figures."""
    tenth, fifth = Fraction(1, 10), Fraction(1, 5)
    defaults = {
        "before_segment": ALL_OTHER_USERS,
        "after_segment": ALL_OTHER_USERS,
        "before": (("off", 9 * tenth), ("control", tenth / 2), ("treatment", tenth / 2)),
        "after": (("off", 5 * tenth), ("control", tenth * 5 / 2), ("treatment", tenth * 5 / 2)),
        "matrix": (
            ("off", "off", 5 * tenth),
            ("off", "control", fifth),
            ("off", "treatment", fifth),
            ("control", "control", tenth / 2),
            ("treatment", "treatment", tenth / 2),
        ),
        "switched": 2 * fifth,
        "unavoidable": 2 * fifth,
    }
    return SegmentTransition(**defaults | fields)


def an_exposure(*transitions: SegmentTransition, notes: tuple[str, ...] = ()) -> FlagExposure:
    """The exposure of those transitions, or of one from 10 to 50 percent."""
    return FlagExposure(transitions=transitions or (a_transition(),), notes=notes)


def a_flag_plan(key: str = "new-checkout", **fields: Any) -> FlagPlan:
    """An update of flag 123: the rollout from 10 to 50 percent and two users more, in two calls."""
    path = "/variants/treatment/inclusions/users"
    users = ("ada@example.com", "00123")
    defaults = {
        "flag_id": "123",
        "action": Action.UPDATE,
        "changes": (
            ValueChange(path="/rolloutPercentage", before=10, after=50),
            MembersChange(path=path, added=users, removed=()),
        ),
        "operations": (
            EditFlag(flag_key=key, body={"rolloutPercentage": 50}),
            AddMembers(flag_key=key, variant_key="treatment", members=users),
        ),
        "source": a_position(file=f"flags/{key}.yaml"),
        "fingerprint": "sha256:" + "0" * 64,
        "exposure": an_exposure(),
    }
    return FlagPlan(key=key, **defaults | fields)


def a_plan(*flags: FlagPlan, **fields: Any) -> Plan:
    """A plan of project 7 made at noon: of the given flags, or of one update."""
    defaults = {
        "project_id": "7",
        "region": "us",
        "environment": None,
        "flags": tuple(sorted(flags or (a_flag_plan(),), key=lambda flag: flag.key)),
        "unchanged": 40,
        "unmanaged": ("other-flag",),
        "created_at": NOON,
        "commit": COMMIT,
        "requests": 12,
    }
    return Plan(**defaults | fields)


def an_empty_plan(**fields: Any) -> Plan:
    """A plan with nothing to do."""
    return replace(a_plan(), flags=(), **fields)


def an_outcome(key: str, status: Status, *, error: str | None = None) -> FlagOutcome:
    """A flag of two calls, the first of which was made and the second ended so; skipped or held: neither was made."""
    first, second = a_flag_plan(key).operations
    sent = status not in {Status.SKIPPED, Status.HELD}
    done, ended = (Status.APPLIED, status) if sent else (Status.SKIPPED, Status.SKIPPED)
    return FlagOutcome(
        key=key,
        action=Action.UPDATE,
        status=status,
        flag_id="123",
        error=error,
        verified=True if status is Status.APPLIED else None,
        operations=(
            OperationOutcome(
                order=1, operation=first, status=done, attempts=int(sent), http_status=200 if sent else None
            ),
            OperationOutcome(order=2, operation=second, status=ended, attempts=2 * int(sent), error=error),
        ),
    )


def a_report(*statuses: Status, error: str | None = "The server said no.", **fields: Any) -> ApplyReport:
    """The report on flags that ended so, one of each status by default; 40 flags needed nothing."""
    outcomes = tuple(
        an_outcome(f"{status.value}-flag", status, error=None if status is Status.APPLIED else error)
        for status in statuses or tuple(Status)
    )
    return ApplyReport(**{"outcomes": outcomes, "unchanged": 40, "verified": True, "requests": 9} | fields)
