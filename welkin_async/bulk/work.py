"""One row's way: request, send, and what its end means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

import attrs

from welkin_async.bulk.deciding import Parked
from welkin_async.bulk.exactly import Exactly
from welkin_async.bulk.outage import Outage
from welkin_async.bulk.outcomes import Outcome, Status
from welkin_async.errors import (
    AuthenticationError,
    ConnectError,
    InvalidInputError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RequestError,
    SessionError,
    WelkinError,
)
from welkin_async.record import Record
from welkin_async.request import Answer, Operation, Repeat, Request
from welkin_async.resources.cdts import CREATE_CDT

__all__ = ["Action", "Halt", "Kind", "Work", "Worker"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)
RowT_contra = TypeVar("RowT_contra", contravariant=True)
R_co = TypeVar("R_co", bound=Record, covariant=True)


class Action(Protocol[RowT_contra, R_co]):
    """What is done with each row."""

    def request(self, row: RowT_contra, /) -> Request:
        """Put the row's request together; raises `InvalidInputError` where it cannot be sent."""
        ...

    def send(self, request: Request, /) -> Coroutine[Any, Any, Answer]:
        """Send it until it is answered for good."""
        ...

    def record(self, answer: Answer) -> R_co | None:
        """Wrap what came back; None where nothing does."""
        ...


@attrs.frozen
class Kind:
    """What is done with rows, as far as all that runs around it must know.

    Attributes:
        done: The status of a row that was carried out.
        operation: What is sent for it. One that is safe to repeat is simply sent again where nobody knows whether it
            was carried out.
        twice: Why a row is refused whose key another row has claimed with other content.
    """

    done: Status = Status.CREATED
    operation: Operation = CREATE_CDT
    twice: str = "its key belongs to another row, with other content"

    @property
    def repeatable(self) -> bool:
        """Whether it may be carried out twice."""
        return self.operation.repeat is Repeat.SAFE


class Worker:
    """What one worker is at; read by whoever stops the import."""

    __slots__ = ("again", "delivering", "index", "request", "row", "sent_before", "started", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.delivering = False
        self.index = -1
        self.row: Any = None
        self.request: Request | None = None
        self.started = 0.0
        self.again: Parked | None = None
        self.sent_before = False


class Halt:
    """Whether the import is to end, and how; shared by all its parts.

    Attributes:
        stopping: No further row is pulled.
        left: Nobody takes outcomes any more.
        error: Why it stopped early, or None.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.left = False
        self.error: BaseException | None = None


class Work(Generic[RowT, R]):
    """Does what is to be done with a worker's row.

    Args:
        action: What that is.
        halt: Whether the import is to end.
        stop: Ends it.
        lost: Names the fields of a row that its record does not hold, or None.
        exactly: Takes in rows whose outcome is unknown, or None.
        outage: Holds rows back while the server is down, or None.
        kind: What it is called when it is done.
    """

    def __init__(
        self,
        action: Action[RowT, R],
        halt: Halt,
        stop: Callable[[BaseException], None],
        *,
        lost: Callable[[RowT, R], tuple[str, ...]] | None,
        exactly: Exactly | None,
        outage: Outage | None,
        kind: Kind,
    ) -> None:
        self._done = kind.done
        self._action = action
        self._halt = halt
        self._stop = stop
        self._lost = lost
        self._exactly = exactly
        self._outage = outage

    async def do(self, worker: Worker) -> Outcome[RowT, R] | None:
        """Do what is to be done with the worker's row; None where it was parked."""
        request: Request | None = None
        outage = self._outage
        worker.started = time.monotonic()
        try:
            worker.request = request = self._action.request(worker.row)
            request.unknown = worker.sent_before
            while True:
                if outage is not None and not outage.breaker.untroubled and outage.held:
                    await outage.wait()
                try:
                    answer = await self._action.send(request)
                    break
                except RequestError as failure:
                    if outage is None or not await self._to_be_sent_again(outage, failure):
                        raise
            if outage is not None and not outage.breaker.untroubled:
                outage.answered()
            record = self._action.record(answer)
        except RequestError as failure:
            error: WelkinError = failure
            status = _status(failure)
            if status is Status.FAILED and request is not None and request.unknown:
                status = Status.UNKNOWN  # not sent this time, but perhaps an attempt before
            if isinstance(failure, AuthenticationError):
                self._stop(failure)
            elif self._parked(worker, request, status, failure):
                return None
            if worker.again is not None:
                status = Status.UNKNOWN  # nobody looks for it any more, and an attempt before may have landed
        except InvalidInputError as failure:
            error, status = failure, Status.FAILED
        except SessionError as failure:
            error, status = failure, _abandoned(request) if worker.again is None else Status.UNKNOWN
            self._stop(failure)
        except asyncio.CancelledError:
            if not self._halt.stopping:
                raise
            task = asyncio.current_task()
            if task is not None and not self._halt.left:
                task.uncancel()  # the row's outcome is still to be delivered to who listens
            return self._abandon(worker, request, None)
        except BaseException as failure:
            outcome = self._abandon(worker, request, failure)
            self._stop(failure)
            return outcome
        else:
            altered: tuple[str, ...] = ()
            if record is not None:
                try:
                    if self._exactly is not None:
                        self._exactly.created(worker.row, record)
                    if self._lost is not None:
                        altered = self._lost(worker.row, record)
                except Exception as failure:  # the row is created all the same, and has its outcome
                    self._stop(failure)
            attempts = request.attempts if worker.again is None else _attempts(worker)
            return Outcome(worker.index, worker.row, self._done, record, None, attempts, altered=altered)
        return Outcome(worker.index, worker.row, status, None, error, _attempts(worker))

    async def _to_be_sent_again(self, outage: Outage, error: RequestError) -> bool:
        """Tell whether a row is to wait for the server and be sent again.

        That is one which could not be sent, or which may be sent twice, where not the row but the server is to blame.
        """
        if isinstance(error, AuthenticationError):
            return False
        # A token that cannot be had just now, for whatever reason, is no answer about the row.
        if error.status is not None and error.status < 500 and not isinstance(error, NotSentError):
            outage.answered()
            return False
        outage.silent()
        # Where nothing was ever answered the address is wrong rather than the server down.
        if not error.safe_to_repeat or not outage.breaker.ever_answered or self._halt.stopping:
            return False
        return isinstance(error, NotSentError) or await outage.down()

    def _parked(self, worker: Worker, request: Request | None, status: Status, failure: RequestError) -> bool:
        """Park a row that may be on the server, so that it is looked for before anything else is done with it."""
        exactly, again = self._exactly, worker.again
        if (
            exactly is None
            or request is None
            or self._halt.stopping
            or (status is not Status.UNKNOWN and again is None)
        ):
            return False
        exactly.park(worker.index, worker.row, request, worker.started, failure, again)
        return True

    def _abandon(self, worker: Worker, request: Request | None, failure: BaseException | None) -> Outcome[RowT, R]:
        """Account for a row whose worker was cancelled or met a bug: nobody else will."""
        status = Status.UNKNOWN if worker.again is not None else _abandoned(request)
        reason = "the import was stopped" if failure is None else f"the import broke ({type(failure).__name__})"
        error: WelkinError
        if request is None:
            error = InvalidInputError(f"{reason} before a request was made")
        else:
            kind = OutcomeUnknownError if status is Status.UNKNOWN else ConnectError
            where = "while the request was out" if status is Status.UNKNOWN else "before the request was sent"
            error = kind(f"{reason} {where}", request=request.operation.line, attempts=request.attempts)
        return Outcome(worker.index, worker.row, status, None, error, _attempts(worker))


def _status(error: RequestError) -> Status:
    """Return where a row stands whose request ended in an error."""
    if isinstance(error, RejectedError):
        return Status.REJECTED
    if isinstance(error, NotSentError | AuthenticationError):
        return Status.FAILED
    return Status.UNKNOWN


def _abandoned(request: Request | None) -> Status:
    """Return where a row stands whose request was broken off."""
    return Status.UNKNOWN if request is not None and (request.unknown or request.on_wire) else Status.FAILED


def _attempts(worker: Worker) -> int:
    """Return how many requests went out for the worker's row, those before it was parked included."""
    now = 0 if worker.request is None else worker.request.attempts
    return now if worker.again is None else now + worker.again.attempts
