"""Walking over pages: a pager is awaitable (its first page), async-iterable (its items), and has pages.

A walk ends only on what the server states. An empty or repeated page before that is a `PagingError`: taking it for the
end would lose records in silence. `Walk` decides, without I/O; `Pager` fetches.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import attrs

from welkin_async.codec import JSON
from welkin_async.errors import PagingError
from welkin_async.record import Record, decode_error, iter_records
from welkin_async.request import Answer

__all__ = ["META_INFO", "NESTED_SPRING", "SPRING", "Page", "PageStyle", "Pager", "Stated", "Walk"]

R = TypeVar("R", bound=Record)


class Stated(NamedTuple):
    """What an answer states about its page.

    Attributes:
        items: The records, still JSON.
        number: The page's number, from 0; None where it is not stated.
        last: Whether it is the last page; None where it is not stated.
        total_pages: How many pages there are; None where it is not stated.
        total_elements: How many records there are; None where it is not stated.
    """

    items: list[JSON]
    number: int | None
    last: bool | None
    total_pages: int | None
    total_elements: int | None


class PageStyle(Protocol):
    """Where an answer keeps its records and what it says of its page."""

    def read(self, data: Mapping[str, JSON]) -> Stated | None:
        """Take an answer apart; None where it is not of this style."""
        ...


@attrs.frozen
class _Spring:
    """``content`` with the page's facts beside it, at the top or inside ``data``."""

    inside: str | None = None

    def read(self, data: Mapping[str, JSON]) -> Stated | None:
        """Take the answer apart; metadata move between recordings, so each key is looked up by name."""
        page = data if self.inside is None else data.get(self.inside)
        if not isinstance(page, dict) or not isinstance(page.get("content"), list):
            return None
        return Stated(
            page["content"],
            _whole(page.get("number")),
            _flag(page.get("last")),
            _whole(page.get("totalPages")),
            _whole(page.get("totalElements")),
        )


@attrs.frozen
class _MetaInfo:
    """``data`` with ``metaInfo`` beside it."""

    def read(self, data: Mapping[str, JSON]) -> Stated | None:
        """Take the answer apart."""
        items, meta = data.get("data"), data.get("metaInfo")
        if not isinstance(items, list) or not isinstance(meta, dict):
            return None
        return Stated(
            items,
            _whole(meta.get("page")),
            _flag(meta.get("lastPage")),
            _whole(meta.get("totalPages")),
            _whole(meta.get("totalElements")),
        )


SPRING: PageStyle = _Spring()
"""Patients, calendar events, assessment records, emails, sms."""

NESTED_SPRING: PageStyle = _Spring(inside="data")
"""CDT records and document summaries: the spring page one level down, beside ``name``."""

META_INFO: PageStyle = _MetaInfo()
"""Users, encounters, patient programs, goals, tasks, audits."""


class Walk:
    """Decides, page by page, whether there is another and whether the server contradicts itself. Pure.

    Args:
        number: The first page's number.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._previous: list[JSON] | None = None

    def feed(self, stated: Stated) -> bool:
        """Take in the page that was asked for.

        Args:
            stated: What the answer states.

        Returns:
            Whether there is a next page, whose number is then in ``number``.

        Raises:
            PagingError: the answer is another page than was asked for, repeats the one before, is empty before the
                end, or does not say whether it is the last.
        """
        asked = self.number
        if stated.number is not None and stated.number != asked:
            raise PagingError(f"asked for page {asked}, the server answered with page {stated.number}")
        last = stated.last
        if last is None and stated.total_pages is not None:
            last = asked + 1 >= stated.total_pages
        if last is None:
            raise PagingError(f"page {asked} does not say whether it is the last")
        if stated.total_pages is not None and asked + 1 >= stated.total_pages:
            last = True
        if not last:
            if not stated.items:
                raise PagingError(f"page {asked} is empty, and the server says it is not the last")
            if stated.items == self._previous:
                raise PagingError(f"page {asked} repeats page {asked - 1}; records would be read twice and others lost")
        self._previous = stated.items
        self.number = asked + 1
        return not last


@attrs.frozen(repr=False)
class Page(Generic[R]):
    """One page of a list.

    Attributes:
        items: The records.
        number: The page's number, from 0.
        total_elements: How many records the server says there are, or None where it does not say.
        total_pages: How many pages the server says there are, or None.
        last: Whether it is the last.
        answer: Status, headers and raw data of the answer.
    """

    items: tuple[R, ...]
    number: int
    total_elements: int | None
    total_pages: int | None
    last: bool
    answer: Answer

    def __repr__(self) -> str:
        """Show counts alone."""
        return f"<Page {self.number} with {len(self.items)} items>"


class Pager(Generic[R]):
    """A list of records, fetched a page at a time as it is read.

    ``await pager`` gives the first page, ``async for item in pager`` every record, ``pager.pages()`` every page, and
    ``await pager.total()`` asks for the count. Each walk starts anew. Page-number paging may shift when records are
    written meanwhile: give a ``sort`` where that matters.

    Args:
        fetch: Asks for a page by number and size (None for the query's own) and returns its answer.
        style: Where the answer keeps its records.
        record: The records' class.
        first: The number of the page to begin with.
    """

    def __init__(
        self,
        fetch: Callable[[int, int | None], Awaitable[Answer]],
        style: PageStyle,
        record: type[R],
        first: int = 0,
    ) -> None:
        self._fetch = fetch
        self._style = style
        self._record = record
        self._first = first

    def __await__(self) -> Generator[Any, None, Page[R]]:
        """Fetch the first page."""
        return self._first_page().__await__()

    async def __aiter__(self) -> AsyncIterator[R]:
        """Yield every record, fetching as needed.

        Raises:
            RequestError: a page could not be had.
            PagingError: the server contradicts itself; see `Walk.feed`.
        """
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[R]]:
        """Yield every page, the last included, even where it is empty.

        Raises:
            RequestError: a page could not be had.
            PagingError: the server contradicts itself; see `Walk.feed`.
        """
        walk = Walk(self._first)
        more = True
        while more:
            number = walk.number
            answer = await self._fetch(number, None)
            stated = self._read(answer)
            more = walk.feed(stated)
            yield self._page(number, stated, not more, answer)

    async def total(self) -> int:
        """Ask how many records there are, with a page of one.

        Raises:
            RequestError: the page could not be had.
            PagingError: the server does not say.
        """
        stated = self._read(await self._fetch(0, 1))
        if stated.total_elements is None:
            raise PagingError("the server does not say how many records there are")
        return stated.total_elements

    async def _first_page(self) -> Page[R]:
        answer = await self._fetch(self._first, None)
        stated = self._read(answer)
        more = Walk(self._first).feed(stated)
        return self._page(self._first, stated, not more, answer)

    def _read(self, answer: Answer) -> Stated:
        stated = self._style.read(answer.data)
        if stated is None:
            raise decode_error("the answer is not a page of the documented form", answer)
        return stated

    def _page(self, number: int, stated: Stated, last: bool, answer: Answer) -> Page[R]:
        items = tuple(iter_records(self._record, stated.items, answer))
        return Page(items, number, stated.total_elements, stated.total_pages, last, answer)


def _whole(value: JSON) -> int | None:
    return value if type(value) is int else None


def _flag(value: JSON) -> bool | None:
    return value if type(value) is bool else None
