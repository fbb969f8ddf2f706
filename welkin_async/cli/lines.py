"""The lines of a file, of bounded length, with their numbers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import TextIO

from welkin_async.bulk import Status
from welkin_async.cli.rows import ALTERED, DOUBLED, Problem

__all__ = ["LONGEST_LINE", "STILL_UNKNOWN", "UNDECODABLE", "Lines", "is_unsettled", "refused"]

LONGEST_LINE = 16 * 2**20
"""Characters; what is longer comes in pieces, so that no line takes all the memory."""

_ESCAPED = re.compile("[\udc80-\udcff]").search  # bytes that could not be decoded


def refused(reason: str) -> Problem:
    """Return the problem of a row that is refused before anything is sent."""
    return Problem(Status.REJECTED, reason)


UNDECODABLE = refused("not text in the file's encoding")

STILL_UNKNOWN = Problem(
    Status.UNKNOWN,
    "may be on the server from an earlier import: look for it; to have the row sent again, clear _status",
)
"""A row of a review file that nobody has looked into since."""

_UNSETTLED = frozenset({Status.UNKNOWN.value, Status.CONFLICT.value, ALTERED, DOUBLED})


def is_unsettled(status: object) -> bool:
    """Tell whether a review file's ``_status`` is one that forbids importing the row before looking.

    Args:
        status: The cell or value; cleared where somebody has looked.
    """
    return isinstance(status, str) and status.strip().lower() in _UNSETTLED


class Lines:
    """The lines of a file, each with its number; those of a row that could not be read can be read once more."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        return line

    def keep_first(self) -> str:
        """Return the first line that was taken, without its end, and give the others back."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        return first.rstrip("\r\n")

    @property
    def decoded(self) -> bool:
        """Whether the lines that were taken could all be decoded."""
        return all(line.isascii() or not _ESCAPED(line) for line in self.taken)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
