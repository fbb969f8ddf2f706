"""Exactly once: parking, proof, look-ups and the last sweep, put together for the engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from welkin_async.bulk.bookkeeping import Bookkeeping
from welkin_async.bulk.deciding import Decision, Parked
from welkin_async.bulk.elsewhere import Elsewhere
from welkin_async.bulk.ever import EverUnknown
from welkin_async.bulk.journal_lock import JournalError
from welkin_async.bulk.looking import Server, look
from welkin_async.bulk.proof import Proof, ProofError, Standing
from welkin_async.bulk.reconcile import Keys, Reconciler
from welkin_async.bulk.sweep import Double, Sweep, unless
from welkin_async.bulk.wall import WallClock
from welkin_async.errors import (
    DecodeError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    RequestError,
    RequestLine,
)
from welkin_async.request import Request

__all__ = ["Double", "Exactly"]

_TRIES = 3  # rows of earlier runs that are looked for, so that finding one may prove the keys


class Exactly:
    """Keeps track of every row that may be on the server without our knowing.

    Args:
        keys: Gives rows their keys and finds records by them.
        settle: Seconds for which a key must stay absent before the row is sent again.
        final_settle: Seconds after the last unknown outcome before the last sweep.
        room: How many rows may be parked before pulling stops.
        remove_doubles: Whether the last sweep removes a double that is equal to the one that stays and was never
            edited; others are only named.

    Attributes:
        again: Rows that were found absent, to be sent again by the next free worker.
        doubles: What the last sweep found.
        books: Keeps a journal, or None; set before `start`.
        key_field: The field that carries the key.
    """

    def __init__(
        self, keys: Keys, *, settle: float, final_settle: float, room: int, remove_doubles: bool = False
    ) -> None:
        self._remove_doubles = remove_doubles
        self._keys = keys
        self.key_field = keys.field
        self._settle = settle
        self._final_settle = final_settle
        self._room = room
        self._wall = WallClock()
        self.proof = Proof(keys, keys.field, final_settle, self._wall)
        self.again: deque[Parked] = deque()
        self.doubles: list[Double] = []
        self.books: Bookkeeping | None = None
        self._tries = _TRIES
        self._watch: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self._sweep_at: float | None = None
        self._swept = 0

    def start(
        self,
        decided: Callable[[Parked, Decision, Any], Awaitable[None]],
        fail: Callable[[Exception], None],
        server: Server | None = None,
    ) -> None:
        """Begin, on the running loop.

        Args:
            decided: Carries out a decision about a parked row.
            fail: Stops the import.
            server: Knows whether the server is there; None where nobody does.
        """
        self._decided = decided
        self._fail = fail
        self._server = self.proof.server = server
        # Not before: until the journal was had, another process may have been sending its rows.
        self._started = time.monotonic()
        self._ever = EverUnknown(self._wall.at(self._started))
        if self.books is not None:
            self.proof.lag = self.books.journal.lag
        self._reconciler = Reconciler(
            self._keys,
            self._on_decision,
            fail,
            self.proof,
            server,
            settle=self._settle,
            final_settle=self._final_settle,
            room=self._room,
        )
        self._elsewhere = Elsewhere(self._keys, self.proof, server)

    def leave(self) -> None:
        """Leave the last sweep out, or break it off: a journal hands what it was to look at on to the next run."""
        self._left.set()

    @property
    def busy(self) -> bool:
        """Whether a row is still parked or about to be sent again."""
        return bool(self._reconciler.pending or self.again)

    @property
    def full(self) -> bool:
        """Whether pulling must wait for look-ups."""
        return self._reconciler.full

    @property
    def lookups(self) -> int:
        """How many listings were made."""
        return self._reconciler.lookups + self._elsewhere.lookups

    @property
    def parked(self) -> int:
        """How many rows are looked for."""
        return self._reconciler.pending

    @property
    def sweep_in(self) -> float | None:
        """Seconds until the last sweep, 0.0 while it is made; None where nobody waits for it."""
        return None if self._sweep_at is None else max(0.0, self._sweep_at - time.monotonic())

    @property
    def unswept(self) -> int:
        """How many keys that were ever unknown no sweep has looked at."""
        return self._ever.count - self._swept

    @property
    def cautious(self) -> bool:
        """Whether rows must go one at a time: a journal is kept, and keys are not proved yet.

        A run that is killed leaves rows that may have been sent, and only proved keys tell whether they were. So with
        a journal no more than one row is at stake before the proof.
        """
        return self.books is not None and self.proof.standing in (Standing.UNPROVED, Standing.PROVING)

    def created(self, row: Any, record: Any) -> None:
        """Take note of a created record; the first one is the proof."""
        if not self.proof.begun:
            if self.proof.begin(record, self._keys.group(row), self._keys.key(row)):
                self._watch = asyncio.create_task(self._watch_proof(), name="welkin_async bulk proof watch")
            else:
                self._proof_failed()
        patient = self._keys.group(row)
        if self._ever.has(patient):
            self._ever.created(patient, self._keys.key(row), record.id)

    async def settled(self) -> None:
        """Wait for a proof that is under way."""
        await self.proof.wait()

    async def skipped(self, row: Any) -> None:
        """Take note of a row that an earlier run created: if its key is found, that is the proof.

        Raises:
            AuthenticationError: the server refused the token.
        """
        if self.proof.standing is Standing.UNPROVED and self._tries > 0:
            self._tries -= 1
            patient, key = self._keys.group(row), self._keys.key(row)
            records = (await look(self._keys.listing(patient, 0.0), self._server)).records
            with contextlib.suppress(DecodeError):
                if any(self._keys.key_of(record) == key for record in records or ()):
                    self._confirm()

    async def absent(self, row: Any) -> bool:
        """Tell whether a row that an earlier run did not create is surely not on the server, and so may be sent.

        Args:
            row: The row.

        Raises:
            AuthenticationError: the server refused the token.
        """
        begun = 0.0 if self.books is None else self.books.journal.since(0)
        return await self._elsewhere.absent(row, begun=begun, at=self._started + self._reconciler.settle)

    def look(self, index: int, row: Any, since: float, line: RequestLine, reason: str) -> None:
        """Park a row that may be there before this run; bytes may still land, so it settles from this run's start.

        Args:
            index: Its position.
            row: The row.
            since: Wall-clock seconds since which it may have been sent.
            line: What was sent.
            reason: Why it may be there.

        Raises:
            InvalidInputError: it has no key, so that no run can have sent it.
        """
        key = self._keys.key(row)
        if not key:
            raise InvalidInputError("a row needs a key")
        error = OutcomeUnknownError(reason, request=line)
        self._take_in(Parked(index, row, self._keys.group(row), key, since, self._started, 0, error))

    def park(
        self, index: int, row: Any, request: Request, sent: float, error: RequestError, again: Parked | None
    ) -> None:
        """Park a row.

        Args:
            index: Its position.
            row: The row.
            request: Its last request.
            sent: Monotonic seconds before that request.
            error: How it ended.
            again: What it was parked as before, where this was not the first time.
        """
        now = time.monotonic()
        if again is None:
            patient, key = self._keys.group(row), self._keys.key(row)
            self._take_in(Parked(index, row, patient, key, self._wall.at(sent), now, request.attempts, error))
            return
        again.attempts += request.attempts
        again.rejection = error if isinstance(error, RejectedError) else None
        if request.unknown:
            again.since, again.error, again.waited = now, error, 0.0
        self._reconciler.park(again)

    def _take_in(self, parked: Parked) -> None:
        """Park a row for the first time in this run, and see that its key is swept in the end, by whatever run."""
        self._ever.add(parked.patient, parked.key, parked.first_sent)
        self._reconciler.park(parked)
        if self.books is not None:
            try:
                self.books.parked(parked.index, parked.key, parked.patient, parked.first_sent)
            except JournalError as error:
                self._fail(error)

    async def stop(self) -> list[Parked]:
        """Stop looking, and return the rows that are not decided: parked, or waiting to be sent again."""
        left = [*await self._reconciler.aclose(), *self.again]
        self.again.clear()
        return left

    async def sweep(self) -> None:
        """Look for doubled keys, unless nobody waits for it; what was not looked at is left to the next run.

        Raises:
            JournalError: what earlier runs left cannot be read.
            RequestError: the server refused the token.
        """
        journal = None if self.books is None else self.books.journal
        if journal is not None and await self._ever.recall(journal, self._wall.now()):
            self._reconciler.last_unknown = max(self._reconciler.last_unknown, self._started)
        if self._ever:
            sweep = Sweep(
                self._keys,
                self._server,
                self._ever,
                journal,
                remove_doubles=self._remove_doubles,
                fail=self._fail,
                doubles=self.doubles,
            )
            self._sweep_at = self._reconciler.last_unknown + self._final_settle
            try:
                await unless(self._left, sweep.run(self._sweep_at))
            finally:
                self._sweep_at, self._swept = None, sweep.looked_at

    async def aclose(self) -> None:
        """End the proof."""
        await self.proof.aclose()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait((self._watch,))

    async def _on_decision(self, parked: Parked, decision: Decision, record: Any) -> None:
        if decision is Decision.RESEND:
            parked.resends += 1
            self.again.append(parked)
        elif decision is Decision.ADOPT:
            self._ever.created(parked.patient, parked.key, record.id)
            self._confirm(self._wall.now() - parked.first_sent if parked.attempts else 0.0)
        elif record is not None:
            self._confirm()
        await self._decided(parked, decision, record)

    async def _watch_proof(self) -> None:
        await self.proof.wait()
        if self.proof.standing is Standing.FAILED:
            self._proof_failed()
            return
        self._trust()
        if self.books is not None and self.proof.found_after is not None:
            try:
                self.books.journal.measured(self.proof.found_after)
            except JournalError as error:
                self._fail(error)

    def _confirm(self, within: float = 0.0) -> None:
        """Trust keys from now on."""
        self.proof.confirm(within)
        self._trust()

    def _trust(self) -> None:
        if self.books is not None and self.proof.standing is Standing.ARMED:
            self.books.widen()

    def _proof_failed(self) -> None:
        error = self.proof.error
        self._fail(error if error is not None else ProofError("the key could not be proved"))
