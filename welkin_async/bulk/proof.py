"""The proof that a row's key can be trusted, without which nothing is ever sent a second time.

The API drops unknown fields with a 201, so that a field is documented as writable proves nothing. The first record that
is created must give its key back, and must then be found by the very query that look-ups use; how long that takes tells
how long absence must last before it means anything.

That the key of another row is found shows that keys are kept, but not how far look-ups lag. So the first record that is
created is measured all the same, and as long as that is under way nothing is sent again.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import Any

from welkin_async.bulk.looking import Server, look
from welkin_async.bulk.reconcile import Keys
from welkin_async.bulk.wall import WallClock
from welkin_async.errors import WelkinError

__all__ = ["Proof", "ProofError", "Standing"]

_LOOK_EVERY, _LONGEST = 0.1, 2.0  # seconds between two looks: at first, and at most
_FACTOR = 3.0  # how much longer than the first find took absence must last


class Standing(Enum):
    """How far the proof has come."""

    UNPROVED = "unproved"
    PROVING = "proving"
    ARMED = "armed"
    FAILED = "failed"


class ProofError(WelkinError):
    """The server does not keep the key, or its look-ups do not find it: exactly once cannot be had this way.

    The import has stopped; what was created is created, and nothing was sent twice.
    """


class Proof:
    """Watches the first created record.

    Args:
        keys: How look-ups are made.
        field: The key field's name, for the error.
        patience: Seconds of waiting within which the record must be found.
        wall: The clock that look-ups by date are made with.

    Attributes:
        server: Knows whether the server is there; None where nobody does.
        begun: Whether a created record has been seen.
        error: Why it failed, or None.
        found_after: Seconds after which that record was found; None before.
        lag: What is known of it otherwise: from an earlier run, or from another row.
    """

    def __init__(self, keys: Keys, field: str, patience: float, wall: WallClock) -> None:
        self._keys = keys
        self._field = field
        self._patience = patience
        self._wall = wall
        self._task: asyncio.Task[None] | None = None
        self.server: Server | None = None
        self.standing = Standing.UNPROVED
        self.begun = False
        self.found_after: float | None = None
        self.lag = 0.0
        self.error: WelkinError | None = None

    @property
    def armed(self) -> bool:
        """Whether keys can be trusted, and absence with them."""
        return self.standing is Standing.ARMED and (self.measured or not self.begun)

    @property
    def measured(self) -> bool:
        """Whether a look-up by date, made by our clock, has found a record of this run."""
        return self.found_after is not None

    @property
    def settle(self) -> float:
        """Seconds for which absence must last at least, as far as the proof knows."""
        return _FACTOR * (self.lag if self.found_after is None else self.found_after)

    def begin(self, record: Any, patient: str, key: str) -> bool:
        """Start on the first created record.

        Args:
            record: What the server answered.
            patient: Whose record it is.
            key: What was sent in the key field.

        Returns:
            False where the proof has failed at once: the key was not given back.
        """
        self.begun = True
        if self._keys.key_of(record) != key:
            self._fail(f"the server did not keep {self._field}")
            return False
        if self.standing is Standing.UNPROVED:
            self.standing = Standing.PROVING
        self._task = asyncio.create_task(self._find(patient, record), name="welkin_async bulk proof")
        return True

    def confirm(self, within: float = 0.0) -> None:
        """Note that a look-up has found another row's key, which proves that keys are kept.

        Args:
            within: Seconds since that row was first sent, which its look-up cannot have lagged by more; 0 where an
                earlier run sent it.
        """
        if self.standing is Standing.UNPROVED:
            self.standing = Standing.ARMED
            self.lag = max(self.lag, min(within, self._patience / _FACTOR))

    async def wait(self) -> None:
        """Wait until a proof that has begun has succeeded or failed."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _find(self, patient: str, created: Any) -> None:
        try:
            await self._look_until_found(patient, created)
        except WelkinError as error:
            self.standing, self.error = Standing.FAILED, error

    async def _look_until_found(self, patient: str, created: Any) -> None:
        began = last = time.monotonic()
        since = self._wall.at(began)
        pause = waited = gone = 0.0
        while True:
            records, answered, _ = await look(self._keys.listing(patient, since), self.server)
            last, before = time.monotonic(), last
            if any(self._keys.shows(record, created) for record in records or ()):
                self.found_after = last - began - gone
                self.standing = Standing.ARMED
                return
            if answered:
                waited += pause
            else:
                gone += last - before  # while the server is not there nothing can be found
            if waited > self._patience:
                self._fail(f"a record with its {self._field} was created, but look-ups do not find it")
                return
            pause = min(pause * 1.5, _LONGEST) if pause else _LOOK_EVERY
            await asyncio.sleep(pause)

    def _fail(self, reason: str) -> None:
        self.standing = Standing.FAILED
        self.error = ProofError(f"{reason}; nothing was sent twice. Import without a key field, or use another one.")
