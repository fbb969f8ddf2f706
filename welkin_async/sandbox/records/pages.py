"""Page envelopes and the `page`, `size` and `sort` parameters they answer.

The first page is 0 and the default size 20 (recorded). No largest size is known, so none is enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Record, encode_text


def page_window(query: Mapping[str, str]) -> tuple[int, int]:
    """Page number and size.

    Args:
        query: Decoded query parameters.

    Raises:
        ApiError: 400, a number is malformed, the page negative or the size below 1 (unknown: chosen here).
    """
    try:
        page, size = int(query.get("page", 0)), int(query.get("size", 20))
    except ValueError as error:
        raise validation_error("page and size must be integers") from error
    if page < 0 or size < 1:
        raise validation_error("page must not be negative and size must be positive")
    return page, size


def positive_size(query: Mapping[str, str], name: str, component: str) -> int:
    """A page size by another name than `size`; 20 when it is absent.

    Args:
        query: Decoded query parameters.
        name: The parameter.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, it is not a positive integer.
    """
    text = query.get(name) or "20"
    # Python reads no number of thousands of digits.
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not int(text):
        raise validation_error(f"{name} must be a positive integer", component, parameter=name)
    return int(text)


def sort_key(value: Any) -> tuple[bool, int, Any]:
    """A key that orders values of any JSON type: numbers, then text, then null."""
    if value is None:
        return True, 0, 0
    if isinstance(value, (int, float)):
        return False, 0, value
    return False, 1, value if isinstance(value, str) else str(value)


def sorted_by(
    records: Sequence[Record],
    query: Mapping[str, str],
    known: Collection[str] | None = None,
    inside: str | None = None,
    *,
    ascending: str | None = None,
) -> Sequence[Record]:
    """Records in the order that `sort=field,asc|desc` asks for; without it, in the order of creation.

    Args:
        records: In order of creation.
        query: Decoded query parameters.
        known: Fields that may be sorted by; None for those of the first record.
        inside: Key under which the record keeps its fields, or None when they are at its top.
        ascending: A field by which the records are in ascending order already.

    Raises:
        ApiError: 400, unknown field or direction (unknown: chosen here, so that a misspelt sort is not silently lost).
    """
    wanted = query.get("sort")
    if not wanted or not records:
        # Where fields are known from the records only, an empty list takes any sort.
        return records
    names: Collection[str] = (records[0] if inside is None else records[0][inside]) if known is None else known
    field, _, direction = wanted.partition(",")
    direction = direction.strip().lower() or "asc"
    if field not in names or direction not in ("asc", "desc"):
        raise validation_error("sort must be a known field, then asc or desc", sort=wanted)
    if field == ascending and direction == "asc":
        return records
    if inside is None:
        return sorted(records, key=lambda record: sort_key(record.get(field)), reverse=direction == "desc")
    return sorted(records, key=lambda record: sort_key(record[inside].get(field)), reverse=direction == "desc")


def spring_page(records: Sequence[Record], query: Mapping[str, str]) -> Record:
    """One page as `content` with `pageable` and totals (recorded).

    Args:
        records: All that match, in order.
        query: Decoded query parameters.
    """
    page, size = page_window(query)
    total = len(records)
    content = list(records[page * size : (page + 1) * size])
    return {"content": content, **_around_content(page, size, total, len(content), ordered=bool(query.get("sort")))}


def spring_page_text(
    records: Sequence[Record], query: Mapping[str, str], total: int, encoded: Callable[[Sequence[Record]], str]
) -> str:
    """One page as JSON, as `spring_page` gives it; for lists of which a load test asks for thousands a second.

    Args:
        records: All that match, in order.
        query: Decoded query parameters.
        total: Total to state.
        encoded: The records of the page as a JSON array.
    """
    page, size = page_window(query)
    content = records[page * size : (page + 1) * size]
    rest = _text_around_content(page, size, total, len(content), bool(query.get("sort")))
    return f'{{"content":{encoded(content)},{rest}'


def _around_content(page: int, size: int, total: int, count: int, *, ordered: bool) -> Record:
    pages = -(-total // size)
    sort = {"sorted": ordered, "unsorted": not ordered, "empty": not ordered}
    return {
        "pageable": {
            "sort": sort,
            "pageNumber": page,
            "pageSize": size,
            "offset": page * size,
            "paged": True,
            "unpaged": False,
        },
        "last": page + 1 >= pages,
        "totalElements": total,
        "totalPages": pages,
        "first": page == 0,
        "number": page,
        "sort": sort,
        "numberOfElements": count,
        "size": size,
        "empty": not count,
    }


@lru_cache(maxsize=1024)  # most pages are of the same size, and have as many records
def _text_around_content(page: int, size: int, total: int, count: int, ordered: bool) -> str:
    return encode_text(_around_content(page, size, total, count, ordered=ordered)).removeprefix("{")


def meta_page(records: Sequence[Record], query: Mapping[str, str]) -> Record:
    """One page as `data` with `metaInfo` (recorded).

    Args:
        records: All that match, in order.
        query: Decoded query parameters.
    """
    page, size = page_window(query)
    total = len(records)
    data = list(records[page * size : (page + 1) * size])
    pages = -(-total // size)
    return {
        "data": data,
        "metaInfo": {
            "page": page,
            "pageSize": size,
            "totalElements": total,
            "numberOfElements": len(data),
            "totalPages": pages,
            "firstPage": page == 0,
            "lastPage": page + 1 >= pages,
        },
    }
