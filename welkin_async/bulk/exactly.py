"""Exactly once: parking, proof, look-ups and the last sweep, put together for the engine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from welkin_async.bulk.bookkeeping import Bookkeeping
from welkin_async.bulk.proof import Proof, ProofError, Standing
from welkin_async.bulk.reconcile import Decision, Keys, Parked, Reconciler
from welkin_async.errors import OutcomeUnknownError, RejectedError, RequestError, RequestLine, WelkinError
from welkin_async.request import Request

__all__ = ["Double", "Exactly"]

_SWEEP_TRIES = 20
_SWEEP_PAUSE = 0.5  # seconds between two tries at a patient whose listing fails


@attrs.frozen(repr=False)
class Double:
    """A key that is on the server more than once. Never hidden, never removed unasked.

    Attributes:
        patient: Whose records they are.
        key: What they carry in the key field.
        reported: The id that was reported as created; None where the row is not reported so.
        ids: The ids of all, oldest first.
        records: The records.
        removed: The ids that were removed, because that was asked for.
    """

    patient: str
    key: str
    reported: str | None
    ids: tuple[str, ...]
    records: tuple[Any, ...]
    removed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the count alone."""
        return f"<Double of {len(self.ids)} records>"


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
    """

    def __init__(
        self, keys: Keys, *, settle: float, final_settle: float, room: int, remove_doubles: bool = False
    ) -> None:
        self._remove_doubles = remove_doubles
        self._keys = keys
        self._settle = settle
        self._final_settle = final_settle
        self._room = room
        self.proof = Proof(keys, keys.field, patience=final_settle)
        self.again: deque[Parked] = deque()
        self.doubles: list[Double] = []
        self.books: Bookkeeping | None = None
        self._started = time.monotonic()
        self._tries = 3
        self._ever: dict[str, dict[str, str | None]] = {}
        self._first_sent = time.time()
        self._watch: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    def leave(self) -> None:
        """Leave the last sweep out, or break it off: a journal hands what it was to look at on to the next run."""
        self._left.set()

    def start(
        self,
        decided: Callable[[Parked, Decision, Any], Awaitable[None]],
        fail: Callable[[WelkinError], None],
    ) -> None:
        """Begin, on the running loop.

        Args:
            decided: Carries out a decision about a parked row.
            fail: Stops the import.
        """
        self._decided = decided
        self._fail = fail
        self._reconciler = Reconciler(
            self._keys,
            self._on_decision,
            settle=self._settle,
            final_settle=self._final_settle,
            room=self._room,
            armed=lambda: self.proof.armed,
        )

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
        return self._reconciler.lookups

    def created(self, row: Any, record: Any) -> None:
        """Take note of a created record; the first one is the proof."""
        if self.proof.standing is Standing.UNPROVED:
            if self.proof.begin(record, self._keys.group(row), self._keys.key(row)):
                self._watch = asyncio.create_task(self._watch_proof(), name="welkin_async bulk proof watch")
            else:
                self._proof_failed()
        patient = self._ever.get(self._keys.group(row))
        if patient is not None and (key := self._keys.key(row)) in patient:
            patient[key] = record.id

    @property
    def cautious(self) -> bool:
        """Whether rows must go one at a time: a journal is kept, and keys are not proved yet.

        A run that is killed leaves rows that may have been sent, and only proved keys tell whether they were. So with
        a journal no more than one row is at stake before the proof.
        """
        return self.books is not None and self.proof.standing in (Standing.UNPROVED, Standing.PROVING)

    async def settled(self) -> None:
        """Wait for a proof that is under way."""
        await self.proof.wait()

    async def skipped(self, row: Any) -> None:
        """Take note of a row that an earlier run created: if its key is found, that is the proof."""
        if self.proof.standing is Standing.UNPROVED and self._tries > 0:
            self._tries -= 1
            patient, key = self._keys.group(row), self._keys.key(row)
            try:
                listed = await self._keys.listing(patient, 0.0)
            except RequestError:
                listed = None
            if listed and any(self._keys.key_of(record) == key for record in listed):
                self._confirm()

    def look(self, index: int, row: Any, since: float, line: RequestLine) -> None:
        """Park a row that an earlier run may have sent; its bytes may still land, so it settles from this run's start.

        Args:
            index: Its position.
            row: The row.
            since: Wall-clock seconds since which it may have been sent.
            line: What was sent.
        """
        error = OutcomeUnknownError("an earlier run ended before its outcome was known", request=line)
        patient, key = self._keys.group(row), self._keys.key(row)
        self._ever.setdefault(patient, {})[key] = None
        self._reconciler.park(Parked(index, row, patient, key, since, self._started, 0, error))

    def park(
        self, index: int, row: Any, request: Request, sent_at: float, error: RequestError, again: Parked | None
    ) -> None:
        """Park a row.

        Args:
            index: Its position.
            row: The row.
            request: Its last request.
            sent_at: Wall-clock seconds before that request.
            error: How it ended.
            again: What it was parked as before, where this was not the first time.
        """
        now = time.monotonic()
        if again is None:
            patient, key = self._keys.group(row), self._keys.key(row)
            self._ever.setdefault(patient, {})[key] = None
            parked = Parked(index, row, patient, key, sent_at, now, request.attempts, error)
            if self.books is not None:
                self.books.parked(index, key, patient, sent_at)
        else:
            parked = again
            parked.attempts += request.attempts
            parked.rejection = error if isinstance(error, RejectedError) else None
            if request.unknown:
                parked.since, parked.error = now, error
        self._reconciler.park(parked)

    async def finish(self, *, sweep: bool) -> list[Parked]:
        """Stop looking, and make the last sweep.

        Args:
            sweep: Whether to look for doubled keys; it is left out where the import was stopped.

        Returns:
            The rows that are not decided: parked, or waiting to be sent again.
        """
        left = [*await self._reconciler.aclose(), *self.again]
        self.again.clear()
        if sweep:
            await self._recall()
            if self._ever:
                await self._sweep()
        await self.proof.aclose()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait((self._watch,))
        return left

    async def _on_decision(self, parked: Parked, decision: Decision, record: Any) -> None:
        if record is not None:
            self._confirm()
        if decision is Decision.RESEND:
            parked.resends += 1
            self.again.append(parked)
        elif decision is Decision.ADOPT and record is not None:
            self._ever[parked.patient][parked.key] = record.id
        await self._decided(parked, decision, record)

    async def _watch_proof(self) -> None:
        await self.proof.wait()
        if self.proof.standing is Standing.FAILED:
            self._proof_failed()
        else:
            self._reconciler.settle = max(self._reconciler.settle, self.proof.settle)
            self._confirm()

    def _confirm(self) -> None:
        """Trust keys from now on."""
        self.proof.confirm()
        if self.books is not None and self.proof.armed:
            self.books.widen()

    def _proof_failed(self) -> None:
        self._fail(self.proof.error or ProofError("the key could not be proved"))

    async def _recall(self) -> None:
        """Add the keys that earlier runs left to be swept."""
        if self.books is not None:
            async for unknown in self.books.journal.ever_unknown():
                self._ever.setdefault(unknown.patient, {}).setdefault(unknown.key, None)
                self._first_sent = min(self._first_sent, unknown.since)
                ago = max(0.0, time.time() - unknown.since)
                self._reconciler.last_unknown = max(self._reconciler.last_unknown, time.monotonic() - ago)

    async def _sweep(self) -> None:
        """List every patient that ever had an unknown row once more, and name the keys that are there twice."""
        wait = max(0.0, self._reconciler.last_unknown + self._final_settle - time.monotonic())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), wait)
        for patient, keys in self._ever.items():
            if self._left.is_set():
                return
            listed = await self._swept(patient)
            if listed is None:
                continue
            by_key: dict[str, list[Any]] = {}
            for record in listed:
                key = self._keys.key_of(record)
                if key in keys:
                    by_key.setdefault(key, []).append(record)
            for key, records in by_key.items():
                if len(records) > 1:
                    ids = tuple(record.id for record in records)
                    double = Double(patient, key, keys[key], ids, tuple(records))
                    self.doubles.append(await self._removed(double) if self._remove_doubles else double)
            if self.books is not None:
                self.books.journal.swept(keys)

    async def _removed(self, double: Double) -> Double:
        """Remove the records that repeat the one that stays, to the letter and unedited."""
        kept = next((record for record in double.records if record.id == double.reported), double.records[0])
        removed = []
        for record in double.records:
            if record is not kept and self._keys.repeats(record, kept):
                await self._keys.remove(double.patient, record.id)
                removed.append(record.id)
        return attrs.evolve(double, removed=tuple(removed))

    async def _swept(self, patient: str) -> Sequence[Any] | None:
        """List a patient completely, however often it takes within reason; None where it could not be done."""
        error: RequestError | None = None
        for _ in range(_SWEEP_TRIES):
            try:
                listed = await self._keys.copies(patient, self._ever[patient], self._first_sent)
            except RequestError as failure:
                error, listed = failure, None
            if listed is not None:
                return listed
            await asyncio.sleep(_SWEEP_PAUSE)
        self._fail(error or ProofError("the last sweep could not list a patient's records completely"))
        return None
