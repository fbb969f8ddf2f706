"""CSV reader."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TextIO

from welkin_async.files.errors import FileError
from welkin_async.files.readers.content import FileChangedError
from welkin_async.files.readers.csv.quoting_check import CsvCheck, csv_rows, has_content, read_header
from welkin_async.files.readers.formats import CsvFormat, RowFormat, with_formula
from welkin_async.files.readers.lines import (
    OVERLONG,
    STILL_UNKNOWN,
    UNDECODABLE,
    Lines,
    OverlongLineError,
    is_decoded,
    is_unsettled,
    refused,
)
from welkin_async.files.readers.row import KEPT_COLUMNS, REJECT_COLUMNS, REVIEW_COLUMNS, SAFE, SourceRow

_MALFORMED = refused("not well-formed CSV: check the quotes")
_IN_DOUBT = refused("may be text of a quoted cell: check the quotes of the lines before it")


class CsvReader:
    """A CSV file with a header; see `FileReader`.

    Columns without a name that are empty throughout are left out; so are cells without content behind the header's
    last, and rows without any.

    Args:
        file: Opened with ``newline=""``.
        check: What the pass over the file has found.
        delimiter: What stands between cells.
        encoding: The file's encoding.

    Raises:
        FileError: the header does not fit.
    """

    def __init__(self, file: TextIO, check: CsvCheck, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self.complete = True
        self.fixed = True
        self.encoding = encoding
        self.total: int | None = check.rows
        self.blank = 0
        self._lines = Lines(file)
        self._delimiter = delimiter
        self._check = check
        header = read_header(self._lines, delimiter)
        self._safe = SAFE in header
        if self._safe:
            header = tuple(with_formula(name) for name in header)
        self._width = len(header)
        kept = [index for index, name in enumerate(header) if name.strip() or index in check.filled]
        self._kept = None if kept == list(range(self._width)) else kept
        named = tuple(header[index] for index in kept)
        self._marks: tuple[str, ...] = ()
        further = (SAFE,) if self._safe else ()
        for marks in ((*REVIEW_COLUMNS, *further), (*REJECT_COLUMNS, *further)):
            if named[-len(marks) :] == marks:
                self._marks = marks
                break
        self.columns = named[: len(named) - len(self._marks)]
        self.form: RowFormat = CsvFormat(self.columns, delimiter)
        for name in self.columns:
            if name in KEPT_COLUMNS:
                raise FileError(f"column {name}: the name is kept for reject files; rename it")
        self._ranges = iter(check.refused)
        self._begin()

    def _begin(self) -> None:
        """Begin to read rows at `Lines.keep`, up to the next lines that are refused."""
        self._first_refused, self._behind_refused = next(self._ranges, (-1, -1))
        self._base = self._lines.keep
        self._reader = csv_rows(self._lines.since(self._base), self._delimiter)
        self._raw: Iterator[str] | None = None

    def select(self, names: frozenset[str]) -> None:
        """Do nothing: a row is read as a whole; see `FileReader`."""

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `FileReader`.

        Raises:
            FileChangedError: the file has changed.
            OSError: it cannot be read.
            UnicodeError: nor decoded any further.
        """
        rows: list[SourceRow] = []
        lines = self._lines
        try:
            while len(rows) < most:
                line = lines.keep
                if line == self._behind_refused:
                    self._begin()
                elif line == self._first_refused or self._raw is not None:
                    self._read_refused(line, rows)
                    continue
                cells = next(self._reader, None)
                if cells is None:
                    break
                lines.keep = self._base + self._reader.line_num
                if has_content(cells):
                    rows.append(self._row(line, cells))
                else:
                    self.blank += 1
        except (csv.Error, OverlongLineError):
            raise FileChangedError from None
        return rows

    def _read_refused(self, line: int, rows: list[SourceRow]) -> None:
        """Read a line that is refused, whatever it holds."""
        lines = self._lines
        if self._raw is None:
            self._raw = lines.since(line)
        problem = _MALFORMED if line in self._check.malformed else _IN_DOUBT
        try:
            text = next(self._raw)
        except StopIteration:
            raise FileChangedError from None
        except OverlongLineError:
            text, problem = lines.line(line), OVERLONG
            self._raw = lines.since(line + 1)
        lines.keep = line + 1
        if text.isspace():
            self.blank += 1
        else:
            rows.append(SourceRow(line, text.rstrip("\r\n"), problem))

    def _row(self, line: int, cells: list[str]) -> SourceRow:
        width, problem = self._width, None
        if self._safe:
            cells = [with_formula(cell) for cell in cells]
        if len(cells) != width:
            if len(cells) < width:
                problem = refused(f"the line is short: expected {width} cells, got {len(cells)}")
            elif has_content(cells[width:]):
                problem = refused(f"more than {width} cells: {len(cells)}")
            else:
                del cells[width:]
        if problem is None and not is_decoded("".join(cells)):
            problem = UNDECODABLE
        if self._kept is not None:
            cells = [*(cells[index] for index in self._kept if index < len(cells)), *cells[width:]]
        row = SourceRow(line, cells, problem)
        if self._marks:
            self._read_marks(row, cells)
        return row

    def _read_marks(self, row: SourceRow, cells: list[str]) -> None:
        """Take our columns out of a row of a reject file."""
        first = len(self.columns)
        behind = first + len(self._marks)
        marks = dict(zip(self._marks, cells[first:behind], strict=False))
        if is_unsettled(marks.get("_status")):
            row.problem = STILL_UNKNOWN
        row.key, row.origin = marks.get("_key", "").strip(), marks.get("_origin", "").strip()
        cells[first:behind] = []

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
