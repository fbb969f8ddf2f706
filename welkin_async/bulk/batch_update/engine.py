"""Group engine: a bulk engine whose workers take groups of rows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any

import attrs

from welkin_async.bulk.batch_update.action import GroupUpdate
from welkin_async.bulk.batch_update.source import Group, GroupSource
from welkin_async.bulk.engine.engine import Engine
from welkin_async.bulk.engine.local_outcomes import refused, skipped
from welkin_async.bulk.engine.worker import WorkerState
from welkin_async.bulk.journal.row_admission import AdmissionStep
from welkin_async.bulk.results import Outcome, Status
from welkin_async.errors import InvalidInputError, RequestError, WelkinError

_SPLIT = frozenset({400, 413, 422})  # one row of a group, or its size, may be what the server refuses


class GroupEngine(Engine[Any, Any]):
    """Group engine: each row of a group has an outcome, a position and a journal entry of its own.

    Args:
        action: What is done with a group.
        rows: The rows.
        options: See `Engine`.
    """

    _single = False

    def __init__(self, action: GroupUpdate, rows: Any, **options: Any) -> None:
        self._group_action = action
        super().__init__(action, rows, **options)

    def _source_of(self, rows: Iterable[Any] | AsyncIterable[Any]) -> GroupSource:
        return GroupSource(rows, self._action.prepare, size=self._group_action.size)

    async def _process(self, worker: WorkerState) -> None:
        """Bring each row of the worker's group to its outcome."""
        group: Group = worker.row
        worker.row = None  # its rows are accounted for here
        settled: dict[int, Outcome[Any, Any]] = {}
        requests = 0
        try:
            members = await self._admitted_of(worker, group, settled)
        except BaseException as failure:
            cause = None if isinstance(failure, asyncio.CancelledError) else failure
            for member in group:
                settled.setdefault(member.index, self._cut_off(member, cause))
            if cause is not None:
                self._stop(cause)
            elif not self._state.stopping:
                self._stop(failure)
            task = asyncio.current_task()
            if task is not None and not self._state.left:
                task.uncancel()  # the outcomes are still to be delivered to who listens
        else:
            if members:
                requests = await self._send_group(worker, members, settled, 0)
        await self._deliver_all(worker, [settled[index] for index in sorted(settled)], requests)

    async def _admitted_of(self, worker: WorkerState, group: Group, settled: dict[int, Outcome[Any, Any]]) -> Group:
        """Return the rows that are to be sent; the others have their outcome."""
        books = self.admission
        members, waiting = [], []
        for member in group:  # at first without waiting, because a journal takes rows in their order
            admission = None if books is None else books.enter(member)
            error = member.problem or member.refusal
            if error is not None and not isinstance(error, WelkinError):
                raise error
            if admission is not None and admission.step is AdmissionStep.SKIP:
                settled[member.index] = skipped(self.operation, member, admission)
            elif admission is not None and admission.step is AdmissionStep.REFUSE:
                settled[member.index] = refused(member, InvalidInputError(self.operation.key_taken))
            elif error is not None:
                settled[member.index] = refused(member, error)
            else:
                members.append(member)
                if admission is not None and books is not None:
                    waiting.append(member.index)
                    worker.sent_before |= admission.step is AdmissionStep.LOOK
        if books is not None:
            for index in waiting:
                await books.journal.reserve(books.slot(index))
        return tuple(members)

    async def _send_group(
        self, worker: WorkerState, members: Group, settled: dict[int, Outcome[Any, Any]], before: int
    ) -> int:
        """Send a group, and halves of it where the server refuses it as a whole; returns how many requests it took."""
        worker.row = self._group_action.prepare_group(members)
        try:
            outcome = await self._worker.run(worker)
        except BaseException as failure:
            outcome = self._worker.abandon(worker, None if isinstance(failure, asyncio.CancelledError) else failure)
            self._stop(failure)
        worker.clear()
        assert outcome is not None  # nothing is pending, because nothing need be looked up
        requests = outcome.attempts
        if len(members) > 1 and _may_be_one(outcome) and not self._state.stopping:
            middle = len(members) // 2
            for half in (members[:middle], members[middle:]):
                requests += await self._send_group(worker, half, settled, before + outcome.attempts)
            return requests
        for part in self._group_action.spread(outcome):
            settled[part.index] = attrs.evolve(part, attempts=part.attempts + before) if before else part
        return requests

    async def _deliver_all(self, worker: WorkerState, parts: Sequence[Outcome[Any, Any]], requests: int) -> None:
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


def _may_be_one(outcome: Outcome[Any, Any]) -> bool:
    """Whether a group was refused for what may be the fault of one of its rows."""
    error = outcome.error
    return outcome.status is Status.REJECTED and isinstance(error, RequestError) and error.status in _SPLIT
