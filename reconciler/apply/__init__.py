"""Applying a Plan: sends its calls, reads back what they changed, and reports. It follows the plan's decisions."""

from reconciler.apply.context import ApplyOptions, Cancellation
from reconciler.apply.report import ApplyReport, FlagOutcome, OperationOutcome, Status
from reconciler.apply.run import apply_plan, refused_report

__all__ = [
    "ApplyOptions",
    "ApplyReport",
    "Cancellation",
    "FlagOutcome",
    "OperationOutcome",
    "Status",
    "apply_plan",
    "refused_report",
]
