"""Request metrics: what went over the wire for a run, counted from the session's hook."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import attrs

from welkin_async.files.job_kind import CREATE_RECORDS, JobKind
from welkin_async.files.report.time_series import TimeSeries
from welkin_async.http.instrumentation import Attempt
from welkin_async.http.retry import Verdict
from welkin_async.http.transport import Transport

_CURRENT: ContextVar[RequestMetrics | None] = ContextVar("request_metrics", default=None)
_AUTHENTICATE = "auth.create_token"
_TOO_MANY = 429
_FINAL = frozenset({Verdict.DONE.value, Verdict.REJECTED.value})


@attrs.define(eq=False)
class RequestMetrics:
    """Request metrics: counts of requests; their size does not depend on the number of rows.

    Attributes:
        kind: The job's kind.
        requests: All that went out.
        operations: Those among them that carry the job out.
        causes: Of those that do it the ones that were not answered for good, by verdict and status: why rows were
            sent again.
        others: The same of all other requests: tokens and look-ups.
        throttled: 429, and 503 that says when to come again.
        too_many: The 429s alone.
        tokens: Requests for a token.
        sent: Bytes of bodies that went out.
        received: Bytes of bodies that came back.
        samples: How long those took that carry the job out, and what the server refused, over time.
    """

    kind: JobKind = CREATE_RECORDS
    requests: int = 0
    operations: int = 0
    causes: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    others: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    throttled: int = 0
    too_many: int = 0
    tokens: int = 0
    sent: int = 0
    received: int = 0
    samples: TimeSeries = attrs.field(factory=TimeSeries)

    def count(self, attempt: Attempt) -> None:
        """Count one request.

        Args:
            attempt: As the session reports it.
        """
        self.requests += 1
        self.sent += attempt.sent
        self.received += attempt.received
        verdict = attempt.verdict
        operation = attempt.request.operation
        if operation == _AUTHENTICATE:
            self.tokens += 1
        elif operation in self.kind.operations:
            self.operations += 1
            self.samples.now().latency.add(attempt.seconds)
        if verdict not in _FINAL:
            causes = self.causes if operation in self.kind.operations else self.others
            causes[verdict, attempt.status] += 1
            self.too_many += attempt.status == _TOO_MANY
            if verdict == Verdict.THROTTLED.value:
                self.throttled += 1
                self.samples.now().throttled += 1
            elif verdict == Verdict.UNKNOWN.value:
                self.samples.now().unanswered += 1

    def merge(self, other: RequestMetrics) -> None:
        """Add the counts of others of the same kind; their samples are placed by who knows when they were.

        Args:
            other: Left as it is.
        """
        for name in ("requests", "operations", "throttled", "too_many", "tokens", "sent", "received"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.causes.update(other.causes)
        self.others.update(other.others)

    @contextlib.contextmanager
    def counting(self, transport: Transport) -> Iterator[None]:
        """Count the requests that are sent from within the context, and from the tasks that are begun in it.

        Args:
            transport: Of the session.
        """
        token = _CURRENT.set(self)
        remove = transport.observer.add(self._count_own)
        try:
            yield
        finally:
            remove()
            _CURRENT.reset(token)

    def _count_own(self, attempt: Attempt) -> None:
        if _CURRENT.get() is self:  # other runs may share the session
            self.count(attempt)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts for machines."""
        latency = self.samples.latency
        return {
            "requests": self.requests,
            f"{self.kind.request}s": self.operations,
            "token_requests": self.tokens,
            "throttled": self.throttled,
            "429s": self.too_many,
            "not_answered_for_good": _named(self.causes),
            "others_not_answered_for_good": _named(self.others),
            "bytes_sent": self.sent,
            "bytes_received": self.received,
            "latency_seconds": {
                "p50": latency.percentile(0.5),
                "p95": latency.percentile(0.95),
                "p99": latency.percentile(0.99),
                "most": latency.most if latency.count else None,
            },
        }


def _named(causes: Counter[tuple[str, int | None]]) -> dict[str, int]:
    return {
        f"{verdict}, {'no answer' if status is None else status}": count
        for (verdict, status), count in causes.most_common()
    }
