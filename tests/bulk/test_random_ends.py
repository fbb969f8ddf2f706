"""An import with a journal that is ended in every way again and again: each row has an outcome, and is there once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from welkin_async import AuthenticationError, SessionError, Welkin
from welkin_async.bulk import BulkStoppedError, CdtRow, Outcome, OutcomeStream, stream_cdt_records
from welkin_async.http.auth import tokens
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, bulk_tasks, connect

pytestmark = pytest.mark.slow

ENDS = ("cancel", "leave", "close", "refuse", "outage", "source", "failures", "none")
EXPECTED = (asyncio.CancelledError, SessionError, AuthenticationError, BulkStoppedError, ZeroDivisionError)


def trouble(server: Sandbox) -> None:
    kinds = (FaultKind.RESET_AFTER, FaultKind.RESET_BEFORE, FaultKind.GARBAGE)
    faults = [Fault(kind, operation="cdts.create", probability=0.04, times=None) for kind in kinds]
    faults.append(Fault(FaultKind.RESET_LATE, operation="cdts.create", probability=0.03, times=None, delay=0.1))
    faults.append(Fault(FaultKind.STATUS, operation="cdts.create", probability=0.03, times=None, status=422))
    faults.append(Fault(FaultKind.STATUS, operation="cdts.list", probability=0.1, times=None, status=500))
    server.faults.add(*faults)


class Run:
    """One run, and how it is ended."""

    def __init__(self, server: Sandbox, rows: list[CdtRow], chance: random.Random, end: str) -> None:
        self.server = server
        self.rows = rows
        self.chance = chance
        self.end = end
        self.pulled = 0
        self.seen: list[Outcome[Any, Any]] = []
        self.stream: OutcomeStream[Any, Any] | None = None

    def source(self) -> Iterator[CdtRow]:
        last = self.chance.randrange(len(self.rows)) if self.end == "source" else -1
        for number, row in enumerate(self.rows):
            if number == last:
                raise ZeroDivisionError
            self.pulled += 1
            yield row

    async def take(self, welkin: Welkin, options: dict[str, Any]) -> None:
        async with welkin:
            self.stream = stream_cdt_records(welkin, CDT, self.source(), **options)
            async with self.stream as stream:
                async for outcome in stream:
                    self.seen.append(outcome)
                    if self.end == "leave" and self.chance.random() < 0.03:
                        return

    async def go(self, options: dict[str, Any]) -> None:
        chance, server = self.chance, self.server
        welkin = connect(server, timeout=0.3)
        if self.end == "failures":
            options["max_failures"] = 2
        task = asyncio.create_task(self.take(welkin, options))
        if self.end == "outage":
            server.outage(chance.uniform(0.1, 0.6))
        await asyncio.wait((task,), timeout=chance.uniform(0.02, 0.8))
        if self.end == "cancel":
            task.cancel()
        elif self.end == "close" and not task.done():
            await welkin.aclose()
        server.refuse_tokens = self.end == "refuse"
        async with asyncio.timeout(30):
            await asyncio.wait((task,))
        server.refuse_tokens = False
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, EXPECTED)
        if self.stream is not None:
            found = [*self.seen, *self.stream.unfinished]
            assert sorted(outcome.index for outcome in found) == list(range(self.pulled))
            assert self.stream.report.rows == self.pulled
        assert bulk_tasks() == []


@pytest.mark.parametrize("seed", range(4))
async def test_however_it_ends_no_row_is_lost_or_doubled(
    journal: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tokens, "_MOST_REQUESTS", 1000)
    monkeypatch.setattr(tokens, "_LONGEST_MEMORY", 0.0)  # sessions of a process share what they know of refusals
    chance = random.Random(seed)
    async with Sandbox(seed=seed, visibility_delay=chance.choice([0.0, 0.2]), latency=0.003) as server:
        patients = server.store.add_patients(3)
        rows = [CdtRow(patients[n % 3], {"medication_name": f"M{n}"}, f"r{n}") for n in range(150)]
        options = {"key_field": "external_id", "settle": 0.6, "final_settle": 0.8, "journal": journal}
        trouble(server)
        for end in chance.sample(ENDS, len(ENDS)):
            given: dict[str, Any] = {"concurrency": chance.choice([1, 4, 16]), "block": chance.choice([1, 7, 1000])}
            given |= {"ordered": chance.random() < 0.3, "resume": chance.choice(["resume", "retry"])}
            await Run(server, rows, chance, end).go({**options, **given})
        server.faults.clear()
        await server.settle()
        last = Run(server, rows, chance, "none")
        await last.go({**options, "resume": "retry"})
        keys = Counter(record["jsonBody"]["external_id"] for record in server.store.cdt_records(CDT))
    assert keys == Counter(str(row.key) for row in rows)
    assert last.stream is not None
    assert last.stream.report.complete
