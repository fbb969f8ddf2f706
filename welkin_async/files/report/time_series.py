"""Time series: throughput and latency of a run over time, in a bounded number of samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import attrs

_SHORTEST_TIME, _LONGEST_TIME = 1e-6, 1e5  # seconds: a microsecond to a day; beyond these the extremes alone are exact
_RATIO = 1.04  # from a bucket's lower bound to its upper: the middle is within 2 % of everything in it
_SCALE = 1 / math.log(_RATIO)
_ORIGIN = math.log(_SHORTEST_TIME) * _SCALE
_BUCKETS = math.ceil(math.log(_LONGEST_TIME) * _SCALE - _ORIGIN) + 1
_log = math.log


class LatencyHistogram:
    """Latency histogram: its buckets' bounds grow by 4 %, so that a percentile is within 2 % of the true one.

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
        if _SHORTEST_TIME < seconds < _LONGEST_TIME:
            self._buckets[int(_log(seconds) * _SCALE - _ORIGIN)] += 1
        elif seconds != seconds:
            raise ValueError("a duration that is not a number")
        else:
            seconds = max(seconds, 0.0)
            self._buckets[0 if seconds <= _SHORTEST_TIME else -1] += 1
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


_MOST_SAMPLES = 240  # when there are so many, each two become one and a sample lasts twice as long
_SHORTEST_SAMPLE = 0.25  # seconds


@attrs.define
class Sample:
    """Sample: a stretch of time.

    Attributes:
        rows: Rows done in it.
        throttled: Requests that the server refused as too many.
        unanswered: Requests whose outcome is unknown.
        latency: How long requests took.
    """

    rows: int = 0
    throttled: int = 0
    unanswered: int = 0
    latency: LatencyHistogram = attrs.field(factory=LatencyHistogram)

    def merge(self, other: Sample) -> None:
        """Add the stretch that follows.

        Args:
            other: Left as it is.
        """
        self.rows += other.rows
        self.throttled += other.throttled
        self.unanswered += other.unanswered
        self.latency.merge(other.latency)


class TimeSeries:
    """Time series: samples of equal length from the start to now.

    Args:
        clock: Monotonic seconds.

    Attributes:
        width: Seconds of a sample.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.restart()

    def restart(self, rows: Callable[[], int] = int) -> None:
        """Begin now.

        Args:
            rows: Returns how many rows are done so far; asked once a sample.
        """
        self._began = self._clock()
        self._list = [Sample()]
        self._rows, self._seen = rows, 0
        self.width = _SHORTEST_SAMPLE

    def now(self) -> Sample:
        """Return the sample to count into."""
        number = int((self._clock() - self._began) / self.width)
        while number >= _MOST_SAMPLES:
            self._halve()
            number = int((self._clock() - self._began) / self.width)
        if len(self._list) <= number:
            self._count_rows()
            self._list += (Sample() for _ in range(len(self._list), number + 1))
        return self._list[number]

    def place(self, start: float, samples: Iterable[tuple[float, Sample]], *, rows: bool = True) -> None:
        """Add samples of another series where they were.

        Args:
            start: When the first of them begins, in seconds from this series' start.
            samples: Each with the seconds it lasted, one after another; left as they are.
            rows: Whether their rows count.
        """
        self.now()
        for seconds, sample in samples:
            middle, start = start + seconds / 2.0, start + seconds
            number = min(max(0, int(middle / self.width)), len(self._list) - 1)  # clocks differ: none is yet to come
            self._list[number].merge(sample if rows else attrs.evolve(sample, rows=0))

    def _count_rows(self) -> None:
        """Put the rows that are done since the last sample was begun into it."""
        rows = self._rows()
        self._list[-1].rows += rows - self._seen
        self._seen = rows

    @property
    def latency(self) -> LatencyHistogram:
        """How long requests took, over all samples."""
        latency = LatencyHistogram()
        for sample in self._list:
            latency.merge(sample.latency)
        return latency

    def finished(self) -> list[tuple[float, Sample]]:
        """Return every sample with the seconds it lasted; the last one is shorter than the others."""
        self.now()
        self._count_rows()
        seconds = self._clock() - self._began
        rest = max(seconds - self.width * (len(self._list) - 1), 1e-3)
        return [(self.width if sample is not self._list[-1] else rest, sample) for sample in self._list]

    def _halve(self) -> None:
        held, self._list = self._list, []
        for number, sample in enumerate(held):
            if number % 2:
                self._list[-1].merge(sample)
            else:
                self._list.append(sample)
        self.width *= 2
