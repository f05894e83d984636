"""JSON documents as text, plain ASCII and safe in a log; findings and failures as documents.

Field names and shapes are those of the schemas, not of the values they are made from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.errors import GuardRefusedError, InvalidInputError
from reconciler.reports.sanitize import json_for_log

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.errors import ReconcilerError
    from reconciler.planning.plan import Plan
    from reconciler.reports.registry import RenderOptions
    from reconciler.strict_json import Json

FORMAT_VERSION = 1


def render_json(document: dict[str, Json], error: ReconcilerError | None = None) -> str:
    """A document as indented JSON with a line break at its end, with the error that it ends in as a member."""
    if error is not None:
        document = document | {"error": error_member(error)}
    return json_for_log(json.dumps(document, indent=2, allow_nan=False)) + "\n"


def render_plan_json(plan: Plan, options: RenderOptions) -> str:
    """The plan as it is saved for `show` and `apply`. It holds user ids."""
    from reconciler.planning.plan_file import encode_plan  # noqa: PLC0415 - findings and failures need no plan

    return render_json(encode_plan(plan), options.error)


def finding_document(finding: Diagnostic) -> dict[str, Json]:
    """One finding; `file`, `line` and `column` are null where it has no place."""
    position = finding.position
    document: dict[str, Json] = {
        "severity": finding.severity.value,
        "rule": finding.rule,
        "message": finding.message,
        "file": position.file if position else None,
        "line": position.line if position else None,
        "column": position.column if position else None,
        "path": finding.path,
    }
    return document | ({"hint": finding.hint} if finding.hint else {})


def failure_document(error: ReconcilerError) -> dict[str, Json]:
    """A failure, for any command."""
    return {"formatVersion": FORMAT_VERSION, "error": error_member(error)}


def error_member(error: ReconcilerError) -> dict[str, Json]:
    """The `error` of a failure, or of a plan or report that ends in one: guards by name, findings whole."""
    member: dict[str, Json] = {"kind": error.kind, "message": str(error), "exitCode": error.exit_code}
    if isinstance(error, GuardRefusedError):
        member["guards"] = list(error.guards)
    if isinstance(error, InvalidInputError) and error.diagnostics:
        member["findings"] = [finding_document(item) for item in error.diagnostics]
    return member
