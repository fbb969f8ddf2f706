"""How an import went over time, in a bounded number of samples."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from welkin_async.bulk.latency import LatencyHistogram

__all__ = ["Sample", "Samples"]

_MOST = 240  # samples; when there are so many, each two become one and a sample lasts twice as long
_SHORTEST = 0.25  # seconds


@attrs.define
class Sample:
    """A stretch of time.

    Attributes:
        rows: Rows done in it.
        throttled: Requests that the server refused as too many.
        unanswered: Requests of which nobody knows what became of them.
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


class Samples:
    """Stretches of equal length from the start to now.

    Args:
        clock: Monotonic seconds.

    Attributes:
        width: Seconds of a sample.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Begin now."""
        self._began = self._clock()
        self._list = [Sample()]
        self.width = _SHORTEST

    def now(self) -> Sample:
        """Return the sample to count into."""
        number = int((self._clock() - self._began) / self.width)
        while number >= _MOST:
            self._halve()
            number = int((self._clock() - self._began) / self.width)
        while len(self._list) <= number:
            self._list.append(Sample())
        return self._list[number]

    def finished(self) -> list[tuple[float, Sample]]:
        """Return every sample with the seconds it lasted; the last one is shorter than the others."""
        self.now()
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
