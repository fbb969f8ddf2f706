"""Writing small files and reading their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from welkin_async.files.readers.file_reader import FileReader
from welkin_async.files.readers.input_file import InputFile, check_input
from welkin_async.files.readers.row import SourceRow

Row = tuple[int, Any, str | None]


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def source_rows(reader: FileReader, most: int = 7) -> list[SourceRow]:
    """All rows, the reader closed behind them."""
    found: list[SourceRow] = []
    try:
        while batch := reader.read(most):
            assert len(batch) <= most
            found += batch
    finally:
        reader.close()
    assert [row.position for row in found] == list(range(len(found)))
    return found


def rows_of(file: InputFile, *selected: str) -> list[Row]:
    """Line, values and problem of each row; of the selected columns alone, where there are some."""
    reader = file.open()
    if selected:
        reader.select(frozenset(selected))
    rows = [(row.line, row.values, row.problem and row.problem.reason) for row in source_rows(reader)]
    assert file.rows in (None, len(rows))
    return rows


def read(path: Path, content: bytes | str, **options: Any) -> list[Row]:
    return rows_of(check_input(written(path, content), **options))


def good(rows: list[Row]) -> list[Any]:
    return [values for _, values, problem in rows if problem is None]
