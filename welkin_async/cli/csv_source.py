"""Reading CSV files."""

from __future__ import annotations

import csv
from typing import TextIO

from welkin_async.cli.forms import CsvForm, Form
from welkin_async.cli.lines import STILL_UNKNOWN, UNDECODABLE, Lines, is_unsettled, refused
from welkin_async.cli.rows import KEPT_COLUMNS, REJECT_COLUMNS, REVIEW_COLUMNS, SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["CsvSource"]

_MALFORMED = refused("not well-formed CSV: check the quotes")


class CsvSource:
    """A CSV file with a header; see `Source`.

    A quote that is not closed spoils the line it is on, not those that follow.

    Args:
        file: Opened with ``newline=""``.
        delimiter: What stands between cells.
        encoding: The file's encoding.

    Raises:
        CommandError: the header does not fit.
    """

    def __init__(self, file: TextIO, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self.fixed = True
        self.encoding = encoding
        self.total: int | None = None
        self._lines = Lines(file)
        try:
            self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        except (TypeError, ValueError):
            raise CommandError("the delimiter is one character, or 'tab'") from None
        header = self._header()
        self._width = len(header)
        self._marks: tuple[str, ...] = ()
        for marks in (REVIEW_COLUMNS, REJECT_COLUMNS):
            if header[-len(marks) :] == marks:
                self._marks = marks
                break
        self.columns = header[: self._width - len(self._marks)]
        self.form: Form = CsvForm(self.columns, delimiter)
        for name in self.columns:
            if name in KEPT_COLUMNS:
                raise CommandError(f"column {name}: the name is kept for reject files; rename it")
            if self.columns.count(name) > 1:
                raise CommandError(f"column {name or 'without a name'}: the header has it twice")

    def _header(self) -> tuple[str, ...]:
        try:
            header = next((cells for cells in self._reader if cells), None)
        except csv.Error:
            raise CommandError("the header is not well-formed CSV") from None
        if header is None:
            raise CommandError("the file is empty: a CSV file begins with a header")
        if not self._lines.decoded:
            raise CommandError("the header is not text in the file's encoding: give --encoding")
        return tuple(header)

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `Source`."""
        rows: list[SourceRow] = []
        lines, reader = self._lines, self._reader
        while len(rows) < most:
            lines.taken.clear()
            line = lines.number + 1
            try:
                row = self._row(line, next(reader))
            except StopIteration:
                break
            except csv.Error:
                row = SourceRow(line, lines.keep_first(), _MALFORMED)
            if row is not None:
                rows.append(row)
        return rows

    def _row(self, line: int, cells: list[str]) -> SourceRow | None:
        problem = None
        if len(cells) != self._width:
            if not cells:
                return None  # an empty line
            expected = f"expected {self._width} cells"
            problem = refused(f"the line is short: {expected}" if len(cells) < self._width else f"more than {expected}")
        elif not self._lines.decoded:
            problem = UNDECODABLE
        row = SourceRow(line, cells, problem)
        if self._marks:
            self._read_marks(row, cells)
        return row

    def _read_marks(self, row: SourceRow, cells: list[str]) -> None:
        """Take our columns out of a row of a reject file."""
        width = len(self.columns)
        marks = dict(zip(self._marks, cells[width : self._width], strict=False))
        if is_unsettled(marks.get("_status")):
            row.problem = STILL_UNKNOWN
        row.key, row.origin = marks.get("_key", "").strip(), marks.get("_origin", "").strip()
        cells[width : self._width] = []

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
