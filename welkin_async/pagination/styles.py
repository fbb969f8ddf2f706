"""Page styles: where each kind of answer keeps its records and its page's facts, and whether a walk goes on. Pure.

A walk ends only on what the server states. An empty or repeated page before that is a `PagingError`: taking it for the
end would lose records in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from welkin_async.errors import InvalidInputError, PagingError
from welkin_async.wire.codec import JSON


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


class _Spring:
    """``content`` with the page's facts beside it, at the top or inside ``data``."""

    def __init__(self, inside: str | None = None) -> None:
        self.inside = inside

    def read(self, data: Mapping[str, JSON]) -> Stated | None:
        """Take the answer apart; metadata move between recordings, so each key is looked up by name."""
        page = data if self.inside is None else data.get(self.inside)
        if not isinstance(page, dict):
            return None
        facts = page.get
        items = facts("content")
        if not isinstance(items, list):
            return None
        number, last, pages, total = facts("number"), facts("last"), facts("totalPages"), facts("totalElements")
        if type(number) is type(pages) is type(total) is int and type(last) is bool:  # as every page nearly always
            return Stated(items, number, last, pages, total)
        return Stated(items, _whole(number), _flag(last), _whole(pages), _whole(total))


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


class _Any:
    """Whichever of the numbered styles an answer is of: for operations whose answer no source shows."""

    def read(self, data: Mapping[str, JSON]) -> Stated | None:
        """Take the answer apart; a bare ``data`` array states nothing of its page."""
        for style in (SPRING, NESTED_SPRING, META_INFO):
            stated = style.read(data)
            if stated is not None:
                return stated
        items = data.get("data")
        return Stated(items, None, None, None, None) if isinstance(items, list) else None


SPRING: PageStyle = _Spring()
"""Patients, calendar events, assessment records, emails, sms."""

NESTED_SPRING: PageStyle = _Spring(inside="data")
"""CDT records and document summaries: the spring page one level down, beside ``name``."""

META_INFO: PageStyle = _MetaInfo()
"""Users, encounters, patient programs, goals, tasks, audits."""

ANY_STYLE: PageStyle = _Any()
"""Contacts and profiles, whose answers no source shows."""


class Walk:
    """Decides, page by page, whether there is another and whether the server contradicts itself.

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
        if not last or stated.items:
            _check(asked, stated.items, self._previous)
        self._previous = stated.items
        self.number = asked + 1
        return not last


class TokenWalk:
    """A walk by page tokens (chat): the first request names a page size, each later one the token alone.

    Args:
        query: The first request's query by wire name, with ``pageToken`` to read on from an earlier walk.
        beside_token: Parameters that may accompany a token; everything else is left out beside one.

    Raises:
        InvalidInputError: page size and token together, which the API refuses.
    """

    def __init__(self, query: Mapping[str, Any], beside_token: frozenset[str] = frozenset()) -> None:
        if query.get("pageToken") is not None and query.get("pageSize") is not None:
            raise InvalidInputError("a page token and a page size exclude each other", ("page_token",))
        self._kept = {name: value for name, value in query.items() if name in beside_token}
        self.cursor: str | None = query.get("pageToken")
        self.query: Mapping[str, Any] = query if self.cursor is None else self._with(self.cursor)
        self.number = 0
        self._previous: list[JSON] | None = None

    def _with(self, token: str) -> dict[str, Any]:
        return {**self._kept, "pageToken": token}

    def feed(self, data: Mapping[str, JSON]) -> tuple[list[JSON], bool] | None:
        """Take in an answer.

        Args:
            data: The answer, ``content`` with ``meta`` beside it.

        Returns:
            The page's records and whether there is another page, whose token is then in ``cursor``; None where the
            answer is not of this style.

        Raises:
            PagingError: the answer does not say whether it is the last, repeats a token or a page, or is empty before
                the end.
        """
        items, meta = data.get("content"), data.get("meta")
        if not isinstance(items, list) or not isinstance(meta, dict):
            return None
        token = meta.get("nextPageToken", "")
        if token is not None:
            if type(token) is not str or not token:
                raise PagingError(f"page {self.number} does not say whether it is the last")
            if token == self.cursor:
                raise PagingError(f"page {self.number} names itself as the next; the walk would never end")
            _check(self.number, items, self._previous)
            self.query = self._with(token)
        self.cursor, self._previous = token, items
        self.number += 1
        return items, token is not None


class CursorWalk:
    """A walk by cursor (exports): the next page starts where the cursor of the one before ends.

    Where a page starts seems to be inclusive, so a record that stood in the page before, equal in every key, is left
    out of the next one; a record that was changed meanwhile is not.

    Args:
        query: The first request's query by wire name: ``start`` and ``pageSize``.
    """

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.query: Mapping[str, Any] = query
        self.cursor: str | None = None
        self.number = 0
        self._previous: list[JSON] = []

    def feed(self, data: Mapping[str, JSON]) -> tuple[list[JSON], bool] | None:
        """Take in an answer.

        Args:
            data: The answer, ``data`` with ``cursor`` beside it.

        Returns:
            The page's records and whether there is another page; where it ends is then in ``cursor``. None where the
            answer is not of this style.

        Raises:
            PagingError: the answer does not say whether it is the last, its end does not move, or it is empty before
                the end.
        """
        items, cursor = data.get("data"), data.get("cursor")
        if not isinstance(items, list) or not isinstance(cursor, dict):
            return None
        more, end = _flag(cursor.get("hasNext")), cursor.get("end")
        if more is None:
            raise PagingError(f"page {self.number} does not say whether it is the last")
        if more:
            if not isinstance(end, str) or not end or end in (self.cursor, self.query.get("start")):
                raise PagingError(
                    f"the cursor of page {self.number} does not move; give a larger page_size if more records "
                    "than that share one moment"
                )
            _check(self.number, items, None)
            self.query = {**self.query, "start": end}
        fresh = _without(items, self._previous)
        self.cursor = end if isinstance(end, str) else self.cursor
        self._previous = items
        self.number += 1
        return fresh, more


def _check(number: int, items: list[JSON], previous: list[JSON] | None) -> None:
    """Refuse a page that cannot be what it says: empty or the same again, with more to come.

    Raises:
        PagingError: it is.
    """
    if not items:
        raise PagingError(f"page {number} is empty, and the server says it is not the last")
    if items == previous:
        raise PagingError(f"page {number} repeats page {number - 1}; records would be read twice and others lost")


def _without(items: list[JSON], previous: list[JSON]) -> list[JSON]:
    """Leave out what stood in the page before, equal in every key."""
    seen: dict[Any, JSON] = {item["id"]: item for item in previous if isinstance(item, dict) and _has_id(item)}
    return [item for item in items if not (isinstance(item, dict) and _has_id(item) and seen.get(item["id"]) == item)]


def _has_id(item: Mapping[str, JSON]) -> bool:
    return isinstance(item.get("id"), str)


def _whole(value: JSON) -> int | None:
    return value if type(value) is int else None


def _flag(value: JSON) -> bool | None:
    return value if type(value) is bool else None
