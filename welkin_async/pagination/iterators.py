"""Page and item iterators of a pager: in order, prefetching where asked for, and leaving no task behind.

They are classes, not async generators: a generator that is left by a plain ``break`` ends only when the event loop
finalises it, turns later, and may not hold tasks across a ``yield`` in between (PEP 789). A class drops its requests
the moment it is dropped itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import attrs

from welkin_async.errors import DecodeError, PagingError
from welkin_async.pagination.page import Page
from welkin_async.pagination.styles import CursorWalk, PageStyle, Stated, TokenWalk, Walk
from welkin_async.wire.codec import JSON
from welkin_async.wire.records import Record, decode_error, records_of
from welkin_async.wire.request import Answer
from welkin_async.wire.tracebacks import drop_frames, without_frames

R = TypeVar("R", bound=Record)
T = TypeVar("T")

FetchNumbered = Callable[[int, int | None], Awaitable[Answer]]
"""Asks for a page by number and size (None for the query's own)."""

FetchFollowed = Callable[[Mapping[str, Any]], Awaitable[Answer]]
"""Asks for a page by its whole query."""


class Pages(Generic[R]):
    """The pages of one walk, in order: an async iterator with `aclose`.

    Args:
        limit: How many records at most, the last page cut short; None for all.
    """

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self._busy = False
        self._over = False

    def __aiter__(self) -> AsyncIterator[Page[R]]:
        return self

    async def __anext__(self) -> Page[R]:
        """Return the next page.

        Raises:
            RequestError: the page could not be had.
            PagingError: the server contradicts itself; see `pagination.styles`.
            RuntimeError: another task is waiting for a page of this walk.
        """
        if self._busy:
            raise RuntimeError("another task is reading this walk; walk twice, or hand the records on")
        if self._over or self._left == 0:
            raise StopAsyncIteration
        self._busy = True
        try:
            page = self._cut(await self._next())
        except BaseException as error:
            drop_frames(error)
            self._finish()
            raise
        finally:
            self._busy = False
        if page.last or self._left == 0:
            self._finish()
        return page

    @without_frames
    async def first(self) -> Page[R]:
        """Return the first page of a walk that goes no further."""
        self._over = True
        return self._cut(await self._next())

    async def aclose(self) -> None:
        """End the walk; requests that are out are cancelled and awaited."""
        tasks = self._finish()
        if tasks:
            await asyncio.wait(tasks)

    def __del__(self) -> None:
        self._drop()

    async def _next(self) -> Page[R]:
        """Fetch the next page; called only while there is one."""
        raise NotImplementedError

    def _drop(self) -> set[asyncio.Task[Any]]:
        """Cancel what was requested ahead, and return it."""
        return set()

    def _began(self) -> str | None:
        """Return where the page that was fetched last began."""
        return None

    def _finish(self) -> set[asyncio.Task[Any]]:
        self._over = True
        return self._drop()

    def _cut(self, page: Page[R]) -> Page[R]:
        """Keep to the limit."""
        if self._left is None:
            return page
        if len(page.items) > self._left:
            page = attrs.evolve(page, items=page.items[: self._left], cursor=self._began())
        self._left -= len(page.items)
        return page


class NumberedPages(Pages[R]):
    """Pages by number, up to ``prefetch`` of them requested at once.

    Only pages that the server has said exist are requested ahead, and no more than ``limit`` asks for. They are handed
    out in order, and what is decided about each is decided in order.

    Args:
        fetch: Asks for a page.
        style: Where an answer keeps its records.
        record: The records' class.
        walk: Decides which page is next.
        prefetch: How many pages may be requested, or held unread, at once; 1 asks for one after the other.
        limit: How many records at most; None for all.
        out: Where the tasks of requests that are out are kept while they are.
    """

    _ahead: deque[asyncio.Task[Answer | Exception]] | None = None

    def __init__(
        self,
        fetch: FetchNumbered,
        style: PageStyle,
        record: type[R],
        walk: Walk,
        prefetch: int,
        limit: int | None,
        out: set[asyncio.Task[Any]],
    ) -> None:
        super().__init__(limit)
        self._fetch = fetch
        self._style = style
        self._record = record
        self._walk = walk
        self._prefetch = prefetch
        self._out = out
        self._end = 0  # pages the server has said there are
        self._largest = 1  # records on a page
        self._ahead = deque()

    async def _next(self) -> Page[R]:
        number = self._walk.number
        self._look_ahead(number)
        if self._ahead:
            found = await self._ahead.popleft()
            if isinstance(found, Exception):
                raise found
        else:
            found = await self._fetch(number, None)
        page = next_page(self._style, self._record, self._walk, found)
        self._end = page.total_pages or 0
        self._largest = max(self._largest, len(page.items))
        return page

    def _look_ahead(self, number: int) -> None:
        """Request the pages from this one on that there is room for."""
        ahead = self._ahead
        if ahead is None or self._prefetch < 2:
            return
        end = self._end
        if self._left is not None:
            end = min(end, number + -(-self._left // self._largest))
        for following in range(number + len(ahead), min(end, number + self._prefetch)):
            task = asyncio.create_task(_outcome(self._fetch, following))
            ahead.append(task)
            self._out.add(task)
            task.add_done_callback(self._out.discard)

    def _drop(self) -> set[asyncio.Task[Any]]:
        if not self._ahead:
            return set()
        tasks = set(self._ahead)
        self._ahead.clear()
        loop = next(iter(tasks)).get_loop()
        if loop.is_closed():
            return set()
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        for task in tasks:
            if here:
                task.cancel()
            else:  # collected in another thread, or between two runs of the loop
                loop.call_soon_threadsafe(task.cancel)
        return tasks


async def _outcome(fetch: FetchNumbered, number: int) -> Answer | Exception:
    """Fetch a page for later: an error is kept for when its page's turn comes, or dropped with it.

    A function, not a method: the task must not keep the walk alive.
    """
    try:
        return await fetch(number, None)
    except Exception as error:
        return error


class FollowedPages(Pages[R]):
    """Pages that each name the next: by token or by cursor.

    Args:
        fetch: Asks for a page.
        walk: Decides what to ask for.
        record: The records' class.
        limit: How many records at most; None for all.
    """

    def __init__(self, fetch: FetchFollowed, walk: TokenWalk | CursorWalk, record: type[R], limit: int | None) -> None:
        super().__init__(limit)
        self._fetch = fetch
        self._walk = walk
        self._record = record
        self._from: str | None = None

    async def _next(self) -> Page[R]:
        walk = self._walk
        self._from, number = walk.cursor, walk.number
        answer = await self._fetch(walk.query)
        fed = _fed(answer, walk)
        if fed is None:
            raise _no_page(answer)
        items, more = fed
        return Page(records_of(self._record, items, answer), number, None, None, not more, answer, walk.cursor)

    def _began(self) -> str | None:
        return self._from


class Items(Generic[R]):
    """The records of one walk: an async iterator with `aclose`.

    Args:
        pages: The pages they stand on.
    """

    def __init__(self, pages: Pages[R]) -> None:
        self._pages = pages
        self._page: Iterator[R] = iter(())

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        """Return the next record; raises what `Pages` does."""
        while True:
            for item in self._page:
                return item
            self._page = iter((await self._pages.__anext__()).items)

    async def aclose(self) -> None:
        """End the walk; requests that are out are cancelled and awaited."""
        self._page = iter(())
        await self._pages.aclose()


def next_page(style: PageStyle, record: type[R], walk: Walk, answer: Answer) -> Page[R]:
    """Take the answer apart that has the next page of a walk.

    Args:
        style: Where it should keep its records.
        record: Their class.
        walk: The walk, which takes the page in.
        answer: The answer.

    Raises:
        DecodeError: it is not a page of that style, or a record is not an object.
        PagingError: the server contradicts itself; see `Walk.feed`.
    """
    number, stated = walk.number, read_page(style, answer)
    more = feed_page(walk, stated, answer)
    items = records_of(record, stated.items, answer) if stated.items else ()
    return Page(items, number, stated.total_elements, stated.total_pages, not more, answer)


def feed_page(walk: Walk, stated: Stated, answer: Answer) -> bool:
    """Let a walk take in its next page, and tell whether there is another.

    Args:
        walk: The walk.
        stated: What the answer states.
        answer: The answer, whose operation is named where the server contradicts itself.

    Raises:
        PagingError: it does; see `Walk.feed`.
    """
    try:
        return walk.feed(stated)
    except PagingError as error:
        reason = str(error)
    raise _of_operation(answer, reason)


def read_page(style: PageStyle, answer: Answer) -> Stated:
    """Take an answer apart.

    Args:
        style: Where it should keep its records.
        answer: The answer.

    Raises:
        DecodeError: it is not a page of that style.
    """
    stated = style.read(answer.data)
    if stated is None:
        raise _no_page(answer)
    return stated


def _no_page(answer: Answer) -> DecodeError:
    return decode_error("the answer is not a page of the documented form", answer)


def _fed(answer: Answer, walk: TokenWalk | CursorWalk) -> tuple[list[JSON], bool] | None:
    """Let a walk judge an answer; where it refuses, name the operation."""
    try:
        return walk.feed(answer.data)
    except PagingError as error:
        reason = str(error)
    raise _of_operation(answer, reason)


def _of_operation(answer: Answer, reason: str) -> PagingError:
    """Name the operation in which a server contradicts itself."""
    return PagingError(f"{answer.request.method} {answer.request.template}: {reason}")
