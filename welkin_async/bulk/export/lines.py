"""Lines of an export: its records as they were received, read again in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from welkin_async.bulk.export.columns import RecordColumns

_ROWS, _BYTES = 10_000, 8 << 20  # of a batch


def batches_of(lines: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the records; memory holds one batch.

    Args:
        lines: A file with one object a line.

    Raises:
        OSError: it cannot be read.
    """
    batch, size = [], 0
    with open(lines, "rb") as file:
        for line in file:
            batch.append(json.loads(line))
            size += len(line)
            if len(batch) >= _ROWS or size >= _BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def see_all(lines: Path, columns: RecordColumns, stop: Event) -> bool:
    """Show all records to columns; returns False where it was given up.

    Args:
        lines: A file with one object a line.
        columns: The columns.
        stop: Set by another thread to give up.

    Raises:
        OSError: the file cannot be read.
    """
    for batch in batches_of(lines):
        if stop.is_set():
            return False
        for record in batch:
            columns.see(record)
    return True
