"""Every JSON document is what its published schema says, and nothing beside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from builders import a_plan, a_position, a_report, an_empty_plan
from jsonschema import Draft202012Validator
from published_schemas import closed
from small_plans import SMALL_PLANS

from reconciler.apply import Status
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.doctor import CheckStatus
from reconciler.drift import Basis, Cause
from reconciler.drift.report import Notification
from reconciler.errors import AccessError, GuardRefusedError, InvalidInputError, ReconcilerError, UsageError
from reconciler.evaluation.result import Allocation, Reason
from reconciler.files.schema import SCHEMA_NAMES, load_schema
from reconciler.planning.plan_file import encode_plan
from reconciler.reports.findings import FindingsReport
from reconciler.reports.json_report import (
    error_member,
    failure_document,
    render_json,
)
from reconciler.reports.registry import APPLY, FINDINGS, render
from reconciler.rollouts.position import Phase
from reconciler.rollouts.standing import MoveKind

if TYPE_CHECKING:
    from enum import StrEnum

FINDING = Diagnostic(
    severity=Severity.ERROR,
    rule="unknown-variant",
    message="No such variant.",
    position=a_position(),
    path="/x",
    hint="h",
)


def assert_valid(document: dict[str, Any], name: str) -> None:
    """Hold a document, as it is printed, against a published schema."""
    Draft202012Validator(closed(load_schema(name))).validate(json.loads(render_json(document)))


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_a_published_schema_is_a_schema(name: str) -> None:
    """Draft 2020-12, with a title, a description, and an id of its own."""
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:reconciler:schema:{name}:1"
    assert {"title", "description"} <= schema.keys()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (Allocation, "evaluation"),
        (Reason, "evaluation"),
        (Phase, "advance"),
        (MoveKind, "advance"),
        (Basis, "drift"),
        (Cause, "drift"),
        (Notification, "drift"),
        (CheckStatus, "doctor"),
    ],
)
def test_words_of_documents_are_those_of_the_schema(words: type[StrEnum], name: str) -> None:
    """Each that there is."""
    found: set[str] = set()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            found.update(part["enum"] if isinstance(part.get("enum"), list) else [part.get("const")])
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)

    look(load_schema(name))
    assert {item.value for item in words} <= found


@pytest.mark.parametrize("name", SMALL_PLANS)
def test_a_plan_is_valid(name: str) -> None:
    """Plans of every kind, with a refusal as well."""
    document = encode_plan(SMALL_PLANS[name]())
    assert_valid(document, "plan")
    assert_valid(document | {"error": error_member(GuardRefusedError("No.", ["updates"]))}, "plan")


def test_a_plan_without_a_repository_or_a_server_is_valid() -> None:
    """No commit, no time, no environment: null."""
    assert_valid(encode_plan(an_empty_plan(commit=None, created_at=None)), "plan")
    assert_valid(encode_plan(a_plan(environment="staging")), "plan")


@pytest.mark.parametrize("statuses", [(), tuple(Status), (Status.APPLIED,)])
def test_a_report_is_valid(statuses: tuple[Status, ...]) -> None:
    """Reports with and without failures; the summary counts flags."""
    document = json.loads(render(APPLY, "json", a_report(*statuses)))
    assert_valid(document, "report")
    assert_valid(document | {"error": error_member(ReconcilerError("No."))}, "report")
    assert sum(document["summary"].values()) == len(document["flags"]) + 40


def test_a_report_says_what_the_contract_says() -> None:
    """The members of the contract, with their names and values."""
    document = json.loads(render(APPLY, "json", a_report(Status.APPLIED)))
    assert document["summary"] == {"applied": 1, "failed": 0, "unknown": 0, "skipped": 0, "unchanged": 40}
    assert document["verified"] is True
    (flag,) = document["flags"]
    assert (flag["key"], flag["status"], flag["error"]) == ("applied-flag", "applied", None)
    assert flag["operations"][0] == {"order": 1, "status": "applied", "attempts": 1, "httpStatus": 200, "error": None}


@pytest.mark.parametrize(
    ("findings", "ok"),
    [([], True), ([FINDING], False), ([Diagnostic(severity=Severity.WARNING, rule="r", message="m")], True)],
)
def test_findings_are_valid(findings: list[Diagnostic], ok: bool) -> None:
    """With a place and without; only errors are not ok."""
    document = json.loads(render(FINDINGS, "json", FindingsReport(findings=findings)))
    assert_valid(document, "findings")
    assert document["ok"] is ok


@pytest.mark.parametrize(
    "error",
    [
        ReconcilerError("x"),
        UsageError("x"),
        AccessError("x", status=401),
        GuardRefusedError("x", ["a", "b"]),
        InvalidInputError("x", [FINDING]),
    ],
)
def test_failures_are_valid(error: ReconcilerError) -> None:
    """Every kind of failure has its kind, its message and its exit code."""
    document = failure_document(error)
    assert_valid(document, "failure")
    assert document["error"]["exitCode"] == error.exit_code


def test_a_drift_document_of_the_contract_is_valid() -> None:
    """The schema takes the example of the contract."""
    change = {"path": "/rolloutPercentage", "before": 10, "after": 50}
    flag = {
        "key": "a",
        "changes": [change],
        "lastChangedBy": "ada@example.com",
        "lastChangedAt": "2030-01-02",
        "version": 12,
    }
    document = {"formatVersion": 1, "drifted": True, "flags": [flag], "missing": [], "unmanaged": [], "requests": 12}
    Draft202012Validator(load_schema("drift")).validate(document)


def test_a_document_as_text() -> None:
    """Indented ASCII with a line break at its end, and the error as a member; what is no JSON is refused."""
    assert render_json({"a": {"b": "é ##[x"}}) == '{\n  "a": {\n    "b": "\\u00e9 #\\u0023[x"\n  }\n}\n'
    document = {"a": 1}
    assert json.loads(render_json(document, UsageError("no"))) == {
        "a": 1,
        "error": {"kind": "usage", "message": "no", "exitCode": 64},
    }
    assert document == {"a": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        render_json({"a": float("nan")})


def test_failures_as_documents() -> None:
    """Guards by name and findings whole, where there are some."""
    assert failure_document(UsageError("no")) == {
        "formatVersion": 1,
        "error": {"kind": "usage", "message": "no", "exitCode": 64},
    }
    assert error_member(GuardRefusedError("no", ("b", "a"))) == {
        "kind": "guard", "message": "no", "exitCode": 5, "guards": ["b", "a"],
    }  # fmt: skip
    invalid = {"kind": "invalid", "message": "no", "exitCode": 3}
    assert error_member(InvalidInputError("no")) == invalid
    found = {
        "severity": "error", "rule": "unknown-variant", "message": "No such variant.",
        "file": "flags/new-checkout.yaml", "line": 2, "column": 1, "path": "/x", "hint": "h",
    }  # fmt: skip
    assert error_member(InvalidInputError("no", [FINDING])) == invalid | {"findings": [found]}
