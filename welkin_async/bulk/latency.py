"""Latency percentiles over any number of requests in a few kilobytes."""

from __future__ import annotations

import math

__all__ = ["LatencyHistogram"]

_LEAST, _MOST = 1e-6, 1e5  # seconds: a microsecond to a day; beyond these the extremes alone are exact
_RATIO = 1.04  # from a bucket's lower bound to its upper: the middle is within 2 % of everything in it
_SCALE = 1 / math.log(_RATIO)
_ORIGIN = math.log(_LEAST) * _SCALE
_BUCKETS = math.ceil(math.log(_MOST) * _SCALE - _ORIGIN) + 1
_log = math.log


class LatencyHistogram:
    """Counts durations in buckets whose bounds grow by 4 %, so that a percentile is within 2 % of the true one.

    Attributes:
        most: The longest, in seconds; 0 before the first.
    """

    __slots__ = ("_buckets", "most")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration.

        Args:
            seconds: 0 or more; a negative one, of a clock that was set back, counts as 0.

        Raises:
            ValueError: it is not a number.
        """
        if _LEAST < seconds < _MOST:
            self._buckets[int(_log(seconds) * _SCALE - _ORIGIN)] += 1
        elif seconds != seconds:
            raise ValueError("a duration that is not a number")
        else:
            seconds = max(seconds, 0.0)
            self._buckets[0 if seconds <= _LEAST else -1] += 1
        if seconds > self.most:
            self.most = seconds

    @property
    def count(self) -> int:
        """How many durations there are."""
        return sum(self._buckets)

    def percentile(self, share: float) -> float | None:
        """Return the duration that this share of all did not exceed, by nearest rank.

        Args:
            share: From 0 to 1: 0.5 is the median, 0.99 what only one in a hundred exceeded.

        Returns:
            Seconds, or None before the first duration.

        Raises:
            ValueError: the share is outside 0 to 1.
        """
        if not 0 <= share <= 1:
            raise ValueError("a share is from 0 to 1")
        count = self.count
        if count == 0:
            return None
        rank = max(1, math.ceil(share * count))
        seen = 0
        for bucket, amount in enumerate(self._buckets):
            seen += amount
            if seen >= rank:
                return min(math.exp((bucket + 0.5 + _ORIGIN) / _SCALE), self.most)
        raise AssertionError("the buckets hold as many durations as were counted")

    def merge(self, other: LatencyHistogram) -> None:
        """Add all durations of another histogram to this one.

        Args:
            other: Left as it is.
        """
        self._buckets = [mine + theirs for mine, theirs in zip(self._buckets, other._buckets, strict=True)]
        self.most = max(self.most, other.most)
