"""Findings as text, as GitHub annotations and as SARIF."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import pytest
from builders import a_position
from faults.hostile_strings import HOSTILE as MORE_HOSTILE
from jsonschema import Draft4Validator
from msgspec.structs import replace
from small_plans import HOSTILE

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.files.rules import CONFIG_RULES, DOCUMENT_RULES
from reconciler.reports import findings as findings_report
from reconciler.reports.findings import FindingsReport
from reconciler.reports.registry import FINDINGS, RenderOptions, render
from reconciler.reports.rule_help import RULE_HELP
from reconciler.reports.text_layout import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

SARIF = Draft4Validator(
    json.loads((Path(__file__).parents[2] / "vectors" / "sarif-2.1.0.schema.json").read_text(encoding="utf-8"))
)

ERROR = Diagnostic(
    severity=Severity.ERROR,
    rule="unknown-variant",
    message='There is no variant "treatmnt".',
    position=a_position(line=3, column=5),
    path="/targetSegments/0/rolloutWeights",
    hint='Did you mean "treatment"?',
)
WARNING = Diagnostic(severity=Severity.WARNING, rule="expired", message="The flag has expired.")


def text_of(*findings: Diagnostic) -> str:
    """Findings as text for a file."""
    return render(FINDINGS, "text", FindingsReport(findings=findings))


def annotations(*findings: Diagnostic, directory: str = "") -> str:
    """Findings as annotations."""
    return render(FINDINGS, "github", FindingsReport(findings=findings, directory=directory))


def sarif_log(findings: Sequence[Diagnostic], directory: str = "") -> dict[str, Any]:
    """Findings as a SARIF log."""
    log: dict[str, Any] = json.loads(
        render(FINDINGS, "sarif", FindingsReport(findings=findings, directory=directory))
    )
    return log


def test_text_is_a_line_per_finding() -> None:
    """Place, severity, message and rule, as editors and people read them; the hint below; the counts last."""
    assert text_of(ERROR, WARNING).splitlines() == [
        'flags/new-checkout.yaml:3:5: error: There is no variant "treatmnt". [unknown-variant]',
        '    hint: Did you mean "treatment"?',
        "warning: The flag has expired. [expired]",
        "",
        "1 error, 1 warning.",
    ]


def test_nothing_found_is_said() -> None:
    """Silence is not an answer."""
    assert text_of() == "No findings.\n"
    assert render(FINDINGS, "text", FindingsReport(findings=(), read="2 flags in 1 file")) == (
        "No findings; read 2 flags in 1 file.\n"
    )
    assert text_of(ERROR, ERROR).endswith("\n2 errors.\n")


def test_annotations_name_the_line() -> None:
    """The runner gets file, line, column and title, from the root of the repository."""
    assert annotations(ERROR, directory="config/") == (
        "::error file=config/flags/new-checkout.yaml,line=3,col=5,title=unknown-variant::"
        'There is no variant "treatmnt". Did you mean "treatment"?\n'
    )
    assert annotations(WARNING) == "::warning title=expired::The flag has expired.\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_an_annotation_is_one_command(text: str) -> None:
    """With any message or file name, there is one command with one message, and no other."""
    hostile = Diagnostic(
        severity=Severity.ERROR, rule="r", message=text, position=a_position(file=f"flags/{text},line=9::x.yaml")
    )
    output = annotations(hostile)
    assert output.count("\n") == 1
    match = re.fullmatch(r"::error file=([^,:]*),line=2,col=1,title=r::(.*)\n", output)
    assert match
    assert "##[" not in output


def test_sarif_points_at_rules_and_places() -> None:
    """Results name their rule by id and index, and their place in percent-encoded paths."""
    log = sarif_log([ERROR, WARNING], "my config/")
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0"
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "my%20config/flags/new-checkout.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert "locations" not in run["results"][1]


def test_sarif_names_each_rule_once_in_order() -> None:
    """What has no help, as a rule of a later version, has its name alone."""
    names = ["yaml-syntax", "b-rule", "expired", "a-rule", "unknown-variant", "b-rule", "c-rule"]
    log = sarif_log([replace(WARNING, rule=name) for name in names])
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({*names})
    assert rules[0] == {"id": "a-rule", "shortDescription": {"text": "a rule"}}
    assert rules[3]["help"] == rules[3]["fullDescription"] == {"text": RULE_HELP["expired"]}


@pytest.mark.parametrize(
    "findings", [[], [WARNING], [ERROR, WARNING, ERROR]], ids=["none", "without a place", "some"]
)
def test_sarif_is_valid(findings: list[Diagnostic]) -> None:
    """The log is what the schema of SARIF 2.1.0 asks for, with any findings."""
    assert list(SARIF.iter_errors(sarif_log(findings, "config/"))) == []


def test_the_schema_of_sarif_refuses_what_is_none() -> None:
    """The check can fail: an unknown level is refused, and so is a place without a positive line."""
    log = sarif_log([ERROR])
    log["runs"][0]["results"][0]["level"] = "severe"
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert len(list(SARIF.iter_errors(log))) >= 2


@pytest.mark.parametrize("text", [*HOSTILE, *MORE_HOSTILE])
def test_hostile_findings_are_valid_sarif(text: str) -> None:
    """A log stays valid, can be written as UTF-8, and has plain references, with any file names."""
    finding = Diagnostic(
        severity=Severity.WARNING, rule="r", message=text, hint=text, position=a_position(file=f"flags/{text}.yaml")
    )
    log = sarif_log([finding])
    assert list(SARIF.iter_errors(log)) == []
    json.dumps(log, ensure_ascii=False).encode()
    (run,) = log["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", uri)


def test_a_file_whose_name_is_no_utf_8_is_named_by_its_bytes() -> None:
    """The name that the system gave is the one that code scanning looks for."""
    name = b"flags/caf\xe9.yaml"
    finding = Diagnostic(
        severity=Severity.ERROR,
        rule="r",
        message="m",
        position=a_position(file=name.decode(errors="surrogateescape")),
    )
    (run,) = sarif_log([finding])["runs"]
    assert unquote_to_bytes(run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) == name


def rules_in_code() -> set[str]:
    """The ids of all rules: those that code names where it makes a finding, and those of schemas and tables."""
    made = re.compile(
        r'''rule="([a-z0-9-]+)"|Finding\(\s*"([a-z0-9-]+)"'''
        r'''|(?:_refuse|_warn|repeated|problem)\([\w.() /"\s]+,\s*"([a-z-]+)"'''
        r'''|return "([a-z]+(?:-[a-z]+)+)", f?"|_FILE: Final = "([a-z-]+)"'''
    )
    package = Path(__file__).parents[3] / "reconciler"
    found = {name for path in package.rglob("*.py") for names in made.findall(path.read_text()) for name in names}
    schemas = Path(__file__).parents[3] / "schemas"
    found |= {
        name for path in schemas.glob("*.json") for name in re.findall(r'"rule": "([a-z-]+)"', path.read_text())
    }
    return (found | DOCUMENT_RULES.keys() | CONFIG_RULES.keys()) - {""}


def test_sarif_explains_every_rule() -> None:
    """Each rule that a finding can have comes with help, of at least a sentence, and no other has any."""
    assert rules_in_code() == RULE_HELP.keys()
    findings = [replace(WARNING, rule=rule) for rule in RULE_HELP]
    described = sarif_log(findings)["runs"][0]["tool"]["driver"]["rules"]
    assert len(described) > 100
    for rule in described:
        assert rule["help"]["text"] == rule["fullDescription"]["text"] == RULE_HELP[rule["id"]]
        assert re.fullmatch(r"[A-Z`].{20,}[.]", rule["help"]["text"])
    assert list(SARIF.iter_errors(sarif_log(findings))) == []


@pytest.mark.parametrize(
    ("line", "column", "shown", "caret"),
    [
        ("rolloutPercentage: 250", 20, "rolloutPercentage: 250", "250"),
        ("    - key: treatmnt", 12, "- key: treatmnt", "treatmnt"),
        ('  - {key: "日本語", zzz: 1}', 18, '- {key: "日本語", zzz: 1}', "zzz"),
        ("key: a\x1b[31mb", 6, "key: a\\x1b[31mb", "a"),
        ("x" * 200 + ": wrong" + "y" * 200, 203, f"…{'x' * 22}: wrong{'y' * 43}…", "wrong"),
        ("a" * 100, 3, "a" * 73 + "…", "a"),
        ("a" * 75, 41, f"…{'a' * 59}", "a"),
        ("a" * 74, 41, "a" * 74, "a"),
        ("a" * 70 + " " * 20, 1, "a" * 70, "a"),
        (" " * 40 + "a" * 60, 51, " " * 14 + "a" * 60, "a"),
        ("日" * 60, 3, f"{'日' * 36}…", "日"),
        ("日" * 60, 60, f"…{'日' * 25}", "日"),
        ("\u200b" * 100 + "key: a", 101, "…" + "\\u200b" * 8 + "key: a", "key"),
        ("\x1b" * 21 + "key: a", 22, "…" + "\\x1b" * 12 + "key: a", "key"),
        ("\x1b" * 20 + "key: a", 21, "…" + "\\x1b" * 12 + "key: a", "key"),
        ("key:", 5, "key:", ""),
    ],
)
def test_the_line_is_shown_with_a_caret(line: str, column: int, shown: str | None, caret: str) -> None:
    """At the column of the place, for any width of the characters; of a long line the part around it."""
    item = replace(ERROR, position=a_position(line=3, column=column), hint=None)
    report = FindingsReport(findings=[item], lines={(item.position.file, 3): line})  # type: ignore[union-attr]
    _, above, below, *_ = render(FINDINGS, "text", report).splitlines()
    assert above.startswith("    | ")
    assert below.strip(" |") == "^"
    assert shown is None or above == f"    | {shown}"
    assert sum(2 if ord(sign) > 0x2FFF else 1 for sign in above) <= 80
    width = 0
    for index, sign in enumerate(above):
        if width == below.index("^"):
            assert above[index:].startswith(caret)
            break
        width += 2 if ord(sign) > 0x2FFF else 1
    else:
        assert caret == ""


@pytest.mark.parametrize(("line", "column"), [("", 1), ("  ", 2), ("key: a", 8), ("key: a", 9)])
def test_a_place_that_is_not_in_its_line_shows_none(line: str, column: int) -> None:
    """The file was changed since, or the line is empty."""
    item = replace(ERROR, position=a_position(line=3, column=column), hint=None)
    report = FindingsReport(findings=[item], lines={(item.position.file, 3): line})  # type: ignore[union-attr]
    assert "^" not in render(FINDINGS, "text", report)


def test_a_log_in_full() -> None:
    """Who found it, the rules, and each result with its message and what to do."""
    hint = 'There is no variant "treatmnt". Did you mean "treatment"?'
    texts = [{name: {"text": RULE_HELP[rule]} for name in ("fullDescription", "help")} for rule in (
        "expired", "unknown-variant",
    )]  # fmt: skip
    rules = [
        {"id": "expired", "shortDescription": {"text": "expired"}} | texts[0],
        {"id": "unknown-variant", "shortDescription": {"text": "unknown variant"}} | texts[1],
    ]
    driver = {"name": "reconciler", "semanticVersion": __version__, "rules": rules}
    place = {
        "artifactLocation": {"uri": "flags/new-checkout.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    error = {"ruleId": "unknown-variant", "ruleIndex": 1, "level": "error", "message": {"text": hint}}
    warning = {"ruleId": "expired", "ruleIndex": 0, "level": "warning", "message": {"text": "The flag has expired."}}
    results = [error | {"locations": [{"physicalLocation": place}]}, warning]
    assert sarif_log([ERROR, WARNING]) == {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    assert annotations(WARNING, WARNING) == "::warning title=expired::The flag has expired.\n" * 2


def test_findings_as_json() -> None:
    """`ok` where none is an error; the place is null where there is none."""
    warning = {
        "severity": "warning", "rule": "expired", "message": "The flag has expired.",
        "file": None, "line": None, "column": None, "path": "",
    }  # fmt: skip
    error = {
        "severity": "error", "rule": "unknown-variant", "message": ERROR.message, "file": "flags/new-checkout.yaml",
        "line": 3, "column": 5, "path": "/targetSegments/0/rolloutWeights", "hint": ERROR.hint,
    }  # fmt: skip
    for findings, expected, ok in (
        ((), [], True), ((WARNING,), [warning], True), ((WARNING, ERROR), [warning, error], False),
    ):  # fmt: skip
        text = render(FINDINGS, "json", FindingsReport(findings=findings))
        assert json.loads(text) == {"formatVersion": 1, "ok": ok, "findings": expected}


def test_findings_in_colour() -> None:
    """The place stands out, errors are red and warnings yellow, the rule is dim."""
    options = RenderOptions(terminal=Terminal(width=120, color=True))
    lines = render(FINDINGS, "text", FindingsReport(findings=(ERROR, WARNING)), options).splitlines()
    assert lines[0] == (
        "\x1b[1mflags/new-checkout.yaml:3:5: \x1b[0m\x1b[1;31merror\x1b[0m: "
        'There is no variant "treatmnt". \x1b[2m[unknown-variant]\x1b[0m'
    )
    assert lines[2] == "\x1b[1;33mwarning\x1b[0m: The flag has expired. \x1b[2m[expired]\x1b[0m"


def test_a_log_has_as_many_results_as_github_takes() -> None:
    """25,000 of a run."""
    assert findings_report._MOST_SARIF_RESULTS == 25_000


def test_results_beyond_the_most_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stay; rules are of all findings."""
    monkeypatch.setattr(findings_report, "_MOST_SARIF_RESULTS", 1)
    (run,) = sarif_log([ERROR, WARNING])["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["unknown-variant"]
    assert len(run["tool"]["driver"]["rules"]) == 2
