"""Refused rows: set aside until they may be sent again, while workers take other rows.

A refusal (429, or 503) says that nothing was done, so the row may be sent again. Its worker does not wait for that: the
row is kept in `RefusedRows` until its Retry-After or its jittered back-off is over. Two things can be wrong that have
nothing to do with the rate, and neither may hold up the other rows:

- **A row** that is refused again and again while others are accepted has a problem of its own. `RefusedRows` gives it
  up after so many refusals, or so many seconds.
- **A group** of rows, those of one patient, may be refused as a whole. `GroupCircuits` has a circuit breaker for each
  that fails: it opens after a few refusals in a row, lets a trial row through now and then, and is closed by the first
  row accepted. It opens before the server is thought to be down, because only refusals of *distinct* groups say that.
  Where rows come group by group no other is in flight to be accepted. The circuit opens then by the group's own run of
  refusals, so that rows are pulled on until those of another group come; but its rows are not given up for it before
  the server is known to be there.

Both are pure: time is handed in, and nothing here waits or sends.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")

_BACKOFF_BASE, _BACKOFF_CAP = 0.25, 20.0  # seconds: full jitter under a bound that doubles, as between attempts
_SUSPECT = 3  # refusals while others were accepted, after which a row's refusals say nothing about the server
_THRESHOLD = 5  # refusals in a row that open a group's circuit: chance of 5 % comes to that once in three million
_OTHERS = 2  # other groups accepted between two of them; with fewer, the group cannot be told from the server
_DISTINCT = 3  # groups that fail are an outage of the server's
_RUN = 0.4  # seconds of refusals in which nobody was accepted: long enough for a pause to have its first probe refused
_TRIALS = 3  # trial rows refused after which rows are given up where there is no room to set them aside
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds between trial rows of an open circuit, doubling
_DOUBTFUL_PAUSE = 2.0  # seconds at most, as long as the server may be to blame


def _backoff(failures: int, jitter: Callable[[], float]) -> float:
    """Return a jittered pause after so many failures in a row, in seconds."""
    bound: float = min(_BACKOFF_CAP, _BACKOFF_BASE * 2.0 ** min(failures - 1, 16))
    return bound * jitter()


@attrs.define(eq=False)
class RefusedRow(Generic[T]):
    """One row that was refused.

    Attributes:
        item: The row.
        group: What it belongs to.
        due: When it may be sent again, in monotonic seconds.
        told: When it might by its own refusal; it may have to wait longer for its group, or the server.
        refusals: How often it was refused.
        throttled_only: Whether every refusal was a 429, so that it was certainly not carried out.
        counted: Refusals that nothing but the row explains.
        seconds: How long it has been refused, pauses of the whole server left out.
        refused_at: When it was refused last.
        accepted: How many rows had been accepted by then.
        unexplained: How many refusals had been met by then that no row of its own explains.
    """

    item: T
    group: object
    due: float = 0.0
    told: float = -math.inf
    refusals: int = 0
    throttled_only: bool = True
    counted: int = 0
    seconds: float = 0.0
    refused_at: float = 0.0
    accepted: int = -1
    unexplained: int = -1


class RefusedRows(Generic[T]):
    """Rows set aside, ordered by when they may be sent again.

    Args:
        capacity: How many rows may be set aside; beyond that a worker waits with its row.
        patience: Seconds of refusals after which a row is given up.
        most_refusals: Refusals after which it is given up.
        jitter: Returns a number in [0, 1).

    Attributes:
        accepted: Rows accepted so far; the engine counts them here.
        accepted_group: The group of the last of them.
    """

    def __init__(
        self,
        capacity: int,
        *,
        patience: float = 300.0,
        most_refusals: int = 20,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._capacity = capacity
        self._patience = patience
        self._most_refusals = most_refusals
        self._jitter = jitter
        self._rows: list[tuple[float, int, RefusedRow[T]]] = []
        self._serial = 0
        self.accepted = 0
        self.accepted_group: object = None
        self._unexplained = 0  # refusals of rows that are under no suspicion of their own
        self._accepted_before, self._barren_since, self._refused_at = -1, math.inf, -math.inf

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether no further row can be set aside."""
        return len(self._rows) >= self._capacity

    @property
    def next_due(self) -> float:
        """When the next row may be sent again; infinity where there is none."""
        return self._rows[0][0] if self._rows else math.inf

    def refused(self, row: RefusedRow[T], now: float, retry_after: float | None, *, throttled: bool) -> bool:
        """Note a refusal of a row, and say when it may be sent again.

        A refusal counts against the row if others were accepted since its last one, or none were even refused: then
        the server is there. It does not count while the server refuses everybody.

        Args:
            row: The row; its `due` is set.
            now: Monotonic seconds.
            retry_after: Seconds the server asks for; None for a back-off of our own.
            throttled: Whether it said 429.

        Returns:
            Whether the row is to be given up.
        """
        if self._accepted_before != self.accepted:
            self._accepted_before, self._barren_since = self.accepted, now
        self._refused_at = now
        row.refusals += 1
        row.throttled_only = row.throttled_only and throttled
        suspect = row.counted >= _SUSPECT
        if suspect or row.accepted != self.accepted or row.unexplained == self._unexplained:
            row.counted += 1
            row.seconds += row.due - row.refused_at
        if not suspect:
            self._unexplained += 1
        row.refused_at, row.accepted, row.unexplained = now, self.accepted, self._unexplained
        row.due = row.told = now + (_backoff(row.refusals, self._jitter) if retry_after is None else retry_after)
        return row.counted >= self._most_refusals or row.seconds >= self._patience

    def barren(self, now: float) -> bool:
        """Tell whether rows have been refused, and none accepted, for so long that a row would be given up.

        That is no fault of a row's, and with more to come the server is waited for. Only where those refused are all
        that is left they cannot be waited for without end.

        Args:
            now: Monotonic seconds.
        """
        return self._accepted_before == self.accepted and now - self._barren_since >= self._patience

    def hopeless(self, row: RefusedRow[T], now: float) -> bool:
        """Tell whether it is so, and another row was refused since this one's own wait was over.

        Args:
            row: A row that was set aside.
            now: Monotonic seconds.
        """
        return self._refused_at >= row.told and self.barren(now)

    def set_aside(self, row: RefusedRow[T]) -> None:
        """Keep a row until it is due. Rows that are due at the same moment keep their order."""
        self._serial += 1
        heapq.heappush(self._rows, (row.due, self._serial, row))

    def take_due(self, now: float) -> RefusedRow[T] | None:
        """Return a row that may be sent again; None where none is due."""
        return heapq.heappop(self._rows)[2] if self._rows and self._rows[0][0] <= now else None

    def drain(self) -> list[RefusedRow[T]]:
        """Return all rows, in the order they would have become due, and keep none."""
        return [heapq.heappop(self._rows)[2] for _ in range(len(self._rows))]


@attrs.define(eq=False)
class _Circuit:
    """The circuit of a group that fails.

    Attributes:
        since: When it was refused first.
        run: Refusals in a row.
        counted: Those between which other groups were accepted.
        proven: Whether the server is known to be there while the group is refused.
        refused_at: When the last of all was.
        passed: How often the group accepted had changed by then.
        strangers: Refusals of groups with a closed circuit by then.
        trials: Trial rows refused that count, since it opened.
        seconds: How long it has been open, pauses of the whole server left out.
        open: Whether rows are held back.
        retry_at: When the next trial row may go.
        trial: Whether a trial row is out.
    """

    since: float
    run: int = 1
    counted: int = 1
    proven: bool = False
    refused_at: float = 0.0
    passed: int = 0
    strangers: int = 0
    trials: int = 0
    seconds: float = 0.0
    open: bool = False
    retry_at: float = 0.0
    trial: bool = False


class GroupCircuits:
    """A circuit breaker for each group of rows that fails; groups that do not fail are not remembered.

    Args:
        patience: Seconds after which an open circuit's rows are given up.
        most_refusals: Trial rows refused after which they are.
        jitter: Returns a number in [0, 1).
    """

    def __init__(
        self, *, patience: float = 300.0, most_refusals: int = 20, jitter: Callable[[], float] = random.random
    ) -> None:
        self._patience = patience
        self._most_refusals = most_refusals
        self._jitter = jitter
        self._circuits: dict[object, _Circuit] = {}
        self._latest: object = None  # the group accepted last
        self._passed = 0  # how often that was another than before
        self._strangers = 0  # refusals of groups whose circuit was closed

    @property
    def failing(self) -> int:
        """How many distinct groups had nothing accepted since they were last refused; an outage is when many do."""
        return len(self._circuits)

    def accepted(self, group: object) -> None:
        """Note that a row of a group was accepted: its circuit closes. Need not be called while no group fails."""
        self._circuits.pop(group, None)
        if group != self._latest:
            self._latest = group
            self._passed += 1

    def refused(self, group: object, now: float, lately: object = None) -> None:
        """Note that a row of a group was refused.

        Args:
            group: The group.
            now: Monotonic seconds.
            lately: The group accepted last, also while no group failed; None for the last of those noted here.
        """
        circuit = self._circuits.get(group)
        if circuit is None:
            circuit = self._circuits[group] = _Circuit(now)
        elif circuit.open:
            if not circuit.trial:
                return  # sent before it opened
            circuit.trial = False
            self._prove(circuit)
            # Others were accepted, or there are none left; not where the server refuses everybody.
            if self._passed - circuit.passed >= _OTHERS or self._strangers == circuit.strangers:
                circuit.trials += 1
                circuit.seconds += circuit.retry_at - circuit.refused_at
            circuit.retry_at = now + self._pause(circuit)
        else:
            circuit.run += 1
            if self._passed - circuit.passed >= _OTHERS:
                circuit.counted += 1
                circuit.open = circuit.proven = circuit.counted >= _THRESHOLD
            elif circuit.run >= _THRESHOLD and now - circuit.since >= _RUN and self._is_by_itself(group, lately):
                circuit.open = True
            else:
                return  # nobody else was accepted meanwhile: the server may be to blame
            if circuit.open:
                circuit.retry_at = now + self._pause(circuit)
        if not circuit.open:
            self._strangers += 1
        circuit.refused_at, circuit.passed, circuit.strangers = now, self._passed, self._strangers

    def admits(self, group: object, now: float) -> bool:
        """Tell whether a row of a group may be sent; where its circuit is open, the row that may is the trial row.

        Args:
            group: The group.
            now: Monotonic seconds.
        """
        circuit = self._circuits.get(group)
        if circuit is None or not circuit.open:
            return True
        if circuit.trial or now < circuit.retry_at:
            return False
        circuit.trial = True
        return True

    def is_proven(self, group: object) -> bool:
        """Tell whether a group's circuit is open, and the server known to be there: a trial row then tries the group.

        Args:
            group: The group.
        """
        circuit = self._circuits.get(group)
        return circuit is not None and circuit.open and self._prove(circuit)

    def withdraw(self, group: object) -> None:
        """Note that a row which was let through was not sent after all, or has no verdict: another may try."""
        circuit = self._circuits.get(group)
        if circuit is not None:
            circuit.trial = False

    def open_until(self, group: object) -> float | None:
        """Return when a group's next trial row may go, in monotonic seconds; None where its circuit is closed."""
        circuit = self._circuits.get(group)
        return circuit.retry_at if circuit is not None and circuit.open else None

    def is_suspect(self, group: object) -> bool:
        """Tell whether a group was refused so often in a row that its rows are to go one by one."""
        circuit = self._circuits.get(group)
        return circuit is not None and circuit.run >= _THRESHOLD

    def is_doubtful(self, group: object) -> bool:
        """Tell whether a group's circuit is open, but it may be the server that refuses everybody."""
        circuit = self._circuits.get(group)
        return circuit is not None and circuit.open and not self._prove(circuit)

    def vouch(self, group: object) -> None:
        """Note that the server is there while it refuses a group; its run of refusals stands for its trials then.

        Not where another group is in doubt as well: when distinct groups are refused, that is the server.
        """
        circuit = self._circuits.get(group)
        if circuit is not None and all(each is circuit or self._prove(each) for each in self._circuits.values()):
            circuit.proven, circuit.trials = True, max(circuit.trials, _TRIALS)

    def fails_fast(self, group: object) -> bool:
        """Tell whether several trials have failed, so that a row for which there is no room is given up at once."""
        circuit = self._circuits.get(group)
        return circuit is not None and circuit.trials >= _TRIALS and self._prove(circuit)

    def given_up(self, group: object) -> bool:
        """Tell whether a group has been refused for so long that its rows are given up."""
        circuit = self._circuits.get(group)
        if circuit is None or not circuit.open or not self._prove(circuit):
            return False
        return circuit.trials >= self._most_refusals or circuit.seconds >= self._patience

    def _is_by_itself(self, group: object, lately: object) -> bool:
        """Tell whether another group was accepted last, and hardly any fails: one that was itself says the server."""
        lately = self._latest if lately is None else lately
        return lately not in (None, group) and len(self._circuits) < _DISTINCT

    def _prove(self, circuit: _Circuit) -> bool:
        """Tell whether the server is known to be there: others were accepted since the circuit opened."""
        circuit.proven = circuit.proven or self._passed - circuit.passed >= _OTHERS
        return circuit.proven

    def _pause(self, circuit: _Circuit) -> float:
        """Return the seconds to the next trial row: at least half of a bound that doubles.

        Not before so many trials have failed that a row without room is given up: until then all others may wait.
        """
        most = _LONGEST_PAUSE if circuit.proven else _DOUBTFUL_PAUSE
        bound: float = min(most, _FIRST_PAUSE * 2.0 ** min(max(0, circuit.trials + 1 - _TRIALS), 16))
        return bound * (0.5 + 0.5 * self._jitter())
