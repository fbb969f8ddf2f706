"""``python -m tests.hostile.changes --trials 300``: updates, deletions and upserts on hostile servers, judged.

What a run says of each row is held against what the server holds once nothing can land any more: a row that is done is
done, and one that is refused or was not sent has changed nothing. Not drawn is a 2xx too many behind a deletion: such
an answer names nobody, and it is believed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from welkin_async import Welkin, bulk
from welkin_async.bulk import CdtChange, CdtRef, CdtRow, OutcomeStream, Status
from welkin_async.sandbox import DEFAULT_CDTS, Fault, FaultKind, Sandbox

from .hostile_server import CDT, ServerLoop, expression

__all__ = ["KINDS", "ChangeTrial", "drawn", "run_all"]

KINDS = ("update", "group", "delete", "upsert")
ENDS = ("none", "leave", "cancel", "close", "source", "shutdown")
_MARK, _VALUE = "medication_notes", "medication_status"
_NEW, _OLD = "active", "inactive"
_TIMEOUT, _LANDS = 0.3, 0.2
_OPERATIONS = {
    "update": ("cdts.update",),
    "group": ("cdts.bulk_update",),
    "delete": ("cdts.delete",),
    "upsert": ("cdts.update", "cdts.create", "cdts.list", "cdts.get"),
}
_DONE = {"update": Status.UPDATED, "group": Status.UPDATED, "delete": Status.DELETED}


@attrs.frozen(kw_only=True)
class ChangeTrial:
    """One trial. Printed, it is the expression that makes it anew.

    Attributes:
        kind: What is done: one of `KINDS`.
        seed: Start of everything that is left to chance.
        faults: What goes wrong.
        rows: How many.
        patients: For how many patients.
        concurrency: Requests at once.
        ends: How the runs before the last one end.
        moment: After which share of the outcomes they end.
        journal: Whether a journal is kept, and after each end a further run takes it up.
        skew: Seconds by which the server's clock is ahead.
        delay: Seconds until lists show a new record.
        unique: Whether a key must not occur twice.
    """

    kind: str = "update"
    seed: int = 0
    faults: tuple[Fault, ...] = ()
    rows: int = 30
    patients: int = 3
    concurrency: int = 4
    ends: tuple[str, ...] = ()
    moment: float = 0.5
    journal: bool = True
    skew: float = 0.0
    delay: float = 0.0
    unique: bool = False

    def __str__(self) -> str:
        return expression(self)

    def run(self, servers: ServerLoop) -> tuple[list[str], Counter[str]]:
        """Do it, and return what is wrong, and how often things were met.

        Args:
            servers: Where its server runs.
        """
        server = servers.call(self._started())
        findings: list[str] = []
        counts = Counter[str]()
        try:
            with tempfile.TemporaryDirectory() as folder:
                rows = servers.call(self._rows(server))
                for number, end in enumerate((*self.ends, "none") if self.journal else (*self.ends, "none")[:1]):
                    if number == len(self.ends) and number:
                        servers.call(_calmed(server))
                    journal = Path(folder) / "journal" if self.journal else None
                    run = _Run(self, server, rows, end, journal, retry=bool(number) and number == len(self.ends))
                    asyncio.run(asyncio.wait_for(run.main(), 90))
                    servers.call(_settled(server))
                    held = servers.call(_held(server))
                    findings += [f"run {number} ({end}): {each}" for each in self._judge(run, rows, held)]
                    counts.update(str(outcome.status) for outcome in run.outcomes)
                    counts["runs"] += 1
                    if run.error is not None:
                        counts[f"raised {type(run.error).__name__}"] += 1
            counts["faults met"] += sum(report.met for report in server.faults.report())
        finally:
            servers.call(server.close())
        return findings, counts

    async def _started(self) -> Sandbox:
        server = Sandbox(seed=self.seed, latency=0.002, skew=self.skew, visibility_delay=self.delay)
        server.define_cdt(CDT, DEFAULT_CDTS[CDT], unique=("external_id",) if self.unique else ())
        await server.start()
        return server

    async def _rows(self, server: Sandbox) -> list[Any]:
        """Make the records, and the rows that are to change them; the faults come afterwards."""
        patients = server.store.add_patients(self.patients)
        rows: list[Any] = []
        for number in range(self.rows):
            patient, fields = patients[number % self.patients], {_MARK: f"row {number}", _VALUE: _NEW}
            if self.kind == "upsert":
                if number % 2:
                    old = {_MARK: f"row {number}", _VALUE: _NEW if number % 3 == 0 else _OLD}
                    _create(server, patient, {**old, "external_id": f"key-{number}"})
                rows.append(CdtRow(patient, fields, f"key-{number}"))
                continue
            record = _create(server, patient, {_MARK: f"row {number}", _VALUE: _OLD})
            rows.append(
                CdtRef(patient, record) if self.kind == "delete" else CdtChange(patient, record, {_VALUE: _NEW})
            )
        await asyncio.sleep(self.delay)  # they are seen
        server.faults.add(*self.faults)
        return rows

    def _judge(self, run: _Run, rows: list[Any], held: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
        found: list[str] = []
        counts = Counter(outcome.index for outcome in run.outcomes)
        if run.accounts:
            found += [f"UNACCOUNTED row {n}: {counts[n]} outcomes" for n in range(run.pulled) if counts[n] != 1]
        for outcome in run.outcomes:
            there = held[f"row {outcome.index}"]
            new = [record["jsonBody"].get(_VALUE) == _NEW for record in there]
            status, said = (
                outcome.status,
                f"row {outcome.index}: {outcome.status} {outcome.earlier} {outcome.error}; {new}",
            )
            earlier = outcome.earlier if status is Status.SKIPPED else str(status)
            if self.kind == "delete":
                if earlier == "deleted" and there:
                    found.append(f"LOST {said}")
                if earlier in ("rejected", "failed") and not there and status is not Status.SKIPPED:
                    found.append(f"MISREPORTED {said}")
            elif earlier in ("updated", "created", "unchanged"):
                if new != [True] and not outcome.altered and outcome.index not in run.named:
                    found.append(f"LOST {said}")
                if outcome.record is not None and not outcome.altered:
                    own = [record["id"] for record in there]
                    if outcome.record.id not in own and self.kind != "group":
                        found.append(f"MISREPORTED the id of another; {said}")
            elif earlier in ("rejected", "failed") and any(new) and not self._was_new(outcome.index):
                found.append(f"MISREPORTED {said}")
            if len(there) > 1 and run.finished and outcome.index not in run.named:
                found.append(f"DOUBLED {said}")
        report = run.report
        if report is not None and report.complete:
            for number in range(len(rows)):
                there = held[f"row {number}"]
                if (self.kind == "delete" and there) or (
                    self.kind != "delete" and [r["jsonBody"].get(_VALUE) for r in there] != [_NEW]
                ):
                    found.append(f"OVERSTATED row {number}")
        return found

    def _was_new(self, number: int) -> bool:
        return self.kind == "upsert" and number % 6 == 3


class _Run:
    """One run of a trial."""

    def __init__(
        self, trial: ChangeTrial, server: Sandbox, rows: list[Any], end: str, journal: Path | None, *, retry: bool
    ) -> None:
        self._trial, self._server, self._rows, self._end, self._journal = trial, server, rows, end, journal
        self._retry = retry
        self._due = asyncio.Event()
        self.outcomes: list[Any] = []
        self.pulled = 0
        self.named: set[int] = set()
        self.report: Any = None
        self.error: BaseException | None = None
        self.accounts = end != "shutdown"
        self.finished = end == "none"

    async def main(self) -> None:
        work = asyncio.create_task(self._work())
        if self._end in ("cancel", "close", "shutdown"):
            due = asyncio.create_task(self._due.wait())
            await asyncio.wait((work, due), return_when=asyncio.FIRST_COMPLETED)
            due.cancel()
            if self._end == "shutdown":
                return
            if self._end == "cancel":
                work.cancel()
            else:
                await self._welkin.aclose()
        await asyncio.wait((work,))

    async def _work(self) -> None:
        trial, server = self._trial, self._server
        stream: OutcomeStream[Any, Any] | None = None
        try:
            self._welkin = Welkin(
                tenant=server.tenant,
                instance=server.instance,
                api_client=server.api_client,
                secret_key=server.secret_key,
                base_url=server.base_url,
                timeout=30.0 if self._retry else _TIMEOUT,
                max_attempts=3,
            )
            async with self._welkin as welkin:
                stream = self._stream(welkin)
                async with stream as outcomes:
                    async for outcome in outcomes:
                        self.outcomes.append(outcome)
                        if len(self.outcomes) >= trial.moment * trial.rows:
                            self._due.set()
                            if self._end == "leave":
                                break
        except (Exception, asyncio.CancelledError) as error:
            self.error = error
            self.finished = False
        if stream is not None:
            with contextlib.suppress(Exception):
                self.outcomes += stream.unfinished
            self.report = stream.report
            self.named = {int(double.key.split("-")[-1]) for double in stream.doubles if double.key}

    def _stream(self, welkin: Welkin) -> OutcomeStream[Any, Any]:
        trial = self._trial
        options: dict[str, Any] = {"concurrency": trial.concurrency}
        if self._journal is not None:
            options |= {"journal": self._journal, "resume": "retry" if self._retry else "resume"}
        if trial.kind == "update":
            return bulk.stream_cdt_updates(welkin, CDT, self._source(), **options)
        if trial.kind == "group":
            return bulk.stream_cdt_bulk_updates(welkin, CDT, self._source(), **options)
        if trial.kind == "delete":
            return bulk.stream_cdt_deletions(welkin, CDT, self._source(), **options)
        return bulk.stream_cdt_upserts(
            welkin, CDT, self._source(), settle=0.5, final_settle=0.8, overwrite=True, **options
        )

    async def _source(self) -> AsyncIterator[Any]:
        for number, row in enumerate(self._rows):
            if self._end == "source" and number >= self._trial.moment * self._trial.rows:
                raise LookupError
            if number % 4 == 0:
                await asyncio.sleep(0.002)
            self.pulled += 1
            yield row


def _create(server: Sandbox, patient: str, fields: dict[str, Any]) -> str:
    class Body:
        def object(self) -> dict[str, Any]:
            return fields

    answer = server.store.sections.cdts.create(Body(), patient, CDT)  # type: ignore[arg-type]
    return str(json.loads(answer.body)["id"])


async def _held(server: Sandbox) -> Mapping[str, list[Mapping[str, Any]]]:
    held: dict[str, list[Mapping[str, Any]]] = {f"row {number}": [] for number in range(10_000)}
    for record in server.store.cdt_records(CDT):
        held[str(record["jsonBody"].get(_MARK))].append({**record, "jsonBody": dict(record["jsonBody"])})
    return held


async def _settled(server: Sandbox) -> None:
    while server.stats.in_flight or server.late:
        await asyncio.sleep(0.01)


async def _calmed(server: Sandbox) -> None:
    server.faults.clear()
    server.visibility_delay = 0.0


def drawn(seed: int) -> ChangeTrial:
    """Draw a trial.

    Args:
        seed: Any number.
    """
    chance = random.Random(seed)
    kind = chance.choice(KINDS)
    faults = []
    for _ in range(chance.randint(1, 3)):
        operation = chance.choice(_OPERATIONS[kind])
        often = chance.choice([0.05, 0.15, 0.4])
        what = chance.choice(list(FaultKind))
        more: dict[str, Any] = {"probability": often, "times": None}
        if what is FaultKind.STATUS:
            more["status"] = chance.choice([400, 404, 404, 408, 409, 422, 500, 502, 503])
            more["work_done"] = chance.random() < 0.5 and more["status"] >= 408 and more["status"] not in (409, 422)
            if chance.random() < 0.3:
                more["body"] = b"<html>no</html>"
        elif what is FaultKind.STRAY:
            statuses = (
                [400, 404, 409, 422, 500, 503] if kind == "delete" else [200, 201, 204, 400, 404, 409, 422, 500, 503]
            )
            more["status"] = chance.choice(statuses)
            more["delay"] = chance.choice([0.0, 0.001, 0.003])
        elif what is FaultKind.GATEWAY:
            more = {"times": 5, "after": chance.randint(0, 20)}
        elif what is FaultKind.RESET_LATE or what is FaultKind.QUEUED:
            more["delay"] = _LANDS
            more["work_done"] = chance.random() < 0.5 if what is FaultKind.QUEUED else False
        else:
            more["delay"] = _TIMEOUT + _LANDS / 2
        faults.append(Fault(what, operation, **more))
    return ChangeTrial(
        kind=kind,
        seed=seed,
        faults=tuple(faults),
        rows=chance.choice([12, 30]),
        patients=chance.choice([1, 3, 30]),
        concurrency=chance.choice([1, 2, 8]),
        ends=tuple(chance.choice(ENDS[1:]) for _ in range(chance.randint(0, 2))),
        moment=chance.choice([0.0, 0.3, 0.8]),
        journal=chance.random() < 0.7,
        skew=chance.choice([0.0, 0.0, -1200.0, 600.0]),
        delay=chance.choice([0.0, 0.0, 0.1]) if kind == "upsert" else 0.0,
        unique=chance.random() < 0.3,
    )


def run_all(trials: Sequence[ChangeTrial], at_once: int = 6) -> list[tuple[ChangeTrial, list[str], Counter[str]]]:
    """Run trials beside each other, because they mostly wait; the results are in their order.

    Args:
        trials: What to run.
        at_once: How many at once.
    """
    with ServerLoop() as servers, ThreadPoolExecutor(at_once) as threads:

        def run(trial: ChangeTrial) -> tuple[ChangeTrial, list[str], Counter[str]]:
            try:
                return trial, *trial.run(servers)
            except TimeoutError:
                return trial, ["a run has not ended"], Counter()

        return list(threads.map(run, trials))


def main() -> int:
    """Run by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.changes", description="Judge changes.")
    parser.add_argument("--trials", type=int, default=300, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    options = parser.parse_args()
    counts, wrong = Counter[str](), 0
    for trial, findings, met in run_all([drawn(options.seed + number) for number in range(options.trials)]):
        counts += met
        counts[trial.kind] += 1
        wrong += bool(findings)
        if findings:
            sys.stdout.write("\n    ".join([str(trial), *findings[:8]]) + "\n")
    sys.stdout.write(f"{dict(sorted(counts.items()))}\n{wrong} of {options.trials} with findings\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
