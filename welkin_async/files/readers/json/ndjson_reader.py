"""NDJSON reader."""

from __future__ import annotations

from typing import TextIO

from welkin_async.files.readers.formats import NdjsonFormat, RowFormat
from welkin_async.files.readers.json.values import JsonDecoder, shared_names
from welkin_async.files.readers.lines import OVERLONG, Lines, OverlongLineError
from welkin_async.files.readers.row import SourceRow

_SAMPLE = 8  # rows that are looked at for columns


class NdjsonReader:
    """A file with a JSON object on each line; see `FileReader`.

    Args:
        file: Opened with ``newline=""``.
        encoding: The file's encoding.
        total: How many rows it has, where that is known.
    """

    def __init__(self, file: TextIO, encoding: str = "utf-8", total: int | None = None) -> None:
        self.encoding = encoding
        self.total = total
        self.blank = 0
        self.complete = False
        self.fixed = False
        self.form: RowFormat = NdjsonFormat()
        self._lines = Lines(file)
        self._upcoming = self._lines.since(1)
        self._decoder = JsonDecoder()
        self._held: list[SourceRow] = []
        self._held = self.read(_SAMPLE)
        self.columns = shared_names(self._held)

    def select(self, names: frozenset[str]) -> None:
        """Do nothing: a line is read as a whole; see `FileReader`."""

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `FileReader`."""
        rows, self._held = self._held[:most], self._held[most:]
        lines = self._lines
        while len(rows) < most:
            number = lines.keep
            try:
                text = next(self._upcoming, None)
            except OverlongLineError:
                rows.append(SourceRow(number, lines.line(number), OVERLONG))
                lines.keep = number + 1
                self._upcoming = lines.since(number + 1)
                continue
            if text is None:
                break
            lines.keep = number + 1
            if text.isspace():
                self.blank += 1
            else:
                rows.append(self._row(number, text))
        return rows

    def _row(self, line: int, text: str) -> SourceRow:
        return self._decoder.row(line, text)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
