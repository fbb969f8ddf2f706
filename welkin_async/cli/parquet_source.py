"""Reading Parquet files, with the ``parquet`` extra."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from welkin_async.cli.forms import Form, NdjsonForm
from welkin_async.cli.lines import refused
from welkin_async.cli.rows import KEPT_COLUMNS, SourceRow
from welkin_async.cli.text import CommandError
from welkin_async.codec import JSON

__all__ = ["ParquetSource"]

_BATCH = 1024  # rows
_UNFIT = refused("holds a value that is neither text, number, boolean, date, datetime nor a list of these")


class ParquetSource:
    """A Parquet file; see `Source`. Its lines are its rows, from 1.

    Dates become ISO text, a decimal number its text, and are converted as the cells of a CSV file are. Datetimes stay
    what they are, so that none without a zone can pass for text.

    Args:
        path: The file.

    Raises:
        CommandError: it is no Parquet file, or the extra is missing.
    """

    def __init__(self, path: Path) -> None:
        try:
            pyarrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise CommandError("a Parquet file needs an extra: pip install 'welkin-async[parquet]'") from None
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (OSError, pyarrow.ArrowException):
            raise CommandError("the file is not a Parquet file that can be read") from None
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        for name in self.columns:
            if name in KEPT_COLUMNS:
                raise CommandError(f"column {name}: the name is kept for reject files; rename it")
        self.fixed = False
        self.form: Form = NdjsonForm()
        self.encoding = "utf-8"
        self.total: int | None = self._file.metadata.num_rows
        self._error = pyarrow.ArrowException
        self._rows = self._read()

    def _read(self) -> Iterator[SourceRow]:
        line = 0
        for batch in self._file.iter_batches(_BATCH):
            for values in batch.to_pylist():
                line += 1
                try:
                    plain = {name: _plain(value) for name, value in values.items()}
                except ValueError:
                    yield SourceRow(line, {name: _shown(value) for name, value in values.items()}, _UNFIT)
                else:
                    yield SourceRow(line, plain)

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `Source`."""
        try:
            return list(islice(self._rows, most))
        except self._error as error:
            raise OSError(0, f"the Parquet file is damaged ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _plain(value: Any) -> JSON:
    """Return a value as JSON can hold it, but for datetimes."""
    if value is None or isinstance(value, str | bool | int | datetime):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ValueError("no JSON number")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    raise ValueError("no JSON value")


def _shown(value: Any) -> JSON:
    """Return what a reject file holds for a value that cannot be sent."""
    try:
        return _plain(value)
    except ValueError:
        return value.hex() if isinstance(value, bytes) else str(value)
