"""Row formats: how rows are written to reject, review and results files, and read again: CSV or NDJSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TextIO

from welkin_async.files.errors import FileError
from welkin_async.files.readers.row import RAW, SAFE, SourceRow


class RowResult(NamedTuple):
    """Row result: what is written beside a row.

    Attributes:
        status: What became of it.
        reason: Why; free of its values.
        key: Its key, empty for none.
        origin: The digest of the file the key was made for.
        record_id: The record, where there is one.
        error: An error code, where there is one.
        attempts: How many requests went out for it.
        request_id: What the server, or what stands before it, called the request that decided, where it says so.
    """

    status: str
    reason: str
    key: str
    origin: str
    record_id: str = ""
    error: str = ""
    attempts: int = 0
    request_id: str = ""

    def marks(self, line: int) -> dict[str, str | int]:
        """Return everything by the name of its column."""
        return {
            "_line": line,
            "_status": self.status,
            "_reason": self.reason,
            "_key": self.key,
            "_origin": self.origin,
            "_record_id": self.record_id,
            "_error": self.error,
            "_attempts": self.attempts,
            "_request_id": self.request_id,
        }


class StoredRow(NamedTuple):
    """Stored row: a row that stands in a file already.

    Attributes:
        line: Its line in the file that is imported.
        status: What became of it.
        key: Its key.
        text: The record as it is written.
    """

    line: int
    status: str
    key: str
    text: str


class RowFormat(Protocol):
    """Row format: how rows are written and read again.

    Attributes:
        header: What a file begins with.
    """

    header: str

    def record(self, row: SourceRow, result: RowResult) -> str:
        """Return a row as it is written."""
        ...

    def stored(self, file: TextIO) -> Iterator[StoredRow]:
        """Yield the records of a file as far as they are whole: a process that is killed may leave half of one.

        Raises:
            FileError: the file is another one.
        """
        ...

    def with_marks(self, marks: Sequence[str], *, safe: bool = False) -> RowFormat:
        """Return the same format with other columns beside the input's; a safe one holds no formulas."""
        ...


_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]").match
_NUMBER = re.compile(r"[+-][\d.,\s]+").fullmatch


def without_formula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with an apostrophe before it; numbers are left alone.

    Args:
        cell: Any text; one that begins with apostrophes gets another, so that `with_formula` gives back what was there.
    """
    return f"'{cell}" if _FORMULA(cell) and not _NUMBER(cell) else cell


def with_formula(cell: str) -> str:
    """Give back what `without_formula` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA(cell) else cell


_OTHER = "holds something else than rows of this import"


class CsvFormat:
    """CSV with the input's columns and delimiter, and ours behind them.

    Args:
        columns: The input's columns.
        delimiter: What stands between cells.
        marks: Our columns.
        safe: Whether cells that a spreadsheet takes for formulas are written with an apostrophe before them. A column
            of ours says so, and the apostrophes go when the file is read again.
    """

    def __init__(
        self, columns: Sequence[str], delimiter: str, marks: Sequence[str] = (), *, safe: bool = False
    ) -> None:
        self._safe = safe
        self._columns = tuple(columns)
        self._delimiter = delimiter
        self._marks = (*marks, SAFE) if safe else tuple(marks)
        self.header = self._line((*self._columns, *self._marks))

    def with_marks(self, marks: Sequence[str], *, safe: bool = False) -> CsvFormat:
        """Return the same format with other columns of ours; see `RowFormat`."""
        return CsvFormat(self._columns, self._delimiter, marks, safe=safe)

    def record(self, row: SourceRow, result: RowResult) -> str:
        """Return a row as it is written; cells that are too many come last."""
        values, width = row.values, len(self._columns)
        cells = values if isinstance(values, list) else [values if isinstance(values, str) else ""]
        if len(cells) < width or isinstance(values, str):
            # What did not fit comes last, where no column is: nothing is imported of it before it is mended.
            cells = [*[""] * width, *cells]
        marks = {**result.marks(row.line), SAFE: "yes"}
        filled = [*cells[:width], *[""] * (width - len(cells))]
        return self._line((*filled, *(marks[name] for name in self._marks), *cells[width:]))

    def stored(self, file: TextIO) -> Iterator[StoredRow]:
        """Yield the whole records of a file; see `RowFormat`."""
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line

        reader = csv.reader(lines(), delimiter=self._delimiter)
        width = len(self._columns)
        try:
            header = next(reader, [])
            if [self._read(name) for name in header] != [*self._columns, *self._marks]:
                if "".join(taken).endswith("\n"):
                    raise FileError(_OTHER)
                return
            taken.clear()
            for cells in reader:
                text = "".join(taken)
                taken.clear()
                if len(cells) >= width + len(self._marks) and text.endswith("\n") and cells[width].isdigit():
                    marks = dict(zip(self._marks, cells[width:], strict=False))
                    yield StoredRow(int(marks["_line"]), marks["_status"], self._read(marks["_key"]), text)
        except csv.Error:
            raise FileError(_OTHER) from None

    def _read(self, cell: str) -> str:
        return with_formula(cell) if self._safe else cell

    def _line(self, cells: Sequence[object]) -> str:
        if self._safe:
            cells = [without_formula(str(cell)) for cell in cells]
        text = io.StringIO()
        # What stands at the ends of lines is quoted within cells: a lone carriage return would end one, too.
        csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(cells)
        return text.getvalue().removesuffix("\r\n") + "\n"


class NdjsonFormat:
    """An object on each line.

    Args:
        columns: The names of cells, where rows are lists.
        marks: The names of our members.
        first: Whether ours come first.
    """

    header = ""

    def __init__(self, columns: Sequence[str] = (), marks: Sequence[str] = (), *, first: bool = False) -> None:
        self._columns = tuple(columns)
        self._marks = tuple(marks)
        self._first = first

    def with_marks(self, marks: Sequence[str], *, safe: bool = False) -> NdjsonFormat:
        """Return the same format with other members of ours; it has no cells."""
        return NdjsonFormat(self._columns, marks, first=self._first)

    def record(self, row: SourceRow, result: RowResult) -> str:
        """Return a row as it is written."""
        values = row.values
        if isinstance(values, list) and len(values) == len(self._columns):
            values = dict(zip(self._columns, values, strict=True))
        elif not isinstance(values, dict):
            values = {RAW: values}
        all_marks = result.marks(row.line)
        marks = {name: all_marks[name] for name in self._marks}
        shown = {**marks, **values, **marks} if self._first else {**values, **marks}
        return json.dumps(shown, default=datetime.isoformat) + "\n"  # a Parquet file's datetimes

    def stored(self, file: TextIO) -> Iterator[StoredRow]:
        """Yield the whole records of a file; see `RowFormat`."""
        for text in file:
            if not text.endswith("\n"):
                return
            try:
                values = json.loads(text)
                held = StoredRow(int(values["_line"]), str(values["_status"]), str(values.get("_key", "")), text)
            except (ValueError, LookupError, TypeError, AttributeError):
                raise FileError(_OTHER) from None
            yield held
