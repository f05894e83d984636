"""Making a Plan true: walks it, reads back what it touched, and reports. It decides nothing that the plan did not."""

from reconciler.apply.report import ApplyReport, FlagOutcome, OperationOutcome, Status
from reconciler.apply.run import ApplyEvent, ApplyOptions, apply_plan

__all__ = [
    "ApplyEvent",
    "ApplyOptions",
    "ApplyReport",
    "FlagOutcome",
    "OperationOutcome",
    "Status",
    "apply_plan",
]
