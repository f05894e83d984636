"""Every failure that a user can meet, by what can be done about it. Each knows its exit code.

ReconcilerError (1, "failed")
├── UsageError (64, "usage")              the command was called wrongly
│   └── UnknownTargetError                a target names a flag that is nowhere
├── InvalidInputError (3, "invalid")      flag files or configuration; carries all findings
├── GuardRefusedError (5, "guard")        unsafe; carries every guard that refuses
│   └── UnreviewedError (6, "unreviewed")   all that would be done is not as it was reviewed
├── StalePlanError (6, "stale-plan")      a saved plan cannot be used any more
├── PartlyAppliedError (7, "partial")     some of the plan was made, some was not
├── InterruptedRunError (130 or 143, "interrupted")
└── ApiError (1, "api")
    ├── NotSentError                      the request never left: safe to repeat
    ├── AmbiguousError                    it may have taken effect: read before repeating
    ├── InvalidResponseError              a read got an invalid response
    │   └── ResponseTooLargeError          more than is read of one answer: ask for less at a time
    ├── BudgetError                       a deadline, a retry budget or the daily limit ends the run
    └── RejectedError                     the server said no (4xx); carries the status
        └── AccessError (4, "auth")       401 or 403: the key
            └── WithheldError             a write that is not sent, after another was refused
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from reconciler.diagnostics import Diagnostic


UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
NOT_OFFERED = frozenset({FORBIDDEN, NOT_FOUND})
"""What servers answer for an endpoint or a flag that they do not offer to this key."""
TOO_MANY_REQUESTS = 429
"""The statuses of a RejectedError that mean more than no."""


class ReconcilerError(Exception):
    """The root: `str(error)` is one or more sentences that say what, where, and what to do."""

    exit_code: int = 1
    kind: ClassVar[str] = "failed"

    def also(self, sentence: str) -> Self:
        """This error, which now says one sentence more."""
        self.args = (f"{self} {sentence}",)
        return self


class UsageError(ReconcilerError):
    """The command, its options or its environment variables are wrong."""

    exit_code = 64
    kind = "usage"


class UnknownTargetError(UsageError):
    """A target names a flag that is neither declared nor live."""


class InvalidInputError(ReconcilerError):
    """Flag files or configuration are invalid. `diagnostics` holds every finding, errors and warnings.

    `directory` is where the names of their files start, as far as that is known.
    """

    exit_code = 3
    kind = "invalid"

    def __init__(
        self, message: str, diagnostics: Sequence[Diagnostic] = (), *, directory: Path | None = None
    ) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)
        self.directory = directory


class GuardRefusedError(ReconcilerError):
    """A guard refuses. `guards` names each one that did, in the order they were asked; `message` is what it said."""

    exit_code = 5
    kind = "guard"

    def __init__(self, message: str, guards: Sequence[str]) -> None:
        super().__init__(message)
        self.message = message
        self.guards = tuple(guards)


class UnreviewedError(GuardRefusedError):
    """All that would be done is held, some of it because it is not as it was reviewed."""

    exit_code = 6
    kind = "unreviewed"


class StalePlanError(ReconcilerError):
    """A saved plan no longer describes what would happen, or is not what was saved."""

    exit_code = 6
    kind = "stale-plan"


class PartlyAppliedError(ReconcilerError):
    """Part of the plan was made; the report says which part."""

    exit_code = 7
    kind = "partial"


class InterruptedRunError(ReconcilerError):
    """A signal ended the run. The exit code is 128 and the signal's number."""

    kind = "interrupted"

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class ApiError(ReconcilerError):
    """Something between us and the Management API. `status` is HTTP's, if any."""

    kind = "api"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotSentError(ApiError):
    """The request never left this machine: connection refused, DNS, TLS, or a full pool."""


class AmbiguousError(ApiError):
    """The request may or may not have taken effect: a timeout, a reset, a truncated answer, a 5xx.

    `what` is what happened, without the `doubt` that follows it in the message, as long as it is not settled.
    """

    def __init__(self, what: str, doubt: str, *, status: int | None = None) -> None:
        super().__init__(" ".join(filter(None, (what, doubt))), status=status)
        self.what = what

    def settled(self, outcome: str) -> ApiError:
        """The error once it is known what became of the request, which `outcome` says in a sentence."""
        return ApiError(f"{self.what} {outcome}", status=self.status)


class InvalidResponseError(ApiError):
    """An answer with a success status that is not what the reference describes. Never read as "nothing"."""


class ResponseTooLargeError(InvalidResponseError):
    """A read answered more than is taken from one answer. A smaller page may do."""


class BudgetError(ApiError):
    """Stopped by a limit of our own: a deadline, the retries of this run, the requests of the day."""


class RejectedError(ApiError):
    """The server refused the request: nothing took effect. `status` is always there."""


class AccessError(RejectedError):
    """401 or 403: the key is wrong, or has no access to the project. `may_read`: a write was refused, no read."""

    exit_code = 4
    kind = "auth"

    def __init__(self, message: str, *, status: int | None = None, may_read: bool = False) -> None:
        super().__init__(message, status=status)
        self.may_read = may_read


class WithheldError(AccessError):
    """A write that was not sent, because the key or another write was refused before; `status` is that refusal's."""
