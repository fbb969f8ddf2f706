"""CSV writer: from lines of JSON in two passes, the names of the columns, then the rows, a batch at a time."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from welkin_async.bulk.export.columns import RecordColumns, clean_text
from welkin_async.bulk.export.lines import batches_of, see_all


def to_csv(lines: Path, file: BinaryIO, stop: Event, columns: RecordColumns | None = None) -> None:
    """Turn lines of JSON into a CSV file in UTF-8; memory holds one batch.

    Text is written as it came, null as an empty cell, and an object or a list as its JSON text.

    Args:
        lines: A file with one object a line.
        file: Where to, empty; it is on the disk on return.
        stop: Set by another thread to give up; the file is not whole then.
        columns: Those of nothing yet; None to leave records as they are.

    Raises:
        OSError: a file cannot be read or written.
    """
    columns = columns or RecordColumns()
    if not see_all(lines, columns, stop):
        return
    names = columns.names
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(clean_text, names))
        for batch in batches_of(lines):
            if stop.is_set():
                return
            for record in batch:
                row = columns.plain(record)
                writer.writerow([_cell(row.get(name)) for name in names])
    finally:
        text.detach()  # which writes what is left, and leaves the file open
    file.flush()
    os.fsync(file.fileno())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean_text(value)
    return clean_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
