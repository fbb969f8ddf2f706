"""Journal database: a SQLite file in WAL mode, how it is opened, and what is read and written.

What must be there before a row is sent is flushed to the disk; everything else only has to survive the process, and
costs no flush: after a power cut the mark is there, and an outcome that is not makes its row unknown.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import attrs

from welkin_async.bulk.errors import JournalError, JournalMismatchError
from welkin_async.bulk.file_lock import JournalLock
from welkin_async.bulk.journal.ledger import Ledger, Mode, Reservation, redoable
from welkin_async.bulk.position_set import RangeSet
from welkin_async.http.private_file import UnsafeFileError, check_private, open_private
from welkin_async.wire.codec import best_codec

_APPLICATION, _VERSION = 0x574B4A4C, 3
_CACHE = 1024  # KiB of pages for each connection
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (start INTEGER PRIMARY KEY, stop INTEGER NOT NULL, since REAL NOT NULL);
CREATE TABLE created (start INTEGER PRIMARY KEY, stop INTEGER NOT NULL);
CREATE TABLE outcomes (position INTEGER PRIMARY KEY, status TEXT NOT NULL, key TEXT, record_id TEXT, error_code TEXT,
    run INTEGER NOT NULL, redo INTEGER NOT NULL DEFAULT 0);
CREATE TABLE unknowns (patient TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, since REAL NOT NULL,
    record_id TEXT, resent INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (patient, key)) WITHOUT ROWID;
CREATE TABLE keys (hash BLOB PRIMARY KEY, digest BLOB NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identities (chunk INTEGER PRIMARY KEY, digests BLOB NOT NULL);
CREATE TABLE landed (number INTEGER PRIMARY KEY, patient TEXT NOT NULL, amount INTEGER NOT NULL, rows BLOB NOT NULL);
"""
# What landed is added in about the order of the source, and wanted by patient in the end alone: all of it from a sorted
# copy, as an index would have to be read in one order and the table in another, and that of a few patients by an index.
_SORTED = """
CREATE TEMP TABLE sorted_landed AS SELECT patient, number, amount, rows FROM main.landed
    WHERE patient NOT IN (SELECT patient FROM unknowns) ORDER BY patient, number
"""
_BY_PATIENT = "CREATE INDEX IF NOT EXISTS landed_by_patient ON landed (patient)"


# A row whose key was ever unknown may be there though it was refused later: it is not sent again without a look.
_OUTCOMES = """
SELECT position, CASE
    WHEN ? = 'retry' AND status IN ('rejected', 'failed') AND position IN (SELECT position FROM unknowns) THEN 'unknown'
    ELSE status END
FROM outcomes WHERE redo = 0 ORDER BY position
"""


# Positions that follow each other without a gap differ as much from their number in order.
_CLAIMED = """
SELECT min(position), max(position) + 1 FROM (
    SELECT position, position - row_number() OVER (ORDER BY position) AS gap
    FROM (SELECT DISTINCT position FROM keys WHERE position >= 0)
) GROUP BY gap ORDER BY 1
"""


class UnknownKey(NamedTuple):
    """A key whose outcome was unknown at some time, in this run or an earlier one.

    Attributes:
        position: The row's position in the source.
        key: The row's key.
        patient: The id of the patient it belongs to.
        since: Seconds since the epoch of the earliest send there can have been.
        record_id: The record that was reported for it, where one was.
        resent: Whether it was sent again.
        refused: Whether it was reported as refused.
        landed: Whether it was created and never unknown.
    """

    position: int
    key: str
    patient: str
    since: float
    record_id: str | None = None
    resent: bool = False
    refused: bool = False
    landed: bool = False


@attrs.define(repr=False, eq=False)
class LandedRows:
    """Rows of a patient that were created and never unknown, and are to be scanned.

    Args:
        patient: The patient's id.

    Attributes:
        record_ids: The record that was reported for each, by key.
        positions: Where each is in the source, by key.
        amount: How many were added; of one key the last counts.
        numbers: Of what was added, as the journal knows it.
    """

    patient: str
    record_ids: dict[str, str] = attrs.field(factory=dict, init=False)
    positions: dict[str, int] = attrs.field(factory=dict, init=False)
    amount: int = attrs.field(default=0, init=False)
    numbers: list[int] = attrs.field(factory=list, init=False)

    def add(self, number: int, positions: Sequence[int], keys: Sequence[str], record_ids: Sequence[str]) -> None:
        """Add rows that were written together."""
        self.numbers.append(number)
        self.record_ids.update(zip(keys, record_ids, strict=True))
        self.positions.update(zip(keys, positions, strict=True))
        self.amount += len(keys)

    def of(self, key: str) -> UnknownKey:
        """Return what is known of a key, in the form of one that was unknown."""
        return UnknownKey(self.positions[key], key, self.patient, 0.0, self.record_ids[key], landed=True)


class Batch(NamedTuple):
    """What is written together.

    Attributes:
        fresh: Ranges of positions created since the last batch.
        merged: The whole ranges of created positions that these are now in.
        rows: Other outcomes: position, status, key, record id, error code.
        unknowns: By patient and key: keys that became unknown, and None for those that are so no longer.
        claims: By the hash of a key: the digest of its content, and the position that brought it.
        identities: By number of a chunk of the source: the digests of its rows.
        landed: By patient: rows that were created and are to be scanned, each as position, key, record id.
        scanned: Numbers of such rows that are to be scanned no more.
    """

    fresh: list[tuple[int, int]]
    merged: list[tuple[int, int]]
    rows: list[tuple[int, str, str | None, str | None, str | None]]
    unknowns: Mapping[tuple[str, str], UnknownKey | None]
    claims: Mapping[bytes, tuple[bytes, int]]
    identities: Mapping[int, bytes]
    landed: Mapping[str, list[tuple[int, str, str]]]
    scanned: list[int]


class JournalDatabase:
    """The files of one journal, held by this process from construction until `close`. Used by the writing thread.

    Args:
        path: The database; side files are beside it.
        source: What identifies the source.
        target: What identifies where rows are created.
        keys: The field by which rows are looked up; empty where they are not.
        restart: Whether to forget what the file holds, which must be a journal nevertheless.
        temporary: Whether no other run is to know it: nothing outlives a power cut, and `close` removes its directory.

    Attributes:
        temporary: Whether no other run is to know it.
        writer: The connection that writes.
        reader: One for short reads by the event loop, which never waits for the writer.
        run: How many times the journal has been opened, this time included.
        lag: Seconds by which look-ups lagged in earlier runs; 0.0 where none has measured it.
        keys_changed: Whether an earlier run has found that the server changes keys.
        last_unknown: Seconds since the epoch of the latest send whose key earlier runs have left to be scanned.
        moved: Whether an earlier run has met rows at other positions than the run before it.
        anchors: Some of the first records that were created or found, as (patient, record id, key): by these a later
            run sees that it has to do with the same server's data, and that keys are kept.

    Raises:
        JournalLockedError: another process holds it.
        JournalMismatchError: it is of another source, target, key field or version, or no journal.
        JournalError: it cannot be kept here.
        OSError: the file cannot be made.
        sqlite3.Error: the file cannot be read or written.
    """

    def __init__(
        self, path: Path, source: str, target: str, keys: str, *, restart: bool, temporary: bool = False
    ) -> None:
        self._path = path
        self._codec = best_codec()
        self.temporary = temporary
        self._lock = JournalLock(path)
        self._lock.take()
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            self.writer = _connect_private(path)
            undo.callback(self.writer.close)
            made = os.stat(path)
            self._identity = made.st_ino, made.st_dev
            self._admit(restart=restart)
            os.chmod(path, 0o600)  # not before: what is no journal is left alone
            (mode,) = self.writer.execute("PRAGMA journal_mode=WAL").fetchone()
            if mode != "wal":
                raise JournalError("the journal cannot be kept there (no WAL); put it on a local disk")
            self.run = self._begin(source=source, target=target, keys=keys)
            self.reader = _connect(path)
            undo.callback(self.reader.close)
            for connection in (self.writer, self.reader):
                connection.execute(f"PRAGMA cache_size=-{_CACHE}")
            for setting in ("temp_store=FILE", f"temp.cache_size=-{_CACHE}"):
                self.writer.execute(f"PRAGMA {setting}")
            undo.pop_all()

    @classmethod
    def private(cls) -> Self:
        """Make a temporary one, in a directory of its own."""
        directory = Path(tempfile.mkdtemp(prefix="welkin-async-"))
        try:
            return cls(directory / "journal", "", "", "", restart=False, temporary=True)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def load(self, mode: Mode, block: int) -> tuple[Ledger, dict[str, int]]:
        """Read what is known of every position, and how many have each status; created ones count as ``created``."""
        read = self.writer.execute
        ledger = Ledger(
            read("SELECT start, stop, since FROM blocks ORDER BY start"),
            read("SELECT start, stop FROM created ORDER BY start"),
            read(_OUTCOMES, (mode,)),
            mode=mode,
            block=block,
        )
        (self.last_unknown,) = read("SELECT coalesce(max(since), 0.0) FROM unknowns").fetchone()
        counts = dict(read("SELECT status, count(*) FROM outcomes WHERE redo = 0 GROUP BY status"))
        return ledger, {"created": len(ledger.created), **counts}

    def claimed(self) -> RangeSet:
        """Read the positions whose rows have claimed a key, as ranges."""
        return RangeSet(self.writer.execute(_CLAIMED) if self.run > 1 else ())

    def reserve(self, reservation: Reservation, mode: Mode) -> None:
        """Commit a reservation, on the disk: the mark, and which earlier outcomes are taken up."""
        start, stop, mark, since = reservation
        with self._transaction(durable=True):
            if stop > mark:
                self.writer.execute("INSERT INTO blocks VALUES (?, ?, ?)", (mark, stop, since))
            self.writer.executemany(
                "UPDATE outcomes SET redo = ? WHERE position >= ? AND position < ? AND redo = 0 AND run < ?"
                " AND status = ?",
                [(self.run, start, stop, self.run, status) for status in redoable(mode)],
            )

    def write(self, batch: Batch) -> None:
        """Commit a batch: an outcome replaces an earlier one, and a created row all but a flag."""
        run = self.writer.executemany
        with self._transaction():
            rows = [(*row, self.run) for row in batch.rows]
            run("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, 0)", rows)
            run(
                "DELETE FROM outcomes WHERE position >= ? AND position < ? AND status NOT IN ('altered', 'doubled')",
                batch.fresh,
            )
            run("DELETE FROM created WHERE start >= ? AND start < ?", batch.merged)
            run("INSERT INTO created VALUES (?, ?)", batch.merged)
            forgotten = (place for place, row in batch.unknowns.items() if row is None)
            run("DELETE FROM unknowns WHERE patient = ? AND key = ?", forgotten)
            run(
                "INSERT INTO unknowns (position, key, patient, since, record_id, resent, refused)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (patient, key) DO UPDATE SET"
                " since = min(since, excluded.since), record_id = coalesce(excluded.record_id, record_id),"
                " resent = max(resent, excluded.resent),"
                " refused = excluded.refused",
                (row[:-1] for row in batch.unknowns.values() if row is not None),
            )
            claims = ((key, *claim) for key, claim in sorted(batch.claims.items()))  # sorted: fewer pages change
            run("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", claims)
            run("INSERT OR REPLACE INTO identities VALUES (?, ?)", batch.identities.items())
            landed = (
                (patient, len(rows), self._codec.dumps([list(column) for column in zip(*rows, strict=True)]))
                for patient, rows in batch.landed.items()
            )
            run("INSERT INTO landed (patient, amount, rows) VALUES (?, ?, ?)", landed)
            scanned = ((number,) for number in sorted(batch.scanned))  # sorted: each page changes once
            run("DELETE FROM landed WHERE number = ?", scanned)

    def unknowns_after(self, patient: str, key: str, limit: int) -> list[UnknownKey]:
        """Read the keys behind one, by patient and key."""
        rows = self.writer.execute(
            "SELECT position, key, patient, since, record_id, resent, refused FROM unknowns"
            " WHERE (patient, key) > (?, ?) ORDER BY patient, key LIMIT ?",
            (patient, key, limit),
        )
        return [UnknownKey(*row) for row in rows]

    def sort_landed(self) -> None:
        """Make what landed ready to be read by `landed_after`, but for patients with a key that is unknown."""
        self.writer.execute("DROP TABLE IF EXISTS temp.sorted_landed")
        self.writer.execute(_SORTED)

    def landed_after(self, place: int, limit: int) -> list[tuple[int, str, int, Any]]:
        """Read what had landed when it was sorted, by patient.

        Args:
            place: The place of the last that was read; 0 before the first.
            limit: With how many rows to stop; what was written together is read together.

        Returns:
            For each that was written at once: its place, the patient, and as a number and columns what
            `LandedRows.add` takes.
        """
        cursor = self.writer.execute(
            "SELECT rowid, patient, number, rows, amount FROM temp.sorted_landed WHERE rowid > ? LIMIT ?",
            (place, limit),
        )
        with contextlib.closing(cursor):
            found: list[tuple[int, str, int, Any]] = []
            for at, patient, number, text, amount in cursor:
                found.append((at, patient, number, self._codec.loads(text)))
                limit -= amount
                if limit <= 0:
                    break
            return found

    def landed_of(self, patient: str) -> LandedRows:
        """Read the created rows of a patient."""
        self.writer.execute(_BY_PATIENT)
        landed = LandedRows(patient)
        query = "SELECT number, rows FROM landed WHERE patient = ? ORDER BY number"
        for number, text in self.writer.execute(query, (patient,)):
            rows: Any = self._codec.loads(text)
            landed.add(number, *rows)
        return landed

    def count_unscanned(self) -> int:
        """Return how many keys were created or ever unknown and are not scanned; one that was both counts as two."""
        (count,) = self.writer.execute(
            "SELECT (SELECT count(*) FROM unknowns) + (SELECT coalesce(sum(amount), 0) FROM landed)"
        ).fetchone()
        return int(count)

    def finish(self, mark: int, highest: int) -> None:
        """Take back what this run reserved and did not hand out."""
        with self._transaction():
            self.writer.execute("DELETE FROM blocks WHERE start >= ?", (mark,))
            self.writer.execute("UPDATE blocks SET stop = ? WHERE stop > ?", (mark, mark))
            self.writer.execute("UPDATE outcomes SET redo = 0 WHERE redo = ? AND position > ?", (self.run, highest))
            self.writer.execute("DROP INDEX IF EXISTS landed_by_patient")

    def remember(self, name: str, value: float | str) -> None:
        """Keep what was found out about the server, for later runs."""
        with self._transaction():
            self.writer.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def find_claim(self, key: bytes) -> tuple[bytes, int] | None:
        """Read who claimed a key; on the event loop, from the reading connection."""
        found: tuple[bytes, int] | None = self._find("SELECT digest, position FROM keys WHERE hash = ?", key)
        return found

    def find_identity(self, chunk: int) -> bytes | None:
        """Read the digests of a chunk of the source; on the event loop, from the reading connection."""
        found = self._find("SELECT digests FROM identities WHERE chunk = ?", chunk)
        return None if found is None else found[0]

    def _find(self, query: str, value: object) -> Any:
        try:
            return self.reader.execute(query, (value,)).fetchone()
        except sqlite3.Error as error:
            raise JournalError(f"the journal could not be read: {error}") from None

    def close(self) -> None:
        """Close both connections, which folds the WAL into the file, and give the lock back."""
        try:
            self.reader.close()
            self.writer.close()
        finally:
            self._lock.release()
            if self.temporary:
                shutil.rmtree(self._path.parent, ignore_errors=True)

    def _admit(self, *, restart: bool) -> None:
        """Check that the database is a journal of this version; empty it for a restart."""
        try:
            (application,) = self.writer.execute("PRAGMA application_id").fetchone()
            (version,) = self.writer.execute("PRAGMA user_version").fetchone()
            tables = self.writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise JournalMismatchError("file") from None
            raise
        if application != _APPLICATION and (application != 0 or tables):
            raise JournalMismatchError("file")
        if tables and version != _VERSION and not restart:
            raise JournalMismatchError("version")
        if tables and not restart:
            return
        with self._transaction(durable=True):
            for (name,) in tables:
                self.writer.execute(f'DROP TABLE "{name}"')
            for statement in _TABLES.split(";"):
                self.writer.execute(statement)
            self.writer.execute(f"PRAGMA application_id={_APPLICATION}")
            self.writer.execute(f"PRAGMA user_version={_VERSION}")

    def _begin(self, **belongs: str) -> int:
        """Compare what the journal belongs to, and count this run."""
        held: dict[str, Any] = dict(self.writer.execute("SELECT name, value FROM meta"))
        for what, value in belongs.items():
            if held.setdefault(what, value) != value:
                if what != "source" or not _same_file(held[what], value) or self._any_may_be_there():
                    raise JournalMismatchError(what)
                self._clear()  # such as where rows named their patients by another kind of key
                held = dict[str, Any](belongs)
        self.anchors = [tuple(each) for each in json.loads(held.get("anchors", "[]"))]
        held["run"] = held.get("run", 0) + 1
        with self._transaction(durable=True):
            self.writer.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", held.items())
        self.lag = float(held.get("lag", 0.0))
        self.keys_changed = bool(held.get("keys_changed", 0))
        self.moved = bool(held.get("moved", 0))
        return int(held["run"])

    def _any_may_be_there(self) -> bool:
        """Tell whether a row of an earlier run is on the server, or may be."""
        (rows,) = self.writer.execute(
            "SELECT (SELECT count(*) FROM created) + (SELECT count(*) FROM landed)"
            " + (SELECT count(*) FROM unknowns WHERE NOT refused)"
            " + (SELECT count(*) FROM outcomes WHERE redo != 0 OR status NOT IN ('rejected', 'failed', 'unsent'))"
        ).fetchone()
        (reserved,) = self.writer.execute("SELECT coalesce(max(stop), 0) FROM blocks").fetchone()
        (decided,) = self.writer.execute("SELECT count(*) FROM outcomes WHERE position < ?", (reserved,)).fetchone()
        return bool(rows) or decided < reserved

    def _clear(self) -> None:
        """Forget everything that earlier runs have left."""
        with self._transaction(durable=True):
            for (name,) in self.writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self.writer.execute(f'DELETE FROM "{name}"')  # noqa: S608 - the names of our own tables

    def _check_there(self) -> None:
        """See to it that the file is still where it was: what is written to one that was removed is lost.

        Raises:
            JournalError: it was removed, or another one is in its place.
        """
        try:
            now = os.stat(self._path)
        except OSError:
            now = None
        if now is None or (now.st_ino, now.st_dev) != self._identity:
            raise JournalError(
                "the journal was removed or replaced while it was in use; what is not in it was not sent"
            )

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        """Commit what the body writes, or none of it; what is durable outlives a power cut, not only the process."""
        self._check_there()
        run = self.writer.execute
        run(f"PRAGMA synchronous={'OFF' if self.temporary else 'FULL' if durable else 'NORMAL'}")
        run("BEGIN IMMEDIATE")
        try:
            yield
            run("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                run("ROLLBACK")
            raise


def _same_file(one: str, other: str) -> bool:
    """Tell whether two sources are one file with other options: what identifies it begins with the file's digest."""
    return " " in one and one.partition(" ")[0] == other.partition(" ")[0]


def _connect_private(path: Path) -> sqlite3.Connection:
    """Open a journal, or make it, as a file that is ours alone; SQLite opens it, and its side files, by name."""
    handle = open_private(path)
    try:
        for side in ("-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                check_private(os.lstat(f"{path}{side}"))
        connection = _connect(path)
        if not os.path.samestat(os.fstat(handle), os.lstat(path)):
            connection.close()
            raise UnsafeFileError("it was replaced while it was opened")
        return connection
    finally:
        os.close(handle)  # before SQLite locks anything: to close any descriptor gives a process's locks up


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
