"""Exports: everything of one kind, in order of creation, by a cursor."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

import attrs

from .errors import not_found, validation_error
from .routing import Routes
from .wire import Answer, Call, Record, ok

__all__ = ["Exports"]

Source = Callable[[], Iterable[Record]]
"""Gives the records of one resource, in any order."""

_Row = tuple[str, Record]


@attrs.define
class Exports:
    """Exports and their section of the API.

    No export is recorded. As two clients read it, the next `start` is the `end` of the page before, and seems to be
    inclusive: the last record of a page comes again as the first of the next.

    Attributes:
        sources: Where the records of each resource come from.
        overlap: Whether `start` is inclusive; False starts after it.
    """

    sources: Mapping[str, Source] = attrs.field(repr=False)
    overlap: bool = True
    _held: dict[str, list[_Row]] = attrs.field(factory=dict, repr=False)

    def register(self, routes: Routes) -> None:
        """Add the section's operations."""
        routes.add("exports.list", "GET", "/{tenant}/{instance}/export/{resource_name}", self.page)

    def page(self, call: Call, resource_name: str) -> Answer:
        """A page of `{data, cursor}` from `start` on.

        An export reads what was there when it began; at its end it looks for what has come since, so that it can be
        resumed from the last `end`.

        Raises:
            ApiError: 400, the page size is malformed; 404, no such resource (unknown: chosen here).
        """
        start, size = call.query.get("start", ""), _size(call.query.get("pageSize"))
        if resource_name not in self.sources:
            raise not_found("EXPORT_NOT_FOUND", "EXPORT", "No such resource", resource=resource_name)
        rows = self._held.get(resource_name)
        if rows is None or not start:
            rows = self._read(resource_name)
        place = self._place(rows, start, size)
        if place + size >= len(rows):
            rows = self._read(resource_name)
            place = self._place(rows, start, size)
        page = rows[place : place + size]
        cursor = {
            "start": start or None,
            "end": page[-1][0] if page else start or None,
            "hasNext": place + size < len(rows),
            "pageSize": size,
        }
        return ok({"data": [record for _, record in page], "cursor": cursor})

    def _read(self, resource: str) -> list[_Row]:
        rows = [(_key(record), record) for record in self.sources[resource]()]
        rows.sort(key=lambda row: row[0])
        self._held[resource] = rows
        return rows

    def _place(self, rows: list[_Row], start: str, size: int) -> int:
        place = bisect_left(rows, start, key=lambda row: row[0])
        exclusive = not self.overlap or size == 1  # A page of one that overlaps would never get anywhere.
        if start and exclusive and place < len(rows) and rows[place][0] == start:
            place += 1
        return place


def _key(record: Record) -> str:
    """Place of a record: the time it was made, then its id, so that no two share one."""
    body = record.get("jsonBody", record)
    made = body.get("created_at") or body.get("createdAt") or body.get("date") or ""
    return f"{made}_{record.get('id') or record.get('externalId') or ''}"


def _size(text: str | None) -> int:
    try:
        size = int(text or 20)
    except ValueError:
        size = 0
    if size < 1:
        raise validation_error("pageSize must be a positive integer", "EXPORT", parameter="pageSize")
    return size
