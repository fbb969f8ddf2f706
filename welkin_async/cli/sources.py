"""Reading files a batch of rows at a time, without ever holding the file.

Sources block and belong in a thread. A line that cannot be read is a row with a problem, and the next line is read as
if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from welkin_async.cli.csv_source import CsvSource
from welkin_async.cli.lines import LONGEST_LINE
from welkin_async.cli.ndjson_source import NdjsonSource
from welkin_async.cli.rejects import Format
from welkin_async.cli.rows import SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["Source", "count_rows", "open_source"]


class Source(Protocol):
    """A file that is read from its beginning to its end.

    Attributes:
        columns: The names of the columns: of the header, or of the first row where there is none.
        fixed: Whether every row has exactly these columns.
        form: The format of its reject files.
    """

    columns: tuple[str, ...]
    fixed: bool
    form: Format

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows, none at the end.

        Args:
            most: How many at most.

        Raises:
            OSError: the file cannot be read.
            UnicodeError: the encoding is one that does not go on after an error.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_source(path: Path, *, encoding: str = "utf-8", delimiter: str = ",", from_line: int = 1) -> Source:
    """Open a file by its ending, and read its header.

    Args:
        path: A ``.csv`` or ``.ndjson`` file.
        encoding: Its encoding; a byte order mark of UTF-8 is skipped.
        delimiter: What stands between the cells of a CSV file.
        from_line: Rows that begin before this line are passed over.

    Raises:
        CommandError: it cannot be opened, has another ending, or its header does not fit.
    """
    kinds = {".csv": CsvSource, ".ndjson": NdjsonSource}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise CommandError("the file is to end in .csv or .ndjson")
    try:
        name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        # Closed by the source.
        file = path.open(encoding=name, errors="surrogateescape", newline="")
    except LookupError:
        raise CommandError("the encoding is not one that Python knows") from None
    except OSError as error:
        raise CommandError(f"the file cannot be opened: {error.strerror}") from None
    try:
        return CsvSource(file, from_line, delimiter) if kind is CsvSource else NdjsonSource(file, from_line)
    except UnicodeError:
        file.close()
        raise CommandError("the file's beginning is not text in the given encoding") from None
    except BaseException:
        file.close()
        raise


def count_rows(path: Path, stopped: Callable[[], bool] = lambda: False) -> int | None:
    """Count the rows of a file, for the progress shown; a CSV file's with care for line ends within quotes.

    Args:
        path: A ``.csv`` or ``.ndjson`` file.
        stopped: Asked now and then whether to give up.

    Returns:
        How many there are, or None where it gave up or the file cannot be read.
    """
    quoted = path.suffix.lower() == ".csv"
    rows = quotes = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b"")):
                if not number % 65_536 and stopped():
                    return None
                if quoted:
                    quotes += line.count(b'"')
                if not quotes % 2 and not line.isspace():
                    rows += 1
    except OSError:
        return None
    return max(0, rows - 1) if quoted else rows
