"""Partial files of an export: the records written so far, and beside them the state by which it is resumed.

Records go to ``<path>.part``, a line of JSON each. ``<path>.resume`` says how many bytes of it count and where to read
on; it is replaced in one step, after the records are on the disk. So an export that is killed at any moment goes on
from the last such step, and what was written after it is cut off. The file itself appears when it is whole.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from welkin_async.bulk.errors import ExportError, JournalLockedError
from welkin_async.bulk.file_lock import JournalLock
from welkin_async.http.private_file import open_private, remove_leftovers, replacing

_VERSION = 1


@attrs.define(kw_only=True)
class Mark:
    """How far an export is good.

    Attributes:
        offset: Bytes of the part that count.
        page: Where in it the last page begins.
        cursor: Where to read on; None at the beginning.
        patients: How many patients are done.
        chain: A digest of their ids.
        records: How many records were written.
        pages: How many pages they came on.
        whole: Whether nothing is left to be read.
    """

    offset: int = 0
    page: int = 0
    cursor: str | None = None
    patients: int = 0
    chain: str = ""
    records: int = 0
    pages: int = 0
    whole: bool = False


class ExportFile:
    """The files of one export, held by this process from `open` until `close`. It blocks, and belongs in a thread.

    Args:
        path: Where the export is to appear.
        what: What is exported, from where; an export of something else is not taken up.

    Attributes:
        mark: How far the export is good.
        resumed: Whether an earlier run's was taken up.
        part: Where the records are while the export is not whole.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._side = Path(f"{path}.resume")
        self.part = Path(f"{path}.part")
        self._lock = JournalLock(self.part)
        self._file: BinaryIO | None = None
        self._seam: dict[str, bytes] = {}
        self._kept = Mark()
        self.mark = Mark()
        self.resumed = False

    def open(self, *, resume: bool) -> None:
        """Take an export up, or begin one.

        Args:
            resume: Whether to take up what is there; else it is forgotten.

        Raises:
            ExportError: another process writes it, or what is there is another export's.
            OSError: the files cannot be made.
        """
        try:
            self._lock.take()
        except JournalLockedError as error:
            pid = error.pid
        else:
            with contextlib.ExitStack() as undo:
                undo.callback(self._lock.release)
                for path in (self._path, self._side):
                    remove_leftovers(path)
                self._begin(resume=resume)
                undo.pop_all()
            return
        raise ExportError(f"process {pid} is writing this export" if pid else "another process is writing this export")

    def _begin(self, *, resume: bool) -> None:
        if resume and self._side.exists():
            self.mark = self._read_mark()
            self.resumed = True
        else:
            self._side.unlink(missing_ok=True)
        self._kept = attrs.evolve(self.mark)
        handle = open_private(self.part)
        self._file = os.fdopen(handle, "r+b")
        with contextlib.ExitStack() as undo:
            undo.callback(self._file.close)
            os.chmod(self.part, 0o600)
            if os.fstat(handle).st_size < self.mark.offset:
                raise ExportError("records of the export are missing from its .part file; begin anew with resume=False")
            self._file.truncate(self.mark.offset)
            self._file.seek(self.mark.page)
            lines = self._file.read(self.mark.offset - self.mark.page).splitlines(keepends=True)
            self._seam = {id: line for line in lines if (id := _id(json.loads(line))) is not None}
            self._file.seek(self.mark.offset)
            undo.pop_all()

    def _read_mark(self) -> Mark:
        try:
            held = json.loads(self._side.read_bytes())
            version, what, fields = held["version"], held["what"], held["mark"]
            mark = Mark(**fields)
        except (ValueError, KeyError, TypeError):
            version, what, mark = None, None, Mark()
        if version != _VERSION:
            raise ExportError("the .resume file beside the export cannot be read; begin anew with resume=False")
        if what != self._what:
            raise ExportError("an export of something else was begun there; name another file, or use resume=False")
        return mark

    def write(self, records: Iterable[Mapping[str, Any]], *, seam: bool) -> int:
        """Write records behind those that are there.

        Args:
            records: What the server sent.
            seam: Whether they are a page that may begin with records of the one before, which are left out then; a
                record that has changed meanwhile is not.

        Returns:
            How many were written.
        """
        assert self._file is not None
        lines = []
        before, self._seam = self._seam, {}
        for record in records:
            line, id = _line(record), _id(record)
            if seam and id is not None:
                self._seam[id] = line
                if before.get(id) == line:
                    continue
            lines.append(line)
        self._file.write(b"".join(lines))
        return len(lines)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        assert self._file is not None
        return self._file.tell()

    def cut(self, size: int) -> None:
        """Take back what was written beyond so many bytes."""
        assert self._file is not None
        self._file.seek(size)
        self._file.truncate()

    def page(self, records: Iterable[Mapping[str, Any]], cursor: str | None) -> None:
        """Write a page of a walk by cursor, and keep how far it is.

        Args:
            records: The page's records.
            cursor: Where to read on.
        """
        begin = self.size
        written = self.write(records, seam=True)
        mark = self.mark
        mark.page, mark.offset, mark.cursor = begin, self.size, cursor or mark.cursor
        mark.records += written
        mark.pages += 1
        self.keep()

    def keep(self) -> None:
        """Save the present mark, from which a later run goes on."""
        assert self._file is not None
        if self.mark == self._kept:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        held = {"version": _VERSION, "what": self._what, "mark": attrs.asdict(self.mark)}
        with replacing(self._side) as file:
            file.write(json.dumps(held).encode())
        self._kept = attrs.evolve(self.mark)

    def finish(self, whole: Path) -> None:
        """Let the export appear, and remove what was beside it.

        Args:
            whole: The file to be put there: the part itself, or what was made of it.
        """
        assert self._file is not None
        self._file.close()
        os.replace(whole, self._path)
        self._side.unlink(missing_ok=True)
        self._remove_part()

    def _remove_part(self) -> None:
        self.part.unlink(missing_ok=True)
        Path(f"{self.part}.lock").unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what is good, close the files and give the lock back; may be repeated.

        Where nothing is good no file is left.
        """
        try:
            if self._file is not None and not self._file.closed:
                with self._file:
                    self.keep()
                if self.mark == Mark():
                    self._remove_part()
        finally:
            self._lock.release()


def _id(record: Mapping[str, Any]) -> str | None:
    id = record.get("id")
    return id if isinstance(id, str) else None


def _line(record: Mapping[str, Any]) -> bytes:
    """Write a record as it was received, in one line."""
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can say
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"
