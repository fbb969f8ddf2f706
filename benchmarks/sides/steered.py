"""Workloads against the sandbox: what a client does when it is throttled, and when tokens run out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import attrs

from benchmarks import payloads
from benchmarks.serving import add_patients
from benchmarks.sides.work import Job

__all__ = ["HandToken", "Tally", "until"]

_SETTLING = 2.0  # seconds that do not count, where time and not the rows end the work


@attrs.define
class Tally:
    """Counts what came back, after the first two seconds.

    Attributes:
        started: When the work began, on `time.monotonic`.
        passed: Answers that were no refusal.
        refused: Answers 429.
        longest: The longest time between two answers that were none, in seconds.
        settling: Seconds at the start that do not count.
    """

    started: float = attrs.field(factory=time.monotonic)
    passed: int = 0
    refused: int = 0
    first: float = 0.0
    longest: float = 0.0
    settling: float = _SETTLING
    _last: float = 0.0

    @classmethod
    def of(cls, job: Job) -> Tally:
        """Return one for a job: where rows and not the time end it, all of it counts."""
        return cls(settling=_SETTLING if job.seconds else 0.0)

    def note(self, *, refused: bool) -> None:
        """Note an answer.

        Args:
            refused: Whether it was a 429.
        """
        now = time.monotonic() - self.started
        if not refused:
            self.first = self.first or now
            self.longest = max(self.longest, now - self._last if self._last else 0.0)
            self._last = now
        if now < self.settling:
            return
        if refused:
            self.refused += 1
        else:
            self.passed += 1

    def throttling(self, job: Job) -> dict[str, Any]:
        """Return the share of what was allowed, and the share of requests refused."""
        allowed = job.rate * ((job.seconds or self._last) - self.settling)
        return {"share": self.passed / allowed, "refused": self.refused / max(1, self.passed + self.refused)}


def until(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows of patients that the sandbox has, as many as are asked for, or until the time is over."""
    patients = add_patients(job.base_url, 20)
    end = time.monotonic() + job.seconds
    number = 0
    while time.monotonic() < end if job.seconds else number < job.records:
        yield patients[number % len(patients)], dict(payloads.FIELDS)
        number += 1


class HandToken:
    """A token the way it is kept by hand: behind a lock, fetched anew after a 401."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self.requests = 0

    async def get(self, refused: str | None = None) -> str:
        """Return the token, fetching one where there is none or this one was refused.

        Args:
            refused: The token that met a 401.
        """
        async with self._lock:
            if self._value is None or self._value == refused:
                self.requests += 1
                path = f"/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
                async with self._session.post(path, json={"secret": payloads.SECRET}) as response:
                    response.raise_for_status()
                    self._value = str((await response.json())["token"])
            return self._value
