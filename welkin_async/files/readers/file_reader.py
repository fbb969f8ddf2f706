"""File reader: rows of a file, a batch at a time, without ever holding the file."""

from __future__ import annotations

from typing import Protocol

from welkin_async.files.readers.formats import RowFormat
from welkin_async.files.readers.row import SourceRow


class FileReader(Protocol):
    """A file that is read from its beginning to its end; it blocks, and belongs in a thread.

    Attributes:
        columns: The names of the columns: of the header, or those that the first rows share where there is none.
        fixed: Whether every row has exactly these, as cells of text.
        complete: Whether no row has columns beside these.
        form: The format of the files that its rows go to.
        encoding: The file's encoding.
        total: How many rows there are, where that is known.
    """

    columns: tuple[str, ...]
    fixed: bool
    complete: bool
    form: RowFormat
    encoding: str
    total: int | None

    @property
    def blank(self) -> int:
        """How many rows without any content were left out so far; they have no position."""
        ...

    def select(self, names: frozenset[str]) -> None:
        """Say which columns are used, before the first row is read: others need not be read.

        Args:
            names: Of columns; those that the file has not are no error.
        """
        ...

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows, none at the end. What cannot be read is a row with a problem.

        Args:
            most: How many at most.

        Raises:
            OSError: the file cannot be read, or has changed.
            UnicodeError: the encoding is one that does not go on after an error.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...
