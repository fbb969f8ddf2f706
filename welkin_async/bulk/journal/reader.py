"""Journal reader: outcomes of earlier runs, read from the file while the engine holds it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from welkin_async.bulk.position_set import RangeSet


class PastOutcome(NamedTuple):
    """What became of a row in an earlier run, where that is not plainly ``created``.

    Attributes:
        status: What became of it, such as ``rejected`` or ``altered``.
        record_id: The record, empty where there is none.
        error: The error's code, empty where there is none.
    """

    status: str
    record_id: str
    error: str


class JournalReader:
    """The outcomes of earlier runs that are worth a word; empty without a journal.

    Args:
        path: The journal; None for none.

    Attributes:
        created: How many rows are created.

    Raises:
        OSError: the journal cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.created = 0
        self._others = RangeSet()
        self._connection: sqlite3.Connection | None = None
        if path is None or not path.exists():
            return
        try:
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, check_same_thread=False)
            self._connection = connection
            (created,) = connection.execute("SELECT sum(stop - start) FROM created").fetchone()
            self.created = created or 0
            for (position,) in connection.execute("SELECT position FROM outcomes WHERE redo = 0 ORDER BY position"):
                self._others.add(position)
        except sqlite3.Error as error:
            self.close()
            raise OSError(0, f"the journal cannot be read: {error}") from None

    def of(self, position: int) -> PastOutcome | None:
        """Return what became of a row, None where it was created or never came.

        Args:
            position: Its position.
        """
        if position not in self._others or self._connection is None:
            return None
        query = "SELECT status, record_id, error_code FROM outcomes WHERE position = ?"
        row = self._connection.execute(query, (position,)).fetchone()
        return None if row is None else PastOutcome(row[0], row[1] or "", row[2] or "")

    def recall(self, name: str) -> str | None:
        """Return what `keep` has kept; None for nothing."""
        if self._connection is None:
            return None
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep(self, name: str, text: str) -> None:
        """Keep something about the source for later runs; the engine holds the journal and has not begun to send.

        Args:
            name: What it is.
            text: The text.

        Raises:
            OSError: it cannot be kept.
        """
        if self._connection is None:
            return
        try:
            with self._connection:
                self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))
        except sqlite3.Error as error:
            raise OSError(0, f"the journal cannot be written: {error}") from None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
