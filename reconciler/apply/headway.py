"""How far a run is, told as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyEvent:
    """Progress: `done` of `total`, where each operation of the plan and each read-back of a flag is one.

    What is skipped counts as done. The reads that a read-back takes are added to `total` as soon as they are known.
    """

    done: int
    total: int
    what: str


class Headway:
    """Counts what has an outcome. What a flag turned out to need beyond its plan does not count."""

    def __init__(
        self, operations: Mapping[str, int], *, verify: bool, on_event: Callable[[ApplyEvent], None] | None
    ) -> None:
        self._operations = operations
        self._read_backs = 1 if verify else 0
        self._reached = dict.fromkeys(operations, 0)
        self._done = 0
        self._total = sum(operations.values()) + self._read_backs * len(operations)
        self._on_event = on_event or (lambda _: None)

    def ended(self, key: str, operations: int) -> None:
        """So many operations of a flag have an outcome."""
        self._reach(key, min(operations, self._operations[key]), "Applying")

    def left(self, key: str) -> None:
        """Nothing more of a flag is sent."""
        self._reach(key, self._operations[key], "Applying")

    def read_back(self, key: str) -> None:
        """A flag needs no further look."""
        self._reach(key, self._operations[key] + self._read_backs, "Reading back")

    def expect(self, reads: int) -> None:
        """Reading back takes so many reads more."""
        self._total += reads

    def read(self) -> None:
        """One of the expected reads is done."""
        self._advance(1, "Reading back")

    def _reach(self, key: str, count: int, what: str) -> None:
        steps = count - self._reached[key]
        if steps > 0:
            self._reached[key] = count
            self._advance(steps, what)

    def _advance(self, steps: int, what: str) -> None:
        self._done += steps
        self._on_event(ApplyEvent(done=self._done, total=self._total, what=what))
