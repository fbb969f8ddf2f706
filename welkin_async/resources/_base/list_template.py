"""List template: one list of many parents, such as the records of each patient, with all that they share put together.

A run that lists every patient once asks mostly for single pages. What is the same in all of these requests is made
once; a page that is the only one goes straight from the answer to its records, and where others follow they are walked
as any list is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from yarl import URL

from welkin_async.pagination.iterators import NumberedPages, feed_page, read_page
from welkin_async.pagination.styles import Walk
from welkin_async.resources._base.arguments import split_query
from welkin_async.resources._base.paths import Listing
from welkin_async.resources._base.scope import Key, Scope
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.records import Record, records_of
from welkin_async.wire.request import Answer, Request, encode_query, encode_segment
from welkin_async.wire.tracebacks import drop_frames

R = TypeVar("R", bound=Record)


class FirstPage(NamedTuple, Generic[R]):
    """The first page of a list.

    Attributes:
        items: Its records.
        total: How many records the server says there are; None where it does not say.
        answer: The answer it came in.
        exchange: Where that came from; None where the engine does not say.
        following: The pages after it; None where it is the last.
    """

    items: tuple[R, ...]
    total: int | None
    answer: Answer
    exchange: Exchange | None
    following: NumberedPages[R] | None


class ListTemplate(Generic[R]):
    """List template: lists the records of one parent after another.

    Args:
        scope: Where the parents are, their own parameter left open.
        record: The class of the records.
        listing: The operation.
        parameter: The path parameter that names the parent.
        query: The typed query by Python name, options among it; without page and size.

    Raises:
        InvalidInputError: the query cannot be sent, or a path parameter is missing.
    """

    def __init__(
        self, scope: Scope, record: type[R], listing: Listing, parameter: str, query: Mapping[str, Any]
    ) -> None:
        wire, options = split_query(query, listing.query)
        operation = listing.operation
        self._model = model = scope.request(operation, query=wire, options=options, **{parameter: "parent"})
        # Braces are in no encoded parameter, so that they mark the parent's place.
        before, _, self._after = operation.path({**scope.params, parameter: "{}"}).partition("{}")
        self._scheme, self._authority = model.url.scheme, model.url.raw_authority
        self._before = scope.url(before).raw_path
        self._query = wire
        text = encode_query(wire)
        self._text = f"{text}&" if text else ""
        self._scope = scope
        self._record = record
        self._style = listing.style
        self._parameter = parameter

    async def first_page(self, parent: Key, size: int) -> FirstPage[R]:
        """Fetch the first page of a parent's list.

        Args:
            parent: The parent's id.
            size: Records per page.

        Raises:
            InvalidInputError: no path can name the parent.
            RequestError: the page could not be had.
            PagingError: the server contradicts itself; see `pagination.styles`.
        """
        try:
            segment = encode_segment(parent, self._parameter)
            request = self._request(segment, size, 0)
            answer = await self._scope.sender().send(request)
            stated = read_page(self._style, answer)
            following = None
            if not stated.last or stated.number:  # else it is the only page, of which nothing else is to be judged
                walk = Walk()
                following = self._following(segment, size, walk) if feed_page(walk, stated, answer) else None
            items = records_of(self._record, stated.items, answer) if stated.items else ()
        except BaseException as error:
            drop_frames(error)
            raise
        return FirstPage(items, stated.total_elements, answer, request.exchange, following)

    def _following(self, segment: str, size: int, walk: Walk) -> NumberedPages[R]:
        """Return the pages that a walk has not come to yet."""

        async def fetch(number: int, _: int | None) -> Answer:
            return await self._scope.sender().send(self._request(segment, size, number))

        return NumberedPages(fetch, self._style, self._record, walk, 1, None, set())

    def _request(self, segment: str, size: int, number: int) -> Request:
        """Put together the request for a page."""
        model = self._model
        url = URL.build(
            scheme=self._scheme,
            authority=self._authority,
            path=f"{self._before}{segment}{self._after}",
            query_string=f"{self._text}size={size}&page={number}",
            encoded=True,
        )
        return Request(
            model.operation,
            url,
            None,
            model.timeout,
            model.max_attempts,
            model.max_wait,
            {**model.asked, self._parameter: segment},
            query={**self._query, "size": size, "page": number},
            sure=model.sure,
            patience=model.patience,
        )
