"""The file of a journal, a SQLite database in WAL mode: how it is opened, and what is read and written.

What must be there before a row is sent is flushed to the disk; everything else only has to survive the process, and
costs no flush: after a power cut the mark is there, and an outcome that is not makes its row unknown.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from welkin_async.bulk.journal_core import Ledger, Mode, Reservation, redoable
from welkin_async.bulk.journal_lock import JournalError, JournalLock, JournalMismatchError

__all__ = ["Batch", "Files", "UnknownKey"]

_APPLICATION, _VERSION = 0x574B4A4C, 1
_LAG = "lag"
_CACHE = 1024  # KiB of pages for each connection
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (start INTEGER PRIMARY KEY, stop INTEGER NOT NULL, since REAL NOT NULL);
CREATE TABLE created (start INTEGER PRIMARY KEY, stop INTEGER NOT NULL);
CREATE TABLE outcomes (position INTEGER PRIMARY KEY, status TEXT NOT NULL, key TEXT, record_id TEXT, error_code TEXT,
    run INTEGER NOT NULL, redo INTEGER NOT NULL DEFAULT 0);
CREATE TABLE unknowns (key TEXT PRIMARY KEY, position INTEGER NOT NULL, patient TEXT NOT NULL, since REAL NOT NULL)
    WITHOUT ROWID;
CREATE INDEX unknowns_by_patient ON unknowns (patient, key);
CREATE TABLE keys (hash BLOB PRIMARY KEY, digest BLOB NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE identities (chunk INTEGER PRIMARY KEY, digests BLOB NOT NULL);
"""


# A row whose key was ever unknown may be there though it was refused later: it is not sent again without a look.
_OUTCOMES = """
SELECT position, CASE
    WHEN ? = 'retry' AND status IN ('rejected', 'failed') AND position IN (SELECT position FROM unknowns) THEN 'unknown'
    ELSE status END
FROM outcomes WHERE redo = 0 ORDER BY position
"""


class UnknownKey(NamedTuple):
    """A key whose outcome was unknown at some time, in this run or an earlier one.

    Attributes:
        position: The row's position in the source.
        key: The row's key.
        patient: The id of the patient it belongs to.
        since: Seconds since the epoch of the earliest send there can have been.
    """

    position: int
    key: str
    patient: str
    since: float


class Batch(NamedTuple):
    """What is written together.

    Attributes:
        fresh: Ranges of positions created since the last batch.
        merged: The whole ranges of created positions that these are now in.
        rows: Other outcomes: position, status, key, record id, error code.
        unknowns: Keys that became unknown, and None for those that are so no longer.
        claims: By the hash of a key: the digest of its content, and the position that brought it.
        identities: By number of a chunk of the source: the digests of its rows.
    """

    fresh: list[tuple[int, int]]
    merged: list[tuple[int, int]]
    rows: list[tuple[int, str, str | None, str | None, str | None]]
    unknowns: Mapping[str, UnknownKey | None]
    claims: Mapping[bytes, tuple[bytes, int]]
    identities: Mapping[int, bytes]


class Files:
    """The files of one journal, held by this process from construction until `close`. Used by the writing thread.

    Args:
        path: The database; side files are beside it.
        source: What identifies the source.
        target: What identifies where rows are created.
        keys: The field by which rows are looked up; empty where they are not.
        restart: Whether to forget what the file holds, which must be a journal nevertheless.

    Attributes:
        writer: The connection that writes.
        reader: One for short reads by the event loop, which never waits for the writer.
        run: How many times the journal has been opened, this time included.
        lag: Seconds by which look-ups lagged in earlier runs; 0.0 where none has measured it.

    Raises:
        JournalLockedError: another process holds it.
        JournalMismatchError: it is of another source, target, key field or version, or no journal.
        JournalError: it cannot be kept here.
        OSError: the file cannot be made.
        sqlite3.Error: the file cannot be read or written.
    """

    def __init__(self, path: Path, source: str, target: str, keys: str, *, restart: bool) -> None:
        self._path = path
        self._lock = JournalLock(path)
        self._lock.take()
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self.writer = _connect(path)
            undo.callback(self.writer.close)
            self._admit(restart=restart)
            os.chmod(path, 0o600)
            (mode,) = self.writer.execute("PRAGMA journal_mode=WAL").fetchone()
            if mode != "wal":
                raise JournalError("the journal cannot be kept there (no WAL); put it on a local disk")
            self.run = self._begin(source=source, target=target, keys=keys)
            self.reader = _connect(path)
            undo.callback(self.reader.close)
            for connection in (self.writer, self.reader):
                connection.execute(f"PRAGMA cache_size=-{_CACHE}")
            undo.pop_all()

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
        counts = dict(read("SELECT status, count(*) FROM outcomes WHERE redo = 0 GROUP BY status"))
        return ledger, {"created": len(ledger.created), **counts}

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
            run("DELETE FROM unknowns WHERE key = ?", ((key,) for key, row in batch.unknowns.items() if row is None))
            run(
                "INSERT INTO unknowns (position, key, patient, since) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET since = min(since, excluded.since)",
                (row for row in batch.unknowns.values() if row is not None),
            )
            claims = ((key, *claim) for key, claim in sorted(batch.claims.items()))  # sorted: fewer pages change
            run("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", claims)
            run("INSERT OR REPLACE INTO identities VALUES (?, ?)", batch.identities.items())

    def unknowns_after(self, patient: str, key: str, limit: int) -> list[UnknownKey]:
        """Read the keys behind one, by patient and key."""
        rows = self.writer.execute(
            "SELECT position, key, patient, since FROM unknowns WHERE (patient, key) > (?, ?)"
            " ORDER BY patient, key LIMIT ?",
            (patient, key, limit),
        )
        return [UnknownKey(*row) for row in rows]

    def finish(self, mark: int, highest: int) -> None:
        """Take back what this run reserved and did not hand out."""
        with self._transaction():
            self.writer.execute("DELETE FROM blocks WHERE start >= ?", (mark,))
            self.writer.execute("UPDATE blocks SET stop = ? WHERE stop > ?", (mark, mark))
            self.writer.execute("UPDATE outcomes SET redo = 0 WHERE redo = ? AND position > ?", (self.run, highest))

    def remember_lag(self, seconds: float) -> None:
        """Keep by how much look-ups lag, for later runs."""
        with self._transaction():
            self.writer.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_LAG, seconds))

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

    def _admit(self, *, restart: bool) -> None:
        """See to it that the database is a journal of this version, and an empty one after a restart."""
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
        held = dict(self.writer.execute("SELECT name, value FROM meta"))
        for what, value in belongs.items():
            if held.setdefault(what, value) != value:
                raise JournalMismatchError(what)
        held["run"] = held.get("run", 0) + 1
        with self._transaction(durable=True):
            self.writer.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", held.items())
        self.lag = float(held.get(_LAG, 0.0))
        return int(held["run"])

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        """Commit what the body writes, or none of it; what is durable outlives a power cut, not only the process."""
        run = self.writer.execute
        run("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
        run("BEGIN IMMEDIATE")
        try:
            yield
            run("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                run("ROLLBACK")
            raise


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
