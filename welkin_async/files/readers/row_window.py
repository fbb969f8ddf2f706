"""Row window: some rows of a file, each with its position in the whole of it."""

from __future__ import annotations

from collections.abc import Callable

from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.row import SourceRow

_BATCH = 512  # rows that are left out at once


class RowWindow:
    """Some rows of a file, each with its position in the whole of it; see `FileReader`.

    Args:
        reader: At the file's beginning; closed with this.
        check_unchanged: Raises OSError where the file has changed.
        skip: How many rows are left out at the beginning.
        limit: How many are read at most; None for all.

    Raises:
        OSError: the file has changed.
    """

    def __init__(
        self, reader: FileReader, check_unchanged: Callable[[], None], *, skip: int = 0, limit: int | None = None
    ) -> None:
        check_unchanged()
        self._reader = reader
        self._check_unchanged = check_unchanged
        self._skip = skip
        self._left = limit
        self._position = 0
        self.columns = reader.columns
        self.fixed = reader.fixed
        self.complete = reader.complete
        self.form = reader.form
        self.encoding = reader.encoding
        self.total = _total(reader.total, skip, limit)

    @property
    def blank(self) -> int:
        """How many rows without any content were left out so far."""
        return self._reader.blank

    def select(self, names: frozenset[str]) -> None:
        """Say which columns are used; see `FileReader`."""
        self._reader.select(names)

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows of the window; see `FileReader`."""
        self._check_unchanged()
        while self._position < self._skip:
            if not self._take(min(_BATCH, self._skip - self._position)):
                return []
        rows = self._take(most if self._left is None else min(most, self._left))
        if self._left is not None:
            self._left -= len(rows)
        return rows

    def _take(self, most: int) -> list[SourceRow]:
        rows = self._reader.read(most) if most else []
        for position, row in enumerate(rows, self._position):
            row.position = position
        self._position += len(rows)
        return rows

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _total(rows: int | None, skip: int, limit: int | None) -> int | None:
    if rows is None:
        return None
    left = max(0, rows - skip)
    return left if limit is None else min(left, limit)
