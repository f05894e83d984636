"""Making a Plan true: walks it, reads back what it touched, and reports. It decides nothing that the plan did not."""

from reconciler.apply.context import ApplyOptions, Cancellation
from reconciler.apply.report import ApplyReport, FlagOutcome, OperationOutcome, Status
from reconciler.apply.run import apply_plan

__all__ = [
    "ApplyOptions",
    "ApplyReport",
    "Cancellation",
    "FlagOutcome",
    "OperationOutcome",
    "Status",
    "apply_plan",
]
