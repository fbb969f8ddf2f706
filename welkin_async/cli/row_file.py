"""A file of rows that survives being killed, is gone on with by the next run, and never holds a row twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

from welkin_async.bulk.ranges import RangeSet
from welkin_async.cli.deeds import DONE
from welkin_async.cli.forms import Entry, Form, Held
from welkin_async.cli.rows import SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["RowFile", "move_aside"]


class RowFile:
    """One file of rows, made at the first of them, readable by its owner alone.

    Args:
        path: Where it is.
        form: The format.
        encoding: Of the text; bytes of the input that could not be decoded are written as they were.

    Attributes:
        path: Where it is.
        rows: How many rows it holds.
        first: The first row that an earlier run left in it, or None.
    """

    def __init__(self, path: Path, form: Form, encoding: str = "utf-8") -> None:
        self.path = path
        self.rows = 0
        self.first: Held | None = None
        self._form = form
        self._encoding = encoding
        self._lines = RangeSet()
        self._done = RangeSet()  # of these lines those that are done, which is most of them in results
        self._gone: set[int] = set()
        self._file: TextIO | None = None

    def __contains__(self, line: object) -> bool:
        return line in self._lines and line not in self._gone

    def take_up(self, keep: Callable[[str], bool]) -> None:
        """Go on with what an earlier run left; half a record at its end is cut off.

        Args:
            keep: Tells by its status whether a row stays; those that this run decides anew do not.

        Raises:
            CommandError: the file is another one.
            OSError: it cannot be read or written.
        """
        if self.path.exists():
            self._rewrite(lambda held: keep(held.status))
            self._file = self._open("a", os.O_APPEND)

    def write(self, row: SourceRow, entry: Entry) -> None:
        """Add a row, unless it is there as what it is; it is in the operating system's hands on return.

        Args:
            row: The row.
            entry: What became of it.

        Raises:
            OSError: the file cannot be written.
        """
        done = entry.status in DONE
        if row.line in self:
            if done is (row.line in self._done):
                return
            self.forget(row.line)
        if self._file is None:
            self._file = self._open("w", os.O_CREAT | os.O_EXCL)
            self._file.write(self._form.header)
        if row.line in self._gone:
            self._drop_gone()
        self._file.write(self._form.record(row, entry))
        self._file.flush()
        self._lines.add(row.line)
        if done:
            self._done.add(row.line)
        self.rows += 1

    def forget(self, line: int) -> None:
        """Let a row go that has found another end since; it leaves the file when that is closed.

        Args:
            line: Its line.
        """
        if line in self:
            self._gone.add(line)
            self.rows -= 1

    def close(self) -> None:
        """Close the file, if there is one; one that holds no row any more goes.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is not None:
            if self._gone:
                self._drop_gone()
            self._file.close()
            self._file = None
            if not self.rows:
                self.path.unlink()

    def _open(self, mode: Literal["w", "a"], flags: int) -> TextIO:
        number = os.open(self.path, os.O_WRONLY | flags, 0o600)
        return os.fdopen(number, mode, encoding=self._encoding, errors="surrogateescape", newline="")

    def _drop_gone(self) -> None:
        if self._file is not None:
            self._file.close()
        self._rewrite(lambda held: held.line not in self._gone)
        self._gone.clear()
        self._file = self._open("a", os.O_APPEND)

    def _rewrite(self, keep: Callable[[Held], bool]) -> None:
        """Write what stays to a file of its own, which then takes this one's place in one step."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        lines, done = RangeSet(), RangeSet()
        self.rows = 0
        try:
            with (
                self.path.open(encoding=self._encoding, errors="surrogateescape", newline="") as old,
                fresh.open("w", encoding=self._encoding, errors="surrogateescape", newline="") as new,
            ):
                os.chmod(fresh, 0o600)
                new.write(self._form.header)
                for held in self._form.held(old):
                    if held.line not in lines and keep(held):
                        new.write(held.text)
                        lines.add(held.line)
                        if held.status in DONE:
                            done.add(held.line)
                        self.rows += 1
                        self.first = self.first or held
            fresh.replace(self.path)
        except (CommandError, UnicodeError) as error:
            fresh.unlink(missing_ok=True)
            reason = error if isinstance(error, CommandError) else "is not in the input's encoding"
            raise CommandError(f"{self.path} {reason}: move it, or name another") from None
        self._lines, self._done = lines, done


def move_aside(path: Path) -> None:
    """Give a file another name, if there is one: nothing that somebody may be mending is overwritten.

    Args:
        path: The file.
    """
    if path.exists():
        number = 1
        while (other := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        path.rename(other)
