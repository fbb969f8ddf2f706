"""XLSX reader: Excel workbooks, with the ``xlsx`` extra."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from welkin_async.files.errors import FileError
from welkin_async.files.readers.formats import NdjsonFormat, RowFormat
from welkin_async.files.readers.lines import refused
from welkin_async.files.readers.row import KEPT_COLUMNS, SourceRow
from welkin_async.wire.codec import JSON

_MOST_SHEETS = 20  # that are named


class XlsxReader:
    """A sheet of an Excel workbook with a header; see `FileReader`. Its lines are the sheet's rows.

    Cells formatted as dates become text, others with a time datetimes without a zone. A cell with an error, or with a
    formula whose result is not stored, refuses its row.

    Args:
        path: The file.
        sheet: The sheet's name; None where the workbook has one alone.

    Raises:
        FileError: it is no workbook, has no such sheet, its header does not fit, or the extra is missing.
    """

    def __init__(self, path: Path, sheet: str | None = None) -> None:
        try:
            openpyxl: Any = importlib.import_module("openpyxl")
            numbers: Any = importlib.import_module("openpyxl.styles.numbers")
        except ImportError:
            raise FileError("an Excel workbook needs an extra: pip install 'welkin-async[xlsx]'") from None
        self._kind_of_format: Any = numbers.is_datetime
        self._file = path.open("rb")
        try:
            # Values and formulas are not had from one reading.
            self._books = [_opened(openpyxl, self._file, formulas=formulas) for formulas in (False, True)]
            self._rows = self._read(_chosen(self._books[0].sheetnames, sheet))
            self.columns, self._named = self._header()
        except BaseException:
            self.close()
            raise
        self.complete = True
        self.fixed = False
        self.form: RowFormat = NdjsonFormat()
        self.encoding = "utf-8"
        self.total: int | None = None
        self.blank = 0

    def _header(self) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
        for _, cells in self._rows:
            named = [(index, str(value).strip()) for index, value in enumerate(map(_content, cells)) if value != ""]
            if not named:
                continue
            names = tuple(name for _, name in named)
            for name in names:
                if name in KEPT_COLUMNS:
                    raise FileError(f"column {name}: the name is kept for reject files; rename it")
                if names.count(name) > 1:
                    raise FileError(f"column {name}: the header has it twice")
            return names, named
        raise FileError("the sheet is empty: it begins with a header")

    def _read(self, name: str) -> Iterator[tuple[int, list[Any]]]:
        """Yield the number and the cells of each row; those with a formula and no value as `_NoResult`."""
        sheets = [book[name] for book in self._books]
        for each in sheets:
            each.reset_dimensions()  # what the file says of its size is often wrong
        pairs = zip(*(each.iter_rows() for each in sheets), strict=True)
        for number, (values, formulas) in enumerate(pairs, 1):
            yield (
                number,
                [
                    _NoResult if value.value is None and formula.data_type == "f" else value
                    for value, formula in zip(values, formulas, strict=True)
                ],
            )

    def select(self, names: frozenset[str]) -> None:
        """Look at these columns alone from here on; see `FileReader`."""
        self._named = [each for each in self._named if each[1] in names]

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `FileReader`.

        Raises:
            OSError: the workbook is damaged.
        """
        rows: list[SourceRow] = []
        while len(rows) < most:
            try:
                number, cells = next(self._rows)
            except StopIteration:
                break
            except Exception as error:  # of zip files, of XML and of openpyxl itself
                raise OSError(0, f"the workbook is damaged ({type(error).__name__})") from None
            if all(_content(cell) == "" for cell in cells):
                self.blank += 1
            else:
                rows.append(self._row(number, cells))
        return rows

    def _row(self, line: int, cells: list[Any]) -> SourceRow:
        values: dict[str, JSON] = {}
        problems: list[str] = []
        for index, name in self._named:
            if index >= len(cells) or _content(cells[index]) == "":
                continue
            try:
                values[name] = self._plain(cells[index])
            except ValueError as error:
                problems.append(f"column {name}: holds {error}")
                values[name] = str(_content(cells[index]))
        return SourceRow(line, values, refused("; ".join(problems)) if problems else None)

    def _plain(self, cell: Any) -> JSON:
        """Return a value as JSON can hold it, but for datetimes."""
        if cell is _NoResult:
            raise ValueError("a formula whose result is not stored: open the workbook and save it, or paste values")
        if cell.data_type == "e":
            raise ValueError("an error")
        value = cell.value
        if isinstance(value, datetime):
            midnight = not (value.hour or value.minute or value.second or value.microsecond)
            dated = midnight and self._kind_of_format(cell.number_format) == "date"
            return value.date().isoformat() if dated else value
        if isinstance(value, str | bool | int | float):
            return value
        raise ValueError("neither text, number, boolean, date nor datetime")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _NoResult:
    """Stands for a cell with a formula and no stored value."""


def _content(cell: Any) -> Any:
    """Return a cell's value; empty text where there is none."""
    value = "=" if cell is _NoResult else cell.value
    return "" if value is None or (isinstance(value, str) and not value.strip()) else value


def _opened(openpyxl: Any, file: BinaryIO, *, formulas: bool) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the workbook has beside its cells
            return openpyxl.load_workbook(file, read_only=True, data_only=not formulas)
    except Exception:  # of zip files, of XML and of openpyxl itself
        raise FileError("the file is not an Excel workbook that can be read") from None


def _chosen(names: list[str], sheet: str | None) -> str:
    if sheet is None and len(names) == 1:
        return names[0]
    if sheet is not None and sheet in names:
        return sheet
    listed = ", ".join(names[:_MOST_SHEETS])
    if sheet is None:
        raise FileError(f"the workbook has several sheets: name one with sheet= ({listed})")
    raise FileError(f"the workbook has no sheet {sheet}: it has {listed}")
