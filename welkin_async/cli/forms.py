"""How rows are written beside the file that is imported, and read again: as CSV, or as NDJSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TextIO

from welkin_async.cli.rows import RAW, SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["CsvForm", "Entry", "Form", "Held", "NdjsonForm"]


class Entry(NamedTuple):
    """What is written beside a row.

    Attributes:
        status: What became of it.
        reason: Why; free of its values.
        key: Its key, empty for none.
        origin: The digest of the file the key was made for.
        record_id: The record, where there is one.
        error: An error code, where there is one.
        attempts: How many requests went out for it.
    """

    status: str
    reason: str
    key: str
    origin: str
    record_id: str = ""
    error: str = ""
    attempts: int = 0

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
        }


class Held(NamedTuple):
    """A row that stands in a file already.

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


class Form(Protocol):
    """A format.

    Attributes:
        header: What a file begins with.
    """

    header: str

    def record(self, row: SourceRow, entry: Entry) -> str:
        """Return a row as it is written."""
        ...

    def held(self, file: TextIO) -> Iterator[Held]:
        """Yield the records of a file as far as they are whole: a process that is killed may leave half of one.

        Raises:
            CommandError: the file is another one.
        """
        ...

    def marked(self, marks: Sequence[str]) -> Form:
        """Return the same format with other columns beside the input's."""
        ...


_OTHER = "holds something else than rows of this import"


class CsvForm:
    """CSV with the input's columns and delimiter, and ours behind them.

    Args:
        columns: The input's columns.
        delimiter: What stands between cells.
        marks: Our columns.
    """

    def __init__(self, columns: Sequence[str], delimiter: str, marks: Sequence[str] = ()) -> None:
        self._columns = tuple(columns)
        self._delimiter = delimiter
        self._marks = tuple(marks)
        self.header = self._line((*self._columns, *self._marks))

    def marked(self, marks: Sequence[str]) -> CsvForm:
        """Return the same format with other columns of ours."""
        return CsvForm(self._columns, self._delimiter, marks)

    def record(self, row: SourceRow, entry: Entry) -> str:
        """Return a row as it is written; cells that are too many come last."""
        values, width = row.values, len(self._columns)
        # A line that could not be read stands in the first cell as a whole: split by a guess it might fit a row.
        cells = values if isinstance(values, list) else [values if isinstance(values, str) else ""]
        marks = entry.marks(row.line)
        filled = [*cells[:width], *[""] * (width - len(cells))]
        return self._line((*filled, *(marks[name] for name in self._marks), *cells[width:]))

    def held(self, file: TextIO) -> Iterator[Held]:
        """Yield the whole records of a file; see `Form`."""
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line

        reader = csv.reader(lines(), delimiter=self._delimiter)
        width = len(self._columns)
        try:
            header = next(reader, [])
            if header != [*self._columns, *self._marks]:
                if "".join(taken).endswith("\n"):
                    raise CommandError(_OTHER)
                return
            taken.clear()
            for cells in reader:
                text = "".join(taken)
                taken.clear()
                if len(cells) >= width + len(self._marks) and text.endswith("\n") and cells[width].isdigit():
                    marks = dict(zip(self._marks, cells[width:], strict=False))
                    yield Held(int(marks["_line"]), marks["_status"], marks["_key"], text)
        except csv.Error:
            raise CommandError(_OTHER) from None

    def _line(self, cells: Sequence[object]) -> str:
        text = io.StringIO()
        # What stands at the ends of lines is quoted within cells: a lone carriage return would end one, too.
        csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(cells)
        return text.getvalue().removesuffix("\r\n") + "\n"


class NdjsonForm:
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

    def marked(self, marks: Sequence[str]) -> NdjsonForm:
        """Return the same format with other members of ours."""
        return NdjsonForm(self._columns, marks, first=self._first)

    def record(self, row: SourceRow, entry: Entry) -> str:
        """Return a row as it is written."""
        values = row.values
        if isinstance(values, list) and len(values) == len(self._columns):
            values = dict(zip(self._columns, values, strict=True))
        elif not isinstance(values, dict):
            values = {RAW: values}
        all_marks = entry.marks(row.line)
        marks = {name: all_marks[name] for name in self._marks}
        shown = {**marks, **values, **marks} if self._first else {**values, **marks}
        return json.dumps(shown, default=datetime.isoformat) + "\n"  # a Parquet file's datetimes

    def held(self, file: TextIO) -> Iterator[Held]:
        """Yield the whole records of a file; see `Form`."""
        for text in file:
            if not text.endswith("\n"):
                return
            try:
                values = json.loads(text)
                held = Held(int(values["_line"]), str(values["_status"]), str(values.get("_key", "")), text)
            except (ValueError, LookupError, TypeError, AttributeError):
                raise CommandError(_OTHER) from None
            yield held
