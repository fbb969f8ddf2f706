"""Row retries: rows that the server refuses are set aside and sent again, without a worker waiting for them.

The decisions are `RefusedRows`' and `GroupCircuits`'; this keeps the clock and the timer that tells when one is due.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

import attrs

from welkin_async.bulk.engine.refused_rows import GroupCircuits, RefusedRow, RefusedRows
from welkin_async.bulk.reconciliation.policy import PendingRow
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import RateLimitedError
from welkin_async.wire.request import Request

_ROOM = 4  # times the concurrency: how many rows may be set aside
LOOK = 0.5
"""Seconds after which a waiting task checks that the session is still open."""

_DISTINCT = 3  # groups: where fewer are in flight, a group that fails cannot be told from a server that does


@attrs.define(eq=False)
class Attempted:
    """A row as a worker had it, to be taken up again.

    Attributes:
        row: The row.
        pending: What it was pending as, where a look-up had it sent again.
        request: Its request so far; None where none was made.
        sent_before: Whether an earlier run may have sent it.
    """

    row: PreparedRow
    pending: PendingRow | None = None
    request: Request | None = None
    sent_before: bool = False


class RowRetries:
    """Row retries: when a row that was refused, or whose group fails, is sent again, and when it is given up.

    Args:
        concurrency: How many workers there are.
        patience: Seconds of refusals after which a row, or a group's rows, are given up.
        wake: Called when a row that was set aside is due, and twice a second while any is.
        ended: Tells whether there are no further rows to come.
        aside: Whether rows can be set aside at all; if not, each worker waits with its own.
        one_by_one: Whether the rows of a group go one at a time, so that it would take each of them as long to be given
            up as the first.

    Attributes:
        rows: The rows set aside; its ``accepted`` counts those the server accepted.
        troubled: Whether any row is set aside or any group fails: what need not be asked otherwise.
        ended: Tells whether there are no further rows to come.
        reasons: How often rows were set aside, by why: the status; ``patient`` for those whose patient fails;
            ``pause`` for those that would only queue behind another of their group.
    """

    def __init__(
        self,
        concurrency: int,
        *,
        patience: float,
        wake: Callable[[], None],
        ended: Callable[[], bool],
        aside: bool = True,
        one_by_one: bool = False,
    ) -> None:
        self.rows: RefusedRows[Attempted] = RefusedRows(_ROOM * concurrency if aside else 0, patience=patience)
        self._circuits = GroupCircuits(patience=patience)
        self._wake = wake
        self._one_by_one = one_by_one
        self.ended = ended
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self.troubled = False
        self.reasons: Counter[str] = Counter()

    def take_due(self) -> RefusedRow[Attempted] | None:
        """Return a row that may be sent again now; None where none is due."""
        row = self.rows.take_due(time.monotonic())
        self._note()
        return row

    def admits(self, group: str) -> bool:
        """Tell whether a row of a group may be sent: not while the group's circuit is open, but for trial rows."""
        return self._circuits.admits(group, time.monotonic())

    def is_trial(self, group: str) -> bool:
        """Tell whether a row of a group, admitted now, only tries if the group is still refused."""
        return self._circuits.is_proven(group)

    def accepted(self, group: str) -> None:
        """Note that the server dealt with a row of a group; needed only while there is trouble."""
        if self._circuits.failing:
            self._circuits.accepted(group)
        self._note()

    def failed(self, group: str) -> None:
        """Note that the server answered a row of a group with an error of its own."""
        self._circuits.refused(group, time.monotonic(), self.rows.accepted_group)
        self._note()

    def withdrawn(self, group: str) -> None:
        """Note that what became of a row of a group is not known, so that another may be the trial."""
        self._circuits.withdraw(group)

    def refused(self, row: RefusedRow[Attempted], error: RateLimitedError) -> bool:
        """Note a refusal of a row, and say when it may be sent again.

        Args:
            row: The row.
            error: The refusal.

        Returns:
            Whether it is to be given up.
        """
        now, group = time.monotonic(), row.item.row.group
        given_up = self.rows.refused(row, now, error.retry_after, throttled=error.status == 429)
        self._circuits.refused(group, now, self.rows.accepted_group)
        self._note()
        return given_up or self._circuits.given_up(group) or self.exhausted()

    def exhausted(self) -> bool:
        """Tell whether the rows that were refused are all that is left, and nobody has been accepted for too long."""
        return self.ended() and self.rows.barren(time.monotonic())

    def hopeless(self, row: RefusedRow[Attempted]) -> bool:
        """Tell whether it is so, and a row need not be sent again to know.

        Args:
            row: A row that was set aside.
        """
        return self.ended() and self.rows.hopeless(row, time.monotonic())

    def is_suspect(self, group: str) -> bool:
        """Tell whether a group was refused so often in a row that its rows are to go one by one."""
        return self._circuits.is_suspect(group)

    def is_doubtful(self, group: str) -> bool:
        """Tell whether it must be known if a group or the server is to blame.

        That is where there is no room for its rows, or where no others are to come that would show it.
        """
        unshown = self.rows.full or (self._one_by_one and self.ended())
        return unshown and self._circuits.is_doubtful(group)

    def vouch(self, group: str) -> None:
        """Note that the server is there while it refuses a group."""
        self._circuits.vouch(group)

    def withheld(self, row: RefusedRow[Attempted]) -> bool:
        """Say when a row whose group's circuit is open may be asked about again.

        Args:
            row: The row.

        Returns:
            Whether it is to be given up: its group has failed for too long, or there is no room to set it aside.
        """
        group = row.item.row.group
        row.due = row.refused_at = max(time.monotonic() + 0.001, self._circuits.open_until(group) or 0.0)
        return self._circuits.given_up(group) or (self.rows.full and self._circuits.fails_fast(group))

    def set_aside(self, row: RefusedRow[Attempted], reason: str) -> bool:
        """Keep a row until it is due; False where there is no room, so that its worker waits with it.

        Args:
            row: The row.
            reason: Why, as in ``reasons``.
        """
        if self.rows.full:
            return False
        self.reasons[reason] += 1
        self.rows.set_aside(row)
        self._note()
        return True

    def is_of_a_group(self, groups: int) -> bool:
        """Tell whether the failures of late are of a group or two, and not the server's.

        Args:
            groups: How many groups have rows in flight.
        """
        return self._circuits.failing < _DISTINCT <= groups

    def drain(self) -> list[Attempted]:
        """Return all rows that are set aside, and keep none."""
        left = [row.item for row in self.rows.drain()]
        self._note()
        return left

    def _note(self) -> None:
        """See whether there is trouble, and set the timer for the next row that will be due."""
        self.troubled = bool(len(self.rows) or self._circuits.failing)
        due = self.rows.next_due
        if self._timer is not None:
            if self._rings_at <= due < math.inf:
                return
            self._timer.cancel()
            self._timer = None
        if due < math.inf:
            self._ring_at(min(due, time.monotonic() + LOOK))

    def _ring(self) -> None:
        """Wake a worker; where none has taken a row that is due, look again later."""
        self._timer = None
        self._wake()
        self._look_later()

    def _look_later(self) -> None:
        if self._timer is None and len(self.rows):
            now, due = time.monotonic(), self.rows.next_due
            self._ring_at(min(now + LOOK, due) if due > now else now + LOOK)

    def _ring_at(self, at: float) -> None:
        self._rings_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._ring)
