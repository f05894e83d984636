"""Findings about flag files and configuration: as text, as annotations of a GitHub build, as SARIF 2.1.0."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler import __version__
from reconciler.diagnostics import Severity
from reconciler.reports.json_report import FORMAT_VERSION, finding_document, render_json
from reconciler.reports.rule_help import RULE_HELP
from reconciler.reports.sanitize import command_text, uri_reference, visible
from reconciler.reports.text_layout import TextLayout, columns_of
from reconciler.text import counted, cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.diagnostics import Diagnostic
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}
_MOST_SARIF_RESULTS = 25_000
_MARGIN = "    | "


class FindingsReport(Struct, frozen=True, kw_only=True):
    """Findings, how much was read ("8 flags in 8 files"), and where the names of files start in the repository.

    `lines` are the lines that findings point at, by file and number, as far as they are to be shown.
    """

    findings: Sequence[Diagnostic]
    read: str = ""
    directory: str = ""
    lines: Mapping[tuple[str, int], str] = {}


def render_findings_text(report: FindingsReport, options: RenderOptions) -> str:
    """A line per finding, `file:line:column: error: message [rule]`, and a last line with the counts.

    Below it the line in the file, where that is known, with a caret at the column.
    """
    findings, layout = report.findings, TextLayout(options.terminal)
    for item in findings:
        place = (f"{item.position}: ", "bold") if item.position else ""
        layout.line(
            place, (item.severity.value, _STYLES[item.severity]), f": {item.message} ", (f"[{item.rule}]", "dim")
        )
        for source in source_lines_of(item, report.lines, layout.terminal.columns):
            layout.verbatim(source)
        if item.hint:
            layout.line(f"hint: {item.hint}", indent=4)
    layout.blank()
    counts = Counter(item.severity for item in findings)
    named = [counted(counts[severity], severity.value) for severity in Severity if counts[severity]]
    read = f"; read {report.read}" if report.read else ""
    layout.verbatim(f"{', '.join(named) or 'No findings'}{read}.")
    return layout.render()


def source_lines_of(item: Diagnostic, lines: Mapping[tuple[str, int], str], columns: int) -> tuple[str, ...]:
    """The line that a finding points at and one with a caret below it; none where the line is not known.

    Of a line that is too wide for so many columns the part around the place is shown.
    """
    place = item.position
    if place is None:
        return ()
    line = lines.get((place.file, place.line), "")
    if not line.strip() or place.column > len(line) + 1:
        return ()
    room, at = columns - len(_MARGIN), place.column - 1
    start = len(line) - len(line.lstrip())
    if columns_of(visible(line)) > room:
        start = max(0, at - room // 3)
        while columns_of(visible(line[start:at])) > room * 2 // 3:
            start += 1
    before = ("…" if line[:start].strip() else "") + visible(line[min(start, at) : at])
    shown = before + visible(line[at:]).rstrip()
    while columns_of(shown) > room:
        shown = cut(shown, min(room, len(shown) - 1))
    return f"{_MARGIN}{shown}", f"{_MARGIN}{' ' * columns_of(before)}^"


def render_findings_json(report: FindingsReport, _: RenderOptions) -> str:
    """The findings as JSON (schemas/findings.schema.json); `ok` when none is an error."""
    return render_json(
        {
            "formatVersion": FORMAT_VERSION,
            "ok": not any(item.is_error for item in report.findings),
            "findings": [finding_document(item) for item in report.findings],
        }
    )


def render_github(report: FindingsReport, _: RenderOptions) -> str:
    """Workflow commands of GitHub that annotate the lines of a pull request."""
    return "".join(_annotation(item, report.directory) + "\n" for item in report.findings)


def render_sarif(report: FindingsReport, _: RenderOptions) -> str:
    """The findings as a SARIF 2.1.0 log, for code scanning; at most as many results as GitHub takes."""
    rules = sorted({item.rule for item in report.findings})
    driver = {"name": "reconciler", "semanticVersion": __version__, "rules": list(map(_described, rules))}
    results = [_result(item, rules, report.directory) for item in report.findings[:_MOST_SARIF_RESULTS]]
    return render_json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        }
    )


def _annotation(item: Diagnostic, directory: str) -> str:
    properties = {"title": item.rule}
    if item.position:
        properties = {
            "file": directory + item.position.file,
            "line": str(item.position.line),
            "col": str(item.position.column),
        } | properties
    listed = ",".join(f"{name}={command_text(value, property_value=True)}" for name, value in properties.items())
    message = f"{item.message} {item.hint}" if item.hint else item.message
    return f"::{item.severity.value} {listed}::{command_text(message)}"


def _described(rule: str) -> dict[str, Json]:
    """A rule with what it is about and what to do; code scanning shows `help` beside each result."""
    words = RULE_HELP.get(rule)
    texts = {name: {"text": words} for name in ("fullDescription", "help") if words}
    return {"id": rule, "shortDescription": {"text": rule.replace("-", " ")}, **texts}


def _result(item: Diagnostic, rules: list[str], directory: str) -> dict[str, Json]:
    message = f"{item.message} {item.hint}" if item.hint else item.message
    result: dict[str, Json] = {
        "ruleId": item.rule,
        "ruleIndex": rules.index(item.rule),
        "level": item.severity.value,
        "message": {"text": visible(message)},
    }
    if item.position is None:
        return result
    location = {
        "artifactLocation": {"uri": uri_reference(directory + item.position.file)},
        "region": {"startLine": item.position.line, "startColumn": item.position.column},
    }
    return result | {"locations": [{"physicalLocation": location}]}
