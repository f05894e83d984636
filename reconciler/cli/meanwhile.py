"""Two things at once: what another program is asked costs nothing while files are read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@contextmanager
def meanwhile(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Start some work in a thread of its own; the block is given what waits for its result, or raises its error.

    The work must end by itself: an error in the block waits for it too.
    """
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result
