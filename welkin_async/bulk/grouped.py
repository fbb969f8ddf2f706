"""Changing CDT records in bulk, many of a patient in one request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Hashable, Iterable, Sequence
from typing import Any, Unpack

import attrs

from welkin_async.bulk.bookkeeping import Step
from welkin_async.bulk.change_actions import CdtChange
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.group_action import GroupUpdate
from welkin_async.bulk.group_source import Group, GroupSource, Member
from welkin_async.bulk.options import GroupOptions, checked_options
from welkin_async.bulk.outcomes import Outcome, Report, Status
from welkin_async.bulk.running import run, stream
from welkin_async.bulk.stream import OutcomeStream
from welkin_async.bulk.unsent import skipped
from welkin_async.bulk.work import Worker
from welkin_async.errors import InvalidInputError, RequestError
from welkin_async.models.cdts import CdtBulkRow
from welkin_async.session import Welkin

__all__ = ["bulk_update_cdt_records", "stream_cdt_bulk_updates"]

_GROUP = 50
_SPLIT = frozenset({400, 413, 422})  # one row of a group, or its size, may be what the server refuses


class GroupedEngine(Engine[Any, Any]):
    """An engine whose workers take groups of rows. Each row has an outcome, a position and a journal entry of its own.

    Args:
        action: What is done with a group.
        rows: The groups.
        options: See `Engine`.
    """

    def __init__(self, action: GroupUpdate, rows: Any, **options: Any) -> None:
        super().__init__(action, rows, **options)
        self._action = action

    _plain = False

    async def _bring(self, worker: Worker) -> None:
        """Bring each row of the worker's group to its outcome."""
        group: Group = worker.row
        settled: dict[int, Outcome[Any, Any]] = {}
        requests = 0
        try:
            members = await self._admitted(worker, group, settled)
        except BaseException as failure:
            stopped = InvalidInputError(f"the run was stopped before a request was made ({type(failure).__name__})")
            for member in group:
                settled.setdefault(member.index, _outcome(member, Status.FAILED, stopped))
            if not isinstance(failure, asyncio.CancelledError):
                self._stop(failure)
            elif not self._halt.stopping:
                raise
            else:
                task = asyncio.current_task()
                if task is not None and not self._halt.left:
                    task.uncancel()  # the outcomes are still to be delivered to who listens
        else:
            if members:
                requests = await self._carry_out(worker, members, settled, 0)
        await self._deliver(worker, [settled[index] for index in sorted(settled)], requests)

    async def _admitted(self, worker: Worker, group: Group, settled: dict[int, Outcome[Any, Any]]) -> Group:
        """Return the rows that are to be sent; the others have their outcome."""
        books = self.books
        worker.sent_before = False
        members = []
        for member in group:  # at first without waiting, because a journal takes rows in their order
            entry = None if books is None else books.admit(member.index, member.row)
            if entry is not None and entry.step is Step.SKIP:
                settled[member.index] = skipped(self._kind, member.index, member.row, entry)
                continue
            try:
                if entry is not None and entry.step is Step.REFUSE:
                    raise InvalidInputError(self._kind.twice)
                member.body = self._action.part(member.row)
            except InvalidInputError as error:
                settled[member.index] = _outcome(member, Status.FAILED, error)
                continue
            if entry is not None and entry.step is Step.LOOK:
                worker.sent_before = True
            members.append(member)
        if books is not None:
            for member in members:
                if not books.journal.covers(member.index):
                    await books.journal.reserve(member.index)
        return tuple(members)

    async def _carry_out(
        self, worker: Worker, members: Group, settled: dict[int, Outcome[Any, Any]], before: int
    ) -> int:
        """Send a group, and halves of it where the server refuses it as a whole; returns how many requests it took."""
        worker.index, worker.row = members[0].index, members
        outcome = await self._work.do(worker)
        worker.request = None
        assert outcome is not None  # nothing is parked, because nothing need be looked up
        requests = outcome.attempts
        if len(members) > 1 and _may_be_one(outcome) and not self._halt.stopping:
            middle = len(members) // 2
            for half in (members[:middle], members[middle:]):
                requests += await self._carry_out(worker, half, settled, before + outcome.attempts)
            return requests
        for part in self._action.spread(outcome):
            settled[part.index] = attrs.evolve(part, attempts=part.attempts + before) if before else part
        return requests

    async def _deliver(self, worker: Worker, parts: Sequence[Outcome[Any, Any]], requests: int) -> None:
        """Count the outcomes of a group and hand them on; the report counts requests, not rows, as attempts."""
        left = deque(parts)
        try:
            while left:
                await self._settle(worker, left.popleft())
        except asyncio.CancelledError:
            for part in left:
                self._count(part)
                self.unfinished.append(part)
            raise
        finally:
            report = self.report
            report.attempts += requests - sum(part.attempts for part in parts)
            report.retried += max(0, requests - 1) - sum(max(0, part.attempts - 1) for part in parts)


def _outcome(member: Member, status: Status, error: InvalidInputError | None) -> Outcome[Any, Any]:
    return Outcome(member.index, member.row, status, None, error, 0)


def _may_be_one(outcome: Outcome[Any, Any]) -> bool:
    """Whether a group was refused for what may be the fault of one of its rows."""
    error = outcome.error
    return outcome.status is Status.REJECTED and isinstance(error, RequestError) and error.status in _SPLIT


def _put_together(
    welkin: Welkin, cdt: str, changes: Iterable[Any] | AsyncIterable[Any], options: GroupOptions
) -> tuple[Any, Any]:
    checked_options(options, GroupOptions)
    action = GroupUpdate(welkin.scope, cdt, check=options.get("check", "strict"))
    return action, GroupSource(changes, group_of=_patient, item_of=_record, most=options.get("group", _GROUP))


def _patient(row: Any) -> Hashable:
    return str(getattr(row, "patient_id", ""))


def _record(row: Any) -> Hashable:
    return str(getattr(row, "record_id", "")).lower() or None


def stream_cdt_bulk_updates(
    welkin: Welkin,
    cdt: str,
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    *,
    ordered: bool = False,
    **options: Unpack[GroupOptions],
) -> OutcomeStream[CdtChange, CdtBulkRow]:
    """Change CDT records, many in one request, and hand out what became of each.

    ``PATCH /{tenant}/{instance}/patients/{patient_id}/cdts/{cdt_name}`` for up to ``group`` changes that follow one
    another and are of one patient, so a source that is sorted by patient takes the fewest requests. Only fields marked
    for bulk edit can be changed so. A 200 does not prove that each record was: a row whose ``result`` is other than OK
    is ``rejected`` with that status, one that the answer leaves out is ``unknown``. A group that is refused as a whole
    for what one row may have done (400, 413, 422) is sent again in halves.

    Args:
        welkin: An open session.
        cdt: The CDT's name.
        changes: The changes, one for each record, from an iterable or an async iterable. A group is sent when it is
            full, when another patient comes, or at the end, so a source that waits holds its last group back.
        ordered: Whether outcomes come in the order of the changes; pulling then stops at 8 times the concurrency, in
            groups.
        options: See `GroupOptions`.

    Returns:
        A stream, to be used in ``async with`` and iterated.

    Raises:
        SessionError: the session is not open.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
    """
    action, source = _put_together(welkin, cdt, changes, options)
    at_once = options.get("group", _GROUP)
    return stream(action, source, options, ordered=ordered, engine=GroupedEngine, rows_at_once=at_once)


async def bulk_update_cdt_records(
    welkin: Welkin,
    cdt: str,
    changes: Iterable[CdtChange] | AsyncIterable[CdtChange],
    **options: Unpack[GroupOptions],
) -> Report:
    """Change CDT records, many in one request, and count what became of the changes.

    Like `stream_cdt_bulk_updates`, for a caller who wants the counts alone; ``updated`` counts changes, ``attempts``
    requests.

    Raises:
        AuthenticationError: the server refused the token; the run has stopped.
        BulkStoppedError: it was to stop at the first failure, or at so many.
        SessionError: the session is not open, or was closed meanwhile.
        InvalidInputError: the CDT's name, the changes or an option do not fit.
        Exception: whatever the source raised, after what was in flight has been drained.
    """
    action, source = _put_together(welkin, cdt, changes, options)
    return await run(action, source, options, engine=GroupedEngine)
