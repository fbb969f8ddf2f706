"""First look: what becomes of a row that is on the server before it would be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.clock import seconds_of
from welkin_async.bulk.engine import local_outcomes
from welkin_async.bulk.existing.decision import Standing
from welkin_async.bulk.existing.records import ExistingRecords
from welkin_async.bulk.existing.updates import ExistingUpdates
from welkin_async.bulk.journal.row_admission import Admission, AdmissionStep
from welkin_async.bulk.reconciliation.duplicate_scan import DuplicateScan
from welkin_async.bulk.reconciliation.reconciler import Reconciler
from welkin_async.bulk.results import Outcome, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import NotSentError, WelkinError

THERE = frozenset({"created", "altered", "doubled"})
"""What a journal calls rows that are on the server."""


class FirstLook:
    """First look: decides about rows by what the server holds of them.

    Args:
        operation: What is done with rows.
        existing: Finds what the server holds.
        updates: Changes records that are there otherwise; None where they are left as they are.
        reconciler: Looks for rows that an earlier run of this journal may have sent.
        scan: Names keys that are there more than once.
        adopted_since: Wall-clock seconds since which what is there, as it was to be sent, was created by this import;
            None where nothing of it can be there.

    Attributes:
        lets_pass: Tells whether it is known at once that a row, of which no journal knows, is to be sent.
    """

    def __init__(
        self,
        operation: BulkOperation,
        existing: ExistingRecords,
        updates: ExistingUpdates | None,
        reconciler: Reconciler,
        scan: DuplicateScan,
        adopted_since: float | None = None,
    ) -> None:
        self._operation = operation
        self._existing = existing
        self.lets_pass: Callable[[PreparedRow], bool] = existing.is_absent
        self._updates = updates
        self._reconciler = reconciler
        self._scan = scan
        self._adopted_since = adopted_since

    def may_have_changed(self, row: PreparedRow) -> bool:
        """Tell whether a row's record may be changed by a request that was sent, or is out.

        Args:
            row: The row, whose look was broken off.
        """
        change = None if self._updates is None else self._updates.changing.get(row.index)
        return change is not None and (change.on_wire or change.unanswered)

    def end(self, row: PreparedRow) -> bool:
        """Begin no further change; tell whether one of a row is out, whose answer is to be waited for.

        Args:
            row: The row.
        """
        if self._updates is None:
            return False
        self._updates.ending = True
        change = self._updates.changing.get(row.index)
        return change is not None and change.on_wire

    async def outcome_of(self, row: PreparedRow, admission: Admission | None) -> Outcome[Any, Any] | None:
        """Return the outcome of a row that is not to be sent; None of one that is, or is to be looked for in rounds.

        Args:
            row: The row, which has a key and can be sent.
            admission: What the journal knows of it; None for nothing.

        Raises:
            ExistingRecordsError: the api client may list nothing at all.
            AuthenticationError: the server refused the token.
            JournalError: a file cannot be read or written.
        """
        step = AdmissionStep.SEND if admission is None else admission.step
        try:
            found = await self._existing.find(row)
        except NotSentError as error:
            if step is AdmissionStep.LOOK:
                return None  # it is looked for in rounds
            return Outcome(row.index, row.row, Status.FAILED, None, error, 0)
        if found.standing is Standing.ABSENT:
            return None if admission is None or step is not AdmissionStep.SKIP else self._gone(row, admission)
        self._reconciler.found(row, found.ids[0])
        if found.standing is Standing.DOUBLED:
            self._scan.note(row, found.ids)
        elif self._updates is not None and found.standing is Standing.DIFFERENT:
            return await self._updates.carry_out(row, found.ids[0])
        elif (
            self._updates is None
            and step is AdmissionStep.LOOK
            and _is_since(found.records[0].created, self._reconciler.since)
        ):
            return None  # an earlier run of this journal may have created it
        elif found.standing is Standing.EQUAL and _is_since(found.records[0].created, self._adopted_since):
            return local_outcomes.adopted(row, found)
        return local_outcomes.existing(row, found)

    def _gone(self, row: PreparedRow, admission: Admission) -> Outcome[Any, Any] | None:
        """Return the outcome of a row that an earlier run was done with and that is not there; None to send it."""
        if admission.earlier not in THERE:
            return local_outcomes.skipped(self._operation, row, admission)
        if self._updates is not None and self._updates.recreate:
            return None
        return Outcome(row.index, row.row, Status.GONE, None, WelkinError(local_outcomes.GONE), 0)


def _is_since(created: str | None, since: float | None) -> bool:
    """Tell whether a record was created since a wall-clock moment, by the server's clock."""
    moment = seconds_of(created)
    return moment is not None and since is not None and moment >= since
