"""How a message finds its way past what is shown on the terminal meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shown(Protocol):
    """What may stand in a message's way: it goes, and comes back."""

    def hide(self) -> None:
        """Leave the terminal."""

    def show(self) -> None:
        """Come back."""


shown: list[Shown] = []
"""What stands on the terminal now; the last is in front."""


@contextmanager
def aside() -> Iterator[None]:
    """The terminal is clear while the block writes to it."""
    if not shown:
        yield
        return
    front = shown[-1]
    front.hide()
    try:
        yield
    finally:
        front.show()
