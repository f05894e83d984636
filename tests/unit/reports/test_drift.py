"""A drift report and a history in every form."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from builders import NOON, a_position
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from reconciler.drift import (
    AttributedChange,
    Attribution,
    Basis,
    Cause,
    DriftReport,
    FieldOfFlag,
    FlagDrift,
    FlagHistory,
    HistoryEntry,
    Notification,
    Sweep,
)
from reconciler.drift.edits import Edit
from reconciler.files.schema import load_schema
from reconciler.model.versions import DeclaredValue
from reconciler.planning.plan import MembersChange, ValueChange
from reconciler.reports.drift_text import MARKDOWN_LIMIT
from reconciler.reports.drift_view import DriftView, drift_view
from reconciler.reports.registry import DRIFT, HISTORY, RenderOptions, render
from reconciler.reports.text_layout import Terminal

BOB = Attribution(by="bob@example.com", at="2030-01-01T10:00:00.000Z", version=12, basis=Basis.VERSION)
ADA = Attribution(by="ada@example.com", at="2030-01-01T11:00:00.000Z", basis=Basis.LAST_EDIT)
ROLLOUT = ValueChange(path="/rolloutPercentage", before=100, after=50)
USERS = MembersChange(
    path="/variants/treatment/inclusions/users", added=("grace@example.com",), removed=("eve@example.com", "00123")
)


def a_flag_drift(key: str = "new-checkout", **fields: Any) -> FlagDrift:
    """A flag whose rollout Bob changed, and whose users differ since Ada's last edit at the latest."""
    changes = (
        AttributedChange(change=ROLLOUT, attribution=BOB, cause=Cause.LIVE_EDIT),
        AttributedChange(change=USERS, attribution=ADA),
    )
    return FlagDrift(**{"key": key, "flag_id": "123", "changes": changes, "source": a_position()} | fields)


def a_report(**fields: Any) -> DriftReport:
    """One flag that differs, one that is missing, one that is not managed."""
    defaults = {
        "project_id": "7",
        "region": "us",
        "environment": None,
        "flags": (a_flag_drift(),),
        "missing": ("gone",),
        "unmanaged": ("other",),
        "checked": frozenset({"new-checkout", "gone"}),
        "requests": 12,
    }
    return DriftReport(**defaults | fields)


CLEAN = a_report(flags=(), missing=(), unmanaged=())


def text(report: DriftReport, terminal: Terminal | None = None) -> str:
    """The report as text."""
    return render(DRIFT, "text", report, RenderOptions(terminal=terminal or Terminal()))


def markdown(report: DriftReport) -> str:
    """The report as Markdown."""
    return render(DRIFT, "markdown", report)


def test_the_text_of_a_report() -> None:
    """Each difference says what git says, what is live and how that came about; the verdict ends the text."""
    assert text(a_report(looked_at=NOON)) == (
        "Drift in project 7 (us), looked at 2030-01-02T12:00:00Z\n"
        "\n"
        "~ new-checkout  flags/new-checkout.yaml:2\n"
        "    rolloutPercentage: git 50, live 100: changed live by bob@example.com 1 d ago"
        " (v12, 2030-01-01T10:00:00.000Z)\n"
        "    variants/treatment/inclusions/users: 1 user only in git, 2 users only live: last edit of the flag by"
        " ada@example.com 1 d ago (versions do not show when this field changed, 2030-01-01T11:00:00.000Z)\n"
        "    adopt it: reconciler import --target new-checkout --force\n"
        "    undo it: reconciler apply --target new-checkout\n"
        "    leave it: reconciler drift --acknowledge new-checkout --until DATE\n"
        "\n"
        "! gone is declared but does not exist live\n"
        "\n"
        "1 flag not managed here: other.\n"
        "\n"
        "Drift: 1 changed, 1 missing; 12 requests\n"
    )


def test_known_drift_needs_no_acknowledgement_again() -> None:
    """It can still be adopted or undone."""
    report = a_report()
    known = replace(report, flags=tuple(replace(flag, known_until=NOON.date()) for flag in report.flags))
    assert "--acknowledge" in text(report)
    assert "undo it" in text(known)
    assert "--acknowledge" not in text(known) + markdown(known)


def test_the_markdown_of_a_report() -> None:
    """The verdict comes first; what is missing before what differs; a list that every chat tool can show."""
    assert markdown(a_report(notice=Notification.NEW)) == (
        "**Drift: 1 changed, 1 missing; 12 requests** (project 7 (us))\n"
        "\n"
        "New since the last run.\n"
        "\n"
        "- `gone` is declared but does not exist live\n"
        "- `new-checkout` `flags/new-checkout.yaml:2`\n"
        "    - `rolloutPercentage`: `git 50, live 100`: changed live by `bob@example.com`"
        " (v12, `2030-01-01T10:00:00.000Z`)\n"
        "    - `variants/treatment/inclusions/users`: `1 user only in git, 2 users only live`: last edit of the flag"
        " by `ada@example.com` (versions do not show when this field changed, `2030-01-01T11:00:00.000Z`)\n"
        "    - adopt it: `reconciler import --target new-checkout --force`; undo it: `reconciler apply --target"
        " new-checkout`; leave it: `reconciler drift --acknowledge new-checkout --until DATE`\n"
        "\n"
        "1 flag not managed here: other.\n"
    )


def test_a_set_is_told_by_what_differs() -> None:
    """Members on both sides are not shown."""
    for after, words in ((["b", "c"], '"c" only in git, "a" only live'), (["b"], '"a" only live')):
        tags = ValueChange(path="/tags", before=["a", "b"], after=after)
        drift = a_flag_drift(changes=(AttributedChange(change=tags, attribution=BOB, cause=Cause.LIVE_EDIT),))
        assert f"    tags: {words}: changed" in text(a_report(flags=(drift,)))


@pytest.mark.parametrize(
    ("cause", "commits", "authors"),
    [
        (Cause.NOT_APPLIED, ("a" * 9, "b" * 9), ["ahead: not applied yet (commit aaaaaaa)", "(commit bbbbbbb)"]),
        (Cause.NOT_APPLIED, ("a" * 9, "a" * 9), ["ahead: not applied yet (commit aaaaaaa)"]),
        (Cause.NOT_APPLIED, (None, None), ["ahead: not applied yet"]),
        (Cause.LIVE_EDIT, ("a" * 9, "b" * 9), ["changed live, the server does not say by whom"]),
    ],
)
def test_fields_that_came_about_in_one_way_are_one_group(
    cause: Cause, commits: tuple[str | None, ...], authors: list[str]
) -> None:
    """What was declared by another commit is another way only where git is ahead."""
    changes = tuple(
        AttributedChange(
            change=ValueChange(path=f"/f{number}", before=0, after=1),
            cause=cause,
            declared=DeclaredValue(value=1, commit=commit, at=NOON) if commit else None,
        )
        for number, commit in enumerate(commits)
    )
    lines = text(a_report(flags=(a_flag_drift(changes=changes),))).splitlines()
    found = [line for line in lines if "ahead" in line or "changed live" in line]
    assert len(found) == len(authors)
    assert all(line.endswith(author) for line, author in zip(found, authors, strict=True))


def test_what_was_never_applied_names_no_user() -> None:
    """Git is ahead: the commit is named, and the next step is to apply it."""
    declared = DeclaredValue(value=50, commit="abc1234def", at=NOON)
    change = AttributedChange(change=ROLLOUT, cause=Cause.NOT_APPLIED, declared=declared)
    report = a_report(flags=(a_flag_drift(changes=(change,)),), environment="live")
    shown = text(report)
    assert "rolloutPercentage: git 50, live 100: git is ahead: not applied yet (commit abc1234)\n" in shown
    assert "    apply it: reconciler apply --target new-checkout --env live\n" in shown
    assert "adopt it" not in shown
    flag = json.loads(render(DRIFT, "json", report))["flags"][0]
    assert (flag["cause"], flag["lastChangedBy"], flag["version"]) == ("not-applied", None, None)
    assert flag["attribution"][0]["declaredCommit"] == "abc1234def"
    assert flag["attribution"][0]["declaredAt"] == "2030-01-02T12:00:00Z"


def test_what_was_turned_off_comes_first_and_is_undone_by_name() -> None:
    """Before flags of which more differs; what turns it on again is the override of that flag alone."""
    cases = (("/enabled", False, True), ("/archived", True, False), ("/rolloutPercentage", 0, 5))
    gravest = ValueChange(path="/enabled", before=True, after=False)
    for path, before, after in cases:
        off = AttributedChange(change=ValueChange(path=path, before=before, after=after), cause=Cause.LIVE_EDIT)
        flags = (
            a_flag_drift("a", changes=(AttributedChange(change=gravest),)),
            a_flag_drift("z", changes=(off,)),
        )
        shown = text(a_report(flags=flags))
        assert shown.index("~ z") < shown.index("~ a")
        override = "--unarchive" if path == "/archived" else "--allow kill-switch:z"
        assert f"undo it: reconciler apply --target z {override}" in shown
        assert "undo it: reconciler apply --target a\n" in shown


@pytest.mark.parametrize(
    ("fields", "is_titled"),
    [
        ({"missing": ()}, True),
        ({"flags": ()}, True),
        ({"flags": (), "missing": ()}, False),
        ({"flags": (), "missing": (), "duplicates": {"a": ("1", "2")}}, True),
    ],
)
def test_a_title_stands_above_what_differs(fields: dict[str, Any], is_titled: bool) -> None:
    """And above what is missing; where there is neither, the last line is enough."""
    assert text(a_report(**fields)).startswith("Drift in project 7 (us)\n") is is_titled


SWITCHED_OFF = AttributedChange(change=ValueChange(path="/enabled", before=False, after=True))
ARCHIVED = AttributedChange(change=ValueChange(path="/archived", before=True, after=False))
UNARCHIVED = AttributedChange(change=ValueChange(path="/archived", before=False, after=True))


@pytest.mark.parametrize(
    ("fields", "environment", "steps"),
    [
        (
            {},
            "a b",
            [
                "adopt it: reconciler import --target 'x y' --force --env 'a b'",
                "undo it: reconciler apply --target 'x y' --env 'a b'",
                "leave it: reconciler drift --acknowledge 'x y' --until DATE --env 'a b'",
            ],
        ),
        (
            {"changes": (SWITCHED_OFF, ARCHIVED), "known_until": NOON.date()},
            None,
            [
                "adopt it: reconciler import --target 'x y' --force",
                "undo it: reconciler apply --target 'x y' --unarchive --allow 'kill-switch:x y'",
            ],
        ),
        (
            {"changes": (UNARCHIVED,), "is_archived_unasked": True, "known_until": NOON.date()},
            None,
            [
                "adopt it: reconciler import --target 'x y' --force",
                "undo it (declare archived: false first): reconciler apply --target 'x y'",
            ],
        ),
        (
            {"changes": (replace(ARCHIVED, cause=Cause.NOT_APPLIED), replace(SWITCHED_OFF, cause=Cause.NOT_APPLIED))},
            "prod",
            ["apply it: reconciler apply --target 'x y' --unarchive --env prod"],
        ),
        (
            {"changes": (replace(UNARCHIVED, cause=Cause.NOT_APPLIED),)},
            None,
            ["apply it: reconciler apply --target 'x y'"],
        ),
    ],
)
def test_what_may_be_done(fields: dict[str, Any], environment: str | None, steps: list[str]) -> None:
    """Each as a command that a shell takes."""
    shown = text(a_report(flags=(a_flag_drift("x y", **fields),), environment=environment))
    assert [line.strip() for line in shown.splitlines() if " it: " in line or "first): " in line] == steps


def percentages(**shares: int) -> list[dict[str, Any]]:
    """Segments by name."""
    return [{"name": name, "percentage": share} for name, share in shares.items()]


@pytest.mark.parametrize(
    ("live", "git", "is_off"),
    [
        (percentages(a=0), percentages(a=5), True),
        (percentages(a=0), percentages(b=5), True),
        (percentages(a=0), None, True),
        (percentages(a=7, b=0), percentages(a=7, b=1), True),
        (percentages(a=0, b=7), percentages(a=1, b=7), True),
        (percentages(a=0, b=1), percentages(a=0, b=2), False),
        (percentages(a=5), percentages(a=0), False),
        (percentages(a=1), percentages(a=5), False),
        ([], percentages(a=0), False),
        (None, percentages(a=0), False),
        (["a"], percentages(a=5), False),
    ],
)
def test_a_segment_that_was_set_to_0_is_turned_off(live: Any, git: Any, is_off: bool) -> None:
    """What git has at 0 too is no news; the override is that of the flag."""
    off = AttributedChange(change=ValueChange(path="/targetSegments", before=live, after=git))
    gravest = AttributedChange(change=ValueChange(path="/enabled", before=True, after=False))
    shown = text(a_report(flags=(a_flag_drift("a", changes=(gravest,)), a_flag_drift("z", changes=(off,)))))
    assert ("undo it: reconciler apply --target z --allow kill-switch:z\n" in shown) is is_off
    assert (shown.index("~ z") < shown.index("~ a")) is is_off
    beside = text(a_report(flags=(a_flag_drift("z", changes=(off, gravest)),)))
    assert ("undo it: reconciler apply --target z --allow kill-switch:z\n" in beside) is is_off
    elsewhere = AttributedChange(change=ValueChange(path="/other", before=live, after=git))
    assert "kill-switch" not in text(a_report(flags=(a_flag_drift(changes=(elsewhere,)),)))


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, ""),
        ({"known_until": date(2030, 3, 1)}, "  known until 2030-03-01"),
        ({"known_until": date(2030, 3, 1), "known_reason": "Load\ttest"}, "  known until 2030-03-01: Load\\ttest"),
        ({"known_reason": "Load test"}, ""),
        (
            {"known_until": date(2030, 3, 1), "frozen_until": date(2030, 2, 1)},
            "  frozen until 2030-02-01; known until 2030-03-01",
        ),
    ],
)
def test_until_when_a_flag_is_left(fields: dict[str, Any], left: str) -> None:
    """Beside its name; known drift comes last, however grave."""
    shown = text(a_report(flags=(a_flag_drift("a", **fields), a_flag_drift("b")))).splitlines()
    lines = [line for line in shown if line.startswith("~ ")]
    (line,) = [line for line in lines if line.startswith("~ a")]
    assert line == f"~ a  flags/new-checkout.yaml:2{left}"
    assert lines.index(line) == ("known_until" in fields)


SWEEP = Sweep(total=5, done=5)


@pytest.mark.parametrize(
    ("fields", "is_partial"),
    [
        ({}, False),
        ({"unchecked": (FieldOfFlag(key="a"),)}, True),
        ({"unchecked": (FieldOfFlag(key="a"),), "sweep": SWEEP}, True),
        ({"since": NOON}, True),
        ({"since": NOON, "sweep": SWEEP}, False),
        ({"sweep": SWEEP}, False),
    ],
)
def test_whether_all_was_looked_at(fields: dict[str, Any], is_partial: bool) -> None:
    """Not where only flags that were edited since then were, or the budget left some."""
    assert drift_view(replace(CLEAN, **fields)).is_partial is is_partial


def edited(at: str | None) -> tuple[FlagDrift, ...]:
    """A flag whose difference was made then."""
    return (a_flag_drift(changes=(AttributedChange(change=ROLLOUT, attribution=replace(BOB, at=at)),)),)


AN_EDIT = Edit(key="a", flag_id="1", is_declared=True, version=2, at="soon", by=None)


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({}, True),
        ({"edits": None}, False),
        ({"edits": (AN_EDIT,)}, False),
        ({"edits_since": None}, False),
        ({"flags": edited(None)}, True),
        ({"flags": edited("2030-01-02T11:59:59Z")}, True),
        ({"flags": edited("2030-01-02T12:00:00Z")}, False),
        ({"flags": (*edited(None), *edited("2030-01-02T12:00:01Z"))}, False),
    ],
)
def test_that_no_flag_was_edited_is_said_only_where_it_is_known(fields: dict[str, Any], is_told: bool) -> None:
    """Not where a difference was made since then, which may be an edit that versions do not show."""
    shown = text(a_report(**{"flags": (), "edits": (), "edits_since": NOON} | fields))
    words = "No flag was edited outside git since 2030-01-02T12:00:00Z, as far as versions show.\n"
    assert (words in shown) is is_told


@pytest.mark.parametrize(
    ("looked_at", "words"),
    [
        (NOON, "The last good look before this one was 2 h ago, at 2030-01-02T10:00:00Z.\n"),
        (None, "The last good look before this one was at 2030-01-02T10:00:00Z.\n"),
    ],
)
def test_when_the_last_look_was(looked_at: datetime | None, words: str) -> None:
    """How long ago it was only where the time of this one is known."""
    assert words in text(replace(CLEAN, looked_at=looked_at, last_look=NOON - timedelta(hours=2)))


@pytest.mark.parametrize("looked_at", [NOON, None])
def test_how_long_ago_an_edit_was(looked_at: datetime | None) -> None:
    """Where both times are known; one of no fields has made the flag."""
    edits = (AN_EDIT, replace(AN_EDIT, key="b", at="2030-01-02T09:00:00Z", by="eve@example.com", is_declared=False))
    shown = text(replace(CLEAN, looked_at=looked_at, edits=edits, edits_since=NOON))
    age = " 3 h ago" if looked_at else ""
    assert (
        "    a: created, by an unknown user (v2, soon)\n"
        f"    b (not managed here): created, by eve@example.com{age} (v2, 2030-01-02T09:00:00Z)\n"
    ) in shown


@pytest.mark.parametrize("notice", [None, Notification.NONE])
def test_the_view_of_a_report_of_no_drift(notice: Notification | None) -> None:
    """What there is nothing to say of is empty."""
    assert drift_view(replace(CLEAN, notice=notice)) == DriftView(
        title="project 7 (us)",
        looked_at="",
        last_line="No drift; 12 requests",
        notice="",
        sections=(),
        absent=(),
        warnings=(),
        facts=(),
        edits=(),
        edits_title="",
        is_partial=False,
    )


def test_a_gap_in_the_history_is_said_once() -> None:
    report = a_report(gaps=("This clone is shallow.",))
    assert "Since when git says so is not known of some values: This clone is shallow.\n" in text(report)


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (CLEAN, "No drift; 12 requests"),
        (replace(CLEAN, requests=1, since=NOON, checked=frozenset()), "No drift in 0 edited flags; 1 request"),
        (replace(CLEAN, since=NOON, sweep=Sweep(total=0, done=0)), "No drift; 12 requests"),
        (replace(CLEAN, unchecked=(FieldOfFlag(key="a"),)), "No drift; 1 not checked; 12 requests"),
        (replace(CLEAN, duplicates={"a": ("1", "2")}), "Drift: 0 changed, 0 missing, 1 duplicate; 12 requests"),
        (
            replace(CLEAN, remembered=(FieldOfFlag(key="a", path="/x"),)),
            "Drift: 0 changed, 0 missing, 1 not checked again; 12 requests",
        ),
    ],
)
def test_verdicts(report: DriftReport, verdict: str) -> None:
    """One line says whether there is drift and what it took to know; both forms carry it."""
    assert text(report).splitlines()[-1] == verdict
    assert verdict in markdown(report).replace("&#45;", "-")


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        (Sweep(total=500, done=40), "13 runs like this one"),
        (Sweep(total=5, done=5), "each run checks everything"),
        (Sweep(total=5, done=0), "with this budget they are never made"),
    ],
)
def test_a_sweep_says_how_many_runs_it_takes(sweep: Sweep, words: str) -> None:
    """A budget that is too small for one run says how many do, and one that never does says that."""
    assert words in text(replace(CLEAN, sweep=sweep))


def test_a_budget_that_holds_nothing_back_is_not_spoken_of() -> None:
    """Where no read had to wait, there is nothing to say about taking turns."""
    assert text(replace(CLEAN, sweep=Sweep(total=0, done=0))) == text(CLEAN)


@pytest.mark.parametrize(
    ("attribution", "words"),
    [
        (Attribution(), "set live, the server does not say by whom"),
        (replace(BOB, by=None), "set live by an unknown user (v12, 2030-01-01T10:00:00.000Z)"),
        (replace(BOB, basis=Basis.OLDEST_VERSION), "(v12 or an earlier one, "),
        (replace(BOB, by="4711", at=None), "by 4711 (v12)"),
    ],
)
def test_authors(attribution: Attribution, words: str) -> None:
    """What is not known of an editor is not made up."""
    drift = a_flag_drift(changes=(AttributedChange(change=ROLLOUT, attribution=attribution),))
    assert words in text(a_report(flags=(drift,)))


def test_a_frozen_flag_says_until_when() -> None:
    """Differences of a frozen flag are reported as such."""
    report = a_report(flags=(a_flag_drift(frozen_until=date(2030, 2, 1)),))
    assert "frozen until 2030-02-01" in text(report)
    assert "frozen until 2030-02-01" in markdown(report)
    assert json.loads(render(DRIFT, "json", report))["flags"][0]["frozenUntil"] == "2030-02-01"


@pytest.mark.parametrize("form", [text, markdown])
def test_user_ids_are_counted(form: Any) -> None:
    """No id of an inclusion is shown; JSON holds them, as plans do."""
    shown = form(a_report())
    assert "grace@example.com" not in shown
    assert "00123" not in shown
    assert "grace@example.com" in render(DRIFT, "json", a_report())


@pytest.mark.parametrize("form", [text, markdown])
def test_ids_in_conditions_are_counted(form: Any) -> None:
    """In what differs and in edits; in histories too."""

    def segments(user: str) -> list[Any]:
        condition = {"type": "property", "prop": "user_id", "op": "is", "values": [user]}
        return [{"name": "Staff", "conditions": [condition], "percentage": 100}]

    change = ValueChange(path="/targetSegments", before=segments("eve@example.com"), after=segments("grace"))
    edit = Edit(key="a", flag_id="1", is_declared=True, version=2, at="soon", by=None, changes=(change,))
    report = a_report(flags=(a_flag_drift(changes=(AttributedChange(change=change),)),), edits=(edit,))
    entry = HistoryEntry(version=2, created_at="2030-01-02", created_by=None, changes=(change,))
    history = FlagHistory(key="a", flag_id="123", entries=(entry,), requests=2)
    for shown in (form(report), render(HISTORY, "text", history)):
        assert "user_id is [1 id]" in shown
        assert "eve@" not in shown
        assert "grace" not in shown


HOSTILE = "x`|<script>\x1b[31m\u202e@everyone ::error::"


def test_hostile_text_is_harmless_in_markdown_and_text() -> None:
    """What others wrote is neither markup nor a terminal's or a runner's command."""
    change = AttributedChange(
        change=ValueChange(path="/name", before=HOSTILE, after="ok"), attribution=replace(BOB, by=HOSTILE)
    )
    report = a_report(flags=(a_flag_drift(HOSTILE, changes=(change,)),), missing=(HOSTILE,), warnings=(HOSTILE,))
    for shown in (text(report), markdown(report)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert not any(line.lstrip().startswith("::") for line in shown.splitlines())


def test_markdown_keeps_to_what_hosts_take() -> None:
    """A report of thousands of flags is cut and says so; what is missing comes before what differs."""
    flags = tuple(a_flag_drift(f"flag-{number:04}") for number in range(2000))
    shown = markdown(a_report(flags=flags))
    assert len(shown) <= MARKDOWN_LIMIT
    assert "more are not shown here" in shown
    assert "`gone`" in shown


def test_text_fits_a_narrow_terminal() -> None:
    """No line but the verdict is wider than the terminal."""
    lines = text(a_report(), Terminal(width=60)).splitlines()
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    "report",
    [
        a_report(),
        CLEAN,
        a_report(
            flags=(a_flag_drift(frozen_until=NOON, source=None),),
            since=NOON,
            notice=Notification.CHANGED,
            sweep=Sweep(total=3, done=0),
            unchecked=(FieldOfFlag(key="a", path="/variants/a/payload"),),
            remembered=(FieldOfFlag(key="b"),),
            duplicates={"c": ("1", "2")},
            environment="production",
            warnings=("w",),
        ),
    ],
)
def test_the_document_is_what_its_schema_says(report: DriftReport) -> None:
    """Every member is named by the published schema."""
    schema = deepcopy(load_schema("drift"))
    for part in (schema, schema["properties"]["flags"]["items"], schema["properties"]["sweep"]):
        part["additionalProperties"] = False
    Draft202012Validator(schema).validate(json.loads(render(DRIFT, "json", report)))


@pytest.mark.parametrize("basis", Basis)
def test_every_basis_is_one_that_the_schema_names(basis: Basis) -> None:
    """Also that of a difference of which nothing was shown."""
    change = AttributedChange(change=ROLLOUT, attribution=Attribution(basis=basis))
    report = a_report(flags=(a_flag_drift(changes=(change,)),))
    Draft202012Validator(load_schema("drift")).validate(json.loads(render(DRIFT, "json", report)))


def test_the_document_of_the_contract() -> None:
    """The members that the contract promises, with `before` live and `after` declared."""
    document = json.loads(render(DRIFT, "json", a_report()))
    flag = document["flags"][0]
    assert (document["formatVersion"], document["drifted"], document["missing"]) == (1, True, ["gone"])
    assert (document["unmanaged"], document["requests"]) == (["other"], 12)
    assert flag["changes"] == [
        {"path": "/rolloutPercentage", "before": 100, "after": 50, "cause": "live-edit"},
        {"path": USERS.path, "added": list(USERS.added), "removed": list(USERS.removed), "cause": "unknown"},
    ]
    assert flag["cause"] == "live-edit"
    assert (flag["lastChangedBy"], flag["lastChangedAt"], flag["version"]) == (ADA.by, ADA.at, None)
    assert [item["by"] for item in flag["attribution"]] == [BOB.by, ADA.by]


def test_a_history_in_both_forms() -> None:
    """Versions newest first; a version without visible changes and the first one say so."""
    entries = (
        HistoryEntry(version=3, created_at="2030-01-03", created_by=None),
        HistoryEntry(version=2, created_at="2030-01-02", created_by="bob@example.com", changes=(ROLLOUT, USERS)),
        HistoryEntry(version=1, created_at="2030-01-01", created_by="ada@example.com", is_first=True),
    )
    history = FlagHistory(key="new-checkout", flag_id="123", entries=entries, requests=2)
    shown = render(HISTORY, "text", history)
    assert "version 3  2030-01-03  an unknown user\n    no difference in the fields that versions show" in shown
    assert re.search(r"~ rolloutPercentage +100 → 50\n", shown)
    assert shown.rstrip().endswith("created\n\n3 versions; 2 requests")
    assert "eve@example.com" not in shown
    document = json.loads(render(HISTORY, "json", history))
    assert [entry["version"] for entry in document["versions"]] == [3, 2, 1]
    assert document["versions"][1]["changes"][0] == {"path": "/rolloutPercentage", "before": 100, "after": 50}


def test_a_switch_is_told_behind_any_padding() -> None:
    """In Markdown, which is cut: neither many harmless differences nor long values hide a flag that is off."""
    name = ValueChange(path="/name", before="a" * 50_000, after="b")
    padding = [a_flag_drift(f"a-{n}", changes=(AttributedChange(change=name, attribution=BOB),)) for n in range(500)]
    switch = ValueChange(path="/enabled", before=False, after=True)
    changes = tuple(AttributedChange(change=item, attribution=BOB) for item in (name, switch))
    shown = markdown(
        a_report(
            flags=(*padding, a_flag_drift("zz", changes=changes)), missing=tuple(f"gone-{n}" for n in range(999))
        )
    )
    assert len(shown) <= MARKDOWN_LIMIT
    assert "- `zz`" in shown
    assert shown.index("`enabled`") < shown.index("`name`")
    assert (shown.count("- `gone-"), shown.count("- `a-"), shown.count("- `zz`")) == (306, 52, 1)
    assert f"{1500 - 359} more are not shown here" in shown
    alone = markdown(a_report(flags=(), missing=tuple(f"gone-{n}" for n in range(999))))
    assert alone.count("- `gone-") == 610


def a_live_edit(path: str, before: object, version: int) -> AttributedChange:
    """A value that Bob made live."""
    change = ValueChange(path=path, before=before, after=1)
    return AttributedChange(change=change, attribution=replace(BOB, version=version), cause=Cause.LIVE_EDIT)


def test_what_is_left_out_of_a_flag_is_counted() -> None:
    """Where a report has to be cut: eight fields of an edit, four edits, and the beginnings of long texts."""
    long = "b" * 300
    edits = [a_live_edit(f"/f{number:02}", long, 1) for number in range(10)]
    edits += [a_live_edit(f"/g{number}", 0, number) for number in range(2, 7)]
    many = a_flag_drift(
        changes=tuple(edits), source=a_position(file="d" * 300), known_until=NOON.date(), known_reason=long
    )
    others = tuple(a_flag_drift(f"x{n:02}", changes=(a_live_edit("/name", long, n),)) for n in range(90))
    shown = markdown(a_report(flags=(many, *others), missing=(), unmanaged=()))
    item = next(item for item in shown.split("\n- ") if item.startswith("`new-checkout`"))
    by = "changed live by `bob@example.com`"
    at = "`2030-01-01T10:00:00.000Z`"
    assert item.strip().splitlines() == [
        f"`new-checkout` `{'d' * 159}…` (known until 2030-01-02: {'b' * 135}…)",
        *(f'    - `f{number:02}`: `git 1, live "{"b" * 146}…`' for number in range(8)),
        "    - `2 more`: `fields that differ`",
        f"    - {by} (v1, {at})",
        *(f"    - `g{number}`: `git 1, live 0`: {by} (v{number}, {at})" for number in range(2, 5)),
        "    - `2 more`: `fields that differ`",
    ]
    assert "adopt it" not in shown


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, "- 1 more: `reconciler drift --since` lists them\n")])
def test_twenty_edits_are_listed_in_markdown(count: int, more: str) -> None:
    """In text all of them."""
    report = replace(CLEAN, edits=(AN_EDIT,) * count, edits_since=NOON)
    line = "a: created, by an unknown user (v2, soon)"
    assert markdown(report).endswith(f"{f'- `{line}`{chr(10)}' * 20}{more}")
    assert text(report).count(line) == count


def test_a_report_fills_its_limit() -> None:
    """What is not cut comes near to the limit and never over it."""
    fits = [0, MARKDOWN_LIMIT]
    while fits[1] - fits[0] > 1:
        length = sum(fits) // 2
        report = a_report(flags=(a_flag_drift(changes=(a_live_edit("/name", "b" * length, 1),)),))
        fits["b" * length not in markdown(report)] = length
    report = a_report(flags=(a_flag_drift(changes=(a_live_edit("/name", "b" * fits[0], 1),)),))
    assert (MARKDOWN_LIMIT, len(markdown(report))) == (30_000, 29_900)


@pytest.mark.parametrize(("longer", "shown"), [(0, 20), (1, 19)])
def test_beside_long_warnings_there_is_room_for_some(longer: int, shown: int) -> None:
    """2,000 characters, whatever else there is to say."""
    keys = tuple(f"{number:02}{'k' * 57}" for number in range(19))
    found = markdown(
        a_report(flags=(), missing=(*keys, "k" * (59 + longer)), warnings=("w" * MARKDOWN_LIMIT,), unmanaged=())
    )
    assert sum(len(line) + 1 for line in found.splitlines() if "exist live" in line) == 100 * shown
    assert ("1 more are not shown here" in found) is (shown < 20)


def test_a_flag_without_a_file_is_shown_without_a_place() -> None:
    """In both forms."""
    report = a_report(flags=(a_flag_drift(source=None),))
    assert "\n~ new-checkout\n" in text(report)
    assert "\n- `new-checkout`\n" in markdown(report)


@pytest.mark.parametrize(("length", "is_cut"), [(MARKDOWN_LIMIT - 1200, False), (MARKDOWN_LIMIT, True)])
def test_a_report_is_cut_only_where_it_has_to_be(length: int, is_cut: bool) -> None:
    """Just below the limit all is there."""
    shown = markdown(a_report(flags=(a_flag_drift(changes=(a_live_edit("/name", "b" * length, 1),)),)))
    assert ("b" * length not in shown) is is_cut
    assert ("leave it" not in shown) is is_cut
    assert len(shown) <= MARKDOWN_LIMIT
