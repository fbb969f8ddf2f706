"""Lines: those of a text file, of bounded length, with their numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TextIO

from welkin_async.bulk import Status
from welkin_async.files.readers.row import ALTERED, DOUBLED, RowError

LONGEST_LINE = 32 * 2**20
"""Characters; of a line that is longer only the beginning is held."""

_CHUNK = 2**18  # characters that are read at once
_KEPT = 1000  # characters of a line that is too long

_ESCAPED = re.compile("[\udc80-\udcff]").search  # bytes that could not be decoded


def refused(reason: str) -> RowError:
    """Return the problem of a row that is refused before anything is sent."""
    return RowError(Status.REJECTED, reason)


UNDECODABLE = refused("not text in the file's encoding")

OVERLONG = refused("the line has more than 32 Mi characters: here is only its beginning")

STILL_UNKNOWN = RowError(
    Status.UNKNOWN,
    "may be on the server from an earlier import: look for it; to have the row sent again, clear _status",
)
"""A row of a review file that has not been checked since."""

_UNSETTLED = frozenset({Status.UNKNOWN.value, Status.CONFLICT.value, ALTERED, DOUBLED})


def is_unsettled(status: object) -> bool:
    """Tell whether a review file's ``_status`` is one that forbids importing the row before looking.

    Args:
        status: The cell or value; cleared once it was checked.
    """
    return isinstance(status, str) and status.strip().lower() in _UNSETTLED


def is_decoded(text: str) -> bool:
    """Tell whether all bytes of a text could be decoded.

    Args:
        text: Decoded with ``surrogateescape``.
    """
    return text.isascii() or not _ESCAPED(text)


class OverlongLineError(Exception):
    """A line has more characters than `LONGEST_LINE`."""


class Lines:
    """The lines of a file, each with its number from 1; those from `keep` on can be read again.

    Args:
        file: Opened with ``newline=""``.

    Attributes:
        keep: Lines before this one are not asked for any more.
    """

    def __init__(self, file: TextIO) -> None:
        self.keep = 1
        self._file = file
        self._held: list[str] = []
        self._first = 1  # number of the first line that is held
        self._tail = ""  # of a line whose end has not been read
        self._overlong: dict[int, str] = {}

    def since(self, number: int) -> Iterator[str]:
        """Yield the lines from one on.

        Args:
            number: The first; not before `keep`.

        Raises:
            OverlongLineError: the next line is too long; `line` has its beginning.
            OSError: the file cannot be read.
            UnicodeError: the encoding is one that does not go on after an error.
        """
        index = number - self._first
        while True:
            if index == len(self._held):
                index -= self._drop()
                if not self._load():
                    return
            fresh = self._held[index:]
            index += len(fresh)
            if self._overlong:
                first = self._first + index - len(fresh)
                yield from self._checked(first, fresh)
            else:
                yield from fresh

    def line(self, number: int) -> str:
        """Return a line that was read already.

        Args:
            number: Which; not before `keep`.
        """
        return self._held[number - self._first]

    def _checked(self, first: int, lines: list[str]) -> Iterator[str]:
        for number, line in enumerate(lines, first):
            if number in self._overlong:
                raise OverlongLineError
            yield line

    def _drop(self) -> int:
        count = min(self.keep - self._first, len(self._held))
        del self._held[:count]
        self._first += count
        return count

    def _load(self) -> bool:
        """Read some more lines; returns False at the end of the file."""
        parts = [self._tail]
        size = len(self._tail)
        while chunk := self._file.read(_CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if "\n" in chunk or "\r" in chunk:
                break
            if size > LONGEST_LINE:
                self._skip_line("".join(parts)[:_KEPT])
                return True
        # Splits where files are split, and not where `str.splitlines` does.
        lines = io.StringIO("".join(parts), newline="").readlines()
        # A carriage return at the end may be half of a line's end.
        self._tail = lines.pop() if lines and chunk and not lines[-1].endswith("\n") else ""
        self._held += lines
        return bool(lines) or (bool(chunk) and self._load())

    def _skip_line(self, beginning: str) -> None:
        """Leave out the rest of a line that is too long."""
        self._overlong[self._first + len(self._held)] = beginning
        self._held.append(beginning)
        self._tail = ""
        while chunk := self._file.read(_CHUNK):
            lines = io.StringIO(chunk, newline="").readlines()
            if not lines[0].endswith(("\n", "\r")):
                continue
            self._tail = chunk[len(lines[0]) :]
            if lines[0].endswith("\r") and not self._tail:
                self._tail = self._file.read(1).removeprefix("\n")
            return

    def close(self) -> None:
        """Close the file."""
        self._file.close()
