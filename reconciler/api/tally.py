"""How often a call was tried, for a caller who gives it up before it ends and so gets no answer that says it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tally(Struct):
    """`tries` counts what was handed to the network; `is_under_way`: one of them has no end yet."""

    tries: int = 0
    is_under_way: bool = False


_CURRENT: ContextVar[Tally | None] = ContextVar("reconciler_tally", default=None)


@contextmanager
def tallied() -> Iterator[Tally]:
    """Counts the tries of every call that is made within the block, and in tasks that it starts."""
    tally = Tally()
    token = _CURRENT.set(tally)
    try:
        yield tally
    finally:
        _CURRENT.reset(token)


@contextmanager
def one_try() -> Iterator[None]:
    """One try of a call. Abandoned by a cancellation, it stays under way for good: nobody knows how it ended."""
    tally = _CURRENT.get()
    if tally is None:
        yield
        return
    tally.tries += 1
    tally.is_under_way = True
    yield
    tally.is_under_way = False
