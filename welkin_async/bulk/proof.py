"""The proof that a row's key can be trusted, without which nothing is ever sent a second time.

The API drops unknown fields with a 201, so that a field is documented as writable proves nothing. The first record that
is created must give its key back, and must then be found by the very query that look-ups use; how long that takes tells
how long absence must last before it means anything.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import Any

from welkin_async.bulk.reconcile import Keys
from welkin_async.errors import RequestError, WelkinError

__all__ = ["Proof", "ProofError", "Standing"]

_LOOK_EVERY = 0.1  # seconds at first
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
        patience: Seconds within which the record must be found.
    """

    def __init__(self, keys: Keys, field: str, patience: float) -> None:
        self._keys = keys
        self._field = field
        self._patience = patience
        self.standing = Standing.UNPROVED
        self.found_after: float | None = None
        self.error: ProofError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def armed(self) -> bool:
        """Whether keys can be trusted."""
        return self.standing is Standing.ARMED

    @property
    def settle(self) -> float:
        """Seconds for which absence must last at least, as far as the proof knows."""
        return _FACTOR * (self.found_after or 0.0)

    def begin(self, record: Any, patient: str, key: str) -> bool:
        """Start on the first created record.

        Args:
            record: What the server answered.
            patient: Whose record it is.
            key: What was sent in the key field.

        Returns:
            False where the proof has failed at once: the key was not given back.
        """
        if self._keys.key_of(record) != key:
            self._fail(f"the server did not keep {self._field}")
            return False
        self.standing = Standing.PROVING
        self._task = asyncio.create_task(self._find(patient, key), name="welkin_async bulk proof")
        return True

    def confirm(self) -> None:
        """Note that a look-up has found another row's key, which proves as much."""
        if self.standing in (Standing.UNPROVED, Standing.PROVING):
            self.standing = Standing.ARMED

    async def wait(self) -> None:
        """Wait until a proof that has begun has succeeded or failed."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _find(self, patient: str, key: str) -> None:
        created, wall = time.monotonic(), time.time()
        pause = _LOOK_EVERY
        answered = False
        while self.standing is Standing.PROVING:
            try:
                listed = await self._keys.listing(patient, wall)
            except RequestError:
                listed = None
            waited = time.monotonic() - created
            if listed is not None:
                answered = True
                if any(self._keys.key_of(record) == key for record in listed):
                    self.found_after = waited
                    self.standing = Standing.ARMED
                    return
            if waited > self._patience * (1.0 if answered else 3.0):
                self._fail(f"a record with its {self._field} was created, but look-ups do not find it")
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def _fail(self, reason: str) -> None:
        self.standing = Standing.FAILED
        self.error = ProofError(f"{reason}; nothing was sent twice. Import without a key field, or use another one.")
