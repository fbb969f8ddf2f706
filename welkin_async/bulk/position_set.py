"""Position set: a set of row numbers kept as ranges; a million rows done in order are one range."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Self


class RangeSet:
    """Non-negative integers, kept as sorted, disjoint, half-open ranges that do not touch.

    Memory is 16 bytes a range. Finding is O(log n) in the number of ranges. Adding is too, where it widens or joins
    ranges near the end, as rows that finish nearly in order do; a new range in the middle also moves the ones after it
    by one place, which is a copy of 16 bytes each.

    Args:
        pairs: Ranges to begin with, as (start, stop), in any order; they may overlap.

    Raises:
        ValueError: a start is negative, or a stop below its start.
    """

    __slots__ = ("_count", "_starts", "_stops")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts = array("q")
        self._stops = array("q")
        self._count = 0
        for start, stop in pairs:
            self.add_range(start, stop)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[int, int]]) -> Self:
        """Build a set from what `to_pairs` gave.

        Args:
            pairs: Ranges as (start, stop).

        Raises:
            ValueError: a start is negative, or a stop below its start.
        """
        return cls(pairs)

    def to_pairs(self) -> list[tuple[int, int]]:
        """Return the ranges as (start, stop), in order."""
        return list(self)

    def add(self, position: int) -> None:
        """Add one position; adding it again changes nothing.

        Args:
            position: 0 or more.

        Raises:
            ValueError: it is negative.
        """
        stops = self._stops
        if stops and position == stops[-1]:
            stops[-1] = position + 1
            self._count += 1
            return
        starts = self._starts
        at = bisect_right(starts, position)  # the ranges before `at` start at or below the position
        if at and position < stops[at - 1]:
            return
        if position < 0:
            raise ValueError("a position is 0 or more")
        self._count += 1
        joins_left = at > 0 and stops[at - 1] == position
        joins_right = at < len(starts) and starts[at] == position + 1
        if joins_left and joins_right:
            stops[at - 1] = stops[at]
            del starts[at], stops[at]
        elif joins_left:
            stops[at - 1] = position + 1
        elif joins_right:
            starts[at] = position
        else:
            starts.insert(at, position)
            stops.insert(at, position + 1)

    def add_range(self, start: int, stop: int) -> None:
        """Add the positions from start up to, not including, stop.

        Args:
            start: 0 or more.
            stop: At least start; equal to it adds nothing.

        Raises:
            ValueError: a start is negative, or a stop below its start.
        """
        if start < 0 or stop < start:
            raise ValueError("a range is of positions from 0 on, its stop not below its start")
        if start == stop:
            return
        starts, stops = self._starts, self._stops
        first = bisect_left(stops, start)  # the ranges from `first` to `last` touch the new one
        last = bisect_right(starts, stop)
        if first < last:
            start = min(start, starts[first])
            stop = max(stop, stops[last - 1])
            self._count -= sum(stops[at] - starts[at] for at in range(first, last))
        starts[first:last] = array("q", (start,))
        stops[first:last] = array("q", (stop,))
        self._count += stop - start

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, int):
            return False
        at = bisect_right(self._starts, position)
        return at > 0 and position < self._stops[at - 1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Give the ranges as (start, stop), in order."""
        return zip(self._starts, self._stops, strict=True)

    def __len__(self) -> int:
        """Return how many positions there are, which is not how many ranges."""
        return self._count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment] # it can be changed

    def __repr__(self) -> str:
        return f"<RangeSet of {self._count} positions in {len(self._starts)} ranges>"

    def range_of(self, position: int) -> tuple[int, int] | None:
        """Return the whole range that a position is in, as (start, stop); None where it is in none.

        Args:
            position: Any integer.
        """
        at = bisect_right(self._starts, position)
        if at == 0 or position >= self._stops[at - 1]:
            return None
        return self._starts[at - 1], self._stops[at - 1]

    def first_from(self, position: int) -> int | None:
        """Return the least position in the set that is not below the given one; None where there is none.

        Args:
            position: Any integer.
        """
        at = bisect_right(self._stops, position)
        return None if at == len(self._starts) else max(position, self._starts[at])

    def missing(self, upto: int) -> Iterator[tuple[int, int]]:
        """Give the gaps below a position, from 0 on, as (start, stop) in order.

        Args:
            upto: Where to end; this position is not part of the last gap.
        """
        at = 0
        for start, stop in self:
            if start >= upto:
                break
            if at < start:
                yield at, start
            at = stop
        if at < upto:
            yield at, upto
