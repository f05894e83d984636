"""What became of tests: as text, as JSON, as JUnit's XML, as annotations of a GitHub build.

Ids that flag files list are personal data: only JSON holds them, and other formats where users are shown.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.evaluation.assertions import Status
from reconciler.evaluation.rules import ALL_OTHER_USERS
from reconciler.model.flag import ID_PROPERTIES
from reconciler.reports.findings import FindingsReport
from reconciler.reports.findings import render_github as render_annotations
from reconciler.reports.json_report import FORMAT_VERSION, render_json
from reconciler.reports.sanitize import visible
from reconciler.reports.text_layout import TextLayout
from reconciler.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from fractions import Fraction

    from reconciler.diagnostics import SourcePosition
    from reconciler.evaluation.assertions import Assertion, Cause, Verdict
    from reconciler.evaluation.persons import Person
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

_STYLES: Final = {
    Status.PROVED: "green",
    Status.REFUTED: "bold red",
    Status.UNDECIDED: "bold yellow",
    Status.UNDECLARED: "bold yellow",
}


class Decided(Struct, frozen=True, kw_only=True):
    """A claim, what became of it in an environment, and where in a flag file each of its causes stands."""

    claim: Assertion
    verdict: Verdict
    places: tuple[SourcePosition | None, ...] = ()
    environment: str | None = None


class Unreached(Struct, frozen=True, kw_only=True):
    """What of a flag no test reaches: segments by name, variants by key. `has_tests`: whether any test is of it."""

    flag: str
    has_tests: bool
    segments: tuple[str, ...]
    variants: tuple[str, ...]


class VerdictsReport(Struct, frozen=True, kw_only=True):
    """All tests that were decided, in so many environments. `coverage` is None where it was not asked for.

    `directory` is where files' names start in the repository.
    """

    decided: Sequence[Decided]
    environments: int = 1
    coverage: tuple[Unreached, ...] | None = None
    directory: str = ""
    created_at: datetime | None = None


def render_text(report: VerdictsReport, options: RenderOptions) -> str:
    """A line for each test that is not proved, and the counts; what no test reaches, where that was asked for."""
    layout = TextLayout(options.terminal)
    open_ones = [item for item in report.decided if item.verdict.status is not Status.PROVED]
    counts = counts_of(report)
    if len(open_ones) == 1:
        item = open_ones[0]
        layout.line(counts, ": ", (_name(item, report), "bold"), f": {_told(item, show_users=options.show_users)}")
    else:
        for item in open_ones:
            status = item.verdict.status
            told = _told(item, show_users=options.show_users)
            layout.line((status.value, _STYLES[status]), ": ", (_name(item, report), "bold"), f": {told}")
        layout.line(f"{counts}.")
    if report.coverage is not None:
        layout.blank()
        for line in _coverage_lines(report.coverage):
            layout.line(line)
    return layout.render()


def render_verdicts_json(report: VerdictsReport, options: RenderOptions) -> str:
    """The tests as JSON (schemas/verdicts.schema.json); `ok` when all are proved."""
    counts = Counter(item.verdict.status for item in report.decided)
    document: dict[str, Json] = {
        "formatVersion": FORMAT_VERSION,
        "ok": counts[Status.PROVED] == len(report.decided),
        "summary": {_word(status): counts[status] for status in Status},
        "tests": [_document(item, show_users=options.show_users) for item in report.decided],
    }
    if report.coverage is not None:
        document["coverage"] = [
            {
                "flag": item.flag,
                "tested": item.has_tests,
                "segments": list(item.segments),
                "variants": list(item.variants),
            }
            for item in report.coverage
        ]
    return render_json(document, options.error)


def render_junit(report: VerdictsReport, options: RenderOptions) -> str:
    """A suite for each file of tests, in the XML that Jenkins, GitLab and others read.

    A refuted test is a failure; one that is not decided, or rests on what is not declared, an error.
    """
    root = ET.Element("testsuites")
    files: dict[str, list[Decided]] = {}
    for item in report.decided:
        files.setdefault(item.claim.source.file, []).append(item)
    for number, (file, decided) in enumerate(files.items()):
        counts = Counter(item.verdict.status for item in decided)
        errors = counts[Status.UNDECIDED] + counts[Status.UNDECLARED]
        created = report.created_at.strftime("%Y-%m-%dT%H:%M:%S") if report.created_at else "1970-01-01T00:00:00"
        numbers = {"tests": len(decided), "failures": counts[Status.REFUTED], "errors": errors}
        suite = ET.SubElement(
            root,
            "testsuite",
            {"name": visible(file), "id": str(number), "package": "", "hostname": "localhost", "timestamp": created}
            | {name: str(count) for name, count in numbers.items()}
            | {"time": "0"},
        )
        ET.SubElement(suite, "properties")
        for item in decided:
            _add_case(suite, item, _name(item, report), show_users=options.show_users)
        ET.SubElement(suite, "system-out")
        ET.SubElement(suite, "system-err")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def render_github(report: VerdictsReport, options: RenderOptions) -> str:
    """Workflow commands of GitHub: an annotation for each test that is not proved, at the line to blame."""
    found = [
        Diagnostic(
            severity=Severity.ERROR,
            rule=f"{item.verdict.status.value}: {_name(item, report)}",
            message=f"{_told(item, show_users=options.show_users)}.",
            position=next((place for place in reversed(item.places) if place), item.claim.source),
        )
        for item in report.decided
        if item.verdict.status is not Status.PROVED
    ]
    return render_annotations(FindingsReport(findings=found, directory=report.directory), options)


def counts_of(report: VerdictsReport) -> str:
    """How many tests there are of each outcome: `2 proved, 1 refuted`; `No tests` where there are none."""
    counts = Counter(item.verdict.status for item in report.decided)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]) or "No tests"


def _name(item: Decided, report: VerdictsReport) -> str:
    """The test's name, with the environment where there are several."""
    return f"{item.claim.name} (in {item.environment})" if report.environments > 1 else item.claim.name


def _told(item: Decided, *, show_users: bool) -> str:
    """Why a test is not proved, in a sentence without its end."""
    verdict = item.verdict
    if not verdict.causes:
        return (verdict.reason or "").removesuffix(".")
    who = "the user" if item.claim.user is not None else _person_text(verdict, show_users=show_users)
    *before, after = verdict.causes
    at = f" ({place.file}:{place.line})" if (place := item.places[-1]) else ""
    if verdict.share is not None:
        claim, found = verdict.share
        return f"{who} is {_among(after)}{at}, where {_percent(found)} get {claim.outcome}, not {claim.text}"
    had = f"had {before[0].variant} {_by(before[0])} and " if before else ""
    wanted = f", not {item.claim.expected}," if item.claim.expected is not None else ""
    return f"{who} {had}gets {after.variant}{wanted} {_by(after)}{at}"


def _percent(share: Fraction) -> str:
    """A share as exact as tests take it."""
    return f"{round(float(share * 100), 4):g}%"


def _by(cause: Cause) -> str:
    """What gave a user the variant, behind a verb."""
    if cause.path.startswith("/targetSegments"):
        return f'by segment "{cause.segment}"'
    return f'as one of "{ALL_OTHER_USERS}"' if cause.segment == ALL_OTHER_USERS else f"by {cause.segment}"


def _among(cause: Cause) -> str:
    return f'in segment "{cause.segment}"' if cause.path.startswith("/targetSegments") else f'in "{cause.segment}"'


def _person_text(verdict: Verdict, *, show_users: bool) -> str:
    facts = ", ".join(_facts(verdict.person, show_users=show_users)) if verdict.person else ""
    if verdict.without:
        return f"{facts or 'a user'} without {' and '.join(verdict.without)}"
    return facts or "any user"


def _facts(person: Person, *, show_users: bool) -> Iterator[str]:
    for name in sorted(person.user, key=lambda name: name not in ID_PROPERTIES):
        value = person.user[name]
        if isinstance(value, dict):
            yield from (f"{name}.{inner} {json.dumps(item, ensure_ascii=False)}" for inner, item in value.items())
        elif name in ID_PROPERTIES and name not in person.made_up and not show_users:
            yield f"{name} (listed, not shown)"
        else:
            yield f"{name} {json.dumps(value, ensure_ascii=False)}"


def _document(item: Decided, *, show_users: bool) -> Json:
    verdict = item.verdict
    share = verdict.share and {
        "outcome": str(verdict.share[0].outcome),
        "claimed": verdict.share[0].text,
        "found": float(verdict.share[1] * 100),
    }
    return {
        "name": item.claim.name,
        "flag": item.claim.flag,
        "environment": item.environment,
        "source": _source(item.claim.source),
        "status": _word(verdict.status),
        "message": None if verdict.status is Status.PROVED else _told(item, show_users=show_users),
        "user": verdict.person.user if verdict.person else None,
        "causes": [
            {"variant": cause.variant, "segment": cause.segment, "path": cause.path, "source": _source(place)}
            for cause, place in zip(verdict.causes, item.places, strict=True)
        ],
        "share": share,
    }


def _source(place: SourcePosition | None) -> Json:
    return {"file": place.file, "line": place.line} if place else None


def _word(status: Status) -> str:
    return "undecided" if status is Status.UNDECIDED else status.value


def _add_case(suite: ET.Element, item: Decided, name: str, *, show_users: bool) -> None:
    attributes = {"name": visible(name), "classname": item.claim.flag, "time": "0"}
    case = ET.SubElement(suite, "testcase", attributes)
    if item.verdict.status is not Status.PROVED:
        kind = "failure" if item.verdict.status is Status.REFUTED else "error"
        told = visible(_told(item, show_users=show_users))
        ET.SubElement(case, kind, {"message": told, "type": item.verdict.status.value}).text = told


def _coverage_lines(coverage: Sequence[Unreached]) -> Iterator[str]:
    for item in coverage:
        if not item.has_tests:
            yield f"{item.flag}: no test."
        else:
            parts = [
                *(f'segment "{name}"' for name in item.segments),
                *(f"variant {key}" for key in item.variants),
            ]
            yield f"{item.flag}: no test reaches {', '.join(parts)}."
    if not coverage:
        yield "Tests reach all segments and variants."
    else:
        yield f"Tests do not reach all of {counted(len(coverage), 'flag')}."
