"""The rows that were not created, in files of the input's own format, to be mended and imported again."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from welkin_async.bulk import Status
from welkin_async.cli.rows import RAW, REJECT_COLUMNS, Problem, SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["Format", "RejectFiles", "Rejects", "csv_form", "ndjson_form"]

Format = Callable[[TextIO], Callable[[SourceRow, Problem], None]]
"""Begins a file, with a header where there is one, and returns what writes a row to it."""


class Rejects:
    """One file of rows that were not created: made at the first row, readable by its owner alone, never overwritten.

    Args:
        path: Where it goes.
        form: The format.
        encoding: The input's encoding; bytes that could not be decoded are written as they were.
    """

    def __init__(self, path: Path, form: Format, encoding: str) -> None:
        self.path = path
        self.rows = 0
        self._form = form
        self._encoding = encoding
        self._file: TextIO | None = None
        self._write: Callable[[SourceRow, Problem], None]

    def write(self, row: SourceRow, problem: Problem) -> None:
        """Add a row; it is in the operating system's hands on return.

        Args:
            row: The row.
            problem: Why it was not created.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            number = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(number, "w", encoding=self._encoding, errors="surrogateescape", newline="")
            self._write = self._form(self._file)
        self._write(row, problem)
        self._file.flush()
        self.rows += 1

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


class RejectFiles:
    """The two files of an import: what may be mended and imported again, and what must be looked for first.

    Args:
        source: The file that is imported.
        path: Where the rejected rows go; beside the source, as ``NAME.rejects.csv``, where it is None. The rows of
            unknown outcome go beside it, as ``NAME.unknown.csv``.
        form: The format.
        encoding: The input's encoding.

    Raises:
        CommandError: one of the files exists.
    """

    def __init__(self, source: Path, path: Path | None, form: Format, encoding: str) -> None:
        suffix = source.suffix
        rejects = path or source.with_name(f"{source.stem}.rejects{suffix}")
        base = source if path is None else path
        unknown = base.with_name(f"{base.stem.removesuffix('.rejects')}.unknown{suffix}")
        for file in (rejects, unknown):
            if file.exists():
                raise CommandError(
                    f"{file} exists, and holds rows of an earlier import: move it, or name another with --rejects"
                )
        if not rejects.parent.is_dir():
            raise CommandError(f"{rejects.parent} is not a folder: reject files go to one that exists")
        self.rejects = Rejects(rejects, form, encoding)
        self.unknown = Rejects(unknown, form, encoding)

    def write(self, row: SourceRow, problem: Problem) -> None:
        """Put a row where its status belongs; see `Rejects.write`."""
        again = problem.status in (Status.REJECTED, Status.FAILED)
        (self.rejects if again else self.unknown).write(row, problem)

    def close(self) -> None:
        """Close both."""
        self.rejects.close()
        self.unknown.close()


def csv_form(columns: tuple[str, ...], delimiter: str) -> Format:
    """Return the format of CSV reject files.

    Args:
        columns: The input's columns.
        delimiter: What stands between cells.
    """
    width = len(columns)

    def begin(file: TextIO) -> Callable[[SourceRow, Problem], None]:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow((*columns, *REJECT_COLUMNS))

        def write(row: SourceRow, problem: Problem) -> None:
            values = row.values
            # A line that could not be read stands in the first cell as a whole: split by a guess it might fit a row.
            cells = values if isinstance(values, list) else [values if isinstance(values, str) else ""]
            filled = [*cells[:width], *[""] * (width - len(cells))]
            writer.writerow((*filled, row.line, problem.status.value, problem.reason, *cells[width:]))

        return write

    return begin


def ndjson_form(file: TextIO) -> Callable[[SourceRow, Problem], None]:
    """Begin an NDJSON reject file; see `Format`."""

    def write(row: SourceRow, problem: Problem) -> None:
        values = row.values if isinstance(row.values, dict) else {RAW: row.values}
        marks = zip(REJECT_COLUMNS, (row.line, problem.status.value, problem.reason), strict=True)
        file.write(json.dumps({**values, **dict(marks)}) + "\n")

    return write
