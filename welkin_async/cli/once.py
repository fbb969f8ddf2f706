"""Each key belongs to one row of a file: of two with the same one, none can tell whose the record on the server is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable

from welkin_async.bulk import Status
from welkin_async.cli.preparation import Prepared
from welkin_async.cli.rows import Problem

__all__ = ["Once"]


class Once:
    """Refuses rows whose key another row before them has. Keys that were made from a row's place are not looked at.

    What was seen is held in a temporary file of SQLite's, so memory is bounded. It blocks, and belongs in a thread.

    Args:
        reason: Why such a row is refused.
        canonical: Returns the form in which a key is compared.
    """

    def __init__(self, reason: str, canonical: Callable[[str], str]) -> None:
        self._problem = Problem(Status.REJECTED, reason)
        self._canonical = canonical
        self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._seen.execute("PRAGMA journal_mode=OFF")
        self._seen.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._seen.execute("BEGIN")

    def check(self, prepared: Prepared) -> Prepared:
        """Return a row as it is, or with a problem.

        Args:
            prepared: A row, each once and in the order of the file.
        """
        if prepared.problem is not None or prepared.key is None or prepared.made:
            return prepared
        digest = hashlib.blake2b(self._canonical(prepared.key).encode("utf-8", "surrogatepass"), digest_size=16)
        if self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest.digest(),)).rowcount:
            return prepared
        return prepared._replace(problem=self._problem)

    def close(self) -> None:
        """Forget everything."""
        self._seen.close()
