"""Reads of several requests: a list page by page, with its end or endlessness detected; many calls in parallel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from reconciler.errors import InvalidResponseError, ResponseTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence


PAGE_SIZE = 1000
"""The most rows that a page holds ("List": limit, capped at 1000)."""

MOST_PAGES = 1000
"""Enough pages for a million rows; a longer list is taken as endless."""

MOST_WITHOUT_NEWS = 3
"""So many pages in a row may show nothing new before a list is given up.

A page of one row comes again whenever a row is added in front of it meanwhile; larger ones cannot all come again so.
"""


class Page(Protocol):
    """One page of any list. `ids` name its rows, those of other projects too; `next_cursor` is None at the end."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the rows, in their order."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins."""


AnyPage = TypeVar("AnyPage", bound=Page)


async def read_pages(
    name: str, read: Callable[[int, str | None], Awaitable[AnyPage | None]]
) -> AsyncIterator[AnyPage]:
    """Every page of a list, from the first; none, and no more, where `read` gives None.

    `read` takes the most rows of a page and the cursor. A page too large to be read is asked for in halves. Raises
    InvalidResponseError, which calls the list by `name`, where it repeats itself or does not end, and what `read`
    raises.
    """
    limit, cursor, seen = PAGE_SIZE, None, _Seen(name)
    for _ in range(MOST_PAGES):
        page, limit = await _read_in_halves(read, limit, cursor)
        if page is None:
            return
        yield page
        if page.next_cursor is None or not page.ids:
            return
        seen.add(page.ids, page.next_cursor)
        cursor = page.next_cursor
    raise InvalidResponseError(f"{name} does not end: {MOST_PAGES} pages were read.")


async def _read_in_halves(
    read: Callable[[int, str | None], Awaitable[AnyPage | None]], limit: int, cursor: str | None
) -> tuple[AnyPage | None, int]:
    while True:
        try:
            return await read(limit, cursor), limit
        except ResponseTooLargeError:
            if limit == 1:
                raise
            limit //= 2


class _Seen:
    """The rows, pages and cursors of a list so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids: set[str] = set()
        self._pages: set[frozenset[str]] = set()
        self._cursors: set[str] = set()
        self._without_news = 0

    def add(self, ids: tuple[str, ...], cursor: str) -> None:
        """Take in a page that is not the last. Raises InvalidResponseError where pages repeat."""
        page = frozenset(ids)
        is_news = not self._ids.issuperset(page)
        self._without_news = 0 if is_news else self._without_news + 1
        is_again = len(page) > 1 and page in self._pages
        if is_again or (not is_news and cursor in self._cursors) or self._without_news > MOST_WITHOUT_NEWS:
            raise InvalidResponseError(f"{self._name} goes in circles: a page came again with nothing new.")
        self._ids.update(page)
        self._pages.add(page)
        self._cursors.add(cursor)


Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_bounded(
    call: Callable[[Item], Awaitable[Result]], items: Sequence[Item], *, limit: int
) -> list[Result]:
    """The result for each item, in the items' order, with at most `limit` calls in flight.

    The first call that raises cancels the others, and its exception is raised as it is.
    """
    results: dict[int, Result] = {}
    queue = iter(enumerate(items))

    async def work() -> None:
        for index, item in queue:
            results[index] = await call(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[index] for index in range(len(items))]
