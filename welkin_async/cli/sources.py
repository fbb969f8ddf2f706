"""Reading files a batch of rows at a time, without ever holding the file.

Sources block and belong in a thread. A line that cannot be read is a row with a problem, and the next line is read as
if nothing had happened. The same file gives the same rows at the same positions, however often it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from welkin_async.cli.csv_source import CsvSource
from welkin_async.cli.detection import SAMPLE, delimiter_of, encoding_of
from welkin_async.cli.forms import Form
from welkin_async.cli.lines import LONGEST_LINE
from welkin_async.cli.ndjson_source import NdjsonSource
from welkin_async.cli.parquet_source import ParquetSource
from welkin_async.cli.rows import SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["Source", "count_rows", "digest_of", "open_source"]

_PIECE = 1 << 20


class Source(Protocol):
    """A file that is read from its beginning to its end.

    Attributes:
        columns: The names of the columns: of the header, or those that the first rows share where there is none.
        fixed: Whether every row has exactly these, as cells of text.
        form: The format of the files that its rows go to.
        encoding: The file's encoding.
        total: How many rows there are, where the file says so.
    """

    columns: tuple[str, ...]
    fixed: bool
    form: Form
    encoding: str
    total: int | None

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


def open_source(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Source:
    """Open a file by its ending, and read its header.

    Args:
        path: A ``.csv``, ``.ndjson``, ``.jsonl`` or ``.parquet`` file.
        encoding: Its encoding; found out by its beginning where it is None.
        delimiter: What stands between the cells of a CSV file; found out by the header where it is None.

    Raises:
        CommandError: it cannot be opened, has another ending, or its header does not fit.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return ParquetSource(path)
    if ending not in (".csv", ".ndjson", ".jsonl"):
        raise CommandError("the file is to end in .csv, .ndjson, .jsonl or .parquet")
    try:
        if encoding is None or encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            with path.open("rb") as beginning:
                found = encoding_of(beginning.read(SAMPLE))
            encoding = found if encoding is None or found == "utf-8-sig" else "utf-8"
        # Closed by the source.
        file = path.open(encoding=encoding, errors="surrogateescape", newline="")
    except LookupError:
        raise CommandError("the encoding is not one that Python knows") from None
    except OSError as error:
        raise CommandError(f"the file cannot be opened: {error.strerror}") from None
    try:
        if ending != ".csv":
            return NdjsonSource(file, encoding)
        return CsvSource(file, delimiter or _delimiter(file), encoding)
    except UnicodeError:
        file.close()
        raise CommandError("the file's beginning is not text in the given encoding") from None
    except BaseException:
        file.close()
        raise


def _delimiter(file: TextIO) -> str:
    found = delimiter_of(file.read(SAMPLE))
    file.seek(0)
    return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex; read in pieces.

    Args:
        path: The file.

    Raises:
        CommandError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise CommandError(f"the file cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def count_rows(path: Path, stopped: Callable[[], bool] = lambda: False) -> int | None:
    """Count the rows of a file, for the progress shown; a CSV file's with care for line ends within quotes.

    Args:
        path: A file of text with line ends of one byte.
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
