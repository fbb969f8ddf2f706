"""SQLite store: a file for the processes of one machine, with nothing to install."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from welkin_async.http.private_file import check_folder, check_private, make_private
from welkin_async.shared.documents import NOT_MADE, Document
from welkin_async.shared.errors import SharedStoreError, StoreUnreachableError

T = TypeVar("T")

_BUSY = 5.0  # seconds for which another process' write is waited for
_PAUSE = 0.01  # seconds between two tries where SQLite itself does not wait
_NOW = "(julianday('now') - 2440587.5) * 86400.0"
_LOAD = f"SELECT value, stamp, {_NOW} FROM (SELECT 1) LEFT JOIN documents ON key = ?"  # noqa: S608 - no value is put in
_INSERT = "INSERT INTO documents (key, stamp, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_UPDATE = "UPDATE documents SET stamp = ?, value = ? WHERE key = ? AND stamp = ?"
_KEYS = "SELECT key FROM documents WHERE key >= ? AND key < ? ORDER BY key"
_CREATE = "CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, stamp TEXT NOT NULL, value BLOB NOT NULL)"


class SqliteStore:
    """SQLite store; its clock is the machine's. Each statement is a transaction of its own, on disk when it returns.

    Args:
        path: The file, readable by its owner alone.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._server = ""
        self._turn = threading.Lock()

    async def load(self, key: str) -> Document:
        """Read a document; see `DocumentStore`."""

        def work(connection: sqlite3.Connection) -> Document:
            value, stamp, now = connection.execute(_LOAD, (key,)).fetchone()
            return Document(value, stamp or "", now, self._server)

        return await self._run(work)

    async def swap(self, key: str, stamp: str, value: bytes) -> bool:
        """Write a document if it still has a stamp; see `DocumentStore`."""
        new = secrets.token_hex(8)

        def work(connection: sqlite3.Connection) -> bool:
            done = connection.execute(*((_UPDATE, (new, value, key, stamp)) if stamp else (_INSERT, (key, new, value))))
            return done.rowcount == 1

        return await self._run(work)

    async def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys that begin with a text; see `DocumentStore`."""
        return await self._run(
            lambda connection: [key for (key,) in connection.execute(_KEYS, (prefix, f"{prefix}\U0010ffff"))]
        )

    async def create_schema(self) -> None:
        """Make the file and its table, where they are not there."""
        await self._run(lambda connection: connection.execute(_CREATE), make=True)

    async def check_durable(self) -> None:
        """SQLite writes to disk at each commit; see `DocumentStore`."""

    async def aclose(self) -> None:
        """Close the file."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self, *, make: bool) -> sqlite3.Connection:
        if not make and not self._path.exists():
            raise SharedStoreError(NOT_MADE)
        try:
            os.close(make_private(self._path))
        except FileExistsError:
            # Looked at without being opened: a process that closes a file loses all its locks on it, SQLite's included.
            check_folder(self._path)
            check_private(os.lstat(self._path))
        connection = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
        try:
            _to_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        self._server = self._identity()
        return connection

    def _identity(self) -> str:
        """Tell the file that has the name from any other; empty where none has."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return ""
        return f"{found.st_dev}:{found.st_ino}"

    async def _run(self, work: Callable[[sqlite3.Connection], T], *, make: bool = False) -> T:
        """Do some work in a thread, one after another."""

        def locked() -> T:
            with self._turn:
                if self._connection is not None and self._identity() != self._server:
                    # What is written to a file without a name, or with another one by now, nobody else sees.
                    self._connection.close()
                    self._connection = None
                if self._connection is None:
                    self._connection = self._open(make=make)
                return work(self._connection)

        try:
            return await _in_a_thread(locked)
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                raise SharedStoreError(NOT_MADE) from None
            raise StoreUnreachableError(f"the shared file cannot be used: {error}") from None
        except sqlite3.DatabaseError:
            raise SharedStoreError("the shared file is no database") from None
        except OSError as error:
            raise SharedStoreError(f"the shared file cannot be opened: {error.strerror}") from None


def _to_wal(connection: sqlite3.Connection) -> None:
    """Have a file written ahead; where others are about it SQLite does not wait by itself, as it does for a write."""
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


async def _in_a_thread(work: Callable[[], T]) -> T:
    """Do some work in a thread, and wait for it also where that is cancelled, so that its connection is free then.

    As anyio does, whose first call holds the event loop up for a tenth of a second: it is that of a session's start.
    """
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        running.exception()  # looked at: there is nobody left to tell
        raise
