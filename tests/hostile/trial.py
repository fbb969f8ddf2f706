"""A trial: rows are imported into a hostile server by runs that end in any way, and each run is judged."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

import attrs

from welkin_async import Welkin
from welkin_async.bulk import CdtRow, OutcomeStream, stream_cdt_records
from welkin_async.sandbox import Sandbox

from .hostile_server import CDT, Hostility, ServerLoop, expression
from .judge import MARK, Finding, Run, Truth, Wrong, judge, mark_of

__all__ = ["End", "HungError", "Result", "Trial"]

TIMEOUT = 0.3  # seconds that a run waits for an answer
CALM_TIMEOUT = 30.0  # in calm weather, where nothing but a loaded machine keeps an answer back
SETTLE = 0.5  # seconds, more than anything that was cut off takes to land
FINAL_SETTLE = 0.8
_GROWS_FOR = 3.0  # seconds for which a lag grows: a run waits for three times the largest that it has seen
_HUNG = 120.0  # seconds after which a run that has not ended never will


class End(StrEnum):
    """How a run ends.

    Attributes:
        NONE: It is left alone.
        LEAVE: The consumer leaves.
        CANCEL: Its task is cancelled.
        CLOSE: The session is closed.
        SHUTDOWN: It is a task in the background when the loop's main task ends.
        EXIT: SystemExit is raised by a callback of the loop, as by the loop's own signal handler.
        INTERRUPT: KeyboardInterrupt is raised wherever the loop is, as by Python's signal handler.
        KILL: Nothing after that moment reaches its journal, as when a process is killed.
        SOURCE: The source raises.
        SCOPE: A timeout around the source's yields, for whoever asks it for rows, comes to its end.
    """

    NONE = "none"
    LEAVE = "leave"
    CANCEL = "cancel"
    CLOSE = "close"
    SHUTDOWN = "shutdown"
    EXIT = "exit"
    INTERRUPT = "interrupt"
    KILL = "kill"
    SOURCE = "source"
    SCOPE = "scope"


class SourceError(Exception):
    """What a source raises."""


class HungError(Exception):
    """A run has not come to its end."""


def _ends(given: Iterable[str]) -> tuple[End, ...]:
    return tuple(map(End, given))


@attrs.define
class Result:
    """What came of a trial.

    Attributes:
        findings: What is wrong, in words.
        counts: How often things were met: statuses, records, doubles named, runs that call themselves complete.
        seconds: How long it took.
    """

    findings: list[str] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Trial:
    """One trial. Printed, it is the expression that makes it anew.

    Attributes:
        seed: Start of everything that is left to chance.
        hostility: What the server does.
        keyed: Whether rows have keys that are used.
        keys: Form of the keys: `short`, `long`, or `mixed`: the first short, the others long with capitals.
        rows: How many.
        patients: For how many patients.
        concurrency: Requests at once.
        ordered: Whether outcomes are wanted in the order of rows.
        ends: How the runs before the last one end; without a journal, how the only one does.
        moment: After which share of the outcomes they end.
        journal: Whether a journal is kept, and after each end a further run takes it up.
        source: Whether the journal is told what identifies the source.
        reorders: Whether each run has the rows in another order, which needs `source`.
        hurried: Whether a run is followed at once, while what it has sent may still land.
        retries: Whether the last run also takes up what was refused or failed.
    """

    seed: int = 0
    hostility: Hostility = attrs.field(factory=Hostility)
    keyed: bool = True
    keys: str = "short"
    rows: int = 40
    patients: int = 3
    concurrency: int = 4
    ordered: bool = False
    ends: tuple[End, ...] = attrs.field(default=(), converter=_ends)
    moment: float = 0.5
    journal: bool = True
    source: bool = False
    reorders: bool = False
    hurried: bool = False
    retries: bool = True

    def __str__(self) -> str:
        return expression(self)

    def run(self, servers: ServerLoop) -> Result:
        """Import, and judge.

        Args:
            servers: Where its server runs.

        Raises:
            HungError: A run has not ended.
        """
        result, began = Result(), time.monotonic()
        server = servers.call(_started(self.hostility.sandbox(self.seed)))
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._import(servers, server, Path(folder) / "journal", result)
        finally:
            servers.call(server.close())
            result.seconds = time.monotonic() - began
        return result

    def _import(self, servers: ServerLoop, server: Sandbox, journal: Path, result: Result) -> None:
        patients = servers.call(_patients(server, self.patients))
        rows = [self._row(number, patients) for number in range(self.rows)]
        ends = [*self.ends, End.NONE] if self.journal else [*self.ends[:1], End.NONE][:1]
        named: dict[str, set[str]] = {}
        for number, end in enumerate(ends):
            last = number == len(ends) - 1
            calm = last and number > 0
            if number and self.reorders:
                random.Random(f"{self.seed}/{number}").shuffle(rows)
            if calm:
                servers.call(_calmed(server))
            elif number == 0 and self.hostility.outage:
                server.outage(self.hostility.outage)
            run = Run(tuple(rows), self.keyed, finished=end in (End.NONE, End.SCOPE))
            client = _Client(self, server, run, end, journal if self.journal else None, calm=calm)
            client.go()
            if client.error is not None:
                result.counts[f"raised {type(client.error).__name__}"] += 1
            if last or not self.hurried:
                servers.call(_settled(server))
            truth = Truth(servers.call(_records(server)))
            result.findings += [f"run {number} ({end}): {finding}" for finding in judge(run, truth, named)]
            named |= run.named
            if calm and self.keyed and client.error is None:
                result.findings += [f"run {number}: {finding}" for finding in self._of_calm(run, truth)]
            result.counts += _counts(run, end)
        result.counts["records"] += len(servers.call(_records(server)))
        result.counts["faults met"] += sum(report.met for report in server.faults.report())

    def _row(self, number: int, patients: Sequence[str]) -> CdtRow:
        key = f"row-{number}"
        if self.keys == "long" or (self.keys == "mixed" and number):
            key = f"Hospital-A/Ward-17/medication-statement/{number:06d}"
        fields = {
            "medication_name": f"Medication {number}",
            "medication_dose": f"{number} mg",
            "medication_refills": number,
            MARK: f"row {number}",
        }
        return CdtRow(patients[number % len(patients)], fields, key)

    def _of_calm(self, run: Run, truth: Truth) -> list[Finding]:
        """What a last run in calm weather may not leave undone, where the server keeps what it is sent."""
        hostile = self.hostility
        if hostile.alteration or hostile.drops_key or hostile.echoes_key or not self.retries:
            return []
        said = {mark_of(each.row): f"{each.status}, attempts {each.attempts}, {each.error!r}" for each in run.outcomes}
        missing = [mark_of(row) for row in run.rows if not truth[mark_of(row)]]
        return [
            Finding(Wrong.LOST, mark, f"not there after a run in calm weather: {said.get(mark)}") for mark in missing
        ]


class _Client:
    """One run in a thread and a loop of its own, which may be ended as those of a process are.

    Attributes:
        error: What it raised.
    """

    def __init__(self, trial: Trial, server: Sandbox, run: Run, end: End, journal: Path | None, *, calm: bool) -> None:
        self._trial = trial
        self._server = server
        self._run = run
        self._end = end
        self._journal = journal
        self._resume = "retry" if calm and trial.retries else "resume"
        self._timeout = CALM_TIMEOUT if calm else TIMEOUT
        self._stream: OutcomeStream[Any, Any] | None = None
        self._due = asyncio.Event()
        self._killed: Path | None = None
        self._lock = threading.Lock()
        self._over = False
        self.error: BaseException | None = None

    def go(self) -> None:
        """Run it to its end.

        Raises:
            HungError: It has not ended.
        """
        thread = threading.Thread(target=self._thread, name=f"run {self._end}", daemon=True)
        thread.start()
        thread.join(_HUNG)
        if thread.is_alive():
            raise HungError(f"a run that was to end by {self._end} has not ended")
        run, stream = self._run, self._stream
        run.accounts = self._end not in (End.EXIT, End.INTERRUPT, End.KILL)
        if self._end is End.KILL and self._killed is not None and self._journal is not None:
            for path in self._journal.parent.glob(f"{self._journal.name}*"):
                path.unlink()
            shutil.move(self._killed, self._journal)
        elif stream is not None:
            with contextlib.suppress(Exception):
                run.outcomes += stream.unfinished
            run.report = stream.report if run.accounts else None
            for double in stream.doubles if run.accounts else ():
                run.named.setdefault(double.key, set()).update(double.ids)
        if self.error is not None and not run.exhausted:
            run.finished = False

    def _thread(self) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            try:
                asyncio.run(self._main())
            except BaseException as error:  # whatever ends a thread would be printed
                self.error = error
            with self._lock:
                self._over = True

    def _interrupt(self, thread: int) -> None:
        """Raise KeyboardInterrupt in a thread wherever it is, unless it has ended: another may have its number."""
        with self._lock:
            if not self._over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))

    async def _main(self) -> None:
        importing = asyncio.create_task(self._import())
        if self._end not in (End.NONE, End.SOURCE, End.SCOPE, End.LEAVE):
            due = asyncio.create_task(self._due.wait())
            await asyncio.wait((importing, due), return_when=asyncio.FIRST_COMPLETED)
            due.cancel()
            if not importing.done():
                await self._disturb(importing)
        if self._end is not End.SHUTDOWN:
            await importing

    async def _disturb(self, importing: asyncio.Task[None]) -> None:
        match self._end:
            case End.CANCEL:
                importing.cancel()
            case End.CLOSE:
                await self._welkin.aclose()
            case End.EXIT:
                asyncio.get_running_loop().call_soon(_exit)
                await asyncio.sleep(0)
            case End.INTERRUPT:
                after = random.Random(self._trial.seed).uniform(0.0, 0.02)
                threading.Timer(after, self._interrupt, (threading.get_ident(),)).start()
            case End.KILL:
                self._take_journal()
                importing.cancel()

    def _take_journal(self) -> None:
        """Keep what a killed process leaves: what has been committed."""
        if self._journal is not None and self._journal.exists():
            self._killed = self._journal.with_name("killed")
            with (
                contextlib.closing(sqlite3.connect(self._journal)) as opened,
                contextlib.closing(sqlite3.connect(self._killed)) as kept,
            ):
                opened.backup(kept)

    async def _import(self) -> None:
        trial, run, server = self._trial, self._run, self._server
        options: dict[str, Any] = {
            "concurrency": trial.concurrency,
            "ordered": trial.ordered,
            "key_field": "external_id" if trial.keyed else None,
            "settle": SETTLE,
            "final_settle": FINAL_SETTLE,
        }
        if self._journal is not None:
            options |= {"journal": self._journal, "resume": self._resume, "block": 1 + trial.seed % 20}
            options |= {"source": "the rows"} if trial.source else {}
        self._welkin = Welkin(
            tenant=server.tenant,
            instance=server.instance,
            api_client=server.api_client,
            secret_key=server.secret_key,
            base_url=server.base_url,
            timeout=self._timeout,
        )
        async with self._welkin as welkin:
            self._stream = stream_cdt_records(welkin, CDT, self._source(), **options)
            async with self._stream as outcomes:
                async for outcome in outcomes:
                    run.outcomes.append(outcome)
                    if len(run.outcomes) >= trial.moment * trial.rows:
                        self._due.set()
                        if self._end is End.LEAVE:
                            return

    async def _source(self) -> AsyncIterator[CdtRow]:
        async with contextlib.AsyncExitStack() as stack:
            if self._end is End.SCOPE:
                await stack.enter_async_context(asyncio.timeout(0.05))
            for number, row in enumerate(self._run.rows):
                if self._end is End.SOURCE and number >= self._trial.moment * self._trial.rows:
                    raise SourceError
                if number % 4 == 0:
                    await asyncio.sleep(0.002)
                self._run.pulled.append(mark_of(row))
                yield row
        self._run.exhausted = True


def _exit() -> NoReturn:
    raise SystemExit(143)


async def _started(server: Sandbox) -> Sandbox:
    await server.start()
    asyncio.get_running_loop().call_later(_GROWS_FOR, setattr, server, "delay_growth", 0.0)
    return server


async def _patients(server: Sandbox, count: int) -> list[str]:
    return server.store.add_patients(count)


async def _records(server: Sandbox) -> list[dict[str, Any]]:
    return [{**record, "jsonBody": dict(record["jsonBody"])} for record in server.store.cdt_records(CDT)]


async def _settled(server: Sandbox) -> None:
    """Wait until nothing can land any more."""
    while server.stats.in_flight or server.late:
        await asyncio.sleep(0.01)


async def _calmed(server: Sandbox) -> None:
    """Let the weather be calm; clocks and fields stay as they are."""
    server.faults.clear()
    server.visibility_delay = server.list_lag = server.delay_growth = 0.0


def _counts(run: Run, end: End) -> Counter[str]:
    counts: Counter[str] = Counter({f"end {end}": 1, "runs": 1})
    for outcome in run.outcomes:
        counts[str(outcome.status)] += 1
        counts["adopted"] += outcome.adopted
        counts["altered"] += bool(outcome.altered)
    counts["doubles named"] += len(run.named)
    counts["complete"] += run.report is not None and run.report.complete
    return counts
