"""Parquet reader, with the ``parquet`` extra."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import anyio.to_thread

from welkin_async.files.errors import FileError
from welkin_async.files.readers.arrow_values import python_values
from welkin_async.files.readers.formats import NdjsonFormat, RowFormat
from welkin_async.files.readers.lines import refused
from welkin_async.files.readers.row import KEPT_COLUMNS, SourceRow
from welkin_async.files.readers.values import plain_row

_BATCH = 1024  # rows


class ParquetReader:
    """A Parquet file; see `FileReader`. Its lines are its rows, from 1.

    Dates and UUIDs become text, a decimal number its text, and are converted as the cells of a CSV file are. Datetimes
    stay what they are, so that none without a zone can pass for text. A value that is none of these refuses its row.

    Args:
        path: The file.

    Raises:
        FileError: it is no Parquet file, or the extra is missing.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._arrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise FileError("a Parquet file needs an extra: pip install 'welkin-async[parquet]'") from None
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (OSError, self._arrow.ArrowException):
            raise FileError("the file is not a Parquet file that can be read") from None
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        for name in self.columns:
            if name in KEPT_COLUMNS:
                raise FileError(f"column {name}: the name is kept for reject files; rename it")
        self.complete = True
        self.fixed = False
        self.form: RowFormat = NdjsonFormat()
        self.encoding = "utf-8"
        self.total: int | None = self._file.metadata.num_rows
        self.blank = 0
        self._selected: list[str] | None = None
        self._rows = self._read()

    def select(self, names: frozenset[str]) -> None:
        """Read these columns alone from here on; see `FileReader`."""
        self._selected = [name for name in self.columns if name in names]

    def _read(self) -> Iterator[SourceRow]:
        line = 0
        for batch in self._file.iter_batches(_BATCH, columns=self._selected):
            columns = [
                (name, python_values(self._arrow, column))
                for name, column in zip(batch.schema.names, batch, strict=True)
            ]
            for index in range(batch.num_rows):
                line += 1
                yield _row(line, {name: values[index] for name, values in columns})

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `FileReader`."""
        try:
            return list(islice(self._rows, most))
        except Exception as error:  # of Arrow, and OSErrors whose text may hold what it has read
            raise OSError(0, f"the Parquet file is damaged ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _row(line: int, values: dict[str, Any]) -> SourceRow:
    plain, problems = plain_row(values)
    return SourceRow(line, plain, refused("; ".join(problems)) if problems else None)


async def parquet_batches(path: Path, rows: int) -> AsyncGenerator[Any]:
    """Yield a Parquet file as Arrow batches; it is read in a thread.

    Args:
        path: The file.
        rows: Of a batch at most.
    """
    parquet: Any = importlib.import_module("pyarrow.parquet")
    file: Any = await anyio.to_thread.run_sync(parquet.ParquetFile, path)
    try:
        batches = file.iter_batches(rows)
        while (batch := await anyio.to_thread.run_sync(next, batches, None)) is not None:
            yield batch
    finally:
        file.close()
