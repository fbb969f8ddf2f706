"""JSON array reader: an array of objects, one element at a time."""

from __future__ import annotations

import json
import re
from typing import NoReturn, TextIO

from welkin_async.files.errors import FileError
from welkin_async.files.readers.formats import NdjsonFormat, RowFormat
from welkin_async.files.readers.json.values import JsonDecoder, row_of, shared_names
from welkin_async.files.readers.lines import LONGEST_LINE
from welkin_async.files.readers.row import SourceRow

_SAMPLE = 8  # elements that are looked at for columns
_CHUNK = 2**16  # characters
_SPACES = re.compile(r"[ \t\r\n]*")


class JsonArrayReader:
    """A file with one JSON array of objects; see `FileReader`. Its lines are its elements, from 1.

    An element that is no object is a row with a problem. A file that is no array cannot be read behind the place where
    it ceases to be one.

    Args:
        file: Opened with ``newline=""``.
        encoding: The file's encoding.
        total: How many elements it has, where that is known.

    Raises:
        FileError: it is no JSON array.
    """

    def __init__(self, file: TextIO, encoding: str = "utf-8", total: int | None = None) -> None:
        self.encoding = encoding
        self.total = total
        self.blank = 0
        self.complete = False
        self.fixed = False
        self.form: RowFormat = NdjsonFormat()
        self._file = file
        self._decoder = JsonDecoder()
        self._text = ""  # what was read and not used up, from `_at` on
        self._at = 0
        self._ended = False  # the file is
        self._element = 0
        self._open = self._begin()
        self._held: list[SourceRow] = []
        self._held = self.read(_SAMPLE)
        self.columns = shared_names(self._held)

    def select(self, names: frozenset[str]) -> None:
        """Do nothing: an element is read as a whole; see `FileReader`."""

    def read(self, most: int) -> list[SourceRow]:
        """Return the next rows; see `FileReader`.

        Raises:
            FileError: the array is malformed here.
            OSError: the file cannot be read.
            UnicodeError: nor decoded.
        """
        rows, self._held = self._held[:most], self._held[most:]
        while self._open and len(rows) < most:
            rows.append(self._next())
        return rows

    def _begin(self) -> bool:
        """Read the opening bracket; tells whether an element follows."""
        if self._peek() != "[":
            self._fail("it does not begin with [")
        self._at += 1
        if self._peek() != "]":
            return True
        self._at += 1
        self._finish()
        return False

    def _next(self) -> SourceRow:
        """Read an element and what divides it from the next."""
        self._element += 1
        self._peek()
        size = _CHUNK
        while True:
            try:
                found = self._decoder.decode(self._text, self._at)
            except json.JSONDecodeError:
                if self._ended or len(self._text) - self._at > LONGEST_LINE:
                    self._fail("it is malformed JSON, or has more than 32 Mi characters")
            else:
                if found.end < len(self._text) or self._ended:
                    break  # else a number may go on
            self._fill(size)
            size *= 2
        row = row_of(self._element, self._text[self._at : found.end], found)
        self._at = found.end
        following = self._peek()
        if following not in (",", "]"):
            self._fail("a comma or ] is missing behind it")
        self._at += 1
        if following == "]":
            self._open = False
            self._finish()
        elif self._peek() == "]":
            self._element += 1
            self._fail("a comma stands before ]")
        return row

    def _finish(self) -> None:
        if self._peek():
            self._fail("something stands behind the array")

    def _peek(self) -> str:
        """Return the next character that is no space; empty at the end."""
        while True:
            match = _SPACES.match(self._text, self._at)
            self._at = self._at if match is None else match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._fill(_CHUNK)

    def _fill(self, size: int) -> None:
        chunk = self._file.read(size)
        self._ended = not chunk
        self._text = self._text[self._at :] + chunk
        self._at = 0

    def _fail(self, reason: str) -> NoReturn:
        where = f"at element {self._element}: " if self._element else ""
        raise FileError(f"the file is not a JSON array that can be read: {where}{reason}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
