"""Chunk metrics: what an attempt at a chunk cost, and those of all workers of an import added up for one report."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import attrs

from welkin_async.files.report.request_metrics import RequestMetrics
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.report.time_series import Sample, TimeSeries
from welkin_async.session import Welkin


@attrs.frozen(kw_only=True)
class ChunkMetrics:
    """Chunk metrics; they can be pickled, and hold no data of any row.

    Attributes:
        requests: Counts of requests, without their samples.
        began: When the first sample begins, by the machine's wall clock.
        samples: Stretches of time with the seconds each lasted.
        rows: Rows that have their outcome by this attempt.
        failed: Rows among them that could not be sent.
        retried: Requests beyond the first of each row.
        reasons: How often each reason for not being done was met.
    """

    requests: RequestMetrics
    began: float
    samples: Sequence[tuple[float, Sample]]
    rows: int
    failed: int
    retried: int
    reasons: Mapping[str, int]


@contextlib.contextmanager
def measured(welkin: Welkin, counts: RowCounts) -> Iterator[RequestMetrics]:
    """Count the requests of an attempt at a chunk, and its rows over time, while the context lasts.

    Args:
        welkin: The session.
        counts: What counts the rows.

    Yields:
        The counts, for `metrics_of`.
    """
    metrics = RequestMetrics(counts.kind)
    metrics.samples.restart(lambda: counts.rows)
    with metrics.counting(welkin.transport):
        yield metrics


def metrics_of(metrics: RequestMetrics, counts: RowCounts) -> ChunkMetrics:
    """Return what an attempt at a chunk cost, now that it is over.

    Args:
        metrics: What `measured` has counted.
        counts: What has counted the rows.
    """
    samples = metrics.samples.finished()
    return ChunkMetrics(
        requests=attrs.evolve(metrics, samples=TimeSeries()),
        began=time.time() - sum(seconds for seconds, _ in samples),
        samples=samples,
        rows=counts.rows,
        failed=counts.failed,
        retried=counts.retried,
        reasons=dict(counts.reasons),
    )


class ImportMetrics:
    """Import metrics: those of all workers, and of the session that hands out chunks, added up.

    Moments are by the wall clocks of the workers' machines, as far as these agree.

    Attributes:
        requests: Counts of requests, with samples.
        rows: Rows that have their outcome by a worker of this call, and none of an earlier one.
        failed: Rows among them that could not be sent.
        retried: Requests beyond the first of each row.
        reasons: How often each reason for not being done was met.
    """

    def __init__(self) -> None:
        self.requests = RequestMetrics()
        self.rows = self.failed = 0
        self.retried = 0
        self.reasons: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        """Let the clock begin now."""
        self.requests.samples.restart()
        self._began, self._began_at = time.monotonic(), time.time()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def add(self, part: ChunkMetrics, *, counts: bool) -> None:
        """Add what an attempt at a chunk cost.

        Args:
            part: That.
            counts: Whether the chunk is done with it; another attempt has the outcomes of its rows else.
        """
        self.requests.merge(part.requests)
        self.requests.samples.place(part.began - self._began_at, part.samples, rows=counts)
        self.retried += part.retried
        if counts:
            self.rows += part.rows
            self.failed += part.failed
            self.reasons.update(part.reasons)
