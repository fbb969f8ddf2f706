"""Existing index: the records that listings have shown, in a temporary SQLite file.

SQLite makes the file with mode 0600 and removes its name at once, so that nothing is left however the process ends. It
holds digests, ids and dates, and no value of any record. Memory is a cache of fixed size, from which groups are written
many at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from welkin_async.bulk.errors import JournalError

_CACHE = 1024  # KiB
_REMEMBERED = 1024  # groups whose listing is known without a look into the file
_WRITTEN_AT_ONCE = 256  # groups
_SLOTS = 1 << 20  # bytes that tell, nearly always, that a group was never written, so that nothing is read
_TABLES = """
CREATE TABLE groups (place BLOB PRIMARY KEY, number INTEGER NOT NULL, began REAL NOT NULL, records INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE records (owner INTEGER NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL, created TEXT, updated TEXT,
    author TEXT, digests BLOB NOT NULL, PRIMARY KEY (owner, key, id)) WITHOUT ROWID;
"""


class Listed(NamedTuple):
    """A group's listing.

    Attributes:
        number: By which the index knows the group.
        began: Monotonic seconds at which the listing was begun.
        records: How many records it showed that carry a key.
    """

    number: int
    began: float
    records: int


class KeptRecord(NamedTuple):
    """What is kept of a record.

    Attributes:
        key: The digest of what it carries in the key field.
        id: Its id.
        created: When it was created, as the server writes it; None where the record does not say.
        updated: When it was changed last, likewise.
        author: By whom.
        digests: What it holds; see `RecordDigests`.
    """

    key: bytes
    id: str
    created: str | None
    updated: str | None
    author: str | None
    digests: bytes


class ExistingIndex:
    """Existing index: listings by group, and their records by key.

    Raises:
        JournalError: no temporary file can be made.
    """

    def __init__(self) -> None:
        try:
            self._database = sqlite3.connect("", isolation_level=None)  # no name: a temporary file of SQLite's own
            for setting in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE", f"cache_size=-{_CACHE}"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.executescript(_TABLES)
            self._database.execute("BEGIN")  # never committed: nobody else reads it, and nothing of it is to stay
        except sqlite3.Error as error:
            raise _failed(error) from None
        self._known: dict[bytes, Listed] = {}
        self._unwritten: dict[bytes, Listed] = {}
        self._written = bytearray(_SLOTS)
        self._last = 0

    def close(self) -> None:
        """Remove everything."""
        self._database.close()

    def listed(self, group: bytes) -> Listed | None:
        """Return a group's listing; None where none has succeeded yet."""
        known = self._known.get(group) or self._unwritten.get(group)
        if known is None and self._written[_slot(group)]:
            row = self._find("SELECT number, began, records FROM groups WHERE place = ?", group)
            if row:
                known = self._remember(group, Listed(*row[0]))
        return known

    def keep(self, group: bytes, began: float, records: Sequence[KeptRecord]) -> Listed:
        """Keep what a listing has shown, in place of what one before it has.

        Args:
            group: The group.
            began: Monotonic seconds at which the listing was begun.
            records: Its records that carry a key.

        Raises:
            JournalError: the file cannot be written.
        """
        before = self.listed(group)
        if before is None:
            self._last += 1
        number = self._last if before is None else before.number
        count = 0
        try:
            if before is not None and before.records:
                self._database.execute("DELETE FROM records WHERE owner = ?", (number,))
            if records:
                rows = ((number, *record) for record in records)
                count = self._database.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                ).rowcount
            listed = self._unwritten[group] = Listed(number, began, count)
            if len(self._unwritten) >= _WRITTEN_AT_ONCE:
                self._write()
        except sqlite3.Error as error:
            raise _failed(error) from None
        return self._remember(group, listed)

    def _write(self) -> None:
        """Write the groups that were kept of late."""
        rows = ((group, *listed) for group, listed in sorted(self._unwritten.items()))  # so fewer pages change
        self._database.executemany("INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?)", rows)
        for group in self._unwritten:
            self._written[_slot(group)] = 1
        self._unwritten.clear()

    def find(self, listed: Listed, key: bytes) -> list[KeptRecord]:
        """Return the records of a group that carry a key, the oldest first."""
        if not listed.records:
            return []
        rows = self._find(
            "SELECT key, id, created, updated, author, digests FROM records WHERE owner = ? AND key = ?"
            " ORDER BY created",
            listed.number,
            key,
        )
        return [KeptRecord(*row) for row in rows]

    def _find(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _failed(error) from None

    def _remember(self, group: bytes, listed: Listed) -> Listed:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[group] = listed
        return listed


def _slot(group: bytes) -> int:
    return int.from_bytes(group[:3], "little") % _SLOTS


def _failed(error: sqlite3.Error) -> JournalError:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return JournalError(f"what is on the server could not be kept in a temporary file: {error} ({name})")
