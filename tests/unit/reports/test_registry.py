"""The registry of reports and formats: every row renders, and the options of commands offer exactly its rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from builders import a_full_flag, a_plan, a_position, a_report
from evaluations import evaluator_of, user_report, users_report
from jsonschema import Draft202012Validator
from pages import a_drift

from reconciler.cli.main import cli
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.doctor import Check, CheckStatus, failed
from reconciler.drift import FlagHistory
from reconciler.errors import AccessError, GuardRefusedError
from reconciler.evaluation.assertions import Assertion, Cause, Outcome, Status, Verdict
from reconciler.evaluation.comparison import Comparison
from reconciler.evaluation.persons import Person
from reconciler.files.schema import load_schema
from reconciler.reports.findings import FindingsReport
from reconciler.reports.registry import APPLY, PLAN, RENDERERS, RenderOptions, Report, formats, render
from reconciler.reports.verdicts import Decided, VerdictsReport
from reconciler.rollouts.report import AdvanceReport

FLAG = evaluator_of(a_full_flag(bucketing_key="user_id"))
COMPARISON = Comparison(key="f", flag_id="1", is_declared=True, live=FLAG, desired=FLAG)
FINDING = Diagnostic(severity=Severity.ERROR, rule="unknown-variant", message="No.", position=a_position())
REFUTED = Decided(
    claim=Assertion(name="none", flag="f", source=a_position(), never=(Outcome("on"),)),
    verdict=Verdict(
        status=Status.REFUTED,
        person=Person({"user_id": "user-1"}, frozenset({"user_id"})),
        causes=(Cause(segment="Beta", path="/targetSegments/0", variant="on"),),
    ),
    places=(a_position(),),
)
VALUES: dict[str, Any] = {
    "plan": a_plan(),
    "apply": a_report(),
    "drift": a_drift(),
    "history": FlagHistory(key="f", flag_id="1", entries=(), requests=1),
    "advance": AdvanceReport(
        project_id="7", region="us", environment=None, at=datetime(2030, 1, 7, tzinfo=UTC), standings=()
    ),
    "doctor": [Check(name="host", status=CheckStatus.OK, message="x"), failed("key", AccessError("No key."))],
    "findings": FindingsReport(findings=[FINDING]),
    "verdicts": VerdictsReport(decided=[REFUTED], coverage=()),
    "evaluation": user_report(COMPARISON, user_id="x"),
    "evaluation-summary": users_report(COMPARISON, [{"user_id": "x"}]),
    "export": (a_full_flag(bucketing_key="user_id"),),
}
SCHEMAS = {
    "plan": "plan",
    "apply": "report",
    "drift": "drift",
    "advance": "advance",
    "findings": "findings",
    "verdicts": "verdicts",
    "evaluation": "evaluation",
    "evaluation-summary": "evaluation",
}
"""The published schema of a report's JSON; the others have none."""

COMMANDS = {
    "plan": {"plan"},
    "show": {"plan"},
    "apply": {"apply", "plan"},
    "drift": {"drift"},
    "advance": {"advance"},
    "history": {"history"},
    "doctor": {"doctor"},
    "validate": {"findings"},
    "test": {"verdicts"},
    "evaluate": {"evaluation", "evaluation-summary"},
    "export": {"export"},
}
"""The reports that each command with `--format` may have to show in the format that was asked for."""


@pytest.mark.parametrize(("name", "form"), RENDERERS)
def test_every_row_renders(name: str, form: str) -> None:
    """Text that ends with a line break; JSON as its schema says; a page, where it is one."""
    text = render(Report(name), form, VALUES[name])
    assert text.endswith("\n")
    if form in {"json", "sarif"}:
        document = json.loads(text)
        if form == "json":
            schema = load_schema(SCHEMAS[name]) if name in SCHEMAS else {"type": "object"}
            Draft202012Validator(schema).validate(document)
    assert text.startswith("<!doctype html>") is (form == "html")


@pytest.mark.parametrize("name", ["plan", "apply", "drift"])
def test_json_tells_of_the_error_that_a_command_ends_in(name: str) -> None:
    """The document that a command was asked for has it as a member; other formats are as without it."""
    options = RenderOptions(error=GuardRefusedError("No.", ("empty",)))
    for form in formats(Report[Any](name)):
        shown = render(Report(name), form, VALUES[name], options)
        if form == "json":
            assert json.loads(shown)["error"]["guards"] == ["empty"]
        else:
            assert shown == render(Report(name), form, VALUES[name])


@pytest.mark.parametrize(("report", "form"), [(PLAN, "sarif"), (APPLY, "xml"), (Report[Any]("x"), "text")])
def test_an_unknown_pair_is_an_error(report: Report[Any], form: str) -> None:
    """It falls through to no other format."""
    with pytest.raises(KeyError):
        render(report, form, VALUES["plan"])


def test_commands_offer_the_rows() -> None:
    """`--format` of a command offers what every report that it may have to show has, text first."""
    context, found = click.Context(cli), {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        for option in command.params:
            if "--format" in option.opts and isinstance(option.type, click.Choice):
                found[name] = tuple(option.type.choices)
                assert option.default == ("sdk" if name == "export" else "text")
    assert found.keys() == COMMANDS.keys()
    for name, reports in COMMANDS.items():
        assert {formats(Report[Any](report)) for report in reports} == {found[name]}
