"""Rows that stand together in a source and belong together, taken as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Hashable, Iterable
from typing import Any

import attrs

from welkin_async.bulk.source import Source
from welkin_async.errors import InvalidInputError

__all__ = ["Group", "GroupSource", "Member"]


@attrs.define(repr=False, eq=False)
class Member:
    """A row of a group.

    Attributes:
        index: Its position in the source.
        row: The row.
        body: What is sent for it, once that is known.
    """

    index: int
    row: Any
    body: Any = None


Group = tuple[Member, ...]


class GroupSource(Source[Any]):
    """Hands out consecutive rows of one kind together.

    A row that begins another group was read already when the one before is handed out, and stays here until it is
    asked for.

    Args:
        rows: An iterable or an async iterable.
        group_of: Tells what must be the same for two rows to go together.
        item_of: Tells what must not be twice in a group; None for anything that may.
        most: How many rows a group has at most.

    Raises:
        InvalidInputError: ``most`` is below 1, or there are no rows to be had of ``rows``.
    """

    def __init__(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        group_of: Callable[[Any], Hashable],
        item_of: Callable[[Any], Hashable],
        most: int,
    ) -> None:
        super().__init__(rows)
        if most < 1:
            raise InvalidInputError("a group is of 1 row at least", ("group",))
        self._group_of = group_of
        self._item_of = item_of
        self._most = most
        self._gathering = asyncio.Lock()
        self._members: list[Member] = []
        self._items: set[Hashable] = set()
        self._next: Member | None = None
        self._error: Exception | None = None

    def take(self) -> None:
        """Return None: a group has to be gathered, which `pull` does."""
        return

    async def pull(self) -> tuple[int, Group] | None:
        """Return the next group and the position of its first row; None at the end.

        Raises:
            Exception: whatever the source raises, after all that was read before has been handed out.
        """
        async with self._gathering:  # nothing is waited for after this, so that groups go in the order of the rows
            while len(self._members) < self._most and (self._next is not None or await self._read()):
                assert self._next is not None
                if not self._fits(self._next.row):
                    break
                self._members.append(self._next)
                self._next = None
            group = tuple(self._members)
            self._members.clear()
            self._items.clear()
            if group:
                return group[0].index, group
            failed, self._error = self._error, None
        if failed is not None:
            raise failed
        return None

    async def _read(self) -> bool:
        """Read a row of the source; False at its end, or where it fails."""
        if self._error is None:
            try:
                pulled = await super().pull()
            except Exception as error:
                self._error = error
            else:
                if pulled is not None:
                    self._next = Member(*pulled)
                    return True
        return False

    def _fits(self, row: Any) -> bool:
        """Tell whether a row belongs to the group that is being gathered, and count it in."""
        item = self._item_of(row)
        if self._members and (item in self._items or self._group_of(row) != self._group_of(self._members[0].row)):
            return False
        if item is not None:
            self._items.add(item)
        return True
