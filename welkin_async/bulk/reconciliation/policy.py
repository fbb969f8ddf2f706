"""Reconciliation policy: the rule for a row whose create may or may not have landed. Pure.

A row that is found is adopted or a conflict. Absence is harder: a create that was cut off can land seconds later, and
listings run behind. So absence counts when the row has settled and something proves that the listing is as new as that:
a *witness*, which is a record that this run sent after the row had settled. Where the run sends nothing more there is
no witness to come, and three times the largest lag seen must have passed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import attrs

from welkin_async.bulk.keys.protocol import Found
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import RejectedError, WelkinError

_MOST_RESENDS = 10
LAG_FACTOR = 3.0  # by how much lag may grow between two observations without a double


class Decision(Enum):
    """What is to be done with a pending row."""

    WAIT = "wait"
    ADOPT = "adopt"
    CONFLICT = "conflict"
    RESEND = "resend"
    REJECT = "reject"
    GIVE_UP = "give up"


@attrs.define(repr=False, eq=False)
class PendingRow:
    """Pending row: its create may or may not have landed.

    Attributes:
        row: The row.
        first_sent: Wall-clock seconds before the first attempt.
        ended: Monotonic seconds at which the last attempt ended that may still land.
        attempts: Requests that went out for it.
        error: Why it is unknown.
        rejection: A refusal that stands only if the row is not found.
        overloaded: Whether its only unknown attempt was answered 503: nothing is under way any more.
        echoed_key: A key that came back in place of its own: the server changes keys, or it was another's answer.
        resends: How often it was sent again.
        waited: Seconds waited for look-ups that the server answered: what its patience is measured in.
        witness: The id of the first record of its group that was sent after it had settled.
        seen_absent: Whether a complete listing did not have it since its last attempt.
        missed: Monotonic seconds at which the last of those was begun; None where that was as new as the attempt's end,
            so that the row had not landed.
    """

    row: PreparedRow
    first_sent: float
    ended: float
    attempts: int
    error: WelkinError | None
    rejection: RejectedError | None = None
    overloaded: bool = False
    echoed_key: str | None = None
    resends: int = 0
    waited: float = 0.0
    witness: str | None = None
    seen_absent: bool = False
    missed: float | None = None


@attrs.frozen
class View:
    """What a round knows when it decides about a row.

    Attributes:
        complete: Whether the listing was complete; one that was not says nothing of absence.
        began: Monotonic seconds at which the listing was begun.
        there_since: Monotonic seconds since which the server has answered look-ups: one that comes back may first deal
            with what it was sent before.
        armed: Whether it is proved that the server keeps keys and that look-ups find them.
        witnessed: Whether the listing, or the control's, shows a record that was sent after the row had settled.
        quiet: Whether nothing more is sent and the run's newest record is found.
        settle: Seconds after its last attempt within which a row may still land.
        lag: The largest lag of look-ups seen, one that is still open included.
        patience: Seconds of waiting after which a row that could not be decided is given up.
    """

    complete: bool
    began: float
    there_since: float
    armed: bool
    witnessed: bool
    quiet: bool
    settle: float
    lag: float
    patience: float


def lag_between(landed: float, missed: float, found: float, silent: float) -> float:
    """Return by how many seconds look-ups ran behind, where one missed a record and the next that was answered had it.

    Args:
        landed: Monotonic seconds at which the record was there.
        missed: When the look-up was begun that missed it.
        found: When the one was begun that had it.
        silent: Until when look-ups went unanswered: while they do nothing can be found, so that is no lag.
    """
    return missed - landed + found - max(missed, min(silent, found))


class LagTracker:
    """Lag tracker: by how much look-ups run behind; it only ever widens.

    A lag is measured where one look-up missed a record that was there, and the next had it. While the server did not
    answer in between nothing could be found, so that is no lag.

    Args:
        widened: Called with the largest lag whenever a larger one is seen.
        there_since: Monotonic seconds since which the server has answered look-ups.

    Attributes:
        largest: Seconds of the largest lag that was seen to its end.
        there_since: As above; it is noted here when the server has not answered one.
    """

    def __init__(self, widened: Callable[[float], None] = lambda _: None, there_since: float = 0.0) -> None:
        self.largest = 0.0
        self.there_since = there_since
        self._widened = widened
        self._open: dict[str, tuple[float, float, float]] = {}

    def observe(self, id: str, answered: float, began: float, *, found: bool) -> None:
        """Take note of whether a listing shows a record; one that was never missed proves no lag.

        Args:
            id: The record.
            answered: Monotonic seconds at which it was known to be created.
            began: Monotonic seconds at which the listing was begun.
            found: Whether the listing shows it.
        """
        if not found:
            self._open[id] = answered, began, 0.0
        elif id in self._open:
            landed, missed, silent = self._open.pop(id)
            self.measure(landed, missed, began, silent)

    def unanswered(self, id: str, until: float) -> None:
        """Take note that a listing which would show a record was not answered, whatever else was.

        Args:
            id: The record.
            until: Monotonic seconds at which the listing failed.
        """
        if id in self._open:
            self._open[id] = *self._open[id][:2], until

    def measure(self, landed: float, missed: float, found: float, silent: float = 0.0) -> None:
        """Take note of a record that one look-up missed and the next that was answered had.

        Args:
            landed: Monotonic seconds at which it was there.
            missed: When the look-up was begun that missed it.
            found: When the one was begun that had it.
            silent: Until when look-ups of it went unanswered in between.
        """
        self.widen(lag_between(landed, missed, found, max(silent, self.there_since)))

    @property
    def is_open(self) -> bool:
        """Whether a record was missed and not seen since."""
        return bool(self._open)

    def widen(self, seconds: float) -> None:
        """Take note of a lag that was measured otherwise."""
        if seconds > self.largest:
            self.largest = seconds
            self._widened(seconds)

    def at(self, now: float) -> float:
        """Return the largest lag, one that is still open included.

        Args:
            now: Monotonic seconds.
        """
        return max([self.largest, *(now - since for since, *_ in self._open.values())])


def choose(found: Sequence[Found]) -> Found | None:
    """Return which of the records with its key is a row's own, else the oldest of them; None where there is none.

    Dates are not asked: a server's clocks may be wrong by hours, and a listing reaches back by a day alone.

    Args:
        found: The records, oldest first.
    """
    return next((each for each in found if each.equal), found[0] if found else None)


def decide(pending: PendingRow, found: Found | None, view: View) -> Decision:
    """Decide about a pending row after a listing that the server answered.

    Args:
        pending: The row; its last attempt had ended when the listing was begun.
        found: The record with its key, or None where the listing has none.
        view: What is known beside.
    """
    if found is not None:
        return Decision.ADOPT if found.equal else Decision.CONFLICT
    if view.complete and _is_absent(pending, view):
        if pending.rejection is not None:
            return Decision.REJECT
        return Decision.RESEND if pending.resends < _MOST_RESENDS else Decision.GIVE_UP
    waited = min(pending.waited, view.began - view.there_since)
    return Decision.GIVE_UP if waited > view.patience else Decision.WAIT


def _is_absent(pending: PendingRow, view: View) -> bool:
    """Tell whether a row that a complete listing does not have is surely not there, and will not land any more."""
    if not view.armed:
        return False
    if pending.overloaded:
        return True
    since = max(pending.ended, view.there_since)
    if view.began < since + view.settle:
        return False
    return view.witnessed or (view.quiet and view.began >= since + LAG_FACTOR * view.lag)
