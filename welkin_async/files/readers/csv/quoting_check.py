"""Quoting check: a pass over a CSV file before anything is sent, for faults of quoting and lines that are no rows.

The reader that follows believes it: rows are read from the lines that it leaves, and from no others.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

import attrs

from welkin_async.bulk.position_set import RangeSet
from welkin_async.files.errors import FileError
from welkin_async.files.readers.content import FileChangedError
from welkin_async.files.readers.csv.quote_recovery import QuoteRecovery, Verdict
from welkin_async.files.readers.lines import Lines, OverlongLineError, is_decoded

LONGEST_CELL = 16 * 2**20
"""Characters."""

_NAMED_SUSPECTS = 10
_SUSPECT_WIDTH = 3  # cells; narrower lines are too often text
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\r\n]*\Z').match
_LINE_END = re.compile("\r\n|\r|\n")


@attrs.frozen
class CsvCheck:
    """What the pass has found.

    Attributes:
        rows: How many rows the file has, refused lines included.
        malformed: The lines that are malformed.
        refused: The lines that are no rows, or may be none: those that are malformed, and those in doubt behind them.
        suspect_count: How many quoted cells hold a line that looks like a row.
        suspects: The first such lines.
        filled: The columns without a name, from 0, that have content.
    """

    rows: int
    malformed: RangeSet
    refused: RangeSet
    suspect_count: int
    suspects: tuple[int, ...]
    filled: frozenset[int]


class RowReader(Protocol):
    """What reads rows of cells from lines.

    Attributes:
        line_num: How many lines it has taken.
    """

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def separator_line(text: str) -> str | None:
    """Return the delimiter that Excel's ``sep=`` line names; None where a line is not that.

    Args:
        text: The first line of a file.
    """
    match = _SEPARATOR_LINE(text)
    return None if match is None else match[1]


def has_content(cells: list[str]) -> bool:
    """Tell whether a row has anything but empty cells."""
    if not cells:
        return False
    first = cells[0]
    return (first != "" and not first.isspace()) or (any(cells) and not "".join(cells).isspace())


def csv_rows(lines: Iterator[str], delimiter: str) -> RowReader:
    """Return what reads rows, by the strict rules of quoting.

    Cells of up to `LONGEST_CELL` characters need the `csv` module's own limit raised, which is the process's. It is
    never lowered.

    Args:
        lines: With their ends.
        delimiter: What stands between cells.

    Raises:
        FileError: the delimiter is none.
    """
    if csv.field_size_limit() < LONGEST_CELL:
        csv.field_size_limit(LONGEST_CELL)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise FileError("the delimiter is one character, or 'tab'")
    return csv.reader(lines, delimiter=delimiter, strict=True)


def read_header(lines: Lines, delimiter: str) -> tuple[str, ...]:
    """Read the header: the first row with content, behind a ``sep=`` line where there is one.

    Args:
        lines: At their beginning; `Lines.keep` is the line behind the header afterwards.
        delimiter: What stands between cells.

    Raises:
        FileError: there is none, or it is malformed.
    """
    try:
        if separator_line(next(lines.since(1), "")) is not None:
            lines.keep = 2
        first = lines.keep
        reader = csv_rows(lines.since(first), delimiter)
        for cells in reader:
            lines.keep = first + reader.line_num
            if has_content(cells):
                break
        else:
            raise FileError("the file is empty: a CSV file begins with a header")
    except (csv.Error, OverlongLineError):
        raise FileError("the header is not well-formed CSV") from None
    if not is_decoded("".join(cells)):
        raise FileError("the header is not text in the file's encoding: give encoding=")
    return tuple(cells)


def check_csv(open_text: Callable[[], TextIO], delimiter: str) -> CsvCheck:
    """Read a file once, and once more where its quoting is malformed.

    Args:
        open_text: Opens the file with ``newline=""``.
        delimiter: What stands between cells.

    Raises:
        FileError: it has no header that can be read.
        OSError: it cannot be read.
        UnicodeError: the encoding is one that does not go on after an error.
    """
    with open_text() as file:
        faults = _FaultPass(Lines(file), delimiter)
        faults.run()
        if not faults.refused:
            return faults.result()
    with open_text() as file:
        census = _Pass(Lines(file), delimiter)
        census.count(faults.refused)
    return attrs.evolve(census.result(), malformed=faults.malformed, refused=faults.refused)


class _Pass:
    """Reads the rows of a file and counts what is in them."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self.malformed = RangeSet()
        self.refused = RangeSet()
        self._lines = lines
        self._delimiter = delimiter
        self._rows = 0
        self._suspect_count = 0
        self._suspects: list[int] = []
        header = read_header(lines, delimiter)
        self._width = len(header)
        self._nameless = [index for index, name in enumerate(header) if not name.strip()]
        self._filled: set[int] = set()

    def result(self) -> CsvCheck:
        """Return what was found."""
        filled, suspects = frozenset(self._filled), tuple(self._suspects)
        return CsvCheck(self._rows, self.malformed, self.refused, self._suspect_count, suspects, filled)

    def count(self, refused: RangeSet) -> None:
        """Read to the end, but for lines that are refused.

        Raises:
            FileChangedError: they are other lines than those that were refused.
        """
        lines = self._lines
        try:
            for start, stop in refused:
                self._read_rows(start)
                while lines.keep < stop:
                    self._count_refused(stop)
            self._read_rows()
        except (csv.Error, OverlongLineError):
            raise FileChangedError from None

    def _count_refused(self, stop: int) -> None:
        """Count refused lines up to one that is too long, or to the last."""
        lines = self._lines
        upcoming = lines.since(lines.keep)
        try:
            while lines.keep < stop:
                self._rows += not next(upcoming, "").isspace()
                lines.keep += 1
        except OverlongLineError:
            self._rows += 1
            lines.keep += 1

    def _read_rows(self, stop: int = -1) -> None:
        """Read rows up to a line; `Lines.keep` is the first line of the row that could not be read, if there is one."""
        lines, width, watched = self._lines, self._width, bool(self._nameless)
        base = line = lines.keep
        reader = csv_rows(lines.since(base), self._delimiter)
        rows = 0
        try:
            while line != stop:
                cells = next(reader)
                following = base + reader.line_num
                # Most rows begin with content, which is seen without a call.
                if (cells and cells[0] and not cells[0].isspace()) or has_content(cells):
                    rows += 1
                    if watched:
                        self._note_filled(cells)
                    if following - line > 1 and width >= _SUSPECT_WIDTH:
                        self._note_suspects(line, cells)
                lines.keep = line = following
        except StopIteration:
            pass
        finally:
            self._rows += rows

    def _note_filled(self, cells: list[str]) -> None:
        for index in self._nameless:
            if index < len(cells) and cells[index].strip():
                self._filled.add(index)

    def _note_suspects(self, line: int, cells: list[str]) -> None:
        """Look for lines within cells that have exactly the header's number of cells."""
        for cell in cells:
            inner = _LINE_END.split(cell)
            for number, text in enumerate(inner[1:], line + 1):
                if self._looks_like_a_row(text):
                    self._suspect_count += 1
                    if len(self._suspects) < _NAMED_SUSPECTS:
                        self._suspects.append(number)
                    break
            line += len(inner) - 1

    def _looks_like_a_row(self, text: str) -> bool:
        if text.count(self._delimiter) < self._width - 1:
            return False
        try:
            cells = next(csv_rows(iter((text,)), self._delimiter), [])
        except csv.Error:
            return False
        return len(cells) == self._width


class _FaultPass(_Pass):
    """Finds out which lines are malformed, and which are in doubt behind them."""

    def run(self) -> None:
        """Read to the end."""
        while True:
            try:
                self._read_rows()
            except (csv.Error, OverlongLineError):
                self._recover(self._lines.keep)
            else:
                return

    def _recover(self, first: int) -> None:
        """Refuse the malformed line, and what is in doubt behind it; `Lines.keep` is where rows go on."""
        lines = self._lines
        while True:
            self.malformed.add(first)
            recovery = QuoteRecovery(lines.line(first), self._delimiter, self._width)
            lines.keep = number = first + 1
            verdict = Verdict.OPEN
            try:
                for line in lines.since(number):
                    verdict = recovery.take(line)
                    number += 1
                    if verdict is not Verdict.OPEN:
                        break
                    lines.keep = number
                else:
                    verdict = recovery.end()
            except OverlongLineError:
                verdict = Verdict.FAULTY
                number += 1
            self.refused.add_range(first, first + 1 if verdict is Verdict.ROWS else number)
            if verdict is not Verdict.FAULTY:
                lines.keep = number
                return
            first = number - 1
