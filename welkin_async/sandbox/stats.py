"""Statistics of a server: counts by operation and status, the peak of concurrency, and a log of raw requests."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import attrs


@attrs.define
class LoggedRequest:
    """One request as it arrived.

    Attributes:
        method: HTTP verb.
        path: Raw path, percent-encoded.
        query: Raw query string.
        arrived: Arrival on the sandbox's monotonic clock, in seconds.
        operation: Operation id, or `unknown`.
        status: Status answered; 0 when the connection was dropped without one, None while it is being served.
    """

    method: str
    path: str
    query: str
    arrived: float
    operation: str = "unknown"
    status: int | None = None


@attrs.define
class Stats:
    """Counts since the start, or since `reset`.

    Control routes under `/_sandbox/` are not counted.

    Attributes:
        operations: Requests per operation id, whatever their outcome; `unknown` for paths that are none.
        statuses: Answers per status; 0 counts connections dropped without an answer.
        performed: Times an operation's work was really done, late work included.
        token_requests: Requests for a token.
        in_flight: Requests being served now.
        peak: Most requests served at once.
        log: The latest requests, oldest first, bounded.
    """

    operations: Counter[str] = attrs.field(factory=Counter)
    statuses: Counter[int] = attrs.field(factory=Counter)
    performed: Counter[str] = attrs.field(factory=Counter)
    token_requests: int = 0
    in_flight: int = 0
    peak: int = 0
    log: deque[LoggedRequest] = attrs.field(factory=lambda: deque(maxlen=10_000), repr=False)

    def arrive(self, method: str, path: str, query: str, now: float) -> LoggedRequest:
        """Note a request's arrival.

        Args:
            method: HTTP verb.
            path: Raw path.
            query: Raw query string.
            now: Monotonic seconds.

        Returns:
            The log entry, to be completed by `identify` and `leave`.
        """
        entry = LoggedRequest(method, path, query, now)
        self.log.append(entry)
        self.in_flight += 1
        if self.in_flight > self.peak:
            self.peak = self.in_flight
        return entry

    def leave(self, entry: LoggedRequest, status: int) -> None:
        """Note a request's end.

        Args:
            entry: From `arrive`.
            status: Status answered, 0 for none.
        """
        self.in_flight -= 1
        entry.status = status
        self.operations[entry.operation] += 1
        self.statuses[status] += 1

    @property
    def total(self) -> int:
        """Requests that ended, of any operation."""
        return self.statuses.total()

    def reset(self) -> None:
        """Forget everything but the requests being served."""
        self.operations.clear()
        self.statuses.clear()
        self.performed.clear()
        self.log.clear()
        self.token_requests = 0
        self.peak = self.in_flight

    def as_json(self, log: int = 0) -> dict[str, Any]:
        """The counts as JSON values.

        Args:
            log: How many of the latest requests to include.
        """
        return {
            "operations": dict(self.operations),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "performed": dict(self.performed),
            "token_requests": self.token_requests,
            "in_flight": self.in_flight,
            "peak": self.peak,
            "total": self.total,
            "log": [attrs.asdict(entry) for entry in list(self.log)[-log:]] if log > 0 else [],
        }
