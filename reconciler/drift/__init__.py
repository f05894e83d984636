"""What the live state differs in from the declaration, who changed it and when; a flag's history."""

from reconciler.drift.detect import detect_drift
from reconciler.drift.edits import Edit
from reconciler.drift.history import FlagHistory, HistoryEntry, history_entries
from reconciler.drift.report import (
    AttributedChange,
    Attribution,
    Basis,
    Cause,
    DriftReport,
    FieldOfFlag,
    FlagDrift,
    Notification,
    Sweep,
)
from reconciler.drift.state import DriftState, empty_state, encode_state, load_state, updated_state
from reconciler.drift.view import DriftOptions, keys_in_scope

__all__ = [
    "AttributedChange",
    "Attribution",
    "Basis",
    "Cause",
    "DriftOptions",
    "DriftReport",
    "DriftState",
    "Edit",
    "FieldOfFlag",
    "FlagDrift",
    "FlagHistory",
    "HistoryEntry",
    "Notification",
    "Sweep",
    "detect_drift",
    "empty_state",
    "encode_state",
    "history_entries",
    "keys_in_scope",
    "load_state",
    "updated_state",
]
