"""Reject file: a file of rows that survives a kill, is continued by the next run, and never holds a row twice."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from welkin_async.bulk.position_set import RangeSet
from welkin_async.files.errors import FileError
from welkin_async.files.job_kind import DONE
from welkin_async.files.readers.formats import RowFormat, RowResult, StoredRow
from welkin_async.files.readers.row import SourceRow
from welkin_async.http.private_file import (
    check_folder,
    check_private,
    make_private,
    open_private,
    remove_leftovers,
    replacing,
)

_MOST_REPLACED = 8 << 20  # characters of records, which are then written together


class RejectFile:
    """Reject file: made at its first row, readable by its owner alone.

    Args:
        path: Where it is.
        form: The format.
        encoding: Of the text; bytes of the input that could not be decoded are written as they were.

    Attributes:
        path: Where it is.
        rows: How many rows it holds.
        first: The first row that an earlier run left in it, or None.
    """

    def __init__(self, path: Path, form: RowFormat, encoding: str = "utf-8") -> None:
        self.path = path
        self.rows = 0
        self.first: StoredRow | None = None
        self._form = form
        self._encoding = encoding
        self._lines = RangeSet()
        self._done = RangeSet()  # of these lines those that are done, which is most of them in results
        self._own = RangeSet()  # of these lines those that this run has written
        self._forgotten: set[int] = set()
        self._replaced: dict[int, str] = {}  # by line: records that are to take the place of what an earlier run wrote
        self._replaced_size = 0
        self._file: TextIO | None = None

    def __contains__(self, line: object) -> bool:
        return line in self._lines and line not in self._forgotten

    def resume(self, keep: Callable[[str], bool]) -> None:
        """Go on with what an earlier run left; half a record at its end is cut off.

        Args:
            keep: Tells by its status whether a row stays; those that this run decides anew do not.

        Raises:
            FileError: the file is another one.
            OSError: it cannot be read or written.
        """
        if self.path.exists():
            remove_leftovers(self.path)
            self._rewrite(lambda held: keep(held.status))
            self._file = self._opened(open_private(self.path, os.O_APPEND), "a")

    def write(self, row: SourceRow, result: RowResult) -> None:
        """Add a row, unless it is there as what it is; it is in the operating system's hands on return.

        Why an earlier run did not do it may be true no more, and is replaced: at the latest when the file is closed.

        Args:
            row: The row.
            result: What became of it.

        Raises:
            OSError: the file cannot be written.
        """
        done = result.status in DONE
        if row.line in self:
            if done is (row.line in self._done):
                if not done and row.line not in self._own:
                    self._replace(row, result)
                return
            self.forget(row.line)
        if self._file is None:
            self._file = self._opened(make_private(self.path), "w")
            self._file.write(self._form.header)
        if row.line in self._forgotten:
            self._write_anew()
        self._file.write(self._form.record(row, result))
        self._file.flush()
        self._lines.add(row.line)
        self._own.add(row.line)
        if done:
            self._done.add(row.line)
        self.rows += 1

    def forget(self, line: int) -> None:
        """Let a row go that has found another end since; it leaves the file when that is closed.

        Args:
            line: Its line.
        """
        if line in self:
            self._forgotten.add(line)
            self._replaced.pop(line, None)
            self.rows -= 1

    def close(self) -> None:
        """Close the file, if there is one; one that holds no row any more goes.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is not None:
            if self._forgotten or self._replaced:
                self._write_anew()
            self._file.close()
            self._file = None
            if not self.rows:
                self.path.unlink()

    def join(self, parts: Iterable[Path], scratch: Path) -> None:
        """Make the file of parts of it, in the order of lines; of two rows of a line the first counts.

        What was there goes, unless it is one of the parts.

        Args:
            parts: Files of the same form; one that is not there holds nothing.
            scratch: Where a database is made, and left, in a folder that is private.

        Raises:
            FileError: a part is another file.
            OSError: a file cannot be read or written.
        """
        if self.path.exists():
            check_private(os.lstat(self.path))
        scratch.unlink(missing_ok=True)
        os.close(make_private(scratch))
        with contextlib.closing(sqlite3.connect(scratch)) as rows:
            rows.execute("PRAGMA journal_mode = OFF")
            rows.execute("CREATE TABLE held (line INTEGER PRIMARY KEY, text BLOB)")
            for part in parts:
                if part.exists():
                    rows.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", self._packed(part))
            (self.rows,) = rows.execute("SELECT count(*) FROM held").fetchone()
            if not self.rows:
                self.path.unlink(missing_ok=True)
                return
            text: Any = {"encoding": self._encoding, "errors": "surrogateescape", "newline": ""}
            with replacing(self.path, "w", **text) as new:
                new.write(self._form.header)
                for (packed,) in rows.execute("SELECT text FROM held ORDER BY line"):
                    new.write(packed.decode("utf-8", "surrogatepass"))

    def count(self) -> int:
        """Count the rows that it holds.

        Raises:
            FileError: it is another file.
            OSError: it cannot be read.
        """
        self.rows = sum(1 for _ in self._packed(self.path)) if self.path.exists() else 0
        return self.rows

    def _packed(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """Give the rows of a file of this form: their lines, and the records."""
        try:
            with path.open(encoding=self._encoding, errors="surrogateescape", newline="") as file:
                for held in self._form.stored(file):
                    yield held.line, held.text.encode("utf-8", "surrogatepass")
        except (FileError, UnicodeError) as error:
            reason = error if isinstance(error, FileError) else "is not in the input's encoding"
            raise FileError(f"{path} {reason}: move it, or name another") from None

    def _opened(self, handle: int, mode: Literal["w", "a"]) -> TextIO:
        return os.fdopen(handle, mode, encoding=self._encoding, errors="surrogateescape", newline="")

    def _replace(self, row: SourceRow, result: RowResult) -> None:
        """Have a row written in the place of what is there of it, together with others."""
        text = self._replaced[row.line] = self._form.record(row, result)
        self._own.add(row.line)
        self._replaced_size += len(text)
        if self._replaced_size > _MOST_REPLACED:
            self._write_anew()

    def _write_anew(self) -> None:
        """Drop what was forgotten, and put what is replaced in its place."""
        if self._file is not None:
            self._file.close()
        self._rewrite(lambda held: held.line not in self._forgotten)
        self._forgotten.clear()
        self._replaced.clear()
        self._replaced_size = 0
        self._file = self._opened(open_private(self.path, os.O_APPEND), "a")

    def _rewrite(self, keep: Callable[[StoredRow], bool]) -> None:
        """Write what stays to a file of its own, which then takes this one's place in one step."""
        lines, done = RangeSet(), RangeSet()
        self.rows = 0
        check_folder(self.path)
        check_private(os.lstat(self.path))
        text: Any = {"encoding": self._encoding, "errors": "surrogateescape", "newline": ""}
        try:
            with (
                self.path.open(**text) as old,
                replacing(self.path, "w", **text) as new,
            ):
                new.write(self._form.header)
                for held in self._form.stored(old):
                    if held.line not in lines and keep(held):
                        new.write(self._replaced.get(held.line, held.text))
                        lines.add(held.line)
                        if held.status in DONE:
                            done.add(held.line)
                        self.rows += 1
                        self.first = self.first or held
        except (FileError, UnicodeError) as error:
            reason = error if isinstance(error, FileError) else "is not in the input's encoding"
            raise FileError(f"{self.path} {reason}: move it, or name another") from None
        self._lines, self._done = lines, done


def move_aside(path: Path) -> None:
    """Rename a file, if there is one: a file that may be being mended is not overwritten.

    Args:
        path: The file.
    """
    if path.exists():
        number = 1
        while (other := path.with_name(f"{path.name}.{number}")).exists():
            number += 1
        path.rename(other)
