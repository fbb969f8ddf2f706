"""Reject, review and results files: where a row is written once it has its outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from welkin_async.bulk import Status
from welkin_async.files.errors import FileError
from welkin_async.files.job_kind import DONE
from welkin_async.files.options import FileSettings
from welkin_async.files.outputs.reject_file import RejectFile, move_aside
from welkin_async.files.readers.formats import NdjsonFormat, RowFormat, RowResult, StoredRow
from welkin_async.files.readers.row import REJECT_COLUMNS, REVIEW_COLUMNS, SourceRow
from welkin_async.http.private_file import check_folder

_RESULT_MARKS = ("_line", "_status", "_reason", "_key", "_record_id", "_error", "_attempts", "_request_id")
_REJECTED = frozenset({Status.REJECTED.value, Status.FAILED.value})
_UNDECIDED = frozenset({Status.UNKNOWN.value})
_RETRIED = frozenset({*_REJECTED, *_UNDECIDED, Status.CONFLICT.value})


class RejectFiles:
    """Reject, review and results files of a run; one whose path is None is not written.

    The reject file holds rows that are known not to be done, so that they can be mended and imported again. The review
    file holds rows that may be done, or are done otherwise than they should. The results hold every row.

    Args:
        settings: Where they are.
        form: The input's format.
        encoding: The input's encoding.
        columns: The names of the input's cells, where its rows are lists.

    Raises:
        FileError: one of them cannot be there.
    """

    def __init__(self, settings: FileSettings, form: RowFormat, encoding: str, columns: tuple[str, ...]) -> None:
        def file(path: Path | None, form: RowFormat, encoding: str = "utf-8") -> RejectFile | None:
            return None if path is None else RejectFile(path, form, encoding)

        self.rejects = file(settings.rejects, form.with_marks(REJECT_COLUMNS, safe=settings.csv_safe), encoding)
        self.review = file(settings.review, form.with_marks(REVIEW_COLUMNS, safe=settings.csv_safe), encoding)
        self.results = file(settings.results, NdjsonFormat(columns, _RESULT_MARKS, first=True))
        self._all = {
            name: each
            for name, each in (("rejects", self.rejects), ("review", self.review), ("results", self.results))
            if each is not None
        }
        paths = [file.path.resolve() for file in self._all.values()]
        if settings.file.resolve() in paths or len(set(paths)) < len(paths):
            raise FileError("input, rejects, review file and results are to be different files")
        for each in self._all.values():
            if not each.path.parent.is_dir():
                raise FileError(f"{each.path.parent} is not a folder: files of rows go to one that exists")
            try:
                check_folder(each.path)
            except OSError as error:
                raise FileError(f"{each.path} cannot be written: {error.strerror}") from None

    @property
    def paths(self) -> dict[str, Any]:
        """The files that hold a row, by ``rejects``, ``review`` and ``results``."""
        return {name: file.path for name, file in self._all.items() if file.rows}

    def check_absent(self) -> None:
        """Refuse to begin an import where files of another one stand.

        Raises:
            FileError: one of them exists.
        """
        for name, file in self._all.items():
            if file.path.exists():
                raise FileError(
                    f"{file.path} exists, and holds rows of an earlier import: move it, or name another with {name}="
                )

    def resume(self, mode: str) -> None:
        """Go on with the files of earlier runs.

        Args:
            mode: ``resume``: everything stays that this run does not decide anew. ``retry``: likewise, and the rejects,
                all of which are tried again, are put aside. ``restart``: everything is put aside.

        Raises:
            FileError: a file is another one.
            OSError: a file cannot be read or written.
        """
        for file in self._all.values():
            if mode == "restart" or (mode == "retry" and file is self.rejects):
                move_aside(file.path)
            anew = _RETRIED if mode == "retry" else _UNDECIDED
            file.resume(lambda status: status not in anew)  # noqa: B023 - called at once

    def earlier(self) -> list[tuple[Path, StoredRow]]:
        """Return a row of each file that an earlier run left, by which the file is known."""
        return [(file.path, file.first) for file in self._all.values() if file.first is not None]

    def write(self, row: SourceRow, result: RowResult) -> None:
        """Put a row where its status belongs.

        Args:
            row: The row.
            result: What became of it.

        Raises:
            OSError: a file cannot be written.
        """
        place = None if result.status in DONE else self._place(result.status)
        for file in (self.rejects, self.review):
            if file is not None and file is place:
                file.write(row, result)
            elif file is not None and file.rows:
                file.forget(row.line)
        if self.results is not None:
            self.results.write(row, result)

    def write_earlier(self, row: SourceRow, result: RowResult) -> None:
        """Put a row there that an earlier run was done with, unless that run has done so.

        Args:
            row: The row.
            result: What the journal says of it.

        Raises:
            OSError: a file cannot be written.
        """
        rejects, review = self.rejects, self.review
        if result.status in DONE:
            if rejects is not None:
                rejects.forget(row.line)
        elif not any(file is not None and row.line in file for file in (rejects, review)):
            place = self._place(result.status)
            if place is not None:
                place.write(row, result)
        if self.results is not None and row.line not in self.results:
            self.results.write(row, result)

    def withdraw(self, row: SourceRow) -> None:
        """Take a row out that an earlier run was not done with, and that the next run sends.

        Args:
            row: The row.
        """
        for file in self._all.values():
            file.forget(row.line)

    def write_duplicate(self, row: SourceRow, result: RowResult) -> None:
        """Put a row that is on the server more than once into the review file; its result stays what it is."""
        if self.review is not None:
            self.review.write(row, result)

    def _place(self, status: str) -> RejectFile | None:
        return self.rejects if status in _REJECTED else self.review

    def close(self) -> None:
        """Close them."""
        for file in self._all.values():
            file.close()
