"""How far a run is: each operation of the plan and each read-back of a flag is one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApplyProgress:
    """Counts what has an outcome; what is skipped has one. What a flag needs beyond its plan does not count."""

    def __init__(self, operations: Mapping[str, int], *, verify: bool, progress: Progress | None) -> None:
        self._operations = operations
        self._read_backs = 1 if verify else 0
        self._reached = dict.fromkeys(operations, 0)
        self._progress = progress or Progress()
        self._progress.start("Applying", sum(operations.values()) + self._read_backs * len(operations))

    def operations_ended(self, key: str, operations: int) -> None:
        """So many operations of a flag have an outcome."""
        self._reach(key, min(operations, self._operations[key]), "Applying")

    def flag_ended(self, key: str) -> None:
        """Nothing more of a flag is sent."""
        self._reach(key, self._operations[key], "Applying")

    def read_back(self, key: str) -> None:
        """A flag needs no further look."""
        self._reach(key, self._operations[key] + self._read_backs, "Reading back")

    def reads(self) -> Progress:
        """Where the reads of a read-back are counted."""
        self._progress.what = "Reading back"
        return self._progress

    def _reach(self, key: str, count: int, what: str) -> None:
        steps = count - self._reached[key]
        if steps > 0:
            self._reached[key] = count
            self._progress.what = what
            self._progress.advance(steps)
