"""Failures: their codes and kinds, and what they say once more is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.errors import (
    AccessError,
    AmbiguousError,
    ApiError,
    BudgetError,
    GuardRefusedError,
    InterruptedRunError,
    InvalidInputError,
    InvalidResponseError,
    NotSentError,
    PartlyAppliedError,
    ReconcilerError,
    RejectedError,
    ResponseTooLargeError,
    StalePlanError,
    UnknownTargetError,
    UnreviewedError,
    UsageError,
    WithheldError,
)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (ReconcilerError("x"), 1, "failed"),
        (UsageError("x"), 64, "usage"),
        (UnknownTargetError("x"), 64, "usage"),
        (InvalidInputError("x"), 3, "invalid"),
        (GuardRefusedError("x", ()), 5, "guard"),
        (UnreviewedError("x", ()), 6, "unreviewed"),
        (StalePlanError("x"), 6, "stale-plan"),
        (PartlyAppliedError("x"), 7, "partial"),
        (InterruptedRunError("x", 2), 130, "interrupted"),
        (InterruptedRunError("x", 15), 143, "interrupted"),
        (ApiError("x"), 1, "api"),
        (NotSentError("x"), 1, "api"),
        (AmbiguousError("x", ""), 1, "api"),
        (InvalidResponseError("x"), 1, "api"),
        (ResponseTooLargeError("x"), 1, "api"),
        (BudgetError("x"), 1, "api"),
        (RejectedError("x"), 1, "api"),
        (AccessError("x"), 4, "auth"),
        (WithheldError("x"), 4, "auth"),
    ],
)
def test_codes_and_kinds(error: ReconcilerError, code: int, kind: str) -> None:
    """Scripts go by them; a sentence more changes neither."""
    assert (error.exit_code, error.kind, str(error)) == (code, kind, "x")
    assert error.also("And y.") is error
    assert (error.exit_code, error.kind, str(error)) == (code, kind, "x And y.")


def test_what_errors_carry() -> None:
    """Of a request: what was answered."""
    assert (ApiError("x").status, AmbiguousError("x", "").status) == (None, None)
    access = AccessError("x")
    assert (access.status, access.may_read) == (None, False)
    access = AccessError("x", status=403, may_read=True)
    assert (access.status, access.may_read) == (403, True)
    guard = GuardRefusedError("x", ["b", "a"])
    assert (guard.message, guard.also("y").guards, guard.message) == ("x", ("b", "a"), "x")
    finding = Diagnostic(severity=Severity.ERROR, rule="r", message="m")
    invalid = InvalidInputError("x", [finding], directory=Path("d"))
    assert (invalid.diagnostics, invalid.directory) == ((finding,), Path("d"))
    assert (InvalidInputError("x").diagnostics, InvalidInputError("x").directory) == ((), None)


def test_a_doubt_ends_when_it_is_settled() -> None:
    """What happened stays, with what became of the request in place of the doubt."""
    error = AmbiguousError("No answer.", "It may be made.", status=502)
    assert (str(error), error.what, str(AmbiguousError("No answer.", ""))) == (
        "No answer. It may be made.", "No answer.", "No answer.",
    )  # fmt: skip
    settled = error.settled("It was made.")
    assert type(settled) is ApiError
    assert (str(settled), settled.status) == ("No answer. It was made.", 502)
