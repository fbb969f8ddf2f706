"""Page envelopes and the `page`, `size` and `sort` parameters they answer.

The first page is 0 and the default size 20 (recorded). No largest size is known, so none is enforced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .errors import validation_error
from .wire import Record

__all__ = ["meta_page", "sort_key", "sorted_by", "spring_page", "window"]


def window(query: Mapping[str, str]) -> tuple[int, int]:
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


def sort_key(value: Any) -> tuple[bool, int, Any]:
    """A key that orders values of any JSON type: numbers, then text, then null."""
    if value is None:
        return True, 0, 0
    if isinstance(value, (int, float)):
        return False, 0, value
    return False, 1, value if isinstance(value, str) else str(value)


def sorted_by(
    records: Sequence[Record], query: Mapping[str, str], known: Collection[str], inside: str | None = None
) -> Sequence[Record]:
    """Records in the order that `sort=field,asc|desc` asks for; without it, in the order of creation.

    Args:
        records: In order of creation.
        query: Decoded query parameters.
        known: Fields that may be sorted by.
        inside: Key under which the record keeps its fields, or None when they are at its top.

    Raises:
        ApiError: 400, unknown field or direction (unknown: chosen here, so that a misspelt sort is not silently lost).
    """
    wanted = query.get("sort")
    if not wanted or not records:
        # Some sections know their fields from their records only, so an empty list takes any sort.
        return records
    field, _, direction = wanted.partition(",")
    direction = direction.strip().lower() or "asc"
    if field not in known or direction not in ("asc", "desc"):
        raise validation_error("sort must be a known field, then asc or desc", sort=wanted)
    if field == "created_at" and direction == "asc":
        # Creation order already, and what a look-up of freshly created records asks for most.
        return records
    if inside is None:
        return sorted(records, key=lambda record: sort_key(record.get(field)), reverse=direction == "desc")
    return sorted(records, key=lambda record: sort_key(record[inside].get(field)), reverse=direction == "desc")


def spring_page(records: Sequence[Record], query: Mapping[str, str], total: int | None = None) -> Record:
    """One page as `content` with `pageable` and totals (recorded).

    Args:
        records: All that match, in order.
        query: Decoded query parameters.
        total: Total to state; None states that of the records.
    """
    page, size = window(query)
    total = len(records) if total is None else total
    content = list(records[page * size : (page + 1) * size])
    pages = -(-total // size)
    ordered = bool(query.get("sort"))
    sort = {"sorted": ordered, "unsorted": not ordered, "empty": not ordered}
    return {
        "content": content,
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
        "numberOfElements": len(content),
        "size": size,
        "empty": not content,
    }


def meta_page(records: Sequence[Record], query: Mapping[str, str]) -> Record:
    """One page as `data` with `metaInfo` (recorded).

    Args:
        records: All that match, in order.
        query: Decoded query parameters.
    """
    page, size = window(query)
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
