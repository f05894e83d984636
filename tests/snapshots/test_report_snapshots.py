"""Every other report over dense values, in each of its formats. UPDATE_SNAPSHOTS=1 rewrites the expected files."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import (
    COMMIT,
    NOON,
    a_condition,
    a_full_flag,
    a_full_variant,
    a_live_flag,
    a_position,
    a_report,
    a_segment,
    an_outcome,
)
from evaluations import evaluator_of, user_report, users_report
from msgspec.structs import replace
from pages import a_drift

from reconciler.apply.report import ApplyReport, FlagOutcome, StoredField
from reconciler.apply.report import Status as Applied
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.doctor import Check, CheckStatus, failed
from reconciler.drift import AttributedChange, Attribution, Basis, DriftReport, FlagDrift, FlagHistory, HistoryEntry
from reconciler.drift.edits import Edit
from reconciler.drift.report import Cause, FieldOfFlag, Notification, StoredOtherwise, Sweep
from reconciler.errors import AccessError, InterruptedRunError
from reconciler.evaluation.assertions import Assertion, Bound, Outcome, Share, Status, Verdict
from reconciler.evaluation.assertions import Cause as RuleCause
from reconciler.evaluation.comparison import Comparison
from reconciler.evaluation.persons import Person
from reconciler.model.flag import UNSET, Dependencies, Weights
from reconciler.model.versions import DeclaredValue
from reconciler.planning.plan import MembersChange, PlannedRollout, ValueChange
from reconciler.reports.findings import FindingsReport
from reconciler.reports.registry import (
    APPLY,
    DOCTOR,
    DRIFT,
    EVALUATION,
    EVALUATION_SUMMARY,
    EXPORT,
    FINDINGS,
    HISTORY,
    VERDICTS,
    RenderOptions,
    Report,
    formats,
    render,
)
from reconciler.reports.text_layout import Terminal
from reconciler.reports.verdicts import Decided, Unreached, VerdictsReport

if TYPE_CHECKING:
    from reconciler.evaluation.evaluate import Evaluator
    from reconciler.model.flag import FlagSpec, LiveFlag

EXPECTED = Path(__file__).parent / "reports"


def a_claim(name: str, status: Status, *causes: RuleCause, claim: dict[str, Any] | None = None, **fields: Any) -> Any:
    """A claim and what became of it; each cause stands in the flag's file."""
    verdict = {name: fields.pop(name) for name in ("person", "share", "reason") if name in fields}
    places = tuple(a_position(line=9 + number) for number in range(len(causes)))
    return Decided(
        claim=Assertion(name=name, flag="f", source=a_position(4, 5, "flags/f.test.yaml"), **claim or {}),
        verdict=Verdict(status=status, causes=causes, **verdict),
        **{"places": places, "environment": "test"} | fields,
    )


BETA = RuleCause(segment="Beta", path="/targetSegments/0", variant="on")
REST = RuleCause(segment="All Other Users", path="/rolloutPercentage", variant="off")
LISTED = RuleCause(segment="the list of the variant", path="/variants/0/inclusions/users", variant="on")
PERSON = Person(
    {"country": "Öland", "user_id": "ada@example.com", "user_properties": {"plan": "pro", "n": 1}}, frozenset()
)
MADE_UP = Person({"user_id": "user-1", "device_id": "ada"}, frozenset({"user_id"}))
SHARE = (Share(Outcome("on"), (Bound("<=", Fraction(1, 4)),), "<= 25%"), Fraction(1, 3))
CLAIMS = (
    a_claim("holds", Status.PROVED),
    a_claim("one user", Status.REFUTED, BETA, claim={"user": PERSON.user, "expected": "off"}, person=PERSON),
    a_claim("any", Status.REFUTED, REST, person=Person({}, frozenset())),
    a_claim("moves", Status.REFUTED, REST, LISTED, person=PERSON, claim={"against": "live"}),
    a_claim("made <up>", Status.REFUTED, LISTED, person=MADE_UP, places=(None,)),
    a_claim("share", Status.REFUTED, BETA, person=MADE_UP, share=SHARE),
    a_claim("share of the rest", Status.REFUTED, REST, person=MADE_UP, share=SHARE, environment="prod"),
    a_claim("open", Status.UNDECIDED, reason="It takes the live flag.", environment="test"),
    a_claim("unsaid", Status.UNDECLARED, reason="No file says `rolloutWeights`."),
)
COVERAGE = (
    Unreached(flag="a", has_tests=False, segments=("Beta",), variants=("on",)),
    Unreached(flag="b", has_tests=True, segments=("Beta", "Staff"), variants=("on",)),
)


def a_side(spec: FlagSpec | None, *parents: LiveFlag, **needs: tuple[str, ...]) -> Evaluator:
    """A flag and those that it depends on."""
    dependencies = Dependencies(flags=tuple(needs.items()), operator="all") if needs else None
    return evaluator_of(spec, *parents, dependencies=dependencies)


def both(live: Evaluator, desired: Evaluator, **fields: Any) -> Comparison:
    """Both sides of a flag."""
    return Comparison(**{"key": "f", "flag_id": "1", "is_declared": True, "live": live, "desired": desired} | fields)


SHARED = a_full_flag("f", bucketing_key="user_id", enabled=True, rollout_percentage=50)
BY_GROUP = a_full_flag("f", bucketing_key="groupName", bucketing_unit="org name", enabled=True)
SEGMENTS = replace(
    SHARED,
    target_segments=(
        a_segment(
            "Beta",
            conditions=(a_condition(),),
            bucketing_key="device_id",
            rollout_weights=Weights.of({"treatment": 3}),
        ),
        a_segment("None", conditions=(a_condition("plan", values=("free",)),), percentage=0),
    ),
)
PARENT = a_live_flag(a_full_flag("p", enabled=True, rollout_percentage=0), id="8")
EVALUATIONS = {
    "share": (both(a_side(SHARED), a_side(replace(SHARED, rollout_percentage=90))), {"user_id": "user-2"}),
    "same": (both(a_side(SHARED), a_side(SHARED), flag_id=None), {"user_id": "user-2", "n": 1.5}),
    "segments": (both(a_side(SEGMENTS), a_side(SHARED)), {"user_id": "user-2", "country": "US"}),
    "no share": (both(a_side(SEGMENTS), a_side(replace(SHARED, enabled=False))), {"plan": "free"}),
    "no value": (both(a_side(BY_GROUP), a_side(SHARED)), {"country": "US"}),
    "no salt": (both(a_side(None), a_side(replace(SHARED, bucketing_salt=UNSET))), {"user_id": "user-2"}),
    "listed": (
        both(
            a_side(replace(SHARED, variants=(a_full_variant("control"), a_full_variant(users=("ada",))))),
            a_side(replace(SHARED, archived=True)),
            notes=("A note.",),
        ),
        {"user_id": "ada"},
    ),
    "parents": (
        both(
            a_side(SHARED, PARENT, **{"8": ("control", "on"), "9": ()}),
            a_side(SHARED, PARENT, **{"8": ()}),
        ),
        {"user_id": "user-2"},
    ),
}  # fmt: skip
PEOPLE = [{"user_id": f"user-{number}", "country": "US"} for number in range(12)] + [{"country": "DE"}]

LATER = NOON + timedelta(hours=30)
OFF = ValueChange(path="/enabled", before=False, after=True)
ARCHIVED = ValueChange(path="/archived", before=True, after=False)
SHARE_CHANGE = ValueChange(path="/rolloutPercentage", before=0, after=50)
MEMBERS = MembersChange(path="/variants/on/inclusions/cohorts", added=("c", "d"), removed=())
TAGS = ValueChange(path="/tags", before=["a", "b"], after=["b", "c"])
MANY = tuple(ValueChange(path=f"/field{number}", before=None, after=str(number) * 120) for number in range(4))
BOB = Attribution(by="bob@example.com", at="2030-01-02T09:00:00.000Z", version=12, basis=Basis.VERSION)


def a_flag_drift(key: str, *changes: AttributedChange, **fields: Any) -> FlagDrift:
    """What differs of one flag."""
    return FlagDrift(**{"key": key, "flag_id": "1", "changes": changes, "source": a_position()} | fields)


def an_edit_of_name(number: int) -> Edit:
    """An edit outside git, of one field."""
    change = ValueChange(path="/name", before="Old", after="New")
    return Edit(
        key=f"n{number}", flag_id=str(number), is_declared=True, version=3, at="soon", by=None, changes=(change,)
    )


DRIFTS = {
    "usual": a_drift(),
    "edits": DriftReport(
        project_id="7",
        region="us",
        environment=None,
        edits=(
            Edit(key="e", flag_id="3", is_declared=True, version=2, at="soon", by="eve@example.com"),
            Edit(key="f", flag_id="4", is_declared=False, version=5, at="soon", by=None, changes=(TAGS, *MANY)),
            *(an_edit_of_name(number) for number in range(19)),
        ),
        edits_since=NOON,
        sweep=Sweep(total=9, done=0),
        requests=3,
    ),
    "none": DriftReport(project_id="7", region="eu", environment=None, requests=1, notice=Notification.RECOVERED),
    "all": DriftReport(
        project_id="7",
        region="us",
        environment="prod",
        flags=(
            a_flag_drift(
                "off",
                AttributedChange(change=OFF, attribution=BOB, cause=Cause.LIVE_EDIT),
                AttributedChange(change=ARCHIVED, attribution=replace(BOB, by=None, basis=Basis.OLDEST_VERSION)),
            ),
            a_flag_drift(
                "ahead",
                AttributedChange(
                    change=SHARE_CHANGE, cause=Cause.NOT_APPLIED,
                    declared=DeclaredValue(value=50, commit=COMMIT, at=NOON),
                ),
            ),
            a_flag_drift(
                "known's",
                AttributedChange(change=MEMBERS, attribution=replace(BOB, version=None, basis=Basis.LAST_EDIT)),
                known_until=NOON.date(), known_reason="A test", frozen_until=NOON.date(),
            ),
        ),
        missing=("gone", "gone-known"),
        known=frozenset({"known's", "gone-known"}),
        duplicates={"twice": ("1", "2")},
        remembered=(FieldOfFlag(key="r", path="/name"), FieldOfFlag(key="s", path="")),
        unchecked=(FieldOfFlag(key="u", path="/variants"),),
        unmanaged=tuple(f"flag-{number}" for number in range(20)),
        since=NOON,
        looked_at=LATER,
        last_look=NOON,
        gaps=("This clone is shallow.",),
        sweep=Sweep(total=9, done=4),
        stored=(StoredOtherwise(key="o", path="/name", how="trimmed"),),
        rollouts=(
            PlannedRollout(
                key="roll", path="/rolloutPercentage", live=5, steps=((10, 60), (100, None)), on_fail="rollback"
            ),
        ),
        edits=(
            Edit(key="e", flag_id="3", is_declared=True, version=2, at="2030-01-02T10:00:00.000Z",
                 by="eve@example.com", changes=(SHARE_CHANGE, MEMBERS)),
            Edit(key="new", flag_id="4", is_declared=False, version=1, at="2030-01-02T11:00:00.000Z", by=None),
        ),
        edits_since=NOON,
        notice=Notification.CHANGED,
        requests=14,
        warnings=("Tags are not shown.",),
    ),
}  # fmt: skip
HISTORY_OF_F = FlagHistory(
    key="f",
    flag_id="1",
    requests=2,
    entries=(
        HistoryEntry(version=3, created_at="2030-01-03", created_by=None),
        HistoryEntry(version=2, created_at="2030-01-02", created_by="bob@example.com", changes=(OFF, MEMBERS)),
        HistoryEntry(version=1, created_at="2030-01-01", created_by="ada@example.com", is_first=True),
    ),
)
HISTORY_OF_LATE_VERSIONS = FlagHistory(
    key="f",
    flag_id="1",
    requests=1,
    entries=(
        HistoryEntry(version=3, created_at="2030-01-03", created_by=None, changes=(TAGS,), step="step 2 of 3"),
        HistoryEntry(version=2, created_at="2030-01-02", created_by="bob@example.com", is_first=True),
    ),
)
FOUND = FindingsReport(
    findings=(
        Diagnostic(
            severity=Severity.ERROR, rule="unknown-variant", message="No <such> variant.", hint="Is it “on”?",
            position=a_position(3, 5, "flags/a b.yaml"), path="/rolloutWeights",
        ),
        Diagnostic(severity=Severity.ERROR, rule="unknown-variant", message="Nor that.", position=a_position()),
        Diagnostic(severity=Severity.WARNING, rule="expired", message="It has expired."),
    ),
    directory="sub/",
    read="2 flags in 1 file",
)  # fmt: skip
CHECKS = (
    Check(name="host", status=CheckStatus.OK, message="It answers."),
    Check(name="clock", status=CheckStatus.WARN, message="It is 40 s ahead.", advice="Set it."),
    failed("key", AccessError("The key is refused.", status=401)),
)
PAYLOADS = (None, True, 1, 1.5, "it's", [], [1, "a", None, 2], {"max-size": 1, "class": {"a": [{"b": 1}]}, "e": {}})
EXPORTED = (
    a_full_flag(
        "new-checkout", bucketing_key="user_id", description="One */ page",
        variants=tuple(a_full_variant(f"v-{number}", payload=item) for number, item in enumerate(PAYLOADS)),
        rollout_weights=Weights.of({"v-1": 1}),
    ),
    replace(SEGMENTS, key="newCheckout"),
    a_full_flag("3d", bucketing_key="user_id", enabled=False, variants=(a_full_variant("on"),)),
)  # fmt: skip


def an_end(status: Applied, **fields: Any) -> FlagOutcome:
    """A flag of two calls that ended so."""
    return replace(an_outcome(f"{status.value}-flag", status), **fields)


APPLIES = {
    "found-otherwise": a_report(
        Applied.APPLIED, verified=False, outcomes=(
            an_end(Applied.APPLIED, verified=False, stored=(StoredField(path="/name", how="trimmed"),),
                   editors=("bob@example.com", "ada@example.com"), duplicates=("1", "2")),
            an_end(Applied.FAILED, error="No.", users_see="Users see the old weights."),
        ),
    ),
    "interrupted": ApplyReport(
        outcomes=(an_end(Applied.UNKNOWN, error="No answer."), an_end(Applied.SKIPPED)),
        unchanged=1, requests=3, signal_number=2, stopped_by=InterruptedRunError("Interrupted.", 2),
    ),
    "stopped": ApplyReport(
        outcomes=(an_end(Applied.SKIPPED), an_end(Applied.HELD, error="exposure: too much.")),
        unchanged=0, stopped_by=AccessError("The key is refused.", status=401),
    ),
    "unread": ApplyReport(outcomes=(an_end(Applied.APPLIED, verified=None),), unchanged=2, requests=4),
}  # fmt: skip

SHOWN: dict[str, tuple[Report[Any], Any]] = {
    **{f"apply-{name}": (APPLY, report) for name, report in APPLIES.items()},
    "verdicts": (VERDICTS, VerdictsReport(decided=CLAIMS, coverage=COVERAGE, environments=2, directory="sub/")),
    "verdicts-one": (VERDICTS, VerdictsReport(decided=CLAIMS[1:2], coverage=(), created_at=NOON)),
    "verdicts-none": (VERDICTS, VerdictsReport(decided=())),
    **{
        f"evaluation-{name.replace(' ', '-')}": (EVALUATION, user_report(sides, **user))
        for name, (sides, user) in EVALUATIONS.items()
    },
    "summary": (EVALUATION_SUMMARY, users_report(EVALUATIONS["segments"][0], PEOPLE)),
    "summary-unknown": (EVALUATION_SUMMARY, users_report(EVALUATIONS["no salt"][0], PEOPLE)),
    **{f"drift-{name}": (DRIFT, report) for name, report in DRIFTS.items()},
    "history": (HISTORY, HISTORY_OF_F),
    "history-late": (HISTORY, HISTORY_OF_LATE_VERSIONS),
    "findings": (FINDINGS, FOUND),
    "doctor": (DOCTOR, CHECKS),
    "export": (EXPORT, EXPORTED),
}
OPTIONS = {
    "": RenderOptions(),
    "-wide": RenderOptions(terminal=Terminal(width=70, color=True), show_users=True, verbose=True),
}
CASES = [
    (name, form, look)
    for name, (report, _) in SHOWN.items()
    for form in formats(report)
    for look in (OPTIONS if form == "text" else [""])
]


def masked(text: str) -> str:
    """Without the version, and without the style of a page, which changes by itself."""
    text = re.sub(r'("semanticVersion": ")[^"]*', r"\1MASKED", text)
    return re.sub(r"(?s)(<style>).*?(</style>)|('sha256-)[^']*", r"\1\3MASKED\2", text)


@pytest.mark.parametrize(("name", "form", "look"), CASES, ids=["-".join(filter(None, case)) for case in CASES])
def test_a_report_looks_as_it_was_reviewed(name: str, form: str, look: str) -> None:
    """What people and programs read changes only after a review of the change."""
    report, value = SHOWN[name]
    text = masked(render(report, form, value, OPTIONS[look])).encode()
    file = EXPECTED / f"{name}.{form}{look}"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_bytes(text)
    assert text == file.read_bytes()


def test_no_snapshot_is_left_over() -> None:
    """Every expected file belongs to a case."""
    assert {file.name for file in EXPECTED.iterdir()} == {f"{name}.{form}{look}" for name, form, look in CASES}
