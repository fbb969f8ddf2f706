"""Parquet writer: from lines of JSON in two passes, the types of the columns, then the rows, a batch at a time."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from welkin_async.bulk.export.columns import RecordColumns
from welkin_async.bulk.export.lines import batches_of, see_all
from welkin_async.errors import ConfigurationError


def check_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        pass
    else:
        return
    raise ConfigurationError("Parquet needs pyarrow: install welkin-async[parquet]")


def to_parquet(lines: Path, file: BinaryIO, stop: Event, columns: RecordColumns | None = None) -> None:
    """Turn lines of JSON into a Parquet file; memory holds one batch, which is a row group.

    Args:
        lines: A file with one object a line.
        file: Where to, empty; it is on the disk on return.
        stop: Set by another thread to give up; the file is not whole then.
        columns: Those of nothing yet; None to leave records as they are.

    Raises:
        OSError: a file cannot be read or written.
    """
    pa: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    columns = columns or RecordColumns()
    if not see_all(lines, columns, stop):
        return
    schema = columns.schema(pa)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches_of(lines):
            if stop.is_set():
                return
            writer.write_table(pa.Table.from_pylist([columns.put(record) for record in batch], schema=schema))
    file.flush()
    os.fsync(file.fileno())
