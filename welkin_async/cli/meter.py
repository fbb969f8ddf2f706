"""What went over the wire, counted from the session's hook."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from welkin_async.bulk.latency import LatencyHistogram
from welkin_async.cli.deeds import CREATE_RECORDS, Deed
from welkin_async.cli.samples import Samples
from welkin_async.retries import Verdict
from welkin_async.transport import Attempt

__all__ = ["Meter"]

_AUTHENTICATE = "auth.create_token"
_TOO_MANY = 429
_FINAL = frozenset({Verdict.DONE.value, Verdict.REJECTED.value})


@attrs.define(eq=False)
class Meter:
    """Counts of requests; their size does not depend on the number of rows.

    Attributes:
        deed: What is done.
        requests: All that went out.
        deeds: Those among them that do it.
        causes: Of those that do it the ones that were not answered for good, by verdict and status: why rows were
            sent again.
        others: The same of all other requests: tokens and look-ups.
        throttled: 429, and 503 that says when to come again.
        too_many: The 429s alone.
        tokens: Requests for a token.
        sent: Bytes of bodies that went out.
        received: Bytes of bodies that came back.
        latency: How long those took that do it.
        samples: The same over time.
    """

    deed: Deed = CREATE_RECORDS
    requests: int = 0
    deeds: int = 0
    causes: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    others: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    throttled: int = 0
    too_many: int = 0
    tokens: int = 0
    sent: int = 0
    received: int = 0
    latency: LatencyHistogram = attrs.field(factory=LatencyHistogram)
    samples: Samples = attrs.field(factory=Samples)

    def count(self, attempt: Attempt) -> None:
        """Count one request.

        Args:
            attempt: What the session tells of it.
        """
        self.requests += 1
        self.sent += attempt.sent
        self.received += attempt.received
        verdict = attempt.verdict
        operation = attempt.request.operation
        if operation == _AUTHENTICATE:
            self.tokens += 1
        elif operation in self.deed.operations:
            self.deeds += 1
            self.latency.add(attempt.seconds)
            self.samples.now().latency.add(attempt.seconds)
        if verdict not in _FINAL:
            causes = self.causes if operation in self.deed.operations else self.others
            causes[verdict, attempt.status] += 1
            self.too_many += attempt.status == _TOO_MANY
            if verdict == Verdict.THROTTLED.value:
                self.throttled += 1
                self.samples.now().throttled += 1
            elif verdict == Verdict.UNKNOWN.value:
                self.samples.now().unanswered += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counts for machines."""
        return {
            "requests": self.requests,
            f"{self.deed.request}s": self.deeds,
            "token_requests": self.tokens,
            "throttled": self.throttled,
            "429s": self.too_many,
            "not_answered_for_good": _named(self.causes),
            "others_not_answered_for_good": _named(self.others),
            "bytes_sent": self.sent,
            "bytes_received": self.received,
            "latency_seconds": {
                "p50": self.latency.percentile(0.5),
                "p95": self.latency.percentile(0.95),
                "p99": self.latency.percentile(0.99),
                "most": self.latency.most if self.latency.count else None,
            },
        }


def _named(causes: Counter[tuple[str, int | None]]) -> dict[str, int]:
    return {
        f"{verdict}, {'no answer' if status is None else status}": count
        for (verdict, status), count in causes.most_common()
    }
