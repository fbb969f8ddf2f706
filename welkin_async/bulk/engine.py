"""The fan-out: N workers pulling from one source.

No task, future or list per row: memory is bounded by the number of workers, not by the input. Each row that is pulled
gets exactly one outcome, whatever happens: the counts of a `Report` add up to the rows that were pulled.

A row takes this way: pulled, sent, and either it has its outcome, or nobody knows. Without keys such a row is
``unknown`` for good; with them it is parked (see `exactly`), and the worker goes on with the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from welkin_async.bulk import unsent
from welkin_async.bulk.bookkeeping import Bookkeeping, Entry, Step
from welkin_async.bulk.channel import Channel
from welkin_async.bulk.deciding import Decision, Parked
from welkin_async.bulk.exactly import Double, Exactly
from welkin_async.bulk.journal_lock import JournalError
from welkin_async.bulk.outage import Outage
from welkin_async.bulk.outcomes import BulkStoppedError, Outcome, Progress, Report, Status
from welkin_async.bulk.source import CalledAway, Source
from welkin_async.bulk.telling import Telling
from welkin_async.bulk.work import Action, Halt, Kind, Work, Worker
from welkin_async.errors import InvalidInputError, WelkinError
from welkin_async.record import Record

__all__ = ["Action", "Engine"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)

_SHARE_FROM = 100  # rows before a share of failures means anything
_DRAIN_MARGIN = 15.0  # seconds beyond an attempt's timeout: making the connection, and reading the answer


class Engine(Generic[RowT, R]):
    """Runs one import.

    Args:
        action: What is done with each row.
        rows: The rows, or a source of them, pulled by the workers as they get free.
        concurrency: How many workers.
        channel: Where outcomes go for a consumer; None where only the counts are wanted.
        window: How far pulling may run ahead of the consumer; 0 for no bound of its own.
        fail_fast: Whether to stop at the first row that is not created.
        max_failures: Stops when more than so many rows are not carried out: a count, or a share below 1.0; None for
            never.
        on_progress: Called with a snapshot about four times a second, once a second while it waits, and at the end.
        drain: Seconds that requests on the wire are given when the import stops early.
        lost: Names the fields of a row that its record does not hold; None to leave it at what was answered.
        exactly: Looks rows up whose outcome is unknown; None to report them as they are.
        outage: Holds rows back while the server is down; None to let them fail.
        kind: What is done with rows; by default a CDT record is created.

    Attributes:
        report: Counts so far.
        unfinished: Outcomes that no consumer took.
        exactly: Looks rows up, or None.
        books: Keeps a journal, or None; set before `start`.
    """

    _plain = True  # whether what is pulled is a row, with one outcome

    def __init__(
        self,
        action: Action[RowT, R],
        rows: Iterable[RowT] | AsyncIterable[RowT] | Source[RowT],
        *,
        concurrency: int,
        channel: Channel | None = None,
        window: int = 0,
        fail_fast: bool = False,
        max_failures: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        drain: float,
        lost: Callable[[RowT, R], tuple[str, ...]] | None = None,
        exactly: Exactly | None = None,
        outage: Outage | None = None,
        kind: Kind = Kind(),  # noqa: B008 - frozen
    ) -> None:
        if concurrency < 1:
            raise InvalidInputError("concurrency is at least 1")
        self._source = rows if isinstance(rows, Source) else Source(rows)
        self._kind = kind
        self._channel = channel
        self._window = window
        self._most_failures = 0.0 if fail_fast else max_failures
        self._telling = None if on_progress is None else Telling(on_progress, lambda: self.progress, self._stop)
        self._drain = drain + _DRAIN_MARGIN
        self.exactly = exactly
        self._outage = outage
        self.books: Bookkeeping | None = None
        self._alone = asyncio.Lock()
        self._halt = Halt()
        self._work = Work(action, self._halt, self._stop, lost=lost, exactly=exactly, outage=outage, kind=kind)
        self._workers = [Worker() for _ in range(concurrency)]
        self._idle = asyncio.Event()
        self._books: asyncio.Task[None] | None = None
        self._started = 0.0
        self.report = Report()
        self.unfinished: list[Outcome[RowT, R]] = []

    def start(self) -> None:
        """Set the workers going, on the running loop."""
        self._started = time.monotonic()
        if self.exactly is not None:
            self.exactly.start(self._decided, self._fail, self._outage)
        for number, worker in enumerate(self._workers):
            worker.task = asyncio.create_task(self._run(worker), name=f"welkin_async bulk worker {number}")
        self._books = asyncio.create_task(self._close_books(), name="welkin_async bulk")
        if self._telling is not None:
            self._telling.start()

    async def wait(self) -> None:
        """Wait until every row has its outcome; a caller's cancellation ends the import at once."""
        assert self._books is not None
        try:
            await asyncio.wait((self._books,))
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def leave(self) -> None:
        """Stop pulling, drain what is on the wire, and keep what nobody will take."""
        self._halt.left = True
        self._stop()
        for worker in self._workers:
            if worker.delivering and worker.task is not None:
                worker.task.cancel()
        self._leave_rest()
        await self._drained()

    async def cancel(self) -> None:
        """End at once: what was on the wire is unknown."""
        self._halt.left = True
        self._halt.stopping = True
        self._cancel_workers()
        self._leave_rest()
        await self._drained()

    @property
    def error(self) -> BaseException | None:
        """Why the import stopped early, or None."""
        return self._halt.error

    @property
    def doubles(self) -> Sequence[Double]:
        """The keys that the last sweep found more than once."""
        return () if self.exactly is None else self.exactly.doubles

    @property
    def progress(self) -> Progress:
        """How it stands."""
        if not self._started:
            return self.report.progress(self._source.total, 0.0)
        return self.report.progress(
            self._source.total,
            self.report.seconds or time.monotonic() - self._started,
            parked=0 if self.exactly is None else self.exactly.parked,
            down_for=None if self._outage is None else self._outage.down_for,
            sweep_in=None if self.exactly is None else self.exactly.sweep_in,
        )

    def reached(self) -> None:
        """Note that the server has answered before any row was sent: where it does not answer a row, it is down."""
        if self._outage is not None:
            self._outage.reached()

    def advanced(self) -> None:
        """Note that the consumer took an outcome, so that pulling may go on."""
        if self._window:
            self._idle.set()

    def _leave_rest(self) -> None:
        """Let nothing wait for a consumer that has left."""
        if self._channel is not None:
            self._channel.leave()
        if self.exactly is not None:
            self.exactly.leave()

    def _cancel_workers(self) -> None:
        for worker in self._workers:
            if worker.task is not None:
                worker.task.cancel()

    async def _drained(self) -> None:
        """Wait for the end in spite of the caller's cancellation: no task is left behind."""
        books = self._books
        assert books is not None
        deadline = time.monotonic() + self._drain
        cancelled = False
        while not books.done():
            try:
                patience = max(0.0, deadline - time.monotonic())
                await asyncio.wait((books,), timeout=patience if patience else None)
                if not books.done():
                    self._cancel_workers()
            except asyncio.CancelledError:
                cancelled = True
                self._cancel_workers()
        if self._channel is not None:
            self.unfinished = [*self._channel.drain(), *self.unfinished]
        if cancelled:
            raise asyncio.CancelledError

    async def _close_books(self) -> None:
        """See the workers off, then the rows that are still parked, then the last sweep."""
        await asyncio.wait([worker.task for worker in self._workers if worker.task is not None])
        try:
            if self.exactly is not None:
                for parked in await self.exactly.stop():
                    await self._resolve(unsent.unknown(parked))
                if not self._halt.stopping:
                    await self.exactly.sweep()
        except BaseException as error:
            self._stop(error)
        if self.exactly is not None:
            await self.exactly.aclose()
            self.report.doubled = sum(double.remains for double in self.exactly.doubles)
            self.report.lookups = self.exactly.lookups
            self.report.unswept = self.exactly.unswept
        if self._outage is not None:
            await self._outage.aclose()
            self.report.paused = self._outage.seconds
        self.report.seconds = time.monotonic() - self._started
        if self._telling is not None:
            self._telling.stop()
            self._telling.tell()
        if self._channel is not None:
            self._channel.close()

    def _fail(self, error: Exception) -> None:
        """Stop the import because of something no single row is to blame for."""
        self._stop(error)

    def _stop(self, error: BaseException | None = None) -> None:
        """Pull no more; let requests on the wire end, and give up those that still wait to be sent."""
        if self._halt.error is None:
            self._halt.error = error
        if self._halt.stopping:
            return
        self._halt.stopping = True
        current = asyncio.current_task()
        for worker in self._workers:
            task = worker.task
            if task is None or task is current or worker.delivering:
                continue
            if worker.request is not None and worker.request.on_wire:
                worker.request.last = True
            else:
                task.cancel()

    async def _run(self, worker: Worker) -> None:
        """Work until the source is at its end or the import stops."""
        do, plain, exactly, halt = self._work.do, self._plain and self.books is None, self.exactly, self._halt
        try:
            while not halt.stopping:
                if exactly is not None and exactly.cautious:
                    if not await self._turn(worker):
                        break
                elif not self._take(worker) and not await self._next(worker):
                    break
                elif not plain or getattr(worker.row, "problem", None) is not None:
                    await self._bring(worker)
                else:  # what `_bring` comes to where there is no journal
                    outcome = await do(worker)
                    if outcome is not None and not self._counted(outcome):
                        await self._settle(worker, outcome)
                    worker.request = None
        except BaseException as error:
            # A cancellation that is not ours came out of the source: its end, but not a good one.
            if not (isinstance(error, asyncio.CancelledError) and self._halt.stopping):
                self._stop(error)
        finally:
            self._idle.set()

    async def _turn(self, worker: Worker) -> bool:
        """Take a row when no other is on its way, as long as rows must go one at a time; False at the end."""
        async with self._alone:
            if self.exactly is not None and self._cautious():  # the proof may have come while this worker waited
                going_on = self._halt.stopping or await self._row(worker)
                if not self._halt.stopping:  # a cancellation may have been taken in already, and nobody sends another
                    await self.exactly.settled()
                return going_on
        return await self._row(worker)

    def _cautious(self) -> bool:
        """Tell whether rows must go one at a time."""
        return self.exactly is not None and self.exactly.cautious

    async def _row(self, worker: Worker) -> bool:
        """Take a row, and bring it to its outcome or park it; False where there is none."""
        if not self._take(worker) and not await self._next(worker):
            return False
        await self._bring(worker)
        return True

    async def _bring(self, worker: Worker) -> None:
        """Bring the worker's row to its outcome, or park it."""
        books = self.books
        outcome: Outcome[RowT, R] | None
        problem: WelkinError | None = getattr(worker.row, "problem", None)
        worker.sent_before = sent_before = False
        if books is not None and worker.again is None:
            try:
                entry = books.enter(worker.index, worker.row)
                if entry is not None:
                    await books.ready(worker.index, entry)
                    if entry.step is Step.CHECK and problem is None and self.exactly is not None:
                        entry = None if await self.exactly.absent(worker.row) else entry
            except BaseException as failure:
                await self._settle(worker, self._not_entered(worker, failure))
                if isinstance(failure, asyncio.CancelledError) and self._halt.stopping:
                    return
                raise
            if entry is None:
                pass
            elif entry.step is Step.SKIP:
                await self._settle(worker, unsent.skipped(self._kind, worker.index, worker.row, entry))
                if self.exactly is not None and entry.earlier in _THERE and problem is None:
                    await self.exactly.skipped(worker.row)  # when it has its outcome: this can be cancelled
                return
            elif problem is not None:
                sent_before = entry.step is Step.LOOK and not isinstance(problem, InvalidInputError)
            elif entry.step is Step.LOOK and self._kind.repeatable:
                worker.sent_before = True
            elif entry.step is not Step.SEND:
                outcome = self._not_to_be_sent(worker, entry)
                if outcome is not None:
                    await self._settle(worker, outcome)
                return
        if problem is None:
            outcome = await self._work.do(worker)
        else:
            status = Status.UNKNOWN if sent_before else Status.FAILED
            outcome = Outcome(worker.index, worker.row, status, None, problem, 0)
        worker.request = None
        if outcome is not None and not self._counted(outcome):
            await self._settle(worker, outcome)

    def _not_entered(self, worker: Worker, failure: BaseException) -> Outcome[RowT, R]:
        """Account for a row that was pulled but never came into the journal."""
        may_be_there = self.books is not None and self.books.may_be_there(worker.index)
        task = asyncio.current_task()
        if isinstance(failure, asyncio.CancelledError) and task is not None and not self._halt.left:
            task.uncancel()  # its outcome is still to be delivered to who listens
        elif not self._halt.stopping:
            self._stop(failure)
        return unsent.not_entered(self._kind, worker.index, worker.row, failure, may_be_there=may_be_there)

    def _not_to_be_sent(self, worker: Worker, entry: Entry) -> Outcome[RowT, R] | None:
        """Return the outcome of a row that is refused or may have been sent by an earlier run; None where parked."""
        if entry.step is Step.REFUSE:
            return unsent.refused(worker.index, worker.row, InvalidInputError(self._kind.twice))
        if self.exactly is None:
            return unsent.without_key(self._kind, worker.index, worker.row)
        try:
            reason = unsent.ELSEWHERE if entry.step is Step.CHECK else unsent.ENDED
            self.exactly.look(worker.index, worker.row, entry.since, self._kind.operation.line, reason)
        except InvalidInputError as problem:
            return unsent.refused(worker.index, worker.row, problem)
        return None

    def _take(self, worker: Worker) -> bool:
        """Take the next row of the source where nothing has to be waited for."""
        exactly = self.exactly
        if self._window or (exactly is not None and (exactly.again or exactly.full)):
            return False
        pulled = self._source.take()
        if pulled is None:
            return False
        worker.index, worker.row = pulled
        worker.again = None
        return True

    async def _next(self, worker: Worker) -> bool:
        """Take a row that is to be sent again, or the next of the source; False when there is neither."""
        exactly = self.exactly
        while True:
            if exactly is not None and exactly.again:
                worker.again = parked = exactly.again.popleft()
                worker.index, worker.row = parked.index, parked.row
                return True
            if not self._held():
                try:
                    pulled = await self._source.pull()
                except CalledAway:
                    continue
                if pulled is not None:
                    worker.index, worker.row = pulled
                    worker.again = None
                    return True
                if exactly is None or not exactly.busy:
                    self._idle.set()
                    return False
            if self._halt.stopping:
                return False
            self._idle.clear()
            await self._idle.wait()

    def _held(self) -> bool:
        """Tell whether pulling has run far enough ahead, of the consumer or of the look-ups."""
        if self.exactly is not None and self.exactly.full:
            return True
        channel = self._channel
        return bool(self._window and channel and self._source.asked - channel.taken >= self._window)

    def _counted(self, outcome: Outcome[RowT, R]) -> bool:
        """Count an outcome that nobody waits for; False where there is more to be done with it."""
        if self._channel is not None or not outcome.attempts or self._halt.left:
            return False
        self._count(outcome)
        return True

    async def _settle(self, worker: Worker, outcome: Outcome[RowT, R]) -> None:
        """Count an outcome and hand it on."""
        self._count(outcome)
        if self._halt.left:
            self.unfinished.append(outcome)
        elif self._channel is not None:
            worker.delivering = True
            try:
                await self._channel.put(outcome)
            except asyncio.CancelledError:
                self.unfinished.append(outcome)
                raise
            finally:
                worker.delivering = False
        elif outcome.attempts == 0:
            await asyncio.sleep(0)  # rows that are never sent must not keep the loop from everything else

    async def _resolve(self, outcome: Outcome[RowT, R]) -> None:
        """Count an outcome that no worker brings."""
        self._count(outcome)
        if self._halt.left or self._channel is None:
            if self._halt.left:
                self.unfinished.append(outcome)
        else:
            try:
                await self._channel.put(outcome)
            except asyncio.CancelledError:
                self.unfinished.append(outcome)
                raise
        self._idle.set()

    async def _decided(self, parked: Parked, decision: Decision, record: Any) -> None:
        """Carry out what a look-up decided about a parked row."""
        if decision is Decision.RESEND:
            self._idle.set()
            self._source.call_away()  # a source that waits for this row's outcome brings no other
            return
        await self._resolve(unsent.decided(parked, decision, record))

    def _too_many(self, most: float) -> bool:
        """Tell whether so many rows have failed that the import is to stop."""
        report = self.report
        failures = report.rows - report.done - report.skipped
        if 0.0 < most < 1.0:
            return report.rows >= _SHARE_FROM and failures > most * report.rows
        return failures > most

    def _count(self, outcome: Outcome[RowT, R]) -> None:
        if self.books is not None:
            try:
                self.books.decided(outcome, sent=not self._halt.stopping or outcome.attempts > 0)
            except JournalError as error:  # the row has its outcome, whether or not that can be kept
                self._stop(error)
        self.report.count(outcome)
        most = self._most_failures
        if most is not None and outcome.status not in _WELL and not self._halt.stopping and self._too_many(most):
            self._stop(BulkStoppedError(self.report, outcome.index, outcome.error))
        if self._telling is not None:
            self._telling.counted()


_THERE = frozenset({"created", "altered", "doubled"})
_WELL = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED, Status.SKIPPED})
