"""Group source: rows that stand together in a source and belong together, taken as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from welkin_async.bulk.rows import PreparedRow
from welkin_async.bulk.source import RowSource
from welkin_async.errors import InvalidInputError

Group = tuple[PreparedRow, ...]


class GroupSource(RowSource[Any]):
    """Group source: hands out consecutive rows of one group together, each record once.

    A row that begins another group was read already when the one before is handed out, and stays here until it is
    asked for.

    Args:
        rows: An iterable or an async iterable.
        prepare: Makes a row ready; its ``group`` tells which go together, its ``key`` which record it is about.
        size: How many rows a group has at most.

    Raises:
        InvalidInputError: ``size`` is below 1, or ``rows`` is not iterable.
    """

    def __init__(
        self, rows: Iterable[Any] | AsyncIterable[Any], prepare: Callable[[int, Any], PreparedRow], *, size: int
    ) -> None:
        super().__init__(rows, prepare)
        if size < 1:
            raise InvalidInputError("a group is of 1 row at least", ("group",))
        self._size = size
        self._gathering = asyncio.Lock()
        self._members: list[PreparedRow] = []
        self._records: set[str] = set()
        self._next: PreparedRow | None = None
        self._failure: Exception | None = None

    def take(self) -> None:
        """Return None: a group has to be gathered, which `pull` does."""
        return

    async def pull(self) -> Group | None:
        """Return the next group; None at the end.

        Raises:
            Exception: whatever the source raises, after all that was read before has been handed out.
        """
        async with self._gathering:  # nothing is waited for after this, so that groups go in the order of the rows
            while len(self._members) < self._size and (self._next is not None or await self._read()):
                assert self._next is not None
                if not self._fits(self._next):
                    break
                self._members.append(self._next)
                self._next = None
            group = tuple(self._members)
            self._members.clear()
            self._records.clear()
            if group:
                return group
            failed, self._failure = self._failure, None
        if failed is not None:
            raise failed
        return None

    async def aclose(self) -> list[PreparedRow]:
        """Pull no more, and return the rows that were pulled and not handed out."""
        left = [*self._members, *(() if self._next is None else (self._next,)), *await super().aclose()]
        self._members.clear()
        self._next = None
        return left

    async def _read(self) -> bool:
        """Read a row of the source; False at its end, or where it fails."""
        if self._failure is None:
            try:
                self._next = super().take() if self._async is None else await super().pull()
            except Exception as error:
                self._failure = error
        return self._next is not None

    def _fits(self, row: PreparedRow) -> bool:
        """Tell whether a row belongs to the group that is being gathered, and count it in."""
        if self._members and (row.key in self._records or row.group != self._members[0].group):
            return False
        if row.key is not None:
            self._records.add(row.key)
        return True
