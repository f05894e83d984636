"""Progress of work: the work counts its steps, and the command line displays them."""

from __future__ import annotations


class Progress:
    """`done` of `total` steps (None: not known) of `what`; `unit` is what its speed counts."""

    def __init__(
        self, what: str = "Reading", *, done: int = 0, total: int | None = None, unit: str = "calls"
    ) -> None:
        self.what = what
        self.done = done
        self.total = total
        self.unit = unit

    def start(self, what: str, total: int | None = None, *, unit: str = "calls") -> None:
        """Begin to count other work."""
        self.what, self.done, self.total, self.unit = what, 0, total, unit

    def expect(self, count: int) -> None:
        """So many steps more are known to follow; before the first call, all that is known is what is done."""
        self.total = (self.done if self.total is None else self.total) + count

    def advance(self, count: int = 1) -> None:
        """So many steps more are done."""
        self.done += count
