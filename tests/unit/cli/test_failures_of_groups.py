"""Errors that end reads side by side arrive as a group: what is said and the exit code are those of their reason."""

from __future__ import annotations

import pytest

from reconciler.cli.failures import as_reconciler_error
from reconciler.cli.signals import TerminatedError
from reconciler.errors import AccessError, InterruptedRunError, ReconcilerError

REFUSED = AccessError("The key was refused.")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (BaseExceptionGroup("", [TerminatedError()]), InterruptedRunError, 143),
        (BaseExceptionGroup("", [ValueError(), KeyboardInterrupt()]), InterruptedRunError, 130),
        (BaseExceptionGroup("", [BaseExceptionGroup("", [REFUSED, TerminatedError()])]), InterruptedRunError, 143),
        (ExceptionGroup("", [REFUSED]), AccessError, 4),
    ],
)
def test_a_group_is_what_it_comes_from(error: BaseException, kind: type[ReconcilerError], code: int) -> None:
    """A signal outranks what failed because of it."""
    found = as_reconciler_error(error)
    assert type(found) is kind
    assert found.exit_code == code
