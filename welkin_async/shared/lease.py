"""Lease: for how long a worker may send, by three clocks at once. Pure: the clocks are handed in.

A monotonic clock may stand still while its machine is suspended; the boot clock goes on then; either may belong to a
virtual machine that was frozen and moved, where only the wall clock knows. So a lease has run out when any of them says
so, and it is counted from before it was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

Clocks = Callable[[], tuple[float, ...]]


class Moment(NamedTuple):
    """A moment on three clocks, in seconds."""

    monotonic: float
    boot: float
    wall: float


_BOOT = getattr(time, "CLOCK_BOOTTIME", None)  # Linux alone has it


def machine_clocks() -> Moment:
    """Return the moment it is, by this machine's clocks."""
    monotonic = time.monotonic()
    return Moment(monotonic, monotonic if _BOOT is None else time.clock_gettime(_BOOT), time.time())


class Lease:
    """Lease of a chunk, as its holder sees it.

    Args:
        asked: The moment before it was asked for.
        seconds: How long it lasts from then.
        clocks: Return the moment it is.
    """

    __slots__ = ("_clocks", "_ends", "_seconds", "lost")

    def __init__(self, asked: Moment, seconds: float, clocks: Callable[[], Moment] = machine_clocks) -> None:
        self._clocks = clocks
        self._seconds = seconds
        self._ends = _after(asked, seconds)
        self.lost = False

    def __repr__(self) -> str:
        """Show whether it stands."""
        return f"<Lease, {'standing' if self.stands else 'run out'}>"

    @property
    def stands(self) -> bool:
        """Whether it lasts, by every clock."""
        now, ends = self._clocks(), self._ends
        return not self.lost and now[0] < ends[0] and now[1] < ends[1] and now[2] < ends[2]

    @property
    def left(self) -> float:
        """Seconds that are left, by the clock that says the fewest; 0.0 for none."""
        if self.lost:
            return 0.0
        return max(0.0, min(end - now for end, now in zip(self._ends, self._clocks(), strict=True)))

    def renew(self, asked: Moment) -> None:
        """Note that it was renewed; one that has run out meanwhile stays so.

        Args:
            asked: The moment before that was asked for.
        """
        if self.stands:
            self._ends = _after(asked, self._seconds)
        else:
            self.lost = True

    def lose(self) -> None:
        """Note that it is another's."""
        self.lost = True


def _after(moment: Moment, seconds: float) -> Moment:
    return Moment(*(clock + seconds for clock in moment))
