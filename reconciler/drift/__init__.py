"""What the live state differs in from the declaration, who changed it and when; a flag's history."""

from reconciler.drift.detect import detect_drift
from reconciler.drift.history import FlagHistory, HistoryEntry, history_entries
from reconciler.drift.memory import Memory, encode_memory, no_memory, recall, remember
from reconciler.drift.report import (
    AttributedChange,
    Attribution,
    Basis,
    DriftReport,
    FieldOfFlag,
    FlagDrift,
    Notice,
    Sweep,
)
from reconciler.drift.view import DriftOptions, keys_in_scope

__all__ = [
    "AttributedChange",
    "Attribution",
    "Basis",
    "DriftOptions",
    "DriftReport",
    "FieldOfFlag",
    "FlagDrift",
    "FlagHistory",
    "HistoryEntry",
    "Memory",
    "Notice",
    "Sweep",
    "detect_drift",
    "encode_memory",
    "history_entries",
    "keys_in_scope",
    "no_memory",
    "recall",
    "remember",
]
