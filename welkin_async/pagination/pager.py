"""Pagers: a list is awaitable (its first page), async-iterable (its items), and has pages.

::

    async for patient in welkin.patients.list(sort="createdAt,asc"): ...            # every record
    async for patient in welkin.patients.list(prefetch=8, limit=1000): ...          # 8 pages at once, 1000 records
    async for page in welkin.patients.list().pages(): ...                           # page.items, page.total_elements
    first = await welkin.patients.list(size=50)                                     # one page
    count = await welkin.patients.list().total()

A walk that is left early leaves nothing running: ``break`` is enough, and ``async with contextlib.aclosing(pager)``
also waits for what is cancelled.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from welkin_async.errors import InvalidInputError, PagingError
from welkin_async.pagination.page import Page
from welkin_async.pagination.styles import (
    ANY_STYLE,
    META_INFO,
    NESTED_SPRING,
    SPRING,
    CursorWalk,
    PageStyle,
    Stated,
    TokenWalk,
    Walk,
)
from welkin_async.wire.records import Record
from welkin_async.wire.tracebacks import without_frames

if TYPE_CHECKING:
    from welkin_async.pagination.iterators import (
        FetchFollowed,
        FetchNumbered,
        FollowedPages,
        Items,
        NumberedPages,
        Pages,
    )

__all__ = [
    "ANY_STYLE",
    "META_INFO",
    "NESTED_SPRING",
    "SPRING",
    "CursorPager",
    "Page",
    "PageStyle",
    "Pager",
    "Stated",
    "TokenPager",
    "Walk",
]

R = TypeVar("R", bound=Record)


class _Walkable(Generic[R]):
    """What every list can do: give its first page, its pages and its items. Each walk starts anew."""

    def __init__(self, limit: int | None) -> None:
        if limit is not None and limit < 0:
            raise InvalidInputError("a number of records, 0 or more, or None for all", ("limit",))
        self._limit = limit
        self._walks: weakref.WeakSet[Pages[R]] = weakref.WeakSet()
        self._out: set[asyncio.Task[Any]] = set()

    def _begin(self) -> Pages[R]:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Page[R]]:
        """Fetch the first page."""
        return self._begin().first().__await__()

    def __aiter__(self) -> Items[R]:
        """Walk over every record, fetching as needed.

        Raises:
            RequestError: a page could not be had.
            PagingError: the server contradicts itself; see `pagination.styles`.
        """
        from welkin_async.pagination.iterators import Items

        return Items(self.pages())

    def pages(self) -> Pages[R]:
        """Walk over every page, the last included, even where it is empty.

        Raises:
            RequestError: a page could not be had.
            PagingError: the server contradicts itself; see `pagination.styles`.
        """
        walk = self._begin()
        self._walks.add(walk)
        return walk

    async def aclose(self) -> None:
        """End every walk over this list; requests that are out are cancelled and awaited."""
        for walk in list(self._walks):
            await walk.aclose()
        while self._out:  # of walks that were dropped a moment ago
            await asyncio.wait(self._out)


class Pager(_Walkable[R]):
    """A list of records in numbered pages, fetched as it is read.

    ``await pager`` gives the first page, ``async for item in pager`` every record, ``pager.pages()`` every page, and
    ``await pager.total()`` asks for the count. Page-number paging may shift when records are written meanwhile: give a
    ``sort`` where that matters.

    Args:
        fetch: Asks for a page by number and size (None for the query's own) and returns its answer.
        style: Where the answer keeps its records.
        record: The records' class.
        first: The number of the page to begin with.
        prefetch: How many pages may be requested, or held unread, at once.
        limit: How many records at most; None for all.

    Raises:
        InvalidInputError: ``prefetch`` is below 1, or ``limit`` below 0.
    """

    def __init__(
        self,
        fetch: FetchNumbered,
        style: PageStyle,
        record: type[R],
        first: int = 0,
        *,
        prefetch: int = 1,
        limit: int | None = None,
    ) -> None:
        super().__init__(limit)
        if prefetch < 1:
            raise InvalidInputError("a number of pages, 1 or more", ("prefetch",))
        self._fetch = fetch
        self._style = style
        self._record = record
        self._first = first
        self._prefetch = prefetch

    def _begin(self) -> NumberedPages[R]:
        from welkin_async.pagination.iterators import NumberedPages

        return NumberedPages(
            self._fetch, self._style, self._record, Walk(self._first), self._prefetch, self._limit, self._out
        )

    @without_frames
    async def total(self) -> int:
        """Ask how many records there are, with a page of one; ``limit`` does not count.

        Raises:
            RequestError: the page could not be had.
            PagingError: the server does not say.
        """
        from welkin_async.pagination.iterators import read_page

        stated = read_page(self._style, await self._fetch(0, 1))
        if stated.total_elements is None:
            raise PagingError("the server does not say how many records there are")
        return stated.total_elements


class TokenPager(_Walkable[R]):
    """A list whose pages each hold the token of the next: chat.

    ``await pager`` gives the first page, ``async for item in pager`` every record, ``pager.pages()`` every page. There
    is no total. ``page.cursor`` is the token to read on from.

    Args:
        fetch: Asks for a page by its whole query.
        record: The records' class.
        query: The first request's query by wire name.
        beside_token: Parameters that may accompany a token.
        limit: How many records at most; None for all.

    Raises:
        InvalidInputError: page size and token together, or ``limit`` is below 0.
    """

    def __init__(
        self,
        fetch: FetchFollowed,
        record: type[R],
        query: Mapping[str, Any],
        *,
        beside_token: frozenset[str] = frozenset(),
        limit: int | None = None,
    ) -> None:
        super().__init__(limit)
        TokenWalk(query, beside_token)  # refuses a query that cannot be sent before anything is
        self._fetch = fetch
        self._record = record
        self._query = query
        self._beside = beside_token

    def _begin(self) -> FollowedPages[R]:
        from welkin_async.pagination.iterators import FollowedPages

        return FollowedPages(self._fetch, TokenWalk(self._query, self._beside), self._record, self._limit)


class CursorPager(_Walkable[R]):
    """A list read from a cursor on: exports.

    ``await pager`` gives the first page, ``async for item in pager`` every record, ``pager.pages()`` every page. There
    is no total. ``page.cursor`` is where to read on after a page, in this run or a later one: of the last page too.

    Args:
        fetch: Asks for a page by its whole query.
        record: The records' class.
        query: The first request's query by wire name.
        limit: How many records at most; None for all.

    Raises:
        InvalidInputError: ``limit`` is below 0.
    """

    def __init__(
        self, fetch: FetchFollowed, record: type[R], query: Mapping[str, Any], *, limit: int | None = None
    ) -> None:
        super().__init__(limit)
        self._fetch = fetch
        self._record = record
        self._query = query

    def _begin(self) -> FollowedPages[R]:
        from welkin_async.pagination.iterators import FollowedPages

        return FollowedPages(self._fetch, CursorWalk(self._query), self._record, self._limit)
