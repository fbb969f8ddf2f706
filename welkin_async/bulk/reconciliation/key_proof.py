"""Key proof: shows that a row's key can be trusted, without which nothing is ever sent a second time.

The API drops unknown fields with a 201, so that a field is documented as writable proves nothing. The first record that
is created must give its key back, and must then be found by the very query that look-ups use; how long that takes is
the first lag that is known. That the key of another row is found shows that keys are kept, but not how far look-ups
lag, so as long as the first record is looked for nothing is sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs

from welkin_async.bulk.errors import ProofError
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.bulk.reconciliation.lookup import Server, is_silence, look
from welkin_async.bulk.reconciliation.policy import lag_between
from welkin_async.errors import PermissionDeniedError, WelkinError

_LOOK_EVERY, _LONGEST = 0.1, 2.0  # seconds between two looks: at first, and at most


class ProofState(Enum):
    """How far the proof has come."""

    UNPROVED = "unproved"
    PROVING = "proving"
    ARMED = "armed"
    DENIED = "denied"
    FAILED = "failed"


@attrs.define(repr=False, eq=False)
class KeyProof:
    """Key proof: looks for the first created record until it is found.

    Args:
        keys: How look-ups are made.
        since: Wall-clock seconds since which look-ups list.
        patience: Seconds of waiting within which the record must be found.
        server: Knows whether the server is there; None where nothing does.
        ended: Called when it has succeeded, failed or been denied, or the keys of another row have armed it.
        needed: Whether it has failed where the client may not list records. Else it is denied: nothing is proved, so
            that nothing is ever sent a second time.

    Attributes:
        state: How far it has come.
        begun: Whether a created record has been seen.
        error: Why it failed, or None.
        found_after: Seconds after which the record was found, or had still not been when the proof failed; None before.
    """

    _keys: Keys
    _since: float
    _patience: float
    _server: Server | None = None
    _ended: Callable[[], None] = lambda: None
    _needed: bool = True
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    state: ProofState = attrs.field(default=ProofState.UNPROVED, init=False)
    begun: bool = attrs.field(default=False, init=False)
    found_after: float | None = attrs.field(default=None, init=False)
    error: WelkinError | None = attrs.field(default=None, init=False)

    @property
    def armed(self) -> bool:
        """Whether keys can be trusted, and absence with them."""
        return self.state is ProofState.ARMED and (self.found_after is not None or not self.begun)

    @property
    def under_way(self) -> bool:
        """Whether it has begun and not ended."""
        return self._task is not None and not self._task.done()

    def begin(self, record: Any, group: str, key: str) -> None:
        """Start on the first created record; the proof has failed at once where the key was not given back.

        Args:
            record: What the server answered.
            group: What is listed to find it.
            key: What was sent in the key field.
        """
        self.begun = True
        if self._keys.key_of(record) != key:
            self._fail(f"the server did not keep {self._keys.field}")
            return
        if self.state is ProofState.UNPROVED:
            self.state = ProofState.PROVING
        self._task = asyncio.create_task(self._find(group, record, key), name="welkin_async bulk proof")

    def adopt(self, lag: float) -> None:
        """Take over the proof of another run.

        Args:
            lag: Seconds by which look-ups ran behind there.
        """
        self.begun, self.found_after, self.state = True, lag, ProofState.ARMED

    def confirm(self) -> None:
        """Note that a look-up has found another row's key, which proves that keys are kept."""
        if self.state is ProofState.UNPROVED:
            self.state = ProofState.ARMED
            self._ended()

    async def wait(self) -> None:
        """Wait until a proof that has begun has succeeded or failed."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _find(self, group: str, created: Any, key: str) -> None:
        began = silent = time.monotonic()
        missed: float | None = None  # when the last look-up was begun that was answered without it
        pause = waited = 0.0
        try:
            while True:
                asked = time.monotonic()
                records, answered, error = await look(self._keys.listing(group, self._since), self._server)
                if isinstance(error, PermissionDeniedError):
                    self._deny()
                    return
                shown = [record for record in records or () if self._keys.shows(record, created)]
                if shown and all(self._keys.key_of(record) != key for record in shown):
                    self._fail(f"the server gave {self._keys.field} back and did not keep it")
                    return
                if shown:  # what was never missed has no lag
                    self.found_after = 0.0 if missed is None else lag_between(began, missed, time.monotonic(), silent)
                    self.state = ProofState.ARMED
                    self._ended()
                    return
                if records is not None:
                    missed = asked
                elif error is not None and is_silence(error):  # even if the server has come back by now
                    silent = time.monotonic()
                if waited > self._patience:
                    self.found_after = None if missed is None else missed - began
                    self._fail(f"a record with its {self._keys.field} was created, but look-ups do not find it")
                    return
                pause = min(pause * 1.5, _LONGEST) if pause else _LOOK_EVERY
                await asyncio.sleep(pause)
                if answered:
                    waited += pause
        except WelkinError as error:
            self.state, self.error = ProofState.FAILED, error
            self._ended()

    def _deny(self) -> None:
        if self._needed:
            reason = f"the api client may not list records (403), so that none is found by its {self._keys.field}"
            self._fail(reason, "Give it the right to list, or import without a key field.")
            return
        self.state = ProofState.DENIED
        self._ended()

    def _fail(self, reason: str, advice: str = "Import without a key field, or use another one.") -> None:
        self.state = ProofState.FAILED
        self.error = ProofError(f"{reason}; nothing was sent twice. {advice}")
        self._ended()
