"""Reading CSV files."""

from __future__ import annotations

import csv
from typing import TextIO

from welkin_async.cli.lines import STILL_UNKNOWN, UNDECODABLE, Lines, is_unsettled, refused
from welkin_async.cli.rejects import csv_form
from welkin_async.cli.rows import REJECT_COLUMNS, SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["CsvSource"]

_MALFORMED = refused("not well-formed CSV: check the quotes")


class CsvSource:
    """A CSV file with a header; see `Source`.

    A quote that is not closed spoils the line it is on, not those that follow.

    Args:
        file: Opened with ``newline=""``.
        from_line: Rows that begin before this line are passed over.
        delimiter: What stands between cells.

    Raises:
        CommandError: the header does not fit.
    """

    def __init__(self, file: TextIO, from_line: int = 1, delimiter: str = ",") -> None:
        self.fixed = True
        self._lines = Lines(file)
        self._from_line = from_line
        try:
            self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        except (TypeError, ValueError):
            raise CommandError("the delimiter is one character, or 'tab'") from None
        header = self._header()
        marked = header[-len(REJECT_COLUMNS) :] == REJECT_COLUMNS
        self._width = len(header)
        self.columns = header[: -len(REJECT_COLUMNS)] if marked else header
        self._status = self._width - 2 if marked else None
        self.form = csv_form(self.columns, delimiter)
        for name in self.columns:
            if name in REJECT_COLUMNS:
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
        lines, reader, from_line = self._lines, self._reader, self._from_line
        while len(rows) < most:
            lines.taken.clear()
            line = lines.number + 1
            try:
                row = self._row(line, next(reader))
            except StopIteration:
                break
            except csv.Error:
                row = SourceRow(line, lines.keep_first(), _MALFORMED)
            if row is not None and line >= from_line:
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
        if self._status is not None:
            if len(cells) > self._status and is_unsettled(cells[self._status]):
                problem = STILL_UNKNOWN
            cells[len(self.columns) : self._width] = []
        return SourceRow(line, cells, problem)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
