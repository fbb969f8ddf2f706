"""Where a row goes that is done with: what may be mended and imported again, what must be looked into, and all."""

from __future__ import annotations

from pathlib import Path

from welkin_async.bulk import Status
from welkin_async.cli.deeds import DONE
from welkin_async.cli.forms import Entry, Form, Held, NdjsonForm
from welkin_async.cli.row_file import RowFile, move_aside
from welkin_async.cli.rows import REJECT_COLUMNS, REVIEW_COLUMNS, SourceRow
from welkin_async.cli.text import CommandError

__all__ = ["RowFiles"]

_RESULT_MARKS = ("_line", "_status", "_reason", "_key", "_record_id", "_error", "_attempts")
_REJECTED = frozenset({Status.REJECTED.value, Status.FAILED.value})
_UNDECIDED = frozenset({Status.UNKNOWN.value})
_RETRIED = frozenset({*_REJECTED, *_UNDECIDED, Status.CONFLICT.value})


class RowFiles:
    """The files of a run.

    The reject file holds rows that are known not to be done, so that they can be mended and given to the command. The
    review file holds rows that may be done, or are done otherwise than they should. The results hold every row.

    Args:
        source: The file that is imported.
        rejects: The reject file; beside the source, as ``NAME.rejects.csv``, where it is None. The review file is
            beside it, as ``NAME.review.csv``.
        results: The results as NDJSON; None for none.
        form: The input's format.
        encoding: The input's encoding.
        columns: The names of the input's cells, where its rows are lists.

    Raises:
        CommandError: one of them cannot be there.
    """

    def __init__(
        self,
        source: Path,
        rejects: Path | None,
        results: Path | None,
        form: Form,
        encoding: str,
        columns: tuple[str, ...],
    ) -> None:
        suffix = ".ndjson" if isinstance(form, NdjsonForm) else source.suffix
        path = rejects or source.with_name(f"{source.stem}.rejects{suffix}")
        stem = source.stem if rejects is None else path.stem.removesuffix(".rejects")
        self.rejects = RowFile(path, form.marked(REJECT_COLUMNS), encoding)
        self.review = RowFile(path.with_name(f"{stem}.review{suffix}"), form.marked(REVIEW_COLUMNS), encoding)
        self.results = None if results is None else RowFile(results, NdjsonForm(columns, _RESULT_MARKS, first=True))
        paths = [file.path.resolve() for file in self._all()]
        if source.resolve() in paths or len(set(paths)) < len(paths):
            raise CommandError("input, rejects, review file and results are to be different files")
        for file in self._all():
            if not file.path.parent.is_dir():
                raise CommandError(f"{file.path.parent} is not a folder: files of rows go to one that exists")

    def _all(self) -> list[RowFile]:
        return [self.rejects, self.review, *([] if self.results is None else [self.results])]

    def check_absent(self) -> None:
        """Refuse to begin an import where files of another one stand.

        Raises:
            CommandError: one of them exists.
        """
        for file in self._all():
            if file.path.exists():
                option = "--results" if file is self.results else "--rejects"
                raise CommandError(
                    f"{file.path} exists, and holds rows of an earlier import: move it, or name another with {option}"
                )

    def take_up(self, mode: str) -> None:
        """Go on with the files of earlier runs.

        Args:
            mode: ``resume``: everything stays that this run does not decide anew. ``retry``: likewise, and the rejects,
                all of which are tried again, are put aside. ``restart``: everything is put aside.

        Raises:
            CommandError: a file is another one.
            OSError: a file cannot be read or written.
        """
        for file in self._all():
            if mode == "restart" or (mode == "retry" and file is self.rejects):
                move_aside(file.path)
            anew = _RETRIED if mode == "retry" else _UNDECIDED
            file.take_up(lambda status: status not in anew)  # noqa: B023 - called at once

    def earlier(self) -> list[tuple[Path, Held]]:
        """Return a row of each file that an earlier run left, by which the file is known."""
        return [(file.path, file.first) for file in self._all() if file.first is not None]

    def write(self, row: SourceRow, entry: Entry) -> None:
        """Put a row where its status belongs.

        Args:
            row: The row.
            entry: What became of it.

        Raises:
            OSError: a file cannot be written.
        """
        belongs = None if entry.status in DONE else self._place(entry.status)
        for file in (self.rejects, self.review):
            if file is belongs:
                file.write(row, entry)
            else:
                file.forget(row.line)
        if self.results is not None:
            self.results.write(row, entry)

    def write_earlier(self, row: SourceRow, entry: Entry) -> None:
        """Put a row there that an earlier run was done with, unless that run has done so.

        Args:
            row: The row.
            entry: What the journal says of it.

        Raises:
            OSError: a file cannot be written.
        """
        if entry.status in DONE:
            self.rejects.forget(row.line)
        elif row.line not in self.rejects and row.line not in self.review:
            self._place(entry.status).write(row, entry)
        if self.results is not None and row.line not in self.results:
            self.results.write(row, entry)

    def write_double(self, row: SourceRow, entry: Entry) -> None:
        """Put a row that is on the server more than once into the review file; its result stays what it is."""
        self.review.write(row, entry)

    def _place(self, status: str) -> RowFile:
        return self.rejects if status in _REJECTED else self.review

    def close(self) -> None:
        """Close them."""
        for file in self._all():
            file.close()
