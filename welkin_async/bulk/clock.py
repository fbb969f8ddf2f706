"""Wall clock for look-ups: when a row was first sent, never later than it really was."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime


def seconds_of(written: str | None) -> float | None:
    """Return the seconds since the epoch of a moment as the server writes it; None where it cannot be read.

    Args:
        written: The moment; None where the server does not tell it.
    """
    try:
        return None if written is None else datetime.fromisoformat(written).timestamp()
    except ValueError:
        return None


class WallClock:
    """Turns moments of the monotonic clock into wall-clock time.

    How far back a look-up reaches depends on when a row was first sent. Were the system's clock set forward in the
    middle of an import, times read from it would lie behind records that were created since; these would not be found,
    and their rows would be sent again. So the clock is read once, and from then on only corrections backwards count:
    a time that is too early makes a look-up reach further back than it need, and does no harm.

    Args:
        wall: Seconds since the epoch.
        monotonic: The clock whose moments are handed in.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()

    def at(self, moment: float) -> float:
        """Return the seconds since the epoch of a moment.

        Args:
            moment: Monotonic seconds.
        """
        self._ahead = min(self._ahead, self._wall() - self._monotonic())
        return moment + self._ahead

    def now(self) -> float:
        """Return the seconds since the epoch now."""
        return self.at(self._monotonic())
