"""Journal of a run: which rows may have been sent and what became of them, kept through a crash or a kill.

An import that is started again with the same journal skips what is created, looks up what may be, and sends the rest.
A journal belongs to one source and one target, and one process holds it at a time. It keeps positions, keys, record
ids, patient ids and error codes, and no field values.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Self

from welkin_async.bulk.clock import WallClock
from welkin_async.bulk.errors import JournalError
from welkin_async.bulk.journal.database import JournalDatabase, LandedRows, UnknownKey
from welkin_async.bulk.journal.ledger import DOUBTFUL, NEW, Ledger, Mode, PositionState
from welkin_async.bulk.journal.row_positions import RowPositions
from welkin_async.bulk.journal.source_identity import Claim, KeyClaims, SourceFingerprint
from welkin_async.bulk.journal.writer import FLUSH_AT, WriteBatch, WriterThread
from welkin_async.bulk.position_set import RangeSet
from welkin_async.errors import InvalidInputError

__all__ = ["Journal", "PositionState", "UnknownKey"]

_BEHIND = 16  # batches that may wait before a caller should
_ANCHORS = 5
_PAGE = 500  # keys read at once
_IN_DOUBT = frozenset({"unknown", "unsent"})  # statuses that leave it open whether an earlier run has sent the row


class Journal:
    """An open journal, made by `open` and used on the event loop that opened it.

    Everything but the coroutines is synchronous and cheap. What is recorded is committed within about 50 ms by a thread
    of its own; `covers` says yes only to positions whose reservation is committed already. If the file cannot be
    written, the next call of anything raises `JournalError`, and nothing may be sent any more.

    Attributes:
        earlier: How many positions had each status when it was opened; adopted ones count as ``created``.
        lag: Seconds by which look-ups lagged in earlier runs; 0.0 where none has measured it.
        keys_changed: Whether an earlier run has found that the server changes keys.
        last_unknown: Seconds since the epoch of the latest send whose key earlier runs have left to be scanned.
        anchors: Some of the first records that earlier runs have created or found, as (patient, record id, key).
        wants_anchors: Whether there are fewer of them than are kept.
    """

    def __init__(
        self,
        store: WriterThread,
        files: JournalDatabase,
        ledger: Ledger,
        mode: Mode,
        earlier: Mapping[str, int],
        claimed: RangeSet,
    ) -> None:
        self.earlier = MappingProxyType(dict(earlier))
        self.lag = files.lag
        self.keys_changed = files.keys_changed
        self.last_unknown = files.last_unknown
        self.anchors: tuple[tuple[str, str, str], ...] = tuple(files.anchors)
        self._wall = WallClock()
        self._store = store
        self._files = files
        self.wants_anchors = self.persistent and len(self.anchors) < _ANCHORS
        self._ledger = ledger
        self._mode: Mode = mode
        self._claims = KeyClaims(files)
        self._fingerprint = SourceFingerprint(files)
        self._buffer = WriteBatch(ledger.created, self._claims, self._fingerprint, self._send)
        # In a first run each row stands at its own.
        self._positions = None if files.run == 1 else self._row_positions(claimed)
        self._reserving: asyncio.Future[None] | None = None
        self._waiting = 0
        self._usable = True
        self._closed = False
        self._told = False
        store.on_failure = self._failed

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        source: str,
        target: str,
        keys: str = "",
        mode: Mode = "resume",
        block: int = 1000,
    ) -> Self:
        """Open a journal, or begin one.

        Args:
            path: The file, on a local disk; made with mode 0600, like its side files.
            source: What identifies the source: the SHA-256 of a file, or ``iterable``.
            target: What identifies where rows are created: base URL, tenant, instance, data type.
            keys: The field by which rows are looked up; empty where they are not.
            mode: ``resume``: send what was not sent. ``retry``: also what was refused or failed. ``restart``: forget
                everything first.
            block: How many positions are reserved at once, and at most looked up in vain after a crash (times 1.5).

        Raises:
            JournalLockedError: another import holds it; nothing was read.
            JournalMismatchError: it belongs to another source, target or key field, or is no journal; it was left as it
                is.
            JournalError: it cannot be read, or not be kept there.
            InvalidInputError: the mode or the block size does not fit.
        """
        if mode not in ("resume", "retry", "restart"):
            raise InvalidInputError("a journal is opened to resume, retry or restart", ("mode",))
        if block < 1:
            raise InvalidInputError("a block is of 1 position at least", ("block",))
        store = WriterThread()
        files = await store.open(lambda: JournalDatabase(Path(path), source, target, keys, restart=mode == "restart"))
        try:
            ledger, earlier = await store.call(lambda: files.load(mode, block))
            claimed = await store.call(files.claimed)
        except BaseException:
            store.end()
            await store.ended()
            raise
        return cls(store, files, ledger, mode, earlier, claimed)

    @classmethod
    async def open_private(cls) -> Self:
        """Open a temporary journal that no other run is to know, such as for the keys of a run without one.

        It is removed when it is closed, and costs no flush to the disk.

        Raises:
            JournalError: it cannot be kept in the directory for temporary files.
        """
        store = WriterThread()
        files = await store.open(JournalDatabase.private)
        ledger, earlier = await store.call(lambda: files.load("resume", 1000))
        return cls(store, files, ledger, "resume", earlier, RangeSet())

    @property
    def is_new(self) -> bool:
        """Whether no earlier run has left anything."""
        return self._positions is None

    @property
    def persistent(self) -> bool:
        """Whether a later run can take it up."""
        return not self._files.temporary

    @property
    def behind(self) -> bool:
        """Whether much waits to be written, and `flush` should be awaited to keep memory bounded.

        Sending needs no such care, because a reservation is granted after all that was recorded before it. A pass over
        the source that only claims and verifies does.
        """
        return self._waiting > _BEHIND

    def state(self, position: int) -> PositionState:
        """Return what was known of a position when the journal was opened; positions created since are ``done``.

        Args:
            position: 0 or more.
        """
        self._buffer.fold()
        return self._ledger.state(position)

    def known(
        self, position: int, key: str | None = None, digest: bytes = b"", *, moves: bool = False
    ) -> PositionState:
        """Return what earlier runs have left of a row, wherever it stands by now; nothing is taken in.

        Args:
            position: Where the row stands.
            key: The key that it will claim; None for none.
            digest: A hash of its content, by which it is the row that has claimed the key; empty where any is.
            moves: Whether rows are known by keys of their own; see `enter`.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self._positions is None:
            return NEW  # a first run
        if key is None:
            own = self._positions.known_without_key(position) if moves else position
            return NEW if own is None else self.state(own)
        held = self._claims.holder(key)
        return NEW if held is None or not held[0].startswith(digest[:8]) else self.state(held[1])

    def since(self, position: int) -> float:
        """Return seconds since the epoch before which no earlier run can have sent a position; 0.0 where none ran.

        Args:
            position: 0 or more.
        """
        return self._ledger.since(position)

    def enter(
        self,
        position: int,
        key: str | None = None,
        digest: bytes = b"",
        *,
        verify: bool = False,
        verified: bool = False,
        moves: bool = False,
    ) -> tuple[Claim, PositionState, int, bool]:
        """Take a row in before anything is sent: `verify`, `claim`, `state` and `covers` in one.

        Where rows are not verified a key of its own tells which row it is, wherever it stands by now: the row has the
        position at which its key was claimed first. No row is ever given a position that is another one's, so one may
        have another position in the journal than in the source, with a key or without.

        Args:
            position: Where the row stands, in the order of the source.
            key: The key that it claims; None for none.
            digest: A hash of the row's key and content.
            verify: Whether it is compared with what the source had at its position in an earlier run.
            verified: Whether `verify` has done that already.
            moves: Whether rows are known by keys of their own, so that positions may be those of rows that have moved.

        Returns:
            What became of the claim, what is known of the row, its position in the journal, and whether it may be sent
            at once. The position is ``NOWHERE`` where another row has the key, and the place where this one stands.

        Raises:
            JournalMismatchError: the row is another one than in an earlier run; the source has changed.
            JournalError: the journal cannot be read or written, or is closed.
        """
        if not self._usable:
            self._check()
        grown = verify and not verified and self._fingerprint.verify(position, digest)
        claim: Claim = "new"
        if key is not None:
            if verify or self._positions is None:
                claim = self._claims.claim(key, digest, position)
            else:
                claim, position = self._positions.of_key(key, digest, position)
            grown = grown or claim == "new"
        elif moves and self._positions is not None:
            position = self._positions.without_key(position, digest)
        known, covered = self._ledger.enter(position) if claim == "new" else (NEW, False)
        buffer = self._buffer
        if grown and (buffer.scheduled is None or buffer.amount >= FLUSH_AT - 1):
            buffer.grown()
        else:
            buffer.amount += grown
        if position >= self._ledger.ahead and claim == "new" and known is NEW:
            self._reserve(position)
        return claim, known, position, covered

    def _row_positions(self, claimed: RangeSet) -> RowPositions:
        """Make what tells where the rows of a later run stand."""

        def moved() -> None:
            self._store.call(lambda: self._files.remember("moved", 1))

        def doubtful(position: int) -> None:
            self._ledger.doubtful.add(position)
            self._buffer.record(position, DOUBTFUL, None, None, None)

        return RowPositions(
            self._claims, self._ledger, claimed, moved=self._files.moved, note_moved=moved, note_doubtful=doubtful
        )

    def covers(self, position: int) -> bool:
        """Return whether a position may be sent now; yes means that it counts as sent. Else `reserve` it.

        Past half of the last block the next one is reserved in the background, so the answer is nearly always yes.

        Args:
            position: 0 or more; asked for in about the order of the source.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        ledger = self._ledger
        if position >= ledger.ahead:
            self._reserve(position)
        return ledger.hand_out(position)

    async def reserve(self, position: int) -> None:
        """Wait until a position may be sent; it counts as sent then.

        Args:
            position: 0 or more.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        while not self.covers(position):
            assert self._reserving is not None
            await asyncio.wait([self._reserving])

    def widen(self, block: int) -> None:
        """Reserve so many positions at once from now on.

        Args:
            block: How many; see `open`.
        """
        self._ledger.block = block

    def record(
        self,
        position: int,
        status: str,
        *,
        key: str | None = None,
        record_id: str | None = None,
        error_code: str | None = None,
    ) -> None:
        """Note what became of a row.

        ``created`` and ``adopted`` keep the position alone. ``altered`` and ``doubled`` are on the server as well.
        ``rejected`` and ``failed`` are known not to be, ``unsent`` neither, though nothing is wrong with it: an import
        that was stopped had pulled it, and the next run sends it. Any other status is looked up by the next run.

        Args:
            position: The row's position.
            status: What became of it.
            key: Its key, where it has one.
            record_id: The record's id, where there is one.
            error_code: The server's code, or the name of what went wrong.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        if not self._usable:
            self._check()
        if status in _IN_DOUBT and position in self._ledger.doubtful:
            status = DOUBTFUL
        self._buffer.record(position, status, key, record_id, error_code)

    def unknown(
        self,
        position: int,
        key: str,
        patient: str,
        since: float,
        *,
        record_id: str | None = None,
        resent: bool = False,
        refused: bool = False,
    ) -> None:
        """Note that a key's outcome is unknown; kept across runs until `scanned`, whatever becomes of the row.

        Args:
            position: The row's position.
            key: Its key.
            patient: The id of the patient it belongs to.
            since: Seconds since the epoch of its first send; of several the earliest is kept.
            record_id: The record that is reported for it, where one is by now.
            resent: Whether it is sent again.
            refused: Whether it is reported as refused.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        self._check()
        self._buffer.unknown(UnknownKey(position, key, patient, since, record_id, resent, refused))

    def landed(self, position: int, key: str, patient: str, record_id: str) -> None:
        """Note a row that was created; kept across runs until the final scan has looked at its patient.

        Args:
            position: The row's position.
            key: Its key.
            patient: The id of the patient it belongs to.
            record_id: The record.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        if not self._usable:
            self._check()
        self._buffer.landed(position, patient, key, record_id)

    def anchor(self, patient: str, record_id: str, key: str) -> None:
        """Remember one of the first records that were created or found, for later runs, while `wants_anchors`.

        Args:
            patient: The id of the patient it belongs to.
            record_id: The record.
            key: The key with which its row was sent.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        self._check()
        self.anchors = (*self.anchors, (patient, record_id, key))
        self.wants_anchors = len(self.anchors) < _ANCHORS
        text = json.dumps(self.anchors)
        self._store.call(lambda: self._files.remember("anchors", text))

    def scanned(self, patient: str, keys: Collection[str], landed: LandedRows | None = None) -> None:
        """Forget keys that were ever unknown: the final scan has looked at them.

        Args:
            patient: The id of the patient they belong to.
            keys: The keys.
            landed: Rows that were created and are to be forgotten, too; None for none.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        self._check()
        # A journal that ends with the run is scanned once: what it forgets would only be written.
        numbers = () if landed is None or self._files.temporary else landed.numbers
        self._buffer.scanned(patient, keys, numbers)

    def measured(self, lag: float) -> None:
        """Remember by how much look-ups lag, for later runs.

        Args:
            lag: Seconds.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        self._check()
        self._store.call(lambda: self._files.remember("lag", lag))

    def note_keys_changed(self) -> None:
        """Remember that the server changes keys, so that no later run sends a row again either.

        Raises:
            JournalError: the journal cannot be written, or is closed.
        """
        self._check()
        self._store.call(lambda: self._files.remember("keys_changed", 1))

    async def count_unscanned(self) -> int:
        """Return how many keys were created or ever unknown and are not scanned; one that was both counts as two.

        Raises:
            JournalError: the journal cannot be read, or is closed.
        """
        self._check()
        self._send()
        return await self._store.call(self._files.count_unscanned)

    async def ever_landed(self) -> AsyncIterator[LandedRows]:
        """Give the rows that were created and are not scanned, of patients who have no key that was ever unknown.

        Raises:
            JournalError: the journal cannot be read, or is closed.
        """
        place = 0
        landed: LandedRows | None = None
        self._check()
        self._send()  # what landed
        await self._store.call(self._files.sort_landed)
        while page := await self._store.call(partial(self._files.landed_after, place, _PAGE)):
            for _, patient, number, rows in page:
                if landed is None or landed.patient != patient:
                    if landed is not None:
                        yield landed
                    landed = LandedRows(patient)
                landed.add(number, *rows)
            place = page[-1][0]
            self._check()
        if landed is not None:
            yield landed

    async def landed_of(self, patient: str) -> LandedRows:
        """Return the rows of a patient that were created and are not scanned.

        Args:
            patient: The patient's id.

        Raises:
            JournalError: the journal cannot be read, or is closed.
        """
        self._check()
        return await self._store.call(lambda: self._files.landed_of(patient))

    async def ever_unknown(self) -> AsyncIterator[UnknownKey]:
        """Give every key that was ever unknown and is not scanned, those of one patient together.

        Keys that are scanned or added meanwhile may be given or not.

        Raises:
            JournalError: the journal cannot be read, or is closed.
        """
        patient, key = "", ""
        while True:
            self._check()
            self._send()
            page = await self._store.call(lambda: self._files.unknowns_after(patient, key, _PAGE))  # noqa: B023
            for row in page:
                yield row
            if len(page) < _PAGE:
                return
            patient, key = page[-1].patient, page[-1].key

    def claim(self, key: str, digest: bytes, position: int = -1) -> Claim:
        """Claim a key for a row, across runs.

        Args:
            key: The key that the caller gave the row.
            digest: A hash of the row's content; its first 8 bytes count.
            position: The row's position, by which a later run knows it for the same row.

        Returns:
            ``new``: no other row has it. ``same``: another row has it with the same content. ``other``: another row
            has it with other content, and this one is to be refused.

        Raises:
            JournalError: the journal cannot be read or written, or is closed.
        """
        if not self._usable:
            self._check()
        answer = self._claims.claim(key, digest, position)
        if answer == "new":
            self._buffer.grown()
        return answer

    def verify(self, position: int, digest: bytes) -> None:
        """Compare a row with what the source had at its position in an earlier run; remember it where it is new.

        Args:
            position: Of every row that is pulled, in the order of the source.
            digest: A hash of the row's key and content; its first 4 bytes count.

        Raises:
            JournalMismatchError: the row is another one; the source has changed and must not be sent.
            JournalError: the journal cannot be read or written, or is closed.
            ValueError: the positions are not in order.
        """
        if not self._usable:
            self._check()
        if self._fingerprint.verify(position, digest):
            self._buffer.grown()

    async def flush(self) -> None:
        """Wait until everything recorded is committed.

        Raises:
            JournalError: it could not be, or the journal is closed.
        """
        self._check()
        await asyncio.wait([self._send()])
        self._check()

    async def aclose(self) -> None:
        """Commit everything, take back what was reserved and not handed out, close the files. May be repeated.

        Raises:
            JournalError: not everything could be committed, and no call has said so before.
        """
        if not self._closed:
            if self._usable:
                self._send()
                mark, highest = self._ledger.final_mark, self._ledger.highest
                self._store.call(lambda: self._files.finish(mark, highest))
            self._closed, self._usable = True, False
            self._ledger.close()
            self._store.end()
        await self._store.ended()
        failure = self._store.failure
        if failure is not None and not self._told:
            self._told = True
            raise JournalError(failure.reason)

    def _check(self) -> None:
        """Refuse to go on after a failure, or after closing."""
        if self._usable:
            return
        failure = self._store.failure
        if failure is not None:
            self._told = True
            raise JournalError(failure.reason)
        raise JournalError("the journal is closed")

    def _failed(self) -> None:
        """Let no call succeed any more; the next one says why."""
        self._usable = False
        self._ledger.close()

    def _reserve(self, position: int) -> None:
        """Ask for the next block, unless it has been asked for."""
        self._check()
        if self._reserving is not None:
            return
        reservation = self._ledger.reservation(position, self._wall.now())

        def granted(future: asyncio.Future[None]) -> None:
            self._reserving = None
            if self._usable and future.exception() is None:
                self._ledger.granted(reservation)

        self._reserving = self._store.call(lambda: self._files.reserve(reservation, self._mode))
        self._reserving.add_done_callback(granted)

    def _send(self) -> asyncio.Future[None]:
        """Hand what is recorded to the thread."""
        batch = self._buffer.take()
        future = self._store.call(lambda: self._files.write(batch))
        future.add_done_callback(self._sent)
        self._waiting += 1
        return future

    def _sent(self, _: asyncio.Future[None]) -> None:
        self._waiting -= 1
        self._claims.written()
