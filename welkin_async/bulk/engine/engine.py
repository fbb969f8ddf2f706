"""Bulk engine: N workers that take rows from one source.

No task, future or list per row: memory is bounded by the number of workers, not by the input. Each row that is pulled
gets exactly one outcome, whatever happens: the counts of a `Report` add up to the rows that were pulled.

A row is pulled, sent, and then either has its outcome, or it is not known what became of it. Without keys such a row is
``unknown`` for good; with them it is pending (see `reconciliation`), and the worker goes on with the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from welkin_async.bulk.actions.action import Action
from welkin_async.bulk.engine import local_outcomes
from welkin_async.bulk.engine.circuit_breaker import ServerGuard
from welkin_async.bulk.engine.first_look import THERE, FirstLook
from welkin_async.bulk.engine.outcome_queue import OutcomeQueue
from welkin_async.bulk.engine.patient_order import PatientOrder
from welkin_async.bulk.engine.progress import ProgressReporter
from welkin_async.bulk.engine.row_retries import RowRetries
from welkin_async.bulk.engine.session_rate import SessionRate
from welkin_async.bulk.engine.worker import RowWorker, StopState, WorkerState
from welkin_async.bulk.errors import JournalError
from welkin_async.bulk.existing.records import ExistingRecords
from welkin_async.bulk.existing.updates import ExistingUpdates
from welkin_async.bulk.journal.row_admission import Admission, AdmissionStep, RowAdmission
from welkin_async.bulk.reconciliation.duplicate_scan import Duplicate, DuplicateScan
from welkin_async.bulk.reconciliation.options import LookupOptions
from welkin_async.bulk.reconciliation.policy import Decision, PendingRow
from welkin_async.bulk.reconciliation.reconciler import Reconciler
from welkin_async.bulk.results import BulkStoppedError, Outcome, Progress, Report, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.bulk.source import CalledAway, RowSource
from welkin_async.errors import InvalidInputError, SessionError
from welkin_async.wire.records import Record
from welkin_async.wire.tracebacks import drop_frames

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)
T = TypeVar("T")

_DRAIN_MARGIN = 15.0  # seconds beyond an attempt's timeout: making the connection, and reading the answer
_NOT_SENT = frozenset({AdmissionStep.LOOK, AdmissionStep.REFUSE})
_WELL = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED, Status.SKIPPED, Status.UNCHANGED})
_AHEAD = 8  # times the concurrency: how many rows are read ahead where what is there is looked for first


class Engine(Generic[RowT, R]):
    """Bulk engine: runs one import.

    Args:
        action: What is done with each row.
        rows: The rows, pulled as workers get free.
        concurrency: How many workers.
        queue: Where outcomes go for a consumer, until `count_only`; None where there is none.
        window: How far pulling may run ahead of the consumer; 0 for no bound of its own.
        fail_fast: Whether to stop at the first row that is not carried out.
        max_failures: Stops when more than so many rows are not carried out: a count, or a share below 1.0; None for
            never.
        on_progress: Called with a snapshot about four times a second, once a second while it waits, and at the end.
        lookups: How rows are looked for whose outcome is unknown; None to report them as they are.
        updates: Changes records that are there otherwise than their rows ask for; None to leave them.
        guard: Holds rows back while the server is down; None to let them fail.
        by_patient: Whether the rows of a patient go one at a time, in the order of the source.
        row_patience: Seconds of refusals after which a row is given up, while others are accepted or none are left.

    Attributes:
        operation: What is done with rows.
        window: How far pulling may run ahead of the consumer; 0 for no bound of its own.
        report: Counts so far.
        unfinished: Outcomes that no consumer took.
        lookups: How rows are looked for, or None.
        updates: Changes records that are there otherwise, or None.
        admission: Keeps a journal, or None; set before `start`, and needed where rows are looked for.
    """

    _single = True  # whether what is pulled is a row, with one outcome

    def __init__(
        self,
        action: Action[R],
        rows: Iterable[RowT] | AsyncIterable[RowT],
        *,
        concurrency: int,
        queue: OutcomeQueue | None = None,
        window: int = 0,
        fail_fast: bool = False,
        max_failures: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        lookups: LookupOptions | None = None,
        updates: ExistingUpdates | None = None,
        guard: ServerGuard | None = None,
        row_patience: float = 300.0,
        by_patient: bool = False,
    ) -> None:
        if concurrency < 1:
            raise InvalidInputError("concurrency is at least 1")
        self._action = action
        self._row_hook = action.row_hook
        self.operation = action.operation
        self.lookups = lookups
        self._looks_at_all = lookups is not None and lookups.existing == "check"
        self._order: PatientOrder | None = None
        self._most_held = _AHEAD * concurrency if by_patient else 0
        self._source = self._source_of(rows)
        self._queue = queue
        self.window = window
        self._waits = bool(window) or not self._source.immediate  # whether a worker may have to wait for a row
        self._reporter = (
            None if on_progress is None else ProgressReporter(on_progress, lambda: self.progress, self._stop)
        )
        self._reconciler: Reconciler | None = None
        self._scan: DuplicateScan | None = None
        self._existing: ExistingRecords | None = None
        self._look: FirstLook | None = None
        self.updates = updates
        self._guard = guard
        self.admission: RowAdmission | None = None
        self._alone = asyncio.Lock()
        self._state = StopState(0.0 if fail_fast else max_failures)
        self._retries = RowRetries(
            concurrency,
            patience=row_patience,
            wake=self._resume,
            ended=lambda: self._source.drained,
            aside=self._single,
            one_by_one=by_patient,
        )
        self._worker = RowWorker(
            action, self._state, self._stop, guard=guard, retries=self._retries, groups=self._groups_in_flight
        )
        self._workers = [WorkerState() for _ in range(concurrency)]
        self._idle = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._started = 0.0
        self._rate = SessionRate(lambda: self._action.stats())
        self.report = Report()
        self.unfinished: list[Outcome[RowT, R]] = []

    def _source_of(self, rows: Iterable[RowT] | AsyncIterable[RowT]) -> RowSource[Any]:
        """Return what workers take rows from; those of a patient one at a time, where rows may be held back."""
        prepare = self._prepare if self._looks_at_all else self._action.prepare
        if not self._most_held:
            return RowSource(rows, prepare)
        self._order = PatientOrder(rows, prepare, most=self._most_held, admission=lambda: self.admission)
        return self._order

    def _prepare(self, index: int, row: RowT) -> PreparedRow:
        """Make a row ready that was read, and begin to look for it."""
        prepared = self._action.prepare(index, row)
        assert self._existing is not None
        self._existing.expect(prepared)
        return prepared

    def count_only(self) -> None:
        """Hand no outcomes on: only the counts are wanted."""
        self._queue, self.window = None, 0
        self._waits = not self._source.immediate

    def start(self) -> None:
        """Set the workers going, on the running loop."""
        self._started = time.monotonic()
        self._rate.start()
        if self.lookups is not None:
            self._look_up(self.lookups)
        elif all(each is None for each in (self._queue, self.admission, self._row_hook, self._order)):
            self._worker.tally = self.report.count_created if self._reporter is None else self._tally
        for number, worker in enumerate(self._workers):
            worker.task = asyncio.create_task(self._work(worker), name=f"welkin_async bulk worker {number}")
        self._closing = asyncio.create_task(self._close(), name="welkin_async bulk")
        if self._reporter is not None:
            self._reporter.start()

    def _look_up(self, lookups: LookupOptions) -> None:
        """Make what looks for rows."""
        assert self.admission is not None
        self._reconciler = reconciler = Reconciler(
            lookups, self.admission, self._carry_out, self._stop, self._is_idle, self._guard
        )
        self._scan = DuplicateScan(
            lookups.keys,
            self._guard,
            self.admission.journal,
            reconciler.since,
            at_once=len(self._workers),
            remove_doubles=lookups.remove_doubles,
            fail=self._stop,
        )
        self._worker.reconciler = reconciler
        if (shared := lookups.shared) is not None:
            self._worker.permit = partial(shared.permits, self._stop)
        self.report.existing = lookups.existing
        if self.updates is not None:
            self.updates.server = self._guard
        self._existing = ExistingRecords(
            lookups.keys,
            self.admission.vouches if self.updates is None else lambda _: False,
            self._guard,
            self.operation.operation.line,
            listers=len(self._workers),
            settle=0.0 if shared is not None and shared.settled else lookups.settle,
            some=not self._looks_at_all,
        )
        since = None if shared is None else shared.adopted_since
        self._look = FirstLook(self.operation, self._existing, self.updates, reconciler, self._scan, since)
        if self._looks_at_all:
            self._source.ahead = _AHEAD * len(self._workers)

    async def wait(self) -> None:
        """Wait until every row has its outcome; a caller's cancellation ends the import at once."""
        assert self._closing is not None
        try:
            await asyncio.wait((self._closing,))
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def leave(self) -> None:
        """Stop pulling, drain what is on the wire, and keep what no consumer takes any more."""
        self._state.left = True
        self._stop()
        for worker in self._workers:
            if worker.delivering and worker.task is not None:
                worker.task.cancel()
        self._leave_rest()
        await self._drained()

    async def cancel(self) -> None:
        """End at once: what was on the wire is unknown."""
        self._state.left = True
        self._state.stopping = True
        self._cancel_workers()
        self._leave_rest()
        await self._drained()

    @property
    def error(self) -> BaseException | None:
        """Why the import stopped early, or None."""
        return self._state.error

    @property
    def doubles(self) -> Sequence[Duplicate]:
        """The keys that the final scan found more than once."""
        return () if self._scan is None else self._scan.found

    @property
    def progress(self) -> Progress:
        """A snapshot of where the import is."""
        if not self._started:
            return self.report.progress(self._source.total, 0.0)
        return self.report.progress(
            self._source.total,
            self.report.seconds or time.monotonic() - self._started,
            parked=0 if self._reconciler is None else self._reconciler.pending,
            down_for=self._down_for,
            sweep_in=None if self._scan is None else self._scan.starts_in,
            stats=self._rate.now(),
            set_aside=len(self._retries.rows),
            reasons=self._retries.reasons,
        )

    @property
    def _down_for(self) -> float | None:
        """Seconds since which the server is down, as rows or the listings before them tell; None where it is not."""
        down_for = None if self._guard is None else self._guard.down_for
        return self._existing.down_for if down_for is None and self._existing is not None else down_for

    def reached(self) -> None:
        """Note that the server has answered before any row was sent: where it does not answer a row, it is down."""
        if self._guard is not None:
            self._guard.reached()

    def advanced(self) -> None:
        """Note that the consumer took an outcome, so that pulling may go on where there is a window."""
        self._idle.set()

    def _leave_rest(self) -> None:
        """Let nothing wait for a consumer that has left."""
        if self._queue is not None:
            self._queue.leave()
        if self._scan is not None:
            self._scan.leave()

    def _cancel_workers(self) -> None:
        for worker in self._workers:
            if worker.task is not None:
                worker.task.cancel()

    async def _drained(self) -> None:
        """Wait for the end in spite of the caller's cancellation: no task is left behind."""
        closing = self._closing
        assert closing is not None
        deadline = time.monotonic() + self._action.timeout + _DRAIN_MARGIN
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope() as scope:
            while not closing.done():
                try:
                    patience = max(0.0, deadline - time.monotonic())
                    await asyncio.wait((closing,), timeout=patience if patience else None)
                    if not closing.done():
                        self._cancel_workers()
                except asyncio.CancelledError as error:
                    cancelled = error  # raised again as it is: a cancelled scope knows its own by their text
                    scope.shield = True  # it would cancel once more at each step of the event loop
                    self._cancel_workers()
        if self._queue is not None:
            self.unfinished = [*self._queue.drain(), *self.unfinished]
        if cancelled is not None:
            raise cancelled

    async def _close(self) -> None:
        """See the workers off, then the rows that are still pending, then the final scan."""
        await self._workers_ended()
        ended = self._source.exhausted
        reconciler, scan, guard, report = self._reconciler, self._scan, self._guard, self.report
        try:
            outcomes = [local_outcomes.left_aside(self.operation, attempted) for attempted in self._retries.drain()]
            outcomes += [self._cut_off(row, None) for row in await self._outlast(self._source.aclose)]
            if reconciler is not None:
                outcomes += [local_outcomes.unknown(pending) for pending in await self._outlast(reconciler.stop)]
            for outcome in outcomes:
                self._count(outcome)
                try:
                    await self._deliver(outcome)
                except asyncio.CancelledError as error:
                    self._end_of_loop(error)
            report.ended = ended and not self._state.stopping
            if scan is not None and reconciler is not None and self.lookups is not None:
                await scan.count()
                if self.lookups.shared is not None:
                    reconciler.share(self.lookups.shared)
                elif not self._state.stopping:
                    await scan.run(reconciler.last_unknown + self.lookups.final_settle, reconciler.suspects)
        except BaseException as error:
            self._stop(error)
        report.ended = report.ended and self._state.error is None
        if reconciler is not None and scan is not None:
            await reconciler.proof.aclose()
            report.doubled = sum(double.remains for double in scan.found)
            report.lookups = reconciler.lookups
            report.unswept = scan.unscanned
        if self._existing is not None:
            await self._existing.aclose()
            report.lookups += self._existing.lookups
            report.groups_listed = self._existing.groups
            report.paused += self._existing.paused
        if guard is not None:
            await guard.aclose()
            report.paused += guard.seconds
        self._rate.note(report, self._retries.reasons)
        self.report.seconds = time.monotonic() - self._started
        if self._reporter is not None:
            self._reporter.stop()
            self._reporter.report()
        if self._queue is not None:
            self._queue.close()

    async def _outlast(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do what may be done again where a cancellation meets it, as at the end of the event loop."""
        while True:
            try:
                return await step()
            except asyncio.CancelledError as error:
                self._end_of_loop(error)

    def _end_of_loop(self, error: BaseException) -> None:
        """Let nothing wait for a consumer any more: the event loop cancels every task there is."""
        self._stop(error)
        self._state.left = True

    async def _workers_ended(self) -> None:
        """Wait for the workers, also where the event loop is at its end and cancels every task there is."""
        running = {worker.task for worker in self._workers if worker.task is not None}
        while running:
            try:
                _, running = await asyncio.wait(running)
            except asyncio.CancelledError as error:
                self._stop(error)
                self._cancel_workers()
                running = {task for task in running if not task.done()}

    def _stop(self, error: BaseException | None = None) -> None:
        """Pull no more; let requests on the wire end, and give up those that still wait to be sent."""
        if self._state.error is None:
            self._state.error = error
        if self._state.stopping:
            return
        self._state.stopping = True
        current = asyncio.current_task()
        for worker in self._workers:
            task = worker.task
            if task is None or task is current or worker.delivering:
                continue
            if worker.request is not None and worker.request.on_wire:
                worker.request.last = True
            elif self._look is None or worker.row is None or not self._look.end(worker.row):
                task.cancel()

    async def _work(self, worker: WorkerState) -> None:
        """Work until the source is at its end or the import stops."""
        run, state, reconciler = self._worker.run, self._state, self._reconciler
        plain = self._single and self.admission is None
        try:
            while not state.stopping:
                if reconciler is not None and reconciler.cautious:
                    if not await self._take_turn(worker):
                        break
                    continue
                if not self._take(worker) and not await self._next(worker):
                    break
                if not plain or worker.row.problem is not None:
                    await self._process(worker)
                else:  # what `_process` comes to where there is no journal
                    outcome = await run(worker)
                    if outcome is not None and not self._counted(outcome):
                        await self._settle(worker, outcome)
                worker.row = worker.request = worker.refused = None
        except BaseException as error:
            # A cancellation that is not ours came out of the source, or is the event loop's end.
            if not (isinstance(error, asyncio.CancelledError) and state.stopping):
                self._stop(error)
            await self._account(worker, error)
        finally:
            self._idle.set()
            self._wake()

    def _resume(self) -> None:
        """Let a worker that waits take up a row that is due; a session that was closed ends the import."""
        try:
            self._action.stats()
        except SessionError as error:
            self._stop(error)
            return
        self._idle.set()
        self._source.call_away()

    def _groups_in_flight(self) -> int:
        return len({worker.row.group for worker in self._workers if isinstance(worker.row, PreparedRow)})

    def _wake(self) -> None:
        """Let the reconciler see whether a round is due, because a worker has nothing to send."""
        if self._reconciler is not None and self._reconciler.pending:
            self._reconciler.wake()

    def _is_idle(self) -> bool:
        """Tell whether no worker has anything to send."""
        return all(worker.row is None or worker.delivering for worker in self._workers)

    async def _account(self, worker: WorkerState, error: BaseException) -> None:
        """Give the row that a worker had at hand its outcome, where it has none."""
        if worker.row is not None:
            cause = None if isinstance(error, asyncio.CancelledError) else error
            await self._settle(worker, self._worker.abandon(worker, cause))

    async def _take_turn(self, worker: WorkerState) -> bool:
        """Take a row when no other is on its way, as long as rows must go one at a time; False at the end."""
        async with self._alone:
            reconciler = self._reconciler
            if reconciler is not None and reconciler.cautious:  # the proof may have come while this worker waited
                going_on = self._state.stopping or await self._process_next(worker)
                if not self._state.stopping:  # a cancellation may have been taken in already, and no other comes
                    await reconciler.proof.wait()
                return going_on
        return await self._process_next(worker)

    async def _process_next(self, worker: WorkerState) -> bool:
        """Take a row, and bring it to its outcome or leave it pending; False where there is none."""
        if not self._take(worker) and not await self._next(worker):
            return False
        await self._process(worker)
        worker.clear()
        return True

    async def _process(self, worker: WorkerState) -> None:
        """Bring the worker's row to its outcome, or leave it pending."""
        row: PreparedRow = worker.row
        problem = row.problem
        sent_before = False
        if self.admission is not None and worker.pending is None and worker.request is None:
            admission = await self._admitted(worker, self.admission, row)
            if admission is not None:
                if admission.step is AdmissionStep.SKIP and admission.earlier is None and not self.operation.repeatable:
                    admission = admission._replace(step=AdmissionStep.REFUSE)  # nobody can tell whose the record is
                if admission.step is AdmissionStep.SKIP and (self.updates is None or not row.sendable):
                    await self._settle(worker, local_outcomes.skipped(self.operation, row, admission))
                    if self._reconciler is not None and admission.earlier in THERE and problem is None:
                        await self._reconciler.skipped(row)  # when it has its outcome: this can be cancelled
                    return
                if problem is not None:
                    sent_before = admission.step is AdmissionStep.LOOK and not isinstance(problem, InvalidInputError)
                elif admission.step is AdmissionStep.LOOK and self.operation.repeatable:
                    worker.sent_before = True
            step = AdmissionStep.SEND if admission is None else admission.step
            look, looks = self._look, self._looks_at_all or row.may_exist
            if step is AdmissionStep.CHECK and problem is None:
                admission, step, looks = None, AdmissionStep.SEND, True  # it is as new, once it is not there
            if look is not None and looks and step is not AdmissionStep.REFUSE and row.sendable and row.key:
                absent = admission is None and look.lets_pass(row)
                outcome = None if absent else await self._look_first(worker, look, row, admission)
                if outcome is not None:
                    await self._settle(worker, outcome)
                    return
            if admission is not None and step in _NOT_SENT and problem is None and not worker.sent_before:
                outcome = self._not_sent(row, admission)
                if outcome is not None:
                    await self._settle(worker, outcome)
                return
        if problem is None:
            result = await self._worker.run(worker)
        else:
            status = Status.UNKNOWN if sent_before else Status.FAILED
            result = Outcome(row.index, row.row, status, None, problem, 0)
        if result is not None and not self._counted(result):
            await self._settle(worker, result)

    async def _admitted(self, worker: WorkerState, books: RowAdmission, row: PreparedRow) -> Admission | None:
        """Take a row into the journal; None where it is simply to be sent.

        Raises:
            BaseException: what came in between; the row has its outcome then.
        """
        try:
            admission = books.enter(row)
            if admission is not None:
                await books.ready(row.index, admission)
            return admission
        except BaseException as failure:
            await self._break_off(worker, row, failure)
            raise

    async def _break_off(
        self, worker: WorkerState, row: PreparedRow, failure: BaseException, *, sent: bool = False
    ) -> None:
        """Give a row its outcome in whose way something came before it was sent, and end the run."""
        task = asyncio.current_task()
        if not isinstance(failure, asyncio.CancelledError):
            self._stop(failure)
        elif task is not None and self._state.stopping and not self._state.left:
            task.uncancel()  # its outcome is still to be delivered to who listens
        entered = not isinstance(failure, JournalError)
        known = local_outcomes.stopped(self.operation, row, failure, 0, sent=True) if sent else None
        await self._settle(worker, known or self._cut_off(row, failure, entered=entered))

    async def _look_first(
        self, worker: WorkerState, look: FirstLook, row: PreparedRow, admission: Admission | None
    ) -> Outcome[RowT, R] | None:
        """Return the outcome of a row that is on the server before it is sent, or cannot be looked for; else None.

        Raises:
            BaseException: what came in between; the row has its outcome then.
        """
        try:
            return await look.outcome_of(row, admission)
        except BaseException as failure:
            await self._break_off(worker, row, failure, sent=look.may_have_changed(row))
            raise

    def _cut_off(self, row: PreparedRow, cause: BaseException | None, *, entered: bool = False) -> Outcome[RowT, R]:
        """Return the outcome of a row that was not come to before the end; see `local_outcomes.cut_off`."""
        return local_outcomes.cut_off(self.operation, self.admission, row, cause, entered=entered)

    def _not_sent(self, row: PreparedRow, admission: Admission) -> Outcome[RowT, R] | None:
        """Return the outcome of a row that is refused or may have been sent by an earlier run; None where pending."""
        if admission.step is AdmissionStep.REFUSE:
            return local_outcomes.refused(row, InvalidInputError(self.operation.key_taken))
        if self._reconciler is None:
            return local_outcomes.without_key(self.operation, row)
        if not row.key:  # no run can have sent it
            refusal = row.refusal if isinstance(row.refusal, InvalidInputError) else None
            return local_outcomes.refused(row, refusal or InvalidInputError("a row needs a key"))
        self._reconciler.look(row, admission.since, self.operation.operation.line, local_outcomes.ENDED)
        return None

    def _take(self, worker: WorkerState) -> bool:
        """Take the next row of the source where nothing has to be waited for."""
        reconciler = self._reconciler
        if self._waits or self._retries.troubled or (reconciler is not None and (reconciler.again or reconciler.full)):
            return False
        row = self._source.take()
        if row is None:
            return False
        worker.row = row
        worker.pending = None
        worker.sent_before = False
        return True

    async def _next(self, worker: WorkerState) -> bool:
        """Take a row that is to be sent again, or the next of the source; False when there is neither."""
        reconciler = self._reconciler
        worker.sent_before = False
        while True:
            refused = self._retries.take_due() if self._retries.troubled else None
            if refused is not None:
                worker.take_up(refused)
                return True
            if reconciler is not None and reconciler.again:
                worker.pending = reconciler.again.popleft()
                worker.row = worker.pending.row
                return True
            self._wake()
            if not self._is_held():
                try:
                    row = await self._source.pull()
                except CalledAway:
                    continue
                if row is not None:
                    worker.row, worker.pending = row, None
                    return True
                if not len(self._retries.rows) and (reconciler is None or not reconciler.busy):
                    self._idle.set()
                    return False
            if self._state.stopping:
                return False
            self._idle.clear()
            await self._idle.wait()

    def _is_held(self) -> bool:
        """Tell whether pulling has run far enough ahead, of the consumer or of the look-ups."""
        if self._reconciler is not None and self._reconciler.full:
            return True
        if self._order is not None and self._order.ready:
            return False  # it was read within the window; the row that the consumer waits for may be this one
        queue = self._queue
        return bool(self.window and queue and self._source.asked - queue.taken >= self.window)

    def _counted(self, outcome: Outcome[RowT, R]) -> bool:
        """Count an outcome that nothing waits for; False where there is more to be done with it."""
        if self._queue is not None or not outcome.attempts or self._state.left:
            return False
        self._count(outcome)
        return True

    async def _settle(self, worker: WorkerState, outcome: Outcome[RowT, R]) -> None:
        """Count an outcome of a worker's row and hand it on."""
        self._count(outcome)
        worker.row = None
        worker.delivering = self._queue is not None
        self._wake()
        try:
            await self._deliver(outcome)
        finally:
            worker.delivering = False
        if outcome.attempts == 0 and self._queue is None:
            await asyncio.sleep(0)  # rows that are never sent must not keep the loop from everything else

    async def _deliver(self, outcome: Outcome[RowT, R]) -> None:
        """Hand an outcome to the consumer, if there is one."""
        if self._state.left:
            self.unfinished.append(outcome)
        elif self._queue is not None:
            try:
                await self._queue.put(outcome)
            except asyncio.CancelledError:
                self.unfinished.append(outcome)
                raise

    async def _carry_out(self, pending: PendingRow, decision: Decision, record: Any, altered: tuple[str, ...]) -> None:
        """Carry out what a look-up decided about a pending row."""
        if decision is Decision.RESEND:
            self._idle.set()
            self._source.call_away()  # a source that waits for this row's outcome brings no other
            return
        outcome: Outcome[RowT, R] = local_outcomes.decided(pending, decision, record, altered)
        self._count(outcome)
        await self._deliver(outcome)
        self._idle.set()

    def _tally(self, attempts: int) -> None:
        """Count a row that was created as it was sent, and whose outcome nobody looks at."""
        self.report.count_created(attempts)
        if self._reporter is not None:
            self._reporter.on_outcome()

    def _count(self, outcome: Outcome[RowT, R]) -> None:
        if outcome.error is not None:
            drop_frames(outcome.error)
        if self.admission is not None:
            try:
                self.admission.record(outcome)
            except JournalError as error:  # the row has its outcome, whether or not that can be kept
                self._stop(error)
        self.report.count(outcome)
        if self._row_hook is not None:
            self._row_hook(outcome.status.value)
        if self._order is not None:
            self._order.release(outcome.index)
        if outcome.status not in _WELL and self._state.too_many_failed(self.report):
            self._stop(BulkStoppedError(self.report, outcome.index, outcome.error))
        if self._reporter is not None:
            self._reporter.on_outcome()
