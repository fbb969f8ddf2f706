"""Ledger: the decisions of a journal, without I/O: the state of a position, and which positions may be sent.

Three rules hold the whole together:

- A position may be sent only after a reservation that covers it was committed. Under the high-water mark and without
  an outcome means: it may have been sent, at the earliest when its block was reserved.
- An outcome that lets a position be sent again (refused, in a retry; not sent) is marked as taken up by the same commit
  that reserves the position for this run. A crash then leaves it unknown, never refused.
- An end without a crash takes back what was reserved and not handed out, so that it is not looked up.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal, NamedTuple

from welkin_async.bulk.position_set import RangeSet

Mode = Literal["resume", "retry", "restart"]

CREATED = frozenset({"created", "adopted"})
"""Statuses that are kept as ranges: the record is on the server, as it was sent."""

FLAGGED = frozenset({"altered", "doubled"})
"""Statuses of rows that are on the server too, and are never sent again."""

_REFUSED = frozenset({"rejected", "failed"})
_UNSENT = "unsent"
DOUBTFUL = "doubtful"
"""Status of a row that may have been sent from another position; until it has an outcome it is looked up."""
_CONFLICT = "conflict"


class PositionState(NamedTuple):
    """What a journal knew of a position when it was opened.

    Attributes:
        state: ``done``: on the server, to be skipped. ``failed``: refused, or never sent; skipped by a resume and sent
            by a retry. ``unknown-since``: it may be there and must be looked up before it is sent. ``new``: never
            sent; with a status ``unsent`` where a run that was stopped had pulled it. A ``conflict`` is ``failed`` for
            a resume, and ``unknown-since`` for a retry.
        since: Seconds since the epoch of the earliest send there can have been, where it is unknown; else None.
        status: What was recorded, where it is done, failed or unsent: adopted ones are ``created``.
    """

    state: Literal["done", "failed", "unknown-since", "new"]
    since: float | None = None
    status: str | None = None


class Reservation(NamedTuple):
    """What is to be committed so that more positions may be sent.

    Attributes:
        start: First position whose earlier outcome is taken up.
        stop: Where that ends; the new high-water mark if it is beyond the old one.
        mark: The high-water mark before.
        since: Seconds since the epoch: the start time of the new block.
    """

    start: int
    stop: int
    mark: int
    since: float


_CREATED, NEW = PositionState("done", status="created"), PositionState("new")


def _standing(status: str, mode: Mode) -> PositionState | None:
    """Return what an outcome other than created means for its position; None where it must be looked up."""
    if status in FLAGGED:
        return PositionState("done", status=status)
    if status in _REFUSED or (status == _CONFLICT and mode != "retry"):
        return PositionState("failed", status=status)
    return PositionState("new", status=status) if status == _UNSENT else None


def redoable(mode: Mode) -> tuple[str, ...]:
    """Return the statuses that a run takes up again by sending.

    Args:
        mode: How the journal was opened.
    """
    return (_UNSENT, *sorted(_REFUSED), _CONFLICT) if mode == "retry" else (_UNSENT,)


class Ledger:
    """A journal's memory: 16 bytes for each gap between created rows and for each block of positions.

    Args:
        blocks: Reserved blocks as (start, stop, since), in order, each beginning where the one before ends.
        created: Ranges of created positions.
        rows: Other outcomes as (position, status), without those that a later run took up and did not finish.
        mode: How the journal is opened.
        block: How many positions are reserved at once.

    Attributes:
        created: Every position known to be created; recording adds to it.
        covered: Positions below it may be sent.
        ahead: From this position on, the next reservation is wanted.
        highest: The highest position that was handed out in this run.
        doubtful: Positions whose rows may have been sent from other ones.
        block: How many positions are reserved at once.
    """

    def __init__(
        self,
        blocks: Iterable[tuple[int, int, float]],
        created: Iterable[tuple[int, int]],
        rows: Iterable[tuple[int, str]],
        *,
        mode: Mode = "resume",
        block: int = 1000,
    ) -> None:
        self.created = RangeSet(created)
        self.covered = self.ahead = 0
        self.highest = -1
        self.block = block
        self._starts, self._since = array("q"), array("d")
        self._mark = 0
        for start, stop, since in blocks:
            self._starts.append(start)
            self._since.append(since)
            self._mark = stop
        self._old_mark = self._mark
        self._settled: dict[PositionState, RangeSet] = {}
        self.doubtful = RangeSet()
        self._redo = RangeSet()
        self._recorded = RangeSet(self.created)
        again = redoable(mode)
        for position, status in rows:
            self._recorded.add(position)
            if status == DOUBTFUL:
                self.doubtful.add(position)
            standing = _standing(status, mode)
            if standing is not None:
                self._settled.setdefault(standing, RangeSet()).add(position)
            if status in again:
                self._redo.add(position)
        recorded = sum(min(stop, self._mark) - start for start, stop in self._recorded if start < self._mark)
        self._orphans = self._mark - recorded
        self._cover(0)

    def state(self, position: int) -> PositionState:
        """Return what is known of a position; O(log n) in the number of gaps.

        Args:
            position: 0 or more.
        """
        created = position in self.created
        if position >= self._old_mark and not created and not self._settled and not self.doubtful:
            return NEW
        for standing, positions in self._settled.items():
            if position in positions and (not created or standing.state == "done"):
                return standing  # a flag outlives what is recorded later
        if created:
            return _CREATED
        if position in self.doubtful:
            return PositionState("unknown-since", self.since(0))
        if position >= self._old_mark:
            return NEW
        return PositionState("unknown-since", self.since(position))

    def enter(self, position: int) -> tuple[PositionState, bool]:
        """Return what is known of a position, and whether it may be sent at once, which counts as sent.

        Args:
            position: 0 or more, each once in a run.
        """
        new = position >= self._old_mark and not self._settled and not self.doubtful
        known = NEW if new else self.state(position)
        if known is not NEW or position >= self.covered:
            return known, False
        if position > self.highest:
            self.highest = position
        return known, True

    def since(self, position: int) -> float:
        """Return before which moment no earlier run can have sent a position; 0.0 where none had reserved any.

        Args:
            position: 0 or more.
        """
        block = bisect_right(self._starts, position) - 1
        return self._since[block] if block >= 0 else 0.0

    def hand_out(self, position: int) -> bool:
        """Return whether a position may be sent; if so it counts as sent.

        Args:
            position: 0 or more.
        """
        if position >= self.covered:
            return False
        if position > self.highest:
            self.highest = position
        return True

    def reservation(self, position: int, now: float) -> Reservation:
        """Return what to commit next so that the positions up to this one, and a block more, may be sent.

        Args:
            position: The position that is wanted.
            now: Seconds since the epoch.
        """
        return Reservation(self.covered, max(self.covered, position) + self.block, self._mark, now)

    def granted(self, reservation: Reservation) -> None:
        """Take note that a reservation was committed.

        Args:
            reservation: The last one that was asked for.
        """
        self._mark = max(self._mark, reservation.stop)
        self._cover(reservation.stop)

    def close(self) -> None:
        """Hand out nothing more."""
        self.covered, self.ahead = -1, -1

    @property
    def orphans(self) -> int:
        """How many positions may have been sent and have no outcome, because a run was killed."""
        return self._orphans

    def is_orphan(self, position: int) -> bool:
        """Return whether a position may have been sent and has no outcome.

        Args:
            position: 0 or more.
        """
        return position < self._old_mark and position not in self._recorded

    @property
    def unused_from(self) -> int:
        """From which position on no earlier run can have sent any."""
        return self._old_mark

    @property
    def final_mark(self) -> int:
        """Where the mark may be put back to when nothing more will be sent."""
        return max(self._old_mark, self.highest + 1)

    def _cover(self, reserved: int) -> None:
        """Cover what is reserved, and what was before: up to the mark or the next outcome that is to be taken up."""
        taken_up = self._redo.first_from(reserved)
        self.covered = max(reserved, self._mark if taken_up is None else min(self._mark, taken_up))
        self.ahead = self.covered - (self.block + 1) // 2
