"""Row worker: sends one row, and judges what its end means."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from welkin_async.bulk.actions.action import Action
from welkin_async.bulk.engine import local_outcomes
from welkin_async.bulk.engine.circuit_breaker import ServerGuard
from welkin_async.bulk.engine.refused_rows import RefusedRow
from welkin_async.bulk.engine.row_retries import LOOK, Attempted, RowRetries
from welkin_async.bulk.reconciliation.policy import PendingRow
from welkin_async.bulk.reconciliation.reconciler import Reconciler
from welkin_async.bulk.results import Outcome, Report, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import (
    AuthenticationError,
    InvalidInputError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    RequestError,
    SessionError,
    WelkinError,
)
from welkin_async.wire.records import Record
from welkin_async.wire.request import Answer, Request

R = TypeVar("R", bound=Record)

_SHARE_FROM = 100  # rows before a share of failures means anything
_HELD = 0.5  # seconds for which a row is set aside while the server is thought down
_ONE_BY_ONE = 0.05  # seconds for which it is while another row of a patient that was refused again and again is sent
_CONFIRM_PAUSES = (0.0, 0.05, 0.2)  # seconds after each try to have a refusal confirmed


class WorkerState:
    """State of one worker; read where the import is stopped.

    Attributes:
        task: The worker's task.
        row: The row it has at hand, which has no outcome yet; None between rows.
        pending: What the row was pending as, where it is sent again.
        request: Its request; kept from before where the row was set aside.
        refused: How it was refused before, where it was.
        sent_before: Whether an earlier run may have sent the row.
        delivering: Whether it waits for the consumer to take an outcome.
    """

    __slots__ = ("delivering", "pending", "refused", "request", "row", "sent_before", "started", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.row: Any = None
        self.pending: PendingRow | None = None
        self.request: Request | None = None
        self.refused: RefusedRow[Attempted] | None = None
        self.sent_before = False
        self.delivering = False
        self.started = 0.0

    def clear(self) -> None:
        """Be done with the row."""
        self.row = self.request = self.refused = None

    def take_up(self, refused: RefusedRow[Attempted]) -> None:
        """Take a row that was set aside."""
        item = refused.item
        self.row, self.pending, self.request, self.sent_before = item.row, item.pending, item.request, item.sent_before
        self.refused = refused

    @property
    def attempts(self) -> int:
        """How many requests went out for the row, those before it was pending included."""
        now = 0 if self.request is None else self.request.attempts
        return now if self.pending is None else now + self.pending.attempts


class StopState:
    """Whether the import is to end, and how; shared by all its parts.

    Args:
        most_failures: How many rows may fail: a number, or a share below 1; None for any.

    Attributes:
        stopping: No further row is pulled.
        left: The consumer takes no more outcomes.
        error: Why it stopped early, or None.
    """

    def __init__(self, most_failures: float | None = None) -> None:
        self.stopping = False
        self.left = False
        self.error: BaseException | None = None
        self._most_failures = most_failures

    def too_many_failed(self, report: Report) -> bool:
        """Tell whether so many rows have failed that the import is to stop, and has not yet.

        Args:
            report: The counts up to now.
        """
        most = self._most_failures
        if most is None or self.stopping:
            return False
        failures = report.rows - report.done - report.skipped
        if 0.0 < most < 1.0:
            return report.rows >= _SHARE_FROM and failures > most * report.rows
        return failures > most


class RowWorker(Generic[R]):
    """Row worker: sends a worker's row until its outcome is known, or it is pending.

    Args:
        action: What is done with it.
        state: Whether the import is to end.
        stop: Ends it.
        guard: Holds rows back while the server is down, or None.
        retries: Sets aside rows that are refused.
        groups: Tells how many groups have rows in flight.

    Attributes:
        reconciler: Takes in rows whose outcome is unknown, or None.
        permit: Tells whether rows may still be sent, asked before the first byte of each and at its answer; None where
            they always may.
        tally: Counts a row that was created as it was sent, given its attempts; None where its outcome is wanted.
    """

    def __init__(
        self,
        action: Action[R],
        state: StopState,
        stop: Callable[[BaseException], None],
        *,
        guard: ServerGuard | None,
        retries: RowRetries,
        groups: Callable[[], int],
    ) -> None:
        self._action = action
        self._retries = retries
        self._rows = retries.rows
        self._groups = groups
        self._waiting: Counter[str] = Counter()  # rows that queue, by group
        self._asking = False
        self._send = action.send
        self._read = action.read
        self._operation = action.operation
        self._done = action.operation.done
        self._call = action.operation.operation
        self._timeout = action.timeout
        self._max_attempts = action.max_attempts
        self._state = state
        self._stop = stop
        self.reconciler: Reconciler | None = None
        self.permit: Callable[[], bool] | None = None
        self.tally: Callable[[int], None] | None = None
        self._guard = guard

    async def run(self, worker: WorkerState) -> Outcome[Any, R] | None:
        """Send the worker's row; None where it is pending now, set aside, or counted."""
        row: PreparedRow = worker.row
        guard, retries = self._guard, self._retries
        answer: Answer | None = None
        if self.reconciler is not None:
            worker.started = time.monotonic()
        try:
            if row.refusal is not None or row.url is None:
                raise row.refusal or InvalidInputError("the row was not made ready")
            request = worker.request
            if request is None:
                worker.request = request = Request(
                    self._call,
                    row.url,
                    row.body,
                    self._timeout,
                    self._max_attempts,
                    None,
                    row.asked,
                    row.fields,
                    True,  # handed back where it is refused: another row goes meanwhile
                    self.permit,
                )
                request.unknown = worker.sent_before
            while True:
                if retries.troubled:
                    judged = worker.refused is not None or retries.is_suspect(row.group)
                    if judged and retries.hopeless(refused := self._kept(worker)):
                        raise self._given_up(refused, request)
                    if retries.is_doubtful(row.group):
                        await self._ask(row.group)
                    pause = self._crowded(row.group)
                    if pause or not retries.admits(row.group):
                        if await self._withheld(worker, pause):
                            return None
                        continue
                if guard is not None and not guard.breaker.untroubled and guard.held:
                    with self._first_of(row.group):
                        await guard.wait()
                try:
                    if retries.troubled:
                        request.trial = retries.is_trial(row.group)
                        with self._first_of(row.group):
                            answer = await self._send(request)
                    else:
                        answer = await self._send(request)
                    break
                except RateLimitedError as refusal:
                    request.trial = False
                    if self._state.stopping:
                        raise
                    if guard is not None and not guard.breaker.untroubled:
                        guard.answered()
                    if await self._refused(worker, refusal):
                        return None
                except RequestError as failure:
                    if guard is None or not await self._to_be_sent_again(guard, failure, row.group):
                        raise
            if guard is not None and not guard.breaker.untroubled:
                guard.answered()
            if self.permit is not None:
                self.permit()
            self._rows.accepted += 1
            self._rows.accepted_group = row.group
            if retries.troubled:
                retries.accepted(row.group)
            if answer.verbatim and self.tally is not None and not self._state.left:
                self.tally(request.attempts)
                return None
            record, changed = self._read(row, answer)
            if self.reconciler is not None and record is not None:
                self.reconciler.created(row, record, worker.started, changed, worker.pending)
        except RequestError as failure:
            return await self._failed(worker, failure)
        except InvalidInputError as failure:
            return Outcome(row.index, row.row, Status.FAILED, None, failure, worker.attempts)
        except asyncio.CancelledError:
            retries.withdrawn(row.group)
            if not self._state.stopping:
                raise
            task = asyncio.current_task()
            if task is not None and not self._state.left:
                task.uncancel()  # the row's outcome is still to be delivered to who listens
            return self.abandon(worker, None)
        except BaseException as failure:
            if answer is not None and worker.request is not None:
                worker.request.unknown = True  # it was carried out, but what came of it is not known
            outcome = self.abandon(worker, failure)
            self._stop(failure)
            return outcome
        attempts = request.attempts if worker.pending is None else worker.attempts
        return Outcome(row.index, row.row, self._done, record, None, attempts, False, changed)

    async def _refused(self, worker: WorkerState, error: RateLimitedError) -> bool:
        """Set a row aside that was refused; False where there is no room, once it may be sent again.

        Raises:
            RequestError: the row is given up.
        """
        refused, request = self._kept(worker), worker.request
        assert request is not None
        if self._retries.refused(refused, error):
            raise self._given_up(refused, request, error)
        return await self._put_aside(worker, refused, str(error.status))

    def _given_up(
        self, refused: RefusedRow[Attempted], request: Request, error: RateLimitedError | None = None
    ) -> RequestError:
        """Return the error of a row that is given up after its refusals."""
        why = "and has accepted none for too long" if self._retries.exhausted() else "while it accepted other rows"
        line, attempts = self._operation.operation.line, request.attempts
        if not refused.refusals:
            return NotSentError(f"the server refused those before it, {why}", request=line, attempts=attempts)
        text, errors = f"the server refused it {refused.refusals} times, {why}", () if error is None else error.errors
        if refused.throttled_only:
            wait = None if error is None else error.retry_after
            return RateLimitedError(text, request=line, status=429, errors=errors, attempts=attempts, retry_after=wait)
        request.unknown = True  # a 503 may have been carried out
        return OutcomeUnknownError(text, request=line, status=503, errors=errors, attempts=attempts)

    def _crowded(self, group: str) -> float:
        """Return the seconds for which a row must not queue, because one of its group does already; 0.0 for none.

        While nothing gets through, of a group or at all, rows go one by one to try. They are to be of distinct groups:
        else the rows of a patient whom the server refuses would hold up those of all others. Where none are to come one
        row is enough.
        """
        if group not in self._waiting and not (self._waiting and self._retries.ended()):
            return 0.0
        held = _HELD if self._guard is not None and self._guard.held else 0.0
        return max(held, _ONE_BY_ONE if self._retries.is_suspect(group) else 0.0, self._action.stats().paused_for)

    @contextlib.contextmanager
    def _first_of(self, group: str) -> Iterator[None]:
        """Note that a row of a group queues."""
        self._waiting[group] += 1
        try:
            yield
        finally:
            self._waiting[group] -= 1
            if not self._waiting[group]:
                del self._waiting[group]

    async def _withheld(self, worker: WorkerState, pause: float) -> bool:
        """Set a row aside for a pause, or because its patient fails; False, once it may be asked about again.

        Raises:
            NotSentError: the row is given up.
        """
        refused, request = self._kept(worker), worker.request
        assert request is not None
        if pause:
            refused.due = refused.refused_at = time.monotonic() + pause  # nothing the row is to blame for
            return await self._put_aside(worker, refused, "pause")
        if self._retries.withheld(refused):
            raise NotSentError(
                "the server refuses the rows of its patient, while it accepts others",
                request=self._operation.operation.line,
                attempts=request.attempts,
            )
        return await self._put_aside(worker, refused, "patient")

    async def _ask(self, group: str) -> None:
        """Find out whether the server is there while it refuses a group; one worker at a time does."""
        if self._guard is None:
            self._retries.vouch(group)
        elif not self._asking:
            self._asking = True
            try:
                if await self._guard.is_there():
                    self._retries.vouch(group)
            finally:
                self._asking = False

    @staticmethod
    def _kept(worker: WorkerState) -> RefusedRow[Attempted]:
        """Return what is known of how a worker's row was refused."""
        if worker.refused is None:
            item = Attempted(worker.row, worker.pending, worker.request, worker.sent_before)
            now = time.monotonic()
            worker.refused = RefusedRow(item, worker.row.group, due=now, refused_at=now)
        return worker.refused

    async def _put_aside(self, worker: WorkerState, refused: RefusedRow[Attempted], reason: str) -> bool:
        if self._retries.set_aside(refused, reason):
            worker.clear()
            return True
        while (left := refused.due - time.monotonic()) > 0.0:
            await asyncio.sleep(min(left, LOOK))
            self._action.stats()  # raises where the session was closed meanwhile
        return False

    async def _failed(self, worker: WorkerState, error: RequestError) -> Outcome[Any, R] | None:
        """Return the outcome of a row whose request ended in an error; None where it is pending now."""
        row, request, reconciler = worker.row, worker.request, self.reconciler
        assert request is not None
        status = _status(error)
        may_be_there = request.unknown or worker.pending is not None
        if status is Status.FAILED and may_be_there:
            status = Status.UNKNOWN  # not sent this time, but perhaps an attempt before
        if isinstance(error, AuthenticationError):
            self._stop(error)
            return Outcome(row.index, row.row, status, None, error, worker.attempts)
        if status is Status.REJECTED and not may_be_there:
            request.unknown = True  # as long as the answer is in doubt, and where the run ends meanwhile
            confirmed = await self._is_confirmed(request, error)
            request.unknown = False
            if confirmed:
                if reconciler is not None:
                    reconciler.refused(row)
                return Outcome(row.index, row.row, status, None, error, worker.attempts)
            if reconciler is None:
                status = Status.UNKNOWN
                error = OutcomeUnknownError(
                    "it was refused, but the answer may be another request's",
                    request=error.request,
                    status=error.status,
                    attempts=error.attempts,
                    request_id=error.request_id,
                )
        elif status is Status.REJECTED and reconciler is None:
            return await self._of_late_refusal(worker, request, error)
        if reconciler is not None and status is not Status.FAILED:
            if not self._state.stopping:
                reconciler.park(row, request, worker.started, error, worker.pending)
                return None
            status = Status.UNKNOWN  # it is not looked for any more
        return Outcome(row.index, row.row, status, None, error, worker.attempts)

    async def _of_late_refusal(self, worker: WorkerState, request: Request, error: RequestError) -> Outcome[Any, R]:
        """Return the outcome of a row that was refused after an attempt that may have been carried out.

        Where that was an earlier run's, what it has sent has landed, and what is there decides.
        """
        row, done = worker.row, False
        record: R | None = None
        decided = request.attempts == 1
        try:
            done, record = await self._action.look(row)
        except WelkinError:
            decided = False
        if done:
            return Outcome(row.index, row.row, self._done, record, None, worker.attempts)
        if decided:
            return Outcome(row.index, row.row, Status.REJECTED, None, error, worker.attempts)
        unknown = OutcomeUnknownError(
            "it was refused, but an attempt before may have been carried out",
            request=error.request,
            status=error.status,
            attempts=error.attempts,
            request_id=error.request_id,
        )
        return Outcome(row.index, row.row, Status.UNKNOWN, None, unknown, worker.attempts)

    async def _is_confirmed(self, request: Request, error: RequestError) -> bool:
        """Tell whether a refusal is the request's own answer: errors name no record.

        It is where a later answer on its connection passes its own check; a harmless read is sent there for that.
        """
        exchange = request.exchange
        for pause in _CONFIRM_PAUSES:
            if exchange is None or exchange.confirmed:
                return True
            if not exchange.pending:
                return False
            try:
                await self._action.confirm(exchange)
            except RejectedError as refusal:
                if type(refusal) is not type(error):  # refused for another reason: that is the read's own answer
                    return True
            except RequestError:
                pass
            if not exchange.confirmed:
                await asyncio.sleep(pause)  # the connection may have been busy
        return exchange is not None and exchange.confirmed

    async def _to_be_sent_again(self, guard: ServerGuard, error: RequestError, group: str) -> bool:
        """Tell whether a row is to wait for the server and be sent again.

        That is one which could not be sent, or which may be sent twice, where not the row but the server is to blame.
        """
        if isinstance(error, AuthenticationError):
            return False
        # A token that cannot be had just now, for whatever reason, is no answer about the row.
        if error.status is not None and error.status < 500 and not isinstance(error, NotSentError):
            guard.answered()
            if self._retries.troubled:
                self._retries.accepted(group)
            return False
        if error.status is None:
            self._retries.withdrawn(group)
        elif error.status >= 500:
            self._retries.failed(group)
            # The row that goes ahead after an outage tells of the server, whosever it is: the others wait for that.
            if not guard.held and self._retries.is_of_a_group(self._groups()):
                return False
        guard.silent()
        # Where nothing was ever answered the address is wrong rather than the server down.
        if not error.safe_to_repeat or not guard.breaker.ever_answered or self._state.stopping:
            return False
        return isinstance(error, NotSentError) or await guard.down()

    def abandon(self, worker: WorkerState, cause: BaseException | None) -> Outcome[Any, R]:
        """Return the outcome of a row whose worker was cancelled or met a bug.

        Args:
            worker: Who had it.
            cause: What came in between; None for a cancellation.
        """
        request = worker.request
        sent = worker.pending is not None or worker.sent_before
        if request is not None:
            sent = sent or request.unknown or request.on_wire
            # A cancellation is met where a request waits, and the transport knows whether it was out. Anything else
            # can be raised at any point, so that what was out at all may be there.
            sent = sent or (cause is not None and not isinstance(cause, SessionError) and request.attempts > 0)
        outcome = local_outcomes.stopped(self._operation, worker.row, cause, worker.attempts, sent=sent)
        if isinstance(cause, WelkinError):
            outcome.error = cause
        return outcome


def _status(error: RequestError) -> Status:
    """Return the status of a row whose request ended in an error."""
    if isinstance(error, RejectedError):
        return Status.REJECTED
    if isinstance(error, NotSentError | AuthenticationError):
        return Status.FAILED
    return Status.UNKNOWN
