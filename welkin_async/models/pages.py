"""Page metadata: what answers state of their page, beside its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from welkin_async.wire.records import Record, decode_error, record, wire
from welkin_async.wire.request import Answer


@record
class Pageable(Record):
    """The ``pageable`` object of a spring page: what was asked for.

    Attributes:
        sort: Object {sorted, unsorted, empty}.
    """

    sort: Mapping[str, Any] | None = wire("sort")
    page_number: int | None = wire("pageNumber")
    page_size: int | None = wire("pageSize")
    offset: int | None = wire("offset")
    paged: bool | None = wire("paged")
    unpaged: bool | None = wire("unpaged")


@record
class SpringPage(Record):
    """A spring page: at the top of an answer, or inside its ``data``. An empty result has no pages and is the last.

    Attributes:
        content: The records, not decoded.
        number: From 0, the same as ``pageable.page_number``.
        sort: Object {sorted, unsorted, empty}.
        size: The same as ``pageable.page_size``.
    """

    content: tuple[Mapping[str, Any], ...] | None = wire("content")
    pageable: Pageable | None = wire("pageable")
    last: bool | None = wire("last")
    total_elements: int | None = wire("totalElements")
    total_pages: int | None = wire("totalPages")
    first: bool | None = wire("first")
    number: int | None = wire("number")
    sort: Mapping[str, Any] | None = wire("sort")
    number_of_elements: int | None = wire("numberOfElements")
    size: int | None = wire("size")
    empty: bool | None = wire("empty")


@record
class MetaInfo(Record):
    """The ``metaInfo`` object beside ``data``.

    Attributes:
        page: From 0.
    """

    page: int | None = wire("page")
    page_size: int | None = wire("pageSize")
    total_elements: int | None = wire("totalElements")
    number_of_elements: int | None = wire("numberOfElements")
    last_page: bool | None = wire("lastPage")
    first_page: bool | None = wire("firstPage")
    total_pages: int | None = wire("totalPages")


@record
class TokenMeta(Record):
    """The ``meta`` object of a page of chat, or of one hit of a search in it. The tokens are opaque.

    Attributes:
        next_page_token: Null on the last page.
        page_size: Absent in a search hit.
        found: Absent in a search hit.
    """

    next_page_token: str | None = wire("nextPageToken")
    prev_page_token: str | None = wire("prevPageToken")
    page_size: int | None = wire("pageSize")
    found: bool | None = wire("found")


@record
class ExportCursor(Record):
    """The ``cursor`` object of a page of an export (from two other clients, not recorded).

    Attributes:
        end: Where the next page starts.
        has_next: A server of 2022 said false too early.
    """

    start: str | None = wire("start")
    end: str | None = wire("end")
    has_next: bool | None = wire("hasNext")
    page_size: int | None = wire("pageSize")


_BESIDE: tuple[tuple[str, type[MetaInfo] | type[TokenMeta] | type[ExportCursor]], ...] = (
    ("metaInfo", MetaInfo),
    ("meta", TokenMeta),
    ("cursor", ExportCursor),
)


def meta_of(answer: Answer) -> SpringPage | MetaInfo | TokenMeta | ExportCursor:
    """Return what a paged answer states of its page.

    Args:
        answer: The answer.

    Raises:
        DecodeError: it states nothing of a documented form.
    """
    data = answer.data
    if isinstance(data, dict):
        for key, kind in _BESIDE:
            if isinstance(data.get(key), dict):
                return kind.from_wire(data[key], answer)
        for page in (data, data.get("data")):
            if isinstance(page, dict) and "content" in page:
                return SpringPage.from_wire(page, answer)
    raise decode_error("the answer states nothing of its page", answer)
